"""Train the network of prediction, read downwards: settings, moments, network, loop, what it is worth.

It learns from recorded scenes in the layout of docs/evaluation.md; whose licence forbids it, must not learn what ships:
the card names the scenes' groups. A run may be cut anywhere and goes on from its checkpoint.
"""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autonomy_nodes.evaluation.measures import forecasts
from autonomy_nodes.prediction.network import PRESETS as NETWORKS
from autonomy_nodes.prediction.network import Network
from autonomy_nodes.prediction.tensors import KNOT_S
from autonomy_nodes.training.checkpoints import CHECKPOINT, GENTLE, average, origins, report, save, set_rate, state_of
from autonomy_nodes.training.forecast_batches import TRUTH_S, GuiseSettings, batch_of, changed
from autonomy_nodes.training.forecast_losses import losses
from autonomy_nodes.training.forecast_samples import Prepared

LEAST_RATE = 0.02  # of the highest, at the end of a run
HORIZON, MISSED_M = 60, 2.0  # steps by which futures are judged, and how far off the last is missed
MANY = 8  # agents of a moment; more of them do not make it likelier to be drawn


@dataclass(frozen=True)
class TrainSettings:
    """How a network learns.

    rate: of learning, at its highest. batch: moments a step. warm_steps: over which the rate rises. smooth: share of
    the averaged weights (EMA) that each step keeps. every: steps between checkpoints. agents: of a moment, drawn anew
    each time.
    """

    network: str = 'small'
    rate: float = 1.2e-3
    decay: float = 0.1
    batch: int = 16
    agents: int = 16
    warm_steps: int = 200
    smooth: float = 0.998
    clip: float = 5.0
    every: int = 500
    guise: GuiseSettings = field(default_factory=GuiseSettings)

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f'network={self.network!r} must be one of {", ".join(NETWORKS)}')
        if not (self.rate > 0.0 and self.decay >= 0.0 and 0.0 <= self.smooth < 1.0 and self.clip > 0.0):
            raise ValueError(f'rate={self.rate}, decay={self.decay}, smooth={self.smooth}, clip={self.clip}')
        for name in ('batch', 'agents', 'warm_steps', 'every'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} must be 1 or more')


PRESETS = {
    'ci': TrainSettings('ci', rate=4e-3, batch=2, agents=8, warm_steps=5, smooth=0.9, every=20),
    'small': TrainSettings(),
    'orin': TrainSettings('orin', rate=1e-3, batch=64),
}


@dataclass
class Training:
    """All that a checkpoint holds: network, its averaged weights, optimizer, and how far it is."""

    network: Network
    averaged: Network
    optimizer: torch.optim.Optimizer
    step: int = 0
    spent_s: float = 0.0


def train(
    settings: TrainSettings,
    moments: Prepared,
    held: Prepared | None,
    steps: int,
    out: Path,
    seed: int = 0,
    resume: bool = False,
    threads: int = 1,
    tell: Callable[[str], None] = print,
    notes: Mapping[str, Any] | None = None,
    start: Path | None = None,
) -> Path:
    """Train for so many steps and return the checkpoint's path; the rate falls to nothing at their end.

    held: moments that tell how good it is, and are not learned from. notes: kept in the checkpoint, for the card.
    start: a checkpoint whose averaged weights a new run begins with, more gently; one that goes on keeps its own rate
    and what it is noted to have begun with.
    """
    torch.set_num_threads(threads)
    before = state_of(out / CHECKPOINT, settings.network) if resume else None
    first = state_of(start, settings.network) if start is not None and before is None else None
    notes = dict(notes or {})
    notes |= origins(notes, before, first)
    if before is not None:
        settings = replace(settings, rate=before['settings']['rate'])
    elif first is not None:
        settings = replace(settings, rate=GENTLE * settings.rate)
    training = _started(settings, seed, before, first)
    out.mkdir(parents=True, exist_ok=True)
    odds, means = odds_of(moments), dict[str, float]()
    began, earlier_s = time.monotonic(), training.spent_s
    while training.step < steps:
        rng = np.random.default_rng([seed, training.step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        torch.manual_seed(int(rng.integers(2**62)))  # of what is dropped: a run that was cut goes on as it would
        batch = batch_of(moments, rng.choice(len(moments), settings.batch, p=odds), settings.agents, rng)
        batch = changed(batch, generator, settings.guise)
        found = learn(training, batch, settings, training.step / steps)
        means = {name: 0.98 * means.get(name, value) + 0.02 * value for name, value in found.items()}
        training.spent_s = earlier_s + time.monotonic() - began
        if training.step % settings.every == 0 or training.step == steps:
            told = quality(training.averaged, held) if held is not None else {}
            _save(training, out, {'settings': asdict(settings), 'quality': told, 'notes': notes})
            _report(training, means | told, out, tell)
    return out / CHECKPOINT


def learn(
    training: Training, batch: tuple[dict[str, Tensor], dict[str, Tensor]], settings: TrainSettings, share: float
) -> dict[str, float]:
    """Learn from one batch, and let the averaged weights follow; return the losses. share: of the run that is over."""
    inputs, targets = batch
    set_rate(training.optimizer, settings.rate, (training.step + 1) / settings.warm_steps, share, LEAST_RATE)
    with torch.autocast('cpu', torch.bfloat16):  # half the time of float32
        outputs = training.network(**inputs)
    found = losses(outputs, targets)
    if not torch.isfinite(found['total']):
        raise FloatingPointError(f'the loss is {found["total"].item()} at step {training.step}')
    training.optimizer.zero_grad(set_to_none=True)
    found['total'].backward()
    torch.nn.utils.clip_grad_norm_(training.network.parameters(), settings.clip)
    training.optimizer.step()
    training.step += 1
    average(training.averaged, training.network, training.step, settings.smooth)
    return {name: float(value.detach()) for name, value in found.items()}


def odds_of(moments: Prepared) -> np.ndarray:
    """Return (W,) how likely each moment is drawn: sources by the root of their size, moments by who moves in them."""
    sources = np.array([name.split('/')[0] for name in moments.scenes])
    names, counts = np.unique(sources, return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist()))
    movers = np.minimum(moments.arrays['learned'].sum(axis=1), MANY)
    odds = np.sqrt(movers) / np.sqrt([size[name] for name in sources.tolist()])
    return np.asarray(odds / odds.sum())


@torch.no_grad()
def quality(network: Network, moments: Prepared, batch: int = 16) -> dict[str, float]:
    """Return the figures of the benchmark (docs/evaluation.md, forecasting) of the network alone on its targets."""
    network.eval()
    means, ends = [], []
    for first in range(0, len(moments), batch):
        rows = np.arange(first, min(first + batch, len(moments)))
        knots = network(**batch_of(moments, rows)[0])['knots'].numpy()
        truth = moments.arrays['truth.path'][rows][:, None, :, :HORIZON, :2]
        away = np.linalg.norm(dense(knots) - truth, axis=-1)  # (B, K, A, T)
        scored = moments.arrays['scored'][rows]
        means.append(away.mean(-1).min(1)[scored])
        ends.append(away[..., -1].min(1)[scored])
    network.train()
    mean, end = np.concatenate(means), np.concatenate(ends)
    if not len(mean):
        return {'n_targets': 0.0}
    missed = float((end > MISSED_M).mean())
    return {
        'n_targets': float(len(mean)), 'min_ade_m': float(mean.mean()), 'min_fde_m': float(end.mean()),
        'miss_rate': missed,
    }  # fmt: skip


def dense(knots: np.ndarray) -> np.ndarray:
    """Return (..., HORIZON, C) every 0.1 s of (..., KNOTS, C) knots, by straight lines; the agent itself is at 0."""
    begun = np.concatenate([np.zeros_like(knots[..., :1, :]), knots], axis=-2)
    return forecasts.dense(begun, KNOT_S, TRUTH_S * np.arange(1, HORIZON + 1))


def _started(
    settings: TrainSettings, seed: int, before: Mapping[str, Any] | None, first: Mapping[str, Any] | None
) -> Training:
    """Return a training that goes on from `before`, or begins with the averaged weights of `first`, or with none."""
    torch.manual_seed(seed)
    network = Network(NETWORKS[settings.network]).train()
    if first is not None:
        network.load_state_dict(first['averaged'])
    optimizer = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.decay)
    training = Training(network, deepcopy(network), optimizer)
    if before is not None:
        network.load_state_dict(before['network'])
        training.averaged.load_state_dict(before['averaged'])
        optimizer.load_state_dict(before['optimizer'])
        training.step, training.spent_s = before['step'], before['spent_s']
    return training


def _save(training: Training, out: Path, told: Mapping[str, Any]) -> None:
    state = {
        'network': training.network.state_dict(), 'averaged': training.averaged.state_dict(),
        'optimizer': training.optimizer.state_dict(), 'step': training.step, 'spent_s': training.spent_s, **told,
    }  # fmt: skip
    save(state, out)


def _report(training: Training, found: Mapping[str, float], out: Path, tell: Callable[[str], None]) -> None:
    told = {'step': float(training.step), 'minutes': round(training.spent_s / 60.0, 2)}
    report({**told, **found}, out, tell, 'g')
