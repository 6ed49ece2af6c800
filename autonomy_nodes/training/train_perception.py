"""Train the network of perception, read downwards: settings, data, network, loop, what it is worth.

All data are made on the spot from seeds (training/places.py): nothing is downloaded, nothing real is learned from.
Runs on the CPU, on one GPU, and under torchrun on several. A run may be cut anywhere: it goes on from its last
checkpoint, with seeds that it has not used. A lesson (lessons.py) is learned alone: what is not its own stays as it is,
and what it tells of itself lies in the checkpoint under its name.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.network import PRESETS as NETWORKS
from autonomy_nodes.perception.network import Network, filled
from autonomy_nodes.training.checkpoints import (
    CHECKPOINT,
    GENTLE,
    average,
    learned,
    origins,
    report,
    save,
    set_rate,
    state_of,
)
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.lessons import LESSONS, WHOLE, Lesson
from autonomy_nodes.training.samples import HELD_OUT, Guise, Sample, Samples, SampleSettings, Source

LEAST_RATE = 0.01  # of the highest, at the end of a run


@dataclass(frozen=True)
class TrainSettings:
    """How a network learns.

    rate: of learning, at its highest. batch: samples a step and process. warm_steps: over which the rate rises.
    smooth: share of the averaged weights (EMA) that each step keeps. workers: processes that make examples.
    every_s: between checkpoints. held_out: examples that tell how good it is.
    """

    network: str = 'small'
    rate: float = 2e-3
    decay: float = 0.01
    batch: int = 4
    warm_steps: int = 200
    smooth: float = 0.998
    clip: float = 10.0
    workers: int = 1
    every_s: float = 240.0
    held_out: int = 24
    samples: SampleSettings = field(default_factory=SampleSettings)

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f'network={self.network!r} must be one of {", ".join(NETWORKS)}')
        if not (self.rate > 0.0 and self.decay >= 0.0 and self.every_s > 0.0 and 0.0 <= self.smooth < 1.0):
            raise ValueError(f'rate={self.rate}, decay={self.decay}, every_s={self.every_s}, smooth={self.smooth}')
        if self.batch < 1 or self.workers < 0 or self.held_out < 1:
            raise ValueError(f'batch={self.batch}, workers={self.workers}, held_out={self.held_out} are too small')


PRESETS = {
    'ci': TrainSettings(
        'ci', rate=4e-3, batch=2, warm_steps=5, smooth=0.9, workers=0, every_s=30.0, held_out=2,
        samples=SampleSettings(a_place=2, pool=4),
    ),
    'small': TrainSettings(),
    'orin': TrainSettings('orin', rate=1e-3, batch=16, workers=14, samples=SampleSettings(pool=512)),
}  # fmt: skip


@dataclass
class Training:
    """All that a checkpoint holds: network, its averaged weights, optimizer, and how far it is.

    rest: what it tells of other lessons. first: the seed that it began with.
    """

    network: Network
    averaged: Network
    optimizer: torch.optim.Optimizer
    step: int = 0
    seed: int = 0
    spent_s: float = 0.0
    first: int = 0
    rest: dict[str, Any] = field(default_factory=dict)


def settings_of(preset: str, lesson: str) -> TrainSettings:
    """Return how a lesson is learned: a small part of the network faster, by more samples a step and an example."""
    settings = PRESETS[preset]
    if not lesson:
        return settings
    samples = replace(settings.samples, uses=2.0 * settings.samples.uses)
    return replace(
        settings, batch=2 * settings.batch, rate=2.0 * settings.rate, warm_steps=min(settings.warm_steps, 50),
        samples=samples,
    )  # fmt: skip


def train(
    preset: str, minutes: float, out: Path, source: Source, guise: Guise, seed: int = 0, resume: bool = False,
    slice_minutes: float = 0.0, steps: int = 0, threads: int = 1, tell: Callable[[str], None] = print,
    notes: Mapping[str, str] | None = None, only: str = '', start: Path | None = None,
) -> Path:  # fmt: skip
    """Train for so many minutes in all, of which slice_minutes now (0: all), and return the checkpoint's path.

    The rate falls to nothing at the end of `minutes`, or of `steps` where given: then a run repeats to the digit.
    notes: kept in the checkpoint, for the card. only: a lesson of LESSONS. start: a checkpoint, or a folder of models/,
    with all else; of the whole network, with the weights that a new run begins with, more gently: a run that goes on
    keeps its rate and what it is noted to have begun with.
    """
    lesson, settings, (device, rank, ranks) = LESSONS[only], settings_of(preset, only), _placed()
    torch.set_num_threads(threads)
    before, base = _before(lesson, settings, out / CHECKPOINT if resume else None, start)
    notes = dict(notes or {})
    if not lesson.name:
        notes |= origins(notes, before, None if before else base)
        settings = replace(settings, rate=_rate(settings, before, base))
    training = _started(settings, device, seed, lesson)
    _load(training, before, base, lesson, out / CHECKPOINT)
    out.mkdir(parents=True, exist_ok=True)
    learner = lesson.learner(training.network)
    network = DistributedDataParallel(learner) if ranks > 1 else learner
    held = _held_out(source, settings.held_out) if rank == 0 else []
    loader = _loader(Samples(source, guise, training.seed, settings.samples, rank, ranks, lesson.make), settings)
    began, earlier_s, saved, total_s = time.monotonic(), training.spent_s, time.monotonic(), minutes * 60.0
    means: dict[str, float] = {}
    for batch in loader:
        training.spent_s = earlier_s + time.monotonic() - began
        share = training.step / steps if steps else training.spent_s / total_s
        cut = slice_minutes > 0.0 and time.monotonic() - began > slice_minutes * 60.0
        share, over = _agreed(share, cut or share >= 1.0, device, ranks)
        if rank == 0 and training.step and (over or time.monotonic() - saved > settings.every_s):
            found = lesson.quality(training.averaged, held, device)
            _save(training, out, lesson, {'settings': asdict(settings), 'quality': found, 'notes': notes})
            _report(training, means | found, out, tell)
            saved = time.monotonic()
        if over:
            break
        training.seed = max(training.seed, int(batch['seed'].max()) + ranks)
        found = learn(network, training, batch, settings, share, device, lesson)
        means = {name: 0.98 * means.get(name, value) + 0.02 * value for name, value in found.items()}
    if ranks > 1:
        torch.distributed.destroy_process_group()
    return out / CHECKPOINT


def learn(
    network: torch.nn.Module, training: Training, batch: Sample, settings: TrainSettings, share: float,
    device: torch.device, lesson: Lesson = WHOLE,
) -> dict[str, float]:  # fmt: skip
    """Learn from one batch, and let the averaged weights follow; return the losses.

    share: of the run that is over, by which the rate falls.
    """
    set_rate(training.optimizer, settings.rate, (training.step + 1) / settings.warm_steps, share, LEAST_RATE)
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    inputs = {
        name: value.to(torch.bfloat16, memory_format=torch.channels_last)
        for name, value in lesson.inputs(batch).items()
    }
    with torch.autocast(device.type, torch.bfloat16):  # half the time of float32, on CPUs too
        outputs = network(**inputs)
    found = lesson.losses(outputs, batch)
    if not torch.isfinite(found['total']):
        raise FloatingPointError(f'the loss is {found["total"].item()} at step {training.step}')
    training.optimizer.zero_grad(set_to_none=True)
    found['total'].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    training.optimizer.step()
    training.step += 1
    average(training.averaged, training.network, training.step, settings.smooth, lesson.mine)
    return {name: value.item() for name, value in found.items()}


def _agreed(share: float, over: bool, device: torch.device, ranks: int) -> tuple[float, bool]:
    """Return what the first process thinks: a clock of its own would let one stop while the others wait for it."""
    if ranks == 1:
        return share, over
    told = torch.tensor([share, float(over)], device=device)
    torch.distributed.broadcast(told, src=0)
    return float(told[0]), bool(told[1])


def _started(settings: TrainSettings, device: torch.device, seed: int, lesson: Lesson) -> Training:
    torch.manual_seed(seed)
    network = Network(NETWORKS[settings.network]).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
    mine = [weight for name, weight in network.named_parameters() if lesson.mine(name)]
    optimizer = torch.optim.AdamW(mine, settings.rate, weight_decay=settings.decay)
    return Training(network, deepcopy(network), optimizer, seed=seed, first=seed)


def _before(
    lesson: Lesson, settings: TrainSettings, mine: Path | None, start: Path | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what the run itself left before, and what it began with; None where there is none."""
    before = state_of(mine, settings.network) if mine is not None else None
    base = state_of(start, settings.network) if start is not None else None
    if lesson.name and base is not None and 'optimizer' not in base:  # all else has to go on later
        raise DataError(f'{start}: is a model; --only {lesson.name} takes all else from a checkpoint.pt')
    if base is not None and 'optimizer' in base and not lesson.name:
        base = {**base, 'notes': learned(base)}
    return before, base


def _rate(settings: TrainSettings, before: Mapping[str, Any] | None, base: Mapping[str, Any] | None) -> float:
    if before is not None:
        return float(before['settings']['rate'])
    return settings.rate if base is None else GENTLE * settings.rate


def _placed() -> tuple[torch.device, int, int]:
    """Return the device of this process, its rank and how many there are; torchrun sets them."""
    rank, ranks = int(os.environ.get('RANK', '0')), int(os.environ.get('WORLD_SIZE', '1'))
    gpu = torch.cuda.is_available()
    if ranks > 1:
        torch.distributed.init_process_group('nccl' if gpu else 'gloo')
    device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', '0'))) if gpu else torch.device('cpu')
    return device, rank, ranks


def _loader(samples: Samples, settings: TrainSettings) -> Iterator[Sample]:
    context = 'spawn' if settings.workers else None
    return iter(DataLoader(samples, settings.batch, num_workers=settings.workers, multiprocessing_context=context))


def _held_out(source: Source, count: int) -> list[Example]:
    """Return examples of seeds that nobody learns from, two a place."""
    return [example for place in range((count + 1) // 2) for example in islice(source(HELD_OUT + place), 2)][:count]


def _save(training: Training, out: Path, lesson: Lesson, told: Mapping[str, Any]) -> None:
    mine = {
        'optimizer': training.optimizer.state_dict(), 'step': training.step, 'seed': training.seed,
        'spent_s': training.spent_s, 'first': training.first, **told,
    }  # fmt: skip
    weights = {'network': training.network.state_dict(), 'averaged': training.averaged.state_dict()}
    save({**training.rest, **weights, **({lesson.name: mine} if lesson.name else mine)}, out)


def _load(
    training: Training, state: Mapping[str, Any] | None, base: Mapping[str, Any] | None, lesson: Lesson, path: Path
) -> None:
    """Take what a lesson has learned from one state, all else from another; one may be both, or there is none.

    path: of the first one, for who has to be told.
    """
    if state is not None and lesson.name and 'optimizer' not in state.get(lesson.name, {}):
        raise DataError(f'{path}: has not learned {lesson.name} yet; leave --resume out')
    one, other = state or base, base or state
    if one is None or other is None:
        return
    for name in ('network', 'averaged'):
        mine = {key: value for key, value in one[name].items() if lesson.mine(key)}
        filled(getattr(training, name), {**other[name], **mine})
    others = [name for name in LESSONS if name and name != lesson.name]
    told = [key for key in other if key not in ('network', 'averaged', lesson.name)] if lesson.name else others
    training.rest = {key: other[key] for key in told if key in other}
    if state is not None:
        learned = state[lesson.name] if lesson.name else state
        training.optimizer.load_state_dict(learned['optimizer'])
        training.step, training.seed, training.spent_s = learned['step'], learned['seed'], learned['spent_s']
        training.first = learned.get('first', 0)


def _report(training: Training, found: Mapping[str, float], out: Path, tell: Callable[[str], None]) -> None:
    told = {'step': training.step, 'seed': training.seed, 'minutes': round(training.spent_s / 60.0, 2)}
    report({**told, **found}, out, tell)
