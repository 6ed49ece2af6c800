"""Where to go: the route's lanes, else the lane we are in, else the goal, else straight on; and what the road says."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.geometry import moved, wrapped
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.arrival import Arrival, arrivals_on
from autonomy_nodes.planning.easing import eased
from autonomy_nodes.planning.goal import objection
from autonomy_nodes.planning.ground import Ground
from autonomy_nodes.planning.joined_lanes import followed, joined
from autonomy_nodes.planning.reference import Reference, reference_through, smoothed
from autonomy_nodes.planning.road import NO_ROAD, Road, cut_off, road_along
from autonomy_nodes.planning.situation import Situation
from autonomy_nodes.planning.start import CRAWL_MPS, JointModel
from autonomy_nodes.planning.way import Way, shape_of

AHEAD_M = 150.0  # no reference is needed further than the vehicle can go within the horizon
BEHIND_M = 20.0
PASSED_M = 5.0  # a goal this far behind us was not just passed


@dataclass(frozen=True)
class CourseSettings:
    """How a course is chosen.

    lane_probability: a lane match below is 'off the map'. lane_reach_m: the reference may begin this far beside us.
    stop_line_wait_s: who has stood so long before a stop line that, by the map, has no light goes on when it is free;
    0: never.
    """

    lane_probability: float = 0.3
    lane_reach_m: float = 6.0
    off_road_speed_mps: float = 8.0
    goal_reached_m: float = 1.0
    stop_line_wait_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 < self.lane_probability < 1.0:
            raise ValueError(f'course.lane_probability={self.lane_probability} must lie between 0 and 1')
        for name in ('lane_reach_m', 'off_road_speed_mps', 'goal_reached_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'course.{name}={getattr(self, name)} must be above 0')
        if not self.stop_line_wait_s >= 0.0:
            raise ValueError(f'course.stop_line_wait_s={self.stop_line_wait_s} must not be below 0')


@dataclass(frozen=True, eq=False)
class Course:
    """A reference with what holds along it, and where the vehicle is on it.

    station_m, offset_m, heading_error: of the vehicle. speed_mps: the highest speed wanted here.
    end_m: the station where base_link must stand, inf where there is none; end: what is there.
    way: (1 + K, 2) over open ground: from where we are by corners to the goal; else empty.
    reached: whether the vehicle stands at its end. refused: why the goal is not driven to. words: what the operator
    should know. arrivals: where to be when.
    """

    reference: Reference
    station_m: float
    offset_m: float
    heading_error: float
    speed_mps: float
    road: Road = NO_ROAD
    end_m: float = np.inf
    end: str = ''
    way: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    reached: bool = False
    refused: str = ''
    words: tuple[str, ...] = field(default=())
    arrivals: tuple[Arrival, ...] = ()

    @property
    def on_lane(self) -> bool:
        """Whether it follows a lane of the map."""
        return self.reference.kind in ('route', 'lane')


def choose_course(
    situation: Situation, ground: Ground, way: Way, joint: JointModel, vehicle: Vehicle, settings: CourseSettings
) -> Course:
    """Return the course for this step, no faster than the sensors see and the trailer's angle is known."""
    course = _lane_course(situation, ground, vehicle, settings)
    course = course or _free_course(situation, ground, way, vehicle, settings)
    words, speed = list(course.words), min(course.speed_mps, speed_for_sight(situation.visibility_m, vehicle))
    if situation.cap_mps < speed:
        speed = situation.cap_mps
        words.append(f'no faster than {speed:.1f} m/s by what is left of the sensors')
    if vehicle.trailer.present and not joint.told:
        words.append('no articulation angle: it is modelled from odometry')
        if not joint.settled:
            words[-1] = 'no articulation angle: crawling until the trailer has been pulled straight'
            speed = min(speed, CRAWL_MPS)
    arrivals = arrivals_on(course.reference, situation.windows, situation.stamp_ns)
    return replace(course, speed_mps=max(speed, 0.5), words=tuple(words), arrivals=arrivals)


def speed_for_sight(visibility_m: float | None, vehicle: Vehicle) -> float:
    """Return the speed from which a comfortable stop ends within what the sensors see; inf where that is not told."""
    if visibility_m is None:
        return math.inf
    limits = vehicle.limits
    braking, lag = limits.comfort_braking_mps2, limits.brake_lag_s
    free_m = max(visibility_m - vehicle.front_m, 0.0)
    return braking * (math.sqrt(lag**2 + 2.0 * free_m / braking) - lag)


def _lane_course(situation: Situation, ground: Ground, vehicle: Vehicle, settings: CourseSettings) -> Course | None:
    """Return the course along the route or the lane that we are in, None where there is neither."""
    found = _lane_points(situation, settings)
    if found is None:
        return None
    kind, ids, points, complete = found
    ego = situation.ego
    words: tuple[str, ...] = ()
    reference = reference_through(kind, moved(points, ego.odom_from_base)[:, :2])
    if not vehicle.trailer.present:
        reference = eased(reference, _placed(reference, situation)[0], ground, vehicle)
    station, offset, heading = _placed(reference, situation)
    wrong_way = abs(float(wrapped(ego.heading_rad - heading))) > np.pi / 2.0
    if abs(offset) > settings.lane_reach_m or wrong_way:
        return None
    end_m, end = (reference.length_m, 'end of the route') if complete else (np.inf, '')
    if (goal_m := _goal_along(reference, station, kind, ids, situation, settings)) is not None:
        end_m, end = goal_m, 'goal'
    elif kind == 'lane' and situation.goal is not None:
        words = ('the goal is not approached: the lane is followed, and no route leads there',)
    told = np.zeros(0) if situation.lane is None else situation.lane.speed_limits_mps[:1]
    speed = min(vehicle.limits.speed_mps, float(np.min(told[np.isfinite(told)], initial=np.inf)))
    road = road_along(reference, station, situation, ids)
    return _arrived(
        Course(
            reference, station, offset, float(wrapped(ego.heading_rad - heading)), speed, road, end_m, end, words=words
        ),
        situation, settings,
    )  # fmt: skip


def _goal_along(
    reference: Reference, station_m: float, kind: str, ids: tuple[int, ...], situation: Situation,
    settings: CourseSettings,
) -> float | None:  # fmt: skip
    """Return the station of the goal where it lies on this course, else None.

    A route may pass by its goal before it gets there: only its last lanelet leads to it, and not where it lies behind
    us and the route goes round to it.
    """
    goal, route = situation.goal, situation.route
    if goal is None or (kind == 'route' and route is not None and ids[-1] != route.lanelet_ids[-1]):
        return None
    at, beside, _ = reference.project(np.asarray(goal.position_m[:2], float))
    if kind == 'route' and len(ids) > 1 and at < station_m - PASSED_M:
        return None
    return float(at) if abs(beside) < settings.lane_reach_m and at < reference.length_m else None


def _free_course(
    situation: Situation, ground: Ground, way: Way, vehicle: Vehicle, settings: CourseSettings
) -> Course:
    """Return the course where no lane leads: a curve to the goal, round what stands in its way, or straight on."""
    ego, goal = situation.ego, situation.goal
    place, heading = ego.position_m[:2], ego.heading_rad
    forward = np.array([np.cos(heading), np.sin(heading)])
    speed = min(vehicle.limits.speed_mps, settings.off_road_speed_mps)
    there = None if goal is None else np.asarray(goal.position_m[:2], float)
    corners = np.zeros((0, 2))
    if there is None or np.linalg.norm(there - place) < 2.5:
        reference = reference_through('ahead', place + np.linspace(-5.0, AHEAD_M, 40)[:, None] * forward)
    else:
        corners = way.around(np.array([*place, heading]), there, ground, shape_of(vehicle), situation.stamp_ns)
        first = _curve(place, forward, corners[0])
        reference = reference_through('goal', _rounded(np.concatenate([first, corners[1:]])))
    station, offset, along = _placed(reference, situation)
    end_m, end = np.inf, ''
    refused, given_up = '', False
    if there is not None:
        end_m, end = float(reference.project(there[None])[0][0]), 'goal'
        refused, given_up = objection(there, ego, ground, vehicle.width_m / 2.0)
    words = (f'goal refused: {refused}; set another one',) if refused else ()
    if given_up:
        end_m, end = station + ego.speed_mps**2 / (2.0 * vehicle.limits.comfort_braking_mps2), 'goal refused'
    error = float(wrapped(heading - along))
    way_on = np.concatenate([place[None], corners])
    return _arrived(
        Course(
            reference, station, offset, error, speed, NO_ROAD, end_m, end, way_on, refused=refused, words=words
        ),
        situation, settings,
    )  # fmt: skip


def _arrived(course: Course, situation: Situation, settings: CourseSettings) -> Course:
    """Return the course, reached if the vehicle stands at its end, or has just passed it."""
    left_m = course.end_m - course.station_m
    if course.end == 'goal' and situation.goal is not None and course.reference.kind == 'goal':
        left_m = float(np.linalg.norm(np.asarray(situation.goal.position_m[:2]) - situation.ego.position_m[:2]))
    reached = bool(left_m <= settings.goal_reached_m and abs(situation.ego.speed_mps) < 0.3)
    return replace(course, reached=reached)


def _curve(place: np.ndarray, forward: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return (K, 2) points of a cubic that leaves along our heading and comes to the goal straight."""
    gap = goal - place
    t = np.linspace(0.0, 1.0, max(int(np.linalg.norm(gap)), 8))[:, None]
    reach = min(float(np.linalg.norm(gap)), 40.0)
    there = gap / np.linalg.norm(gap) * reach
    h00, h10, h11 = 1.0 - 3.0 * t**2 + 2.0 * t**3, t - 2.0 * t**2 + t**3, t**3 - t**2
    return h00 * place + (1.0 - h00) * goal + h10 * reach * forward + h11 * there


def _rounded(points: np.ndarray) -> np.ndarray:
    """Return a way with a point each metre and its corners rounded, so that they can be driven at a fair speed."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, gone[-1], max(int(gone[-1]), 2) + 1)
    even = np.column_stack([np.interp(at, gone, points[:, axis]) for axis in range(2)])
    return smoothed(smoothed(smoothed(even)))


def _placed(reference: Reference, situation: Situation) -> tuple[float, float, float]:
    station, offset, heading = reference.project(situation.ego.position_m[None, :2])
    return float(station[0]), float(offset[0]), float(heading[0])


def _lane_points(
    situation: Situation, settings: CourseSettings
) -> tuple[str, tuple[int, ...], np.ndarray, bool] | None:
    """Return kind, lanelets, their (K, 3) centerline in base_link, and whether the route ends with it; or None."""
    pieces, lane, route = situation.pieces, situation.lane, situation.route
    if pieces is None:
        return None
    probable = [] if lane is None else [
        int(id_) for id_, chance in zip(lane.ids, lane.probabilities) if chance >= settings.lane_probability
    ]  # fmt: skip
    kind, ids = 'lane', probable[:1]
    if route is not None and (start := _start_on(route.lanelet_ids, probable, pieces, settings)) is not None:
        kind, ids = 'route', list(route.lanelet_ids[start:])
    points = np.zeros((0, 3))
    used = []
    for id_ in ids:
        line = pieces.line(Line.CENTERLINE, id_)
        if len(line) < 2:
            break
        points = joined(points, line)
        used.append(id_)
    complete = kind == 'route' and len(used) == len(ids)
    if kind == 'lane' and used:
        points, used = followed(points, used, pieces)
    complete = complete and not cut_off(pieces, ids[-1])
    ahead = np.linalg.norm(points, axis=1) < AHEAD_M
    points = points[ahead & ((points[:, 0] > -BEHIND_M) | (np.linalg.norm(points, axis=1) < BEHIND_M))]
    complete = complete and bool(ahead.all())
    if len(points) < 4:
        return None
    return kind, tuple(used), points, complete


def _start_on(
    ids: tuple[int, ...], probable: list[int], pieces: LanePieces, settings: CourseSettings
) -> int | None:
    """Return the place in the route where we are: by the lane match, else the nearest of its lanes."""
    for id_ in probable:
        if id_ in ids:
            return ids.index(id_)
    lines = {place: pieces.line(Line.CENTERLINE, id_) for place, id_ in enumerate(ids)}
    distance = {
        place: float(np.linalg.norm(line[:, :2], axis=1).min()) for place, line in lines.items() if len(line) > 1
    }
    nearest = min(distance, key=lambda place: distance[place], default=None)
    return nearest if nearest is not None and distance[nearest] < settings.lane_reach_m else None
