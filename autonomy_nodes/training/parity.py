"""Whether every engine says what torch says of the same network, in each precision of which the model holds a file.

`--data`: a folder of models, such as models/, or one model. Each engine that is there runs each network on the same
seeded feeds (`--set feeds=8`), places and traffic that were never learned from nor calibrated on. float32 and FP16 are
judged by distance, INT8 by what it decides otherwise: by the very code that judges an engine on the vehicle
(`inference.parity`). What is not there is told as `ran` 0 and under `version.lacking.MODEL.ENGINE` in words. CPU time:
the fastest of REPEATS runs of a feed, their median; beside others of the machine it is no more than a hint.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over, timed
from autonomy_nodes.inference.backend import MODULES, Backend, installed
from autonomy_nodes.inference.decisions import Changed, changed, decisions_of
from autonomy_nodes.inference.manifest import MANIFEST, Manifest, folder_of, read_manifest
from autonomy_nodes.inference.opening import TENSORRT, opened
from autonomy_nodes.inference.parity import TOLERANCES, Parity, distance
from autonomy_nodes.inference.settings import FILES, EngineSettings, named
from autonomy_nodes.training.drift import Drift, drift_of
from autonomy_nodes.training.feeds import network_of, seeded
from autonomy_nodes.training.quantise import JUDGED_FROM

REFERENCE, FIRST, PLAIN = 'torch', 'onnx', 'fp32'
FEEDS, REPEATS = 8, 3


@dataclass
class Compared:
    """What one engine said of feeds. drifts: {output: drift}; seconds: CPU time of each feed.

    parities: by distance, a feed each; otherwise: by decisions, all feeds together. One of both is empty.
    """

    drifts: dict[str, Drift] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    parities: list[Parity] = field(default_factory=list)
    otherwise: list[Changed] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether it is within all limits."""
        return all(one.holds for one in self.parities) and all(one.holds for one in self.otherwise)

    @property
    def of_limit(self) -> float:
        """How much of its limit the worst figure takes: 1 is all of it."""
        off = [one.distance / one.tolerance for one in self.parities]
        return float(np.max([*off, *(one.share / one.limit for one in self.otherwise)]))


def evaluate(task: Task) -> Result:
    """Compare all engines on all feeds of all models of a folder, or of the one that is named."""
    if not installed(REFERENCE):
        raise SettingsError('parity is against torch, which lacks here: pip install autonomy_nodes[torch]')
    try:
        count = int(task.options.get('feeds', FEEDS))
    except ValueError as error:
        raise SettingsError(f'feeds={task.options["feeds"]!r} must be a number') from error
    folders = {folder.name: folder for folder in _models(task)}
    items = [(f'{name}/feed_{k:02d}', (folder, k)) for name, folder in folders.items() for k in range(count)]
    result = Result(worst_by='of_limit', low_is_bad=False)
    found = over(task, items, compared, result)
    for name, one in found:
        path = task.out / f'{name}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({label: _row(said) for label, said in one.items()}, indent=1) + '\n')
        result.frames.append(Scored(name, {'of_limit': max(said.of_limit for said in one.values())}
                                    | {label: said.of_limit for label, said in one.items()}))  # fmt: skip
    beyond = lacks = 0
    for name, folder in folders.items():
        if not (mine := [one for item, one in found if item.startswith(f'{name}/')]):
            continue
        every = {label: summed([one[label] for one in mine]) for label in mine[0]}
        beyond += sum(not said.holds for said in every.values())
        for label, said in every.items():
            result.figures |= {f'{name}.{label}.{key}': value for key, value in figures_of(said, every[FIRST]).items()}
        lacking = engines_of(folder)[1]
        lacks += len(lacking)
        result.figures |= {f'{name}.{label}.ran': 0.0 for label in lacking}
        result.versions |= {f'lacking.{name}.{label}': why for label, why in lacking.items()}
    result.figures |= {'n_feeds': len(found), 'n_beyond': beyond, 'n_lacking': lacks}
    result.versions |= {MODULES[name]: version(MODULES[name]) for name in MODULES if installed(name)}
    return result


def _models(task: Task) -> list[Path]:
    """Return the folders of models that are asked for."""
    if task.model != 'none':
        return [folder_of(task.model)]
    beneath = [path.parent for path in sorted(task.data.glob(f'*/{MANIFEST}'))]
    if found := [task.data] if (task.data / MANIFEST).is_file() else beneath:
        return found
    raise DataError(f'{task.data}: holds no model, nor folders of models; give models/')


@lru_cache(maxsize=4)
def engines_of(folder: Path) -> tuple[dict[str, Backend], dict[str, str]]:
    """Return the engines that run a model here, torch first, and of the others why they do not."""
    manifest, engines, lacking = read_manifest(folder), {}, {}
    for name in (REFERENCE, *(name for name in MODULES if name != REFERENCE)):
        for precision in FILES if name != REFERENCE else (PLAIN,):
            label = named(name, precision).replace(':', '_')
            try:
                engines[label] = _engine(folder, manifest, name, precision)
            except ValueError as error:
                lacking[label] = str(error)
    return engines, lacking


def _engine(folder: Path, manifest: Manifest, name: str, precision: str) -> Backend:
    """Return an engine as it is, without the self test that TensorRT has to pass elsewhere: this is that test."""
    if name != TENSORRT:
        return opened(folder, network_of(manifest), named(name, precision))
    from autonomy_nodes.inference.nvidia import session

    order = session.Order(folder, manifest, EngineSettings(precision=precision))
    machine = session.found_machine()
    plan, why = order.cache.found(manifest.name, session.identity_of(machine, order))
    if plan is None:
        raise SettingsError(f'{why}; run: {order.command}')
    return session.started(machine, order, plan)


def compared(item: tuple[Path, int]) -> dict[str, Compared]:
    """Return what each engine said of one feed, by its model and its place among the seeds."""
    folder, number = item
    engines, _ = engines_of(folder)
    manifest = engines[REFERENCE].manifest
    feed = next(seeded(manifest, JUDGED_FROM + number, 1))
    reference, found = engines[REFERENCE].run(feed), {}
    for label, engine in engines.items():
        precision = label.partition('_')[2] or PLAIN
        answer = engine.run(feed)
        one = Compared(drift_of(reference, answer), [min(timed(partial(engine.run, feed))[1] for _ in range(REPEATS))])
        if precision in TOLERANCES:
            one.parities = [distance(answer, reference, TOLERANCES[precision])]
        else:
            one.otherwise = changed(decisions_of(manifest, precision), [(answer, reference)])
        found[label] = one
    return found


def summed(parts: Sequence[Compared]) -> Compared:
    """Return what an engine said of many feeds."""
    total = Compared()
    total.seconds = [one for part in parts for one in part.seconds]
    total.parities = [one for part in parts for one in part.parities]
    for name in parts[0].drifts:
        some = [part.drifts[name] for part in parts]
        sums = (sum(one.off for one in some), sum(one.whole for one in some))
        total.drifts[name] = Drift(*sums, float(np.max([one.largest for one in some])))
    for rows in zip(*(part.otherwise for part in parts)):
        count = sum(one.count for one in rows)
        other = sum(one.share * one.count for one in rows)
        total.otherwise.append(replace(rows[0], share=other / max(count, 1), count=count))
    return total


def figures_of(found: Compared, first: Compared) -> Figures:
    """Return the figures of an engine beside the one that runs by default."""
    figures: Figures = {
        'ran': 1.0, 'within': float(found.holds), 'of_limit': found.of_limit,
        'rel_l2': float(np.max([drift.relative_l2 for drift in found.drifts.values()])),
        'cpu_ms': 1e3 * float(np.median(found.seconds)),
        'cpu_ratio': float(np.median(np.array(found.seconds) / np.array(first.seconds))),
    }  # fmt: skip
    if found.parities:
        figures |= {'tolerance': found.parities[0].tolerance, 'peak': max(one.peak for one in found.parities)}
    for one in found.otherwise:
        name = one.output.replace(' ', '_')
        figures |= {f'otherwise.{name}': one.share, f'otherwise.{name}.limit': one.limit}
    return figures | {f'of_{name}.rel_l2': drift.relative_l2 for name, drift in found.drifts.items()}


def _row(said: Compared) -> Mapping[str, Mapping[str, list[float]]]:
    """Return what is left as a file, in so many digits as repeat elsewhere.

    {'drift': {output: relative L2, largest error}, 'otherwise': {decision: how many, of how many}}.
    """
    return {
        'drift': {name: [float(f'{one.relative_l2:.1e}'), float(f'{one.largest:.1e}')]
                  for name, one in said.drifts.items()},
        'otherwise': {one.output: [round(one.share * one.count), one.count] for one in said.otherwise},
    }  # fmt: skip
