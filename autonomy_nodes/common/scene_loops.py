"""The loops of a scene, compiled: who is near whom, and how elements stand to one another. Places are float64."""

import numpy as np
from numba import njit

ALIKE_M = 0.001  # what differs by less is equally near
RELATIONS = ('distance_m', 'bearing_cos', 'bearing_sin', 'heading_cos', 'heading_sin', 'dt_s')


@njit(cache=True)
def reaches(frames: np.ndarray, ahead_m: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return (N, M) metres from (M, 2) places to the ways ahead of (N, 4) frames, straight on for (N,) metres."""
    found = np.empty((len(frames), len(places)))
    for n in range(len(frames)):
        x, y, cos, sin = frames[n, 0], frames[n, 1], np.cos(frames[n, 2]), np.sin(frames[n, 2])
        for m in range(len(places)):
            dx, dy = places[m, 0] - x, places[m, 1] - y
            along = min(max(dx * cos + dy * sin, 0.0), ahead_m[n])
            found[n, m] = np.sqrt((dx - along * cos) ** 2 + (dy - along * sin) ** 2)
    return found


@njit(cache=True)
def nearest(
    frames: np.ndarray, there: np.ndarray, ahead_m: np.ndarray, places: np.ndarray, allowed: np.ndarray, count: int,
    same: bool,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return (N, count) int32 rows of the places nearest to the way ahead of each frame, and whether there are so many.

    frames: (N, 4), of which those `there` (N,) have neighbours; their ways are (N,) metres long. places: (M, 2), of
    which those `allowed` (M,) are any. same: frame and place of one row are one thing, no neighbours. Nearest first;
    of what is equally near, to the millimetre, the lower row: rounding decides nothing.
    """
    index, found = np.zeros((len(frames), count), np.int32), np.zeros((len(frames), count), np.bool_)
    held = np.empty(count)
    for n in range(len(frames)):
        if not there[n]:
            continue
        x, y, cos, sin, size = frames[n, 0], frames[n, 1], np.cos(frames[n, 2]), np.sin(frames[n, 2]), 0
        worst = np.inf
        for m in range(len(places)):
            dx, dy = places[m, 0] - x, places[m, 1] - y
            if ahead_m[n] > 0.0:
                along = min(max(dx * cos + dy * sin, 0.0), ahead_m[n])
                dx, dy = dx - along * cos, dy - along * sin
            square = dx * dx + dy * dy
            if not allowed[m] or (same and m == n) or square > worst:
                continue
            gap = np.floor(np.sqrt(square) / ALIKE_M + 0.5)
            if size == count and gap >= held[count - 1]:
                continue
            place = size if size < count else count - 1
            while place > 0 and held[place - 1] > gap:
                held[place], index[n, place] = held[place - 1], index[n, place - 1]
                place -= 1
            held[place], index[n, place] = gap, m
            size = min(size + 1, count)
            if size == count:
                worst = ((held[count - 1] + 1.0) * ALIKE_M) ** 2
        found[n, :size] = True
    return index, found


@njit(cache=True)
def relations(
    frames: np.ndarray, others: np.ndarray, index: np.ndarray, there: np.ndarray, directed: bool
) -> np.ndarray:
    """Return (N, K, 6) float32 RELATIONS from (N, 4) frames x y heading t to those of (M, 4) that `index` (N, K) names.

    Bearing and heading are told against the frame's own heading. Zero where `there` (N, K) is false; without `directed`
    the others have no heading, and none is told.
    """
    found = np.zeros((*index.shape, 6), np.float32)
    other_cos, other_sin = np.cos(others[:, 2]), np.sin(others[:, 2])
    for n in range(len(frames)):
        x, y, cos, sin = frames[n, 0], frames[n, 1], np.cos(frames[n, 2]), np.sin(frames[n, 2])
        for k in range(index.shape[1]):
            if not there[n, k]:
                continue
            m = index[n, k]
            dx, dy = others[m, 0] - x, others[m, 1] - y
            gap = np.sqrt(dx * dx + dy * dy)
            found[n, k, 0] = gap
            if gap > 1e-6:
                found[n, k, 1], found[n, k, 2] = (dx * cos + dy * sin) / gap, (dy * cos - dx * sin) / gap
            if directed:
                found[n, k, 3] = other_cos[m] * cos + other_sin[m] * sin
                found[n, k, 4] = other_sin[m] * cos - other_cos[m] * sin
            found[n, k, 5] = others[m, 3] - frames[n, 3]
    return found


@njit(cache=True)
def links(
    starts: np.ndarray, ends: np.ndarray, frames: np.ndarray, index: np.ndarray, there: np.ndarray, gap_m: float,
    beside_m: float,
) -> np.ndarray:  # fmt: skip
    """Return (N, K, 3) float32, 1 where a neighbour follows, leads to, or runs beside a lane of (N, 4) frames.

    starts, ends: (N, 3) x y heading, NaN of what is no lane. It follows where it begins within `gap_m` of the end and
    goes on in about the direction; it runs beside where its middle is less than `beside_m` off to the side.
    """
    found = np.zeros((*index.shape, 3), np.float32)
    for n in range(len(index)):
        cos, sin = np.cos(frames[n, 2]), np.sin(frames[n, 2])
        for k in range(index.shape[1]):
            m = index[n, k]
            if not there[n, k] or m == n or np.isnan(starts[n, 0]) or np.isnan(starts[m, 0]):
                continue
            found[n, k, 0] = _follows(ends[n], starts[m], gap_m)
            found[n, k, 1] = _follows(ends[m], starts[n], gap_m)
            dx, dy = frames[m, 0] - frames[n, 0], frames[m, 1] - frames[n, 1]
            aside, along = abs(dy * cos - dx * sin), abs(dx * cos + dy * sin)
            level = np.cos(frames[m, 2] - frames[n, 2]) > 0.9
            found[n, k, 2] = level and gap_m < aside < beside_m and along < 2.0 * beside_m
    return found


@njit(cache=True)
def _follows(end: np.ndarray, start: np.ndarray, gap_m: float) -> bool:
    near = abs(start[0] - end[0]) < gap_m and (start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2 < gap_m * gap_m
    return near and np.cos(start[2] - end[2]) > 0.5
