"""What the far ring of the network means: a grid ahead, and how far the way ahead is known to be free.

A cell of which the LiDAR cannot know stays unknown, whatever the network makes of it: it is NaN, and never free.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import RING_LAYERS, Grid
from autonomy_nodes.perception.bev import FAR_M, FAR_ORIGIN_M, FAR_TOLD, far_middles
from autonomy_nodes.perception.confidence import chance
from autonomy_nodes.perception.decode import spread_of
from autonomy_nodes.perception.far_raster import GROUND, far_asked

_LEFT_M = far_middles()[0, :, 1]


@dataclass(frozen=True)
class FarSettings:
    """How far the way ahead is free.

    sure: chance of being free from which a cell counts as free. from_m: what is nearer the near terrain tells; right
    before the vehicle no LiDAR sees the ground. margin_m: on both sides of the vehicle.
    """

    sure: float = 0.8
    from_m: float = 16.0
    margin_m: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 < self.sure < 1.0:
            raise ValueError(f'far.sure={self.sure} must lie between 0 and 1')
        if not 0.0 <= self.from_m < 100.0:
            raise ValueError(f'far.from_m={self.from_m} must lie between 0 and 100')
        if not self.margin_m >= 0.0:
            raise ValueError(f'far.margin_m={self.margin_m} must not be below 0')


def far_grid(told: np.ndarray, far: np.ndarray, stamp_ns: int) -> Grid:
    """Return RING_LAYERS of bev.FAR in base_link.

    told: (len(FAR_TOLD), *FAR) as the network says. far: what it saw, as far_raster.far_rasterised gives it.
    """
    residual, log_variance, obstacle, free = (told[FAR_TOLD.index(name)] for name in FAR_TOLD)
    values = (far[GROUND] + residual, spread_of(log_variance), chance(obstacle), chance(free))
    asked = far_asked(far)
    layers = {name: np.where(asked, value, np.nan).astype(np.float32) for name, value in zip(RING_LAYERS, values)}
    return Grid(stamp_ns, 'base_link', FAR_M, FAR_ORIGIN_M, layers)


def known_m(grid: Grid, half_width_m: float, settings: FarSettings) -> float:
    """Return how far straight ahead of base_link [m] all is free, to the first cell not surely so, or not known.

    Cells nearer than settings.from_m are not looked at; 0 where already the first one fails.
    """
    way = np.abs(_LEFT_M) < half_width_m + settings.margin_m + 0.5 * FAR_M
    first = int(np.ceil((settings.from_m - FAR_ORIGIN_M[0]) / FAR_M))
    barred = np.flatnonzero(~(grid.layers['free'][first:, way] >= settings.sure).all(axis=1))  # or not known
    count = int(barred[0]) if len(barred) else grid.shape[0] - first
    return float(FAR_ORIGIN_M[0] + (first + count) * FAR_M) if count else 0.0
