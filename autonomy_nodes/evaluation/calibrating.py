"""Each mount of a rig judged: LiDAR against ground, against cameras, and LiDARs against one another."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, rotation_log, rpy_of
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.rig import Moment, ground, sight
from autonomy_nodes.sensors.extrinsics import found, laid_on

FITS, DRIFT, UNSURE = 'fits', 'drift', 'not sure'
DRIFT_DEG, DRIFT_M = 0.7, 0.1  # from what is told; less is within what the estimates themselves may err
TILT_DEG = 1.0  # to the ground: load and tyres tilt a vehicle as well
SPREAD_DEG, SPREAD_M = 0.5, 0.05
FEW_PLACES, FLAT = 10, 0.4  # moments, and share of cells near the plane
SHARED = 0.3  # of a LiDAR's points, with a partner in the other's


@dataclass(frozen=True, eq=False)
class Judgement:
    """One relation. true_from_told: (4, 4), after base_link of the ground, after the sensor's own frame of others.

    verdict: FITS, DRIFT, or UNSURE with the reason in `why`.
    """

    what: str
    verdict: str
    off_deg: float
    off_m: float
    true_from_told: np.ndarray
    why: str = ''

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**vars(self), 'true_from_told': self.true_from_told.tolist()}


def judged(moments: Sequence[Moment]) -> list[Judgement]:
    """Return what each relation of a rig looks like; relations that nothing is known of are left out."""
    answers = []
    lidars = list(dict.fromkeys(name for moment in moments for name in moment.clouds))
    cameras = sorted({name for moment in moments for name in moment.shots})
    for lidar in lidars:
        answers.append(_attempted(f'{lidar} to ground', _ground, moments, lidar))
    for lidar in lidars[1:]:
        answers.append(_attempted(f'{lidar} to {lidars[0]}', _overlap, moments, lidars[0], lidar))
    if cameras:
        answers.append(_attempted(f'{lidars[0]} to all cameras', _seen, moments, ''))
    if len(cameras) > 1:
        for camera in cameras:
            answers.append(_attempted(f'{lidars[0]} to camera {camera}', _seen, moments, camera))
    return answers


def _attempted(what: str, judge: Callable[..., tuple[np.ndarray, str]], *given: Any) -> Judgement:
    try:
        true_from_told, why = judge(*given)
    except DataError as error:
        return Judgement(what, UNSURE, math.nan, math.nan, np.eye(4), str(error))
    off_deg = math.degrees(np.linalg.norm(rotation_log(true_from_told[:3, :3])))
    off_m = float(np.linalg.norm(true_from_told[:3, 3]))
    drifted = off_deg > (TILT_DEG if judge is _ground else DRIFT_DEG) or off_m > DRIFT_M
    return Judgement(what, UNSURE if why else DRIFT if drifted else FITS, off_deg, off_m, true_from_told, why)


def _ground(moments: Sequence[Moment], lidar: str) -> tuple[np.ndarray, str]:
    level = ground(moments, lidar)
    if len(moments) < FEW_PLACES:
        return level.true_from_told, f'{len(moments)} moments: a road that is tilted and a mount cannot be told apart'
    flat = f'only {level.fitting:.0%} of the ground near it is flat'
    return level.true_from_told, '' if level.fitting > FLAT else flat


def _seen(moments: Sequence[Moment], camera: str) -> tuple[np.ndarray, str]:
    guess = found(sight(moments, camera))
    spread_deg = math.degrees(guess.spread_rad)
    if spread_deg > SPREAD_DEG or guess.spread_m > SPREAD_M:
        apart = f'searches end {spread_deg:.1f} deg and {100 * guess.spread_m:.0f} cm apart'
        return guess.true_from_told, f'{apart}: more pictures with near edges are needed'
    return guess.true_from_told, ''


def _overlap(moments: Sequence[Moment], first: str, second: str) -> tuple[np.ndarray, str]:
    """Return the median of single moments, in base_link carried to the second LiDAR's frame."""
    found_at, shares = [], []
    for moment in moments:
        base_from_first, base_from_second = moment.base_from.get(first), moment.base_from.get(second)
        if base_from_first is None or base_from_second is None:
            continue
        target = moved(moment.clouds[first].xyz, base_from_first)
        correction, share = laid_on(target, moved(moment.clouds[second].xyz, base_from_second))
        found_at.append(inverse(base_from_second) @ correction @ base_from_second)
        shares.append(share)
    if not found_at:
        raise DataError(f'{second}: no sweep beside one of {first} with both mounts known')
    turns = np.array([rotation_log(each[:3, :3]) for each in found_at])
    middle = int(np.argmin(np.linalg.norm(turns - np.median(turns, axis=0), axis=1)))
    share = float(np.median(shares))
    return found_at[middle], '' if share > SHARED else f'only {share:.0%} of its points are seen by {first} as well'


def lines(found_all: Sequence[Judgement]) -> list[str]:
    """Return a line a relation."""
    told = []
    for each in found_all:
        off = f'{each.off_deg:6.2f} deg {100.0 * each.off_m:6.1f} cm' if math.isfinite(each.off_deg) else ' ' * 20
        told.append(f'{each.what:<32}{each.verdict:<10}{off}  {each.why}'.rstrip())
    return told


def mended(moments: Sequence[Moment], found_all: Sequence[Judgement]) -> list[str]:
    """Return the mounts that fit as lines for vehicle.mounts; of the main LiDAR by the ground, of others against it."""
    told = ['mounts that fit what was seen (vehicle.mounts; where /tf_static says else, correct it there):']
    by_name = {each.what: each for each in found_all if each.verdict != UNSURE}
    lidars = list(dict.fromkeys(name for moment in moments for name in moment.clouds))
    for lidar in lidars:
        mount = next((moment.base_from.get(lidar) for moment in moments if lidar in moment.base_from), None)
        level, overlap = by_name.get(f'{lidar} to ground'), by_name.get(f'{lidar} to {lidars[0]}')
        if mount is None or (level is None and overlap is None):
            continue
        matrix = mount @ overlap.true_from_told if overlap else level.true_from_told @ mount  # type: ignore[union-attr]
        frame = next(moment.clouds[lidar].frame for moment in moments if lidar in moment.clouds)
        told.append(_line(lidar, frame, matrix))
    for camera in sorted({name for moment in moments for name in moment.shots}):
        judgement = by_name.get(f'{lidars[0]} to camera {camera}') or by_name.get(f'{lidars[0]} to all cameras')
        mount = moments[0].base_from[lidars[0]]
        shot = next(moment.shots[camera] for moment in moments if camera in moment.shots)
        if judgement is not None and mount is not None:
            level = by_name.get(f'{lidars[0]} to ground')
            base_from_lidar = mount if level is None else level.true_from_told @ mount
            camera_from_lidar = shot.camera_from_lidar @ judgement.true_from_told
            told.append(_line(camera, shot.frame, base_from_lidar @ inverse(camera_from_lidar)))
    return told


def _line(name: str, frame: str, matrix: np.ndarray) -> str:
    place = ', '.join(f'{value:.4f}' for value in matrix[:3, 3])
    turn = ', '.join(f'{value:.5f}' for value in rpy_of(matrix))
    return f'  {name}: {{frame: {frame}, xyz_m: [{place}], rpy_rad: [{turn}]}}'
