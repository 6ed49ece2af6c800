"""What everybody does next, all at once: acceleration, and how far beside the way; compiled."""

import numpy as np
from numba import njit

from autonomy_nodes.sim.flow.gaps import waited
from autonomy_nodes.sim.flow.loops import (
    AIM,
    HOLD,
    PUSH,
    RESTED,
    SPEED,
    STANDS,
    START,
    WALKS,
    WIDTH,
    dodged,
    followed,
    looked,
    spots_of,
    wanted_speed,
)

ROUSED_MPS2, JERK, SUDDEN_JERK = 0.1, 2.6, 14.0  # m/s3
SUDDEN_MPS2 = -2.5
SLIM_M = 1.2  # people and bicycles go unevenly however slow they are
FREE_S = 1e6  # from here on counts the time since the way is free


@njit(cache=True)
def decided(
    everybody: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], bodies: np.ndarray,
    ways: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], room: np.ndarray, stops: np.ndarray,
    stop_starts: np.ndarray, colours: np.ndarray, served: np.ndarray, zones: np.ndarray, zone_starts: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return (N,) accelerations that everybody wants; sets where each wants to be beside its way, and what it waits at.

    everybody: states, traits, modes, ways and presence. served: (N, K) signs at which each has stopped; changes.
    """
    states, traits, modes, on, there = everybody
    points, headings, bends, starts = ways
    pushes, holds = np.zeros(len(states)), np.full(len(states), np.inf)
    spots = spots_of(bodies)
    seen = np.empty((len(spots), 8))
    for i in range(len(states)):
        w = on[i]
        if not there[i] or w < 0 or modes[i] == STANDS:
            continue
        state, trait = states[i], traits[i]
        count = looked(i, state, trait, (points, headings, starts[w], starts[w + 1]), spots, seen)
        state[AIM] = dodged(state, trait, room[w], seen, count, modes[i] == WALKS)
        wanted = wanted_speed(state, trait, bends, starts[w], starts[w + 1], np.inf)
        pushes[i] = followed(state, trait, wanted, seen, count, modes[i])
        first, last = stop_starts[w], stop_starts[w + 1]
        waits, holds[i] = waited(
            i, states, traits, modes, on, there, stops[first:last], colours, served[i, first:last],
            zones[zone_starts[w] : zone_starts[w + 1]],
        )  # fmt: skip
        pushes[i] = min(pushes[i], waits)
    states[:, HOLD] = holds
    return pushes


@njit(cache=True)
def pressed(
    states: np.ndarray, traits: np.ndarray, pushes: np.ndarray, noise: np.ndarray, lapses: np.ndarray, dt: float
) -> None:
    """Turn wanted accelerations into those that are had: late, uneven, and not from one moment to the next."""
    for i in range(len(states)):
        state, trait = states[i], traits[i]
        wanted = pushes[i]
        if lapses[i] > 0.0:  # looks away: all stays as it is
            wanted = min(state[PUSH], 0.2)
        elif state[SPEED] < 0.05 and wanted > ROUSED_MPS2 and state[RESTED] > 1.0 and state[RESTED] < FREE_S:
            state[RESTED] = FREE_S  # the way is free: from here on it takes a while
        if FREE_S <= state[RESTED] < FREE_S + trait[START]:
            wanted = min(wanted, 0.0)
        if state[SPEED] > 0.5:
            wanted += noise[i] * (1.0 if trait[WIDTH] < SLIM_M else min(1.0, 0.2 + 0.08 * state[SPEED]))
        quick = (SUDDEN_JERK if wanted < SUDDEN_MPS2 or wanted < state[PUSH] - 2.0 else JERK) * dt
        state[PUSH] = min(max(wanted, state[PUSH] - quick), state[PUSH] + quick)
        if state[SPEED] <= 0.0 and state[PUSH] < 0.0:
            state[PUSH] = 0.0
