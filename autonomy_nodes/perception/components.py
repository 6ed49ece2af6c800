"""Which occupied cells of a plane hang together, by union-find in compiled loops."""

import numpy as np
from numba import njit


@njit(cache=True)
def _root(parents: np.ndarray, item: int) -> int:
    while parents[item] != item:
        parents[item] = parents[parents[item]]
        item = parents[item]
    return item


@njit(cache=True)
def connected(cells: np.ndarray, size: int, reach: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the component (N,) of each of N different cells, numbered from 0 in order of their first cell.

    cells: (N, 2) int in [0, size). reach: (N,) distance in cells up to which a cell takes in others, possibly less than
    they would. group: (N,) cells of different groups are never joined, those of a negative one with nothing.
    """
    place = np.full((size, size), -1, np.int32)
    return connected_in(place, cells, reach, group)


@njit(cache=True)
def connected_in(place: np.ndarray, cells: np.ndarray, reach: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Do the same in a raster `place` (size, size) of int32 in which all that is no cell is negative."""
    count, size = len(cells), len(place)
    for n in range(count):
        place[cells[n, 0], cells[n, 1]] = n
    parents = np.arange(count)
    for n in range(count):
        if group[n] < 0:
            continue
        i, j, far = cells[n, 0], cells[n, 1], int(reach[n])
        limit = reach[n] * reach[n]
        for a in range(i, min(i + far + 1, size)):  # what lies before was joined from there
            wide = int(np.sqrt(limit - (a - i) ** 2))
            for b in range(max(j - wide, 0), min(j + wide + 1, size)):
                other = place[a, b]
                if other < 0 or parents[other] == parents[n] or group[other] != group[n]:
                    continue
                one, two = _root(parents, n), _root(parents, other)
                parents[max(one, two)] = min(one, two)
    labels = np.empty(count, np.int64)
    found = 0
    for n in range(count):
        root = _root(parents, n)
        if root == n:
            labels[n] = found
            found += 1
        else:
            labels[n] = labels[root]  # a root is the smallest of its component: it was numbered before
    return labels
