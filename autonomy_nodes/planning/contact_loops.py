"""The loops over drives and road users, compiled: who touches whom first, and how soon if all go on as they do."""

import math

import numpy as np
from numba import njit


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
def boxes_until(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (T, 4) least x, most x, least y, most y of the places up to each of T moments."""
    found = np.empty((len(x), 4))
    for t in range(len(x)):
        found[t] = x[t], x[t], y[t], y[t]
        if t:
            found[t, 0], found[t, 1] = min(found[t - 1, 0], x[t]), max(found[t - 1, 1], x[t])
            found[t, 2], found[t, 3] = min(found[t - 1, 2], y[t]), max(found[t - 1, 3], y[t])
    return found


@njit(cache=True)
def apart(one: np.ndarray, two: np.ndarray, reach_m: float) -> bool:
    """Return whether two boxes (4,) of `boxes_until` are further than that from one another along x or y."""
    along = one[0] > two[1] + reach_m or two[0] > one[1] + reach_m
    return along or one[2] > two[3] + reach_m or two[2] > one[3] + reach_m


@njit(cache=True)
def first_overlaps(
    poses: np.ndarray, faster: np.ndarray, middle_m: float, own_half: np.ndarray, margins: np.ndarray,
    there: np.ndarray, half: np.ndarray, last: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the first moment at which our body and a box overlap, -1 for never.

    poses: (N, T, 3) of our body, (middle_m, own_half) its rectangle, grown by margins (R, 2) in front and at the sides
    and by faster (N, T) at the sides. there: (R, T, 3) boxes of half (R, 2). last: (R,) how many moments count.
    """
    count, steps, others = poses.shape[0], poses.shape[1], there.shape[0]
    found = np.full((count, others), -1, np.int64)
    room = math.hypot(margins[:, 0].max(), margins[:, 1].max()) + faster.max()
    reach = math.hypot(own_half[0], own_half[1]) + room + np.hypot(half[:, 0], half[:, 1])
    squares, theirs = reach * reach, there[..., 2]
    their_cos, their_sin = np.cos(theirs), np.sin(theirs)
    boxes = np.empty((others, 4))
    for r in range(others):
        boxes[r] = boxes_until(there[r, :, 0], there[r, :, 1])[last[r] - 1]
    for n in range(count):
        cos, sin = np.cos(poses[n, :, 2]), np.sin(poses[n, :, 2])
        mine = boxes_until(poses[n, :, 0] + middle_m * cos, poses[n, :, 1] + middle_m * sin)
        for r in range(others):
            if apart(mine[min(last[r], steps) - 1], boxes[r], reach[r]):
                continue
            ahead = 0.5 * margins[r, 0]
            for t in range(min(last[r], steps)):
                x = there[r, t, 0] - poses[n, t, 0] - middle_m * cos[t]
                y = there[r, t, 1] - poses[n, t, 1] - middle_m * sin[t]
                if x * x + y * y >= squares[r]:
                    continue
                aside = margins[r, 1] + faster[n, t] if margins[r, 1] > 0.0 else 0.0
                if rectangles_overlap(
                    x - ahead * cos[t], y - ahead * sin[t], cos[t], sin[t], (own_half[0] + ahead, own_half[1] + aside),
                    their_cos[r, t], their_sin[r, t], (half[r, 0], half[r, 1]),
                ):  # fmt: skip
                    found[n, r] = t
                    break
    return found


@njit(cache=True)
def soonest_touches(
    poses: np.ndarray, speeds: np.ndarray, middle_m: float, own_half: np.ndarray, there: np.ndarray,
    half: np.ndarray, steps: np.ndarray, aheads: np.ndarray, ahead_s: np.ndarray,
) -> np.ndarray:
    """Return (N, R) the least index of `aheads` by which both touch if we go straight on from one of `steps`.

    len(aheads) for never. Only who is in front counts, and only while we move. aheads: moments from a step on, with
    their times ahead_s; after the last moment all stay where they are.
    """
    count, others = poses.shape[0], there.shape[0]
    found = np.full((count, others), len(aheads), np.int64)
    reach = math.hypot(own_half[0], own_half[1]) + np.hypot(half[:, 0], half[:, 1])
    squares, their_cos, their_sin = reach * reach, np.cos(there[..., 2]), np.sin(there[..., 2])
    boxes, latest = np.empty((others, 4)), steps[-1]
    for r in range(others):
        boxes[r] = boxes_until(there[r, :, 0], there[r, :, 1])[-1]
    for n in range(count):
        cos, sin = np.cos(poses[n, :, 2]), np.sin(poses[n, :, 2])
        gone_m = middle_m + np.maximum(speeds[n, : latest + 1], 0.0) * ahead_s[-1]
        places = poses[n, : latest + 1]
        x = np.concatenate((places[:, 0], places[:, 0] + gone_m * cos[: latest + 1]))
        y = np.concatenate((places[:, 1], places[:, 1] + gone_m * sin[: latest + 1]))
        mine = boxes_until(x, y)[-1]
        for r in range(others):
            if apart(mine, boxes[r], reach[r]):
                continue
            for order in range(len(aheads)):
                for t in steps:
                    if speeds[n, t] <= 0.1:
                        continue
                    then = min(t + aheads[order], there.shape[1] - 1)
                    gone = middle_m + speeds[n, t] * ahead_s[order]
                    x0, y0 = there[r, then, 0] - poses[n, t, 0], there[r, then, 1] - poses[n, t, 1]
                    dx, dy = x0 - gone * cos[t], y0 - gone * sin[t]
                    if dx * dx + dy * dy >= squares[r] or x0 * cos[t] + y0 * sin[t] <= 0.0:
                        continue
                    if rectangles_overlap(
                        dx, dy, cos[t], sin[t], (own_half[0], own_half[1]), their_cos[r, then], their_sin[r, then],
                        (half[r, 0], half[r, 1]),
                    ):  # fmt: skip
                        found[n, r] = order
                        break
                if found[n, r] == order:
                    break
    return found
