"""Who drives: the stack's own prediction and planning, and two simple ones along the same way beside it.

A driver sees the roads, the goal, its own state and where others are now; each step it says how to go on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.kinematics import tracking_curvature
from autonomy_nodes.common.lanes import Route
from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import SECOND_NS, Articulation, Decision, Pose, Trajectory
from autonomy_nodes.evaluation.commonroad import car
from autonomy_nodes.evaluation.commonroad.road import Road, Way
from autonomy_nodes.evaluation.commonroad.scenario import Lane, Scenario, Target
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.evaluation.recorded import SIGMA_M, SIGMA_RAD, ego_of, exact, tracked
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.reference import Reference, reference_through
from autonomy_nodes.planning.situation import GoalWindow, Situation
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig
from autonomy_nodes.sim.traffic import intelligent_driver

PLANNED_S = 0.1  # from plan to plan, as on the vehicle
LABELS = {
    'car': Label.CAR, 'truck': Label.TRUCK, 'bus': Label.BUS, 'motorcycle': Label.MOTORCYCLE, 'taxi': Label.CAR,
    'bicycle': Label.BICYCLE, 'pedestrian': Label.PEDESTRIAN, 'priorityVehicle': Label.CAR, 'train': Label.TRUCK,
    'parkedVehicle': Label.CAR,
}  # fmt: skip
HEIGHT_M = 1.5
END_M = 4.0  # of a lane behind which the map ends


@dataclass(frozen=True, eq=False)
class Answer:
    """What a driver did in one step: the next state, and of who plans, the CPU time of both parts and why."""

    state: car.State
    predicting_s: float = 0.0
    planning_s: float = 0.0
    decision: Decision | None = None


class Driver(Protocol):
    """Says how to go on from a state at a step."""

    def drive(self, state: car.State, step: int) -> Answer:
        """Return the state a step later."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a driver is given."""

    scenario: Scenario
    road: Road
    way: Way | None
    model: car.Model = car.CAR


class Stack:
    """Prediction and planning as their nodes run them, with a map, ground and road users told instead of perceived."""

    def __init__(self, task: Task, planner: PlannerConfig, predictor: PredictorConfig) -> None:
        self._task, self._origin = task, np.array([task.scenario.start.xy[0], task.scenario.start.xy[1]])
        self._planner, self._predictor = Planner(planner), Predictor(predictor)
        self._guide = MapGuide(task.road.map, GuideConfig())
        self._windows = windows_of(task, self._origin)
        self._plan: Trajectory | None = None
        self._planned_step = 0

    def drive(self, state: car.State, step: int) -> Answer:
        """Plan where it is time for it, then follow the plan."""
        dt_s = self._task.scenario.dt_s
        answer, plan = Answer(state), self._plan
        if plan is None or (step - self._planned_step) * dt_s > PLANNED_S - 1e-6:
            plan, answer = self._planned(state, step)
            self._plan, self._planned_step = plan, step
        following, _ = car.followed(state, plan, (step - self._planned_step) * dt_s, dt_s)
        return replace(answer, state=following)

    def _planned(self, state: car.State, step: int) -> tuple[Trajectory, Answer]:
        scenario, road, stamp_ns = self._task.scenario, self._task.road, stamp_of(step, self._task.scenario)
        place = np.array([state.x_m - self._origin[0], state.y_m - self._origin[1], state.heading_rad])
        ego = ego_of(stamp_ns, place, state.speed_mps, state.turn_rate_rps)
        pose = Pose(stamp_ns, 'map', ego.position_m + [*self._origin, 0.0], ego.orientation, exact())
        view = self._guide.step(ego, pose)
        tracks = tracks_of(scenario, step, stamp_ns, self._origin)
        route = self._route(stamp_ns)
        near, far = road.grids(stamp_ns, np.array([state.x_m, state.y_m]), state.heading_rad, self._origin)
        found, predicting_s = timed(
            lambda: self._predictor.predict(tracks, ego, view.pieces, near, None, route, None)
        )
        towing = self._task.model.vehicle.trailer.present
        situation = Situation(
            ego, found.predictions, found.scene_modes, found.proposals, near, far, view.pieces, view.match, route,
            steering=Steering(stamp_ns, state.wheel_rad), windows=self._windows,
            articulation=Articulation(stamp_ns, (state.hitch_rad,)) if towing else None,
        )  # fmt: skip
        plan, planning_s = timed(lambda: self._planner.plan(situation))
        return plan.trajectory, Answer(state, predicting_s, planning_s, plan.decision)

    def _route(self, stamp_ns: int) -> Route | None:
        way = self._task.way
        return None if way is None else Route(stamp_ns, (0.0,) * 4, (0.0,) * 4, way.ids)


def stamp_of(step: int, scenario: Scenario) -> int:
    """Return the stamp of a step; the first is at one second."""
    return SECOND_NS + round((step - scenario.start.step) * scenario.dt_s * SECOND_NS)


def windows_of(task: Task, origin: np.ndarray) -> tuple[GoalWindow, ...]:
    """Return the goals as the planner is told them, in odom; a goal without a place is anywhere on the map."""
    scenario = task.scenario
    ends = [lane for lane in scenario.lanes if not lane.successors]
    on_map = [lane.outline for lane in scenario.lanes if lane.successors] + [shortened(lane).outline for lane in ends]
    return tuple(
        GoalWindow(
            stamp_of(target.steps[0], scenario), stamp_of(target.steps[1], scenario),
            tuple(place - origin for place in _ahead(task, target) or on_map), target.speeds_mps, target.headings_rad,
        )
        for target in scenario.targets
    )  # fmt: skip


def _ahead(task: Task, target: Target) -> tuple[np.ndarray, ...]:
    """Return the places where the middle of our body is when what a solution tells is in those of a goal."""
    ahead_m = 0.5 * (task.model.vehicle.front_m - task.model.vehicle.rear_m) - task.model.axle_m
    line = line_of(task) if ahead_m > 1e-6 else None
    if line is None:
        return target.places
    headings = [float(line.project(place.mean(axis=0)[None])[2][0]) for place in target.places]
    return tuple(place + ahead_m * np.array([math.cos(turn), math.sin(turn)])
                 for place, turn in zip(target.places, headings))  # fmt: skip


def shortened(lane: Lane) -> Lane:
    """Return a lane without its last metres, in which our front would stand beyond it; short ones as they are."""
    sides = []
    for side in (lane.left, lane.right):
        gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(side, axis=0).T))])
        end = gone[-1] - END_M
        if end < END_M:
            return lane
        last = [[np.interp(end, gone, side[:, axis]) for axis in range(2)]]
        sides.append(np.concatenate([side[gone < end], last]))
    return replace(lane, left=sides[0], right=sides[1])


def tracks_of(scenario: Scenario, step: int, stamp_ns: int, origin: np.ndarray) -> Objects:
    """Return the road users of a step as tracking gives them, in odom; who tells no speed stands."""
    there = [(user, told) for user in scenario.users if (told := user.at(step)) is not None]
    if not there:
        return no_objects(stamp_ns, 'odom', tracked=True)
    boxes = np.array([box for _, (box, _) in there])
    speeds = np.nan_to_num(np.array([speed for _, (_, speed) in there]))
    velocities = speeds[:, None] * np.column_stack([np.cos(boxes[:, 2]), np.sin(boxes[:, 2])])
    poses = np.column_stack([boxes[:, :2] - origin, boxes[:, 2]])
    labels = np.array([LABELS.get(user.kind, Label.UNKNOWN) for user, _ in there])
    keys = np.array([user.id for user, _ in there])
    variances = (SIGMA_M**2, SIGMA_RAD**2, 0.01)
    return tracked(stamp_ns, poses, velocities, (boxes[:, 3:5], HEIGHT_M), labels, keys, variances)


# ------------------------------------------------------------------------------------------- two simple drivers
LOOKAHEAD_S, SHORTEST_M = 0.8, 5.0
ROOM_M = 0.3  # beside our body: who is nearer to our line is ahead of us
SLOWEST_MPS = 8.0  # what who stood or crawled at the start goes up to where no sign tells
CHANGE_M = 30.0  # over which a line changes lanes


@dataclass(frozen=True)
class Idm:
    """The Intelligent Driver Model (Treiber, Hennecke, Helbing 2000) with its usual numbers for cars."""

    acceleration: float = 1.5
    braking: float = 2.0
    headway_s: float = 1.5

    def wanted(self, speed: float, free: float, gap_m: float, lead_mps: float) -> float:
        """Return the acceleration at a speed, towards `free`, with a gap to who is ahead, inf for nobody."""
        return intelligent_driver(
            speed, free, gap_m, speed - lead_mps, self.headway_s, self.acceleration, self.braking, hardest=math.inf
        )


@dataclass(eq=False)
class AlongRoute:
    """Follows the middle of its way; the speed stays as it is, or is that of a driver model."""

    task: Task
    model: Idm | None = None
    line: Reference | None = field(init=False)
    free_mps: float = field(init=False)

    def __post_init__(self) -> None:
        start = self.task.scenario.start
        self.line = line_of(self.task)
        limits = [lane.limit_mps for lane in self.task.scenario.lanes if lane.limit_mps is not None]
        self.free_mps = min([max(start.speed_mps, SLOWEST_MPS), *([max(limits)] if limits else [])])

    def drive(self, state: car.State, step: int) -> Answer:
        """Steer towards the line and keep the speed, or heed who is ahead."""
        dt_s, bend = self.task.scenario.dt_s, 0.0
        if self.line is not None:
            here = np.array([[state.x_m, state.y_m]])
            station, offset, heading = (float(values[0]) for values in self.line.project(here))
            reach = max(LOOKAHEAD_S * state.speed_mps, SHORTEST_M)
            _, _, ahead = self.line.at(np.array([station + 0.3 * state.speed_mps]))
            bend = float(tracking_curvature(ahead[0], offset, wrapped(state.heading_rad - heading), reach))
        wheel = math.atan(bend * state.of.vehicle.wheelbase_m)
        push = 0.0 if self.model is None else self._heeding(state, step, self.model)
        inputs = car.within(state, (wheel - state.wheel_rad) / dt_s, push, dt_s)
        return Answer(car.moved(state, *inputs, dt_s))

    def _heeding(self, state: car.State, step: int, model: Idm) -> float:
        """Return the acceleration behind who is nearest ahead on our line."""
        gap_m, lead = math.inf, state.speed_mps
        if self.line is None:
            return model.wanted(state.speed_mps, self.free_mps, gap_m, lead)
        station = float(self.line.project(np.array([[state.x_m, state.y_m]]))[0][0])
        for user in self.task.scenario.users:
            if (told := user.at(step)) is None:
                continue
            (x, y, heading, length, width), speed = told
            at, beside, along = (float(values[0]) for values in self.line.project(np.array([[x, y]])))
            turn = heading - along
            half = 0.5 * (abs(length * math.sin(turn)) + abs(width * math.cos(turn)))
            near = 0.5 * (abs(length * math.cos(turn)) + abs(width * math.sin(turn)))
            gap = at - near - station - state.of.vehicle.front_m
            if at > station and abs(beside) < half + 0.5 * state.of.vehicle.width_m + ROOM_M and gap < gap_m:
                gap_m, lead = gap, max(float(np.nan_to_num(speed)) * math.cos(turn), 0.0)
        return model.wanted(state.speed_mps, self.free_mps, gap_m, lead)


def line_of(task: Task) -> Reference | None:
    """Return the middle of the way's lanes as one line, a change of lanes as a slope; None where there is no way."""
    if task.way is None:
        return None
    points = np.zeros((0, 2))
    for id_ in task.way.ids:
        lane = task.road.map.lanelets[id_].centerline[:, :2]
        if len(points) and np.hypot(*(lane[0] - points[-1])) > 1.0:
            along = points[-1] - points[-2]
            middle = points[-1] - along / np.hypot(*along) * 0.5 * float(np.hypot(*(points[-1] - points[0])))
            points = points[(points - middle) @ along < -0.5 * CHANGE_M]
            lane = lane[(lane - middle) @ along > 0.5 * CHANGE_M]
        points = np.concatenate([points, lane])
    return reference_through('route', points) if len(points) > 3 else None


def stack(task: Task) -> Driver:
    """Return the stack as it is shipped."""
    return Stack(task, PlannerConfig(vehicle=task.model.vehicle), PredictorConfig(vehicle=task.model.vehicle))


DRIVERS: dict[str, Callable[[Task], Driver]] = {
    'constant_speed': lambda task: AlongRoute(task),
    'idm': lambda task: AlongRoute(task, Idm()),
}
