"""Examples with the lane map of their place, as true as maps on vehicles are: a little off, in parts wrong, all wrong.

What a network takes of a map it learns here: how much it tells where it is true, and by what it shows that it is not.
Of places like those that it has learned from a network hardly needs a map. So what light and roughness tell of the
ground is made wrong in patches, as on ground that it never saw: there a map knows better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.mapping.raster import Raster, RasterConfig
from autonomy_nodes.perception.bev import POINTS
from autonomy_nodes.perception.map_prior import map_channels
from autonomy_nodes.perception.network import reach_of_cells
from autonomy_nodes.sim.plots.roads import MAPPED
from autonomy_nodes.sim.stale import StaleSettings, stale
from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
from autonomy_nodes.training.examples import Chart, Example
from autonomy_nodes.training.places import PlaceSettings, examples
from autonomy_nodes.training.samples import Sample, SampleSettings, sample_of, strip

HERE = AugmentationSettings(paste=0.0, flip=0.0, turn=0.0)  # a map follows neither turns nor mirrors
LEARNED = ('points', 'prior', 'map', 'terrain', 'no_obstacle', 'reach')  # of a sample, what the chart learns by
MISLEADING = [POINTS.index(name) for name in ('intensity', 'contrast', 'rough')]
PATCHES = (8, 6)  # over the grid


@dataclass(frozen=True)
class ChartSettings:
    """How true maps are. stale: share of samples of whose map a part, from `least` to all, is no longer true.

    aside: share whose whole map lies aside, by `aside_m` and `aside_rad` at most. elsewhere: share with the map of
    another place. hidden: share of which a part of the map is not known. off_m, off_rad: errors of the vehicle's pose
    (one sigma) at most; what is drawn lies between 0 and these. misled: share of sweeps whose light and roughness are
    wrong in patches, by a factor whose logarithm has the sigma `misled_by`.
    """

    stale: float = 0.25
    least: float = 0.2
    aside: float = 0.1
    aside_m: float = 6.0
    aside_rad: float = 0.1
    elsewhere: float = 0.1
    hidden: float = 0.3
    off_m: float = 0.25
    off_rad: float = 0.009
    misled: float = 0.6
    misled_by: float = 0.6

    def __post_init__(self) -> None:
        if not 0.0 <= self.stale + self.aside + self.elsewhere <= 1.0:
            raise ValueError('stale, aside and elsewhere must be shares that are 1 at most together')
        if not 0.0 <= self.hidden <= 1.0 or not 0.0 <= self.misled <= 1.0:
            raise ValueError(f'hidden={self.hidden} and misled={self.misled} must lie between 0 and 1')
        if min(self.aside_m, self.aside_rad, self.off_m, self.off_rad) < 0.0 or not 0.0 <= self.least <= 1.0:
            raise ValueError('aside_m, aside_rad, off_m, off_rad must not be below 0, least between 0 and 1')


def charted_places(seed: int) -> Iterator[Example]:
    """Yield the views of a place that has a lane map, the kinds of them in turn."""
    return examples(seed, PlaceSettings(recipe=MAPPED[seed // 2 % len(MAPPED)], maps=True))


def charted_guise(example: Example, rng: np.random.Generator, others: Sequence[Example] = ()) -> Example:
    """Return an example seen by another sensor, now and then with the map of another place."""
    if others and rng.random() < ChartSettings().elsewhere:
        example = replace(example, chart=others[int(rng.integers(len(others)))].chart)
    return augmented(example, rng, (), HERE)


def charted_sample(example: Example, rng: np.random.Generator, settings: SampleSettings) -> Sample:
    """Return what the chart learns from an example that has a map."""
    chart, how = example.chart, ChartSettings()
    if chart is None:
        raise ValueError('the example has no map; take those of PlaceSettings(maps=True) that have one')
    sample = sample_of(example, rng, settings)
    sample['map'] = torch.from_numpy(worn(chart, rng, how))
    if rng.random() < how.misled:
        sample['points'] = misled(sample['points'], rng, how.misled_by)
    sample = strip({'reach': reach_of_cells(), **sample}, rng, settings.across)
    return {name: sample[name] for name in LEARNED}


def misled(points: Tensor, rng: np.random.Generator, by: float) -> Tensor:
    """Return the tensor of points (len(POINTS), X, Y) with factors in patches on what light and roughness tell."""
    points = points.clone()
    for channel in MISLEADING:
        coarse = rng.normal(size=PATCHES).astype(np.float32) * by
        factors = cv2.resize(np.exp(coarse), points.shape[:0:-1], interpolation=cv2.INTER_CUBIC)
        points[channel] *= torch.from_numpy(np.clip(factors, 0.1, 10.0)).to(points.dtype)
    return points


def worn(chart: Chart, rng: np.random.Generator, settings: ChartSettings) -> np.ndarray:
    """Return channels of a map (7, *MIDDLE) as untrue as drawn."""
    road_map, lot = chart.road_map, rng.random()
    off = rng.normal(size=2) * rng.uniform(0.0, settings.off_m), rng.normal() * rng.uniform(0.0, settings.off_rad)
    if lot < settings.stale:
        road_map = stale(road_map, StaleSettings(rng.uniform(settings.least, 1.0)), int(rng.integers(1 << 31)))
    elif lot < settings.stale + settings.aside:
        off = rng.uniform(-1.0, 1.0, 2) * settings.aside_m, rng.uniform(-1.0, 1.0) * settings.aside_rad
    told = channels_of(road_map, chart.map_from_base, *off)
    if rng.random() < settings.hidden:
        edges = np.sort(rng.integers(0, told.shape[1] + 1, 2)), np.sort(rng.integers(0, told.shape[2] + 1, 2))
        told[:, slice(*edges[0]), slice(*edges[1])] = 0.0
    return told


def channels_of(road_map: RoadMap, map_from_base: np.ndarray, off_m: np.ndarray, off_rad: float) -> np.ndarray:
    """Return what the vehicle's own raster makes of a map (7, *MIDDLE), its pose being off in base_link."""
    shift = matrix_of_rpy(np.array([*off_m, 0.0]), np.array([0.0, 0.0, off_rad]))
    raster = Raster(road_map, cut(road_map), RasterConfig())
    return map_channels(raster.prior(0, np.eye(4), map_from_base @ shift), np.eye(4))
