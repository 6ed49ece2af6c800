"""What adapting without labels gains on frames that were held out of it.

`--model M --set train=0-61 --set held=108-131 --set seeds=3`: the network is adapted on the sweeps of one part, whose
labels are not read, once a seed and method, and all find objects in the other part, each sweep alone. Parts are
numbers of frames; `by=place` takes their places in the order of time in place of their names, `train_data=DIR` sweeps
of another folder, which may begin with a variable. `method=`: one of adaptation.METHODS, both where it is not told;
`steps=`: of self-training.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.adaptation import RULES, gains, precisions, verdict
from autonomy_nodes.evaluation.measures.channels import Channel
from autonomy_nodes.evaluation.measures.detected import Place, Seen, drives_of, measured, sweep_of
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.evaluation.measures.task import Result, Scored, Task, over, timed
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.messages.formats.frames import Frame
from autonomy_nodes.training.adapt.adaptation import METHODS, adapted, write_adapted
from autonomy_nodes.training.adapt.settings import AdaptSettings
from autonomy_nodes.training.adapt.unlabelled import hash_of, unlabelled
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.places import examples
from autonomy_nodes.training.samples import Source


@dataclass(frozen=True)
class Question:
    """What is asked. train, held: first and last number of each part. by_place: of places and not of names."""

    train: tuple[int, int]
    held: tuple[int, int]
    seeds: int
    methods: tuple[str, ...]
    steps: int
    by_place: bool
    train_data: Path


def asked_of(task: Task) -> Question:
    """Return what the options of a task ask; raises SettingsError naming the one that makes no sense."""
    options, usual = task.options, AdaptSettings()
    method, seeds, steps = (options.get(name, '') for name in ('method', 'seeds', 'steps'))
    if method not in ('', *METHODS):
        raise SettingsError(f'method={method!r} must be one of {", ".join(METHODS)}')
    if not (seeds or '3').isdigit() or not (steps or '1').isdigit() or int(seeds or 3) < 1 or int(steps or 1) < 1:
        raise SettingsError(f'seeds={seeds!r}, steps={steps!r} must be above 0')
    train_data = Path(os.path.expandvars(options.get('train_data', str(task.data))))
    return Question(
        _span(options, 'train'), _span(options, 'held'), int(seeds or 3), (method,) if method else METHODS,
        int(steps or usual.steps), options.get('by') == 'place', train_data,
    )  # fmt: skip


def _span(options: Mapping[str, str], name: str) -> tuple[int, int]:
    first, _, last = options.get(name, '').partition('-')
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise SettingsError(f'{name}={options.get(name, "")!r} must be FIRST-LAST, such as 0-61')
    return int(first), int(last)


def evaluate(task: Task, source: Source = examples) -> Result:
    """Adapt once a seed and method, find objects in what was held out, and tell what was gained."""
    question = asked_of(task)
    if task.model == 'none':
        raise SettingsError('adaptation needs --model')
    torch.set_num_threads(1)  # so that it repeats
    model, result = folder_of(task.model), Result(worst_by='vehicle.ap_2m')
    held = [(name, place) for name, place, frame in _frames(task.data, question, question.held) if frame.truth]
    sweeps = _sweeps(question, {name for name, _ in held} if question.train_data == task.data else set())
    if not held:
        raise DataError(f'{task.data}: no frame of {question.held} has labels; nothing can be judged')

    def seen_by(folder: Path) -> list[tuple[str, Seen]]:
        channel = Channel('learned', folder, 'torch')
        return over(task, [(name, (place, channel)) for name, place in held], measured, result)

    before = seen_by(model)
    frames = [seen for _, seen in before]
    result.figures |= {f'before.{name}': value for name, value in precisions(frames).items()}
    _write(task, result, 'before', before)
    for method in question.methods:
        settings, runs, spent = replace(AdaptSettings(), steps=question.steps), [], 0.0
        for seed in range(task.seed, task.seed + question.seeds):
            work = partial(adapted, model, sweeps, method, settings, seed, source)
            with tempfile.TemporaryDirectory() as folder:
                (network, told), seconds = timed(work)
                write_adapted(Path(folder) / f'{method}_{seed}', network, model, told, onnx=False)
                runs.append(seen_by(Path(folder) / f'{method}_{seed}'))
            spent += seconds / question.seeds
            _write(task, result, f'{method}_{seed}', runs[-1])
        told = gains(frames, [[seen for _, seen in run] for run in runs], task.seed)
        result.figures |= {f'{method}.{name}': value for name, value in told.items()} | {f'{method}.cpu_s': spent}
    return _ended(task, result, question, len(sweeps), before)


def _ended(
    task: Task, result: Result, question: Question, sweeps: int, before: Sequence[tuple[str, Seen]]
) -> Result:
    """Return the result with its counts, and leave what was gained in words."""
    lines = []
    for method in question.methods:
        told = {name.removeprefix(f'{method}.'): value for name, value in result.figures.items()}
        lines += [f'{method}.{verdict(name, told)}' for name in RULES if f'{name}_told' in told]
    (task.out / 'verdicts.txt').write_text(''.join(f'{line}\n' for line in lines))
    result.frames = [Scored(name, precisions([seen])) for name, seen in before]
    result.figures |= {'n_frames': len(before), 'n_train': sweeps, 'n_seeds': question.seeds}
    result.versions |= {'torch': torch.__version__, 'train_data_sha256': hash_of(question.train_data)}
    return result


def _frames(folder: Path, question: Question, span: tuple[int, int]) -> list[tuple[str, Place, Frame]]:
    """Return name, place and frame of those numbered so; names that are no numbers are of none."""
    found = []
    for which, drive in enumerate(drives_of(folder)[1]):
        for place, frame in enumerate(drive.frames):
            number = place if question.by_place else int(frame.name) if frame.name.isdigit() else -1
            if span[0] <= number <= span[1]:
                found.append((f'{drive.name}/{frame.name}', Place(folder, which, place), frame))
    return found


def _sweeps(question: Question, held: set[str]) -> list[Example]:
    """Return the sweeps that are adapted on, each alone; refuses those that are judged on too."""
    found = _frames(question.train_data, question, question.train)
    if both := sorted(held & {name for name, _, _ in found}):
        raise SettingsError(f'train and held share {both[0]}: what is judged must be held out')
    sweeps = [unlabelled(*sweep_of(frame)) for _, _, frame in found if frame.clouds]
    if not sweeps:
        raise DataError(f'{question.train_data}: no sweep is numbered {question.train}')
    return sweeps


def _write(task: Task, result: Result, name: str, found: Sequence[tuple[str, Seen]]) -> None:
    """Write what was found in each frame, in the words of the layout (see detection)."""
    answers = {frame: seen.answers for frame, seen in found}
    (task.out / f'{name}.json').write_text(json.dumps(answers, sort_keys=True) + '\n')
    result.answers[name] = short(json.dumps(answers, sort_keys=True))
