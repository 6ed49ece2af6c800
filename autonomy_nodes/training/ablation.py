"""What each part of the training is worth: the same short run again, with one part left out.

All runs see as many samples in as many steps, from the same seeds, and repeat to the digit; `again` is the whole once
more in other places, which tells how far two runs differ by chance. What a network never saw in training it does not
see when it is judged either: the weights of these channels are nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from autonomy_nodes.inference.manifest import WEIGHTS, Manifest, digest, write_manifest
from autonomy_nodes.perception.bev import INPUTS, OUTPUTS, POINTS
from autonomy_nodes.perception.network import PRESETS as NETWORKS
from autonomy_nodes.perception.network import Network, filled
from autonomy_nodes.training.augmentation import augmented
from autonomy_nodes.training.checkpoints import CHECKPOINT, LOG
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.export import tensors
from autonomy_nodes.training.samples import HELD_OUT, Guise, SampleSettings, Source
from autonomy_nodes.training.train_perception import PRESETS, train

ELSEWHERE = 300_000  # seeds between the whole and `again`
LEAST_PLACES = 1


@dataclass(frozen=True)
class Variant:
    """A run that lacks something.

    places: share of the places that it sees. changes: whether examples come in other guises. blind: channels of
    bev.POINTS that it never sees. later: seeds after the first one of the whole.
    """

    about: str
    places: float = 1.0
    changes: bool = True
    blind: tuple[str, ...] = ()
    later: int = 0


WHOLE = 'full'
VARIANTS = {
    WHOLE: Variant('all of it'),
    'again': Variant('all of it, in other places', later=ELSEWHERE),
    'quarter_of_places': Variant('a quarter of the places, each four times as often', places=0.25),
    'no_augmentation': Variant('every example as it was made', changes=False),
    'no_previous_sweep': Variant('without the sweep before', blind=('before',)),
    'no_intensity': Variant('without intensity', blind=('intensity', 'contrast')),
}


@dataclass(frozen=True)
class Plan:
    """Which runs, and how long: variants by name, steps and first seed of each."""

    preset: str = 'small'
    steps: int = 300
    seed: int = 0
    variants: tuple[str, ...] = tuple(VARIANTS)
    threads: int = 1
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS or self.steps < 1 or self.threads < 1:
            raise ValueError(f'preset={self.preset!r}, steps={self.steps}, threads={self.threads} make no run')
        if unknown := sorted({*self.variants} - {*VARIANTS}):
            raise ValueError(f'variants={", ".join(unknown)} are none of {", ".join(VARIANTS)}')
        if not 0 <= self.seed < HELD_OUT - ELSEWHERE - 4 * self.places:
            raise ValueError(f'seed={self.seed} leaves no room for places that are not held out')

    @property
    def places(self) -> int:
        """How many places the whole sees."""
        settings = PRESETS[self.preset]
        return places_of(self.steps * settings.batch, settings.samples)


def places_of(samples: int, settings: SampleSettings) -> int:
    """Return how many places give so many samples."""
    return max(LEAST_PLACES, int(np.ceil(samples / (settings.uses * settings.a_place))))


@dataclass(frozen=True)
class Part:
    """Examples of seeds as a variant sees them: a function of the seed that other processes may hold.

    few: places from the first seed on that come in turn, 0: all. Held-out seeds stay what they are.
    """

    source: Source
    first: int
    few: int
    blind: tuple[str, ...]

    def __call__(self, seed: int) -> Iterator[Example]:
        """Yield the examples of a seed."""
        place = self.first + (seed - self.first) % self.few if self.few and seed < HELD_OUT else seed
        for example in self.source(place):
            yield without(example, self.blind)


def without(example: Example, channels: Sequence[str]) -> Example:
    """Return an example of which nothing comes to some channels of bev.POINTS: before, or both of light."""
    if 'before' in channels:
        example = replace(example, before=example.before[:0])
    if 'intensity' in channels:
        dark = np.array([1.0, 1.0, 1.0, 0.0], np.float32)
        example = replace(example, points=example.points * dark, before=example.before * dark)
    return example


def unchanged(example: Example, rng: np.random.Generator, others: Sequence[Example]) -> Example:
    """Return an example as it is."""
    return example


def trained(plan: Plan, name: str, out: Path, source: Source, tell: Callable[[str], None]) -> tuple[Network, float]:
    """Return the network of one variant, and in how many minutes it learned; what was learned before is taken.

    A run that was cut begins anew: only a whole one repeats.
    """
    variant, folder, settings = VARIANTS[name], out / name, PRESETS[plan.preset]
    path = folder / CHECKPOINT
    state = torch.load(path, map_location='cpu', weights_only=True) if path.is_file() else None
    if state is None or state['step'] < plan.steps or not _notes(plan, name).items() <= state['notes'].items():
        path.unlink(missing_ok=True)
        (folder / LOG).unlink(missing_ok=True)
        first, began = plan.seed + variant.later, time.monotonic()
        few = max(LEAST_PLACES, int(variant.places * plan.places)) if variant.places < 1.0 else 0
        guise: Guise = augmented if variant.changes else unchanged
        part = Part(source, first, few, variant.blind)
        train(
            plan.preset, 1.0, folder, part, guise, first, steps=plan.steps, threads=plan.threads, tell=tell,
            notes={**plan.notes, **_notes(plan, name)},
        )  # fmt: skip
        tell(f'{name}: {(time.monotonic() - began) / 60.0:.1f} minutes')
        state = torch.load(path, map_location='cpu', weights_only=True)
    network = filled(Network(NETWORKS[settings.network]), state['averaged'])
    return blinded(network.eval(), variant.blind), state['spent_s'] / 60.0


def _notes(plan: Plan, name: str) -> dict[str, str]:
    """Return what makes a run the one that is asked for."""
    about = f'{name}: {VARIANTS[name].about}'
    return {'variant': about, 'preset': plan.preset, 'of_steps': str(plan.steps), 'of_seed': str(plan.seed)}


@torch.no_grad()
def blinded(network: Network, channels: Sequence[str]) -> Network:
    """Return the network, in place, without any weight on some channels of bev.POINTS."""
    for entry in (network.fold[0], network.skim[0]):
        assert isinstance(entry, torch.nn.Conv2d)
        entry.weight[:, [POINTS.index(name) for name in channels]] = 0.0
    return network


def write_model(folder: Path, network: Network, preset: str, name: str) -> None:
    """Write a network for torch alone, to be judged by commands that take a folder of models/."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / WEIGHTS)
    files = {WEIGHTS: digest(folder / WEIGHTS)}
    write_manifest(folder, Manifest(name, PRESETS[preset].network, tensors(INPUTS), tensors(OUTPUTS), files))
