"""Whether a mount that is wrong is found, and mended: `--set inject=DEG,M`, of the main LiDAR's mount.

The wrong turn has that angle about a drawn axis, the wrong shift that length in a drawn direction; of what the ground
tells, that is roll, pitch and height, the same size stands in these alone. `left`: what is left after the estimate,
against the data set's own calibration, taken for true. `back`: against the estimate without the wrong mount, since how
the vehicle stands on this road (`told`) is no error of the method.
"""

import json
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, rotation_log
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over, timed
from autonomy_nodes.evaluation.rig import Moment, ground, of_frame, sight, spread
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.sensors.extrinsics import Found, found, laid_on, stepped

TRIALS = 5
WITHIN_DEG, WITHIN_M = 0.5, 0.05
DIGITS = 9


@dataclass(frozen=True)
class Trial:
    """One wrong mount. data: of which drive."""

    data: Path
    drive: str
    number: int
    seed: int
    turn_rad: float
    shift_m: float
    limit: int
    split: int = 0


def evaluate(task: Task) -> Result:
    """Measure `trials` (5) wrong mounts of each drive; `task.limit`: moments of each."""
    try:
        deg, shift_m = (float(word) for word in task.options.get('inject', '2,0.1').split(','))
        count, split = int(task.options.get('trials', TRIALS)), int(task.options.get('split', 0))
    except ValueError as error:
        raise DataError(f'--set inject=DEG,M, trials=N and split=BEAM: {error}') from error
    names = [drive.name for drive in drives(task.data) if any(frame.clouds for frame in drive)]
    trials = [
        (f'{name}_{number}', Trial(task.data, name, number, task.seed, math.radians(deg), shift_m, task.limit, split))
        for name in names for number in range(count)
    ]  # fmt: skip
    result = Result(worst_by='camera.left_deg', low_is_bad=False)
    told = over(replace(task, limit=0), trials, answered, result)
    for name, (figures, answer) in told:
        (task.out / f'{name}.json').write_text(json.dumps(rounded(answer), indent=1, sort_keys=True) + '\n')
        result.frames.append(Scored(name, figures))
    for key in sorted({key for _, (figures, _) in told for key in figures}):
        values = [figures[key] for _, (figures, _) in told if key in figures]
        result.figures[key] = float(np.mean(values))
        if key.endswith(('left_deg', 'left_m', 'back_deg', 'back_m')):
            result.figures[f'{key}.max'] = max(values)
            result.figures[f'{key}.low'], result.figures[f'{key}.high'] = bootstrap(values, task.seed)
            limit = WITHIN_DEG if key.endswith('deg') else WITHIN_M
            result.figures[f'{key}.share_within'] = float(np.mean([value <= limit for value in values]))
    result.figures['n_trials'] = len(told)
    return result


def answered(trial: Trial) -> tuple[Figures, dict[str, object]]:
    """Return what is left of one wrong mount, by ground and by cameras, and the raw answer."""
    drive = next(drive for drive in drives(trial.data) if drive.name == trial.drive)
    moments = [of_frame(frame) for frame in spread([frame for frame in drive if frame.clouds][: trial.limit or None])]
    drawn = np.random.default_rng((trial.seed, trial.number))
    turn, shift = drawn.normal(size=3), drawn.normal(size=3)
    turn, shift = trial.turn_rad * turn / np.linalg.norm(turn), trial.shift_m * shift / np.linalg.norm(shift)
    wrong = stepped(np.eye(4), np.concatenate([shift, turn]))
    figures: Figures = {}
    answer: dict[str, object] = {'wrong': wrong.tolist(), 'drive': trial.drive, 'moments': len(moments)}
    lidar = next(iter(moments[0].clouds))
    if moments[0].base_from[lidar] is not None:
        figures |= _by_ground(moments, lidar, trial, drawn, answer)
    if any(moment.shots for moment in moments):
        guess, cpu_s = timed(lambda: found(sight(moments, wrong=wrong)))
        left = wrong @ guess.true_from_told
        figures |= left_of('camera', left) | {'camera.cpu_s': cpu_s} | _told(guess)
        answer['camera'] = guess.true_from_told.tolist()
    if trial.split:
        figures |= _by_lidar(moments, lidar, trial, wrong, answer)
    if not figures:
        raise DataError(f'{trial.drive}: neither the place of the LiDAR nor pictures are told')
    return figures, answer


def rounded(value: Any) -> Any:
    """Return an answer with numbers of DIGITS after the point: the last bits differ between processors."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, DIGITS) + 0.0 if isinstance(value, float) else value


def _by_ground(
    moments: list[Moment], lidar: str, trial: Trial, drawn: np.random.Generator, answer: dict[str, object]
) -> Figures:
    """Tilt base_link as the ground sees it: about a level axis, and up or down."""
    way, up = drawn.uniform(0.0, 2.0 * math.pi), math.copysign(trial.shift_m, drawn.normal())
    axis = np.array([math.cos(way), math.sin(way), 0.0])
    tilted = stepped(np.eye(4), np.concatenate([[0.0, 0.0, up], trial.turn_rad * axis]))
    mount = next(moment.base_from[lidar] for moment in moments)
    assert mount is not None
    level, cpu_s = timed(lambda: ground(moments, lidar, inverse(mount) @ tilted @ mount))
    left = level.true_from_told @ tilted
    answer['ground'], answer['tilted'] = level.true_from_told.tolist(), tilted.tolist()
    tilt_deg = math.degrees(math.acos(min(1.0, float(left[2, 2]))))
    height_m = float((left @ mount)[2, 3] - mount[2, 3])
    own = ground(moments, lidar)
    back = inverse(own.true_from_told) @ left  # a road that is no plane, or a mount told wrong, are in both
    return {
        'ground.back_deg': math.degrees(math.acos(min(1.0, float(back[2, 2])))),
        'ground.back_m': abs(float((back @ mount)[2, 3] - mount[2, 3])),
        'ground.left_deg': tilt_deg, 'ground.left_m': abs(height_m), 'ground.cpu_s': cpu_s / len(moments),
        'ground.told_deg': math.degrees(own.tilt_rad), 'ground.told_m': own.height_m,
    }  # fmt: skip


def _by_lidar(
    moments: list[Moment], lidar: str, trial: Trial, wrong: np.ndarray, answer: dict[str, object]
) -> Figures:
    """Lay the beams from number `split` on, which are another unit's, on the others; both are told in one frame."""
    told: list[Figures] = []
    for moment in moments:
        cloud = moment.clouds[lidar]
        if cloud.ring is None:
            raise DataError(f'{trial.drive}: beams have no numbers to split them by')
        first, second = cloud.xyz[cloud.ring < trial.split], cloud.xyz[cloud.ring >= trial.split]
        (pose, _), cpu_s = timed(partial(laid_on, first, moved(second, wrong)))
        own, _ = laid_on(first, second)
        back = left_of('lidar', inverse(own) @ pose @ wrong)
        left = left_of('lidar', pose @ wrong) | {key.replace('left', 'back'): value for key, value in back.items()}
        told.append(left | {'lidar.cpu_s': cpu_s})
        answer['lidar'] = pose.tolist()
    return {key: float(np.mean([each[key] for each in told])) for key in told[0]}


def left_of(name: str, left: np.ndarray) -> Figures:
    """Return how far a (4, 4) is from none."""
    turn_rad = float(np.linalg.norm(rotation_log(left[:3, :3])))
    return {f'{name}.left_deg': math.degrees(turn_rad), f'{name}.left_m': float(np.linalg.norm(left[:3, 3]))}


def _told(guess: Found) -> Figures:
    return {
        'camera.score_told': guess.told_score, 'camera.score_found': guess.score,
        'camera.spread_deg': math.degrees(guess.spread_rad), 'camera.spread_m': guess.spread_m,
    }  # fmt: skip
