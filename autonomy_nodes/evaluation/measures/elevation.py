"""How well the height of the ground is told, cell by cell, where it was seen and where it was filled in.

With `--model` the heights are those of the terrain and of a network, fused by their variances (as
`correction.heights` does on board, see perception/correction.py), and `geometric.` those of the terrain alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import peer_ground
from autonomy_nodes.evaluation.measures.labelled_ground import Source, Sweep, sources
from autonomy_nodes.evaluation.measures.rasters import Raster
from autonomy_nodes.evaluation.measures.single import AT_REST, Network, network_of, perceived, told
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, bootstrap, over
from autonomy_nodes.perception.correction import CorrectionSettings, heights
from autonomy_nodes.perception.guess import everywhere

REACH_M = 20.0
OURS, GEOMETRY, PEER = '', 'geometric.', f'peer.{peer_ground.NAME}.'
PIXELS_A_CELL, WORST_SHOWN_M = 8, 0.5


@dataclass(frozen=True, eq=False)
class Heights:
    """Answers at N cells of a raster: height and variance (NaN: none), and whether ground was seen there."""

    z: np.ndarray
    variance: np.ndarray
    observed: np.ndarray


def evaluate(task: Task) -> Result:
    """Measure on every sweep of a folder for which there is a raster of the ground."""
    with_peer = task.peers and bool(peer_ground.version())
    items = sources(task.data, raster=True)
    result = Result(worst_by='mae_all', low_is_bad=False)
    work = partial(measured, out=task.out, peers=with_peer, network=network_of(task))
    found = over(task, items, work, result)
    chosen = {name: source for name, (_, source) in items}
    for name, figures in found:
        picture = partial(drawn, chosen[name], task.out / f'{name}.npz')
        result.frames.append(Scored(name, dict(figures[OURS]), picture))
    result.versions = {peer_ground.NAME: peer_ground.version()} if with_peer else {}
    result.figures['n_frames'] = len(found)
    for who in found[0][1]:
        told = [figures[who] for _, figures in found]
        for key in sorted({key for figures in told for key in figures}):
            result.figures[who + key] = float(np.nanmean([figures[key] for figures in told if key in figures]))
        for key in ('mae_observed', 'mae_filled'):
            values = [figures[key] for figures in told if np.isfinite(figures[key])]
            result.figures[f'{who}{key}.low95'], result.figures[f'{who}{key}.high95'] = bootstrap(values, task.seed)
        result.figures |= {f'{who}frame.{name}.{key}': figures[who][key] for name, figures in found for key in KEYS}
    return result


KEYS = ('mae_observed', 'mae_filled')


def measured(
    item: tuple[str, Source], out: Path, peers: bool, network: Network | None = None
) -> Mapping[str, Figures]:
    """Tell the heights around one sweep, leave them under `out`, and score them."""
    name, source = item
    sweep = source.read()
    if sweep.raster is None:
        raise DataError(f'frame {source.frame.name}: has no raster of the ground')
    middles = sweep.raster.middles(REACH_M)
    truth = sweep.raster.at(middles)
    grid, spent_s = mapped(sweep, network)
    layers = grid.layers
    np.savez_compressed(
        out / f'{name}.npz', z=layers['elevation'], variance=layers['variance'], observed=layers['observed'] == 1.0,
        origin_xy=grid.origin_m, resolution_m=np.float64(grid.resolution_m),
    )  # fmt: skip
    ours = gathered(grid, sweep.raster, middles)
    figures = {OURS: scores(ours, truth) | {'cpu_s': spent_s}}
    if network is not None:
        plain, spent_s = mapped(sweep)
        figures[GEOMETRY] = scores(gathered(plain, sweep.raster, middles), truth) | {'cpu_s': spent_s}
    if peers:
        theirs = peer_heights(sweep, middles)
        figures[PEER] = scores(theirs, truth)
        # cells that one of both calls seen are the hard ones: ours on all that the peer has
        same = scores(replace(ours, observed=theirs.observed), truth)
        figures[OURS]['mae_where_peer_observed'] = same['mae_observed']
    return figures


def mapped(sweep: Sweep, network: Network | None = None) -> tuple[Grid, float]:
    """Return the terrain with a height in every cell, by a network's word too where one is given; its CPU time [s]."""
    terrain, spent_s = perceived(sweep)
    if network is None:
        return _whole(terrain), spent_s
    _, learned, more_s = told(sweep, network)
    return heights(_whole(terrain), AT_REST, learned, CorrectionSettings()), spent_s + more_s


def _whole(terrain: Grid) -> Grid:
    """Return a terrain with a height in every cell; what it does not know is guessed, and not observed."""
    z, variance = everywhere(terrain)
    return replace(terrain, layers={**terrain.layers, 'elevation': z, 'variance': variance})


def gathered(grid: Grid, raster: Raster, middles: np.ndarray) -> Heights:
    """Return a grid's answers at cells of a raster, perhaps larger: the mean of those seen, else of those filled."""
    count = max(1, round(raster.cell_m / grid.resolution_m * 2.0))
    if raster.cell_m <= grid.resolution_m * 1.01:
        count = 1
    steps = ((np.arange(count) + 0.5) / count - 0.5) * raster.cell_m
    offsets = np.stack(np.meshgrid(steps, steps, indexing='ij'), axis=-1).reshape(-1, 1, 2)
    places = middles + offsets  # (S, N, 2)
    z, variance, seen = (grid.at(name, places) for name in ('elevation', 'variance', 'observed'))
    seen = seen == 1.0
    observed = seen.any(axis=0)
    use = np.isfinite(z) & (seen | ~observed)
    weight = np.maximum(use.sum(axis=0), 1)
    mean = np.where(use, np.nan_to_num(z), 0.0).sum(axis=0) / weight
    spread = np.where(use, np.nan_to_num(variance), 0.0).sum(axis=0) / weight
    told = use.any(axis=0)
    return Heights(np.where(told, mean, np.nan), np.where(told, spread, np.nan), observed)


def peer_heights(sweep: Sweep, middles: np.ndarray) -> Heights:
    """Return the median height of Patchwork++'s ground points in each cell; of the nearest such cell where none are."""
    assert sweep.raster is not None
    ground, _ = peer_ground.Patchwork().ground(sweep.xyz, sweep.intensity, sweep.sensor_m)
    cell_m, corner_m = sweep.raster.cell_m, sweep.raster.corner_m
    xyz = sweep.xyz[ground].astype(float)
    index = np.floor((xyz[:, :2] - corner_m) / cell_m).astype(int)
    keys, inverse = np.unique(index, axis=0, return_inverse=True)
    order = np.lexsort((xyz[:, 2], inverse.ravel()))
    counts = np.bincount(inverse.ravel())
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    heights = xyz[order, 2]
    medians = 0.5 * (heights[starts + (counts - 1) // 2] + heights[starts + counts // 2])
    off, nearest = cKDTree(corner_m + (keys + 0.5) * cell_m).query(middles)
    return Heights(medians[nearest], np.full(len(middles), np.nan), off < 0.01)


def scores(heights: Heights, truth: np.ndarray) -> Figures:
    """Return errors over the surveyed cells, seen, filled, and both; and how honest the variances are."""
    known, told = np.isfinite(truth), np.isfinite(heights.z)
    off = np.abs(heights.z - truth)
    figures: Figures = {'n_cells': int(known.sum()), 'unanswered': float((known & ~told).sum() / max(known.sum(), 1))}
    parts = {'observed': heights.observed, 'filled': ~heights.observed, 'all': np.ones(len(off), bool)}
    for name, where in parts.items():
        mine = where & known & told
        figures[f'n_{name}'] = int(mine.sum())
        figures[f'mae_{name}'] = float(off[mine].mean()) if mine.any() else float('nan')
        figures[f'p50_{name}'], figures[f'p95_{name}'] = (
            (float(value) for value in np.percentile(off[mine], [50, 95])) if mine.any() else (float('nan'),) * 2
        )
        mine &= np.isfinite(heights.variance)
        if mine.any():
            figures[f'within_2_sigma_{name}'] = float((off[mine] <= 2.0 * np.sqrt(heights.variance[mine])).mean())
    return figures


def drawn(source: Source, answers: Path) -> bytes:
    """Return a PNG from above: errors from blue (too low by 0.5 m and more) over white to red; filled cells paler."""
    sweep, stored = source.read(), np.load(answers)
    assert sweep.raster is not None
    z, origin, cell = stored['z'], stored['origin_xy'], float(stored['resolution_m'])
    rows, columns = np.indices(z.shape)
    xy = origin + (np.stack([rows, columns], axis=-1) + 0.5) * cell
    near = np.hypot(xy[..., 0], xy[..., 1]) <= REACH_M
    off = z - sweep.raster.at(xy.reshape(-1, 2)).reshape(z.shape)
    share = np.clip(np.nan_to_num(off) / WORST_SHOWN_M, -1.0, 1.0) * np.where(stored['observed'], 1.0, 0.5)
    picture = np.full((*z.shape, 3), 255.0)
    picture[..., 1] -= 255.0 * np.abs(share)
    picture[..., 0] -= 255.0 * np.maximum(share, 0.0)  # blue, green, red
    picture[..., 2] += 255.0 * np.minimum(share, 0.0)
    picture[~np.isfinite(off) | ~near] = 200.0
    inside = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    shown = picture[np.ix_(*inside)][::-1, ::-1].astype(np.uint8)  # x up, y to the left
    large = cv2.resize(shown, None, fx=PIXELS_A_CELL, fy=PIXELS_A_CELL, interpolation=cv2.INTER_NEAREST)
    return cv2.imencode('.png', large)[1].tobytes()
