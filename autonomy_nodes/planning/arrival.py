"""A goal that is a window of time, with place, speed and heading: where on the course it lies, and how to get there.

Speeds over time that arrive are quintics of the way (Takahashi et al. 1989): they begin with our speed and acceleration
and end at the place, at the moment, with the speed, without acceleration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.planning.reference import Reference
from autonomy_nodes.planning.rollout import STEP_S, TIMES_S
from autonomy_nodes.planning.situation import GoalWindow

SOONEST_S = 0.4  # a window that ends sooner can hardly be aimed at any more
HORIZON_S = float(TIMES_S[-1])
MOMENTS = 5  # at which a window is aimed at, and a drive is held against it
INSIDE = (0.25, 0.5, 0.75)  # shares of the length of a place at which arrivals are aimed
INSIDE_M = 6.0  # the places aimed at are no further apart than this
GENTLE_MPS2 = 1.5  # by which it is guessed what can still be reached behind the horizon
PLACE_M, BESIDE_M, SPEED_MPS, HEADING_RAD = 4.0, 1.0, 1.5, 0.15  # each off by so much is the same amount missed
NEARLY = 0.8  # the most that a drive earns which misses


@dataclass(frozen=True, eq=False)
class Arrival:
    """A window along the course. Stations and offsets are of the middle of the body.

    from_s, until_s: seconds from now. near_m, far_m: stations; inf where any place will do. left_m, right_m: offsets.
    slowest_mps, fastest_mps; turn_rad, turn_most_rad: heading in the frame of the reference's points, and how far off.
    """

    from_s: float
    until_s: float
    near_m: float
    far_m: float
    left_m: float
    right_m: float
    slowest_mps: float = 0.0
    fastest_mps: float = np.inf
    turn_rad: float = 0.0
    turn_most_rad: float = np.inf

    @property
    def middle_m(self) -> float:
        """Offset of the middle of the place."""
        return 0.5 * (self.left_m + self.right_m)


def arrivals_on(reference: Reference, windows: Sequence[GoalWindow], stamp_ns: int) -> tuple[Arrival, ...]:
    """Return the windows with a place that can still be reached, on a reference in odom."""
    found = []
    for window in windows:
        from_s, until_s = ((at_ns - stamp_ns) / SECOND_NS for at_ns in (window.from_ns, window.until_ns))
        if until_s < 0.0:
            continue
        low, high = window.speeds_mps or (0.0, np.inf)
        turn, most = 0.0, np.inf
        if window.headings_rad is not None:
            turn, most = 0.5 * sum(window.headings_rad), 0.5 * (window.headings_rad[1] - window.headings_rad[0])
        for place in window.places:
            stations, offsets, _ = reference.project(place)
            found.append(Arrival(
                max(from_s, 0.0), until_s, float(stations.min()), float(stations.max()), float(offsets.max()),
                float(offsets.min()), max(low, 0.0), high, turn, most,
            ))  # fmt: skip
    return tuple(found)


def arriving_speeds(
    arrivals: Sequence[Arrival], station_m: float, speed_mps: float, acceleration: float, fastest_mps: float,
    braking_mps2: float, driving_mps2: float, count: int,
) -> np.ndarray:  # fmt: skip
    """Return (K, T) speeds over time that arrive in one of the windows, the smoothest first, at most `count`.

    station_m: of the middle of the body. braking_mps2, driving_mps2: what may be asked for.
    """
    aims = [aim for arrival in arrivals for aim in _aims(arrival, station_m, speed_mps, fastest_mps)]
    if not aims:
        return np.zeros((0, len(TIMES_S)))
    times, gaps, ends = np.array(aims).T
    speeds, pushes, cost = _quintics(times, gaps, ends, speed_mps, acceleration)
    fine = (speeds.min(axis=1) > -0.1) & (speeds.max(axis=1) < fastest_mps + 0.3)
    fine &= (pushes.min(axis=1) > -braking_mps2) & (pushes.max(axis=1) < driving_mps2)
    order = np.flatnonzero(fine)[np.argsort(cost[fine], kind='stable')][:count]
    return np.clip(speeds[order], 0.0, fastest_mps)


def _aims(arrival: Arrival, station_m: float, speed_mps: float, fastest_mps: float) -> list[tuple[float, float, float]]:
    """Return (seconds, metres, speed at the end) to try."""
    begin, end = max(arrival.from_s, SOONEST_S), arrival.until_s
    if end < begin:
        return []
    high = min(arrival.fastest_mps, fastest_mps)
    if not arrival.slowest_mps <= high:
        return []
    length = min(0.5 * (arrival.far_m - arrival.near_m), INSIDE_M)
    middle = 0.5 * (arrival.near_m + arrival.far_m)
    spots = [arrival.near_m + min(length, INSIDE_M), middle, arrival.far_m - min(length, INSIDE_M)]
    spots += [arrival.near_m + share * (arrival.far_m - arrival.near_m) for share in INSIDE]
    found = []
    for seconds in np.unique(np.linspace(begin, end, 3)).tolist():
        for spot in sorted(set(spots)):
            gap = spot - station_m
            if gap < 0.0:
                continue
            natural = 2.0 * gap / seconds - speed_mps  # by a constant acceleration
            wanted = (natural, gap / seconds, 0.5 * (arrival.slowest_mps + min(high, arrival.slowest_mps + 30.0)))
            found += [(seconds, gap, end) for end in sorted({float(np.clip(v, arrival.slowest_mps, high))
                                                             for v in wanted})]  # fmt: skip
    return found


def _quintics(
    times: np.ndarray, gaps: np.ndarray, ends: np.ndarray, speed: float, acceleration: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K, T) speeds and accelerations at the moments of a drive, steady from the arrival on, and (K,) cost."""
    t = times[:, None]
    rest = gaps[:, None] - speed * t - 0.5 * acceleration * t**2
    rest1 = (ends[:, None] - speed - acceleration * t) * t
    rest2 = -acceleration * t**2
    c3, c4, c5 = (10.0 * rest - 4.0 * rest1 + 0.5 * rest2, -15.0 * rest + 7.0 * rest1 - rest2,
                  6.0 * rest - 3.0 * rest1 + 0.5 * rest2)  # fmt: skip
    x = np.minimum(TIMES_S / t, 1.0)
    speeds = speed + acceleration * x * t + (x**2 * (3.0 * c3 + x * (4.0 * c4 + 5.0 * x * c5))) / t
    pushes = acceleration + x * (6.0 * c3 + x * (12.0 * c4 + 20.0 * x * c5)) / t**2
    there = t <= TIMES_S
    speeds, pushes = np.where(there, ends[:, None], speeds), np.where(there, 0.0, pushes)
    jerks = np.diff(pushes, axis=1) / STEP_S
    return speeds, pushes, (pushes**2).mean(axis=1) + 0.2 * (jerks**2).mean(axis=1)


def met(
    arrivals: Sequence[Arrival], stations_m: np.ndarray, offsets_m: np.ndarray, headings_rad: np.ndarray,
    speeds_mps: np.ndarray,
) -> np.ndarray:
    """Return (N,) how well drives (N, T) of the middle of the body meet the windows: 1 for one that is met.

    What is off counts by its size; a window behind the horizon is met by who can still come there gently.
    """
    best = np.zeros(len(stations_m))
    drives = (stations_m, offsets_m, headings_rad, speeds_mps)
    for arrival in arrivals:
        if arrival.from_s <= HORIZON_S:
            for moment in np.linspace(arrival.from_s, min(arrival.until_s, HORIZON_S), MOMENTS).tolist():
                best = np.maximum(best, _earned(_missed(arrival, *(_at(values, moment) for values in drives))))
        if arrival.until_s > HORIZON_S:
            best = np.maximum(best, _earned(_missed_later(arrival, *(values[:, -1] for values in drives))))
    return best


def pace_m(arrivals: Sequence[Arrival], station_m: float, made_m: np.ndarray) -> np.ndarray:
    """Return (N, T) metres made good, no more at any moment than brings the middle of the body there in time."""
    if not arrivals:
        return made_m
    caps = []
    for arrival in arrivals:
        middle_s = max(0.5 * (arrival.from_s + arrival.until_s), SOONEST_S)
        left_m = max(arrival.far_m - station_m, 0.0)
        caps.append(np.minimum(left_m * TIMES_S / middle_s, left_m))
    return np.minimum(made_m, np.max(caps, axis=0))


def _at(values: np.ndarray, moment_s: float) -> np.ndarray:
    """Return (N,) values of (N, T) at a moment."""
    place = min(moment_s / STEP_S, values.shape[1] - 1.0)
    low = min(int(place), values.shape[1] - 2)
    return values[:, low] + (place - low) * (values[:, low + 1] - values[:, low])


def _missed(
    arrival: Arrival, station: np.ndarray, offset: np.ndarray, heading: np.ndarray, speed: np.ndarray
) -> np.ndarray:
    """Return (N,) by how much states miss a window, 0 for not at all."""
    along = np.maximum(np.maximum(arrival.near_m - station, station - arrival.far_m), 0.0) / PLACE_M
    aside = np.maximum(np.maximum(offset - arrival.left_m, arrival.right_m - offset), 0.0) / BESIDE_M
    pace = np.maximum(np.maximum(arrival.slowest_mps - speed, speed - arrival.fastest_mps), 0.0) / SPEED_MPS
    turn = np.abs(np.asarray(wrapped(heading - arrival.turn_rad)))
    return along + aside + pace + np.maximum(turn - arrival.turn_most_rad, 0.0) / HEADING_RAD


def _missed_later(
    arrival: Arrival, station: np.ndarray, offset: np.ndarray, heading: np.ndarray, speed: np.ndarray
) -> np.ndarray:
    """Return (N,) by how much a window behind the horizon will be missed by states at its end."""
    least, most = max(arrival.from_s - HORIZON_S, 0.0), arrival.until_s - HORIZON_S
    reach = 0.5 * GENTLE_MPS2 * most**2
    furthest, nearest = station + speed * most + reach, station + np.maximum(speed * least - reach, 0.0)
    along = np.maximum(np.maximum(arrival.near_m - furthest, nearest - arrival.far_m), 0.0) / PLACE_M
    change = GENTLE_MPS2 * most
    pace = np.maximum(np.maximum(arrival.slowest_mps - speed, speed - arrival.fastest_mps) - change, 0.0) / SPEED_MPS
    return along + pace


def _earned(missed: np.ndarray) -> np.ndarray:
    return np.where(missed <= 1e-6, 1.0, NEARLY * np.exp(-missed / 2.0))
