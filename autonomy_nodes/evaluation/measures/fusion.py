"""What a network for LiDAR gains by hearing cameras, on simulated drives with pictures: vehicles and cells.

Every sweep is told twice by the same network, with pictures and without; each in turn as it is and with half its beams
(troubles.py); rain and fog come from drives in such weather, which pictures and sweeps suffer alike. `shown.`: what
lies in a picture. Intervals by drawing drives anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.camera import Looking, Moment, moments_of, taken
from autonomy_nodes.evaluation.measures.camera_truth import cells_told, labelled
from autonomy_nodes.evaluation.measures.precision import Judged, average_precision
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.evaluation.measures.terrain import Counts, shares
from autonomy_nodes.evaluation.measures.troubles import TROUBLES, Struck, drawn_for
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.perception.bev import CELLS
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.camera.channel import opened as cameras_of
from autonomy_nodes.perception.decode import DecodeSettings
from autonomy_nodes.perception.learned import LearnedChannel, LearnedSettings
from autonomy_nodes.perception.learned import opened as engine_of
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

REACH_M = 40.0
SUFFERED = ('clean', 'half_beams')
ALONE, BOTH = 'lidar', 'both'
LEAST = 0.02  # existence below which nothing is listed
ROUNDS = 300


@dataclass(frozen=True, eq=False)
class Told:
    """What one answer is worth: vehicles, cells; the latter {} where nobody tells of them."""

    vehicles: Judged
    counts: Counts


Answers = dict[str, Told]  # 'clean.both.shown.' and so on


def evaluate(task: Task) -> Result:
    """Measure on every sweep of simulated drives that comes with a picture."""
    if task.model == 'none':
        raise SettingsError('fusion needs --model: a network that hears cameras, with eyes/ and above/')
    looking = Looking(folder_of(task.model), None, task.backend)
    result = Result(worst_by='clean.gain')
    found = over(task, moments_of(task.data), partial(measured, looking=looking, seed=task.seed, out=task.out), result)
    drive_of = [name.rpartition('_')[0] for name, _ in found]
    answers = [one for _, one in found]
    result.figures |= compared(answers, drive_of, task.seed) | {'n_frames': len(found)}
    for name, one in found:
        gain = _miou([one], f'clean.{BOTH}.') - _miou([one], f'clean.{ALONE}.')
        if np.isfinite(gain):
            result.frames.append(Scored(name, {'clean.gain': gain}))
    return result


def measured(moment: Moment, looking: Looking, seed: int, out: Path) -> Answers:
    """Let the network tell of one sweep with pictures and without, leave that under `out`, and judge both."""
    shots, _, sensor_m, cloud = taken(moment)
    if cloud is None:
        raise SettingsError(f'frame {moment.frame.name}: has no sweep')
    eyes = _eyes(looking).perceive(0, shots)
    found: Answers = {}
    kept: dict[str, Any] = {}
    for trouble in SUFFERED:
        struck = Struck(cloud, sensor_m, drawn_for(moment.name, seed))
        sweep = TROUBLES[trouble](struck)
        seen = Perceiver(PerceptionConfig()).segment(sweep, sensor_m)
        for who in (ALONE, BOTH):
            hearing = _Hearing(looking, shots, sweep.xyz) if who == BOTH else None
            told = _lidar(looking).perceive(sweep, seen.ground, seen.rays, sensor_m, hear=hearing)
            for region, cells in (('', np.ones(CELLS, bool)), ('shown.', eyes.seen)):
                view = replace(eyes, objects=told.objects, outputs=told.outputs, seen=cells)
                judged = labelled(view, moment.frame, REACH_M)
                if judged:
                    counts = cells_told(view, moment.source, REACH_M)
                    found[f'{trouble}.{who}.{region}'] = Told(judged['vehicle'], counts)
            kept[f'{trouble}_{who}_flat'] = told.objects.flat
            kept[f'{trouble}_{who}_terrain'] = told.outputs['terrain'].argmax(axis=0).astype(np.uint8)
    np.savez_compressed(out / f'{moment.name}.npz', **kept)
    return found


def compared(answers: Sequence[Answers], drive_of: Sequence[str], seed: int) -> Figures:
    """Return what each answer is worth over all frames, and the gain by pictures with its interval."""
    figures: Figures = {}
    rng, names = np.random.default_rng(seed), sorted(set(drive_of))
    rows = {name: [n for n, of in enumerate(drive_of) if of == name] for name in names}
    again = [[answers[n] for k in rng.integers(0, len(names), len(names)) for n in rows[names[k]]]
             for _ in range(ROUNDS)]  # fmt: skip
    for trouble in SUFFERED:
        for region in ('', 'shown.'):
            one, two = (f'{trouble}.{who}.{region}' for who in (ALONE, BOTH))
            for what, worth in (('vehicle.ap', _ap), ('miou', _miou)):
                figures |= {f'{one}{what}': worth(answers, one), f'{two}{what}': worth(answers, two)}
                gains = [worth(drawn, two) - worth(drawn, one) for drawn in again]
                key = f'{trouble}.{region}{what}.gain'
                figures[key] = figures[f'{two}{what}'] - figures[f'{one}{what}']
                low, high = np.nanpercentile(gains, [2.5, 97.5]) if np.isfinite(gains).any() else (np.nan, np.nan)
                figures[f'{key}.low95'], figures[f'{key}.high95'] = float(low), float(high)
            told = [answer[one].vehicles for answer in answers if one in answer]
            figures[f'n_{trouble}.{region}vehicles'] = sum(each.labels for each in told)
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _ap(answers: Sequence[Answers], key: str) -> float:
    told = [answer[key].vehicles for answer in answers if key in answer]
    return average_precision(told) if sum(one.labels for one in told) else float('nan')


def _miou(answers: Sequence[Answers], key: str) -> float:
    counts = [answer[key].counts for answer in answers if key in answer and answer[key].counts]
    return 100.0 * shares(counts).get('miou', float('nan')) if counts else float('nan')


@dataclass(frozen=True, eq=False)
class _Hearing:
    """Asked by the network for what the pictures of one moment tell."""

    looking: Looking
    shots: Sequence[Shot]
    xyz: np.ndarray

    def __call__(self, ground_m: np.ndarray) -> np.ndarray:
        return _eyes(self.looking).perceive(0, self.shots, ground_m, self.xyz).camera


@lru_cache(maxsize=1)
def _lidar(looking: Looking) -> LearnedChannel:
    settings = LearnedSettings(decode=DecodeSettings(least=LEAST))
    return LearnedChannel(engine_of(looking.model, looking.backend), settings)


@lru_cache(maxsize=1)
def _eyes(looking: Looking) -> CameraChannel:
    return cameras_of(looking.model, looking.backend, settings=DecodeSettings(least=LEAST))
