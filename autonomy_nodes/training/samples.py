"""Examples made from seeds on the spot, each shown several times in different guises, as tensors for the network.

A seed makes one place. Places with the seeds from HELD_OUT are never learned from; those
from scenes.FIRST_SEED on are for measuring.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from autonomy_nodes.perception.bev import CAMERA_CHANNELS, CELLS, MAP_CHANNELS, MIDDLE, PRIOR
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.ground import Ground, GroundConfig, GroundSplitter
from autonomy_nodes.perception.network import reach_of_cells
from autonomy_nodes.perception.raster import rasterised
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.scenes import FIRST_SEED
from autonomy_nodes.training.targets import targets_of

HELD_OUT = FIRST_SEED - 10_000
VEHICLE_HEIGHT_M = 1.7  # moves no height, and heights alone count here
_PASSED = PRIOR.index('passed')

Source = Callable[[int], Iterator[Example]]  # a seed's examples
Guise = Callable[[Example, np.random.Generator, Sequence[Example]], Example]  # an example among others, changed
Sample = dict[str, torch.Tensor]
Make = Callable[[Example, np.random.Generator, 'SampleSettings'], Sample]


@dataclass(frozen=True)
class SampleSettings:
    """How often an example is shown.

    a_place: examples of a place. pool: examples a process holds, of which it draws; uses: how often each is drawn, on
    average. without_before, without_rays: share of samples that lack the earlier sweep, or do not know where the LiDAR
    is. across: cells along y of the strip that is cut out of the grid, a multiple of 4, 0 for all: most that is to be
    learned lies along roads, and a strip costs less.
    """

    a_place: int = 4
    pool: int = 160
    uses: float = 2.0
    without_before: float = 0.1
    without_rays: float = 0.2
    across: int = 120

    def __post_init__(self) -> None:
        if self.a_place < 1 or self.pool < 1 or not self.uses >= 1.0:
            raise ValueError(f'a_place={self.a_place}, pool={self.pool} and uses={self.uses} must be 1 at least')
        if self.across % 4 or not 0 <= self.across <= CELLS[1]:
            raise ValueError(f'across={self.across} must be a multiple of 4, {CELLS[1]} at most')
        for name in ('without_before', 'without_rays'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')


class Samples(IterableDataset):
    """Endless samples of the seeds from `start`, shared out among processes; `seed` of each tells how far they are."""

    def __init__(
        self, source: Source, guise: Guise, start: int, settings: SampleSettings, rank: int = 0, ranks: int = 1,
        make: Make | None = None,
    ) -> None:  # fmt: skip
        if not 0 <= start < HELD_OUT:
            raise ValueError(f'start={start} must lie between 0 and {HELD_OUT}: the seeds above are held out')
        self.source, self.guise, self.start, self.settings = source, guise, start, settings
        self.rank, self.ranks, self.make = rank, ranks, make or strip_of

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        mine, all_ = (worker.id, worker.num_workers) if worker else (0, 1)
        first, step = self.start + self.rank * all_ + mine, self.ranks * all_
        rng, settings = np.random.default_rng(first), self.settings
        pool: list[Example] = []
        debt = 0.0
        for seed in count(first, step):
            for example in islice(self.source(seed), settings.a_place):
                if len(pool) == settings.pool:
                    pool[rng.integers(len(pool))] = example
                else:
                    pool.append(example)
                debt += settings.uses
                while debt >= 1.0:
                    debt -= 1.0
                    chosen = self.guise(pool[rng.integers(len(pool))], rng, pool)
                    yield self.make(chosen, rng, settings) | {'seed': torch.tensor(seed)}


def sample_of(
    example: Example, rng: np.random.Generator | None = None, settings: SampleSettings | None = None
) -> Sample:
    """Return inputs and targets of an example; with rng, some of what may be missing on a vehicle is left out."""
    before, sensor_m = example.before, example.sensor_m
    passed: np.ndarray | None
    ground, passed = grounded(example)
    if rng is not None and settings is not None:
        if rng.random() < settings.without_before:
            before = before[:0]
        if rng.random() < settings.without_rays:
            passed = None
    inputs = rasterised(example.points, before, ground, passed, sensor_m)
    targets = targets_of(example, inputs['prior'])
    sample = {name: torch.from_numpy(value) for name, value in (inputs | targets).items()}
    sample['points'] = sample['points'].half()  # half as much to hand from process to process
    sample['told_before'] = torch.full((1, 1, 1), float(len(before) > 0))
    return sample


def grounded(example: Example) -> tuple[Ground, np.ndarray]:
    """Return the ground of an example's sweep, and its rays (cells.rays), as the geometric channel sees both."""
    xyz = np.ascontiguousarray(example.points[:, :3], np.float32)
    ground = _SPLITTER.split(xyz)
    return ground, rays(xyz, ground.kinds, np.asarray(example.sensor_m, np.float64))


def strip_of(example: Example, rng: np.random.Generator, settings: SampleSettings) -> Sample:
    """Return what is learned from an example by all but the far ring."""
    return strip(sample_of(example, rng, settings), rng, settings.across)


def strip(sample: Sample, rng: np.random.Generator, across: int) -> Sample:
    """Return the cells of a strip, `across` cells along y, mostly the middle one, with how far they are."""
    if not across or across == CELLS[1]:
        return sample
    start = int(rng.choice([0, 0.5, 0.5, 1]) * (CELLS[1] - across)) // 4 * 4
    cut = {
        name: value[..., wide * start // CELLS[1] : wide * (start + across) // CELLS[1]].contiguous()
        for name, value in (sample | {'reach': reach_of_cells()}).items()
        if (wide := value.shape[-1]) >= MIDDLE[1]
    }
    return sample | cut


def stacked(samples: Sequence[Sample]) -> Sample:
    """Return a batch of samples."""
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def inputs_of(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the inputs of a batch of samples; camera and map are not given."""
    prior = batch['prior']
    size, _, wide, long = prior.shape
    none = {
        'camera': prior.new_zeros(size, CAMERA_CHANNELS, wide // 2, long // 2),
        'map': prior.new_zeros(size, MAP_CHANNELS, wide // 2, long // 2),
        'given': prior.new_zeros(size, 2, 1, 1),
    }
    more = {'reach': batch['reach']} if 'reach' in batch else {}
    return {'points': batch['points'].float(), 'prior': prior, **none, **more}


_SPLITTER = GroundSplitter(GroundConfig(), VEHICLE_HEIGHT_M)
