"""How easily a vehicle gets over a cell, and what kind of cell it is."""

import numpy as np
from numba import njit

UNKNOWN, FLAT, ROUGH, BLOCKED, HOLE = range(5)  # the classes of a cell
_EDGE = 3  # cells beyond an edge that may be hidden by it


@njit(cache=True)
def judged(
    elevation: np.ndarray,
    slope: np.ndarray,
    step: np.ndarray,
    roughness: np.ndarray,
    occupancy: np.ndarray,
    filled: np.ndarray,
    hollow: np.ndarray,
    limits: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return traversability (0 never to 1 easy, NaN unknown) and class.

    hollow: (X, Y) where nobody may drive for its shape. limits: the largest slope, step, roughness, the depth of a
    hole, the largest fall from cell to cell, and how easy ground that nobody saw is at best.
    """
    easy = np.full(elevation.shape, np.nan, np.float32)
    kind = np.zeros(elevation.shape, np.float32)
    for i in range(elevation.shape[0]):
        for j in range(elevation.shape[1]):
            if occupancy[i, j] > 0.5:
                easy[i, j], kind[i, j] = 0.0, BLOCKED
                continue
            if not np.isfinite(elevation[i, j]):
                continue
            worst = max(0.0, step[i, j] / limits[1])
            if np.isfinite(slope[i, j]):
                worst = max(worst, slope[i, j] / limits[0], roughness[i, j] / limits[2])
            best = limits[5] if filled[i, j] else 1.0
            easy[i, j] = min(max((1.0 - worst) / 0.75, 0.0), best)  # up to a quarter of each limit is easy
            kind[i, j] = FLAT if worst < 0.5 else ROUGH
            if hollow[i, j] or _sunken(elevation, i, j, limits[3], limits[4]):
                easy[i, j], kind[i, j] = 0.0, HOLE
    return easy, kind


@njit(cache=True)
def _sunken(elevation: np.ndarray, i: int, j: int, depth: float, steepest: float) -> bool:
    """Return whether this cell lies `depth` or more below one beside it, over what may be hidden by the edge."""
    for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        for far in range(1, _EDGE + 1):
            a, b = i + far * di, j + far * dj
            if a < 0 or b < 0 or a >= elevation.shape[0] or b >= elevation.shape[1]:
                break
            drop = elevation[a, b] - elevation[i, j]
            if np.isfinite(drop):
                if drop >= depth and drop > steepest * far:
                    return True
                break
    return False
