"""How well cells of the ground are told by class, and where one may drive; docs/evaluation.md tells the protocol.

Our stage knows shapes alone: flat passes for paved, uneven for low vegetation, since no class of ground is told by it.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.ndimage import minimum_filter

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.cell_truth import (
    HOLE,
    LOW_VEGETATION,
    OBSTACLE,
    OVERHEAD_M,
    PAVED,
    UNKNOWN,
    CellTruth,
    truth_of,
)
from autonomy_nodes.evaluation.measures.elevation import perceived
from autonomy_nodes.evaluation.measures.labelled_ground import Source, Sweep, sources
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception import traversability

REACH_M = 30.0
ROUNDS = 300
FREE = 0.5  # what is surer than this is called free
CLASSES = {'paved': PAVED, 'low_vegetation': LOW_VEGETATION, 'obstacle': OBSTACLE}
OF_SHAPE = {
    traversability.FLAT: PAVED, traversability.ROUGH: LOW_VEGETATION, traversability.BLOCKED: OBSTACLE,
    traversability.HOLE: HOLE,
}  # fmt: skip
OURS, BASELINE = '', 'peer.height_threshold.'
THRESHOLD_M, WINDOW = 0.3, 5  # above the lowest point of so many cells around
COLOURS = np.array(  # of the classes, BGR
    [(255, 255, 255), (150, 150, 150), (90, 150, 200), (90, 190, 90), (40, 40, 200), (200, 140, 40), (120, 0, 120)]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """Of every cell of a grid (X, Y): class, how surely it is free (NaN: not known), whether it was seen."""

    kind: np.ndarray
    p_free: np.ndarray
    observed: np.ndarray


Counts = dict[str, tuple[int, int]]  # {figure: (part, whole)}, summed over frames
Measured = tuple[Counts, Counts, float]  # ours, the threshold's, CPU time [s]


def evaluate(task: Task) -> Result:
    """Measure on every sweep of a folder whose points have labels, or that the simulator made."""
    items = [(name, item) for name, item in sources(task.data) if item[1].frame.labels is not None]
    if not items:
        raise DataError(f'{task.data}: no sweep has labels of its points')
    result = Result(worst_by='miou')
    found = over(task, items, partial(measured, out=task.out), result)
    chosen = {name: source for name, (_, source) in items}
    for name, (ours, _, _) in found:
        result.frames.append(Scored(name, shares([ours]), partial(drawn, chosen[name], task.out / f'{name}.npz')))
    for who, told in ((OURS, [each[0] for _, each in found]), (BASELINE, [each[1] for _, each in found])):
        figures = shares(told)
        for name in ('miou', 'free_called_free', 'never_free_called_free'):
            if name in figures:
                figures[f'{name}.low95'], figures[f'{name}.high95'] = interval(told, name, task.seed)
        result.figures |= {f'{who}{name}': value for name, value in figures.items()}
    result.figures['cpu_s'] = float(np.mean([spent_s for _, (_, _, spent_s) in found]))
    for name, (_, whole) in sorted(_summed([ours for _, (ours, _, _) in found]).items()):
        result.figures[f'n_cells.{name}'] = whole
    result.figures['n_frames'] = len(found)
    return result


def measured(item: tuple[str, Source], out: Path) -> Measured:
    """Tell the cells around one sweep, leave them under `out`, count what is right: ours and the threshold's."""
    name, source = item
    sweep = source.read()
    grid, spent_s = perceived(sweep)
    mine = ours(grid)
    layers: dict[str, Any] = {'class': mine.kind, 'p_free': mine.p_free, 'observed': mine.observed}
    layers |= {'origin_xy': grid.origin_m, 'resolution_m': np.float64(grid.resolution_m)}
    np.savez_compressed(out / f'{name}.npz', **layers)
    middles, index = _near(grid)
    truth = truth_of(source, sweep, grid, middles)
    return counted(mine, truth, index), counted(threshold(sweep, grid), truth, index), spent_s


def _near(grid: Grid) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return (N, 2) middles of the cells within reach of base_link, and their indices."""
    rows, columns = np.indices(grid.shape)
    middles = grid.origin_m + (np.stack([rows, columns], axis=-1) + 0.5) * grid.resolution_m
    near = np.hypot(middles[..., 0], middles[..., 1]) <= REACH_M
    return middles[near], np.nonzero(near)


def ours(grid: Grid) -> Answer:
    """Return what the terrain stage says: as free as the cell is easy and not occupied."""
    kind = np.full(grid.shape, UNKNOWN, np.uint8)
    for shape, name in OF_SHAPE.items():
        kind[grid.layers['class'] == shape] = name
    p_free = (1.0 - grid.layers['occupancy']) * grid.layers['traversability']
    return Answer(kind, p_free.astype(np.float32), grid.layers['observed'] == 1.0)


def threshold(sweep: Sweep, grid: Grid) -> Answer:
    """Return what a threshold of height says: an obstacle reaches THRESHOLD_M above the lowest point around."""
    index, inside = grid.cells(sweep.xyz[:, :2].astype(float))
    rows, columns = index[inside].T
    z = sweep.xyz[inside, 2].astype(float)
    low = np.full(grid.shape, np.inf)
    np.minimum.at(low, (rows, columns), z)
    floor = minimum_filter(low, size=WINDOW, mode='constant', cval=np.inf)
    below = z - floor[rows, columns] < OVERHEAD_M
    top = np.full(grid.shape, -np.inf)
    np.maximum.at(top, (rows[below], columns[below]), z[below])
    seen = np.isfinite(top)
    stands = seen & (np.where(seen, top, 0.0) - np.where(seen, floor, 0.0) > THRESHOLD_M)
    kind = np.where(stands, OBSTACLE, np.where(seen, PAVED, UNKNOWN)).astype(np.uint8)
    return Answer(kind, np.where(seen, 1.0 - stands, np.nan).astype(np.float32), seen)


def counted(answer: Answer, truth: CellTruth, index: tuple[np.ndarray, ...]) -> Counts:
    """Return (part, whole) of each figure: intersection and union of classes, cells called free and all of a kind."""
    kind = answer.kind[index]
    free = np.nan_to_num(answer.p_free[index]) > FREE
    judged = (truth.kind != UNKNOWN) & truth.seen
    counts: Counts = {}
    for name, number in CLASSES.items():
        said, is_so = (kind == number) & judged, (truth.kind == number) & judged
        counts[f'iou.{name}'] = int((said & is_so).sum()), int((said | is_so).sum())
        counts[f'called_free.{name}'] = int((free & is_so).sum()), int(is_so.sum())
    if truth.never:
        every = np.logical_or.reduce(list(truth.never.values()))
        counts |= {f'never_free.{name}': (int((free & at).sum()), int(at.sum())) for name, at in truth.never.items()}
        counts['never_free_called_free'] = int((free & every).sum()), int(every.sum())
    if truth.free is not None:
        seen = truth.free & truth.seen
        counts['free_called_free'] = int((free & seen).sum()), int(seen.sum())
        counts['free_found'] = int((free & truth.free).sum()), int(truth.free.sum())
    return counts


def _summed(told: list[Counts]) -> Counts:
    names = list(dict.fromkeys(name for counts in told for name in counts))
    rows = {name: [counts[name] for counts in told if name in counts] for name in names}
    return {name: (sum(part for part, _ in each), sum(whole for _, whole in each)) for name, each in rows.items()}


def shares(told: list[Counts]) -> Figures:
    """Return the share of each figure over frames, and the mean of the classes' IoU."""
    figures = {name: part / whole for name, (part, whole) in _summed(told).items() if whole}
    ious = [figures[f'iou.{name}'] for name in CLASSES if f'iou.{name}' in figures]
    return figures | ({'miou': float(np.mean(ious))} if ious else {})


def interval(told: list[Counts], name: str, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a figure by drawing frames anew, their counts summed."""
    rng = np.random.default_rng(seed)
    values = [shares([told[k] for k in rng.integers(0, len(told), len(told)).tolist()]) for _ in range(ROUNDS)]
    low, high = np.percentile([each[name] for each in values if name in each], [2.5, 97.5])
    return float(low), float(high)


def drawn(source: Source, answers: Path) -> bytes:
    """Return a PNG from above: the truth, and what was said; grey paved, brown loose, green low, red obstacle."""
    sweep, stored = source.read(), np.load(answers)
    said = stored['class']
    grid = Grid(0, BASE, float(stored['resolution_m']), stored['origin_xy'], {'class': said.astype(np.float32)})
    middles, index = _near(grid)
    truth = np.zeros(said.shape, np.uint8)
    truth[index] = truth_of(source, sweep, grid, middles).kind
    near = np.zeros(said.shape, bool)
    near[index] = True
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    panels = [COLOURS[np.where(near, each, UNKNOWN)][np.ix_(rows, columns)][::-1, ::-1] for each in (truth, said)]
    picture = np.concatenate([panels[0], np.zeros((len(rows), 2, 3), int), panels[1]], axis=1).astype(np.uint8)
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode('.png', large)[1])
