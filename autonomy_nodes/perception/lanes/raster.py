"""What the network of lanes sees: the same in training and on board."""

import numpy as np
from numba import njit

from autonomy_nodes.perception.bev import FINE_M, LANE_FINE, LANES_ORIGIN_M, lane_part
from autonomy_nodes.perception.brightness import contrasts
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.raster import rasterised

RANGE_M = 45.0  # to the corners ahead
MOST = 4.0  # times as bright as the ground
_NOTHING = np.zeros((0, 4), np.float32)


def lane_rasterised(
    rows: np.ndarray, ground: Ground, rays: np.ndarray | None = None, sensor_m: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the tensors of bev.LANE_INPUTS of a sweep (N, 4) x y z intensity (0 to 1) in base_link; see raster.py."""
    rows = np.require(rows, np.float32, 'C')
    inputs = rasterised(rows, _NOTHING, ground, rays, sensor_m)
    points, prior = lane_part(inputs['points'], inputs['prior'])
    bright = np.zeros((1, *LANE_FINE), np.float32)
    xyz, ratios = contrasts(rows[:, :3].copy(), rows[:, 3].copy(), ground.firm, RANGE_M)
    _lay(xyz, ratios, bright[0])
    return {'points': np.ascontiguousarray(points), 'prior': np.ascontiguousarray(prior), 'bright': bright}


@njit(cache=True, nogil=True)
def _lay(xyz: np.ndarray, ratios: np.ndarray, bright: np.ndarray) -> None:
    """Set how much brighter than the ground the brightest point of each cell is, 0 to MOST - 1."""
    for n in range(len(xyz)):
        i = int(np.floor((xyz[n, 0] - LANES_ORIGIN_M[0]) / FINE_M))
        j = int(np.floor((xyz[n, 1] - LANES_ORIGIN_M[1]) / FINE_M))
        if 0 <= i < bright.shape[0] and 0 <= j < bright.shape[1]:
            bright[i, j] = max(bright[i, j], min(ratios[n], MOST) - 1.0)
