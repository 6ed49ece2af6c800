"""One plane of the ground, fitted to the lowest points of its cell; a row of the table that `ground` grows.

A plane: slope x, slope y, height at the cell's middle; that middle, x y; share of low points; and the covariance of
slopes and height, xx xy yy xh yh hh, by which a height that is seen beyond a gap tells the slope up to there.
"""

import numpy as np
from numba import njit

MIDDLE, SHARE_LOW, COVARIANCE, WIDTH = 3, 5, 6, 12  # where in a row they begin; how long it is
HEIGHT_VARIANCE = WIDTH - 1
_GATE_SIGMAS = 1.2  # beyond it the lowest that is seen behind a gap is more often a hedge or a bonnet than ground


@njit(cache=True)
def heights_above(plane: np.ndarray, points: np.ndarray, first: int, heights: np.ndarray) -> None:
    """Set (M,) `heights` to how high the M points from `first` on, of (3, N), lie above a plane."""
    a, b, c, x, y = plane[0], plane[1], plane[2], plane[MIDDLE], plane[MIDDLE + 1]
    for i in range(len(heights)):
        n = first + i
        heights[i] = points[2, n] - (a * (points[0, n] - x) + b * (points[1, n] - y) + c)


@njit(cache=True)
def carried(plane: np.ndarray, dx: float, dy: float, covariance: np.ndarray) -> None:
    """Set (6,) `covariance` to that of slopes and height of a plane at a place (dx, dy) from its middle."""
    xx, xy, yy = plane[COVARIANCE], plane[COVARIANCE + 1], plane[COVARIANCE + 2]
    xh, yh = plane[COVARIANCE + 3] + dx * xx + dy * xy, plane[COVARIANCE + 4] + dx * xy + dy * yy
    hh = plane[HEIGHT_VARIANCE] + dx * (plane[COVARIANCE + 3] + xh) + dy * (plane[COVARIANCE + 4] + yh)
    covariance[0], covariance[1], covariance[2] = xx, xy, yy
    covariance[3], covariance[4], covariance[5] = xh, yh, hh


@njit(cache=True)
def bounded(covariance: np.ndarray, slope_sigma: float, height_sigma: float) -> None:
    """Scale (6,) `covariance` down to at most these standard deviations; what belongs together stays in proportion."""
    slope = min(1.0, slope_sigma / np.sqrt(max(covariance[0], covariance[2])))
    height = min(1.0, height_sigma / np.sqrt(covariance[5]))
    for k in range(6):
        covariance[k] *= slope * slope if k < 3 else slope * height if k < 5 else height * height


@njit(cache=True)
def measure(
    plane: np.ndarray,
    points: np.ndarray,
    first: int,
    heights: np.ndarray,
    above: np.ndarray,
    sigma: float,
    near: float,
    steepest: float,
) -> None:
    """Update a predicted plane by the lowest points that agree with it; leave it where none do.

    points: (3, N), of which those from `first` on lie in the cell. heights, above: (M,) to work in, M as
    many as these are.
    """
    gate = min(max(_GATE_SIGMAS * np.sqrt(plane[HEIGHT_VARIANCE]), 0.3), 1.2)
    heights_above(plane, points, first, heights)
    low = _lowest(heights, gate)
    if not np.isfinite(low):
        low = _drop(heights, gate)
        if not np.isfinite(low):
            return
        plane[COVARIANCE:] = 0.0  # the prediction was wrong: it counts for little here
        plane[COVARIANCE] = plane[COVARIANCE + 2] = 0.06
        plane[HEIGHT_VARIANCE] = 0.25
    guess = plane.copy()
    guess[2] += low
    for down, up in ((0.1, 0.25), (near + 0.1, near), (near + 0.1, near)):
        if not _fit(plane, guess, points, first, heights, above, down, up, sigma):
            return
    if guess[0] ** 2 + guess[1] ** 2 <= steepest**2:
        plane[:] = guess


@njit(cache=True)
def _fit(
    plane: np.ndarray,
    guess: np.ndarray,
    points: np.ndarray,
    first: int,
    heights: np.ndarray,
    above: np.ndarray,
    down: float,
    up: float,
    sigma: float,
) -> bool:
    """Set `guess` to the plane most probable given the points near it and the prediction `plane`; False without any.

    heights: (M,) of the points above the prediction. above: (M,) to work in.
    """
    heights_above(guess, points, first, above)
    count = 0
    for i in range(len(above)):
        count += -down < above[i] < up
    if count == 0:
        return False
    x, y = plane[MIDDLE], plane[MIDDLE + 1]
    # normal equations of the change to the prediction, which counts as a measurement of its own covariance
    h = np.empty(6)
    _inverse(plane[COVARIANCE:], h)
    h11, h12, h22, h13, h23, h33 = h[0], h[1], h[2], h[3], h[4], h[5]
    g1 = g2 = g3 = 0.0
    weight = min(count, 12) / count / sigma**2  # neighbouring points err together: no more than 12 count
    for i in range(len(above)):
        if -down < above[i] < up:
            dx, dy, off = points[0, first + i] - x, points[1, first + i] - y, heights[i]
            h11 += weight * dx * dx
            h12 += weight * dx * dy
            h22 += weight * dy * dy
            h13 += weight * dx
            h23 += weight * dy
            h33 += weight
            g1 += weight * dx * off
            g2 += weight * dy * off
            g3 += weight * off
    h[0], h[1], h[2], h[3], h[4], h[5] = h11, h12, h22, h13, h23, h33
    _inverse(h, guess[COVARIANCE:])
    p = guess[COVARIANCE:]
    guess[0] = plane[0] + p[0] * g1 + p[1] * g2 + p[3] * g3
    guess[1] = plane[1] + p[1] * g1 + p[2] * g2 + p[4] * g3
    guess[2] = plane[2] + p[3] * g1 + p[4] * g2 + p[5] * g3
    return True


@njit(cache=True)
def _inverse(matrix: np.ndarray, inverse: np.ndarray) -> None:
    """Set `inverse` to that of a positive definite `matrix`, both (6,): 11 12 22 13 23 33; by Cramer's rule."""
    h11, h12, h22, h13, h23, h33 = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    m11, m12, m13 = h22 * h33 - h23 * h23, h13 * h23 - h12 * h33, h12 * h23 - h13 * h22
    scale = 1.0 / (h11 * m11 + h12 * m12 + h13 * m13)
    inverse[0], inverse[1], inverse[2] = scale * m11, scale * m12, scale * (h11 * h33 - h13 * h13)
    inverse[3], inverse[4], inverse[5] = scale * m13, scale * (h12 * h13 - h11 * h23), scale * (h11 * h22 - h12 * h12)


@njit(cache=True)
def _lowest(heights: np.ndarray, gate: float) -> float:
    """Return how far the lowest layer of points lies above the prediction; NaN where none within `gate` looks flat."""
    low = second = np.inf
    for above in heights:
        if -gate < above < low:
            low, second = above, low
        elif -gate < above < second:
            second = above
    if low > gate:
        return np.nan
    if second < gate and second - low > 0.15:  # a lone point below the others is a reflection
        low = second
    layer = higher = 0
    for above in heights:
        layer += low <= above < low + 0.25
        higher += low + 0.25 <= above < low + 1.5
    if (low > 0.1 or low < -0.3) and layer < higher:  # off the prediction: the lowest that is seen of a wall
        return np.nan
    if abs(low) > 0.3 and layer < 3:
        return np.nan
    return low


@njit(cache=True)
def _drop(heights: np.ndarray, gate: float) -> float:
    """Return how far a ditch or a bank lies above the prediction (below 0); NaN unless all that was seen lies there.

    Reflections from below come with points of the true ground, and few of them are flat. Nothing rises so: a layer
    that starts high above the prediction may be a bonnet.
    """
    low = 0.0
    for above in heights:
        if above > -gate:
            return np.nan
        if above > -3.0:
            low = min(low, above)
    layer = 0
    for above in heights:
        layer += low <= above < low + 0.25
    return low if layer >= 4 and 2 * layer >= len(heights) else np.nan


@njit(cache=True)
def share_low(heights: np.ndarray, near: float) -> float:
    """Return which share of the points up to 1.5 m above the plane lies on it: 1 in the open, near 0 below a wall."""
    low = total = 0
    for above in heights:
        low += abs(above) <= near
        total += -near <= above < 1.5
    return low / total if total > 0 else 1.0
