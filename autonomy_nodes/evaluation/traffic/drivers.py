"""Who drives: the stack's own prediction and planning, and beside it a driver model that keeps to its lane.

Both are given the same: where we are, the tracks, the map or the goal, the way to take, and the lights.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.kinematics import tracking_curvature
from autonomy_nodes.common.lanes import Light, Route, TrafficLights
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import Command, EgoState, Goal, Pose, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.control.follower import Follower
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.evaluation.recorded import exact
from autonomy_nodes.evaluation.traffic.site import BEYOND_M, GIVE_WAY, Site
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.planning.course import CourseSettings
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.reference import reference_through
from autonomy_nodes.planning.situation import Situation
from autonomy_nodes.planning.speeds import GIVE_WAY_MPS
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig
from autonomy_nodes.sim.flow.gaps import reached_s
from autonomy_nodes.sim.flow.place import STOP_SIGN
from autonomy_nodes.sim.rightofway import must_stop
from autonomy_nodes.sim.traffic import intelligent_driver


@dataclass(frozen=True, eq=False)
class Given:
    """What a driver knows beforehand. way: of the place. goal: of who drives on open ground. every: steps a plan."""

    site: Site
    way: int
    goal: Goal | None
    vehicle: Vehicle
    every: int = 1


@dataclass(frozen=True, eq=False)
class Seen:
    """What a driver is told at a step; all in odom. lights: by regulatory element."""

    step: int
    ego: EgoState
    wheel_rad: float
    tracks: Objects
    lights: dict[int, Light]


class Driver(Protocol):
    """Thinks ten times a second at most, and steers all the time. times_s: CPU time of each thought. said: the last."""

    times_s: list[float]
    said: str

    def think(self, seen: Seen) -> None:
        """Take in what is told at a step."""

    def command(self, ego: EgoState, wheel_rad: float) -> Command:
        """Return what the vehicle shall do now."""


class Stack:
    """Prediction, planning and control as their nodes run them; the tracks, the map and the ground are told."""

    def __init__(self, given: Given) -> None:
        self._given, site = given, given.site
        self._planner = Planner(PlannerConfig(vehicle=given.vehicle))
        self._predictor = Predictor(PredictorConfig(vehicle=given.vehicle))
        self._guide = MapGuide(site.road.map, GuideConfig()) if site.lanes else None
        self._ids = tuple(site.ids[name] for name in site.place.ways[given.way].lanes)
        self._follower = Follower(given.vehicle)
        self._plan: Trajectory | None = None
        self.times_s: list[float] = []
        self.said = ''

    def think(self, seen: Seen) -> None:
        """Predict, and plan where it is time for it; who does not plan hears what is tracked all the same."""
        if self._plan is not None and seen.step % self._given.every:
            self._predictor.hear(seen.tracks, seen.ego)
            return
        situation, told_s = timed(lambda: self._situation(seen))
        plan, planned_s = timed(lambda: self._planner.plan(situation))
        self._plan, self.said = plan.trajectory, f'{plan.decision.chosen}: {plan.decision.reason}'
        self.times_s.append(told_s + planned_s)

    def command(self, ego: EgoState, wheel_rad: float) -> Command:
        """Follow the last plan."""
        assert self._plan is not None
        return self._follower.follow(self._plan, ego, wheel_rad, ego.stamp_ns)

    def _situation(self, seen: Seen) -> Situation:
        ego, stamp_ns, road = seen.ego, seen.ego.stamp_ns, self._given.site.road
        near, far = road.grids(stamp_ns, ego.position_m[:2], ego.heading_rad, np.zeros(2))
        pieces = match = route = lights = None
        if self._guide is not None:
            view = self._guide.step(ego, Pose(stamp_ns, 'map', ego.position_m, ego.orientation, exact()))
            pieces, match = view.pieces, view.match
            route = Route(stamp_ns, (0.0,) * 4, (0.0,) * 4, self._ids)
            lights = TrafficLights(stamp_ns, seen.lights) if seen.lights else None
        goal = self._given.goal
        found = self._predictor.predict(seen.tracks, ego, pieces, near, lights, route, goal)
        return Situation(
            ego, found.predictions, found.scene_modes, found.proposals, near, far, pieces, match, route, goal, lights,
            steering=Steering(stamp_ns, seen.wheel_rad),
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the driver beside it
LOOKAHEAD_S, SHORTEST_M = 0.8, 4.0
ACCELERATION, BRAKING, HEADWAY_S, HARDEST = 1.5, 2.0, 1.5, 6.0  # m/s2; of the Intelligent Driver Model, for cars
LATERAL, EASY = 2.0, 1.5  # m/s2 in bends, and before them
ROOM_M = 0.3  # beside our body: who is nearer to our line is in our way
MOVES_MPS, CROSS_S, CROSS_STEP_S, MARGIN_S = 0.5, 5.0, 0.25, 0.8
SAME_RAD = 1.0  # who comes into our line at less than this goes along it
STANDS_MPS, AT_LINE_M, WAIT_S = 0.1, 3.0, 1.0
TAIL_M = 1.5  # of the model's least gap of 2 m, that a line does not need


class LaneDriver:
    """Follows the middle of its lanes by the Intelligent Driver Model (Treiber, Hennecke, Helbing 2000).

    It minds who is in its lane ahead, red lights and stop lines, bends, and who at constant velocity will be in its
    lane when it is there: it stops before one who crosses and follows one who comes in.
    """

    def __init__(self, given: Given) -> None:
        self._given, way = given, given.site.place.ways[given.way]
        step = (way.points[-1] - way.points[-2]) / np.hypot(*(way.points[-1] - way.points[-2]))
        points = np.concatenate([way.points, way.points[-1] + np.arange(2.0, BEYOND_M, 2.0)[:, None] * step])
        self._line = reference_through('route', points)
        self._limit = way.limit_mps if given.site.lanes else CourseSettings().off_road_speed_mps
        stops = [stop for stop in given.site.stops if stop.lane in way.lanes]
        self._stops = [(float(self._line.project(stop.at[None])[0][0]), stop.signal) for stop in stops]
        self._served: set[float] = set()
        self._stood_s, self._push = 0.0, 0.0
        self.times_s: list[float] = []
        self.said = ''

    def think(self, seen: Seen) -> None:
        """Choose the acceleration of the next tenth of a second."""
        _, took_s = timed(lambda: self._choose(seen))
        self.times_s.append(took_s)

    def command(self, ego: EgoState, wheel_rad: float) -> Command:
        """Steer towards the line."""
        station, offset, heading = self._placed(ego)
        reach = max(LOOKAHEAD_S * ego.speed_mps, SHORTEST_M)
        _, _, bends = self._line.at(np.array([station + 0.3 * ego.speed_mps]))
        bend = float(tracking_curvature(bends[0], offset, wrapped(ego.heading_rad - heading), reach))
        wheel = math.atan(bend * self._given.vehicle.wheelbase_m)
        return Command(ego.stamp_ns, max(ego.speed_mps, 0.0), self._push, wheel)

    def _placed(self, ego: EgoState) -> tuple[float, float, float]:
        station, offset, heading = self._line.project(ego.position_m[None, :2])
        return float(station[0]), float(offset[0]), float(heading[0])

    def _choose(self, seen: Seen) -> None:
        station, _, _ = self._placed(seen.ego)
        speed, front = max(seen.ego.speed_mps, 0.0), station + self._given.vehicle.front_m
        self._stood_s = self._stood_s + 0.1 if speed < STANDS_MPS else 0.0
        found = [('free', np.inf, speed)]
        found += [(f'line {signal}', at - front + TAIL_M, 0.0) for at, signal in self._closed(front, speed, seen)]
        found += self._others(seen.tracks, front, speed)
        wanted = self._wanted(station, front, speed)
        pushes = [
            intelligent_driver(speed, wanted, gap, speed - lead, HEADWAY_S, ACCELERATION, BRAKING, HARDEST)
            for _, gap, lead in found
        ]  # fmt: skip
        lowest = int(np.argmin(pushes))
        self._push, self.said = pushes[lowest], found[lowest][0]

    def _wanted(self, station: float, front: float, speed: float) -> float:
        """Return the speed that the limit, the bends ahead and lines to give way at allow."""
        ahead = np.arange(0.0, 10.0 + speed**2 / (2.0 * EASY), 1.0)
        _, _, bends = self._line.at(station + ahead)
        squares = LATERAL / np.maximum(np.abs(bends), 1e-3) + 2.0 * EASY * ahead
        gives = [at - front for at, signal in self._stops if signal == GIVE_WAY and at > front]
        squares = np.append(squares, [GIVE_WAY_MPS**2 + 2.0 * EASY * gap for gap in gives])
        return min(self._limit, float(np.sqrt(squares.min())))

    def _closed(self, front: float, speed: float, seen: Seen) -> list[tuple[float, int]]:
        """Return the lines ahead that may not be crossed now."""
        found = []
        for at, signal in self._stops:
            gap = at - front
            if gap < -0.5 or signal == GIVE_WAY or at in self._served:
                continue
            if signal == STOP_SIGN:
                if gap < AT_LINE_M and self._stood_s > WAIT_S:
                    self._served.add(at)
                    continue
            elif not must_stop(int(seen.lights[self._given.site.rules[signal]]), gap, speed):
                continue
            found.append((at, signal))
        return found

    def _others(self, tracks: Objects, front: float, speed: float) -> list[tuple[str, float, float]]:
        """Return (why, gap, speed along our line) of who is ahead in our lane, or will be when we are there."""
        if not len(tracks):
            return []
        moves = np.arange(0.0, CROSS_S + 1e-6, CROSS_STEP_S)
        places = tracks.positions_m[:, None, :2] + moves[:, None] * tracks.velocities_mps[:, None]  # (N, T, 2)
        at, beside, along = self._line.project(places)
        turns = tracks.headings_rad[:, None] - along
        length, width = tracks.dimensions_m[:, :1], tracks.dimensions_m[:, 1:2]
        across = 0.5 * (np.abs(length * np.sin(turns)) + np.abs(width * np.cos(turns)))
        lengthwise = 0.5 * (np.abs(length * np.cos(turns)) + np.abs(width * np.sin(turns)))
        gaps = at - lengthwise - front
        inside = (np.abs(beside) < across + 0.5 * self._given.vehicle.width_m + ROOM_M) & (at > front)
        speeds = np.hypot(*tracks.velocities_mps.T)
        found = []
        for k in np.flatnonzero(inside.any(axis=1)).tolist():
            met = np.flatnonzero(inside[k])
            first, gap = int(met[0]), max(float(gaps[k, met].min()), 0.1)
            with_us = math.cos(float(turns[k, first])) > math.cos(SAME_RAD)
            lead = max(float(speeds[k] * np.cos(turns[k, first])), 0.0)
            if first == 0 and (with_us or speeds[k] < MOVES_MPS):
                found.append((f'behind {k}', max(float(gaps[k, 0]), 0.1), lead))
                continue
            beyond = float(gaps[k, met].max() + 2.0 * lengthwise[k, first]) + self._given.vehicle.length_m
            ours = [reached_s(far, speed, ACCELERATION, self._limit) for far in (gap, beyond)]
            if ours[0] < moves[met[-1]] + MARGIN_S and ours[1] > moves[first] - MARGIN_S:
                found.append((f'{k} comes', gap, lead if with_us else 0.0))
        return found


DRIVERS: dict[str, Callable[[Given], Driver]] = {'ours': Stack, 'idm': LaneDriver}
