"""What a lane map is worth to a network that knows maps: cells of the ground with a true map, a stale one, and without.

Of simulated drives in worlds that have lanes: their map is drawn from family and seed of the world, as the simulator's
own map file is, and becomes a raster as on the vehicle. Cells and their truth are those of `terrain`. Intervals draw
worlds anew, the same of both sides: frames of one world are no independent witnesses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.grid import PRIOR_CONFIDENCE, Grid
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.cell_truth import truth_of
from autonomy_nodes.evaluation.measures.labelled_ground import Source, sources
from autonomy_nodes.evaluation.measures.single import AT_REST, Network, mapped, network_of
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.evaluation.measures.terrain import Counts, counted, drawn, near_cells, ours, shares, summed
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.mapping.raster import Raster, RasterConfig
from autonomy_nodes.messages.formats.files import read_json
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.messages.formats.simulated import RIG, SEQUENCES
from autonomy_nodes.sim.export import road_map_of
from autonomy_nodes.sim.scenes import FAMILIES, made
from autonomy_nodes.sim.stale import StaleSettings, stale

OFF_M, OFF_RAD = 0.15, 0.0044  # errors of the vehicle's pose in every map, one sigma along either axis
ASIDE_M = 2.0  # of a map that lies aside as a whole
ROUNDS = 1000
WITHOUT = 'without'
TOLD = ('miou', 'miou_all', 'free_called_free', 'never_free_called_free')

Wrong = Callable[[RoadMap, int], RoadMap]  # a map and a seed
MAPS: dict[str, tuple[Wrong, float]] = {  # what has become of the map, and how far it lies aside [m]
    'fresh': (lambda road_map, _: road_map, 0.0),
    'half_stale': (lambda road_map, seed: stale(road_map, StaleSettings(0.5), seed), 0.0),
    'all_stale': (lambda road_map, seed: stale(road_map, StaleSettings(1.0), seed), 0.0),
    'aside': (lambda road_map, _: road_map, ASIDE_M),
}


@dataclass(frozen=True, eq=False)
class Measured:
    """One sweep: counts by what map was given, and whether perception took it."""

    counts: dict[str, Counts]
    heard: dict[str, bool]


def evaluate(task: Task) -> Result:
    """Measure on the sweeps of a simulated folder whose worlds have a map; raises DataError where none has."""
    network = network_of(task)
    if network is None:
        raise SettingsError('prior measures a network that knows maps; name one by --model')
    every = [(name, item) for name, item in sources(task.data) if item[1].folder.parent.name == SEQUENCES]
    items = [(name, item) for name, item in every if has_map(item[1].folder)]
    if not items:
        raise DataError(f'{task.data}: no world with lanes; autonomy data holdout writes such (road, junction)')
    result = Result(worst_by='fresh.gain')
    found = over(task, items, partial(measured, out=task.out, network=network, seed=task.seed), result)
    chosen = {name: source for name, (_, source) in items}
    for name, one in found:
        figures = _frame({way: shares([counts]) for way, counts in one.counts.items()})
        picture = partial(drawn, chosen[name], task.out / f'{name}.fresh.npz')
        result.frames.append(Scored(name, figures, picture))
    worlds: dict[Path, list[Measured]] = {}
    for name, one in found:
        worlds.setdefault(chosen[name].folder, []).append(one)
    result.figures |= figures_of(list(worlds.values()), task.seed)
    for way in MAPS:
        result.figures[f'{way}.heard'] = float(np.mean([one.heard[way] for _, one in found]))
    without_map = {item[1].folder for _, item in every} - {item[1].folder for _, item in items}
    result.figures |= {'n_frames': len(found), 'n_worlds': len(worlds), 'n_worlds_without_map': len(without_map)}
    return result


def _frame(figures: dict[str, Figures]) -> Figures:
    told = {f'{way}.miou': each['miou'] for way, each in figures.items() if 'miou' in each}
    if {f'{WITHOUT}.miou', 'fresh.miou'} <= told.keys():
        told['fresh.gain'] = told['fresh.miou'] - told[f'{WITHOUT}.miou']
    return told


def figures_of(worlds: list[list[Measured]], seed: int) -> Figures:
    """Return the figures of each map, and by how much they are better than without one, intervals by worlds."""
    figures: Figures = {}
    rng = np.random.default_rng(seed)
    draws = [list(range(len(worlds))), *rng.integers(0, len(worlds), (ROUNDS, len(worlds))).tolist()]
    told = {}
    for way in (WITHOUT, *MAPS):
        counts = [summed([one.counts[way] for one in world]) for world in worlds]
        told[way] = [shares([counts[k] for k in draw]) for draw in draws]
    for way, rows in told.items():
        figures |= {f'{way}.{name}': value for name, value in rows[0].items()}
        if way != WITHOUT:
            for name in TOLD:
                figures |= _more(f'{way}.{name}_gain', name, rows, told[WITHOUT])
    return figures | _more('fresh.miou_over_all_stale', 'miou', told['fresh'], told['all_stale'])


def _more(told: str, name: str, mine: Sequence[Figures], theirs: Sequence[Figures]) -> Figures:
    """Return by how much a figure is larger on one side, of all worlds, and its interval of those drawn, row by row."""
    gains = [one[name] - two[name] for one, two in zip(mine, theirs) if name in one and name in two]
    if not gains:
        return {}
    low, high = np.percentile(gains[1:], [2.5, 97.5])
    return {told: gains[0], f'{told}.low95': float(low), f'{told}.high95': float(high)}


def measured(item: tuple[str, Source], out: Path, network: Network, seed: int) -> Measured:
    """Tell the cells around one sweep with each map, leave them under `out`, count what is right."""
    name, source = item
    sweep, counts, heard = source.read(), {}, {}
    for way in (WITHOUT, *MAPS):
        prior = None if way == WITHOUT else prior_of(source, way, name, seed)
        found = mapped(sweep, network, prior)
        grid, heard[way] = found.terrain, not found.unheard
        mine = ours(grid)
        layers: dict[str, Any] = {'class': mine.kind, 'p_free': mine.p_free, 'observed': mine.observed}
        layers |= {'origin_xy': grid.origin_m, 'resolution_m': np.float64(grid.resolution_m)}
        np.savez_compressed(out / f'{name}.{way}.npz', **layers)
        middles, index = near_cells(grid)
        counts[way] = counted(mine, truth_of(source, sweep, grid, middles), index)
    return Measured(counts, heard)


def prior_of(source: Source, way: str, name: str, seed: int) -> Grid:
    """Return the raster that the vehicle would have of a world's map, at a pose that is a little off."""
    rng = np.random.default_rng([seed, crc32(name.encode())])
    off, aside = rng.normal(size=2) * OFF_M, 2.0 * np.pi * rng.random()
    off += MAPS[way][1] * np.array([np.cos(aside), np.sin(aside)])
    shift = matrix_of_rpy(np.array([*off, 0.0]), np.array([0.0, 0.0, rng.normal() * OFF_RAD]))
    road_map = _map_of(source.folder, way, seed)
    raster = Raster(road_map, cut(road_map), RasterConfig())
    grid = raster.prior(AT_REST.stamp_ns, AT_REST.odom_from_base, source.frame.map_from(BASE) @ shift)
    sure = np.ones(grid.shape, np.float32)
    return replace(grid, layers={**grid.layers, PRIOR_CONFIDENCE: sure})


def has_map(sequence: Path) -> bool:
    """Return whether the world of a sequence has lanes."""
    return _world_map(sequence) is not None


@lru_cache(maxsize=64)
def _world_map(sequence: Path) -> RoadMap | None:
    """Return the map of the world of a sequence, None where it has none."""
    rig = read_json(sequence / RIG)
    family, seed = rig.get('family'), rig.get('world_seed')
    if family not in FAMILIES or not isinstance(seed, int):
        raise DataError(f'{sequence / RIG}: tells no family and world_seed; write the folder anew')
    world = made(family, seed)
    return None if world.lanes is None else road_map_of(world)[0]


@lru_cache(maxsize=8)
def _map_of(sequence: Path, way: str, seed: int) -> RoadMap:
    true = _world_map(sequence)
    assert true is not None
    return MAPS[way][0](true, crc32(sequence.name.encode()) + seed)
