"""Few modes from many options: the likeliest that differ from one another, and those that lead into an obstacle."""

import numpy as np
from numba import njit


@njit(cache=True)
def picked(
    paths: np.ndarray, weights: np.ndarray, marks: np.ndarray, same_m: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, count) options of each, the likeliest first, and their (N, count) shares, which sum to 1.

    paths: (N, H, P, 3), compared at the steps `marks`; weights: (N, H). An option gives its weight to those that are
    picked, the more the nearer: paths `same_m` (N,) apart on the mean are hardly told apart.
    """
    chosen, shares = np.zeros((len(paths), count), np.int64), np.zeros((len(paths), count))
    for row in range(len(paths)):
        left = weights[row].copy()
        for mode in range(count):
            best = np.argmax(left)
            chosen[row, mode] = best
            for option in range(len(left)):
                if left[option] > 0.0:
                    apart = 0.0
                    for mark in marks:
                        dx = paths[row, option, mark, 0] - paths[row, best, mark, 0]
                        dy = paths[row, option, mark, 1] - paths[row, best, mark, 1]
                        apart += np.sqrt(dx * dx + dy * dy) / len(marks)
                    given = left[option] * np.exp(-0.5 * (apart / same_m[row]) ** 2)
                    shares[row, mode] += given
                    left[option] -= given
        shares[row] = (shares[row] + 1e-6) / (shares[row] + 1e-6).sum()
        order = np.argsort(-shares[row], kind='mergesort')
        chosen[row], shares[row] = chosen[row][order], shares[row][order]
    return chosen, shares


@njit(cache=True)
def least_missed(ends: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Return (N,) which future of each lies nearest to others: what remains when the farthest are taken one by one.

    ends: (N, K, 2) places, odds: (N, K). The likeliest is taken first (farthest-point sampling, Gonzalez 1985).
    """
    count, modes, _ = ends.shape
    found = np.zeros(count, np.int64)
    for n in range(count):
        nearest, latest = np.full(modes, np.inf), np.argmax(odds[n])
        for _ in range(modes - 1):
            nearest[latest] = -1.0
            for k in range(modes):
                if nearest[k] >= 0.0:
                    dx, dy = ends[n, k, 0] - ends[n, latest, 0], ends[n, k, 1] - ends[n, latest, 1]
                    nearest[k] = min(nearest[k], np.sqrt(dx * dx + dy * dy))
            latest = np.argmax(nearest)
        found[n] = latest
    return found


def told_anew(ends: np.ndarray, least: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (N,) how many times as far from all the rest a place lies as the least missed future does.

    ends: (N, K, 2) places, least: (N,) which of them, other: (N, 2).
    """
    every = np.arange(len(ends))
    rest = ends.copy()
    rest[every, least] = np.inf
    apart = [np.hypot(*(rest - place[:, None]).transpose(2, 0, 1)) for place in (ends[every, least], other)]
    mine, theirs = (each.min(axis=1) for each in apart)
    return np.asarray(theirs / np.maximum(mine, 1e-3))


@njit(cache=True)
def runs_into(
    paths: np.ndarray, steps: np.ndarray, heights: np.ndarray, corner_m: np.ndarray, resolution_m: float, tall_m: float
) -> np.ndarray:
    """Return (N, H) whether (N, H, P, 3) paths are, at one of `steps`, in a cell of (X, Y) heights above `tall_m`."""
    found = np.zeros(paths.shape[:2], np.bool_)
    for n in range(paths.shape[0]):
        for option in range(paths.shape[1]):
            for step in steps:
                i = np.floor((paths[n, option, step, 0] - corner_m[0]) / resolution_m)
                j = np.floor((paths[n, option, step, 1] - corner_m[1]) / resolution_m)
                inside = 0 <= i < heights.shape[0] and 0 <= j < heights.shape[1]
                if inside and heights[int(i), int(j)] > tall_m:
                    found[n, option] = True
                    break
    return found
