"""How well it is foretold where road users go: recorded scenes, the node's predictor and baselines beside it.

--data: a folder of folders of scenes with groups.json, or one of these folders (messages/formats/trajectories.py);
--folds 0,1: scenes of these folds alone. Raw answers: FOLDER/SCENE.npz of the predictor, METHOD/FOLDER/SCENE.npz of the
others: agent, t0 (step of 0.1 s), trajectories (K, 80, 2), probabilities (K), scene_mode (K), a row a target.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import forecast_intents
from autonomy_nodes.evaluation.measures.forecast_intents import Meant, meant
from autonomy_nodes.evaluation.measures.forecast_picture import drawn
from autonomy_nodes.evaluation.measures.forecast_scores import (
    HORIZONS,
    MISS_M,
    Marks,
    interval,
    marks,
    mean_precision,
    means,
    ranked,
)
from autonomy_nodes.evaluation.measures.forecast_windows import KINDS, OTHERS, VEHICLES, Window, windows
from autonomy_nodes.evaluation.measures.forecasts import BASELINES, LONGEST, REACH_M, Futures, moment, stack
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.evaluation.recorded import RecordedMap, standing
from autonomy_nodes.inference.backend import NONE
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.messages.formats.trajectories import in_folds, read_scene
from autonomy_nodes.prediction.intents import middles_of
from autonomy_nodes.prediction.learned import opened
from autonomy_nodes.prediction.predictor import PredictorConfig
from autonomy_nodes.prediction.warmup import warm

STACK, REFERENCE = 'stack', 'lane_fan'
APART = 'apart'  # the stack's own futures, joint modes by each one's ranks: what knowing of one another adds
MAIN = ('min_ade_m', 'min_fde_m', 'miss_rate', 'brier_min_fde_m')
JOINT = ('min_sade_m', 'min_sfde_m', 'scene_collision_rate')


@dataclass
class Told:
    """Of one scene: its windows, {method: marks of each window}, and the CPU time of each call of the predictor [s].

    Beside the methods stands APART. meant: {method: intents of each window}.
    """

    windows: list[Window] = field(default_factory=list)
    marks: dict[str, list[Marks]] = field(default_factory=dict)
    cpu_s: list[float] = field(default_factory=list)
    meant: dict[str, list[Meant]] = field(default_factory=dict)


def evaluate(task: Task) -> Result:
    """Foretell every window of every scene, by every method."""
    try:
        folds = [int(word) for word in task.options.get('folds', '').split(',') if word]
    except ValueError as error:
        raise DataError(f'--folds {task.options["folds"]}: {error}') from error
    sources = list(in_folds(task.data, folds))
    groups = {name: group for name, _, group in sources}
    result = Result(worst_by='min_ade_m', low_is_bad=False)
    work = partial(foretold, out=task.out, model=task.model, engine=task.backend)
    found = over(task, [(name, (name, path)) for name, path, _ in sources], work, result)
    files = {name: path for name, path, _ in sources}
    for name, told in found:
        if told.windows and any(window.vehicles.any() for window in told.windows):
            ade = np.concatenate([mark.ade[w.vehicles, 2] for w, mark in zip(told.windows, told.marks[STACK])])
            picture = partial(drawn, files[name], name, task.out)
            result.frames.append(Scored(name, {'min_ade_m': float(ade.mean()), 'n_targets': len(ade)}, picture))
    result.figures |= {'n_scenes': len(found)}
    told_of = {name: told for name, told in found if told.windows}
    if told_of:
        result.figures |= figures(told_of, groups, task.seed)
    return result


def foretold(item: tuple[str, Path], out: Path, model: str = NONE, engine: str = 'auto') -> Told:
    """Return the marks of one scene, and leave what was foretold as files."""
    name, path = item
    scene = read_scene(path, name)
    road, found, told = RecordedMap(scene), windows(scene), Told()
    backend = opened(folder_of(model), engine) if model != NONE else None
    warm(PredictorConfig(), backend)
    futures: dict[str, list[Futures]] = {method: [] for method in (STACK, *BASELINES)}
    told.meant = {method: [] for method in futures}
    for window in found:
        pieces = road.pieces(window.now, scene.states[window.agents, window.now, :2], REACH_M)
        middles = middles_of(pieces, standing(window.now).odom_from_base)
        ours, spent_s = stack(scene, road, window.now, window.agents, backend)
        futures[STACK].append(ours)
        told.cpu_s.append(spent_s)
        now = moment(scene, road, window.now, window.agents)
        for method, baseline in BASELINES.items():
            futures[method].append(baseline(now))
        for method, one in meant(window, {method: each[-1] for method, each in futures.items()}, middles).items():
            told.meant[method].append(one)
    told.windows = found
    told.marks[APART] = [
        marks(window, ours.paths, ours.odds, ranked(replace(ours, scene=None)))
        for window, ours in zip(found, futures[STACK])
    ]
    for method, each in futures.items():
        place = out / name if method == STACK else out / method / name
        answers = [rows_of(window, one) for window, one in zip(found, each)]
        _write(place.with_suffix('.npz'), answers)
        told.marks[method] = [
            marks(window, row['trajectories'].astype(float), row['probabilities'].astype(float), row['scene_mode'])
            for window, row in zip(found, answers)
        ]
    return told


def rows_of(window: Window, futures: Futures) -> dict[str, np.ndarray]:
    """Return the raw answers of a window, a row a target."""
    return {
        'agent': window.agents.astype(np.int32), 't0': np.full(len(window.agents), window.now, np.int32),
        'trajectories': futures.paths.astype(np.float32), 'probabilities': futures.odds.astype(np.float32),
        'scene_mode': ranked(futures).astype(np.int8),
    }  # fmt: skip


def _write(path: Path, answers: list[dict[str, np.ndarray]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nobody = Window(0, *(np.zeros(0, int) for _ in range(6)))
    answers = answers or [rows_of(nobody, Futures(np.zeros((0, 1, LONGEST, 2)), np.zeros((0, 1))))]
    arrays = {key: np.concatenate([row[key] for row in answers]) for key in answers[0]}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def figures(told: dict[str, Told], groups: dict[str, str], seed: int) -> Figures:
    """Return all figures of scenes by name, of which each is in a group: ours plain, of others as peers'."""
    pairs = [(name, window) for name, one in told.items() for window in one.windows]
    labels = np.concatenate([window.labels for _, window in pairs])
    kinds = np.concatenate([window.kinds for _, window in pairs])
    names = np.array([name for name, window in pairs for _ in window.agents])
    joint_names = np.array([name for name, window in pairs if window.vehicles.sum() > 1])
    parts = _parts(labels, kinds, names)
    found: Figures = {f'n_{part.rstrip(".") or "targets"}': int(which.sum()) for part, which in parts.items()}
    found |= {'n_joint_windows': len(joint_names), 'n_groups': len({groups[name] for name in names.tolist()})}
    columns: dict[str, dict[str, np.ndarray]] = {}
    for method in (STACK, *BASELINES):
        who = '' if method == STACK else f'peer.{method}.'
        each = [mark for one in told.values() for mark in one.marks[method]]
        columns[method] = _columns(each)
        hits, odds = [row for mark in each for row in mark.hits], [row for mark in each for row in mark.odds]
        for part, which in parts.items():
            rows = np.flatnonzero(which).tolist()
            found |= {f'{who}{part}{key}': value for key, value in means(_plain(columns[method]), which).items()}
            if rows:
                found[f'{who}{part}map'] = mean_precision([hits[k] for k in rows], [odds[k] for k in rows], kinds[rows])
        found |= {f'{who}{key}': value for key, value in means(columns[method], parts['']).items()}
        found |= _scenes(who, each, joint_names, groups, seed)
    apart = [mark for one in told.values() for mark in one.marks[APART]]
    found |= _scenes(f'{APART}.', apart, joint_names, groups, seed)
    said = {method: [one for each in told.values() for one in each.meant[method]] for method in columns}
    found |= forecast_intents.figures(said, {name: '' if name == STACK else f'peer.{name}.' for name in said})
    found |= _intervals(columns, parts[''], np.array([groups[name] for name in names.tolist()]), seed)
    spent_ms = 1e3 * np.concatenate([one.cpu_s for one in told.values()])
    return found | {'cpu_ms': float(spent_ms.mean()), 'cpu_ms_p95': float(np.percentile(spent_ms, 95))}


def _parts(labels: np.ndarray, kinds: np.ndarray, names: np.ndarray) -> dict[str, np.ndarray]:
    """Return {part: which targets}: vehicles by source, class and kind of motion, then people and cyclists."""
    vehicles = np.isin(labels, list(VEHICLES))
    sources = np.array([name.partition('/')[0] for name in names.tolist()])
    parts = {'': vehicles} | {f'{source}.': vehicles & (sources == source) for source in sorted(set(sources.tolist()))}
    parts |= {f'class_{name}.': labels == label for label, name in VEHICLES.items()}
    parts |= {f'kind_{name}.': vehicles & (kinds == place) for place, name in enumerate(KINDS)}
    return parts | {f'{name}.': labels == label for label, name in OTHERS.items()}


def _columns(each: list[Marks]) -> dict[str, np.ndarray]:
    """Return {figure: (N,) values}, those of other horizons by their part's name."""
    ade, fde = np.concatenate([mark.ade for mark in each]), np.concatenate([mark.fde for mark in each])
    columns = {}
    for place, horizon in enumerate(HORIZONS):
        columns[f'{horizon}min_ade_m'], columns[f'{horizon}min_fde_m'] = ade[:, place], fde[:, place]
        missed = np.where(np.isfinite(fde[:, place]), fde[:, place] > MISS_M, np.nan)
        columns[f'{horizon}miss_rate'] = missed
    return columns | {'brier_min_fde_m': np.concatenate([mark.brier for mark in each])}


def _plain(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: columns[key] for key in MAIN}


def _scenes(who: str, each: list[Marks], names: np.ndarray, groups: dict[str, str], seed: int) -> Figures:
    """Return the figures of whole scenes, by source too, with intervals."""
    columns = dict(zip(JOINT, (np.concatenate([getattr(mark, name) for mark in each])
                               for name in ('sade', 'sfde', 'collided'))))  # fmt: skip
    found: Figures = {f'{who}{key}': value for key, value in means(columns, np.ones(len(names), bool)).items()}
    sources = np.array([name.partition('/')[0] for name in names.tolist()])
    for source in sorted(set(sources.tolist())):
        found |= {f'{who}{source}.{key}': value for key, value in means(columns, sources == source).items()}
    of = np.array([groups[name] for name in names.tolist()])
    for key, values in columns.items():
        if len(values):
            found[f'{who}{key}.low95'], found[f'{who}{key}.high95'] = interval(values, of, seed)
    return found


def _intervals(columns: dict[str, dict[str, np.ndarray]], which: np.ndarray, groups: np.ndarray, seed: int) -> Figures:
    """Return intervals of the main figures, and of how much less ours are than those of the best baseline."""
    found: Figures = {}
    if not which.any():
        return found
    for method, values in columns.items():
        who = '' if method == STACK else f'peer.{method}.'
        for key in MAIN:
            low, high = interval(values[key][which], groups[which], seed)
            found |= {f'{who}{key}.low95': low, f'{who}{key}.high95': high}
    for key in MAIN:
        less = (columns[REFERENCE][key] - columns[STACK][key])[which]
        low, high = interval(less, groups[which], seed)
        name = f'less_than_{REFERENCE}.{key}'
        found |= {name: float(less.mean()), f'{name}.low95': low, f'{name}.high95': high}
    return found
