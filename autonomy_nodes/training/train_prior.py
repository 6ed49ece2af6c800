"""Teach a network for LiDAR what a lane map means, read downwards: settings, data, network, loop, worth.

Its chart alone learns (perception/network.py): all else stays as it is to the bit, and so does all that it tells
without a map. Maps are as vehicles have them, some of them wrong (training/charted.py).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from autonomy_nodes.inference.manifest import read_manifest
from autonomy_nodes.perception.bev import MAP_CHANNELS, TERRAIN
from autonomy_nodes.perception.network import CHART_PART, JOIN, PRESETS, Network, filled
from autonomy_nodes.sim.stale import StaleSettings, stale
from autonomy_nodes.training.charted import channels_of, charted_guise, charted_places, charted_sample
from autonomy_nodes.training.checkpoints import CHECKPOINT, average, report, save, set_rate, state_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.losses import terrain_loss
from autonomy_nodes.training.quality import shared_classes
from autonomy_nodes.training.samples import HELD_OUT, Sample, Samples, SampleSettings, inputs_of, sample_of, stacked

LEAST_RATE = 0.02  # of the highest, at the end of a run
MAPS = ('none', 'fresh', 'half_stale')  # by which it is watched
JUDGED = [TERRAIN.index(name) for name in ('paved', 'loose', 'low_vegetation', 'obstacle')]


@dataclass(frozen=True)
class TrainSettings:
    """How the chart is learned. rate: at its highest. batch: vehicles a step. steps: of the run.

    every: between reports. smooth: share of averaged weights that each step keeps. held_out: examples that tell how
    good it is.
    """

    rate: float = 3e-3
    batch: int = 4
    steps: int = 1500
    every: int = 150
    warm_steps: int = 30
    clip: float = 5.0
    smooth: float = 0.99
    workers: int = 1
    held_out: int = 16
    pool: SampleSettings = field(default_factory=lambda: SampleSettings(uses=5.0))

    def __post_init__(self) -> None:
        for name in ('batch', 'steps', 'every', 'warm_steps', 'held_out'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} must be 1 or more')
        if not (self.rate > 0.0 and self.clip > 0.0 and self.workers >= 0 and 0.0 <= self.smooth < 1.0):
            raise ValueError(f'rate={self.rate}, clip={self.clip} above 0; workers={self.workers}, smooth not below')


def train(
    settings: TrainSettings, model: Path, out: Path, seed: int = 0, threads: int = 1,
    tell: Callable[[str], None] = print, notes: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Train for `settings.steps` and return the checkpoint's path. model: a folder of models/."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    manifest = read_manifest(model)
    network, averaged = opened(model), opened(model)
    out.mkdir(parents=True, exist_ok=True)
    mine = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(mine, settings.rate, weight_decay=1e-4)
    held = [one for place in range(settings.held_out) for one in islice(charted_places(HELD_OUT + place), 1)]
    of = {'name': manifest.name, 'network': manifest.network, 'files': dict(manifest.files), 'card': manifest.card}
    began, means = time.monotonic(), dict[str, float]()
    for step, batch in enumerate(batches(settings, seed), 1):
        set_rate(optimizer, settings.rate, step / settings.warm_steps, step / settings.steps, LEAST_RATE)
        loss = terrain_loss(network(**charted(batch))['terrain'], batch['terrain'], batch['no_obstacle'][:, 0])
        if not torch.isfinite(loss):
            raise FloatingPointError(f'the loss is {loss.item()} at step {step}')
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(mine, settings.clip)
        optimizer.step()
        average(averaged, network, step, settings.smooth, lambda name: name.startswith(CHART_PART))
        means['loss'] = 0.98 * means.get('loss', loss.item()) + 0.02 * loss.item()
        if step % settings.every == 0 or step == settings.steps:
            told, minutes = quality(averaged, held), round((time.monotonic() - began) / 60.0, 2)
            state = {
                'charted': averaged.state_dict(),
                'of': of,
                'settings': asdict(settings),
                'quality': told,
                'notes': dict(notes or {}),
                'step': step,
                'minutes': minutes,
                'seeds': [seed, int(batch['seed'].max())],
            }
            save(state, out)
            report({'step': float(step), 'minutes': minutes, **means, **told}, out, tell, 'g')
        if step == settings.steps:
            break
    return out / CHECKPOINT


def opened(model: Path) -> Network:
    """Return the network of a folder of models/, of which nothing learns but the chart, and that has learned nothing.

    The columns by which a map could join the trunk are set to 0: nothing ever came that way.
    """
    state = state_of(model, read_manifest(model).network)
    network = filled(Network(PRESETS[state['settings']['network']]), state['averaged'])
    network.eval().requires_grad_(False)
    with torch.no_grad():
        network.get_parameter(JOIN)[:, -MAP_CHANNELS:] = 0.0
    network.chart.train().requires_grad_(True)
    network.chart.taught.fill_(1.0)
    network.knows_maps = True
    return network


def batches(settings: TrainSettings, start: int) -> Iterator[Sample]:
    """Yield endless batches of places from a seed on."""
    samples = Samples(charted_places, charted_guise, start, settings.pool, make=charted_sample)
    context = 'spawn' if settings.workers else None
    return iter(DataLoader(
        samples, settings.batch, num_workers=settings.workers, multiprocessing_context=context, collate_fn=stacked
    ))  # fmt: skip


def charted(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the inputs of a batch whose maps are given."""
    inputs = inputs_of(batch)
    given = inputs['given'].clone()
    given[:, 1] = 1.0
    return inputs | {'map': batch['map'], 'given': given}


@torch.no_grad()
def quality(network: Network, held: Sequence[Example]) -> dict[str, float]:
    """Return how good the cells are (mIoU of `JUDGED`), by what map is given."""
    network.eval()
    shared, whole = (np.zeros((len(MAPS), len(TERRAIN))) for _ in range(2))
    for number, example in enumerate(held):
        assert example.chart is not None
        sample = sample_of(example)
        off_m, off_rad = np.random.default_rng([HELD_OUT, number]).normal(size=2) * 0.15, 0.004
        road_map, pose = example.chart.road_map, example.chart.map_from_base
        half = stale(road_map, StaleSettings(), number)
        for row, name in enumerate(MAPS):
            inputs = inputs_of(stacked([sample]))
            if name != 'none':
                channels = channels_of(road_map if name == 'fresh' else half, pose, off_m, off_rad)
                inputs = charted(stacked([sample | {'map': torch.from_numpy(channels)}]))
            best = network(**inputs)['terrain'][0].argmax(dim=0).numpy()
            found = shared_classes(best, sample['terrain'].numpy())
            shared[row] += found[0]
            whole[row] += found[1]
    network.chart.train()
    return {f'{name}.miou': float((shared[row] / whole[row].clip(1.0))[JUDGED].mean()) for row, name in enumerate(MAPS)}
