"""Which agents are to be foretold when, in a recorded scene, and what they then did: kinds of motion, joint scenes.

A window is two seconds of history and six of future, one each second. Targets: cars and trucks that are told at all of
its steps and move; pedestrians and cyclists by the same rule are scored apart.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.objects import Label
from autonomy_nodes.evaluation.measures.forecasts import FUTURE, LONGEST, PAST
from autonomy_nodes.messages.formats.trajectories import RecordedScene

EACH = 10  # steps from window to window
MOVES_MPS, MOVES_M = 1.0, 2.0
FASTEST_MPS = 45.0  # faster is nobody: tracks were swapped
TURN_RAD, SHIFT_M = 0.5, 2.5
KINDS = ('straight', 'turn', 'shift', 'stop', 'start')
VEHICLES = {Label.CAR: 'car', Label.TRUCK: 'truck'}
OTHERS = {Label.PEDESTRIAN: 'pedestrian', Label.BICYCLE: 'cyclist'}


@dataclass(frozen=True, eq=False)
class Window:
    """One moment of a scene. now: its step. agents: (N,) rows of the scene, vehicles and others, ascending.

    labels: (N,) `Label`. kinds: (N,) places in KINDS. truth: (N, 81, 3) x y heading from now to 8 s, NaN from where
    the recording ends. speeds_mps: (N,) now. sizes_m: (N, 2).
    """

    now: int
    agents: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    truth: np.ndarray
    speeds_mps: np.ndarray
    sizes_m: np.ndarray

    @property
    def vehicles(self) -> np.ndarray:
        """(N,) whether each is a car or a truck."""
        return np.isin(self.labels, list(VEHICLES))


def windows(scene: RecordedScene, each: int = EACH) -> list[Window]:
    """Return the windows of a scene, `each` so many steps, in which anybody is to be foretold."""
    found = []
    for now in range(PAST, scene.steps - FUTURE, each):
        states = scene.states[:, now - PAST : now + FUTURE + 1]
        told = np.isfinite(states[:, :, 0]).all(axis=1) & np.isin(scene.labels, [*VEHICLES, *OTHERS])
        rows = np.flatnonzero(told)
        speeds = np.hypot(states[rows, :, 3], states[rows, :, 4])
        moved = np.hypot(*(states[rows, -1, :2] - states[rows, PAST, :2]).T)
        counts = ((speeds[:, PAST] >= MOVES_MPS) | (moved >= MOVES_M)) & (speeds <= FASTEST_MPS).all(axis=1)
        if (agents := rows[counts]).size:
            found.append(_window(scene, now, agents))
    return found


def truth_of(scene: RecordedScene, now: int, agents: np.ndarray) -> np.ndarray:
    """Return (N, 81, 3) x y heading of agents from now to 8 s, NaN from where they are not told for the first time."""
    truth = np.full((len(agents), LONGEST + 1, 3), np.nan)
    after = scene.states[agents, now : now + LONGEST + 1, :3]
    truth[:, : after.shape[1]] = after
    gone = np.isnan(truth[:, :, 0]).cumsum(axis=1) > 0
    truth[gone] = np.nan  # who comes back later was not followed all the way
    return truth


def _window(scene: RecordedScene, now: int, agents: np.ndarray) -> Window:
    truth = truth_of(scene, now, agents)
    speeds = np.hypot(scene.states[agents, now, 3], scene.states[agents, now, 4])
    last = np.hypot(scene.states[agents, now + FUTURE, 3], scene.states[agents, now + FUTURE, 4])
    kinds = kinds_of(truth[:, 0], truth[:, FUTURE], speeds, last)
    return Window(now, agents, scene.labels[agents], kinds, truth, speeds, scene.sizes_m[agents])


def kinds_of(first: np.ndarray, last: np.ndarray, speeds_mps: np.ndarray, last_mps: np.ndarray) -> np.ndarray:
    """Return (N,) places in KINDS of moves from (N, 3) poses to (N, 3) poses with these speeds (N,) at both ends.

    Who stands now starts; who stands then stops; who has turned by more than 0.5 rad turns; who is more than 2.5 m
    beside the line of its heading shifts; all others go straight on.
    """
    moved = last[:, :2] - first[:, :2]
    aside = np.cos(first[:, 2]) * moved[:, 1] - np.sin(first[:, 2]) * moved[:, 0]
    turned = np.abs(np.asarray(wrapped(last[:, 2] - first[:, 2])))
    tests = [speeds_mps < MOVES_MPS, last_mps < MOVES_MPS, turned > TURN_RAD, np.abs(aside) > SHIFT_M]
    places = [KINDS.index(name) for name in ('start', 'stop', 'turn', 'shift')]
    return np.select(tests, places, KINDS.index('straight'))
