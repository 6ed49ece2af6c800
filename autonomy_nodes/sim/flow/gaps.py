"""Where one must wait: lights and signs, and zones where two ways meet; compiled.

Gap acceptance: who yields goes where everybody with right of way comes later than one is through, by a margin of his
own (critical gap, Highway Capacity Manual 2010, chapter 19). Nobody drives into a zone in which somebody stands.
"""

import numpy as np
from numba import njit

from autonomy_nodes.sim.flow.loops import (
    ACCELERATION,
    BRAKING,
    DRIVES,
    GAP,
    HEADWAY,
    HOLD,
    LENGTH,
    REAR,
    SPEED,
    TOWED,
    WISH,
    S,
    driver,
)
from autonomy_nodes.sim.flow.place import STEP_M, STOP_SIGN, WALL
from autonomy_nodes.sim.rightofway import must_stop

NEAR_M, THROUGH_MPS = 2.7, 7.0  # ways nearer than this meet; so fast one goes through a junction
MERGE_M = 10.0  # so much of a common way counts as a zone; behind it one follows
STANDOFF_M = (0.6, 1.6)  # before a zone, and before one where ways become one
FIRM_MPS2 = 4.5  # who would have to brake harder does not wait any more
UNSEEN_MPS2 = 3.0  # one on foot or on a bicycle trusts those to stop who can do so gently
halts = njit(cache=True)(must_stop)
ZONE_IN, ZONE_OUT, OTHER, OTHER_IN, OTHER_OUT, YIELDS, MERGES = range(7)  # columns of zones


@njit(cache=True)
def meeting(
    one: np.ndarray, two: np.ndarray, one_headings: np.ndarray, two_headings: np.ndarray, near: float
) -> np.ndarray:  # fmt: skip
    """Return (Z, 5) stretches of a way that come `near` another: from, to, from and to on the other, 1 for a merge."""
    found, count = np.empty((8, 5)), 0
    rows, gaps = np.empty(len(one), np.int64), np.empty(len(one))
    for i in range(len(one)):
        gaps[i], rows[i] = np.inf, 0
        for j in range(len(two)):
            gap = (one[i, 0] - two[j, 0]) ** 2 + (one[i, 1] - two[j, 1]) ** 2
            if gap < gaps[i]:
                gaps[i], rows[i] = gap, j
    i = 0
    while i < len(one):
        if gaps[i] >= near * near:
            i += 1
            continue
        first = i
        while i < len(one) and gaps[i] < near * near:
            i += 1
        last = i - 1
        alike = np.cos(one_headings[last] - two_headings[rows[last]])
        low, high = rows[first : last + 1].min(), rows[first : last + 1].max()
        parts = first <= 2 and low <= 2 and np.cos(one_headings[first] - two_headings[rows[first]]) > 0.8
        follows = alike > 0.8 and (last - first) * STEP_M > MERGE_M
        meets_all_along = np.cos(one_headings[first] - two_headings[rows[first]]) > 0.95 and follows
        if parts or meets_all_along or (alike < -0.8 and (last - first) * STEP_M > 12.0) or count == 8:
            continue
        if follows:
            last, high = first + int(MERGE_M / STEP_M), min(low + int(MERGE_M / STEP_M), high)
        found[count] = first * STEP_M, last * STEP_M, low * STEP_M, high * STEP_M, 1.0 if follows else 0.0
        count += 1
    return found[:count]


@njit(cache=True)
def reached_s(gap: float, speed: float, push: float, most: float) -> float:
    """Return after how long one is `gap` metres on, who speeds up to at most `most`."""
    if gap <= 0.0:
        return 0.0
    most = max(most, speed, 0.5)
    rise = (most * most - speed * speed) / (2.0 * push)
    if gap < rise:
        return (np.sqrt(speed * speed + 2.0 * push * gap) - speed) / push
    return (most - speed) / push + (gap - rise) / most


@njit(cache=True)
def stop_ahead(state: np.ndarray, trait: np.ndarray, stops: np.ndarray, colours: np.ndarray, served: np.ndarray) -> int:
    """Return the row of the first of (K, 2) s, signal at which one must wait now, -1 for none.

    served: (K,) signs at which one has stopped; changes.
    """
    front, found = state[S] + trait[LENGTH] - trait[REAR], -1
    for k in range(len(stops)):
        gap, signal = stops[k, 0] - front, int(stops[k, 1])
        if gap < -1.5 or gap > 25.0 + state[SPEED] ** 2 / 2.0:
            continue
        if signal == STOP_SIGN:
            if gap < 3.5 and state[SPEED] < 0.3:
                served[k] = True
            waits = not served[k]
        else:
            waits = signal == WALL or halts(colours[signal], gap, state[SPEED])
        if waits and (found < 0 or stops[k, 0] < stops[found, 0]):
            found = k
    return found


@njit(cache=True)
def blocked(
    i: int, zone: np.ndarray, states: np.ndarray, traits: np.ndarray, modes: np.ndarray, on: np.ndarray,
    there: np.ndarray,
) -> bool:  # fmt: skip
    """Return whether one must not go into a zone now, because of anybody on the other way."""
    state, trait = states[i], traits[i]
    gap = zone[ZONE_IN] - (state[S] + trait[LENGTH] - trait[REAR])
    through = trait[WISH] if modes[i] != DRIVES else max(state[SPEED], min(trait[WISH], THROUGH_MPS))
    mine_in = reached_s(gap, state[SPEED], trait[ACCELERATION], through)
    length = zone[ZONE_OUT] - zone[ZONE_IN] + trait[LENGTH] + trait[TOWED]
    mine_out = reached_s(gap + length, state[SPEED], trait[ACCELERATION], through)
    for j in range(len(states)):
        if not there[j] or on[j] != int(zone[OTHER]) or j == i:
            continue
        other, theirs = states[j], traits[j]
        front = other[S] + theirs[LENGTH] - theirs[REAR]
        if other[S] - theirs[REAR] - theirs[TOWED] > zone[OTHER_OUT]:
            continue
        if front > zone[OTHER_IN]:
            if zone[MERGES] == 0.0 or other[S] < zone[OTHER_IN]:
                rest = zone[OTHER_OUT] - other[S] + theirs[REAR] + theirs[TOWED]
                leaves = reached_s(rest, other[SPEED], 0.5, other[SPEED])
                if leaves + 0.2 > mine_in:
                    return True
            continue
        comes = reached_s(zone[OTHER_IN] - front, other[SPEED], theirs[ACCELERATION], theirs[WISH])
        if zone[YIELDS] == 0.0:
            if modes[i] == DRIVES or modes[j] != DRIVES or comes > mine_out:
                continue
            if other[SPEED] ** 2 / (2.0 * max(zone[OTHER_IN] - front, 0.1)) > UNSEEN_MPS2:
                return True
            continue
        if other[HOLD] < zone[OTHER_IN] + 0.5:
            continue
        width = zone[OTHER_OUT] - zone[OTHER_IN] + theirs[LENGTH] + theirs[TOWED]
        leaves = reached_s(zone[OTHER_IN] - front + width, other[SPEED], theirs[ACCELERATION], max(other[SPEED], 1.0))
        if zone[MERGES] > 0.0:
            if comes < mine_in + trait[GAP] and leaves > mine_in - 0.8 and comes > mine_in - 0.8:
                return True
        elif comes < mine_out + 0.35 * trait[GAP] and leaves > mine_in - 0.3:
            return True
    return False


@njit(cache=True)
def waited(
    i: int, states: np.ndarray, traits: np.ndarray, modes: np.ndarray, on: np.ndarray, there: np.ndarray,
    stops: np.ndarray, colours: np.ndarray, served: np.ndarray, zones: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """Return the acceleration before whatever one must wait at, and how far along the way that is; inf for nothing."""
    state, trait = states[i], traits[i]
    front, hold = state[S] + trait[LENGTH] - trait[REAR], np.inf
    stop = stop_ahead(state, trait, stops, colours, served)
    if stop >= 0:
        hold = stops[stop, 0]
    for k in range(len(zones)):
        gap = zones[k, ZONE_IN] - front
        if gap < -0.3 or gap > 12.0 + state[SPEED] * 2.0 + state[SPEED] ** 2 / 3.0 or zones[k, ZONE_IN] > hold + 1.0:
            continue
        if state[SPEED] ** 2 / (2.0 * max(gap, 0.05)) > FIRM_MPS2 and state[SPEED] > 1.0:
            continue
        if blocked(i, zones[k], states, traits, modes, on, there):
            hold = min(hold, zones[k, ZONE_IN] - (STANDOFF_M[int(zones[k, MERGES])] if modes[i] == DRIVES else 0.2))
    if hold == np.inf:
        return np.inf, hold
    gap = hold - front + 1.5
    pushed = driver(
        state[SPEED], trait[WISH], gap, state[SPEED], trait[HEADWAY], trait[ACCELERATION], trait[BRAKING], 6.0
    )
    return pushed, hold
