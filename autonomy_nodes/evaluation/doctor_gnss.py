"""The doctor's look at satellite fixes: are they places at all, and is their track the one that wheels and IMU tell?

A track that is much shorter or longer than the way of the wheels is no degrees of WGS 84, or a fix that is repeated.
Where the track of wheels and IMU fits the fixes only with latitude and longitude exchanged, they are. A shift of all
fixes alike, as between two datums, cannot be seen without a map.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.sensing import Fix
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.findings import MEND, Finding
from autonomy_nodes.evaluation.survey import Stream, Survey
from autonomy_nodes.localization.geodesy import LocalPlane
from autonomy_nodes.messages import topics

NOWHERE_DEG = 1e-6
EACH_S, LEAST_M = 1.0, 15.0  # between fixes that are compared, so that noise does not add up; wheels must go so far
STEP_NS = SECOND_NS // 50
STILL, SHORT, LONG = 0.1, 0.5, 2.0  # of the way of the wheels
OFF_M, BETTER = 0.5, 0.3  # how badly fixes fit as they are told (RMS), and which share of that remains exchanged
DEGREES = 'tell latitude, longitude in degrees and height in metres, of WGS 84, in this order'


def check_fix(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for receivers that say zero where they know nothing, and for fixes that do not move as the vehicle does."""
    for stream in survey.of_kind(topics.GNSS_FIX):
        count = sum(bool(np.abs(fix.llh[:2]).max() < NOWHERE_DEG) for fix in stream.values)
        if count:
            text = f'{count} of {stream.count} fixes lie at latitude 0, longitude 0'
            yield Finding(MEND, stream.name, text, 'set status NO_FIX (-1) while the receiver knows no place')
        else:
            yield from _of_track(survey, stream)


def _of_track(survey: Survey, stream: Stream) -> Iterator[Finding]:
    try:
        stamps_ns, places = _track(stream.values)
    except DataError:
        yield Finding(MEND, stream.name, 'fixes lie more than 100 km apart', DEGREES)
        return
    if len(stamps_ns) < 3:
        return
    way_m = _way_of_wheels(survey, stamps_ns)
    steps = np.diff(places, axis=0)
    share = float(np.linalg.norm(steps, axis=1).sum()) / way_m if way_m > LEAST_M else 1.0
    text = f'its track is {share * way_m:.1f} m long, the wheels went {way_m:.1f} m'
    if share < STILL:
        remedy = f'say NO_FIX (-1) instead of a fix that is repeated, and {DEGREES}'
        yield Finding(MEND, stream.name, text, remedy)
    elif not SHORT < share < LONG:
        yield Finding(MEND, stream.name, text, f'{DEGREES}; the speed of the wheels in m/s')
    elif way_m > LEAST_M:
        reckoned = _reckoned(survey, stamps_ns)
        off_m, exchanged_m = _misfit(places, reckoned), _misfit(_exchanged(stream.values), reckoned)
        if off_m > OFF_M and exchanged_m < BETTER * off_m:
            fits = f'fits wheels and IMU within {exchanged_m:.1f} m'
            text = f'{fits} with latitude and longitude exchanged, else {off_m:.1f}'
            yield Finding(MEND, stream.name, text, DEGREES)


def _track(fixes: list[Fix]) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) stamps [ns] and (N, 2) east, north [m] of fixes at least EACH_S apart."""
    kept: list[Fix] = []
    for fix in fixes:
        if not kept or fix.stamp_ns - kept[-1].stamp_ns >= EACH_S * SECOND_NS:
            kept.append(fix)
    plane = LocalPlane(tuple(kept[0].llh.tolist())) if kept else None
    places = [plane.place(fix.llh)[:2] for fix in kept if plane is not None]
    return np.array([fix.stamp_ns for fix in kept]), np.array(places).reshape(-1, 2)


def _way_of_wheels(survey: Survey, stamps_ns: np.ndarray) -> float:
    """Return the way [m] that wheels tell from the first stamp to the last, 0 where they tell less of it than half."""
    told = [(each.stamp_ns, abs(each.longitudinal_mps)) for s in survey.of_kind(topics.VELOCITY) for each in s.values]
    return _integral(told, stamps_ns)


def _reckoned(survey: Survey, stamps_ns: np.ndarray) -> np.ndarray:
    """Return (N, 2) places [m] at stamps by the speed of the wheels and the turns of the IMU, or else of the wheels."""
    wheels = [each for stream in survey.of_kind(topics.VELOCITY) for each in stream.values]
    speeds = sorted((each.stamp_ns, each.longitudinal_mps) for each in wheels)
    rates = sorted((each.stamp_ns, float(each.angular_rps[2])) for s in survey.of_kind(topics.IMU) for each in s.values)
    rates = rates or sorted((each.stamp_ns, each.heading_rate_rps) for each in wheels)
    times = np.arange(stamps_ns[0], stamps_ns[-1] + 1, STEP_NS)
    speed, rate = (
        np.interp(times, np.array([ns for ns, _ in told], float), [value for _, value in told])
        for told in (speeds, rates)
    )
    heading = np.cumsum(rate) * STEP_NS / SECOND_NS
    steps = speed[:, None] * np.column_stack([np.cos(heading), np.sin(heading)]) * STEP_NS / SECOND_NS
    way = np.cumsum(steps, axis=0)
    return np.column_stack([np.interp(stamps_ns, times, way[:, axis]) for axis in (0, 1)])


def _misfit(places: np.ndarray, reckoned: np.ndarray) -> float:
    """Return how far (N, 2) places lie from others that are turned and shifted as fits best, RMS [m]."""
    there, here = ((each - each.mean(axis=0)) @ [1.0, 1.0j] for each in (places, reckoned))
    turn = np.vdot(here, there)
    turn = turn / max(abs(turn), 1e-9)
    return float(np.sqrt(np.mean(np.abs(there - turn * here) ** 2)))


def _exchanged(fixes: list[Fix]) -> np.ndarray:
    """Return the track with latitude and longitude exchanged; far off where that is no place on earth."""
    swapped = [replace(fix, llh=fix.llh[[1, 0, 2]]) for fix in fixes]
    if any(abs(fix.llh[0]) > 90.0 for fix in swapped):
        return np.full_like(_track(fixes)[1], np.inf)
    return _track(swapped)[1]


def _integral(told: list[tuple[int, float]], ends_ns: np.ndarray) -> float:
    rows = [(stamp_ns, value) for stamp_ns, value in told if ends_ns[0] <= stamp_ns <= ends_ns[-1]]
    if len(rows) < 2 or rows[-1][0] - rows[0][0] < 0.5 * (ends_ns[-1] - ends_ns[0]):
        return 0.0
    return float(np.mean([value for _, value in rows])) * (ends_ns[-1] - ends_ns[0]) / SECOND_NS
