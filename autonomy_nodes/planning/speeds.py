"""How fast a path may be driven: by its curves, by the ground that is known, by what must be stopped at, by traffic."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.kinematics import Body, body_of
from autonomy_nodes.common.lanes import Light, Rule
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.ground import Ground
from autonomy_nodes.planning.ground_loops import body_blocked
from autonomy_nodes.planning.paths import Paths
from autonomy_nodes.planning.reference import STEP_M
from autonomy_nodes.planning.road import StopLine
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.traffic import Traffic, axes_of
from autonomy_nodes.planning.traffic_loops import nearest_leads

GIVE_WAY_MPS = 4.0  # over a line at which others go first, if nobody comes: slow enough to stop for who does
STOP_SHORT_M = 0.5  # stops are aimed this far before what must not be entered
CLOSER_M = 0.05  # what was inside the margin at the start may come nearer by this
CLOSER_TOUCHING_M = 0.01
TOUCH_SHARE = 0.9  # of the half width: what is nearer than that touches the body
CELL_ERROR_M = 0.3  # by which a clearance may be off that is read at the middle of a cell
CROSSING_RAD = 0.6
STEERING_SHARE = 0.8  # of the rate at which wheels can be turned
LEAD_EVERY = 2  # moments from one look at who is in front to the next
BESIDE_M = 0.3  # room beside our body within which another one leads


@dataclass(frozen=True, eq=False)
class Caps:
    """Squared highest speeds along P paths of M points: by curves alone, and heeding all that must be stopped for.

    Both (P, M). Squares fall evenly when braking; beyond a stop they are below zero, so that between two points it is
    exact.
    """

    by_curves: np.ndarray
    careful: np.ndarray


@dataclass(frozen=True, eq=False)
class Leads:
    """Who is in front on P paths at T moments: place on the path (inf for nobody) and speed along it, (P, T).

    follow: those who go our way. cautious: those and all who will cross, from now until they have crossed.
    """

    follow_u: np.ndarray
    follow_mps: np.ndarray
    cautious_u: np.ndarray
    cautious_mps: np.ndarray


def must_stop(course: Course, speed_mps: float, vehicle: Vehicle) -> list[StopLine]:
    """Return each stop line ahead that may not be crossed; unknown lights count as red.

    At amber we stop if that can be done with comfort.
    """
    front = course.station_m + vehicle.front_m
    found = []
    for stop in course.road.stop_lines:
        left_m = stop.station_m - front
        free = stop.rule == Rule.GIVE_WAY or (stop.has_light and stop.light == Light.GREEN)
        if left_m < -0.5 or free:
            continue
        needed = speed_mps**2 / (2.0 * max(left_m, 0.01))
        if stop.has_light and stop.light == Light.AMBER and needed > vehicle.limits.comfort_braking_mps2:
            continue
        found.append(stop)
    return found


def caps_along(
    paths: Paths, course: Course, ground: Ground, ground_margin_m: float, speed_mps: float, vehicle: Vehicle
) -> Caps:
    """Return how fast each path may be driven."""
    limits = vehicle.limits
    gone, stations = paths.gone_m, stations_of(paths, course)
    curves = np.minimum(limits.lateral_mps2 / np.maximum(np.abs(paths.curvatures), 1e-4), by_steering(paths, vehicle))
    for stop in course.road.stop_lines:
        if stop.rule == Rule.GIVE_WAY:
            at = (stations > stop.station_m - vehicle.front_m - STEP_M) & (stations < stop.station_m)
            curves = np.where(at, np.minimum(curves, GIVE_WAY_MPS**2), curves)
    stop_m = first_blocked_m(paths, gone, ground, ground_margin_m, body_of(vehicle))
    for stop in must_stop(course, speed_mps, vehicle):
        stop_m = np.minimum(stop_m, _last_before(stations > stop.station_m, gone) - vehicle.front_m)
    stop_m = stop_m - STOP_SHORT_M
    stop_m = np.minimum(stop_m, _last_before(stations >= course.end_m, gone) + STEP_M / 2.0)
    braking = limits.comfort_braking_mps2
    careful = np.minimum(curves, 2.0 * braking * (stop_m[:, None] - gone))
    return Caps(braked(curves, gone, braking), braked(careful, gone, braking))


def by_steering(paths: Paths, vehicle: Vehicle) -> np.ndarray:
    """Return (P, M) squared speeds at which the wheels can be turned as fast as paths bend, with some reserve."""
    wheels = np.arctan(vehicle.wheelbase_m * paths.curvatures)
    turned = np.abs(wheels[:, 2:] - wheels[:, :-2]) / (paths.scale_m[:, 1:-1] * 2.0)
    most = STEERING_SHARE * vehicle.limits.wheel_rate_rps / np.maximum(turned, 1e-4)
    return np.pad(most, ((0, 0), (1, 1)), mode='edge') ** 2


def stations_of(paths: Paths, course: Course) -> np.ndarray:
    """Return (P, M) stations of the points of paths along the reference."""
    shape = paths.points.shape[:2]
    stations = np.broadcast_to(course.station_m + np.arange(shape[1]) * STEP_M, shape).copy()
    free = np.isnan(paths.sideways_m[:, 0])
    if free.any():
        stations[free] = course.reference.project(paths.points[free])[0]
    return stations


def braked(caps: np.ndarray, gone_m: np.ndarray, braking_mps2: float) -> np.ndarray:
    """Return (P, M) squared speeds from which every later one can be reached by braking."""
    energy = caps + 2.0 * braking_mps2 * gone_m
    return np.minimum.accumulate(energy[:, ::-1], axis=1)[:, ::-1] - 2.0 * braking_mps2 * gone_m


def first_blocked_m(paths: Paths, gone_m: np.ndarray, ground: Ground, margin_m: float, body: Body) -> np.ndarray:
    """Return (P,) metres along each path that are free, before the body would touch blocked ground; inf for all."""
    poses = np.concatenate([paths.points, paths.headings[..., None]], axis=-1)
    return _last_before(blocked(poses, ground, margin_m, body), gone_m)


def blocked(
    poses: np.ndarray, ground: Ground, margin_m: float, body: Body, axes: np.ndarray | None = None
) -> np.ndarray:
    """Return (N, T) the first moment at which the body at (N, T, 3) poses comes onto blocked ground, if ever.

    What is nearer than the margin at the first pose is excused as long as it comes no nearer: a vehicle may drive along
    the kerb beside which it was parked. Since each plan starts anew, that may not bring it nearer step by step: what
    touches the body itself may not come nearer at all. axes: `axes_of` the poses, where they are known.
    """
    axes = axes_of(poses) if axes is None else axes
    offsets, radius = body.circles()
    touching, slack = TOUCH_SHARE * body.width_m / 2.0, (CELL_ERROR_M, CLOSER_M, CLOSER_TOUCHING_M)
    return body_blocked(poses, axes, offsets, radius + margin_m, touching, slack, *ground.tables())


def lead_on(
    paths: Paths, course: Course, traffic: Traffic, vehicle: Vehicle
) -> Leads:
    """Return who is in front on each path that is a shift of the reference; nobody on others."""
    shape = (len(paths), len(TIMES_S))
    nobody, still = np.full(shape, np.inf), np.zeros(shape)
    if not len(traffic):
        return Leads(nobody, still, nobody, still)
    there = traffic.poses[:, ::LEAD_EVERY]
    stations, offsets, headings = course.reference.project(there[..., :2])  # (R, S)
    turn = there[..., 2] - headings
    half = traffic.half_m[traffic.of, None]
    cos, sin = np.cos(turn), np.sin(turn)
    straight, turned = np.abs(cos), np.abs(sin)
    along = half[..., 0] * straight + half[..., 1] * turned
    across = half[..., 0] * turned + half[..., 1] * straight
    rear_u = stations - along - course.station_m
    index = np.clip(np.round((rear_u + along) / STEP_M), 0, paths.sideways_m.shape[1] - 1).astype(np.int64)
    ahead = (rear_u[:, :1] + 2.0 * along[:, :1] > 0.0) & (rear_u + along > 0.0)
    likely = traffic.modes[:, int(np.argmax(traffic.probabilities))]
    crossing = (straight < np.cos(CROSSING_RAD)) | (traffic.labels == Label.PEDESTRIAN)[traffic.of, None]
    room = across + vehicle.width_m / 2.0 + BESIDE_M
    follow_u, nearest, across_u = nearest_leads(
        paths.sideways_m, index, rear_u, offsets, room, ahead, np.ascontiguousarray(likely), crossing
    )
    speeds = np.maximum(traffic.speeds_mps[:, ::LEAD_EVERY] * cos, 0.0)
    follow_mps = speeds[nearest, np.arange(speeds.shape[1])]
    across_u = np.minimum.accumulate(across_u[:, ::-1], axis=1)[:, ::-1]  # until they have crossed
    cautious_mps = np.where(across_u < follow_u, 0.0, follow_mps)
    found = (follow_u, follow_mps, np.minimum(across_u, follow_u), cautious_mps)
    return Leads(*(np.repeat(values, LEAD_EVERY, axis=1)[:, : shape[1]] for values in found))


def _last_before(hit: np.ndarray, gone_m: np.ndarray) -> np.ndarray:
    """Return (P,) metres at the last point before the first that is hit, inf where none is."""
    first = hit.argmax(axis=1)
    rows = np.arange(len(hit))
    return np.where(hit[rows, first], gone_m[rows, np.maximum(first - 1, 0)], np.inf)
