"""What the far ring of the network sees: the same loops in training and on board.

Heights count from the ground of the geometric channel. Its planes are carried outward from ring to ring, so under each
far point there is an extrapolated ground, however few points there were; cells without points take the height of the
nearest cell that has some.
"""

import numpy as np
from numba import njit

from autonomy_nodes.perception.bev import (
    FAR,
    FAR_HIGH_M,
    FAR_LOW_M,
    FAR_M,
    FAR_ORIGIN_M,
    FAR_POINTS,
)
from autonomy_nodes.perception.cells import met
from autonomy_nodes.perception.ground import OUTSIDE, Ground
from autonomy_nodes.perception.raster import fill, lay_rays

NEAR = 0.75  # of the channel 'passed': a ray went on less than a metre above the ground
_COUNT, _HIGHEST, _LOWEST, _MEAN, GROUND, _KNOWN, _PASSED = range(len(FAR_POINTS))


def far_rasterised(
    points: np.ndarray, ground: Ground, rays: np.ndarray | None = None, sensor_m: np.ndarray | None = None
) -> np.ndarray:
    """Return (len(FAR_POINTS), *FAR) float32, the input `far` of bev.FAR_INPUTS.

    points: (N, 3) or (N, 4), x y z first, in base_link; ground: of these. rays: as cells.rays gives them, with sensor_m
    (3,); without them none passed.
    """
    far = np.zeros((len(FAR_POINTS), *FAR), np.float32)
    _lay(np.require(points, np.float32, 'C'), ground.kinds, ground.heights_m, far)
    fill(far[GROUND], far[_KNOWN])
    if rays is not None and sensor_m is not None:
        lay_rays(rays, np.asarray(sensor_m, np.float64), far[GROUND], far[_PASSED], FAR_ORIGIN_M, FAR_M, 0.5 * FAR_M)
    return far


def far_asked(far: np.ndarray) -> np.ndarray:
    """Return (X, Y) of which cells a LiDAR can know: with a point in or beside them, or a ray that passed low above."""
    return met(far[_KNOWN], far[_PASSED], NEAR)


@njit(cache=True, nogil=True)
def _lay(points: np.ndarray, kinds: np.ndarray, heights: np.ndarray, far: np.ndarray) -> None:
    """Set the channels of points. 'count', 'highest', 'lowest', 'mean': of those from FAR_LOW_M to FAR_HIGH_M."""
    known = far[_KNOWN]
    for n in range(len(points)):
        i = int(np.floor((points[n, 0] - FAR_ORIGIN_M[0]) / FAR_M))
        j = int(np.floor((points[n, 1] - FAR_ORIGIN_M[1]) / FAR_M))
        if kinds[n] == OUTSIDE or i < 0 or j < 0 or i >= far.shape[1] or j >= far.shape[2]:
            continue
        height = heights[n]
        far[GROUND, i, j] += points[n, 2] - height
        known[i, j] += 1.0
        if FAR_LOW_M <= height < FAR_HIGH_M:
            first = far[_COUNT, i, j] == 0.0
            far[_HIGHEST, i, j] = height if first else max(far[_HIGHEST, i, j], height)
            far[_LOWEST, i, j] = height if first else min(far[_LOWEST, i, j], height)
            far[_MEAN, i, j] += height
            far[_COUNT, i, j] += 1.0
    for i in range(far.shape[1]):
        for j in range(far.shape[2]):
            if known[i, j] > 0.0:
                far[GROUND, i, j] /= known[i, j]
                known[i, j] = 1.0
            if far[_COUNT, i, j] > 0.0:
                far[_MEAN, i, j] /= far[_COUNT, i, j]
                far[_COUNT, i, j] = np.log1p(far[_COUNT, i, j])
