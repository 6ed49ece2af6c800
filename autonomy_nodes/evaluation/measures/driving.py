"""Drives in worlds that nothing was tuned on, closed loop and in lockstep, and what truly happened in them."""

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.footing import Box, bodies_at
from autonomy_nodes.common.geometry import heading_of
from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.drive import Drive, Scenario, at_its_start, to_its_end
from autonomy_nodes.evaluation.report_numbers import mode_changes, mode_seconds
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import read_articulation
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.objects import read_tracked
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.launcher import resolved, vehicle_file
from autonomy_nodes.nodes.processes import vehicle_of
from autonomy_nodes.sim.judge import rectangle
from autonomy_nodes.sim.scenes import made
from autonomy_nodes.sim.traffic import Path as Way
from autonomy_nodes.sim.traffic import Traffic
from autonomy_nodes.sim.world import World

FIRST_SEED = 1_000_000  # of worlds that nothing is trained or tuned on, as training/scenes.py has it
VEHICLES = {'road': ('car', 'truck', 'offroad'), 'junction': ('car', 'truck', 'offroad'), 'rough': ('offroad',)}
NOTHING = 'none'  # the model of the geometric channel alone
SEEN_BY_LIDAR: dict[str, Any] = {  # pictures cost most of a simulated second, and neither channel looks at them
    'sim.simulation.cameras': (), 'camera.cameras': (), 'perception.cameras': (), 'sim.end_after_s': 0.0,
}  # fmt: skip
LAST_START = 0.35  # of the route, at which a drive may begin
FREE_M = {Label.PEDESTRIAN: 6.0, Label.BICYCLE: 12.0}  # about the place where it begins; from others more
FREE_OTHERS_M = 22.0
LOOKED_M, MET_M = 40.0, 10.0  # from base_link: whose gap is asked; from our body: who counts as met
STANDS_MPS, BRAKED_ROWS = 0.2, 5


@dataclass(frozen=True)
class Course:
    """One drive that is to be made. seconds: simulated, at most."""

    name: str
    family: str
    seed: int
    vehicle: str
    seconds: float

    def arguments(self) -> dict[str, str]:
        """Return the launch arguments."""
        return resolved({'vehicle': self.vehicle})


@dataclass(frozen=True, eq=False)
class Driven:
    """What happened.

    outcome, touched, progress_m: as sim/judge.py has them. rows: (N, 6) seconds, x, y, heading, speed, and the gap to
    the nearest road user [m], infinite where none is near, ten a second. others: (K, 4, 2) outlines of the road users
    at the end. met: how many came within MET_M. modes: seconds in each. changes: of the mode. told: share of the sweeps
    in which the network was believed.
    """

    start_m: float
    outcome: str
    touched: tuple[str, ...]
    progress_m: float
    time_s: float
    rows: np.ndarray
    others: np.ndarray
    met: int
    modes: dict[str, float]
    changes: int
    told: float
    cpu_s: float

    @property
    def collided(self) -> bool:
        """Whether it touched anybody or anything."""
        return bool(self.touched)

    @property
    def gap_m(self) -> float:
        """How near a road user was, while the vehicle moved; 0 where it touched one."""
        moving = self.rows[self.rows[:, 4] > STANDS_MPS, 5]
        return 0.0 if self.collided else float(moving.min(initial=math.inf))

    @property
    def braking_mps2(self) -> float:
        """The strongest braking, as the mean of half a second."""
        speeds = self.rows[:, 4]
        lost = speeds[:-BRAKED_ROWS] - speeds[BRAKED_ROWS:]
        return float(lost.max(initial=0.0)) / (0.1 * BRAKED_ROWS)


def courses_of(seed: int, count: int, seconds: float) -> list[Course]:
    """Return the drives of a seed: families in turn, each with its vehicles in turn. More of them change none."""
    courses, families = [], list(VEHICLES)
    for number in range(count):
        family = families[number % len(families)]
        vehicle = VEHICLES[family][number // len(families) % len(VEHICLES[family])]
        world = FIRST_SEED + int(np.random.default_rng([seed, number, 50]).integers(1 << 31))
        courses.append(Course(f'{number:03d}_{family}_{vehicle}', family, world, vehicle, seconds))
    return courses


def start_of(world: World, vehicle: Vehicle) -> float:
    """Return how far along the route a drive begins [m]: drawn, and where nobody stands about any part of us."""
    traffic, route = Traffic(world), Way(world.route)
    places = np.random.default_rng([world.seed, 50]).uniform(0.0, LAST_START * route.length_m, 50)
    for metres in places.round().tolist():
        x, y, heading = route.at(metres)
        boxes = bodies_at(np.array([x, y, heading]), vehicle)
        for actor in world.actors:
            seen = traffic.seen(actor)
            place = np.array([seen.x_m, seen.y_m])
            gap = min(float(box.distances(place)) for box in boxes) - seen.length_m / 2.0
            if gap < FREE_M.get(actor.label, FREE_OTHERS_M):
                break
        else:
            return float(metres)
    return 0.0  # where the world itself begins


def driven(course: Course, model: str) -> Driven:
    """Drive one course, with the help of a network or of none."""
    vehicle = vehicle_of('planning', [vehicle_file(course.vehicle)])
    start_m = start_of(made(course.family, course.seed), vehicle)
    settings = {**SEEN_BY_LIDAR, 'perception.model': '' if model == NOTHING else model}
    scenario = Scenario(course.family, course.seed, course.seconds, start_m=start_m)
    with tempfile.TemporaryDirectory() as folder:
        drive = Drive(Path(folder), scenario, course.arguments(), settings).prepared()
        witness = Witness(vehicle)
        player = at_its_start(drive, witness)
        began_s = time.process_time()
        to_its_end(drive, player)
        cpu_s = time.process_time() - began_s
    simulation = next(stage for stage in player.stages if stage.name == 'sim').simulation  # type: ignore[attr-defined]
    verdict, log = simulation.verdict, witness.log
    channels = [status.values['channel'] for status in log if 'channel' in status.values]
    return Driven(
        start_m, verdict.outcome, verdict.touched, verdict.progress_m, simulation.time_s, np.array(witness.rows),
        witness.others(), len(witness.met), mode_seconds(log), len(mode_changes(log)) - 1,
        float(np.mean([channel == 'learned' for channel in channels])) if channels else 0.0, cpu_s,
    )  # fmt: skip


class Witness:
    """Hears where the vehicle and everybody else truly are; see `Sink`."""

    def __init__(self, vehicle: Vehicle) -> None:
        self._vehicle, self._joint_rad, self._start_ns = vehicle, 0.0, -1
        self._around = no_objects(0, 'map', tracked=True)
        self.rows: list[tuple[float, ...]] = []
        self.log: list[Status] = []
        self.met: set[bytes] = set()

    def message(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`; of one moment the simulator tells the vehicle last."""
        self._start_ns = now_ns if self._start_ns < 0 else self._start_ns
        if topic == topics.ARTICULATION:
            self._joint_rad = read_articulation(data).angles_rad[0]
        elif topic == topics.TRUTH:
            self._around = read_tracked(data)
        elif topic == topics.TRUTH_EGO:
            ego = read_ego(data, frame='map')
            pose = np.array([*ego.position_m[:2], heading_of(ego.orientation)])
            self.rows.append(((now_ns - self._start_ns) / SECOND_NS, *pose.tolist(), ego.speed_mps, self._gap_m(pose)))

    def status(self, status: Status) -> None:
        """See `Sink`."""
        if status.node in ('safety', 'perception'):
            self.log.append(status)

    def others(self) -> np.ndarray:
        """Return (K, 4, 2) outlines of everybody, as heard last."""
        return np.array([_corners(box) for box in _boxes(self._around)]).reshape(-1, 4, 2)

    def _gap_m(self, pose: np.ndarray) -> float:
        """Return the distance from our body to the nearest one around, infinite where nobody is near."""
        near = self._around.kept(np.hypot(*(self._around.positions_m[:, :2] - pose[:2]).T) < LOOKED_M)
        bodies, least_m = bodies_at(pose, self._vehicle, self._joint_rad), math.inf
        for number, other in enumerate(_boxes(near)):
            gap_m = min(_apart_m(body, other) for body in bodies)
            least_m = min(least_m, gap_m)
            if gap_m < MET_M and near.ids is not None:
                self.met.add(near.ids[number].tobytes())
        return least_m


def _boxes(objects: Objects) -> list[Box]:
    places = np.column_stack([objects.positions_m[:, :2], objects.headings_rad])
    return [Box(place, size / 2.0) for place, size in zip(places, objects.dimensions_m[:, :2])]


def _corners(box: Box) -> np.ndarray:
    return rectangle(*box.pose.tolist(), *(2.0 * box.half).tolist())


def _apart_m(one: Box, other: Box) -> float:
    """Return how far apart two boxes are that do not cross: where they are nearest is a corner of one of them."""
    return float(min(one.distances(_corners(other)).min(), other.distances(_corners(one)).min()))
