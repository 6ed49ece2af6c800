"""Train the network of perception, read downwards: settings, data, network, loop, what it is worth.

All data are made on the spot from seeds (training/places.py): nothing is downloaded, nothing real is learned from.
Runs on the CPU, on one GPU, and under torchrun on several. A run may be cut anywhere: it goes on from its last
checkpoint, with seeds that it has not used.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.network import PRESETS as NETWORKS
from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.losses import losses
from autonomy_nodes.training.quality import quality
from autonomy_nodes.training.samples import HELD_OUT, Guise, Sample, Samples, SampleSettings, Source, inputs_of

CHECKPOINT, LOG = 'checkpoint.pt', 'log.jsonl'


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
    """All that a checkpoint holds: network, its averaged weights, optimizer, and how far it is."""

    network: Network
    averaged: Network
    optimizer: torch.optim.Optimizer
    step: int = 0
    seed: int = 0
    spent_s: float = 0.0


def train(
    preset: str,
    minutes: float,
    out: Path,
    source: Source,
    guise: Guise,
    seed: int = 0,
    resume: bool = False,
    slice_minutes: float = 0.0,
    steps: int = 0,
    threads: int = 1,
    tell: Callable[[str], None] = print,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Train for so many minutes in all, of which slice_minutes now (0: all), and return the checkpoint's path.

    The rate falls to nothing at the end of `minutes`, or of `steps` where given: then a run repeats to the digit.
    notes: kept in the checkpoint, for the card.
    """
    settings, device, rank, ranks = PRESETS[preset], *_placed()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    training = _started(settings, device, seed)
    if resume:
        _load(training, out / CHECKPOINT, device)
    out.mkdir(parents=True, exist_ok=True)
    network = DistributedDataParallel(training.network) if ranks > 1 else training.network
    held = _held_out(source, settings.held_out) if rank == 0 else []
    loader = _loader(Samples(source, guise, training.seed, settings.samples, rank, ranks), settings)
    began, earlier_s, saved, total_s = time.monotonic(), training.spent_s, time.monotonic(), minutes * 60.0
    means: dict[str, float] = {}
    for batch in loader:
        training.spent_s = earlier_s + time.monotonic() - began
        share = training.step / steps if steps else training.spent_s / total_s
        cut = slice_minutes > 0.0 and time.monotonic() - began > slice_minutes * 60.0
        share, over = _agreed(share, cut or share >= 1.0, device, ranks)
        if rank == 0 and training.step and (over or time.monotonic() - saved > settings.every_s):
            found = quality(training.averaged, held, device)
            _save(training, out, {'settings': asdict(settings), 'quality': found, 'notes': dict(notes or {})})
            _report(training, means | found, out, tell)
            saved = time.monotonic()
        if over:
            break
        training.seed = max(training.seed, int(batch['seed'].max()) + ranks)
        found = learn(network, training, batch, settings, share, device)
        means = {name: 0.98 * means.get(name, value) + 0.02 * value for name, value in found.items()}
    if ranks > 1:
        torch.distributed.destroy_process_group()
    return out / CHECKPOINT


def learn(
    network: torch.nn.Module, training: Training, batch: Sample, settings: TrainSettings, share: float,
    device: torch.device,
) -> dict[str, float]:  # fmt: skip
    """Learn from one batch, and let the averaged weights follow; return the losses.

    share: of the run that is over, by which the rate falls.
    """
    rate = settings.rate * min((training.step + 1) / settings.warm_steps, 1.0) * (0.01 + 0.99 * _cosine(share))
    for group in training.optimizer.param_groups:
        group['lr'] = rate
    batch = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    inputs = {
        name: value.to(torch.bfloat16, memory_format=torch.channels_last) for name, value in inputs_of(batch).items()
    }
    with torch.autocast(device.type, torch.bfloat16):  # half the time of float32, on CPUs too
        outputs = network(**inputs)
    found = losses(outputs, batch)
    if not torch.isfinite(found['total']):
        raise FloatingPointError(f'the loss is {found["total"].item()} at step {training.step}')
    training.optimizer.zero_grad(set_to_none=True)
    found['total'].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    training.optimizer.step()
    training.step += 1
    _average(training, min(settings.smooth, training.step / (training.step + 10.0)))
    return {name: value.item() for name, value in found.items()}


def _agreed(share: float, over: bool, device: torch.device, ranks: int) -> tuple[float, bool]:
    """Return what the first process thinks: a clock of its own would let one stop while the others wait for it."""
    if ranks == 1:
        return share, over
    told = torch.tensor([share, float(over)], device=device)
    torch.distributed.broadcast(told, src=0)
    return float(told[0]), bool(told[1])


def _cosine(share: float) -> float:
    return 0.5 * (1.0 + float(np.cos(np.pi * min(share, 1.0))))


@torch.no_grad()
def _average(training: Training, keep: float) -> None:
    """Let the averaged weights follow (Polyak and Juditsky 1992)."""
    now = training.network.state_dict()
    for name, value in training.averaged.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(now[name], 1.0 - keep)
        else:
            value.copy_(now[name])


def _started(settings: TrainSettings, device: torch.device, seed: int) -> Training:
    network = Network(NETWORKS[settings.network]).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.decay)
    return Training(network, deepcopy(network), optimizer, seed=seed)


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


def _save(training: Training, out: Path, told: Mapping[str, Any]) -> None:
    part = out / f'{CHECKPOINT}.part'
    state = {
        'network': training.network.state_dict(), 'averaged': training.averaged.state_dict(),
        'optimizer': training.optimizer.state_dict(), 'step': training.step, 'seed': training.seed,
        'spent_s': training.spent_s, **told,
    }  # fmt: skip
    torch.save(state, part)
    part.replace(out / CHECKPOINT)


def _load(training: Training, path: Path, device: torch.device) -> None:
    if not path.is_file():
        raise DataError(f'{path}: no checkpoint to go on from; leave --resume out')
    state = torch.load(path, map_location=device, weights_only=True)
    training.network.load_state_dict(state['network'])
    training.averaged.load_state_dict(state['averaged'])
    training.optimizer.load_state_dict(state['optimizer'])
    training.step, training.seed, training.spent_s = state['step'], state['seed'], state['spent_s']


def _report(training: Training, found: Mapping[str, float], out: Path, tell: Callable[[str], None]) -> None:
    told = {'step': training.step, 'seed': training.seed, 'minutes': round(training.spent_s / 60.0, 2)}
    told |= {name: round(value, 4) for name, value in found.items()}
    with (out / LOG).open('a') as log:
        log.write(json.dumps(told) + '\n')
    tell('  '.join(f'{name} {value}' for name, value in told.items()))
