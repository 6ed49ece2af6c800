"""Places measured along a line, compiled."""

import numpy as np
from numba import njit


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
    for place in range(count):
        px = np.float32(2.0) * np.float32(xy[place, 0] - points[0, 0])
        py = np.float32(2.0) * np.float32(xy[place, 1] - points[0, 1])
        least, nearest = np.float32(np.inf), 0
        for index in range(len(x)):
            distance = squares[index] - (px * x[index] + py * y[index])  # but for a part equal for all points
            if distance < least:
                least, nearest = distance, index
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
