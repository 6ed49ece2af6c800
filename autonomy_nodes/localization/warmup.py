"""Compile the loops of localization before the first sweep comes: seconds once a machine, a moment from then on."""

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.localization.localizer import LocalizationConfig, Localizer
from autonomy_nodes.localization.voxels import kept, no_cells


def warm() -> None:
    """Localize in a small made-up yard with two walls, and forget it."""
    along, across = (axis.ravel() for axis in np.meshgrid(np.arange(-9.0, 9.0, 0.3), np.arange(-9.0, 9.0, 0.3)))
    far, low = np.full(along.size, 9.0), np.zeros(along.size)
    walls = (along, across, low), (far, across, along), (along, far, across)
    yard = np.concatenate([np.stack(wall, axis=1) for wall in walls])
    localizer = Localizer(LocalizationConfig())
    for number in range(1, 4):
        xyz = (yard + 0.01 * number).astype(np.float32)
        localizer.sweep(PointCloud(number * 100_000_000, 'base_link', xyz, np.zeros(len(xyz), np.float32)))
    kept(no_cells(16), no_cells(16), np.zeros(3), 1.0, 0)  # which a drive needs after a second or so
