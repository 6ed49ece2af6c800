"""One drive: the stack's planner and follower in closed loop with the simulator's law of motion, no sensors between."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import Route
from autonomy_nodes.common.objects import Predictions, no_objects
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import SECOND_NS, Articulation, EgoState, Goal, Pose
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.control.follower import Follower
from autonomy_nodes.evaluation.commonroad.road import Road
from autonomy_nodes.evaluation.courses.place import Place, road_of
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.evaluation.recorded import exact
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.situation import Situation
from autonomy_nodes.sim.dynamics import Dynamics, DynamicsSettings, EgoMotion
from autonomy_nodes.sim.ground import HeightField

STEP_S, SUBSTEPS = 0.1, 2  # a command each 0.05 s, as the node of control gives them
STUCK_S, STANDS_MPS, GOAL_M = 15.0, 0.05, 3.0  # the last as the simulator's judge has it
START_NS = SECOND_NS
PREDICTED, PREDICTED_S = 17, 0.5
REACHED, STUCK, LATE = 'goal reached', 'stuck', 'time over'

Grids = Callable[[int, EgoState], tuple[Grid, Grid]]


@dataclass(eq=False)
class Driven:
    """What happened. rows: (T, 7) seconds, x, y, heading, speed, wheel angle, joint angle, of every step of the motion.

    outcome: REACHED, STUCK or LATE. said: the last reason of the planner. times_s: CPU time of each plan.
    """

    outcome: str = LATE
    rows: np.ndarray = field(default_factory=lambda: np.zeros((0, 7)))
    said: str = ''
    times_s: list[float] = field(default_factory=list)

    @property
    def states(self) -> np.ndarray:
        """(T, 4) x y heading joint."""
        return self.rows[:, [1, 2, 3, 6]]

    @property
    def driven_m(self) -> float:
        """Metres that were driven."""
        return float(np.hypot(*np.diff(self.rows[:, 1:3], axis=0).T).sum())


def driven(place: Place, vehicle: Vehicle, seconds: float, every: int = 1) -> Driven:
    """Drive a place of flat ground; what is no part of it is high and told by the ground."""
    road = road_of(place)
    flat = HeightField(np.zeros(2), 1.0, np.zeros((2, 2)), np.zeros((1, 1), np.uint8))

    def grids(stamp_ns: int, ego: EgoState) -> tuple[Grid, Grid]:
        return road.grids(stamp_ns, ego.position_m[:2], ego.heading_rad, np.zeros(2))

    loop = Loop(vehicle, flat, place.start, place.goal, grids, road if place.laned else None)
    return loop.run(seconds, every)


class Loop:
    """The state of a drive. grids: of what is known at a stamp from where we are. road: lanes to follow, or none."""

    def __init__(
        self, vehicle: Vehicle, ground: HeightField, start: tuple[float, float, float], goal: np.ndarray,
        grids: Grids, road: Road | None = None,
    ) -> None:  # fmt: skip
        self._grids, self._road = grids, road
        self._planner, self._follower = Planner(PlannerConfig(vehicle=vehicle)), Follower(vehicle)
        self._guide = None if road is None else MapGuide(road.map, GuideConfig())
        self._dynamics, self._goal_xy = Dynamics(vehicle, ground, DynamicsSettings()), np.asarray(goal, float)
        self._trailer = vehicle.trailer.present
        self._motion: EgoMotion = self._dynamics.start(*start, 0.0)
        height = float(ground.height(self._goal_xy))
        self._goal = Goal(START_NS, 'odom', (float(goal[0]), float(goal[1]), height), 0.0)

    def run(self, seconds: float, every: int) -> Driven:
        """Go on until the goal, until it stands for long, or until the end of time. every: steps from plan to plan."""
        drive, rows, stood_s = Driven(), [self._told(0.0)], 0.0
        for step in range(round(seconds / STEP_S)):
            now_ns = START_NS + round(step * STEP_S * SECOND_NS)
            if step % every == 0:
                situation = self._situation(now_ns)
                plan, took_s = timed(lambda: self._planner.plan(situation))  # noqa: B023
                drive.said = f'{plan.decision.chosen}: {plan.decision.reason}'
                drive.times_s.append(took_s)
            for part in range(SUBSTEPS):
                at_s = (step + part / SUBSTEPS) * STEP_S
                then_ns = START_NS + round(at_s * SECOND_NS)
                ego, wheel_rad = self._motion.ego(then_ns), self._motion.wheel_angle_rad
                command = self._follower.follow(plan.trajectory, ego, wheel_rad, then_ns)
                self._motion = self._dynamics.step(self._motion, command, STEP_S / SUBSTEPS)
                rows.append(self._told(at_s + STEP_S / SUBSTEPS))
            if np.hypot(*(self._motion.xy_m - self._goal_xy)) < GOAL_M:
                drive.outcome = REACHED
                break
            stood_s = stood_s + STEP_S if abs(self._motion.speed_mps) < STANDS_MPS else 0.0
            if stood_s > STUCK_S:
                drive.outcome = STUCK
                break
        drive.rows = np.array(rows)
        return drive

    def _situation(self, now_ns: int) -> Situation:
        """Return what the planning node would be told: nobody is around."""
        motion, ego = self._motion, self._motion.ego(now_ns)
        nobody = no_objects(now_ns, 'odom', tracked=True)
        predictions = Predictions(nobody, np.zeros((0, 1, PREDICTED, 3)), np.zeros((0, 1)), PREDICTED_S)
        near, far = self._grids(now_ns, ego)
        pieces = match = route = None
        if self._guide is not None and self._road is not None:
            view = self._guide.step(ego, Pose(now_ns, 'map', ego.position_m, ego.orientation, exact()))
            pieces, match = view.pieces, view.match
            route = Route(now_ns, (0.0,) * 4, (*self._goal.position_m, 0.0), tuple(self._road.ids.values()))
        joint = Articulation(now_ns, (motion.joint_rad,)) if self._trailer else None
        return Situation(
            ego, predictions, None, None, near, far, pieces, match, route, self._goal,
            steering=Steering(now_ns, motion.wheel_angle_rad), articulation=joint,
        )  # fmt: skip

    def _told(self, at_s: float) -> tuple[float, ...]:
        motion = self._motion
        xy = (float(motion.xy_m[0]), float(motion.xy_m[1]))
        return (at_s, *xy, motion.heading_rad, motion.speed_mps, motion.wheel_angle_rad, motion.joint_rad)
