"""From futures of each to futures of all: which paths would run through one another."""

import numpy as np
from numba import njit

from autonomy_nodes.prediction.movers import Movers

TOLERANCE_M = 0.35
OVERLAP_COST = 1.5  # what an overlap takes off the logarithm of a mode's probability
MOST_OVERLAPS = 4


def overlaps(movers: Movers, paths: np.ndarray) -> np.ndarray:
    """Return (K, N, N) whether two road users touch in mode k; paths: (N, K, P, 3).

    Bodies are three circles each. Pairs that touch now already, by their boxes, do not count.
    """
    return touching_paths(np.ascontiguousarray(paths), np.ascontiguousarray(movers.sizes_m))


@njit(cache=True)
def touching_paths(paths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the same of (N, K, P, 3) paths and (N, 2) lengths and widths, both contiguous."""
    count, modes, steps, _ = paths.shape
    found = np.zeros((modes, count, count), np.bool_)
    low, high = _bounds(paths, sizes)
    for one in range(count):
        for other in range(one + 1, count):
            if (
                low[one, 0] > high[other, 0] or low[other, 0] > high[one, 0]
                or low[one, 1] > high[other, 1] or low[other, 1] > high[one, 1]
            ):  # fmt: skip
                continue
            longest = (sizes[one, 0] + sizes[other, 0]) / 2.0
            width = (sizes[one, 1] + sizes[other, 1]) / 2.0 - TOLERANCE_M
            for mode in range(modes):
                for step in range(steps):
                    dx = paths[other, mode, step, 0] - paths[one, mode, step, 0]
                    dy = paths[other, mode, step, 1] - paths[one, mode, step, 1]
                    if dx * dx + dy * dy >= longest * longest:
                        continue
                    if _near(paths[one, mode, step], paths[other, mode, step], sizes[one, 0], sizes[other, 0], width):
                        found[mode, one, other] = found[mode, other, one] = step > 0
                        break
    return found


@njit(cache=True)
def _bounds(paths: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 2) lowest and highest places that each body reaches in any mode."""
    count, modes, steps, _ = paths.shape
    low, high = np.empty((count, 2)), np.empty((count, 2))
    for one in range(count):
        for axis in range(2):
            least, most = np.inf, -np.inf
            for mode in range(modes):
                for step in range(steps):
                    least = min(least, paths[one, mode, step, axis])
                    most = max(most, paths[one, mode, step, axis])
            low[one, axis], high[one, axis] = least - sizes[one, 0] / 2.0, most + sizes[one, 0] / 2.0
    return low, high


@njit(cache=True)
def _near(a: np.ndarray, b: np.ndarray, length_a: float, length_b: float, width: float) -> bool:
    """Return whether two of the three circles along each body are nearer than `width`."""
    for i in range(-1, 2):
        for j in range(-1, 2):
            dx = b[0] - a[0] + (j * length_b * np.cos(b[2]) - i * length_a * np.cos(a[2])) / 3.0
            dy = b[1] - a[1] + (j * length_b * np.sin(b[2]) - i * length_a * np.sin(a[2])) / 3.0
            if dx * dx + dy * dy < width * width:
                return True
    return False


@njit(cache=True)
def may_meet(paths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (N, N) who could touch whom at all: boxes about all places of (N, K, P, 3) paths overlap."""
    low, high = _bounds(paths, sizes)
    count = len(paths)
    found = np.zeros((count, count), np.bool_)
    for one in range(count):
        for other in range(count):
            apart = low[one, 0] > high[other, 0] or low[other, 0] > high[one, 0]
            apart = apart or low[one, 1] > high[other, 1] or low[other, 1] > high[one, 1]
            found[one, other] = one != other and not apart
    return found


@njit(cache=True)
def touch(one: np.ndarray, other: np.ndarray, size: np.ndarray, other_size: np.ndarray) -> bool:
    """Return whether two touch on (P, 3) paths or halfway between their steps, and do not touch now already."""
    longest, width = (size[0] + other_size[0]) / 2.0, (size[1] + other_size[1]) / 2.0 - TOLERANCE_M
    for half in range(2 * len(one) - 1):
        a, b = one[half // 2], other[half // 2]
        if half % 2:
            a, b = (a + one[half // 2 + 1]) / 2.0, (b + other[half // 2 + 1]) / 2.0
            a[2], b[2] = one[half // 2, 2], other[half // 2, 2]
        dx, dy = b[0] - a[0], b[1] - a[1]
        if dx * dx + dy * dy < longest * longest and _near(a, b, size[0], other_size[0], width):
            return half > 0
    return False


def weighed(probabilities: np.ndarray, touching: np.ndarray, moving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (K,) probabilities of modes and (N, K) of paths, lower where paths run through one another.

    probabilities: (N, K) of the paths of each alone. moving: (N,) who counts for the probability of a mode.
    """
    if not len(probabilities):
        modes = probabilities.shape[1]
        return np.full(modes, 1.0 / modes), probabilities
    each = np.minimum(touching.sum(axis=2).T, MOST_OVERLAPS)  # (N, K)
    marginal = probabilities * np.exp(-OVERLAP_COST * each)
    marginal /= marginal.sum(axis=1, keepdims=True)
    logs = np.log(np.maximum(probabilities[moving], 1e-6))
    mean = logs.mean(axis=0) if len(logs) else np.log(np.maximum(probabilities.mean(axis=0), 1e-6))
    pairs = np.minimum(touching.sum(axis=(1, 2)) / 2.0, MOST_OVERLAPS)
    scene = np.exp(mean - mean.max() - OVERLAP_COST * pairs)
    return scene / scene.sum(), marginal
