"""How well the far ring is told, in bands of range; docs/evaluation.md tells the protocol.

Beside it, as `geometric.`, what the geometric channel makes of the same points: something stands where points stand
above the ground that it extrapolates, free is where points lie on that and none stand; its height is that ground.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.cell_truth import ditches, in_boxes
from autonomy_nodes.evaluation.measures.far_counts import Counts, FarAnswer, FarTruth, counted, shares
from autonomy_nodes.evaluation.measures.labelled_ground import Source, Sweep, sources
from autonomy_nodes.evaluation.measures.single import Network, network_of, told
from autonomy_nodes.evaluation.measures.task import Result, Scored, Task, over
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.messages.formats.simulated import GROUND, SEQUENCES, read_ground
from autonomy_nodes.perception.bev import FAR, FAR_M, FAR_ORIGIN_M, FAR_STANDS_M, far_middles
from autonomy_nodes.perception.far_raster import GROUND as PRIOR
from autonomy_nodes.perception.far_raster import far_asked, far_rasterised
from autonomy_nodes.perception.ground import GROUND as LIES
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.sim.materials import GROUND_SEMANTICS, Semantic

SURE = 0.5  # chance from which a cell is called so
LOW_M, HANGS_M = 0.25, 2.0  # what is lower is driven over, what is higher driven under
ROUNDS = 300
OURS, GEOMETRY = '', 'geometric.'
INTERVALS = ('obstacle.recall', 'free.precision', 'height_mae_m')
_PARTS_M = np.array([[x, y] for x in (-0.3, -0.1, 0.1, 0.3) for y in (-0.3, -0.1, 0.1, 0.3)])


@dataclass(frozen=True, eq=False)
class Measured:
    """One sweep, by who answered."""

    counts: dict[str, Counts]
    spent_s: float


def evaluate(task: Task) -> Result:
    """Measure on every sweep of simulated drives, written with a reach that the far ring needs."""
    network = network_of(task)
    if network is None:
        raise SettingsError('far needs --model NAME: a network with a far ring')
    items = [(name, item) for name, item in sources(task.data) if item[1].folder.parent.name == SEQUENCES]
    if not items:
        raise DataError(f'{task.data}: holds no simulated drives; autonomy data holdout --reach 200 writes some')
    result = Result(worst_by='range_40_80.obstacle.recall')
    found = over(task, items, partial(measured, out=task.out, network=network), result)
    for name, one in found:
        mine = shares([one.counts[OURS]])
        result.frames.append(Scored(name, mine, partial(drawn, task.out / f'{name}.npz')))
    for who in (OURS, GEOMETRY):
        counts = [one.counts[who] for _, one in found]
        figures = shares(counts)
        for key in [key for key in figures if key.partition('.')[2] in INTERVALS]:
            figures[f'{key}.low95'], figures[f'{key}.high95'] = interval(counts, key, task.seed)
        result.figures |= {f'{who}{key}': value for key, value in figures.items()}
    result.figures |= {'cpu_s': float(np.mean([one.spent_s for _, one in found])), 'n_frames': len(found)}
    return result


def measured(item: tuple[str, Source], out: Path, network: Network) -> Measured:
    """Tell the far ring of one sweep, leave it under `out`, and count what is right."""
    name, source = item
    sweep = source.read()
    seen, learned, spent_s = told(sweep, network)
    if learned.far is None:
        raise SettingsError(f'model {network[0].name!r} has no far ring')
    truth = truth_of(source)
    far = far_rasterised(sweep.xyz, seen.ground, seen.rays, seen.sensor_m)
    layers = learned.far.layers
    mine = FarAnswer(layers['obstacle'] > SURE, layers['free'] > SURE, layers['elevation'])
    stored: dict[str, Any] = {f'said_{layer}': value.astype(np.float16) for layer, value in layers.items()}
    np.savez_compressed(out / f'{name}.npz', obstacle=truth.obstacle, free=truth.free, **stored)
    asked = far_asked(far)
    answers = {OURS: mine, GEOMETRY: geometric(sweep, seen.ground, far)}
    return Measured({who: counted(answer, truth, asked) for who, answer in answers.items()}, spent_s)


def geometric(sweep: Sweep, ground: Ground, far: np.ndarray) -> FarAnswer:
    """Return what points alone say."""
    stands = (ground.heights_m > FAR_STANDS_M) & (ground.heights_m < HANGS_M)
    obstacle, lies = _fallen(sweep.xyz[stands]), _fallen(sweep.xyz[ground.kinds == LIES])
    return FarAnswer(obstacle, lies & ~obstacle, far[PRIOR])


def _fallen(xyz: np.ndarray) -> np.ndarray:
    """Return (*FAR) into which cells any of the points fell."""
    index = np.floor((xyz[:, :2] - FAR_ORIGIN_M) / FAR_M).astype(int)
    found = np.zeros(FAR, bool)
    found[tuple(index[((index >= 0) & (index < FAR)).all(axis=1)].T)] = True
    return found


def truth_of(source: Source) -> FarTruth:
    """Return the truth of the cells about one sweep, as the simulator built them: sixteen places of each are asked."""
    true, ditch = read_ground(source.folder / GROUND), _ditches(source.folder / GROUND)
    map_from_base = source.frame.map_from(BASE)
    turn, at = map_from_base[:3, :3], map_from_base[:3, 3]
    middles, height = far_middles(), np.zeros(FAR)
    for _ in range(3):  # where the axis of the vehicle through the middle meets the ground
        flat = middles @ turn[:2, :2].T + height[..., None] * turn[:2, 2] + at[:2]
        height = np.nan_to_num((true.height(flat) - at[2] - middles @ turn[2, :2]) / turn[2, 2])
    known = np.isfinite(true.height(flat))
    index, inside = true.index(flat + (_PARTS_M @ turn[:2, :2].T)[:, None, None])
    cells = index[..., 0], index[..., 1]
    semantic, top = true.semantic[cells], true.top[cells]
    top = np.where(semantic == Semantic.LOW_VEGETATION, 0.0, top).max(axis=0)
    assert source.frame.truth is not None
    objects = source.frame.truth().objects
    near = np.linalg.norm(objects.positions_m[:, :2] - (75.0, 0.0), axis=1) < 100.0
    in_box = in_boxes(objects, near, middles + _PARTS_M[:, None, None]).any(axis=0)
    wet = (GROUND_SEMANTICS[true.material[cells]] == Semantic.WET).any(axis=0)
    free = (top <= LOW_M) & ~in_box & ~wet & ~ditch[index[..., 0] // 2, index[..., 1] // 2].all(axis=0)
    known &= inside.all(axis=0)
    return FarTruth(np.where(known, height, np.nan), known & (in_box | (top > FAR_STANDS_M)), known & free)


@lru_cache(maxsize=2)
def _ditches(path: Path) -> np.ndarray:
    true = read_ground(path)  # every second cell tells as well, of so large a ground
    layers = {name: getattr(true, name)[::2, ::2] for name in ('z', 'material', 'semantic', 'top')}
    return ditches(replace(true, resolution_m=2.0 * true.resolution_m, **layers))


def interval(told_of: list[Counts], name: str, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a figure by drawing sweeps anew, their counts summed."""
    rng = np.random.default_rng(seed)
    rows = np.array([counts[name] for counts in told_of])
    drawn_rows = rows[rng.integers(0, len(rows), (ROUNDS, len(rows)))].sum(axis=1)
    with np.errstate(invalid='ignore'):
        low, high = np.nanpercentile(drawn_rows[:, 0] / drawn_rows[:, 1], [2.5, 97.5])
    return float(low), float(high)


def drawn(answers: Path) -> bytes:
    """Return a PNG from above, ahead is up: the truth, and what was said; green free, red obstacle."""
    stored = np.load(answers)
    panels = []
    for who in ('', 'said_'):
        free, obstacle = (np.nan_to_num(stored[f'{who}{name}'].astype(float)) for name in ('free', 'obstacle'))
        panels.append(np.stack([0.0 * free, free, obstacle], axis=-1))
    picture = (255.0 * np.concatenate(panels[::-1], axis=1)[::-1, ::-1]).astype(np.uint8)
    large = cv2.resize(picture, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode('.png', large)[1])
