"""The loops over drives of the gates that need no cells and no road users, compiled."""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def curvature_at(station: float, curvatures: np.ndarray, step_m: float) -> float:
    """Return the curvature of a line at a station, linear between its points (M,), straight beyond both ends."""
    place = station / step_m
    if not 0.0 <= place <= len(curvatures) - 1.0:
        return 0.0
    low = min(int(place), len(curvatures) - 2)
    found: float = curvatures[low] + (place - low) * (curvatures[low + 1] - curvatures[low])
    return found


@njit(cache=True)
def first_beyond_lines(
    stations: np.ndarray, offsets: np.ndarray, turns: np.ndarray, curvatures: np.ndarray, left_m: np.ndarray,
    right_m: np.ndarray, step_m: float, alongs_m: np.ndarray, half_width_m: float, over_m: float,
) -> np.ndarray:
    """Return (N,) the first moment at which a corner is over a line, and further than at the start by `over_m`; or -1.

    stations, offsets, turns: (N, T) of a body along, beside and against the reference, whose curvatures (M,) and lines
    left and right of it, left_m, right_m (M,), stand `step_m` apart; inf where there is no line. alongs_m: (C,) where
    the body is looked at, ahead of its reference point, on both sides.
    """
    (count, moments), found = stations.shape, np.full(len(stations), -1, np.int64)
    nearest_left, nearest_right, farthest = left_m.min(), right_m.max(), np.abs(alongs_m).max()
    reach, bent = math.hypot(farthest, half_width_m), 0.5 * np.abs(curvatures).max() * farthest**2
    before = np.empty((len(alongs_m), 2))
    for n in range(count):
        for t in range(moments):
            d = offsets[n, t]
            if t > 0 and d + reach + bent < nearest_left and d - reach - bent > nearest_right:
                continue
            cos, sin = math.cos(turns[n, t]), math.sin(turns[n, t])
            bend = curvature_at(stations[n, t], curvatures, step_m)
            for c in range(len(alongs_m)):
                along = alongs_m[c]
                for side in range(2):
                    left = half_width_m if side == 0 else -half_width_m
                    index = int(math.floor((stations[n, t] + along * cos - left * sin) / step_m + 0.5))
                    beyond = -np.inf
                    if 0 <= index < len(left_m):
                        aside = d + along * sin + left * cos - 0.5 * bend * along**2
                        beyond = aside - left_m[index] if side == 0 else right_m[index] - aside
                    if t == 0:
                        before[c, side] = max(beyond, 0.0)
                    elif beyond > before[c, side] + over_m and found[n] < 0:
                        found[n] = t
            if found[n] >= 0:
                break
    return found
