"""Changes of lanes by MOBIL (Kesting, Treiber, Helbing 2007): what one gains against what it costs others; compiled."""

import numpy as np
from numba import njit

from autonomy_nodes.sim.flow.loops import (
    ACCELERATION,
    AIM,
    BRAKING,
    DRIVES,
    GOAL,
    HEADWAY,
    LENGTH,
    POLITE,
    REAR,
    SAFE,
    SPEED,
    WISH,
    D,
    S,
    driver,
    projected,
)
from autonomy_nodes.sim.flow.place import STEP_M

BESIDE_M, LOOK_M = 2.2, 110.0
LEAST_GAIN, URGE = 0.25, 1.2  # m/s2; of a free choice, and of one whose lane ends or who leaves the road
SLOWEST_MPS, LEAST_GAP_M = 1.2, 1.5
OTHER, FROM_S, TO_S, FOR_AIM, SCALE = range(5)  # columns of beside


@njit(cache=True)
def about(
    i: int, place: float, way: int, on: np.ndarray, ways: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    bodies: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return gap and speed of the leader, gap, speed and row of the follower, of one at `place` on a way; inf, -1.

    Who is still beside the way but on his way onto it counts.
    """
    points, headings, start, end = ways[0], ways[1], ways[3][way], ways[3][way + 1]
    found = np.array([np.inf, 0.0, np.inf, 0.0, -1.0])
    at = start + int(place / STEP_M)
    first, last = max(start, at - int(LOOK_M / STEP_M)), min(end, at + int(LOOK_M / STEP_M))
    for k in range(len(bodies)):
        if bodies[k, 7] == i or (bodies[k, 0] - points[min(at, end - 1), 0]) ** 2 + (
            bodies[k, 1] - points[min(at, end - 1), 1]
        ) ** 2 > LOOK_M**2:
            continue
        row, along, left = projected(points, headings, first, last, bodies[k, 0], bodies[k, 1])
        comes = bodies[k, 7] >= 0 and on[int(bodies[k, 7])] == way
        if abs(left) > (2.5 * BESIDE_M if comes else BESIDE_M) or abs(along) > 3.0:
            continue
        s, half = (row - start) * STEP_M + along, 0.5 * bodies[k, 4]
        if s >= place and s - half - place < found[0]:
            found[0], found[1] = s - half - place, bodies[k, 3]
        elif s < place and place - s - half < found[2]:
            found[2], found[3], found[4] = place - s - half, bodies[k, 3], bodies[k, 7]
    return found


@njit(cache=True)
def pushed(trait: np.ndarray, speed: float, gap: float, lead: float) -> float:
    """Return the acceleration of the intelligent driver behind a leader."""
    far = min(gap, 1000.0)
    return driver(
        speed, trait[WISH], far, speed - lead if gap < np.inf else 0.0, trait[HEADWAY], trait[ACCELERATION],
        trait[BRAKING],
    )  # fmt: skip


@njit(cache=True)
def gain(
    i: int, states: np.ndarray, traits: np.ndarray, now: np.ndarray, then: np.ndarray, wall: np.ndarray
) -> float:
    """Return what a change is worth [m/s2], -inf where it is not safe.

    now, then: (5,) as `about` tells, from one's middle. wall: (2,) how far away this lane and the other one end.
    """
    state, trait = states[i], traits[i]
    half = 0.5 * trait[LENGTH]
    if then[0] - half < LEAST_GAP_M or then[2] - half < LEAST_GAP_M:
        return -np.inf
    lead_now, lead_then = now[0] - half, then[0] - half
    mine_now = min(pushed(trait, state[SPEED], lead_now, now[1]), pushed(trait, state[SPEED], wall[0], 0.0))
    mine_then = min(pushed(trait, state[SPEED], lead_then, then[1]), pushed(trait, state[SPEED], wall[1], 0.0))
    if mine_then < -trait[SAFE]:
        return -np.inf
    worth = mine_then - mine_now
    j = int(then[4])
    if j >= 0:
        cut = pushed(traits[j], then[3], then[2] - half, state[SPEED])
        if cut < -trait[SAFE]:
            return -np.inf
        worth += trait[POLITE] * (cut - pushed(traits[j], then[3], then[2] + then[0], then[1]))
    j = int(now[4])
    if j >= 0:
        freed = pushed(traits[j], now[3], now[2] + now[0], now[1])
        worth += trait[POLITE] * (freed - pushed(traits[j], now[3], now[2] - half, state[SPEED]))
    return worth


@njit(cache=True)
def changed(
    i: int, states: np.ndarray, traits: np.ndarray, on: np.ndarray, aims: np.ndarray, walls: np.ndarray,
    beside: np.ndarray, ways: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], bodies: np.ndarray,
) -> tuple[int, float]:  # fmt: skip
    """Return the way to which one changes now, -1 for none, and how far behind its new follower will be [s]."""
    points, headings, _, starts = ways
    state, way = states[i], on[i]
    if state[SPEED] < SLOWEST_MPS or abs(state[D] - state[AIM]) > 0.8:
        return -1, np.inf
    middle = state[S] + 0.5 * traits[i, LENGTH] - traits[i, REAR]
    now = about(i, middle, way, on, ways, bodies)
    best, chosen, behind = LEAST_GAIN, -1, np.inf
    for side in range(2):
        other = int(beside[way, side, OTHER])
        if other < 0 or not beside[way, side, FROM_S] < state[S] < beside[way, side, TO_S]:
            continue
        if beside[way, side, FOR_AIM] > 0.0 and aims[i] != other:
            continue
        row, along, _ = projected(
            points, headings, starts[other], starts[other + 1], state[0], state[1]
        )  # fmt: skip
        there = (row - starts[other]) * STEP_M + along + middle - state[S]
        then = about(i, there, other, on, ways, bodies)
        front = state[S] + traits[i, LENGTH] - traits[i, REAR]
        ends = np.array([walls[way] - front, walls[other] - (there + 0.5 * traits[i, LENGTH])])
        worth = gain(i, states, traits, now, then, ends)
        if aims[i] == other or ends[0] < 150.0 and ends[1] > ends[0]:
            worth += URGE
        elif aims[i] >= 0:
            worth += 0.3 if side == 1 else -2.0  # who leaves keeps to the right
        if worth > best:
            best, chosen, behind = worth, other, (then[2] - 0.5 * traits[i, LENGTH]) / max(then[3], 1.0)
    return chosen, behind


@njit(cache=True)
def all_changed(
    states: np.ndarray, traits: np.ndarray, modes: np.ndarray, on: np.ndarray, there: np.ndarray, asked: np.ndarray,
    aims: np.ndarray, walls: np.ndarray, beside: np.ndarray,
    ways: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], bodies: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Let everybody `asked` (N,) change lanes who wants to; return (N,) time behind them, NaN of who stays."""
    points, headings, _, starts = ways
    found = np.full(len(states), np.nan)
    for i in range(len(states)):
        if not (there[i] and asked[i]) or modes[i] != DRIVES:
            continue
        other, behind = changed(i, states, traits, on, aims, walls, beside, ways, bodies)
        if other < 0:
            continue
        row, along, left = projected(points, headings, starts[other], starts[other + 1], states[i, 0], states[i, 1])
        on[i], found[i] = other, behind
        states[i, S], states[i, D] = (row - starts[other]) * STEP_M + along, left
        states[i, GOAL], states[i, AIM] = left, 0.0
        if aims[i] == other:
            aims[i] = -1
        break  # one at a time: the next one sees it
    return found
