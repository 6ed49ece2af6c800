"""What rules a drive out, and when it first happens. Each gate looks at all drives at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autonomy_nodes.common.kinematics import Body, body_of, body_of_trailer, trailer_poses
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.contacts import Contacts, contacts
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.gate_loops import first_beyond_lines
from autonomy_nodes.planning.ground import Ground
from autonomy_nodes.planning.reference import STEP_M
from autonomy_nodes.planning.rollout import TIMES_S, Drives
from autonomy_nodes.planning.speeds import blocked, must_stop
from autonomy_nodes.planning.traffic import Traffic, TrafficSettings, axes_of

GRAVITY = 9.81
OVER_LINE_M = 0.1  # a body may stand this far over a line
BEFORE_STOP_M = 0.2  # the front stays so far before a line to stop at


@dataclass(frozen=True)
class GateSettings:
    """Limits of the gates: friction circle, and how much sideways acceleration above the vehicle's limit is a veto."""

    grip_g: float = 0.6
    lateral_share: float = 1.3
    past_end_m: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0.0:
                raise ValueError(f'gates.{name}={value} must be above 0')


@dataclass(frozen=True, eq=False)
class View:
    """All that judges look at.

    stations_m, offsets_m, turns: (N, T) of base_link along, beside and against the reference.
    bodies: (body, its (N, T, 3) poses) of the vehicle and of its trailer; axes: (N, T, 2) of each, cosine and sine of
    its headings. in_lane: (N, T), wholly inside our lane. sideways_mps2: (N, T) acceleration across, not below 0.
    """

    drives: Drives
    course: Course
    ground: Ground
    traffic: Traffic
    vehicle: Vehicle
    stations_m: np.ndarray
    offsets_m: np.ndarray
    turns: np.ndarray
    bodies: tuple[tuple[Body, np.ndarray], ...]
    axes: tuple[np.ndarray, ...]
    in_lane: np.ndarray
    sideways_mps2: np.ndarray


@dataclass(frozen=True, eq=False)
class Vetoes:
    """times_s: {gate: (N,) seconds until it is violated, inf for never}. contacts: of each body with each road user."""

    times_s: dict[str, np.ndarray]
    contacts: Contacts

    def clean(self, but: str = '', but_whom: int = -1) -> np.ndarray:
        """Return (N,) whether a drive violates nothing; without one gate, or without one road user, if asked."""
        found = np.ones(len(self.contacts.times_s), bool)
        for name, free in self._free.items():
            if name == 'contact' and but_whom >= 0:
                found &= self._touched[1] == self._touched[0][:, but_whom]
            elif name != but:
                found &= free
        return found

    def each(self, of: np.ndarray) -> 'Vetoes':
        """Return the same for candidates, given (C,) which drive each of them is."""
        times_s = {name: times[of] for name, times in self.times_s.items()}
        return Vetoes(times_s, Contacts(self.contacts.times_s[of], self.contacts.modes[of]))

    @cached_property
    def _free(self) -> dict[str, np.ndarray]:
        return {name: np.isinf(times) for name, times in self.times_s.items()}

    @cached_property
    def _touched(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, O) who is touched, (N,) how many."""
        touched = np.isfinite(self.contacts.times_s)
        return touched, touched.sum(axis=1)


def view(drives: Drives, course: Course, ground: Ground, traffic: Traffic, vehicle: Vehicle) -> View:
    """Return the drives as the judges look at them."""
    stations, offsets, headings = course.reference.project(drives.poses[..., :2])
    turns = drives.poses[..., 2] - headings
    turns = _wrapped(turns)
    bodies: tuple[tuple[Body, np.ndarray], ...] = ((body_of(vehicle), drives.poses),)
    if vehicle.trailer.present:
        behind = trailer_poses(drives.poses, drives.joints_rad, vehicle.trailer)
        bodies = (*bodies, (body_of_trailer(vehicle.trailer), behind))
    half_lane = 0.9
    in_lane = (np.abs(offsets) < half_lane) & course.on_lane
    traffic = traffic.meeting(drives.poses)
    axes = tuple(axes_of(poses) for _, poses in bodies)
    sideways = np.abs(drives.speeds_mps**2 * np.tan(drives.wheels_rad) / vehicle.wheelbase_m)
    return View(
        drives, course, ground, traffic, vehicle, stations, offsets, turns, bodies, axes, in_lane, sideways
    )  # fmt: skip


def judge(seen: View, ground_margin_m: float, gates: GateSettings, traffic: TrafficSettings) -> Vetoes:
    """Return what every gate says of every drive."""
    hits = [contacts(poses, axes, seen.drives.speeds_mps, body, seen.in_lane, seen.traffic, traffic)
            for (body, poses), axes in zip(seen.bodies, seen.axes)]  # fmt: skip
    first = hits[0]
    for other in hits[1:]:
        sooner = other.times_s < first.times_s
        first = Contacts(np.minimum(first.times_s, other.times_s), np.where(sooner, other.modes, first.modes))
    off_ground = [blocked(poses, seen.ground, ground_margin_m, body, axes)
                  for (body, poses), axes in zip(seen.bodies, seen.axes)]  # fmt: skip
    times = {
        'contact': first.times_s.min(axis=1, initial=np.inf),
        'ground': first_time(np.any(off_ground, axis=0)),
        'stop_line': first_time(over_stop_line(seen)),
        'lane_line': over_lane_line(seen),
        'end': first_time(seen.stations_m > max(seen.course.end_m, seen.course.station_m) + gates.past_end_m),
        'limits': first_time(over_limits(seen, gates)),
    }
    return Vetoes(times, first)


def over_stop_line(seen: View) -> np.ndarray:
    """Return (N, T) whether the front has crossed a line at which we must stop."""
    over = np.zeros(seen.stations_m.shape, bool)
    stops = must_stop(seen.course, float(seen.drives.speeds_mps[0, 0]), seen.vehicle)
    if not stops:
        return over
    fronts = seen.stations_m + seen.vehicle.front_m * np.cos(seen.turns)
    start = seen.course.station_m + seen.vehicle.front_m
    for stop in stops:
        over |= fronts > max(stop.station_m - BEFORE_STOP_M, start + OVER_LINE_M)
    return over


def over_lane_line(seen: View) -> np.ndarray:
    """Return (N,) when a corner is first over a line that may not be crossed, further than at the start; inf: never."""
    reference, road = seen.course.reference, seen.course.road
    times = np.full(len(seen.drives), np.inf)
    if not np.isfinite(road.left_m).any() and not np.isfinite(road.right_m).any():
        return times
    for body, poses in seen.bodies:
        stations, offsets, turns = seen.stations_m, seen.offsets_m, seen.turns
        if poses is not seen.drives.poses:
            stations, offsets, headings = reference.project(poses[..., :2])
            turns = poses[..., 2] - headings
        alongs = np.array([body.front_m, 0.5 * body.middle_m, -body.rear_m])
        first = first_beyond_lines(
            stations, offsets, turns, reference.curvatures, road.left_m, road.right_m, STEP_M, alongs,
            0.5 * body.width_m, OVER_LINE_M,
        )  # fmt: skip
        times = np.minimum(times, np.where(first >= 0, TIMES_S[first], np.inf))
    return times


def over_limits(seen: View, gates: GateSettings) -> np.ndarray:
    """Return (N, T) whether forces or the trailer's joint exceed what the vehicle can bear, and grow."""
    drives, vehicle = seen.drives, seen.vehicle
    sideways = seen.sideways_mps2
    most = np.maximum(vehicle.limits.lateral_mps2 * gates.lateral_share, 1.02 * sideways[:, :1])
    over = sideways > most
    force = np.hypot(sideways, drives.accelerations_mps2)
    over |= force > np.maximum(gates.grip_g * GRAVITY, 1.02 * force[:, :1])
    if vehicle.trailer.present:
        joint = np.abs(drives.joints_rad)
        over |= joint > np.maximum(vehicle.trailer.max_angle_rad, joint[:, :1] + 1e-6)
    return over


def _wrapped(turns: np.ndarray) -> np.ndarray:
    """Return angles from -pi to pi; the few that are not are found first, for a remainder is dear."""
    found = turns + np.pi
    beyond = (found < 0.0) | (found >= 2.0 * np.pi)
    if beyond.any():
        found[beyond] %= 2.0 * np.pi
    return found - np.pi


def first_time(hit: np.ndarray) -> np.ndarray:
    """Return (N,) the moment of the first True in (N, T), inf for never."""
    first = hit.argmax(axis=1)
    return np.where(hit[np.arange(len(hit)), first], TIMES_S[first], np.inf)
