"""The rectangle that the points of a cluster lie along, seen from above.

The heading is searched so that points lie close to the sides: closeness criterion of Zhang et al., Efficient L-Shape
Fitting for Vehicle Detection Using Laser Scanners (2017).
"""

import numpy as np
from numba import njit

_ANGLES = 30  # coarse search in a quarter turn, 3 degrees apart; then halves of that
_MOST = 120  # points of a cluster that are looked at


@njit(cache=True)
def rectangles(points: np.ndarray, starts: np.ndarray, fewest: int, near: float) -> np.ndarray:
    """Return (K, 5) heading in [0, pi/2) and the least and greatest coordinate along it and across it.

    points: (N, 2 or more) sorted by cluster; cluster k has points starts[k] to starts[k + 1]. near: how far [m] points
    err. Of clusters with less than `fewest` points all is 0.
    """
    out = np.zeros((len(starts) - 1, 5))
    room = np.empty((2, _MOST))
    turns = np.arange(_ANGLES) * (np.pi / 2.0 / _ANGLES)
    cosines, sines = np.cos(turns), np.sin(turns)
    for k in range(len(starts) - 1):
        if starts[k + 1] - starts[k] < fewest:
            continue
        inside = points[starts[k] : starts[k + 1]]
        stride = (len(inside) + _MOST - 1) // _MOST
        step, best, angle = np.pi / 2.0 / _ANGLES, -1.0, 0.0
        for turn in range(_ANGLES):
            score = _closeness(inside, stride, cosines[turn], sines[turn], near, room)
            if score > best:
                best, angle = score, turns[turn]
        for _ in range(2):
            step, middle = step / 2.0, angle
            for side in (-step, step):
                score = _closeness(inside, stride, np.cos(middle + side), np.sin(middle + side), near, room)
                if score > best:
                    best, angle = score, middle + side
        angle = angle % (np.pi / 2.0)
        out[k, 0] = angle
        out[k, 1:] = _extent(inside, angle)
    return out


@njit(cache=True)
def _extent(points: np.ndarray, angle: float) -> tuple[float, float, float, float]:
    """Return least and greatest coordinate along and across a heading."""
    c, s = np.cos(angle), np.sin(angle)
    low_a = low_b = np.inf
    high_a = high_b = -np.inf
    for n in range(len(points)):
        a = c * points[n, 0] + s * points[n, 1]
        b = c * points[n, 1] - s * points[n, 0]
        low_a, high_a = min(low_a, a), max(high_a, a)
        low_b, high_b = min(low_b, b), max(high_b, b)
    return low_a, high_a, low_b, high_b


@njit(cache=True)
def _closeness(points: np.ndarray, stride: int, c: float, s: float, near: float, room: np.ndarray) -> float:
    """Return the sum of inverse distances of the points to their nearest side.

    c, s: cosine and sine of the heading. room: (2, _MOST) to work in.
    """
    count, total = 0, 0.0
    low_a = low_b = np.inf
    high_a = high_b = -np.inf
    for n in range(0, len(points), stride):
        a = c * points[n, 0] + s * points[n, 1]
        b = c * points[n, 1] - s * points[n, 0]
        low_a, high_a = a if a < low_a else low_a, a if a > high_a else high_a
        low_b, high_b = b if b < low_b else low_b, b if b > high_b else high_b
        room[0, count], room[1, count] = a, b
        count += 1
    for n in range(count):
        a, b = room[0, n], room[1, n]
        total += 1.0 / max(min(a - low_a, high_a - a, b - low_b, high_b - b), near)
    return total
