"""How well cells of the ground are told by class, and where one may drive; docs/evaluation.md tells the protocol.

The geometric channel knows shapes alone: flat passes for paved, uneven for low vegetation, since no class of ground is
told by it. With `--model` the figures are those of the terrain with what a network tells of this one sweep, and
`geometric.` those of the other channel. `--set free=0.5`: what is surer than this is called free. `free95.*`: the limit
by which 95 % of the free cells of these very frames are called free, to choose one for others.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.ndimage import minimum_filter

from autonomy_nodes.common.grid import SEMANTICS, Grid
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.cell_truth import (
    HOLE,
    LOOSE,
    LOW_VEGETATION,
    OBSTACLE,
    OVERHEAD_M,
    PAVED,
    UNKNOWN,
    WATER,
    CellTruth,
    truth_of,
)
from autonomy_nodes.evaluation.measures.labelled_ground import Source, Sweep, sources
from autonomy_nodes.evaluation.measures.single import Network, network_of, perceived
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.perception import traversability

REACH_M = 30.0
ROUNDS = 300
FREE, WANTED, LIMITS = 0.5, 0.95, 200  # what is surer is called free; share of free cells; limits that are tried
CLASSES = {'paved': PAVED, 'low_vegetation': LOW_VEGETATION, 'obstacle': OBSTACLE}
ALL = CLASSES | {'loose': LOOSE, 'wet': WATER}  # of which only the simulator tells the truth
OF_SHAPE = {
    traversability.FLAT: PAVED, traversability.ROUGH: LOW_VEGETATION, traversability.BLOCKED: OBSTACLE,
    traversability.HOLE: HOLE,
}  # fmt: skip
OF_SEMANTIC = {  # what a network calls high vegetation or rubble stands in the way
    'paved': PAVED, 'loose': LOOSE, 'low_vegetation': LOW_VEGETATION, 'high_vegetation': OBSTACLE, 'wet': WATER,
    'rubble': OBSTACLE, 'obstacle': OBSTACLE,
}  # fmt: skip
OURS, GEOMETRY, BASELINE = '', 'geometric.', 'peer.height_threshold.'
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


@dataclass(frozen=True, eq=False)
class Measured:
    """One sweep, by who answered. spread: (2, LIMITS) cells that are free, and that never are, by p_free."""

    counts: dict[str, Counts]
    spread: dict[str, np.ndarray]
    spent_s: float


def evaluate(task: Task) -> Result:
    """Measure on every sweep of a folder whose points have labels, or that the simulator made."""
    items = [(name, item) for name, item in sources(task.data) if item[1].frame.labels is not None]
    if not items:
        raise DataError(f'{task.data}: no sweep has labels of its points')
    result, free = Result(worst_by='miou'), _share(task, 'free', FREE)
    found = over(task, items, partial(measured, out=task.out, network=network_of(task), free=free), result)
    chosen = {name: source for name, (_, source) in items}
    for name, one in found:
        mine = shares([one.counts[OURS]])
        result.frames.append(Scored(name, mine, partial(drawn, chosen[name], task.out / f'{name}.npz')))
    for who in found[0][1].counts:
        counts = [one.counts[who] for _, one in found]
        figures = shares(counts) | limited(np.sum([one.spread[who] for _, one in found], axis=0))
        for name in ('miou', 'miou_all', 'free_called_free', 'never_free_called_free'):
            if name in figures:
                figures[f'{name}.low95'], figures[f'{name}.high95'] = interval(counts, name, task.seed)
        result.figures |= {f'{who}{name}': value for name, value in figures.items()}
    result.figures |= {'cpu_s': float(np.mean([one.spent_s for _, one in found])), 'free': free}
    for name, (_, whole) in sorted(summed([one.counts[OURS] for _, one in found]).items()):
        result.figures[f'n_cells.{name}'] = whole
    result.figures['n_frames'] = len(found)
    return result


def _share(task: Task, name: str, otherwise: float) -> float:
    """Return an option of the task between 0 and 1."""
    word = task.options.get(name, str(otherwise))
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise SettingsError(f'{name}={word} must lie between 0 and 1')
    return value


def measured(item: tuple[str, Source], out: Path, network: Network | None, free: float) -> Measured:
    """Tell the cells around one sweep, leave them under `out`, count what is right: of ours, of the threshold."""
    name, source = item
    sweep = source.read()
    grid, spent_s = perceived(sweep, network)
    mine = ours(grid)
    layers: dict[str, Any] = {'class': mine.kind, 'p_free': mine.p_free, 'observed': mine.observed}
    layers |= {'origin_xy': grid.origin_m, 'resolution_m': np.float64(grid.resolution_m)}
    np.savez_compressed(out / f'{name}.npz', **layers)
    middles, index = near_cells(grid)
    truth = truth_of(source, sweep, grid, middles)
    answers = {OURS: mine, BASELINE: threshold(sweep, grid)}
    if network is not None:
        answers[GEOMETRY] = ours(perceived(sweep)[0])
    counts = {who: counted(answer, truth, index, free) for who, answer in answers.items()}
    return Measured(counts, {who: spread_of(answer, truth, index) for who, answer in answers.items()}, spent_s)


def near_cells(grid: Grid) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return (N, 2) middles of the cells within reach of base_link, and their indices."""
    rows, columns = np.indices(grid.shape)
    middles = grid.origin_m + (np.stack([rows, columns], axis=-1) + 0.5) * grid.resolution_m
    near = np.hypot(middles[..., 0], middles[..., 1]) <= REACH_M
    return middles[near], np.nonzero(near)


def ours(grid: Grid) -> Answer:
    """Return what the terrain says: as free as the cell is easy and not occupied; what it is of, where a network says.

    Of cells that the network was not asked for the geometric channel tells.
    """
    kind = np.full(grid.shape, UNKNOWN, np.uint8)
    for shape, name in OF_SHAPE.items():
        kind[grid.layers['class'] == shape] = name
    if 'semantic' in grid.layers:
        for place, word in enumerate(SEMANTICS):
            if word in OF_SEMANTIC:
                kind[grid.layers['semantic'] == place] = OF_SEMANTIC[word]
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


def counted(answer: Answer, truth: CellTruth, index: tuple[np.ndarray, ...], least: float = FREE) -> Counts:
    """Return (part, whole) of each figure: intersection and union of classes, cells called free and all of a kind."""
    kind = answer.kind[index]
    for one, other in truth.same.items():
        kind[kind == one] = other
    free = np.nan_to_num(answer.p_free[index]) > least
    judged = (truth.kind != UNKNOWN) & truth.seen
    counts: Counts = {}
    for name, number in ALL.items():
        if number in truth.same:
            continue
        said, is_so = (kind == number) & judged, (truth.kind == number) & judged
        counts[f'iou.{name}'] = int((said & is_so).sum()), int((said | is_so).sum())
        counts[f'called_free.{name}'] = int((free & is_so).sum()), int(is_so.sum())
    if truth.never:
        every = np.logical_or.reduce(list(truth.never.values()))
        told = truth.never | truth.beside
        counts |= {f'never_free.{name}': (int((free & at).sum()), int(at.sum())) for name, at in told.items()}
        counts['never_free_called_free'] = int((free & every).sum()), int(every.sum())
    if truth.free is not None:
        seen = truth.free & truth.seen
        counts['free_called_free'] = int((free & seen).sum()), int(seen.sum())
        counts['free_found'] = int((free & truth.free).sum()), int(truth.free.sum())
    return counts


def spread_of(answer: Answer, truth: CellTruth, index: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return (2, LIMITS) how many cells that are free and seen, and how many that never are, have which p_free."""
    p_free, spread = np.nan_to_num(answer.p_free[index]), np.zeros((2, LIMITS), int)
    if truth.free is not None and truth.never:
        for row, mine in enumerate((truth.free & truth.seen, np.logical_or.reduce(list(truth.never.values())))):
            spread[row] = np.histogram(p_free[mine], LIMITS, (0.0, 1.0))[0]
    return spread


def limited(spread: np.ndarray) -> Figures:
    """Return the highest limit above which WANTED of the free cells lie, and the share of the others above it."""
    free, never = spread
    if not free.sum() or not never.sum():
        return {}
    above = np.cumsum(free[::-1])[::-1] / free.sum()  # in this bin or a higher one
    first = int(np.flatnonzero(above >= WANTED)[-1])
    return {'free95.limit': first / LIMITS, 'free95.never_free_called_free': float(never[first:].sum() / never.sum())}


def summed(told: list[Counts]) -> Counts:
    """Return (part, whole) of each figure over frames."""
    names = list(dict.fromkeys(name for counts in told for name in counts))
    rows = {name: [counts[name] for counts in told if name in counts] for name in names}
    return {name: (sum(part for part, _ in each), sum(whole for _, whole in each)) for name, each in rows.items()}


def shares(told: list[Counts]) -> Figures:
    """Return the share of each figure over frames, and the mean of the IoU of three classes, and of all told."""
    sums = summed(told)
    figures = {name: part / whole for name, (part, whole) in sums.items() if whole}
    for mean, classes in (('miou', CLASSES), ('miou_all', ALL)):
        there = [name for name in classes if sums.get(f'called_free.{name}', (0, 0))[1] or name in CLASSES]
        ious = [figures[f'iou.{name}'] for name in there if f'iou.{name}' in figures]
        figures |= {mean: float(np.mean(ious))} if ious else {}
    return figures


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
    middles, index = near_cells(grid)
    truth = np.zeros(said.shape, np.uint8)
    truth[index] = truth_of(source, sweep, grid, middles).kind
    near = np.zeros(said.shape, bool)
    near[index] = True
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    panels = [COLOURS[np.where(near, each, UNKNOWN)][np.ix_(rows, columns)][::-1, ::-1] for each in (truth, said)]
    picture = np.concatenate([panels[0], np.zeros((len(rows), 2, 3), int), panels[1]], axis=1).astype(np.uint8)
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode('.png', large)[1])
