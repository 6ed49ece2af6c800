"""Teach a network for LiDAR to hear one for cameras, read downwards: settings, data, network, loop, worth.

All that both have learned stays as it is to the bit, so that without pictures (`given` 0) the network tells what it
told before: only the features that the cameras hand over and the weights by which these join are learned. Sweeps suffer
more often than in the training of either: where a LiDAR sees everything, pictures add little.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autonomy_nodes.inference.manifest import read_manifest
from autonomy_nodes.perception.bev import CAMERA_CHANNELS, MAP_CHANNELS
from autonomy_nodes.perception.camera.network import CameraNetwork, grids
from autonomy_nodes.perception.decode import checked
from autonomy_nodes.perception.network import JOIN, Network, filled
from autonomy_nodes.perception.network import PRESETS as NETWORKS
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
from autonomy_nodes.training.camera.guise import camera_augmented
from autonomy_nodes.training.camera.samples import INPUTS, CameraSampleSettings, batch_of, batches, camera_sample_of
from autonomy_nodes.training.checkpoints import CHECKPOINT, report, save, set_rate, state_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.losses import losses
from autonomy_nodes.training.places import PlaceSettings, examples
from autonomy_nodes.training.quality import figures_of, worth
from autonomy_nodes.training.samples import HELD_OUT, SampleSettings

LEAST_RATE = 0.02  # of the highest, at the end of a run
PLACES = PlaceSettings(photos=True)
SUFFERING = AugmentationSettings(paste=0.0, flip=0.0, turn=0.0, beams=0.5, thin=0.5, weather=0.5, jitter=0.0, crop=0.0)
WEIGHTY = ('network', 'averaged', 'optimizer')  # of a checkpoint


@dataclass(frozen=True)
class TrainSettings:
    """How the link is learned. rate: at its highest. batch: vehicles a step. steps: of the run. every: between reports.

    held_out: examples that tell how good it is.
    """

    rate: float = 4e-3
    batch: int = 2
    steps: int = 1200
    every: int = 100
    warm_steps: int = 30
    clip: float = 5.0
    workers: int = 1
    held_out: int = 12
    pool: SampleSettings = field(default_factory=SampleSettings)
    samples: CameraSampleSettings = field(
        default_factory=lambda: CameraSampleSettings(with_lidar=1.0, most=2, fine=True)
    )

    def __post_init__(self) -> None:
        for name in ('batch', 'steps', 'every', 'warm_steps', 'held_out'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} must be 1 or more')
        if not (self.rate > 0.0 and self.clip > 0.0 and self.workers >= 0):
            raise ValueError(f'rate={self.rate}, clip={self.clip} must be above 0, workers={self.workers} not below')


class Fused(torch.nn.Module):
    """A network for LiDAR and one for cameras, of which nothing learns but what lies between the two."""

    def __init__(self, lidar: Network, camera: CameraNetwork) -> None:
        super().__init__()
        self.lidar, self.camera = lidar.eval().requires_grad_(False), camera.eval().requires_grad_(False)
        before = lidar.settings.widths[1]
        columns = lidar.get_parameter(JOIN)[:, before : before + camera.above.camera.out_channels]
        self.columns = torch.nn.Parameter(torch.zeros_like(columns))  # begins where pictures change nothing
        self.before = before
        camera.above.camera.requires_grad_(True)

    def train(self, mode: bool = True) -> 'Fused':
        """Change nothing: the means of both networks must not move."""
        return self

    def joined(self) -> Tensor:
        """Return the weights of the LiDAR network's join, with the columns of the cameras."""
        weight = self.lidar.get_parameter(JOIN)
        after = self.before + self.columns.shape[1]
        return torch.cat([weight[:, : self.before], self.columns, weight[:, after:]], 1)

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return (B, 16, *MIDDLE) what the cameras hand over."""
        with torch.no_grad():
            told = self.camera.eyes(batch['eyes.pictures'])
            wide = self.camera.above.wide_of(grids(told, *(batch[f'eyes.{name}'] for name in INPUTS[1:])))
        handed: Tensor = self.camera.above.camera(wide)
        return handed

    def forward(self, batch: Mapping[str, Tensor], pictures: bool = True) -> dict[str, Tensor]:
        """Return what the LiDAR's network tells of a batch, with pictures or without."""
        points = batch['points'].float()
        size, _, wide, long = batch['prior'].shape
        camera = self.features(batch) if pictures else points.new_zeros(size, CAMERA_CHANNELS, wide // 2, long // 2)
        given = points.new_tensor([[float(pictures), 0.0]]).expand(size, 2)[..., None, None]
        nothing = points.new_zeros(size, MAP_CHANNELS, wide // 2, long // 2)
        inputs = {'points': points, 'prior': batch['prior'], 'camera': camera, 'map': nothing, 'given': given}
        weights = {JOIN: self.joined()}
        told: dict[str, Tensor] = torch.func.functional_call(self.lidar, weights, kwargs=inputs)
        return told


def train(
    settings: TrainSettings, lidar: Path, camera: Path, out: Path, seed: int = 0, threads: int = 1,
    tell: Callable[[str], None] = print, notes: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Train for `settings.steps` and return the checkpoint's path. lidar: a folder of models/; camera: a checkpoint."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    seen = torch.load(camera, map_location='cpu', weights_only=True)
    fused = opened(lidar, seen)
    out.mkdir(parents=True, exist_ok=True)
    mine = [weight for weight in fused.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(mine, settings.rate, weight_decay=0.0)
    held = [one for place in range((settings.held_out + 1) // 2) for one in islice(_places(HELD_OUT + place), 2)]
    held = held[: settings.held_out]
    told, origin = {'before': quality(fused, held, pictures=False)}, _origin(lidar, seen)
    began, means = time.monotonic(), dict[str, float]()
    how = settings.pool, settings.samples, settings.batch, settings.workers
    for step, batch in enumerate(batches(_places, suffered, seed, *how), 1):
        set_rate(optimizer, settings.rate, step / settings.warm_steps, step / settings.steps, LEAST_RATE)
        found = losses(fused(batch), batch)
        if not torch.isfinite(found['total']):
            raise FloatingPointError(f'the loss is {found["total"].item()} at step {step}')
        optimizer.zero_grad(set_to_none=True)
        found['total'].backward()
        torch.nn.utils.clip_grad_norm_(mine, settings.clip)
        optimizer.step()
        means = {name: 0.98 * means.get(name, value.item()) + 0.02 * value.item() for name, value in found.items()}
        if step % settings.every == 0 or step == settings.steps:
            told['with_pictures'] = quality(fused, held, pictures=True)
            minutes = round((time.monotonic() - began) / 60.0, 2)
            last = int(batch['seed'].max())
            _save(fused, out, {**origin, 'settings': asdict(settings), 'quality': told, 'notes': dict(notes or {}),
                               'step': step, 'minutes': minutes, 'seeds': [seed, last]})  # fmt: skip
            rows = {f'{when}.{name}': value for when, row in told.items() for name, value in row.items()}
            report({'step': float(step), 'minutes': minutes, **means, **rows}, out, tell, 'g')
        if step == settings.steps:
            break
    return out / CHECKPOINT


def _origin(lidar: Path, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what cards tell of both networks. seen: the checkpoint of cameras."""
    manifest = read_manifest(lidar)
    of = {'name': manifest.name, 'network': manifest.network, 'files': dict(manifest.files)}
    of['card'] = dict(manifest.card)
    return {'of': of, 'camera_state': {key: value for key, value in seen.items() if key not in WEIGHTY}}


def opened(lidar: Path, seen: Mapping[str, Any]) -> Fused:
    """Return both networks, nothing between them learned yet. seen: the checkpoint of cameras."""
    state = state_of(lidar, read_manifest(lidar).network)
    network = filled(Network(NETWORKS[state['settings']['network']]), state['averaged'])
    eyes = CameraNetwork(seen['settings']['network'])
    eyes.load_state_dict(seen['averaged'])
    return Fused(network, eyes)


@torch.no_grad()
def quality(fused: Fused, held: Sequence[Example], pictures: bool) -> dict[str, float]:
    """Return average precisions [%] and how good the cells are (mIoU), of sweeps that suffer."""
    found = []
    for number, example in enumerate(held):
        rng = np.random.default_rng([HELD_OUT, number])
        suffering = augmented(example, rng, (), SUFFERING)
        sample = camera_sample_of(suffering, settings=CameraSampleSettings(fine=True), with_lidar=True)
        told = checked({name: value.numpy() for name, value in fused(batch_of([sample]), pictures).items()})
        prior = sample['prior'][0].numpy()
        found.append(worth(told, prior, sample, suffering))
    return figures_of(found)


def suffered(example: Example, rng: np.random.Generator, _: Sequence[Example] = ()) -> Example:
    """Return an example changed as cameras allow, whose sweep suffers more often than not."""
    return augmented(camera_augmented(example, rng), rng, (), SUFFERING)


def _places(seed: int) -> Iterator[Example]:
    return examples(seed, PLACES)


def _save(fused: Fused, out: Path, told: Mapping[str, Any]) -> None:
    lidar = {**fused.lidar.state_dict(), JOIN: fused.joined().detach()}
    save({'lidar': lidar, 'camera': fused.camera.state_dict(), 'preset': fused.camera.preset, **told}, out)
