"""The loops over road users, compiled: who sees whom ahead, how fast each may be, where to each moves.

Vehicles turn about their rear axle and are led back to their way by a curvature; nobody slides sideways.
"""

import math

import numpy as np
from numba import njit

from autonomy_nodes.common.kinematics import tracking_curvature
from autonomy_nodes.sim.flow.drivers import Mode, Trait
from autonomy_nodes.sim.flow.place import STEP_M
from autonomy_nodes.sim.traffic import intelligent_driver

X, Y, HEADING, SPEED, PUSH, BEND, S, D, GOAL, AIM, HOLD, RESTED, OFF, JITTER = range(14)  # columns of states
COLUMNS = 14
SEEN_S, SEEN_LEFT, SEEN_TURN, SEEN_ALONG, SEEN_ACROSS, SEEN_SPEED, SEEN_MODE, SEEN_OWNER = range(8)
DRIVES, RIDES, WALKS, STANDS = (int(mode) for mode in Mode)
LENGTH, WIDTH, REAR, WISH, HEADWAY, ACCELERATION, BRAKING, LATERAL, GAP, SIDE, POLITE, SAFE, REACH, LEAST, TIGHTEST, \
    START, DODGE, TOWED = (int(trait) for trait in Trait)  # fmt: skip
SWING_S, CROSS_S = 0.9, 0.3  # so long a move sideways is thought on, and one across
BESIDE_M = 0.2
ON_FOOT_GAP_M = 1.4  # of the model's least gap, that those on foot do without
driver = njit(cache=True)(intelligent_driver)
tracked = njit(cache=True)(tracking_curvature)


@njit(cache=True)
def projected(
    points: np.ndarray, headings: np.ndarray, first: int, last: int, x: float, y: float
) -> tuple[int, float, float]:
    """Return the nearest row of a way from `first` to before `last`, and how far ahead and left of it a place is."""
    nearest, at = np.inf, first
    for row in range(first, last):
        gap = (points[row, 0] - x) ** 2 + (points[row, 1] - y) ** 2
        if gap < nearest:
            nearest, at = gap, row
    cos, sin = math.cos(headings[at]), math.sin(headings[at])
    dx, dy = x - points[at, 0], y - points[at, 1]
    return at, dx * cos + dy * sin, dy * cos - dx * sin


@njit(cache=True)
def bodies_of(
    states: np.ndarray, traits: np.ndarray, modes: np.ndarray, there: np.ndarray, owners: np.ndarray
) -> np.ndarray:
    """Return (M, 8) of those who are there: x y of the middle, heading, speed, length, width, mode, whose it is."""
    found, count = np.empty((len(states), 8)), 0
    for i in range(len(states)):
        if there[i]:
            middle = 0.5 * traits[i, LENGTH] - traits[i, REAR]
            found[count, 0] = states[i, X] + middle * math.cos(states[i, HEADING])
            found[count, 1] = states[i, Y] + middle * math.sin(states[i, HEADING])
            found[count, 2:4] = states[i, HEADING], states[i, SPEED]
            found[count, 4:6] = traits[i, LENGTH], traits[i, WIDTH]
            found[count, 6:8] = modes[i], owners[i]
            count += 1
    return found[:count]


@njit(cache=True)
def spots_of(bodies: np.ndarray) -> np.ndarray:
    """Return (K, 8) of circles that cover (M, 8) bodies: x y, heading, speed, radius twice, mode, whose it is."""
    counts = np.ceil(0.8 * bodies[:, 4] / bodies[:, 5]).astype(np.int64)
    found, at = np.empty((counts.sum(), 8)), 0
    for k in range(len(bodies)):
        for number in range(counts[k]):
            shift = 0.0
            if counts[k] > 1:
                shift = (number / (counts[k] - 1.0) - 0.5) * (bodies[k, 4] - bodies[k, 5])
            found[at] = bodies[k]
            found[at, 0] += shift * math.cos(bodies[k, 2])
            found[at, 1] += shift * math.sin(bodies[k, 2])
            found[at, 4:6] = 0.5 * bodies[k, 5], 0.53 * bodies[k, 5]
            at += 1
    return found


@njit(cache=True)
def looked(
    i: int, state: np.ndarray, trait: np.ndarray, way: tuple[np.ndarray, np.ndarray, int, int], spots: np.ndarray,
    seen: np.ndarray,
) -> int:  # fmt: skip
    """Fill `seen` with the circles (`spots_of`) beside and ahead along one's way, and return how many they are."""
    points, headings, start, end = way
    reach = 25.0 + 3.0 * state[SPEED] + state[SPEED] ** 2 / 5.0
    first = max(start, start + int(state[S] / STEP_M) - 4)
    last = min(end, first + int(reach / STEP_M) + 6)
    count, cos, sin = 0, math.cos(state[HEADING]), math.sin(state[HEADING])
    for k in range(len(spots)):
        dx, dy = spots[k, 0] - state[X], spots[k, 1] - state[Y]
        if spots[k, 7] == i or last - first < 2 or dx * dx + dy * dy > reach * reach or dx * cos + dy * sin < -8.0:
            continue
        row, along, left = projected(points, headings, first, last, spots[k, 0], spots[k, 1])
        s = (row - start) * STEP_M + along
        if s + spots[k, 4] < state[S] - trait[REAR] or abs(left) > 16.0:
            continue
        seen[count, SEEN_S], seen[count, SEEN_LEFT] = s, left
        seen[count, SEEN_TURN], seen[count, SEEN_ALONG] = spots[k, 2] - headings[row], spots[k, 4]
        seen[count, SEEN_ACROSS] = spots[k, 5]
        seen[count, SEEN_SPEED:] = spots[k, 3], spots[k, 6], spots[k, 7]
        count += 1
    return count


@njit(cache=True)
def dodged(
    state: np.ndarray, trait: np.ndarray, room: np.ndarray, seen: np.ndarray, count: int, on_foot: bool
) -> float:
    """Return how far left of one's way one wants to be, so as to pass whoever is slow and beside it."""
    low, high, base = room[0] + state[OFF], room[1] + state[OFF], state[OFF]
    least, most = low, high
    front = state[S] + trait[LENGTH] - trait[REAR]
    for k in range(count):
        gap, along = seen[k, SEEN_S] - seen[k, SEEN_ALONG] - front, seen[k, SEEN_SPEED] * math.cos(seen[k, SEEN_TURN])
        if gap > 6.0 + 3.5 * state[SPEED]:
            continue
        needs = seen[k, SEEN_ACROSS] + 0.5 * trait[WIDTH] + trait[SIDE]
        mode, left = seen[k, SEEN_MODE], seen[k, SEEN_LEFT]
        if abs(left - base) > needs + 2.0:
            continue
        oncoming = along < -0.3
        slow = mode != DRIVES and not oncoming and along < 0.7 * trait[WISH]
        meets = oncoming and gap < 4.0 * (state[SPEED] - along) and (on_foot or mode == DRIVES)
        if (slow or on_foot and mode == WALKS) and left <= base:
            least = max(least, left + needs)
        elif slow or meets:
            most = min(most, left - needs)
    if least > high + 1e-6 or least > most:  # there is no way past: wait behind
        return max(min(base, most), low)
    return min(max(base, least), max(most, low))


@njit(cache=True)
def wanted_speed(
    state: np.ndarray, trait: np.ndarray, bends: np.ndarray, start: int, end: int, ends_at: float
) -> float:
    """Return the speed that the bends ahead allow, slowing down comfortably before each."""
    wanted, comfort = trait[WISH], 0.65 * trait[BRAKING]
    first = start + max(int(state[S] / STEP_M), 0)
    last = min(end, first + 4 + int(state[SPEED] ** 2 / (2.0 * comfort) + 1.5 * state[SPEED]))
    for row in range(first, last):
        tight = abs(bends[row])
        if tight > 1e-3:
            ahead = max((row - start) * STEP_M - state[S], 0.0)
            wanted = min(wanted, math.sqrt(trait[LATERAL] / tight + 2.0 * comfort * ahead))
    return max(wanted, 0.5)


@njit(cache=True)
def followed(
    state: np.ndarray, trait: np.ndarray, wanted: float, seen: np.ndarray, count: int, mode: int
) -> float:
    """Return the acceleration behind whoever is, or will soon be, in one's way."""
    chosen = driver(
        state[SPEED], wanted, 1000.0, 0.0, trait[HEADWAY], trait[ACCELERATION], trait[BRAKING], 3.0
    )  # fmt: skip
    front = state[S] + trait[LENGTH] - trait[REAR]
    reach = max(trait[LEAST], trait[REACH] * state[SPEED])
    for k in range(count):
        if seen[k, SEEN_S] < state[S] + 0.5 * trait[LENGTH] - trait[REAR]:
            continue
        gap = seen[k, SEEN_S] - seen[k, SEEN_ALONG] - front
        turn = seen[k, SEEN_TURN]
        along, across = seen[k, SEEN_SPEED] * math.cos(turn), seen[k, SEEN_SPEED] * math.sin(turn)
        thought_s = SWING_S if seen[k, SEEN_MODE] != DRIVES or abs(math.sin(turn)) < 0.5 else CROSS_S
        if mode == WALKS:
            thought_s = 0.0
        here, then = seen[k, SEEN_LEFT], seen[k, SEEN_LEFT] + thought_s * across
        share = min(max(gap / (2.5 * reach), 0.0), 1.0)
        mine = state[D] + (state[AIM] - state[D]) * share
        half = 0.5 * trait[WIDTH] + seen[k, SEEN_ACROSS] + BESIDE_M * (0.3 if mode == WALKS else 1.0)
        if min(here, then) - half > mine or max(here, then) + half < mine:
            continue
        if mode == WALKS or seen[k, SEEN_MODE] == WALKS:
            gap += ON_FOOT_GAP_M if mode == WALKS else 0.5
        pushed = driver(
            state[SPEED], wanted, gap, state[SPEED] - along, trait[HEADWAY], trait[ACCELERATION], trait[BRAKING]
        )  # fmt: skip
        chosen = min(chosen, pushed)
    return chosen


@njit(cache=True)
def moved(
    states: np.ndarray, traits: np.ndarray, modes: np.ndarray, on: np.ndarray, there: np.ndarray,
    ways: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], wander: np.ndarray, dt: float,
) -> None:  # fmt: skip
    """Move everybody on along their ways by `dt`; wander: (N,) metres by which each misses its line."""
    points, headings, bends, starts = ways
    for i in range(len(states)):
        if not there[i] or modes[i] == STANDS or on[i] < 0:
            continue
        state, trait, start, end = states[i], traits[i], starts[on[i]], starts[on[i] + 1]
        speed = max(0.0, state[SPEED] + state[PUSH] * dt)
        mean, state[SPEED] = 0.5 * (state[SPEED] + speed), speed
        state[RESTED] = 0.0 if speed > 0.05 else state[RESTED] + dt
        gone = mean * dt
        if gone < 1e-6:
            state[BEND] *= 0.999
            continue
        rate = min(trait[DODGE], (0.7 if modes[i] == WALKS else 0.22) * mean) * dt
        state[GOAL] += min(max(state[AIM] - state[GOAL], -rate), rate)
        row = min(start + int((state[S] + 0.3 * mean) / STEP_M), end - 1)
        here = min(start + int(state[S] / STEP_M), end - 2)
        part = min(max(state[S] / STEP_M - (here - start), 0.0), 1.0)
        error = state[HEADING] - (headings[here] + part * (headings[here + 1] - headings[here]))
        error = (error + math.pi) % (2.0 * math.pi) - math.pi
        reach = max(trait[LEAST], trait[REACH] * mean)
        bend = tracked(bends[row], state[D] - state[GOAL] - wander[i], error, reach)
        quick = (0.28 if modes[i] == DRIVES else 1.5) * dt
        bend = min(max(bend, state[BEND] - quick), state[BEND] + quick)
        bend = min(max(bend, -trait[TIGHTEST]), trait[TIGHTEST])
        turn = 0.5 * (bend + state[BEND]) * gone
        state[BEND] = bend
        state[X] += gone * math.cos(state[HEADING] + 0.5 * turn)
        state[Y] += gone * math.sin(state[HEADING] + 0.5 * turn)
        state[HEADING] += turn
        first = max(start, here - 3)
        at, along, left = projected(points, headings, first, min(end, here + 6), state[X], state[Y])
        state[S], state[D] = (at - start) * STEP_M + along, left
