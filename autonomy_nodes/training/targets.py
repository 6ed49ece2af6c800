"""What the network should say of an example, cell by cell, and where it is asked at all.

Middles of objects are bells on a map as in CenterPoint (Yin et al. 2021). Of what few points show nobody can tell: a
box with fewer than LEAST_HITS points or of which less than LEAST_SHARE is to be seen is neither asked for nor wrong.
"""

import cv2
import numpy as np

from autonomy_nodes.perception.bev import (
    BOX,
    CELL_M,
    CELLS,
    CLASSES,
    HIGH_M,
    ORIGIN_M,
    SLICES_M,
    STEP_S,
    TERRAIN,
    middles,
)
from autonomy_nodes.perception.semantics import asked_of
from autonomy_nodes.training.examples import NO_OBSTACLE, Example

LEAST_HITS, LEAST_SHARE = 5, 0.15
NOT_TOLD = 255  # class of terrain
NEAR_M = 0.6  # cells whose middles are so near to that of an object give its box
SPREAD = 0.07  # width of a bell as a share of length plus width [m]
LEAST_SPREAD_M = 0.27
MARGIN_M = 0.6  # about what is neither asked for nor wrong
FARTHEST_RESIDUAL_M = 3.0  # heights of the ground that lie farther from the prior are beyond what can be told
FILLED_WEIGHT = 0.2  # of heights where no ground was seen
_MIDDLES = middles()
_WET = TERRAIN.index('wet')
_EDGES_M = np.array(SLICES_M, np.float32)

Targets = dict[str, np.ndarray]


def targets_of(example: Example, prior: np.ndarray) -> Targets:
    """Return the targets of an example, float32 unless told else. prior: as raster.rasterised gives it.

    heat: (5, X, Y) 0 to 1; heat_weight: (1, X, Y) 0 where not asked. box: (10, X, Y), box_weight: (1, X, Y).
    ground: (1, X, Y) to be added to the prior, ground_weight. terrain: (X, Y) int64, NOT_TOLD where not asked.
    no_obstacle: (1, X, Y) 1 where nothing of the terrain is known but that it is no obstacle.
    top, blocked: (1, X, Y). occupied: (8, X, Y). seen: (1, X, Y) 1 where a point lies in the cell or beside it, or a
    ray grazed it: there terrain, top, blocked and occupied are asked for, as far as the example knows them; of water
    not where no point has any intensity.
    """
    ground_m = np.where(np.isfinite(example.ground_m), example.ground_m, prior[0])
    residual = (ground_m - prior[0]).astype(np.float32)
    told = np.isfinite(example.ground_m) & (np.abs(residual) < FARTHEST_RESIDUAL_M)
    beside = cv2.dilate(prior[1], np.ones((3, 3), np.uint8)) > 0.0
    shown = asked_of(prior)
    if example.stands_asked is None:
        shown &= np.isfinite(example.ground_m)
    seen = shown if example.stands_asked is None else shown & example.stands_asked
    terrain = np.where(shown & (example.terrain < len(TERRAIN)), example.terrain, NOT_TOLD)
    if not example.points[:, 3].any():  # without light nothing tells water from a smooth floor
        wet = example.terrain == _WET
        seen, terrain = seen & ~wet, np.where(wet, NOT_TOLD, terrain)
    return _objects(example, prior[0]) | {
        'ground': residual[None],
        'ground_weight': np.where(told, np.where(beside, 1.0, FILLED_WEIGHT), 0.0).astype(np.float32)[None],
        'terrain': terrain.astype(np.int64),
        'no_obstacle': (shown & (example.terrain == NO_OBSTACLE)).astype(np.float32)[None],
        'top': np.clip(np.nan_to_num(example.top_m), 0.0, HIGH_M).astype(np.float32)[None],
        'blocked': example.blocked.astype(np.float32)[None],
        'occupied': _occupied(example, prior[0], residual),
        'seen': seen.astype(np.float32)[None],
    }


def _objects(example: Example, height: np.ndarray) -> Targets:
    heat, weight = np.zeros((len(CLASSES), *CELLS), np.float32), np.ones((1, *CELLS), np.float32)
    box, box_weight = np.zeros((len(BOX), *CELLS), np.float32), np.zeros((1, *CELLS), np.float32)
    if example.objects_asked is not None:
        weight[0][~example.objects_asked] = 0.0
    shown = (example.hits >= LEAST_HITS) & (example.shares >= LEAST_SHARE)
    for row in np.flatnonzero(~shown):
        part = _window(example.boxes[row], _reach_m(example.boxes[row]) + 2.0 * MARGIN_M)
        weight[0][part][_inside(example.boxes[row], _MIDDLES[part], MARGIN_M)] = 0.0
    for row in np.flatnonzero(shown):
        one = example.boxes[row]
        cell = tuple(np.floor((one[:2] - ORIGIN_M) / CELL_M).astype(int).tolist())
        if not (0 <= cell[0] < CELLS[0] and 0 <= cell[1] < CELLS[1]):
            continue
        spread = max(SPREAD * (one[3] + one[4]), LEAST_SPREAD_M)
        part = _window(one, max(4.0 * spread, NEAR_M))
        away = _MIDDLES[part] - one[:2]
        squares = (away**2).sum(axis=-1)
        layer = heat[example.kinds[row]]
        layer[part] = np.maximum(layer[part], np.exp(-squares / (2.0 * spread**2)))
        layer[cell] = weight[0][cell] = 1.0
        near = np.exp(-squares / (2.0 * NEAR_M**2)) * (squares < NEAR_M**2)
        near[cell[0] - part[0].start, cell[1] - part[1].start] = 1.0
        mine = near > box_weight[0][part]  # a cell between two people belongs to the nearer one
        box[(slice(None), *part)][:, mine] = _row(one, away[mine], height[part][mine])
        box_weight[0][part][mine] = near[mine]
    return {'heat': heat, 'heat_weight': weight, 'box': box, 'box_weight': box_weight}


def _row(one: np.ndarray, away: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return (len(BOX), K) what K cells should tell of a box; its middle is so high above the prior ground."""
    same = np.ones(len(away))
    sizes, heading = np.log(one[3:6]), one[6]
    rows = [-away[:, 0], -away[:, 1], one[2] - height, *(size * same for size in sizes)]
    moved = STEP_S * one[7:9]
    return np.array([*rows, np.sin(heading) * same, np.cos(heading) * same, moved[0] * same, moved[1] * same])


def _window(one: np.ndarray, reach_m: float) -> tuple[slice, slice]:
    """Return the cells of the grid that lie no farther than reach_m from a middle along x and along y."""
    low = np.clip(np.floor((one[:2] - reach_m - ORIGIN_M) / CELL_M).astype(int), 0, CELLS)
    high = np.clip(np.floor((one[:2] + reach_m - ORIGIN_M) / CELL_M).astype(int) + 1, 0, CELLS)
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def _reach_m(one: np.ndarray) -> float:
    return 0.5 * float(np.hypot(one[3], one[4]))


def _inside(one: np.ndarray, middles_m: np.ndarray, margin_m: float) -> np.ndarray:
    """Return (X, Y) which cells have their middles (X, Y, 2) in a box seen from above, or so near to it."""
    away, (c, s) = middles_m - one[:2], (np.cos(one[6]), np.sin(one[6]))
    along, across = away @ np.array([c, s]), away @ np.array([-s, c])
    inside: np.ndarray = (np.abs(along) < one[3] / 2.0 + margin_m) & (np.abs(across) < one[4] / 2.0 + margin_m)
    return inside


def _occupied(example: Example, height: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return (8, X, Y) which slices above the prior ground hold something: points, the ground, what stands on it."""
    occupied = np.zeros((len(SLICES_M) - 1, *CELLS), np.float32)
    top = residual + np.nan_to_num(example.top_m)
    for level, (low, high) in enumerate(zip(SLICES_M, SLICES_M[1:])):
        occupied[level] = (residual < high) & (top >= low)
    cells = np.floor((example.points[:, :2] - ORIGIN_M.astype(np.float32)) / np.float32(CELL_M)).astype(np.int32)
    i, j = cells.T
    inside = (i >= 0) & (i < CELLS[0]) & (j >= 0) & (j < CELLS[1])
    i, j = i[inside], j[inside]
    level = np.searchsorted(_EDGES_M, example.points[inside, 2] - height[i, j], side='right') - 1
    kept = (level >= 0) & (level < len(occupied))
    occupied[level[kept], i[kept], j[kept]] = 1.0
    return occupied
