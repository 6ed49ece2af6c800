"""One drive in traffic: our vehicle in the place of one of its drivers, step by step, and what became of it."""

import math
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.common.lanes import Light
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import SECOND_NS, DataError, Goal
from autonomy_nodes.common.vehicle import Limits, Vehicle
from autonomy_nodes.evaluation.commonroad.blame import is_own
from autonomy_nodes.evaluation.recorded import ego_of
from autonomy_nodes.evaluation.traffic.drivers import DRIVERS, Given, Seen
from autonomy_nodes.evaluation.traffic.sight import Sight
from autonomy_nodes.evaluation.traffic.site import site_of
from autonomy_nodes.planning.contact_loops import rectangles_overlap
from autonomy_nodes.sim.dynamics import Dynamics, DynamicsSettings, EgoMotion
from autonomy_nodes.sim.flow import loops
from autonomy_nodes.sim.flow.drivers import Mode, Trait
from autonomy_nodes.sim.flow.families import ATTEMPTS, FAMILIES, WARM_S, generator, told
from autonomy_nodes.sim.flow.flow import DT_S, Flow
from autonomy_nodes.sim.flow.place import STOP_SIGN, WALL
from autonomy_nodes.sim.ground import HeightField

OURS = Vehicle(limits=Limits(speed_mps=36.0))  # config/vehicles/car.yaml, and as fast as others drive on a motorway
SUBSTEPS = 5
LONGEST_M, LEAST_AHEAD_M, FARTHEST = 7.5, 40.0, 0.7  # whose place is taken: of a way that is among the longest ahead
END_M = 6.0  # before the end of the way a drive is done: there others leave
FREE_M = (1.5, 0.3)  # ahead and behind, and beside, when it begins
ASIDE_M, LATE_S, FIRM_MPS2 = 0.7, 0.5, 3.0  # off its line at most; and room to stop, or to come down to who is slower
OFF_M, LINE_M, SERVED_MPS, SERVED_M = 0.3, 0.3, 0.3, 3.5
SHOWN = 61  # steps before the end that a picture tells
START_NS = SECOND_NS
RED = int(Light.RED)


@dataclass(frozen=True)
class Course:
    """One drive that is to be made. seed: of the place. seconds: at most. every: steps from plan to plan."""

    name: str
    family: str
    seed: int
    seconds: float
    every: int = 1


@dataclass(frozen=True, eq=False)
class Contact:
    """Whom we touched, and whose fault that is."""

    label: str
    own: bool
    speed_mps: float
    their_mps: float


@dataclass(eq=False)
class Drive:
    """What happened. rows: (T, 6) seconds, x, y, heading, speed, wheel angle, ten a second. said: the last reason.

    outcome: 'end of the way', 'time over' or 'contact'. red, sign: lines crossed that said stop. shown: (A, S, 5)
    states of all at the last steps, our vehicle the last row.
    """

    outcome: str = 'time over'
    contact: Contact | None = None
    progress_m: float = 0.0
    way_m: float = 0.0
    red: int = 0
    sign: int = 0
    off_road: bool = False
    rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))
    times_s: list[float] = field(default_factory=list)
    said: str = ''
    shown: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 5)))

    @property
    def own(self) -> bool:
        """Whether there was a contact by our own fault."""
        return self.contact is not None and self.contact.own

    @property
    def driven_m(self) -> float:
        """Metres that were driven."""
        return float(np.hypot(*np.diff(self.rows[:, 1:3], axis=0).T).sum())


def begun(course: Course) -> tuple[Flow, int]:
    """Return the traffic of a course after its first seconds, and in whose place we are."""
    for attempt in range(ATTEMPTS):
        rng = generator(course.family, course.seed, attempt)
        place = FAMILIES[course.family](rng, float(rng.random()))
        flow = Flow(place, rng, -WARM_S)
        for _ in range(round(WARM_S / DT_S)):
            flow.advance()
        rows = [row for row in range(len(flow.entries)) if _may_be_ours(flow, row)]
        if rows:
            ahead = np.array([_left_m(flow, row) for row in rows])
            far = np.flatnonzero(ahead >= FARTHEST * ahead.max())
            return flow, rows[int(np.random.default_rng([course.seed, 53]).choice(far))]
    raise DataError(f'{course.name}: nobody drives there whose place can be taken')


def _left_m(flow: Flow, row: int) -> float:
    return flow.place.ways[flow.on[row]].length_m - float(flow.states[row, loops.S])


def _may_be_ours(flow: Flow, row: int) -> bool:
    """Return whether somebody drives a car, on a way that goes on for long, with room about our body in his place."""
    way, trait = int(flow.on[row]), flow.traits[row]
    if not flow.there[row] or way < 0 or flow.modes[row] != Mode.DRIVES or flow.members[row].tows:
        return False
    if trait[Trait.LENGTH_M] > LONGEST_M or _left_m(flow, row) < LEAST_AHEAD_M:
        return False
    if any(on == way and signal == WALL for on, _, signal in flow.place.stops):
        return False
    pose, speed = flow.states[row, [loops.X, loops.Y, loops.HEADING]], float(flow.states[row, loops.SPEED])
    bodies = flow.bodies()
    others = bodies[bodies[:, 7] != row]
    if abs(flow.states[row, loops.D]) > ASIDE_M or any(_overlap(_wide(pose, 0.0), other) for other in others):
        return False
    slower = [other for other in others if other[3] * math.cos(other[2] - pose[2]) < speed]
    return not any(_overlap(_wide(pose, _stopping_m(speed, other)), other) for other in slower)


def _wide(pose: np.ndarray, ahead_m: float) -> np.ndarray:
    """Return our box with room about it, and so much more ahead."""
    box = _box(pose) + np.array([0.0, 0.0, 0.0, 2.0 * FREE_M[0] + ahead_m, 2.0 * FREE_M[1]])
    box[:2] += 0.5 * ahead_m * np.array([math.cos(pose[2]), math.sin(pose[2])])
    return box


def _stopping_m(speed: float, other: np.ndarray) -> float:
    """Return how far ahead of us nobody as slow as a body (8,) may be: so much we need to come down to his speed."""
    lead = max(float(other[3]), 0.0)
    return LATE_S * speed + max(speed**2 - lead**2, 0.0) / (2.0 * FIRM_MPS2)


def _box(pose: np.ndarray) -> np.ndarray:
    """Return our (5,) x y heading length width; pose: of base_link."""
    ahead = 0.5 * (OURS.front_m - OURS.rear_m) * np.array([math.cos(pose[2]), math.sin(pose[2])])
    return np.array([*(pose[:2] + ahead), pose[2], OURS.length_m, OURS.width_m])


def _overlap(box: np.ndarray, other: np.ndarray) -> bool:
    """Return whether our box touches a body (8,) of the flow."""
    x, y = other[0] - box[0], other[1] - box[1]
    if math.hypot(x, y) > 0.5 * (box[3] + other[4]) + 3.0:
        return False
    mine, theirs = (box[3] / 2.0, box[4] / 2.0), (other[4] / 2.0, other[5] / 2.0)
    turns = [turn(angle) for angle in (box[2], other[2]) for turn in (math.cos, math.sin)]
    return bool(rectangles_overlap(x, y, turns[0], turns[1], mine, turns[2], turns[3], theirs))


def driven(course: Course, who: str) -> Drive:
    """Drive one course, as `who` of DRIVERS does."""
    return _Loop(course, who).run()


class _Loop:
    """The state of a drive."""

    def __init__(self, course: Course, who: str) -> None:
        self.flow, self.row = begun(course)
        self.course, self.site, self.way = course, site_of(self.flow.place), int(self.flow.on[self.row])
        state = self.flow.states[self.row].copy()
        self.flow.take(self.row, OURS)
        flat = HeightField(np.zeros(2), 1.0, np.zeros((2, 2)), np.zeros((1, 1), np.uint8))
        self.dynamics = Dynamics(OURS, flat, DynamicsSettings())
        self.motion: EgoMotion = self.dynamics.start(*state[[loops.X, loops.Y, loops.HEADING, loops.SPEED]].tolist())
        self.driver = DRIVERS[who](Given(self.site, self.way, self._goal(), OURS, course.every))
        self.sight = Sight(len(self.flow.states), course.seed)
        self.labels = np.array([member.label for member in self.flow.members])
        self.drive = Drive(way_m=_left_m(self.flow, self.row) - END_M)
        self.served: set[int] = set()

    def run(self) -> Drive:
        """Go on until a contact, the end of the way, or the end of time."""
        drive, steps, rows = self.drive, round(self.course.seconds / DT_S), [self._told(0)]
        shown: list[np.ndarray] = []
        self._steer()
        for step in range(steps):
            self._step(step)
            rows.append(self._told(step + 1))
            states = told(self.flow)
            states[self.row] = self._state()
            shown = [*shown[1 - SHOWN :], states]
            drive.contact = self._contact()
            if drive.contact is not None:
                drive.outcome = 'contact'
                break
            if self._at_end():
                drive.outcome = 'end of the way'
                break
        drive.rows, drive.times_s, drive.said = np.array(rows), self.driver.times_s, self.driver.said
        last = [row for row in range(len(states)) if row != self.row] + [self.row]
        drive.shown = np.stack(shown, axis=1)[last].astype(np.float32)
        return drive

    def _step(self, step: int) -> None:
        """Think, let all others go on, then move ourselves."""
        flow, now_ns = self.flow, START_NS + round(step * DT_S * SECOND_NS)
        states, pose = told(flow), self._pose()
        ego = ego_of(now_ns, pose, self.motion.speed_mps, float(self.motion.twist[5]))
        roof = _box(pose)[:2]
        tracks = self.sight.told(now_ns, states, flow.traits[:, :2], self.labels, roof, self.row)
        self.driver.think(Seen(step, ego, self.motion.wheel_angle_rad, tracks, self.site.lights(flow.time_s)))
        flow.advance()
        for part in range(SUBSTEPS):
            then_ns = now_ns + round(part / SUBSTEPS * DT_S * SECOND_NS)
            ego = ego_of(then_ns, self._pose(), self.motion.speed_mps, float(self.motion.twist[5]))
            command = self.driver.command(ego, self.motion.wheel_angle_rad)
            self.motion = self.dynamics.step(self.motion, command, DT_S / SUBSTEPS)
        self._count(pose, self._pose())
        self._steer()

    def _count(self, before: np.ndarray, now: np.ndarray) -> None:
        """Note progress along the way, and lines crossed that said stop."""
        flow, drive = self.flow, self.drive
        way = flow.place.ways[flow.on[self.row]]
        rows = [int(np.argmin(np.hypot(*(way.points - pose[:2]).T))) for pose in (before, now)]
        heading = way.headings[rows[1]]
        drive.progress_m += float((now[:2] - before[:2]) @ np.array([math.cos(heading), math.sin(heading)]))
        fronts = [float((pose[:2] - way.points[row]) @ np.array([math.cos(heading), math.sin(heading)])) + row
                  + OURS.front_m for pose, row in zip((before, now), rows)]  # fmt: skip
        for key, (number, at, signal) in enumerate(flow.place.stops):
            if number != flow.on[self.row] or signal == WALL:
                continue
            if signal == STOP_SIGN and 0.0 < at - fronts[1] + 1.0 < SERVED_M and self.motion.speed_mps < SERVED_MPS:
                self.served.add(key)
            if fronts[0] <= at + LINE_M < fronts[1]:
                drive.sign += signal == STOP_SIGN and key not in self.served
                drive.red += signal >= 0 and flow.place.signals[signal].colour(flow.time_s) == RED
        body = Body(OURS.front_m, OURS.rear_m, OURS.width_m)
        drive.off_road |= self.site.is_off(body.corners(now), OFF_M)

    def _contact(self) -> Contact | None:
        """Return who is touched now: one who is our fault before others."""
        box, found = _box(self._pose()), []
        bodies = self.flow.bodies()
        for other in bodies[bodies[:, 7] != self.row]:
            if _overlap(box, other):
                own = is_own(box, self.motion.speed_mps, other[[0, 1, 2, 4, 5]], float(other[3]), self.site.lanes)
                label = Label(int(self.labels[int(other[7])])).name.lower()
                found.append(Contact(label, own, self.motion.speed_mps, float(other[3])))
        return max(found, key=lambda contact: contact.own, default=None)

    def _goal(self) -> Goal | None:
        """Return the end of the way where there are no lanes that lead to it."""
        if self.site.lanes:
            return None
        way = self.flow.place.ways[self.way]
        return Goal(START_NS, 'odom', (*way.points[-1].tolist(), 0.0), float(way.headings[-1]))

    def _at_end(self) -> bool:
        way = self.flow.place.ways[self.flow.on[self.row]]
        near = float(np.hypot(*(way.points[-1] - self._pose()[:2]))) < END_M
        return near or self.flow.states[self.row, loops.S] > way.length_m - END_M

    def _steer(self) -> None:
        bend = math.tan(self.motion.wheel_angle_rad) / OURS.wheelbase_m
        self.flow.steer(self.row, self._pose(), self.motion.speed_mps, bend)

    def _pose(self) -> np.ndarray:
        return np.array([*self.motion.xy_m, self.motion.heading_rad])

    def _state(self) -> np.ndarray:
        """Return ours as `told` tells others: x y of the middle, heading, vx vy."""
        heading, speed = self.motion.heading_rad, self.motion.speed_mps
        return np.array([*_box(self._pose())[:3], speed * math.cos(heading), speed * math.sin(heading)])

    def _told(self, step: int) -> list[float]:
        return [step * DT_S, *self._pose().tolist(), self.motion.speed_mps, self.motion.wheel_angle_rad]
