"""Train the network of lanes, read downwards: settings, data, network, loop, what it is worth.

All data are made on the spot from seeds (training/places.py); nothing real is learned from. A run may be cut anywhere:
it goes on from its last checkpoint, with seeds that it has not used.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from autonomy_nodes.evaluation.measures.lane_scores import Answer, average_precisions, cut
from autonomy_nodes.perception.bev import LANE_KINDS
from autonomy_nodes.perception.lanes.lines import LineSettings, lines_of
from autonomy_nodes.perception.lanes.network import PRESETS as NETWORKS
from autonomy_nodes.perception.lanes.network import LaneNetwork
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
from autonomy_nodes.training.checkpoints import CHECKPOINT, average, report, save, set_rate, state_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.lanes import lane_inputs_of, lane_losses, lane_sample_of
from autonomy_nodes.training.places import PlaceSettings, examples
from autonomy_nodes.training.samples import HELD_OUT, Sample, Samples, SampleSettings, stacked

WHAT = 'lanes'  # of a checkpoint
LEAST_RATE = 0.01  # of the highest, at the end of a run
PLACES = PlaceSettings(before_share=0.0)
RECIPES = ('crossroads', 'country', 'crossroads', '')  # in turn, empty: of all; most lines are where roads cross
GUISE = AugmentationSettings(paste=0.0)


@dataclass(frozen=True)
class TrainSettings:
    """How the network learns.

    rate: of learning, at its highest. batch: samples a step. warm_steps: over which the rate rises. smooth: share of
    the averaged weights (EMA) that each step keeps. workers: processes that make examples. every_s: between
    checkpoints. held_out: examples that tell how good it is.
    """

    network: str = 'small'
    rate: float = 3e-3
    decay: float = 0.01
    batch: int = 8
    warm_steps: int = 100
    smooth: float = 0.998
    clip: float = 10.0
    workers: int = 1
    every_s: float = 300.0
    held_out: int = 32
    pool: SampleSettings = field(default_factory=lambda: SampleSettings(uses=6.0))

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
        pool=SampleSettings(a_place=2, pool=4),
    ),
    'small': TrainSettings(),
}  # fmt: skip


@dataclass
class Training:
    """All that a checkpoint holds: network, its averaged weights, optimizer, how far it is. first: its first seed."""

    network: LaneNetwork
    averaged: LaneNetwork
    optimizer: torch.optim.Optimizer
    step: int = 0
    seed: int = 0
    spent_s: float = 0.0
    first: int = 0


def train(
    settings: TrainSettings, minutes: float, out: Path, seed: int = 0, resume: bool = False,
    slice_minutes: float = 0.0, steps: int = 0, threads: int = 1, tell: Callable[[str], None] = print,
    notes: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Train for so many minutes in all, of which slice_minutes now (0: all), and return the checkpoint's path.

    The rate falls to nothing at the end of `minutes`, or of `steps` where given: then a run repeats to the digit.
    """
    torch.set_num_threads(threads)
    training = _started(settings, seed, state_of(out / CHECKPOINT, settings.network) if resume else None)
    out.mkdir(parents=True, exist_ok=True)
    held = [one for place in range((settings.held_out + 1) // 2) for one in islice(_places(HELD_OUT + place), 2)]
    samples = Samples(_places, _guise, training.seed, settings.pool, make=lane_sample_of)
    context = 'spawn' if settings.workers else None
    loader = DataLoader(samples, settings.batch, num_workers=settings.workers, multiprocessing_context=context)
    began, earlier_s, saved = time.monotonic(), training.spent_s, time.monotonic()
    means: dict[str, float] = {}
    for batch in loader:
        training.spent_s = earlier_s + time.monotonic() - began
        share = training.step / steps if steps else training.spent_s / (60.0 * minutes)
        over = share >= 1.0 or (slice_minutes > 0.0 and time.monotonic() - began > slice_minutes * 60.0)
        if training.step and (over or time.monotonic() - saved > settings.every_s):
            found = quality(training.averaged, held[: settings.held_out])
            _save(training, out, {'settings': asdict(settings), 'quality': found, 'notes': dict(notes or {})})
            told = {'step': training.step, 'seed': training.seed, 'minutes': round(training.spent_s / 60.0, 2)}
            report({**told, **means, **found}, out, tell)
            saved = time.monotonic()
        if over:
            break
        training.seed = max(training.seed, int(batch['seed'].max()) + 1)
        found = learn(training, batch, settings, share)
        means = {name: 0.98 * means.get(name, value) + 0.02 * value for name, value in found.items()}
    return out / CHECKPOINT


def learn(training: Training, batch: Sample, settings: TrainSettings, share: float) -> dict[str, float]:
    """Learn from one batch, and let the averaged weights follow; return the losses. share: of the run that is over."""
    set_rate(training.optimizer, settings.rate, (training.step + 1) / settings.warm_steps, share, LEAST_RATE)
    with torch.autocast('cpu', torch.bfloat16):
        outputs = training.network(*lane_inputs_of(batch))
    found = lane_losses(outputs, batch)
    if not torch.isfinite(found['total']):
        raise FloatingPointError(f'the loss is {found["total"].item()} at step {training.step}')
    training.optimizer.zero_grad(set_to_none=True)
    found['total'].backward()
    torch.nn.utils.clip_grad_norm_(training.network.parameters(), settings.clip)
    training.optimizer.step()
    training.step += 1
    average(training.averaged, training.network, training.step, settings.smooth)
    return {name: value.item() for name, value in found.items()}


def quality(network: LaneNetwork, held: list[Example]) -> dict[str, float]:
    """Return average precisions [%] of lines on examples, by kind, and their mean; see scores.py."""
    network.eval()
    answers = []
    for example in held:
        sample = lane_sample_of(example)
        batch = stacked([sample])
        with torch.no_grad():
            outputs = network(*lane_inputs_of(batch))
        arrays = {name: value[0].float().numpy() for name, value in outputs.items()}
        asked = sample['asked'][0].numpy() == 1.0
        assert example.lanes is not None
        told, true = lines_of(arrays['lines'], arrays['travel'], LineSettings()), example.lanes.lines
        answers.append(Answer(cut(told, asked), cut(true, asked)))
    network.train()
    found = average_precisions(answers)
    shown = {f'{name}.ap': 100.0 * found[name] for name in LANE_KINDS if np.isfinite(found[name])}
    return shown | {'map': float(np.mean(list(shown.values())))}


def _places(seed: int) -> Iterator[Example]:
    return examples(seed, replace(PLACES, recipe=RECIPES[seed % len(RECIPES)]))


def _guise(example: Example, rng: np.random.Generator, _: Any = ()) -> Example:
    return augmented(example, rng, (), GUISE)


def _started(settings: TrainSettings, seed: int, before: Mapping[str, Any] | None) -> Training:
    torch.manual_seed(seed)
    network = LaneNetwork(settings.network)
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.decay)
    training = Training(network, deepcopy(network), optimizer, seed=seed, first=seed)
    if before is not None:
        network.load_state_dict(before['network'])
        training.averaged.load_state_dict(before['averaged'])
        optimizer.load_state_dict(before['optimizer'])
        training.step, training.seed, training.spent_s = before['step'], before['seed'], before['spent_s']
        training.first = before['first']
    return training


def _save(training: Training, out: Path, told: Mapping[str, Any]) -> None:
    state = {
        'network': training.network.state_dict(), 'averaged': training.averaged.state_dict(),
        'optimizer': training.optimizer.state_dict(), 'step': training.step, 'seed': training.seed,
        'spent_s': training.spent_s, 'first': training.first, 'what': WHAT, **told,
    }  # fmt: skip
    save(state, out)
