"""The loops over drives and road users, compiled: who touches whom first, and how soon if all go on as they do."""

import math

import numpy as np
from numba import njit

AT_ONCE = 16  # drives that are alike
NOWHERE = np.array([np.inf, -np.inf, np.inf, -np.inf])  # a box without a place


@njit(cache=True)
def rectangles_overlap(
    x: float, y: float, cos: float, sin: float, half: tuple[float, float], their_cos: float, their_sin: float,
    their_half: tuple[float, float],
) -> bool:
    """Return whether two rectangles overlap (separating axes).

    x, y: from the middle of the first to that of the second. cos, sin: of their headings. half: of length and width.
    """
    c, s = abs(cos * their_cos + sin * their_sin), abs(cos * their_sin - sin * their_cos)
    if abs(x * cos + y * sin) > half[0] + their_half[0] * c + their_half[1] * s:
        return False
    if abs(y * cos - x * sin) > half[1] + their_half[0] * s + their_half[1] * c:
        return False
    if abs(x * their_cos + y * their_sin) > their_half[0] + half[0] * c + half[1] * s:
        return False
    return abs(y * their_cos - x * their_sin) <= their_half[1] + half[0] * s + half[1] * c


@njit(cache=True)
def _grow(boxes: np.ndarray, row: int, x: float, y: float) -> None:
    """Grow one of the boxes (..., 4), least x, most x, least y, most y, by a place."""
    boxes[row, 0], boxes[row, 1] = min(boxes[row, 0], x), max(boxes[row, 1], x)
    boxes[row, 2], boxes[row, 3] = min(boxes[row, 2], y), max(boxes[row, 3], y)


@njit(cache=True)
def _turned(poses: np.ndarray, cos: float, sin: float) -> np.ndarray:
    """Return (R, T, 2) places of poses (R, T, 3) in axes turned by an angle of this cosine and sine."""
    found = np.empty((poses.shape[0], poses.shape[1], 2))
    for r in range(poses.shape[0]):
        for t in range(poses.shape[1]):
            x, y = poses[r, t, 0], poses[r, t, 1]
            found[r, t, 0], found[r, t, 1] = x * cos + y * sin, y * cos - x * sin
    return found


@njit(cache=True)
def _alike(poses: np.ndarray) -> np.ndarray:
    """Return (N,) the drives (N, T, 3) in the order of how far they come: neighbours are near one another all along."""
    gone = np.empty(len(poses))
    for n in range(len(poses)):
        gone[n] = math.hypot(poses[n, -1, 0] - poses[n, 0, 0], poses[n, -1, 1] - poses[n, 0, 1])
    return np.argsort(gone)


@njit(cache=True)
def _within(boxes: np.ndarray, row: int, x: float, y: float, reach_m: float) -> bool:
    """Return whether a place is at most `reach_m` from one of the boxes along both axes."""
    beside = boxes[row, 0] - reach_m < x and x < boxes[row, 1] + reach_m
    return beside and boxes[row, 2] - reach_m < y and y < boxes[row, 3] + reach_m


@njit(cache=True)
def _boxes_until(places: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return (R, 4) boxes of (R, T, 2) places up to the moments `last` (R,)."""
    boxes = np.empty((len(places), 4))
    for r in range(len(places)):
        boxes[r] = NOWHERE
        for t in range(min(last[r], places.shape[1])):
            _grow(boxes, r, places[r, t, 0], places[r, t, 1])
    return boxes


@njit(cache=True)
def _apart(one: np.ndarray, i: int, two: np.ndarray, j: int, reach_m: float) -> bool:
    """Return whether two boxes, one of each table (..., 4), are further than that from one another along x or y."""
    along = one[i, 0] > two[j, 1] + reach_m or two[j, 0] > one[i, 1] + reach_m
    return along or one[i, 2] > two[j, 3] + reach_m or two[j, 2] > one[i, 3] + reach_m


@njit(cache=True)
def first_overlaps(
    poses: np.ndarray, axes: np.ndarray, faster: np.ndarray, middle_m: float, own_half: np.ndarray,
    margins: np.ndarray, there: np.ndarray, their_axes: np.ndarray, half: np.ndarray, last: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the first moment at which our body and a box overlap, -1 for never.

    poses: (N, T, 3) of our body, (middle_m, own_half) its rectangle, grown by margins (R, 2) in front and at the sides
    and by faster (N, T) at the sides. there: (R, T, 3) boxes of half (R, 2). axes, their_axes: (N or R, T, 2) cosines
    and sines of the headings. last: (R,) how many moments count. Drives are held against boxes some at a time: where
    none of them can be, nothing is looked at.
    """
    (count, steps), others = poses.shape[:2], len(there)
    found, whole, now = np.full((count, others), np.int16(-1), np.int16), np.empty((1, 4)), np.empty((steps, 4))
    room = math.hypot(margins[:, 0].max(), margins[:, 1].max()) + faster.max()
    reach = math.hypot(own_half[0], own_half[1]) + room + np.hypot(half[:, 0], half[:, 1])
    squares, cos, sin = reach * reach, axes[0, 0, 0], axes[0, 0, 1]
    places, middles, alike = _turned(there, cos, sin), np.empty((AT_ONCE, steps, 2)), _alike(poses)
    boxes = _boxes_until(places, last)
    for first in range(0, count, AT_ONCE):
        end = min(first + AT_ONCE, count)
        whole[:] = NOWHERE
        for t in range(steps):
            now[t] = NOWHERE
            for k in range(first, end):
                n = alike[k]
                x, y = poses[n, t, 0] + middle_m * axes[n, t, 0], poses[n, t, 1] + middle_m * axes[n, t, 1]
                middles[k - first, t, 0], middles[k - first, t, 1] = x, y
                _grow(now, t, x * cos + y * sin, y * cos - x * sin)
            _grow(whole, 0, now[t, 0], now[t, 2])
            _grow(whole, 0, now[t, 1], now[t, 3])
        for r in range(others):
            if _apart(whole, 0, boxes, r, reach[r]):
                continue
            ahead = 0.5 * margins[r, 0]
            for t in range(min(last[r], steps)):
                if not _within(now, t, places[r, t, 0], places[r, t, 1], reach[r]):
                    continue
                for k in range(first, end):
                    n = alike[k]
                    x, y = there[r, t, 0] - middles[k - first, t, 0], there[r, t, 1] - middles[k - first, t, 1]
                    if found[n, r] >= 0 or x * x + y * y >= squares[r]:
                        continue
                    aside = margins[r, 1] + faster[n, t] if margins[r, 1] > 0.0 else 0.0
                    c, s = axes[n, t, 0], axes[n, t, 1]
                    if rectangles_overlap(
                        x - ahead * c, y - ahead * s, c, s, (own_half[0] + ahead, own_half[1] + aside),
                        their_axes[r, t, 0], their_axes[r, t, 1], (half[r, 0], half[r, 1]),
                    ):  # fmt: skip
                        found[n, r] = t
    return found


@njit(cache=True)
def own_contacts(
    first: np.ndarray, poses: np.ndarray, axes: np.ndarray, speeds: np.ndarray, in_lane: np.ndarray,
    body: tuple[float, float, float], there: np.ndarray, half: np.ndarray, their_speeds: np.ndarray, of: np.ndarray,
    mode: np.ndarray, users: int, standing: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, O) the first moment at which a drive touches a road user by our own fault, T for never, and the mode.

    first: (N, R) of `first_overlaps`, with poses, axes, there and half as there. speeds, in_lane: (N, T).
    body: front, rear and width of ours. their_speeds: (R, T). of, mode: (R,) whose way it is, in which mode.
    standing: the speeds below which we, and others, stand. Of several ways of one road user the soonest counts, of
    these the first.
    """
    front_m, rear_m, width_m = body
    moments, modes = np.full((len(first), users), poses.shape[1], np.int64), np.zeros((len(first), users), np.int64)
    for n in range(len(first)):
        for r in range(len(of)):
            t = first[n, r]
            if t < 0 or t >= moments[n, of[r]] or abs(speeds[n, t]) <= standing[0]:
                continue
            x, y = there[r, t, 0] - poses[n, t, 0], there[r, t, 1] - poses[n, t, 1]
            cos, sin = axes[n, t, 0], axes[n, t, 1]
            along, across = x * cos + y * sin, y * cos - x * sin
            turn = there[r, t, 2] - poses[n, t, 2]
            long = half[r, 0] * abs(math.cos(turn)) + half[r, 1] * abs(math.sin(turn))
            wide = half[r, 0] * abs(math.sin(turn)) + half[r, 1] * abs(math.cos(turn))
            gone = math.hypot(poses[n, t, 0] - poses[n, t - 1, 0], poses[n, t, 1] - poses[n, t - 1, 1]) if t else 0.0
            edge = front_m - 0.3 - gone * abs(math.sin(turn))  # who crosses was met since the moment before
            front = along + long > edge and abs(across) < wide + width_m / 2.0
            aside = along >= -rear_m and not in_lane[n, t]
            if their_speeds[r, t] < standing[1] or front or aside:
                moments[n, of[r]], modes[n, of[r]] = t, mode[r]
    return moments, modes


@njit(cache=True)
def _go_straight_on(
    poses: np.ndarray, axes: np.ndarray, speeds: np.ndarray, middle_m: float, which: np.ndarray, steps: np.ndarray,
    ahead_s: np.ndarray, middles: np.ndarray, boxes: np.ndarray,
) -> None:
    """Fill middles (K, L, 2) of the bodies of some drives gone straight on, and the boxes (L, 4) about all of them.

    which: (K,) drives. L: times ahead, of each the steps from which. The boxes lie as the first pose of all.
    """
    cos, sin = axes[0, 0, 0], axes[0, 0, 1]
    for look in range(len(boxes)):
        order, t = look // len(steps), steps[look % len(steps)]
        boxes[look] = NOWHERE
        for k in range(len(which)):
            n = which[k]
            gone = middle_m + max(speeds[n, t], 0.0) * ahead_s[order]
            x, y = poses[n, t, 0] + gone * axes[n, t, 0], poses[n, t, 1] + gone * axes[n, t, 1]
            middles[k, look, 0], middles[k, look, 1] = x, y
            _grow(boxes, look, x * cos + y * sin, y * cos - x * sin)


@njit(cache=True)
def soonest_touches(
    poses: np.ndarray, axes: np.ndarray, speeds: np.ndarray, middle_m: float, own_half: np.ndarray, there: np.ndarray,
    their_axes: np.ndarray, half: np.ndarray, steps: np.ndarray, aheads: np.ndarray, ahead_s: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the least index of `aheads` by which both touch if we go straight on from one of `steps`.

    len(aheads) for never. Only who is in front counts, and only while we move. aheads: moments from a step on, with
    their times ahead_s; after the last moment all stay where they are. Else as `first_overlaps`.
    """
    count, others, last = len(poses), len(there), there.shape[1] - 1
    found, whole = np.full((count, others), np.uint8(len(aheads)), np.uint8), np.empty((1, 4))
    now, middles = np.empty((len(aheads) * len(steps), 4)), np.empty((AT_ONCE, len(aheads) * len(steps), 2))
    reach = math.hypot(own_half[0], own_half[1]) + np.hypot(half[:, 0], half[:, 1])
    squares, cos, sin = reach * reach, axes[0, 0, 0], axes[0, 0, 1]
    places, alike = _turned(there, cos, sin), _alike(poses)
    boxes = _boxes_until(places, np.full(others, last + 1))
    for first in range(0, count, AT_ONCE):
        end = min(first + AT_ONCE, count)
        whole[:] = NOWHERE
        _go_straight_on(poses, axes, speeds, middle_m, alike[first:end], steps, ahead_s, middles, now)
        for look in range(len(now)):
            _grow(whole, 0, now[look, 0], now[look, 2])
            _grow(whole, 0, now[look, 1], now[look, 3])
        for r in range(others):
            if _apart(whole, 0, boxes, r, reach[r]):
                continue
            for look in range(len(now)):
                order, t = look // len(steps), steps[look % len(steps)]
                then = min(t + aheads[order], last)
                if not _within(now, look, places[r, then, 0], places[r, then, 1], reach[r]):
                    continue
                for k in range(first, end):
                    n = alike[k]
                    x, y = there[r, then, 0], there[r, then, 1]
                    dx, dy = x - middles[k - first, look, 0], y - middles[k - first, look, 1]
                    if found[n, r] <= order or dx * dx + dy * dy >= squares[r] or speeds[n, t] <= 0.1:
                        continue
                    c, s = axes[n, t, 0], axes[n, t, 1]
                    if (x - poses[n, t, 0]) * c + (y - poses[n, t, 1]) * s <= 0.0:
                        continue
                    if rectangles_overlap(
                        dx, dy, c, s, (own_half[0], own_half[1]), their_axes[r, then, 0], their_axes[r, then, 1],
                        (half[r, 0], half[r, 1]),
                    ):  # fmt: skip
                        found[n, r] = order
    return found
