"""Places measured along a line, compiled."""

import numpy as np
from numba import njit

AT_ONCE = 32  # places that are held against the line together


@njit(cache=True)
def _nearest_of(
    xy: np.ndarray, first: int, origin: np.ndarray, x: np.ndarray, y: np.ndarray, squares: np.ndarray, found: np.ndarray
) -> None:
    """Fill (AT_ONCE,) which of the points x, y (K,) from `origin` is nearest to each place of (N, 2) from `first` on.

    squares: (K,) of the points' distances from `origin`. All places are held against a point at once (SIMD).
    """
    px, py = np.zeros(AT_ONCE, np.float32), np.zeros(AT_ONCE, np.float32)
    least = np.full(AT_ONCE, np.float32(np.inf), np.float32)
    for k in range(min(AT_ONCE, len(xy) - first)):
        px[k] = np.float32(2.0) * np.float32(xy[first + k, 0] - origin[0])
        py[k] = np.float32(2.0) * np.float32(xy[first + k, 1] - origin[1])
    found[:] = 0
    for index in range(len(x)):
        x0, y0, square, this = x[index], y[index], squares[index], np.int32(index)
        for k in range(AT_ONCE):
            distance = square - (px[k] * x0 + py[k] * y0)  # but for a part equal for all points
            nearer = distance < least[k]
            least[k] = distance if nearer else least[k]
            found[k] = this if nearer else found[k]


@njit(cache=True)
def projected(
    xy: np.ndarray, points: np.ndarray, headings: np.ndarray, curvatures: np.ndarray, every: int, step_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K,) stations, offsets and headings of the line beside (K, 2) places.

    The nearest of each `every`th of (M, 2) points is found; from there by its tangent and its curvature.
    """
    count, coarse = len(xy), points[::every]
    x, y = (coarse[:, 0] - points[0, 0]).astype(np.float32), (coarse[:, 1] - points[0, 1]).astype(np.float32)
    squares, cosines, sines = x * x + y * y, np.cos(headings[::every]), np.sin(headings[::every])
    stations, offsets, directions = np.empty(count), np.empty(count), np.empty(count)
    among = np.empty(AT_ONCE, np.int32)
    for place in range(count):
        if place % AT_ONCE == 0:
            _nearest_of(xy, place, points[0], x, y, squares, among)
        nearest = np.int64(among[place % AT_ONCE])
        cos, sin = cosines[nearest], sines[nearest]
        nearest *= every
        bend = curvatures[nearest]
        dx, dy = xy[place, 0] - points[nearest, 0], xy[place, 1] - points[nearest, 1]
        along, left = dx * cos + dy * sin, dy * cos - dx * sin
        if abs(along) <= 2.0 * every * step_m:
            along /= max(1.0 - bend * left, 0.3)  # inside of a curve is shorter
        else:
            bend = 0.0
        stations[place] = nearest * step_m + along
        offsets[place] = left - 0.5 * bend * along**2 * (1.0 - bend * left)
        directions[place] = headings[nearest] + bend * along
    return stations, offsets, directions
