"""A recorded scene whose people mind somebody who was not there, such as our vehicle: paths as recorded, speeds not.

Who has nobody in his way is where the recording has him, to the digit. Who is held up goes on along his recorded path
by the intelligent driver, never ahead of the recording, and then holds up those behind him.
"""

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.messages.formats.trajectories import STEP_S, RecordedScene
from autonomy_nodes.sim.flow import loops
from autonomy_nodes.sim.flow.drivers import Mode, Trait
from autonomy_nodes.sim.flow.place import Way, way_of

SHORTEST_M = 3.0  # who moves less has no path: he stays as recorded
MODES = {Label.PEDESTRIAN: Mode.WALKS, Label.BICYCLE: Mode.RIDES}
HEADWAY_S, ACCELERATION, BRAKING = 1.2, 1.5, 2.0
CRAWL_MPS, CATCH_UP, HELD_MPS = 1.5, 1.15, 0.05


class Replay:
    """Plays a scene from a step on. step: of the recording, now. held: (A,) who is behind his recording."""

    def __init__(self, scene: RecordedScene, step: int = 0) -> None:
        self.scene, self.step = scene, step
        self.held = np.zeros(len(scene.states), bool)
        self._tracks = [_Track(states) for states in scene.states]
        self._modes = np.array([MODES.get(Label(int(label)), Mode.DRIVES) for label in scene.labels], np.int64)
        self._arcs_m = np.zeros(len(scene.states))
        self._traits = np.zeros((len(scene.states), len(Trait)))
        self._traits[:, :2] = scene.sizes_m
        self._traits[:, Trait.REAR_M] = scene.sizes_m[:, 0] / 2.0
        self._traits[:, Trait.HEADWAY_S], self._traits[:, Trait.LEAST_M] = HEADWAY_S, 3.0
        self._traits[:, Trait.ACCELERATION], self._traits[:, Trait.BRAKING] = ACCELERATION, BRAKING
        self.states = scene.states[:, step].copy()

    def advance(self, guests: np.ndarray) -> None:
        """Go on by 0.1 s. guests: (G, 6) x y of the middle, heading, speed, length, width of who was not there."""
        new = len(guests)
        strangers = np.column_stack([guests.reshape(-1, 6), np.full(new, Mode.DRIVES), np.full(new, -1)])
        everybody = self._bodies()
        held = everybody[self.held[everybody[:, 7].astype(int)]] if len(everybody) else everybody
        all_spots = loops.spots_of(np.concatenate([strangers, everybody]))
        odd_spots = loops.spots_of(np.concatenate([strangers, held]))
        self.step = min(self.step + 1, self.scene.steps - 1)
        for i, track in enumerate(self._tracks):
            recorded = self.scene.states[i, self.step]
            if track.way is None or (np.isnan(recorded[0]) and not self.held[i]) or np.isnan(self.states[i, 0]):
                self.states[i] = recorded
                continue
            self._move(i, track, recorded, all_spots if self.held[i] else odd_spots)

    def _bodies(self) -> np.ndarray:
        rows = np.flatnonzero(np.isfinite(self.states[:, 0]))
        states, speeds = self.states[rows], np.hypot(self.states[rows, 3], self.states[rows, 4])
        return np.column_stack([states[:, :3], speeds, self.scene.sizes_m[rows], self._modes[rows], rows])

    def _move(self, i: int, track: '_Track', recorded: np.ndarray, spots: np.ndarray) -> None:
        assert track.way is not None
        speed = float(np.hypot(*self.states[i, 3:]))
        place = track.place_at(self.step)
        free = CATCH_UP * max(track.speed(self._arcs_m[i]), CRAWL_MPS) if self.held[i] else 2.0 * speed + 10.0
        push = self._push(i, track.way, speed, free, spots)
        then = max(speed + push * STEP_S, 0.0)
        if not self.held[i] and (push > 0.0 or then > np.hypot(*recorded[3:]) - HELD_MPS):
            self.states[i], self._arcs_m[i] = recorded, place
            return
        if not self.held[i]:
            self.held[i], self._arcs_m[i] = True, track.place_at(self.step - 1)
        arc = self._arcs_m[i] + 0.5 * (speed + then) * STEP_S
        if arc >= place and np.isfinite(recorded[0]):  # never ahead of the recording: in step with it again
            self.held[i], self.states[i], self._arcs_m[i] = False, recorded, place
        elif arc >= track.length_m:
            self.states[i] = np.nan
        else:
            self._arcs_m[i], self.states[i] = arc, track.state(arc, then)

    def _push(self, i: int, way: Way, speed: float, free: float, spots: np.ndarray) -> float:
        """Return the acceleration behind whoever is on the path ahead."""
        state, starts = np.zeros(loops.COLUMNS), (0, len(way.points))
        state[[loops.X, loops.Y, loops.HEADING, loops.SPEED]] = *self.states[i, :3], speed
        row, along, left = loops.projected(way.points, way.headings, *starts, state[loops.X], state[loops.Y])
        state[[loops.S, loops.D, loops.AIM]] = row + along, left, left
        trait, seen = self._traits[i].copy(), np.empty((len(spots), 8))
        count = loops.looked(i, state, trait, (way.points, way.headings, *starts), spots, seen)
        return float(loops.followed(state, trait, free, seen, count, int(self._modes[i])))


class _Track:
    """What is recorded of one agent, by how far he has gone."""

    def __init__(self, states: np.ndarray) -> None:
        self._steps = np.flatnonzero(np.isfinite(states[:, 0]))
        known = states[self._steps]
        gone = np.hypot(*np.diff(known[:, :2], axis=0).T) if len(known) > 1 else np.zeros(0)
        self._arcs_m = np.concatenate([[0.0], np.cumsum(gone)])
        self.length_m = float(self._arcs_m[-1])
        self.way: Way | None = None
        if self.length_m < SHORTEST_M:
            return
        self._known = known.copy()
        self._known[:, 2] = np.unwrap(known[:, 2])
        self._speeds = np.hypot(known[:, 3], known[:, 4])
        beyond = 30.0 * np.array([np.cos(known[-1, 2]), np.sin(known[-1, 2])])  # who goes on is followed beyond the end
        self.way = way_of(np.concatenate([known[:, :2], [known[-1, :2] + beyond]]), 0.0)

    def place_at(self, step: int) -> float:
        """Return how far he has gone at a step of the recording."""
        return float(np.interp(step, self._steps, self._arcs_m))

    def speed(self, arc_m: float) -> float:
        """Return how fast he was there, the fastest within the next 3 m."""
        first, last = np.searchsorted(self._arcs_m, [arc_m, arc_m + 3.0])
        return float(self._speeds[max(first - 1, 0) : last + 1].max())

    def state(self, arc_m: float, speed: float) -> np.ndarray:
        """Return x y heading vx vy so far along the path."""
        x, y, heading = (np.interp(arc_m, self._arcs_m, self._known[:, k]) for k in range(3))
        vx, vy = (np.interp(arc_m, self._arcs_m, self._known[:, k]) for k in (3, 4))
        along = speed if vx * np.cos(heading) + vy * np.sin(heading) >= 0.0 else -speed  # some go backwards
        return np.array([x, y, heading, along * np.cos(heading), along * np.sin(heading)])
