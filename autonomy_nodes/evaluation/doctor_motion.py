"""The doctor's look at motion: do IMU, wheels, steering and LiDAR turn the same way, and is the speed in m/s?

What stands up is the same from sweep to sweep once the vehicle's own motion is taken out. Where it is so only with the
turn reversed, or with the speed divided by 3.6, a sign or a unit is wrong.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.findings import MEND, Finding
from autonomy_nodes.evaluation.survey import Stream, Survey
from autonomy_nodes.messages import topics
from autonomy_nodes.sensors.calibration import BASE, Calibration

LONGEST_S, MOST = 2.5, 12  # between two sweeps; pairs of sweeps that are compared
TURN_RAD, WAY_M = 0.08, 2.0  # less than that between two sweeps tells no sign, no unit
CELL_M, REACH_M, LOW_M, HIGH_M = 0.5, 45.0, 0.5, 3.0  # of what stands up
FEW_POINTS, GRID = 200, 1 << 12
FITTING, BETTER = 0.5, 1.3  # share of points that must fit, and how much better than what was told
KMH = 3.6
TURNS_RAD, WAYS = np.linspace(-0.04, 0.04, 5), np.linspace(0.85, 1.15, 7)  # about what is told
AGAINST = -0.5  # correlation of two turns that have opposite signs
REMEDIES: Mapping[str, str] = {
    topics.IMU.name: 'z is up and left turns are positive: correct its mount, or the sign in its driver',
    topics.VELOCITY.name: 'left turns are positive: correct the sign of heading_rate in its driver',
    topics.STEERING.name: 'left is positive: correct the sign in its driver',
    topics.LIDAR_RAW.name: 'x is ahead, y left, z up: do not mirror y in its driver, and correct its mount',
}


@dataclass(frozen=True, eq=False)
class Leg:
    """What stands up (N, 3) in base_link at two moments, and the way between as the wheels tell it."""

    before: np.ndarray
    after: np.ndarray
    start_ns: int
    end_ns: int
    way_m: float


def check_turns(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for a sensor that turns against the others, and for wheels in km/h."""
    calibration = _calibration(survey, vehicle)
    sources = _rates(survey, vehicle, calibration)
    for lidar in survey.of_kind(topics.LIDAR_RAW):
        legs = _legs(lidar, survey, calibration)
        if not legs:
            continue
        turns = {name: np.array([_turned(rates, leg) for leg in legs]) for name, rates in sources.items()}
        signs = _signs(turns)
        if signs:
            main = next(iter(turns.values()))
            yield from _of_speed(survey, legs, main)
            if sign := _sign_of_lidar(legs, main):
                signs[lidar.name] = sign
        yield from _of_signs(signs, lidar.name)


def _calibration(survey: Survey, vehicle: Vehicle) -> Calibration:
    calibration = Calibration(vehicle.mounts)
    for transforms in survey.mounts:
        try:
            calibration.take(transforms)
        except DataError:
            continue  # told by the look at frames
    return calibration


def _rates(survey: Survey, vehicle: Vehicle, calibration: Calibration) -> dict[str, np.ndarray]:
    """Return {topic: (N, 2) stamp [ns], rate of turn [rad/s]}, left positive, of what tells it."""
    told: dict[str, list[tuple[int, float]]] = {}
    for stream in survey.of_kind(topics.IMU):
        for sample in stream.values:
            try:
                up = calibration.base_from(sample.frame or BASE)[2, :3]
            except DataError:
                break
            told.setdefault(topics.IMU.name, []).append((sample.stamp_ns, float(up @ sample.angular_rps)))
    wheels = [sample for stream in survey.of_kind(topics.VELOCITY) for sample in stream.values]
    if any(sample.heading_rate_rps for sample in wheels):
        told[topics.VELOCITY.name] = [(sample.stamp_ns, sample.heading_rate_rps) for sample in wheels]
    angles = [sample for stream in survey.of_kind(topics.STEERING) for sample in stream.values]
    if angles and wheels:
        speeds = sorted((sample.stamp_ns, sample.longitudinal_mps) for sample in wheels)
        times, values = np.array([ns for ns, _ in speeds], float), np.array([speed for _, speed in speeds])
        stamps = np.array([sample.stamp_ns for sample in angles], float)
        bent = np.tan([sample.wheel_angle_rad for sample in angles]) / vehicle.wheelbase_m
        rates = np.interp(stamps, times, values) * bent
        told[topics.STEERING.name] = list(zip(stamps.tolist(), rates.tolist()))
    return {name: np.array(rates, float) for name, rates in told.items()}


def _turned(rates: np.ndarray, leg: Leg) -> float:
    """Return the turn [rad] over a leg, nan where nothing tells it."""
    within = rates[(rates[:, 0] >= leg.start_ns) & (rates[:, 0] < leg.end_ns), 1]
    return float(within.mean()) * (leg.end_ns - leg.start_ns) / SECOND_NS if len(within) else np.nan


def _legs(lidar: Stream, survey: Survey, calibration: Calibration) -> list[Leg]:
    speeds = [(each.stamp_ns, each.longitudinal_mps) for s in survey.of_kind(topics.VELOCITY) for each in s.values]
    table, legs = np.array(speeds, float).reshape(-1, 2), []
    for before, after in list(pairwise(lidar.values))[:MOST]:
        within = table[(table[:, 0] >= before.stamp_ns) & (table[:, 0] < after.stamp_ns), 1]
        seconds = (after.stamp_ns - before.stamp_ns) / SECOND_NS
        if not 0.0 < seconds < LONGEST_S or not len(within):
            continue
        try:
            first, second = _standing(before, calibration), _standing(after, calibration)
        except DataError:
            return []
        if min(len(first), len(second)) >= FEW_POINTS:
            legs.append(Leg(first, second, before.stamp_ns, after.stamp_ns, float(within.mean()) * seconds))
    return legs


def _standing(cloud: PointCloud, calibration: Calibration) -> np.ndarray:
    points = moved(cloud.xyz, calibration.base_from(cloud.frame))
    height, far = points[:, 2], np.abs(points[:, :2]).max(axis=1)
    return points[(height > LOW_M) & (height < HIGH_M) & (far < REACH_M)]


def _fit(leg: Leg, turn_rad: float, way_m: float) -> float:
    """Return the largest share of the points after that lie on those before, with about this motion on an arc."""
    held, best = np.unique(_cells(leg.before[:, :2])), 0.0
    for turn in turn_rad + TURNS_RAD:
        cosine, sine = np.cos(turn), np.sin(turn)
        turned = leg.after[:, :2] @ np.array([[cosine, sine], [-sine, cosine]])
        for way in way_m * WAYS:
            now = turned + way * np.array([np.cos(turn / 2.0), np.sin(turn / 2.0)])
            best = max(best, float(np.isin(_cells(now), held).mean()))
    return best


def _cells(places: np.ndarray) -> np.ndarray:
    x, y = (np.floor(places / CELL_M).astype(int) + GRID // 2).T
    return x * GRID + y


def _of_speed(survey: Survey, legs: list[Leg], turns: np.ndarray) -> Iterator[Finding]:
    rows = [(leg, turn) for leg, turn in zip(legs, turns) if np.isfinite(turn) and abs(leg.way_m) > KMH * WAY_M]
    if not rows:
        return
    both_ways = [(turn, -turn) for _, turn in rows]  # whichever way the LiDAR's y points
    told, slower = (
        float(np.mean([max(_fit(leg, turn, leg.way_m / unit) for turn in pair)
                       for (leg, _), pair in zip(rows, both_ways)]))
        for unit in (1.0, KMH)
    )  # fmt: skip
    if slower > FITTING and slower > BETTER * told:
        text = f'{max(abs(leg.way_m) for leg, _ in rows):.0f} m between two sweeps, which moved {KMH} times less'
        yield Finding(MEND, topics.VELOCITY.name.lstrip('/'), text, 'it is in km/h: publish m/s')


def _sign_of_lidar(legs: list[Leg], turns: np.ndarray) -> int:
    rows = [(leg, turn) for leg, turn in zip(legs, turns) if abs(turn) > TURN_RAD]
    if not rows:
        return 0
    same, against = (float(np.mean([_fit(leg, sign * turn, leg.way_m) for leg, turn in rows])) for sign in (1, -1))
    if max(same, against) < FITTING or max(same, against) < BETTER * min(same, against):
        return 0
    return 1 if same > against else -1


def _signs(turns: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return 1 for what turns as the first of them does, -1 for what turns against it; what is unsure is left out."""
    if not turns:
        return {}
    name, first = next(iter(turns.items()))
    signs = {name: 1}
    for other, told in list(turns.items())[1:]:
        both = np.isfinite(first) & np.isfinite(told) & (np.abs(first) > TURN_RAD)
        length = np.linalg.norm(first[both]) * np.linalg.norm(told[both])
        if length > 0.0 and abs(alike := float(first[both] @ told[both]) / length) > -AGAINST:
            signs[other] = 1 if alike > 0.0 else -1
    return signs


def _of_signs(signs: Mapping[str, int], lidar: str) -> Iterator[Finding]:
    total = sum(signs.values())
    if len(set(signs.values())) < 2:
        return
    for name, sign in signs.items():
        remedy = REMEDIES[topics.LIDAR_RAW.name if name == lidar else name]
        if sign * total < 0:
            others = ', '.join(other for other, way in signs.items() if way != sign)
            yield Finding(MEND, name.lstrip('/'), f'turns against {others}', remedy)
        elif total == 0:
            text = 'turns against ' + ', '.join(other for other, way in signs.items() if way != sign)
            yield Finding(MEND, name.lstrip('/'), text, f'one of them is wrong: {remedy}')
