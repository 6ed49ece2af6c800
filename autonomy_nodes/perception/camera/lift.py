"""What pictures tell, looked up at the anchors of each cell: network.lifted in compiled loops, as it runs on board."""

import numpy as np
from numba import njit

from autonomy_nodes.perception.bev import MIDDLE
from autonomy_nodes.perception.camera.places import Places

_SUREST = np.float32(4.0)  # as in network.lifted
_LEAST, _MOST = np.float32(-4.0), np.float32(2.0)


def lifted(features: np.ndarray, depth: np.ndarray, places: Places) -> np.ndarray:
    """Return (LIFTED, *MIDDLE) float32 of C pictures: the mean over those that see an anchor, 0 where none does.

    features: (C, F, h, w), depth: (C, 2, h, w) as network.Eyes tells them, float32.
    """
    rows = np.concatenate([features, depth], axis=1).transpose(0, 2, 3, 1)  # of one place side by side: no misses
    anchors, count = places.seen.shape[1], features.shape[1]
    told = np.zeros((anchors, *MIDDLE, count + 3), np.float32)
    _lift(np.ascontiguousarray(rows), places.at, places.log_depths, places.seen, told)
    return np.ascontiguousarray(told.transpose(3, 0, 1, 2)).reshape(-1, *MIDDLE)


@njit(cache=True, nogil=True)
def _lift(rows: np.ndarray, at: np.ndarray, log_depths: np.ndarray, seen: np.ndarray, told: np.ndarray) -> None:
    """Fill (A, X, Y, F + 3) `told` in place."""
    high, wide, count = rows.shape[1], rows.shape[2], rows.shape[3] - 2
    one = np.float32(1.0)
    found = np.zeros(count + 2, np.float32)
    for a in range(told.shape[0]):
        for i in range(told.shape[1]):
            for j in range(told.shape[2]):
                total = np.float32(0.0)
                for c in range(len(rows)):
                    if seen[c, a, i, j] == 0.0:
                        continue
                    total += one
                    x = ((at[c, a, i, j, 0] + one) * np.float32(wide) - one) / np.float32(2.0)
                    y = ((at[c, a, i, j, 1] + one) * np.float32(high) - one) / np.float32(2.0)
                    _sampled(rows[c], x, y, found)
                    spread = np.exp(-min(max(found[count + 1], _LEAST), _MOST))
                    behind = min(max((found[count] - log_depths[c, a, i, j]) * spread, -_SUREST), _SUREST)
                    near = np.exp(-abs(behind))
                    for k in range(count):
                        told[a, i, j, k] += found[k] * near
                    told[a, i, j, count] += near
                    told[a, i, j, count + 1] += behind / _SUREST
                if total > 0.0:
                    for k in range(count + 2):
                        told[a, i, j, k] /= total
                    told[a, i, j, count + 2] = one


@njit(cache=True, nogil=True, inline='always')
def _sampled(rows: np.ndarray, x: np.float32, y: np.float32, found: np.ndarray) -> None:
    """Fill `found` with the channels of (h, w, F) rows at a place, bilinear; beyond the rim lie zeros."""
    left, top = np.floor(x), np.floor(y)
    right, low = x - left, y - top
    found[:] = 0.0
    for dv in range(2):
        v = int(top) + dv
        if v < 0 or v >= rows.shape[0]:
            continue
        for du in range(2):
            u = int(left) + du
            if u < 0 or u >= rows.shape[1]:
                continue
            share = (right if du else np.float32(1.0) - right) * (low if dv else np.float32(1.0) - low)
            for k in range(len(found)):
                found[k] += share * rows[v, u, k]
