"""What one sweep tells about each cell of a grid, in compiled loops."""

import numpy as np
from numba import njit

from autonomy_nodes.perception.ground import BELOW, GROUND, OBSTACLE, OVERHEAD
from autonomy_nodes.perception.polar import turn_of

GROUND_COUNT, GROUND_SUM, GROUND_SQUARES, BELOW_COUNT, BELOW_SUM, BELOW_SQUARES = range(6)
OBSTACLE_COUNT, OBSTACLE_TOP, OVERHEAD_LOW = range(6, 9)
AZIMUTHS, RANGES, RANGE_STEP_M = 720, 128, 1.0
FAR_RANGES = 176  # of which the far ring asks; the terrain believes RANGES
_FAR = 1e9


@njit(cache=True)
def gathered(
    xyz: np.ndarray,
    kinds: np.ndarray,
    heights: np.ndarray,
    rotation: np.ndarray,
    shift: np.ndarray,
    resolution: float,
    cells: int,
    low: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (K, 9) float32 sums of the points in each cell where there are any, and (cells, cells) their rows.

    Row 0 is that of all cells without points.

    xyz: (N, 3) in base_link. rotation: (3, 3) odom_from_base. shift: (2,) from the grid's corner to base_link.
    low: what is lower above ground than this is no obstacle. Sums of ground and of what is below: of z about base_link.
    """
    sums = np.empty((min(len(xyz), cells * cells) + 1, 9), np.float32)
    rows, count = np.zeros((cells, cells), np.int32), 1
    sums[0, :], sums[0, OVERHEAD_LOW] = 0.0, np.inf
    r = rotation.astype(np.float32)
    for n in range(len(xyz)):
        kind = kinds[n]
        if kind > BELOW:  # outside
            continue
        x, y, z = xyz[n, 0], xyz[n, 1], xyz[n, 2]
        i = int(np.floor((r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + shift[0]) / resolution))
        j = int(np.floor((r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + shift[1]) / resolution))
        if i < 0 or j < 0 or i >= cells or j >= cells:
            continue
        if rows[i, j] == 0:
            rows[i, j] = count
            sums[count, :], sums[count, OVERHEAD_LOW] = 0.0, np.inf
            count += 1
        row = rows[i, j]  # no view of it: to count those who hold one costs more than the sums
        if kind in (GROUND, BELOW):
            first, up = GROUND_COUNT if kind == GROUND else BELOW_COUNT, r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
            sums[row, first] += 1
            sums[row, first + 1] += up
            sums[row, first + 2] += up * up
        elif kind == OBSTACLE and heights[n] > low:
            sums[row, OBSTACLE_COUNT] += 1
            sums[row, OBSTACLE_TOP] = max(sums[row, OBSTACLE_TOP], heights[n])
        elif kind == OVERHEAD:
            sums[row, OVERHEAD_LOW] = min(sums[row, OVERHEAD_LOW], heights[n])
    return sums, rows


@njit(cache=True)
def shifted(state: np.ndarray, by: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return (X, Y, K) `state` seen from a corner that lies (2,) cells farther on; what comes in is `new` (K,)."""
    moved = np.empty_like(state)
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            a, b = i + by[0], j + by[1]
            inside = 0 <= a < state.shape[0] and 0 <= b < state.shape[1]
            for k in range(len(new)):
                moved[i, j, k] = state[a, b, k] if inside else new[k]
    return moved


@njit(cache=True, nogil=True)
def met(known: np.ndarray, passed: np.ndarray, near: float) -> np.ndarray:
    """Return (X, Y) of which cells a LiDAR may know: with a point in or beside them, or a ray passed so near.

    known: (X, Y) above 0 where a point fell. passed: (X, Y) how low a ray went on, 1 right above the ground.
    """
    found = passed > near
    for i in range(known.shape[0]):
        for j in range(known.shape[1]):
            if known[i, j] > 0.0:
                found[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = True
    return found


@njit(cache=True)
def rays(xyz: np.ndarray, kinds: np.ndarray, sensor: np.ndarray) -> np.ndarray:
    """Return (AZIMUTHS, FAR_RANGES) the lowest rise over run of a ray that went at least so far, in base_link.

    A ray says that nothing stands in it. sensor: (3,) where the rays began.
    """
    table = np.full((AZIMUTHS, FAR_RANGES), _FAR, np.float32)
    for n in range(len(xyz)):
        if kinds[n] > OVERHEAD:  # a reflection from below did not go where it seems to
            continue
        x, y, z = xyz[n, 0] - sensor[0], xyz[n, 1] - sensor[1], xyz[n, 2] - sensor[2]
        reach = np.sqrt(x * x + y * y)
        if reach < 0.5:
            continue
        step = min(int(reach / RANGE_STEP_M), FAR_RANGES - 1)
        azimuth = int(turn_of(x, y) * AZIMUTHS) % AZIMUTHS
        table[azimuth, step] = min(table[azimuth, step], z / reach)
    for azimuth in range(AZIMUTHS):
        for step in range(FAR_RANGES - 2, -1, -1):
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
