"""The loops over road users before us and over their marks, compiled."""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def nearest_leads(
    sideways: np.ndarray, index: np.ndarray, rear: np.ndarray, offsets: np.ndarray, room: np.ndarray,
    ahead: np.ndarray, likely: np.ndarray, crossing: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (P, S) how far away the nearest of `likely` (R,) ways is on each path, whose it is, and that of crossing.

    inf where there is none. sideways: (P, M) of paths beside the reference. rear: (R, S) where a road user begins
    along it; index: its point there; offsets: beside it; room: (R, S) within which it is in the way; ahead: (R, S)
    whether it is before us; crossing: (R, S).
    """
    paths, (ways, steps) = len(sideways), rear.shape
    follow, across = np.full((paths, steps), np.inf), np.full((paths, steps), np.inf)
    whose = np.zeros((paths, steps), np.int64)
    least, most = np.inf, -np.inf
    for value in sideways.flat:
        if value == value:  # NaN is no shift
            least, most = min(least, value), max(most, value)
    beside = ahead & (offsets + room > least) & (offsets - room < most)
    in_way = [r for r in range(ways) if beside[r].any()]
    for p in range(paths):
        for r in in_way:
            for s in range(steps):
                if not beside[r, s] or not abs(offsets[r, s] - sideways[p, index[r, s]]) < room[r, s]:
                    continue
                if likely[r] and rear[r, s] < follow[p, s]:
                    follow[p, s], whose[p, s] = rear[r, s], r
                if crossing[r, s] and rear[r, s] < across[p, s]:
                    across[p, s] = rear[r, s]
    return follow, whose, across


@njit(cache=True)
def least_shares(
    fronts: np.ndarray, speeds: np.ndarray, aside: np.ndarray, wanted: np.ndarray, rear: np.ndarray,
    offsets: np.ndarray, room: np.ndarray, leading: np.ndarray, credit: np.ndarray, closest_m: float,
) -> np.ndarray:
    """Return (N, R) the least share of the wanted gap to who is in front, 1 where nobody is.

    fronts, speeds, aside, wanted: (N, S) of drives: station of the front, speed, offset, gap to who stands.
    rear, offsets, room, leading, credit: (R, S) of road users: station, offset, width within which they lead, whether
    they go our way, and by how much less gap their braking needs. closest_m: what is further behind leads nobody.
    """
    (drives, steps), ways = fronts.shape, len(rear)
    found, least, moving = np.ones((drives, ways)), np.empty(drives), np.ascontiguousarray((speeds > 0.5).T)
    front, beside, gaps = np.ascontiguousarray(fronts.T), np.ascontiguousarray(aside.T), np.ascontiguousarray(wanted.T)
    for r in range(ways):
        least[:] = 1.0
        for s in range(steps):
            if not leading[r, s]:
                continue
            at, there, wide, less = rear[r, s], offsets[r, s], room[r, s], credit[r, s]
            for n in range(drives):  # all at once (SIMD)
                share = max((at - front[s, n]) / max(gaps[s, n] - less, 0.5), 0.0)
                counts = moving[s, n] & (abs(there - beside[s, n]) < wide) & (at - front[s, n] > closest_m)
                least[n] = share if counts and share < least[n] else least[n]
        found[:, r] = least
    return found


@njit(cache=True)
def left_out(
    least: np.ndarray, whose: np.ndarray, next_: np.ndarray, whom: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (M,) the drives from which a road user takes the least mark in some mode, and (M, K) marks without him.

    least, whose, next_: (N, K) of `two_least`.
    """
    rows, modes = np.empty(len(least), np.int64), least.shape[1]
    kept, count = np.empty(least.shape), 0
    for n in range(len(least)):
        hers = False
        for k in range(modes):
            hers |= whose[n, k] == whom
        if not hers:
            continue
        rows[count] = n
        for k in range(modes):
            kept[count, k] = next_[n, k] if whose[n, k] == whom else least[n, k]
        count += 1
    return rows[:count], kept[:count]


@njit(cache=True)
def two_least(marks: np.ndarray, way: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (N, K) the least mark over road users in each mode, whose it is, and the least of the others; at most 1.

    marks: (N, W) of ways, at most `most`, which counts as 1. way: (O, K) which of them each road user goes in a mode,
    -1 for none.
    """
    drives, (users, modes) = len(marks), way.shape
    least, next_ = np.ones((drives, modes)), np.ones((drives, modes))
    whose = np.zeros((drives, modes), np.int64)
    for k in range(modes):
        there = np.array([o for o in range(users) if way[o, k] >= 0])
        for n in range(drives):
            first, second, who = most, most, 0
            for o in there:
                value = marks[n, way[o, k]]
                if value < first:
                    first, second, who = value, first, o
                elif value < second:
                    second = value
            least[n, k], whose[n, k], next_[n, k] = first / most, who, second / most
    return least, whose, next_


@njit(cache=True)
def come_near(places: np.ndarray, poses: np.ndarray, low: np.ndarray, cell_m: float, wide: int) -> np.ndarray:
    """Return (R,) whether one of (R, T, 3) poses is in a cell at most `wide` cells from that of one of (M, 2) places.

    low: (2,) a corner of the cells, with room for `wide` cells and one more before all places.
    """
    high = 0
    for place in range(len(places)):
        for axis in range(2):
            high = max(high, int((places[place, axis] - low[axis]) // cell_m))
    seen, covered = np.zeros((high + 1, high + 1), np.bool_), np.zeros((high + wide + 2, high + wide + 2), np.bool_)
    for place in range(len(places)):
        i, j = int((places[place, 0] - low[0]) // cell_m), int((places[place, 1] - low[1]) // cell_m)
        if not seen[i, j]:
            seen[i, j] = True
            covered[i - wide : i + wide + 1, j - wide : j + wide + 1] = True
    found = np.zeros(len(poses), np.bool_)
    for way in range(len(poses)):
        for moment in range(poses.shape[1]):
            i, j = (poses[way, moment, 0] - low[0]) // cell_m, (poses[way, moment, 1] - low[1]) // cell_m
            if 0 <= i < len(covered) and 0 <= j < len(covered) and covered[int(i), int(j)]:
                found[way] = True
                break
    return found


@njit(cache=True)
def meet(drives: np.ndarray, ways: np.ndarray, reach_m: np.ndarray) -> np.ndarray:
    """Return (R,) whether ways (R, T, 3) come at some moment within reach_m (R,) of the box about all drives (N, T, 3).

    The boxes lie as we do at the start, the first pose of all drives.
    """
    x0, y0, cos, sin = drives[0, 0, 0], drives[0, 0, 1], math.cos(drives[0, 0, 2]), math.sin(drives[0, 0, 2])
    moments, found = drives.shape[1], np.zeros(len(ways), np.bool_)
    low, high = np.full((moments, 2), np.inf), np.full((moments, 2), -np.inf)
    for n in range(len(drives)):
        for t in range(moments):
            x, y = drives[n, t, 0] - x0, drives[n, t, 1] - y0
            ahead, left = x * cos + y * sin, y * cos - x * sin
            low[t, 0], high[t, 0] = min(low[t, 0], ahead), max(high[t, 0], ahead)
            low[t, 1], high[t, 1] = min(low[t, 1], left), max(high[t, 1], left)
    for way in range(len(ways)):
        reach = reach_m[way]
        for t in range(moments):
            x, y = ways[way, t, 0] - x0, ways[way, t, 1] - y0
            ahead, left = x * cos + y * sin, y * cos - x * sin
            along = ahead > low[t, 0] - reach and ahead < high[t, 0] + reach
            if along and left > low[t, 1] - reach and left < high[t, 1] + reach:
                found[way] = True
                break
    return found


@njit(cache=True)
def beside_nearest(poses: np.ndarray, steps: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return (N, S) how far beside a line (M, 3) x y heading, at its nearest point, poses (N, T, 3) are at `steps`."""
    found = np.empty((len(poses), len(steps)))
    cos, sin = np.cos(line[:, 2]), np.sin(line[:, 2])
    for n in range(len(poses)):
        for s in range(len(steps)):
            x, y = poses[n, steps[s], 0], poses[n, steps[s], 1]
            nearest, least = 0, np.inf
            for m in range(len(line)):
                distance = (x - line[m, 0]) ** 2 + (y - line[m, 1]) ** 2
                if distance < least:
                    nearest, least = m, distance
            found[n, s] = abs((y - line[nearest, 1]) * cos[nearest] - (x - line[nearest, 0]) * sin[nearest])
    return found


@njit(cache=True)
def between_moments(paths: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Return (R, T, 3) paths (R, P, 3), at least two poses each, at `moments` (T,) in steps of theirs.

    After its end a path goes on as fast as at it, and does not turn.
    """
    (ways, poses), last = paths.shape[:2], paths.shape[1] - 1
    found, headings = np.empty((ways, len(moments), 3)), np.empty(poses)
    for way in range(ways):
        path = paths[way]
        headings[0] = path[0, 2]
        for step in range(last):  # without jumps of a turn
            turn = path[step + 1, 2] - path[step, 2]
            if abs(turn) >= math.pi:
                turn = (turn + math.pi) % (2.0 * math.pi) - math.pi
            headings[step + 1] = headings[step] + turn
        for t in range(len(moments)):
            low = min(int(moments[t]), last - 1)
            part = moments[t] - low
            found[way, t, 0] = path[low, 0] + part * (path[low + 1, 0] - path[low, 0])
            found[way, t, 1] = path[low, 1] + part * (path[low + 1, 1] - path[low, 1])
            found[way, t, 2] = headings[low] + min(part, 1.0) * (headings[low + 1] - headings[low])
    return found
