"""Futures of each become futures of all: in the likeliest joint mode nobody runs through anybody, if that can be had.

Each agent's own futures stay as they are, and so do their odds: only which of them belong together is chosen, a mode
at a time, by exchange: whoever is in another's way takes the likeliest of his futures that is not (iterated conditional
modes, Besag 1986).
"""

import numpy as np
from numba import njit

from autonomy_nodes.prediction.joint import MOST_OVERLAPS, OVERLAP_COST, may_meet, touch

ROUNDS = 4
CLASH_COST = 3.0  # log odds that a future may be less likely to be taken in place of one that runs into somebody


def paired(paths: np.ndarray, odds: np.ndarray, sizes_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, K) which future of each agent is its k-th, and (K,) how likely all of the k-th are together.

    paths: (N, K, P, 3) x y direction, odds: (N, K), sizes_m: (N, 2).
    """
    count, modes = odds.shape
    if not count:
        return np.zeros((0, modes), np.int64), np.full(modes, 1.0 / modes)
    logs = np.log(np.maximum(odds, 1e-6))
    paths, sizes_m = np.ascontiguousarray(paths), np.ascontiguousarray(sizes_m)
    order, clashes = _paired(paths, logs, sizes_m, may_meet(paths, sizes_m))
    mean = np.take_along_axis(logs, order, axis=1).mean(axis=0)
    scene = np.exp(mean - mean.max() - OVERLAP_COST * np.minimum(clashes, MOST_OVERLAPS))
    return order, scene / scene.sum()


@njit(cache=True)
def _paired(
    paths: np.ndarray, logs: np.ndarray, sizes: np.ndarray, meet: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    count, modes = logs.shape
    order, left = np.zeros((count, modes), np.int64), np.ones((count, modes), np.bool_)
    clashes = np.zeros(modes)
    who = np.argsort(-_best(logs, left), kind='mergesort')
    for mode in range(modes):
        chosen = np.zeros(count, np.int64)
        for n in range(count):
            chosen[n] = np.argmax(np.where(left[n], logs[n], -np.inf))
        for _ in range(ROUNDS):
            moved = False
            for n in who[::-1]:  # the least sure gives way first
                taken, least = chosen[n], np.inf
                for k in range(modes):
                    if left[n, k]:
                        cost = CLASH_COST * _met(paths, sizes, meet, chosen, n, k) - logs[n, k]
                        if cost < least - 1e-9 or (cost < least + 1e-9 and k == chosen[n]):
                            taken, least = k, cost
                moved = moved or taken != chosen[n]
                chosen[n] = taken
            if not moved:
                break
        for n in range(count):
            order[n, mode], left[n, chosen[n]] = chosen[n], False
            clashes[mode] += 0.5 * _met(paths, sizes, meet, chosen, n, chosen[n])
    return order, clashes


@njit(cache=True)
def _best(logs: np.ndarray, left: np.ndarray) -> np.ndarray:
    best = np.empty(len(logs))
    for n in range(len(logs)):
        best[n] = np.where(left[n], logs[n], -np.inf).max()
    return best


@njit(cache=True)
def _met(paths: np.ndarray, sizes: np.ndarray, meet: np.ndarray, chosen: np.ndarray, n: int, k: int) -> int:
    """Return how many others agent n would touch with its future k while they follow those that are chosen."""
    met = 0
    for other in range(len(paths)):
        if meet[n, other] and touch(paths[n, k], paths[other, chosen[other]], sizes[n], sizes[other]):
            met += 1
    return met
