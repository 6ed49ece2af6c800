"""What one sweep tells about each cell of a grid, in compiled loops."""

import numpy as np
from numba import njit

from autonomy_nodes.perception.ground import BELOW, GROUND, OBSTACLE, OVERHEAD
from autonomy_nodes.perception.polar import turn_of

GROUND_COUNT, GROUND_SUM, GROUND_SQUARES, BELOW_COUNT, BELOW_SUM, BELOW_SQUARES = range(6)
OBSTACLE_COUNT, OBSTACLE_TOP, OVERHEAD_LOW = range(6, 9)
AZIMUTHS, RANGES, RANGE_STEP_M = 720, 128, 1.0
_FAR = 1e9


@njit(cache=True)
def turned(xyz: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return (N, 3) float32 points along the axes of odom, still about base_link. rotation: (3, 3)."""
    out = np.empty((len(xyz), 3), np.float32)
    r = rotation.astype(np.float32)
    for i in range(len(xyz)):
        x, y, z = xyz[i, 0], xyz[i, 1], xyz[i, 2]
        out[i, 0] = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
        out[i, 1] = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
        out[i, 2] = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
    return out


@njit(cache=True)
def gathered(
    points: np.ndarray,
    kinds: np.ndarray,
    heights: np.ndarray,
    shift: np.ndarray,
    resolution: float,
    cells: int,
    low: float,
) -> np.ndarray:
    """Return (cells, cells, 9) float32 sums of the points in each cell.

    points: (N, 3) along odom about base_link. shift: (2,) from the grid's corner to base_link.
    low: what is lower above ground than this is no obstacle. Sums of ground and of what is below: of z about base_link.
    """
    sums = np.zeros((cells, cells, 9), np.float32)
    sums[:, :, OVERHEAD_LOW] = np.inf
    for n in range(len(points)):
        kind = kinds[n]
        if kind > BELOW:  # outside
            continue
        i = int(np.floor((points[n, 0] + shift[0]) / resolution))
        j = int(np.floor((points[n, 1] + shift[1]) / resolution))
        if i < 0 or j < 0 or i >= cells or j >= cells:
            continue
        cell = sums[i, j]
        if kind in (GROUND, BELOW):
            first, z = GROUND_COUNT if kind == GROUND else BELOW_COUNT, points[n, 2]
            cell[first] += 1
            cell[first + 1] += z
            cell[first + 2] += z * z
        elif kind == OBSTACLE and heights[n] > low:
            cell[OBSTACLE_COUNT] += 1
            cell[OBSTACLE_TOP] = max(cell[OBSTACLE_TOP], heights[n])
        elif kind == OVERHEAD:
            cell[OVERHEAD_LOW] = min(cell[OVERHEAD_LOW], heights[n])
    return sums


@njit(cache=True)
def rays(xyz: np.ndarray, kinds: np.ndarray, sensor: np.ndarray) -> np.ndarray:
    """Return (AZIMUTHS, RANGES) the lowest elevation (rise over run) of a ray that went at least so far, in base_link.

    A ray says that nothing stands in it. sensor: (3,) where the rays began.
    """
    table = np.full((AZIMUTHS, RANGES), _FAR, np.float32)
    for n in range(len(xyz)):
        if kinds[n] > OVERHEAD:  # a reflection from below did not go where it seems to
            continue
        x, y, z = xyz[n, 0] - sensor[0], xyz[n, 1] - sensor[1], xyz[n, 2] - sensor[2]
        reach = np.sqrt(x * x + y * y)
        if reach < 0.5:
            continue
        step = min(int(reach / RANGE_STEP_M), RANGES - 1)
        azimuth = int(turn_of(x, y) * AZIMUTHS) % AZIMUTHS
        table[azimuth, step] = min(table[azimuth, step], z / reach)
    for azimuth in range(AZIMUTHS):
        for step in range(RANGES - 2, -1, -1):
            table[azimuth, step] = min(table[azimuth, step], table[azimuth, step + 1])
    return table


@njit(cache=True)
def seen_through(table: np.ndarray, x: float, y: float, top: float, sensor: np.ndarray) -> bool:
    """Return whether a ray passed well below `top`, a height in base_link, at (x, y) and went on."""
    x, y = x - sensor[0], y - sensor[1]
    reach = np.sqrt(x * x + y * y)
    step = int((reach + 0.5) / RANGE_STEP_M) + 1
    if step >= RANGES:
        return False
    azimuth = int(turn_of(x, y) * AZIMUTHS) % AZIMUTHS
    return sensor[2] + table[azimuth, step] * reach < top
