"""Traffic on a place: everybody by his own numbers, step by step; the same place and seed give the same traffic."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import articulation_rate, body_of_trailer, trailer_poses
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.sim.flow import changes, deciding, gaps, loops
from autonomy_nodes.sim.flow.drivers import TRAILER, Member, Mode, Trait
from autonomy_nodes.sim.flow.place import STEP_M, WALL, Entry, Place, Way

DT_S = 0.1
CHANGE_STEPS = 5  # lanes are thought about each so many steps
REST_S = (3.0, 7.0)  # from a change of lanes to the next
LAPSE_EACH_S, LAPSE_S = 9.0, (0.7, 2.0)  # of who is not attentive
WANDER_S, PUSH_SIGMA, PUSH_S = 2.5, 0.16, 1.8  # of the line; and of acceleration [m/s2]
ENTRY_M, ENTRY_S = 6.0, 1.1  # least room to come in
TRACTOR = Vehicle(wheelbase_m=3.7, front_m=4.2, rear_m=1.8, trailer=TRAILER)
NEAR_ON_FOOT_M = 1.65


@dataclass(frozen=True)
class Change:
    """A change of lanes. behind_s: how far behind the new follower was, in time; inf where there was none."""

    time_s: float
    row: int
    behind_s: float


class Flow:
    """Everybody on a place. states: (N, 14) columns as in loops. there: (N,). time_s: of the states.

    Rows are entries, in order, and behind them a trailer for each that tows; owner: (trailers,) row of its tractor;
    owners: (N,) one's own row, of a trailer that of its tractor. attentive: (N,).
    """

    def __init__(self, place: Place, rng: np.random.Generator, begins_s: float = 0.0) -> None:
        self.place, self._rng, self.time_s, self._step = place, rng, begins_s, 0
        self.entries = list(place.entries)
        members = [entry.member for entry in self.entries]
        self.owner = np.array([row for row, member in enumerate(members) if member.tows], np.int64)
        self.owners = np.concatenate([np.arange(len(members)), self.owner])
        members += [_trailer() for _ in self.owner]
        count, self.members = len(members), members
        self.traits = np.array([member.traits for member in members]).reshape(count, len(Trait))
        self.modes = np.array([member.mode for member in members], np.int64)
        self.wanders = np.array([member.wander_m for member in members])
        self.attentive = np.array([member.attention for member in members])
        self.states = np.zeros((count, loops.COLUMNS))
        self.states[:, loops.HOLD] = np.inf
        self.on = np.full(count, -1, np.int64)
        self.there, self._begun = np.zeros(count, bool), np.zeros(count, bool)
        self.aims = np.full(count, -1, np.int64)
        self._noise, self._lapse = np.zeros((3, count)), np.zeros(count)
        self._rest_s = rng.uniform(0.0, 3.0, count)
        self._joints = np.zeros(len(self.owner))
        self.changes: list[Change] = []
        self._tables()
        self._enter(first=True)

    def _tables(self) -> None:
        """Lay out the place for the loops."""
        ways = self.place.ways
        starts = np.concatenate([[0], np.cumsum([len(way.points) for way in ways])]).astype(np.int64)
        joined = [np.concatenate([getattr(way, key) for way in ways]) for key in ('points', 'headings', 'bends')]
        points, headings, bends = (np.ascontiguousarray(values) for values in joined)
        self._ways = points, headings, bends, starts
        self._room = np.array([way.room_m for way in ways])
        stops = sorted(self.place.stops)
        self._stops = np.array([(s, signal) for _, s, signal in stops], float).reshape(-1, 2)
        self._stop_starts = np.searchsorted([way for way, _, _ in stops], np.arange(len(ways) + 1)).astype(np.int64)
        self._served = np.zeros((len(self.states), max(len(stops), 1)), bool)
        self._walls = np.full(len(ways), np.inf)
        for way, s, signal in stops:
            if signal == WALL:
                self._walls[way] = s
        zones = [(i, row) for i in range(len(ways)) for j in range(len(ways)) if i != j for row in self._zones(i, j)]
        self._zone_rows = np.array([row for _, row in zones], float).reshape(-1, 7)
        self._zone_starts = np.searchsorted([i for i, _ in zones], np.arange(len(ways) + 1)).astype(np.int64)
        self._beside = np.full((len(ways), 2, 4), -1.0)
        for way, side, other, first, last, for_aim in self.place.beside:
            self._beside[way, side] = other, first, last, float(for_aim)

    def _zones(self, i: int, j: int) -> list[tuple[float, ...]]:
        one, two = self.place.ways[i], self.place.ways[j]
        near = gaps.NEAR_M if not (one.on_foot or two.on_foot) else NEAR_ON_FOOT_M
        if (one.on_foot and two.on_foot) or not _overlap(one, two, near) or (i, j) in self.place.apart:
            return []
        rows = gaps.meeting(one.points, two.points, one.headings, two.headings, near)
        yields = float((i, j) in self.place.yields)
        return [(row[0], row[1], j, row[2], row[3], yields, row[4]) for row in rows.tolist()]

    def bodies(self) -> np.ndarray:
        """Return (M, 8) of those who are there, as loops.bodies_of tells."""
        return loops.bodies_of(self.states, self.traits, self.modes, self.there, self.owners)

    def advance(self, guests: np.ndarray | None = None) -> None:
        """Move everybody on by 0.1 s; guests: (G, 8) bodies of others whom they must mind, such as our vehicle."""
        bodies = self.bodies()
        if guests is not None and len(guests):
            bodies = np.concatenate([bodies, guests])
        if self._step % CHANGE_STEPS == 0:
            self._change(bodies)
        colours = np.array([signal.colour(self.time_s) for signal in self.place.signals] or [0], np.int64)
        pushes = deciding.decided(
            (self.states, self.traits, self.modes, self.on, self.there), bodies, self._ways, self._room, self._stops,
            self._stop_starts, colours, self._served, self._zone_rows, self._zone_starts,
        )  # fmt: skip
        self._drift()
        deciding.pressed(self.states, self.traits, pushes, self._noise[2], self._lapse, DT_S)
        loops.moved(
            self.states, self.traits, self.modes, self.on, self.there, self._ways, self._noise[1] * self.wanders, DT_S
        )
        self._tow()
        self._step += 1
        self.time_s += DT_S
        self._leave()
        self._enter()

    def take(self, row: int, vehicle: Vehicle) -> None:
        """Let somebody from outside drive in a driver's place, in a body of his own; `steer` tells where he is."""
        self.traits[row, : Trait.REAR_M + 1] = vehicle.length_m, vehicle.width_m, vehicle.rear_m
        self._rest_s[row] = np.inf  # lanes are changed by him alone

    def steer(self, row: int, pose: np.ndarray, speed_mps: float, bend: float) -> None:
        """Tell where one who was taken is now: x y heading of his rear axle, and the curvature that he drives.

        He is on the way that he drives along, or on the one beside it once that is nearer.
        """
        state, points, headings, starts = self.states[row], self._ways[0], self._ways[1], self._ways[3]
        now = int(self.on[row])
        ways = [now, *(other for way, _, other, _, _, _ in self.place.beside if way == now)]
        found = [(loops.projected(points, headings, starts[way], starts[way + 1], pose[0], pose[1]), way)
                 for way in ways]  # fmt: skip
        (at, along, left), way = min(found, key=lambda each: abs(each[0][2]) + (each[1] != now) * 0.3)
        self.on[row], state[loops.S], state[loops.D] = way, (at - starts[way]) * STEP_M + along, left
        state[[loops.X, loops.Y, loops.HEADING]] = pose
        state[[loops.SPEED, loops.BEND, loops.PUSH]] = speed_mps, bend, 0.0
        state[[loops.GOAL, loops.AIM]] = left

    def turning(self) -> np.ndarray:
        """Return (N,) yaw rates [rad/s]."""
        rates = self.states[:, loops.BEND] * self.states[:, loops.SPEED]
        if len(self.owner):
            pulled = self.states[self.owner]
            wheel = np.arctan(pulled[:, loops.BEND] * TRACTOR.wheelbase_m)
            joint = articulation_rate(self._joints, wheel, pulled[:, loops.SPEED], TRACTOR)
            rates[len(self.entries) :] = rates[self.owner] + joint
        return rates

    def _drift(self) -> None:
        """Draw by how much everybody misses line and acceleration (Ornstein-Uhlenbeck), and who looks away."""
        count = len(self.states)
        draws = self._rng.standard_normal((2, count))
        self._noise[0] += -self._noise[0] * DT_S / WANDER_S + 2.0 * np.sqrt(2.0 * DT_S / WANDER_S) * draws[0]
        self._noise[1] += (self._noise[0] - self._noise[1]) * DT_S / WANDER_S
        self._noise[2] += -self._noise[2] * DT_S / PUSH_S + PUSH_SIGMA * np.sqrt(2.0 * DT_S / PUSH_S) * draws[1]
        looks_away = ~self.attentive & (self._lapse <= 0.0) & (self._rng.random(count) < DT_S / LAPSE_EACH_S)
        self._lapse = np.maximum(self._lapse - DT_S, 0.0)
        self._lapse[looks_away] = self._rng.uniform(*LAPSE_S, int(looks_away.sum()))

    def _change(self, bodies: np.ndarray) -> None:
        self._rest_s -= DT_S * CHANGE_STEPS
        found = changes.all_changed(
            self.states, self.traits, self.modes, self.on, self.there, self._rest_s <= 0.0, self.aims, self._walls,
            self._beside, self._ways, bodies,
        )  # fmt: skip
        for row in np.flatnonzero(~np.isnan(found)).tolist():
            self._rest_s[row] = self._rng.uniform(*REST_S)
            self.changes.append(Change(self.time_s, row, float(found[row])))

    def _tow(self) -> None:
        """Let trailers follow on their hitches."""
        if not len(self.owner):
            return
        pulled, rows = self.states[self.owner], len(self.entries) + np.arange(len(self.owner))
        wheel = np.arctan(pulled[:, loops.BEND] * TRACTOR.wheelbase_m)
        rate = articulation_rate(self._joints, wheel, pulled[:, loops.SPEED], TRACTOR)
        self._joints = np.clip(self._joints + DT_S * rate, -TRAILER.max_angle_rad, TRAILER.max_angle_rad)
        poses = trailer_poses(pulled[:, [loops.X, loops.Y, loops.HEADING]], self._joints, TRAILER)
        self.states[rows[:, None], [loops.X, loops.Y, loops.HEADING]] = poses
        self.states[rows, loops.SPEED] = pulled[:, loops.SPEED] * np.cos(self._joints)
        self.there[rows] = self.there[self.owner]

    def _leave(self) -> None:
        for i in np.flatnonzero(self.there & (self.on >= 0)).tolist():
            if self.states[i, loops.S] > self.place.ways[self.on[i]].length_m - 1.2:
                self.there[i] = False

    def _enter(self, first: bool = False) -> None:
        """Let those in whose time has come, where there is room; at the begin there is, by who made the place."""
        waiting = [row for row, entry in enumerate(self.entries) if not self._begun[row]]
        for row in waiting:
            entry = self.entries[row]
            if entry.time_s > self.time_s:
                continue
            if entry.place is not None or first or self._free(entry):
                self._begin(row, entry)
                if first and self._touches(row):
                    self.there[row] = False  # somebody else stands there: he does not come
        if first:
            self._tow()

    def _free(self, entry: Entry) -> bool:
        way = self.place.ways[entry.way]
        at = min(int(entry.s_m), len(way.points) - 1)
        x, y = way.points[at] + entry.side_m * np.array([-np.sin(way.headings[at]), np.cos(way.headings[at])])
        on_foot = entry.member.mode == Mode.WALKS
        others = self.there & ((self.modes == Mode.WALKS) if on_foot else (self.modes != Mode.STANDS))
        gaps_m = np.hypot(self.states[others, loops.X] - x, self.states[others, loops.Y] - y)
        if on_foot:
            return not (gaps_m < 1.0).any()
        slower = np.maximum(entry.speed_mps - self.states[others, loops.SPEED], 0.0)
        least = ENTRY_M + ENTRY_S * max(entry.speed_mps, 0.0) + 2.0 * slower
        return not (gaps_m < least + 0.5 * self.traits[others, Trait.LENGTH_M]).any()

    def _touches(self, row: int) -> bool:
        """Return whether one who has just begun overlaps with anybody, by circles along both bodies."""
        bodies = self.bodies()
        mine, others = bodies[bodies[:, 7] == row][0], bodies[bodies[:, 7] != row]
        if entry_towed := self.traits[row, Trait.TOWED_M]:
            mine = mine.copy()
            mine[4] += 2.0 * entry_towed
        for other in others:
            apart = np.hypot(*(other[:2] - mine[:2]))
            if apart > 0.5 * (mine[4] + other[4]) + 2.0:
                continue
            gaps_m = _spots(mine)[:, None] - _spots(other)[None]
            if np.hypot(gaps_m[..., 0], gaps_m[..., 1]).min() < 0.5 * (mine[5] + other[5]) + 0.15:
                return True
        return False

    def _begin(self, row: int, entry: Entry) -> None:
        state, self._begun[row], self.there[row] = self.states[row], True, True
        if entry.place is not None:
            state[:3] = entry.place
            return
        way, self.on[row], self.aims[row] = self.place.ways[entry.way], entry.way, entry.aim
        at = min(int(entry.s_m), len(way.points) - 1)
        heading, trait = way.headings[at], self.traits[row]
        state[loops.X] = way.points[at, 0] - entry.side_m * np.sin(heading)
        state[loops.Y] = way.points[at, 1] + entry.side_m * np.cos(heading)
        bend = np.sqrt(trait[Trait.LATERAL] / max(float(np.abs(way.bends[at : at + 8]).max()), 1e-4))
        speed = trait[Trait.WISH_MPS] if entry.speed_mps < 0.0 else entry.speed_mps
        state[loops.HEADING], state[loops.SPEED] = heading, min(speed, bend)
        state[[loops.S, loops.D, loops.GOAL, loops.AIM, loops.OFF]] = at, *([entry.side_m] * 4)
        state[loops.BEND] = way.bends[at]


def _trailer() -> Member:
    """Return what a tractor tows; its reference point is its axle."""
    traits, body = np.zeros(len(Trait)), body_of_trailer(TRAILER)
    front_m = TRAILER.length_m - TRAILER.hitch_ahead_m - TRACTOR.rear_m - 0.3  # what lies over the tractor is its own
    traits[:3] = front_m + body.rear_m, body.width_m, body.rear_m
    return Member(Label.TRUCK, Mode.DRIVES, traits, wander_m=0.0)


def _spots(body: np.ndarray) -> np.ndarray:
    """Return (C, 2) middles of circles as wide as a body that cover its length."""
    reach = max(body[4] - body[5], 0.0) / 2.0
    shifts = np.linspace(-reach, reach, max(int(2.0 * reach / body[5]) + 2, 2))
    return body[:2] + shifts[:, None] * np.array([np.cos(body[2]), np.sin(body[2])])


def _overlap(one: Way, two: Way, near: float) -> bool:
    """Return whether two ways come anywhere near one another."""
    low = np.maximum(one.points.min(axis=0), two.points.min(axis=0)) - near
    return bool((low <= np.minimum(one.points.max(axis=0), two.points.max(axis=0)) + near).all())
