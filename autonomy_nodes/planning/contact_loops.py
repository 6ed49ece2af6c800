"""The loops over drives and road users, compiled: who touches whom first, and how soon if all go on as they do."""

import math

import numpy as np
from numba import njit

AT_ONCE = 16  # drives that are alike
AS_FAR = 64  # drives that come about as far
ROUNDED_M = 1e-3  # more than what rounding of boxes may hide
NOWHERE = np.array([[np.inf], [-np.inf], [np.inf], [-np.inf]], np.float32)  # a box without a place


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
def _alike(poses: np.ndarray) -> np.ndarray:
    """Return (N,) the drives (N, T, 3) in an order in which neighbours are near one another all along.

    By how far they come, and of those that come as far by where they end, from right to left.
    """
    count, x0, y0 = len(poses), poses[0, 0, 0], poses[0, 0, 1]
    cos, sin, gone, left = math.cos(poses[0, 0, 2]), math.sin(poses[0, 0, 2]), np.empty(count), np.empty(count)
    for n in range(count):
        x, y = poses[n, -1, 0] - x0, poses[n, -1, 1] - y0
        gone[n], left[n] = math.hypot(x, y), y * cos - x * sin
    order = np.argsort(gone)
    for first in range(0, count, AS_FAR):
        some = order[first : first + AS_FAR]
        order[first : first + AS_FAR] = some[np.argsort(left[some])]
    return order


@njit(cache=True)
def _box_about(
    x: float, y: float, axes: tuple[float, float], half: tuple[float, float], at: np.ndarray, to: np.ndarray
) -> tuple[float, float, float, float]:
    """Return least and most x, and y, of a rectangle in axes that begin at a pose (3,) and lie as its heading, `to`."""
    c, s = abs(axes[0] * to[0] + axes[1] * to[1]), abs(axes[1] * to[0] - axes[0] * to[1])
    x, y = x - at[0], y - at[1]
    along, left = x * to[0] + y * to[1], y * to[0] - x * to[1]
    long, wide = half[0] * c + half[1] * s + ROUNDED_M, half[0] * s + half[1] * c + ROUNDED_M
    return along - long, along + long, left - wide, left + wide


@njit(cache=True)
def _boxes_about(
    there: np.ndarray, axes: np.ndarray, half: np.ndarray, moments: np.ndarray, at: np.ndarray, to: np.ndarray
) -> np.ndarray:
    """Return (R, 4, L) boxes about rectangles (R, T, 3) of half (R, 2) at moments (L,); as `_box_about`."""
    boxes = np.empty((len(there), 4, len(moments)), np.float32)
    for r in range(len(there)):
        for look in range(len(moments)):
            t = moments[look]
            boxes[r, :, look] = _box_about(
                there[r, t, 0], there[r, t, 1], (axes[r, t, 0], axes[r, t, 1]), (half[r, 0], half[r, 1]), at, to
            )
    return boxes


@njit(cache=True)
def _put(own: np.ndarray, now: np.ndarray, look: int, k: int, box: tuple[float, float, float, float]) -> None:
    """Put a box at a moment into those of single drives (L, 4, K), and grow that about all of them (4, L)."""
    for side in range(4):
        own[look, side, k] = box[side]
    now[0, look], now[1, look] = min(now[0, look], own[look, 0, k]), max(now[1, look], own[look, 1, k])
    now[2, look], now[3, look] = min(now[2, look], own[look, 2, k]), max(now[3, look], own[look, 3, k])


@njit(cache=True)
def _meet(now: np.ndarray, boxes: np.ndarray, r: int, hits: np.ndarray) -> None:
    """Fill (L,) whether boxes (4, L) and those of a row of (R, 4, L) have something in common, without branches."""
    for look in range(len(hits)):
        along = (now[0, look] <= boxes[r, 1, look]) & (boxes[r, 0, look] <= now[1, look])
        hits[look] = along & (now[2, look] <= boxes[r, 3, look]) & (boxes[r, 2, look] <= now[3, look])


@njit(cache=True)
def _meet_one(own: np.ndarray, look: int, boxes: np.ndarray, r: int, hits: np.ndarray) -> None:
    """Fill (K,) whether single drives' boxes (L, 4, K) at a moment, and one of (R, 4, L), have something in common."""
    x0, x1, y0, y1 = boxes[r, 0, look], boxes[r, 1, look], boxes[r, 2, look], boxes[r, 3, look]
    for k in range(AT_ONCE):
        along = (own[look, 0, k] <= x1) & (x0 <= own[look, 1, k])
        hits[k] = along & (own[look, 2, k] <= y1) & (y0 <= own[look, 3, k])


@njit(cache=True)
def first_overlaps(
    poses: np.ndarray, axes: np.ndarray, moving: np.ndarray, faster: np.ndarray, middle_m: float, own_half: np.ndarray,
    margins: np.ndarray, there: np.ndarray, their_axes: np.ndarray, half: np.ndarray, last: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the first moment at which our body and a box overlap while we move, -1 for never.

    poses: (N, T, 3) of our body, (middle_m, own_half) its rectangle, grown by margins (R, 3) in front and at the sides,
    and at these by so many times faster (N, T). moving: (N, T), else a moment does not count. there: (R, T, 3) boxes of
    half (R, 2). axes, their_axes: (N or R, T, 2) cosines and sines of the headings. last: (R,) how many moments count.
    Drives are held against boxes some at a time: where none of them can be, nothing is looked at.
    """
    count, steps, others = len(poses), min(poses.shape[1], last.max()), len(there)
    found, at, to = np.full((count, others), np.int16(-1), np.int16), poses[0, 0], axes[0, 0]
    boxes, alike = _boxes_about(there, their_axes, half, np.arange(steps), at, to), _alike(poses)
    now, own = np.empty((4, steps), np.float32), np.empty((steps, 4, AT_ONCE), np.float32)
    near, hits = np.empty(steps, np.bool_), np.empty(AT_ONCE, np.bool_)
    room, aside = 0.5 * margins[:, 0].max(), margins[:, 1].max()
    for first in range(0, count, AT_ONCE):
        which = alike[first : first + AT_ONCE]
        now[:], own[:] = NOWHERE, np.inf
        for k in range(len(which)):
            n = which[k]
            for t in range(steps):
                c, s = axes[n, t, 0], axes[n, t, 1]
                x, y = poses[n, t, 0] + (middle_m + room) * c, poses[n, t, 1] + (middle_m + room) * s
                grown = (own_half[0] + room, own_half[1] + aside + faster[n, t])
                _put(own, now, t, k, _box_about(x, y, (c, s), grown, at, to))
        for r in range(others):
            _meet(now, boxes, r, near)
            ahead = 0.5 * margins[r, 0]
            for t in range(min(last[r], steps)):
                if not near[t]:
                    continue
                _meet_one(own, t, boxes, r, hits)
                for k in range(len(which)):
                    n = which[k]
                    if not hits[k] or found[n, r] >= 0 or not moving[n, t]:
                        continue
                    c, s = axes[n, t, 0], axes[n, t, 1]
                    x = there[r, t, 0] - (poses[n, t, 0] + middle_m * c)
                    y = there[r, t, 1] - (poses[n, t, 1] + middle_m * s)
                    more = margins[r, 1] + margins[r, 2] * faster[n, t]
                    if rectangles_overlap(
                        x - ahead * c, y - ahead * s, c, s, (own_half[0] + ahead, own_half[1] + more),
                        their_axes[r, t, 0], their_axes[r, t, 1], (half[r, 0], half[r, 1]),
                    ):  # fmt: skip
                        found[n, r] = t
    return found


@njit(cache=True)
def own_contacts(
    first: np.ndarray, poses: np.ndarray, axes: np.ndarray, in_lane: np.ndarray, moving: np.ndarray,
    body: tuple[float, float, float], there: np.ndarray, their_axes: np.ndarray, half: np.ndarray,
    their_speeds: np.ndarray, of: np.ndarray, mode: np.ndarray, users: int, standing_mps: float, last: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, O) the first moment at which a drive touches a road user by our own fault, T for never, and the mode.

    first: (N, R) of `first_overlaps`, with poses, axes, moving, there, their_axes, half and last as there. in_lane:
    (N, T). body: front, rear and width of ours. their_speeds: (R, T), below standing_mps they stand. of, mode: (R,)
    whose way it is, in which mode. Of several ways of one road user the soonest counts, of these the first. Who comes
    into our margins by his own fault is looked at again when the bodies touch.
    """
    moments, modes = np.full((len(first), users), poses.shape[1], np.int64), np.zeros((len(first), users), np.int64)
    for n in range(len(first)):
        for r in range(len(of)):
            t, until = first[n, r], moments[n, of[r]]
            if t < 0 or t >= until:
                continue
            if not _at_fault(poses, axes, in_lane, body, there, half, their_speeds, standing_mps, n, r, t):
                t = _first_touch(poses, axes, moving, body, there, their_axes, half, n, r, t, min(last[r], until))
                if t < 0 or not _at_fault(poses, axes, in_lane, body, there, half, their_speeds, standing_mps, n, r, t):
                    continue
            moments[n, of[r]], modes[n, of[r]] = t, mode[r]
    return moments, modes


@njit(cache=True)
def _first_touch(
    poses: np.ndarray, axes: np.ndarray, moving: np.ndarray, body: tuple[float, float, float], there: np.ndarray,
    their_axes: np.ndarray, half: np.ndarray, n: int, r: int, since: int, until: int,
) -> int:
    """Return the first moment from `since` to before `until` when the bodies touch while we move, -1 for never."""
    middle_m, own_half = 0.5 * (body[0] - body[1]), (0.5 * (body[0] + body[1]), 0.5 * body[2])
    for t in range(since, until):
        c, s = axes[n, t, 0], axes[n, t, 1]
        x, y = there[r, t, 0] - poses[n, t, 0] - middle_m * c, there[r, t, 1] - poses[n, t, 1] - middle_m * s
        if moving[n, t] and rectangles_overlap(
            x, y, c, s, own_half, their_axes[r, t, 0], their_axes[r, t, 1], (half[r, 0], half[r, 1])
        ):
            return t
    return -1


@njit(cache=True)
def _at_fault(
    poses: np.ndarray, axes: np.ndarray, in_lane: np.ndarray, body: tuple[float, float, float], there: np.ndarray,
    half: np.ndarray, their_speeds: np.ndarray, standing_mps: float, n: int, r: int, t: int,
) -> bool:
    """Return whether we hit who stands, or hit with the front, or are hit at a side while not in our lane."""
    if their_speeds[r, t] < standing_mps:
        return True
    front_m, rear_m, width_m = body
    x, y = there[r, t, 0] - poses[n, t, 0], there[r, t, 1] - poses[n, t, 1]
    cos, sin = axes[n, t, 0], axes[n, t, 1]
    along, across = x * cos + y * sin, y * cos - x * sin
    turn = there[r, t, 2] - poses[n, t, 2]
    long = half[r, 0] * abs(math.cos(turn)) + half[r, 1] * abs(math.sin(turn))
    wide = half[r, 0] * abs(math.sin(turn)) + half[r, 1] * abs(math.cos(turn))
    gone = math.hypot(poses[n, t, 0] - poses[n, t - 1, 0], poses[n, t, 1] - poses[n, t - 1, 1]) if t else 0.0
    edge = front_m - 0.3 - gone * abs(math.sin(turn))  # who crosses was met since the moment before
    front = along + long > edge and abs(across) < wide + width_m / 2.0
    return front or (along >= -rear_m and not in_lane[n, t])


@njit(cache=True)
def soonest_touches(
    poses: np.ndarray, axes: np.ndarray, speeds: np.ndarray, middle_m: float, own_half: np.ndarray, there: np.ndarray,
    their_axes: np.ndarray, half: np.ndarray, steps: np.ndarray, aheads: np.ndarray, ahead_s: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the least index of `aheads` by which both touch if we go straight on from one of `steps`.

    len(aheads) for never. Only who is in front counts, and only while we move. aheads: moments from a step on, with
    their times ahead_s; after the last moment all stay where they are. Else as `first_overlaps`.
    """
    count, others, looks = len(poses), len(there), len(aheads) * len(steps)
    found, at, to = np.full((count, others), np.uint8(len(aheads)), np.uint8), poses[0, 0], axes[0, 0]
    then = np.array([min(step + ahead, there.shape[1] - 1) for ahead in aheads for step in steps])
    boxes, alike = _boxes_about(there, their_axes, half, then, at, to), _alike(poses)
    theirs = their_axes[:, then]
    now, own = np.empty((4, looks), np.float32), np.empty((looks, 4, AT_ONCE), np.float32)
    near, hits = np.empty(looks, np.bool_), np.empty(AT_ONCE, np.bool_)
    for first in range(0, count, AT_ONCE):
        which = alike[first : first + AT_ONCE]
        now[:], own[:] = NOWHERE, np.inf
        for k in range(len(which)):
            for look in range(looks):
                n, t = which[k], steps[look % len(steps)]
                if speeds[n, t] > 0.1:
                    x, y, c, s = _gone_on(poses, axes, speeds, n, t, middle_m, ahead_s[look // len(steps)])
                    _put(own, now, look, k, _box_about(x, y, (c, s), (own_half[0], own_half[1]), at, to))
        for r in range(others):
            _meet(now, boxes, r, near)
            for look in range(looks):
                if not near[look]:
                    continue
                order, t = look // len(steps), steps[look % len(steps)]
                _meet_one(own, look, boxes, r, hits)
                x, y, c, s = there[r, then[look], 0], there[r, then[look], 1], theirs[r, look, 0], theirs[r, look, 1]
                for k in range(len(which)):
                    n = which[k]
                    if not hits[k] or found[n, r] <= order:
                        continue
                    mine = _gone_on(poses, axes, speeds, n, t, middle_m, ahead_s[order])
                    if (x - poses[n, t, 0]) * mine[2] + (y - poses[n, t, 1]) * mine[3] <= 0.0:
                        continue
                    if rectangles_overlap(
                        x - mine[0], y - mine[1], mine[2], mine[3], (own_half[0], own_half[1]), c, s,
                        (half[r, 0], half[r, 1]),
                    ):  # fmt: skip
                        found[n, r] = order
    return found


@njit(cache=True)
def _gone_on(
    poses: np.ndarray, axes: np.ndarray, speeds: np.ndarray, n: int, t: int, middle_m: float, seconds: float
) -> tuple[float, float, float, float]:
    """Return x, y of the middle, and cosine and sine, of a drive's body gone straight on from a moment."""
    gone, c, s = middle_m + max(speeds[n, t], 0.0) * seconds, axes[n, t, 0], axes[n, t, 1]
    return poses[n, t, 0] + gone * c, poses[n, t, 1] + gone * s, c, s
