"""Turn points into the tensors that the network sees: the very same loops in training and on board.

Heights count from the ground of the geometric channel, so that slopes and pitch look alike to the network.
'before' counts what the earlier sweep saw standing, since that alone tells of motion. 'contrast' is the intensity
against the mean of all points looked at, since no two sensors give the same light the same number. 'rough' tells how
uneven the ground is within half a metre: what tells grass from a road where a sensor tells no light.
'passed' grows from 0, no ray went on over the cell within HIGH_M of the ground, to 1, one went on right above it.
"""

import numpy as np
from numba import njit

from autonomy_nodes.perception.bev import CELL_M, CELLS, FINE, FINE_M, HIGH_M, LOW_M, ORIGIN_M, POINTS, PRIOR, SLICES_M
from autonomy_nodes.perception.cells import AZIMUTHS, RANGE_STEP_M
from autonomy_nodes.perception.ground import OUTSIDE, Ground
from autonomy_nodes.perception.polar import turn_of

STANDING_M = 0.15  # points of the earlier sweep lower than this above the ground tell nothing of motion
_COUNT, _HIGHEST, _LOWEST, _MEAN, _INTENSITY, _SLICES = range(6)
_BEFORE, _CONTRAST, _ROUGH = (POINTS.index(name) for name in ('before', 'contrast', 'rough'))
_MEAN_CONTRAST, _MOST_CONTRAST = 0.5, 3.0
_BEYOND_M = 0.5  # of a cell's middle, that a ray has passed over it
_LOW_M, _SMOOTH_M, _AROUND = 0.4, 0.01, 2  # points of the ground; as even as a road; cells on each side
_EDGES_M = np.array(SLICES_M, np.float32)


def rasterised(
    points: np.ndarray,
    before: np.ndarray,
    ground: Ground,
    rays: np.ndarray | None = None,
    sensor_m: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs `points` and `prior` of bev.INPUTS, float32.

    points: (N, 4) x y z intensity (0 to 1) in base_link, before: (M, 4) those of the earlier sweep in the same
    base_link. ground: of `points`. rays: as cells.rays gives them, with sensor_m (3,); without them none passed.
    """
    points, before = (np.require(cloud, np.float32, 'C') for cloud in (points, before))
    prior = np.zeros((len(PRIOR), *CELLS), np.float32)
    _lay_ground(points, ground.kinds, ground.heights_m, prior)
    fill(prior[0], prior[1])
    if rays is not None and sensor_m is not None:
        lay_rays(rays, np.asarray(sensor_m, np.float64), prior[0], prior[2], ORIGIN_M, CELL_M, _BEYOND_M)
    fine = np.zeros((len(POINTS), *FINE), np.float32)
    light = _lay_points(points, ground.heights_m, _EDGES_M, fine)
    _lay_before(before, prior[0], fine[_BEFORE])
    _lay_contrast(fine[_INTENSITY], fine[_COUNT], light, fine[_CONTRAST])
    return {'points': fine, 'prior': prior}


@njit(cache=True, nogil=True)
def _lay_ground(points: np.ndarray, kinds: np.ndarray, heights: np.ndarray, prior: np.ndarray) -> None:
    """Set the mean height of the ground under the points of each cell, and known to 1 there."""
    total, known = prior[0], prior[1]
    for n in range(len(points)):
        i = int(np.floor((points[n, 0] - ORIGIN_M[0]) / CELL_M))
        j = int(np.floor((points[n, 1] - ORIGIN_M[1]) / CELL_M))
        if kinds[n] != OUTSIDE and 0 <= i < total.shape[0] and 0 <= j < total.shape[1]:
            total[i, j] += points[n, 2] - heights[n]
            known[i, j] += 1.0
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            if known[i, j] > 0.0:
                total[i, j] /= known[i, j]
                known[i, j] = 1.0


@njit(cache=True, nogil=True)
def fill(height: np.ndarray, known: np.ndarray) -> None:
    """Carry the height of the nearest known cell into the others: distances swept twice (Borgefors 1986)."""
    wide, long = height.shape
    far = np.where(known > 0.0, 0.0, 1e6).astype(np.float32)
    for turn in range(2):
        for a in range(wide):
            i = a if turn == 0 else wide - 1 - a
            for b in range(long):
                j = b if turn == 0 else long - 1 - b
                for di, dj, way in ((-1, 0, 1.0), (0, -1, 1.0), (-1, -1, 1.4142), (-1, 1, 1.4142)):
                    p, q = (i + di, j + dj) if turn == 0 else (i - di, j - dj)
                    if 0 <= p < wide and 0 <= q < long and far[p, q] + way < far[i, j]:
                        far[i, j], height[i, j] = far[p, q] + way, height[p, q]


@njit(cache=True, nogil=True)
def lay_rays(
    table: np.ndarray,
    sensor: np.ndarray,
    height: np.ndarray,
    passed: np.ndarray,
    origin: np.ndarray,
    cell_m: float,
    beyond_m: float,
) -> None:
    """Set from 0, no ray went on over the cell within HIGH_M of the ground, to 1, one went on right above it.

    height: (X, Y) of the ground in cells from an origin (2,) on. beyond_m: so far past their middles a ray must go.
    """
    for i in range(height.shape[0]):
        for j in range(height.shape[1]):
            x = origin[0] + (i + 0.5) * cell_m - sensor[0]
            y = origin[1] + (j + 0.5) * cell_m - sensor[1]
            reach = np.sqrt(x * x + y * y)
            step = int((reach + beyond_m) / RANGE_STEP_M) + 1
            if step < table.shape[1]:
                lowest = sensor[2] + table[int(turn_of(x, y) * AZIMUTHS) % AZIMUTHS, step] * reach - height[i, j]
                passed[i, j] = min(max(1.0 - lowest / HIGH_M, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _lay_points(points: np.ndarray, heights: np.ndarray, edges: np.ndarray, fine: np.ndarray) -> float:
    """Set channels of one sweep, and return the mean intensity of the points that are looked at.

    What lies outside LOW_M to HIGH_M above the ground is not looked at.
    """
    slices = len(edges) - 1
    told = _SLICES + slices
    rows, count, light, looked = np.zeros(fine.shape[1:], np.int32), 0, 0.0, 0
    sums = np.empty((min(len(points), rows.size), told + 3), np.float32)  # of one cell side by side: no misses
    for n in range(len(points)):
        i = int(np.floor((points[n, 0] - ORIGIN_M[0]) / FINE_M))
        j = int(np.floor((points[n, 1] - ORIGIN_M[1]) / FINE_M))
        height = heights[n]
        if i < 0 or j < 0 or i >= fine.shape[1] or j >= fine.shape[2] or not LOW_M <= height < HIGH_M:
            continue  # NaN heights too
        row = rows[i, j] - 1
        if row < 0:
            row, count = count, count + 1
            rows[i, j] = count
            sums[row], sums[row, _HIGHEST], sums[row, _LOWEST] = 0.0, LOW_M, HIGH_M
        sums[row, _COUNT] += 1.0
        sums[row, _HIGHEST] = max(sums[row, _HIGHEST], height)
        sums[row, _LOWEST] = min(sums[row, _LOWEST], height)
        sums[row, _MEAN] += height
        sums[row, _INTENSITY] += points[n, 3]
        light, looked = light + points[n, 3], looked + 1
        if abs(height) < _LOW_M:
            sums[row, told] += 1.0
            sums[row, told + 1] += height
            sums[row, told + 2] += height * height
        level = 0
        while level < slices - 1 and height >= edges[level + 1]:
            level += 1
        sums[row, _SLICES + level] = 1.0
    for i in range(fine.shape[1]):
        for j in range(fine.shape[2]):
            row = rows[i, j] - 1
            if row >= 0:
                number = sums[row, _COUNT]
                sums[row, _MEAN] /= number
                sums[row, _INTENSITY] /= number
                sums[row, _COUNT] = np.log1p(number)
                for channel in range(told):
                    fine[channel, i, j] = sums[row, channel]
    _lay_roughness(rows, sums[:, told:], fine[_ROUGH])
    return light / looked if looked else 0.0


@njit(cache=True, nogil=True)
def _lay_before(before: np.ndarray, height: np.ndarray, layer: np.ndarray) -> None:
    """Set the logarithm of how many points of the earlier sweep stood in each cell."""
    for n in range(len(before)):
        x, y = before[n, 0] - ORIGIN_M[0], before[n, 1] - ORIGIN_M[1]
        i, j = int(np.floor(x / FINE_M)), int(np.floor(y / FINE_M))
        if 0 <= i < layer.shape[0] and 0 <= j < layer.shape[1]:
            above = before[n, 2] - height[int(x / CELL_M), int(y / CELL_M)]
            if STANDING_M <= above < HIGH_M:
                layer[i, j] += 1.0
    for i in range(layer.shape[0]):
        for j in range(layer.shape[1]):
            if layer[i, j] > 0.0:
                layer[i, j] = np.log1p(layer[i, j])


@njit(cache=True, nogil=True)
def _lay_contrast(intensity: np.ndarray, count: np.ndarray, mean: float, layer: np.ndarray) -> None:
    """Set the intensity of each cell with points as a multiple of the mean of all points.

    Of a sensor that tells no light every cell is as bright as the mean: dark is what water is.
    """
    for i in range(intensity.shape[0]):
        for j in range(intensity.shape[1]):
            if mean > 0.0:
                layer[i, j] = min(_MEAN_CONTRAST / mean * intensity[i, j], _MOST_CONTRAST)
            elif count[i, j] > 0.0:
                layer[i, j] = _MEAN_CONTRAST


@njit(cache=True, nogil=True)
def _lay_roughness(rows: np.ndarray, sums: np.ndarray, layer: np.ndarray) -> None:
    """Set log(1 + s / _SMOOTH_M) of the cells with points; s: standard deviation of the heights of the ground around.

    rows: (X, Y) one more than the row of a cell in sums (R, 3): points near the ground, their heights, the squares of
    these. Of less than three points nothing is told.
    """
    wide, long = rows.shape
    for i in range(wide):
        for j in range(long):
            if rows[i, j] == 0 or sums[rows[i, j] - 1, 0] == 0.0:
                continue
            number = total = squares = 0.0
            for p in range(max(i - _AROUND, 0), min(i + _AROUND + 1, wide)):
                for q in range(max(j - _AROUND, 0), min(j + _AROUND + 1, long)):
                    row = rows[p, q] - 1
                    if row >= 0:
                        number += sums[row, 0]
                        total += sums[row, 1]
                        squares += sums[row, 2]
            if number > 2.0:
                variance = max(squares - total * total / number, 0.0) / (number - 1.0)
                layer[i, j] = np.log1p(np.sqrt(variance) / _SMOOTH_M)
