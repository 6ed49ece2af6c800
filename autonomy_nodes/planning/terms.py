"""What makes a drive good: marks from 0 (worst) to 1 (best), weighed by the field of `Weights` with the same name."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.planning.arrival import met, pace_m
from autonomy_nodes.planning.contact_loops import soonest_touches
from autonomy_nodes.planning.gates import View
from autonomy_nodes.planning.rollout import STEP_S
from autonomy_nodes.planning.traffic import axes_of
from autonomy_nodes.planning.traffic_loops import beside_nearest, least_shares, left_out, two_least
from autonomy_nodes.planning.way import distance_to_go

JERK_MPS3 = 2.0  # root mean square
LEAST_M = 6.0  # where no drive makes more than this, progress is not blown up
TTC_S = (0.95, 1.6, 2.3, 3.0)  # contact within the first earns nothing, none within the last all
OfWays = tuple[np.ndarray, np.ndarray, float]  # marks (N, W), of which ways (W,), and the mark of all the others
REACTION_S, RSS_ACCELERATION, LEAD_BRAKING = 0.5, 2.0, 8.0  # of the RSS gap (Shalev-Shwartz et al. 2017)


@dataclass(frozen=True)
class Weights:
    """How much each term counts."""

    progress: float = 5.0
    time_to_collision: float = 5.0
    headway: float = 3.0
    comfort: float = 2.0
    lane_keeping: float = 2.0
    consistency: float = 2.0
    terrain: float = 3.0
    speed_limit: float = 2.0
    courtesy: float = 1.0
    goal_window: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0.0:
                raise ValueError(f'weights.{name}={value} must not be below 0')
        if not sum(vars(self).values()) > 0.0:
            raise ValueError('weights: one of them must be above 0')

    def of(self, terms: Iterable[str]) -> dict[str, float]:
        """Return the weights of terms that there are: without a window, no goal window counts."""
        there = set(terms)
        return {name: value for name, value in vars(self).items() if name in there}


def progress_m(seen: View) -> np.ndarray:
    """Return (N,) metres made good: along the course, at most to its end; over open ground on the way to the goal.

    Half of it is what is made by the end of the drive, half twice the mean on the way: of two drives that come to the
    same place the one is better that is there first. Where a time is set, to be early is no progress.
    """
    if len(seen.course.way) > 1:
        left = distance_to_go(seen.drives.poses[..., :2], seen.course.way)
        made = left[:, :1] - left
    else:
        made = np.minimum(seen.stations_m, max(seen.course.end_m, seen.course.station_m)) - seen.course.station_m
        made = pace_m(seen.course.arrivals, seen.course.station_m + seen.bodies[0][0].middle_m, made)
    return np.maximum(0.5 * made[:, -1] + made.mean(axis=1), 0.0)


def time_to_collision(seen: View) -> OfWays:
    """Return (N, R): nothing if both going on as they do would touch within 0.95 s, all, which is 4, from 3 s on."""
    steps, aheads = np.arange(0, round(2.4 / STEP_S) + 1, 3), np.array([round(ahead / STEP_S) for ahead in TTC_S])
    traffic, (body, poses) = seen.traffic, seen.bodies[0]
    marks = soonest_touches(
        poses, seen.axes[0], seen.drives.speeds_mps, body.middle_m, np.array(body.half_m), traffic.poses,
        axes_of(traffic.poses), traffic.half_m[traffic.of], steps, aheads, np.array(TTC_S),
    )  # fmt: skip
    return marks, np.arange(len(traffic.of)), float(len(TTC_S))


def headway(seen: View) -> OfWays:
    """Return (N, W): the smallest share of the RSS gap to who is in front in the first 4 s."""
    steps = np.arange(0, round(4.0 / STEP_S) + 1, 4)
    traffic, vehicle = seen.traffic, seen.vehicle
    there = traffic.poses[:, steps]  # (R, S, 3)
    stations, offsets, headings = seen.course.reference.project(there[..., :2])
    turn = there[..., 2] - headings
    half = traffic.half_m[traffic.of, None]
    cos, sin = np.cos(turn), np.sin(turn)
    along = half[..., 0] * np.abs(cos) + half[..., 1] * np.abs(sin)
    across = half[..., 0] * np.abs(sin) + half[..., 1] * np.abs(cos)
    lead = np.maximum(traffic.speeds_mps[:, steps] * cos, 0.0)
    speed = np.maximum(seen.drives.speeds_mps[:, steps], 0.0)  # (N, S)
    fast = speed + REACTION_S * RSS_ACCELERATION
    wanted = speed * REACTION_S + 0.5 * RSS_ACCELERATION * REACTION_S**2
    wanted = wanted + fast**2 / (2.0 * vehicle.limits.comfort_braking_mps2)
    aside, room, leading = seen.offsets_m[:, steps], across + vehicle.width_m / 2.0, cos > 0.5
    leading &= (offsets + room > aside.min()) & (offsets - room < aside.max())
    ways = np.flatnonzero(leading.any(axis=1))
    found = least_shares(
        seen.stations_m[:, steps] + vehicle.front_m, speed, aside, wanted, (stations - along)[ways], offsets[ways],
        room[ways], leading[ways], (lead**2 / (2.0 * LEAD_BRAKING))[ways], -vehicle.front_m,
    )  # fmt: skip
    return found, ways, 1.0


def comfort(seen: View) -> np.ndarray:
    """Return (N,): all within half the bounds of braking, acceleration, sideways force and jerk, nothing at twice."""
    drives, limits = seen.drives, seen.vehicle.limits
    jerk = np.diff(drives.accelerations_mps2, axis=1) / STEP_S
    shares = [
        -drives.accelerations_mps2[:, 1:].min(axis=1) / limits.comfort_braking_mps2,
        drives.accelerations_mps2[:, 1:].max(axis=1) / (2.0 * limits.acceleration_mps2),
        seen.sideways_mps2.max(axis=1) / limits.lateral_mps2,
        np.sqrt((jerk**2).mean(axis=1)) / JERK_MPS3,
    ]
    return 1.0 - np.mean([np.clip((share - 0.5) / 1.5, 0.0, 1.0) for share in shares], axis=0)


def lane_keeping(seen: View) -> np.ndarray:
    """Return (N,): all within a quarter of a metre of the reference, nothing from 1.5 m on; mean over the drive."""
    if seen.course.reference.kind == 'goal':
        return np.ones(len(seen.drives))
    return (1.0 - np.clip((np.abs(seen.offsets_m) - 0.25) / 1.25, 0.0, 1.0)).mean(axis=1)


def terrain(seen: View) -> np.ndarray:
    """Return (N,): how easy the ground under the axis of the vehicle is in the first 5 s, and how much room it has."""
    steps = np.arange(0, round(5.0 / STEP_S) + 1, 2)
    poses = seen.drives.poses[:, steps]
    front = poses[..., :2] + seen.vehicle.wheelbase_m * seen.axes[0][:, steps]
    speed = np.clip(seen.drives.speeds_mps[:, steps] / 10.0, 0.3, 1.0)  # rough ground is worse when fast
    hard = (seen.ground.cost(np.stack([poses[..., :2], front])) * speed).max(axis=0)
    room = np.clip((seen.ground.clearance(front) - seen.vehicle.width_m / 2.0) / 1.0, 0.0, 1.0)
    return ((1.0 - 0.7 * hard) * (0.7 + 0.3 * room)).mean(axis=1)


def speed_limit(seen: View) -> np.ndarray:
    """Return (N,): all within the limit, nothing from 3 m/s above; the mean over the drive."""
    return (1.0 - np.clip((seen.drives.speeds_mps - seen.course.speed_mps - 0.3) / 3.0, 0.0, 1.0)).mean(axis=1)


def courtesy(seen: View) -> OfWays:
    """Return (N, W): how little who is behind must brake for us when we come before him in the next 3 s."""
    step, traffic = round(3.0 / STEP_S), seen.traffic
    stations, offsets, _ = seen.course.reference.project(traffic.poses[:, [0, step], :2])  # (R, 2)
    behind = (np.abs(offsets[:, 0] - seen.course.offset_m) > 1.8) & (stations[:, 0] < seen.course.station_m)
    ways = np.flatnonzero(behind)
    rear = (seen.stations_m[:, step] - seen.vehicle.rear_m)[:, None]
    came = np.abs(offsets[ways, 1] - seen.offsets_m[:, step][:, None]) < 1.8
    closing = np.maximum(traffic.speeds_mps[ways, step] - seen.drives.speeds_mps[:, step][:, None], 0.0)
    gap = np.maximum(rear - stations[ways, 1] - traffic.half_m[traffic.of[ways], 0], 0.5)
    forced = np.where(came, closing**2 / (2.0 * gap), 0.0)
    return 1.0 - np.clip(forced / 3.0, 0.0, 1.0), ways, 1.0


def consistency(seen: View, last: Trajectory | None) -> np.ndarray:
    """Return (N,): how near the path stays to that of the last plan in the next 2 s; 1 m beside it earns nothing."""
    if last is None:
        return np.ones(len(seen.drives))
    steps = np.arange(0, round(2.0 / STEP_S) + 1, 2)
    beside = beside_nearest(seen.drives.poses, steps, np.ascontiguousarray(last.poses[::2][:, [0, 1, 3]]))
    return 1.0 - np.clip(np.sqrt((beside**2).mean(axis=1)), 0.0, 1.0)


def goal_window(seen: View) -> np.ndarray:
    """Return (N,): all where the middle of the body is at one moment where, when and as it should be."""
    body, poses = seen.bodies[0]
    heading = poses[..., 2]
    stations = seen.stations_m + body.middle_m * np.cos(seen.turns)
    offsets = seen.offsets_m + body.middle_m * np.sin(seen.turns)
    return met(seen.course.arrivals, stations, offsets, heading, seen.drives.speeds_mps)


TERMS: dict[str, Callable[[View], np.ndarray]] = {
    'comfort': comfort,
    'lane_keeping': lane_keeping,
    'terrain': terrain,
    'speed_limit': speed_limit,
}
TERMS_OF_USERS: dict[str, Callable[[View], OfWays]] = {
    'time_to_collision': time_to_collision,
    'headway': headway,
    'courtesy': courtesy,
}


@dataclass(frozen=True, eq=False)
class Scores:
    """The marks of all drives, and what they come to.

    marks: {term: (N,)}; `progress` is in metres: what is good depends on what else can be done. of_users: {term: the
    least mark over road users in each mode (N, K), whose it is (N, K), and the least of the others (N, K)}.
    worst_share: what the worst mode counts extra.
    """

    marks: dict[str, np.ndarray]
    of_users: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    chances: np.ndarray
    worst_share: float
    weights: Weights

    @cached_property
    def terms(self) -> dict[str, np.ndarray]:
        """{term: (N,)}: over road users the least, of the modes the expectation."""
        return self.marks | {name: self._over_modes(least) for name, (least, _, _) in self.of_users.items()}

    def _over_modes(self, kept: np.ndarray) -> np.ndarray:
        worst = kept[:, self._likely].min(axis=1)
        return (1.0 - self.worst_share) * (kept @ self.chances) + self.worst_share * worst

    @cached_property
    def _likely(self) -> np.ndarray:
        return np.flatnonzero(self.chances >= min(0.05, self.chances.max()))

    @cached_property
    def _weight(self) -> dict[str, float]:
        return self.weights.of(self.terms)

    @cached_property
    def _but_progress(self) -> np.ndarray:
        weighted = (self._weight[name] * values for name, values in self.terms.items() if name != 'progress')
        return np.asarray(sum(weighted, np.zeros(len(self.marks['progress']))))

    def totals(self, clean: np.ndarray, but_whom: int = -1) -> np.ndarray:
        """Return (N,) weighted means; progress is measured by the most that a clean drive makes.

        but_whom: one road user who is left out, if asked.
        """
        progress = self.marks['progress']
        most = max(float(progress[clean].max(initial=0.0)), LEAST_M)
        found = self._but_progress + self._weight['progress'] * np.clip(progress / most, 0.0, 1.0)
        for name, (least, whose, next_) in self.of_users.items() if but_whom >= 0 else ():
            rows, kept = left_out(least, whose, next_, but_whom)
            if len(rows):
                found[rows] += self._weight[name] * (self._over_modes(kept) - self.terms[name][rows])
        return found / sum(self._weight.values())

    def each(self, of: np.ndarray) -> 'Scores':
        """Return the same for candidates, given (C,) which drive each of them is."""
        marks = {name: values[of] for name, values in self.marks.items()}
        of_users = {name: (least[of], whose[of], next_[of]) for name, (least, whose, next_) in self.of_users.items()}
        return replace(self, marks=marks, of_users=of_users)


def best(totals: np.ndarray, clean: np.ndarray) -> int | None:
    """Return the clean drive with the highest total, the first of equals; None if no drive is clean."""
    return int(np.argmax(np.where(clean, totals, -1.0))) if clean.any() else None


def mark(seen: View, last: Trajectory | None, weights: Weights, worst_share: float) -> Scores:
    """Return all marks of the drives."""
    marks = {'progress': progress_m(seen)} | {name: term(seen) for name, term in TERMS.items()}
    marks['consistency'] = consistency(seen, last)
    if seen.course.arrivals:
        marks['goal_window'] = goal_window(seen)
    traffic = seen.traffic
    everywhere = np.ones((len(seen.drives), len(traffic.probabilities)))
    nobody = (everywhere, np.full(everywhere.shape, -2), everywhere)
    way = traffic.way_in_mode()
    of_users = {name: _over_users(term(seen), way) if len(traffic) else nobody for name, term in TERMS_OF_USERS.items()}
    return Scores(marks, of_users, traffic.probabilities, worst_share, weights)


def _over_users(told: OfWays, way: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `two_least` of marks; way: (O, K) of all ways."""
    marks, ways, most = told
    column = np.full(int(way.max(initial=-1)) + 2, -1)  # the last, that of nobody, stays
    column[ways] = np.arange(len(ways))
    return two_least(np.ascontiguousarray(marks), column[way], most)
