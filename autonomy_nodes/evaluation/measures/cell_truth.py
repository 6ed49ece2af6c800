"""What the cells about a vehicle truly are: by the labels of points that fell into them, or as the simulator knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.labelled_ground import IGNORED_IDS, Source, Sweep
from autonomy_nodes.messages.formats.frames import BASE
from autonomy_nodes.messages.formats.semantickitti import LEARN, RAW
from autonomy_nodes.messages.formats.simulated import GROUND, SEQUENCES, TrueGround, read_ground
from autonomy_nodes.sim.materials import BUMPER_M, GROUND_SEMANTICS, Material, Semantic

UNKNOWN, PAVED, LOOSE, LOW_VEGETATION, OBSTACLE, WATER, HOLE = range(7)  # classes of the raw answers
PAVED_IDS = {RAW: (40, 44, 48, 49, 60), LEARN: (9, 10, 11, 12)}
LOW_IDS = {RAW: (72,), LEARN: (17,)}
LEAST_POINTS, OBSTACLE_SHARE, OVERHEAD_M = 3, 0.2, 2.5
DITCH_M, DITCH_REACH_M, STEEP_RAD = 0.4, (1.0, 2.0, 3.0), 0.25
_GROUNDS = {
    Semantic.PAVED: PAVED, Semantic.LOOSE: LOOSE, Semantic.LOW_VEGETATION: LOW_VEGETATION, Semantic.WET: WATER
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class CellTruth:
    """Of N cells. kind: (N,) class, UNKNOWN where not told. seen: (N,) into which a point fell.

    never: {why: (N,) bool} where nobody may ever drive. beside: what is told like it, and not counted among it.
    free: (N,) where one may drive; None where nobody tells that.
    same: {class: the class that it counts as}, where the truth does not tell the two apart.
    """

    kind: np.ndarray
    seen: np.ndarray
    never: dict[str, np.ndarray] = field(default_factory=dict)
    beside: dict[str, np.ndarray] = field(default_factory=dict)
    free: np.ndarray | None = None
    same: Mapping[int, int] = field(default_factory=dict)


def truth_of(source: Source, sweep: Sweep, grid: Grid, middles: np.ndarray) -> CellTruth:
    """Return the truth of cells of a grid in base_link by their middles (N, 2)."""
    if source.folder.parent.name == SEQUENCES and (source.folder / GROUND).is_file():
        return simulated(source, sweep, grid, middles)
    return labelled(source, sweep, grid, middles)


def labelled(source: Source, sweep: Sweep, grid: Grid, middles: np.ndarray) -> CellTruth:
    """Return classes by points: an obstacle where a fifth of them are of things, else what most of the others are."""
    if source.frame.labels is None:
        raise DataError(f'frame {source.frame.name}: has no labels of its points')
    labels = source.frame.labels()
    counted = ~np.isin(labels.ids, IGNORED_IDS[labels.scheme]) & (sweep.xyz[:, 2] < OVERHEAD_M)
    index, inside = grid.cells(sweep.xyz[:, :2].astype(float))
    kinds = np.full(len(labels.ids), OBSTACLE)
    kinds[np.isin(labels.ids, PAVED_IDS[labels.scheme])] = PAVED
    kinds[np.isin(labels.ids, LOW_IDS[labels.scheme])] = LOW_VEGETATION
    counts = np.zeros((*grid.shape, HOLE + 1), int)
    use = counted & inside
    np.add.at(counts, (index[use, 0], index[use, 1], kinds[use]), 1)
    mine = counts[tuple(grid.cells(middles)[0].T)]
    total = mine.sum(axis=1)
    kind = np.where(mine[:, LOW_VEGETATION] > mine[:, PAVED], LOW_VEGETATION, PAVED)
    kind[mine[:, OBSTACLE] >= np.maximum(OBSTACLE_SHARE * total, 2)] = OBSTACLE
    kind[total < LEAST_POINTS] = UNKNOWN
    return CellTruth(kind, kind != UNKNOWN, same={LOOSE: LOW_VEGETATION})  # soil is `terrain` there, as grass is


def simulated(source: Source, sweep: Sweep, grid: Grid, middles: np.ndarray) -> CellTruth:
    """Return classes as the simulator built them; a thing in any quarter of a cell makes it an obstacle."""
    assert sweep.raster is not None
    true, (ditch, steep) = read_ground(source.folder / GROUND), _shape(source.folder / GROUND)
    map_from_base = source.frame.map_from(BASE)
    quarters = middles + 0.25 * grid.resolution_m * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])[:, None]  # (4, N, 2)
    z = np.nan_to_num(sweep.raster.at(middles))
    xyz = np.concatenate([quarters, np.broadcast_to(z[:, None], (*quarters.shape[:2], 1))], axis=-1)
    index, inside = true.index((xyz @ map_from_base[:3, :3].T + map_from_base[:3, 3])[..., :2])
    at = index[..., 0], index[..., 1]
    semantic, top, ground = true.semantic[at], true.top[at], GROUND_SEMANTICS[true.material[at]]
    plants = np.isin(semantic, [Semantic.LOW_VEGETATION, Semantic.HIGH_VEGETATION])
    assert source.frame.truth is not None
    objects = source.frame.truth().objects
    on_foot = np.isin(objects.labels, (Label.PEDESTRIAN, Label.BICYCLE))
    people, others = (in_boxes(objects, rows, quarters) for rows in (on_foot, ~on_foot))
    kind = np.full(len(middles), UNKNOWN)
    for meaning, name in _GROUNDS.items():
        kind[(ground == meaning).sum(axis=0) >= 2] = name
    stands = (semantic != Semantic.NOTHING) & ~(plants & (top < BUMPER_M))
    kind[(stands | people | others).any(axis=0)] = OBSTACLE
    kind[(plants & (top < BUMPER_M)).any(axis=0) & (kind != OBSTACLE)] = LOW_VEGETATION
    kind[~inside.all(axis=0)] = UNKNOWN
    wet, water = (kind == WATER) & inside.all(axis=0), holds_water(true.material[at])
    never = {
        'water': wet & water, 'person': people.any(axis=0), 'vehicle': others.any(axis=0) & ~people.any(axis=0),
        'tall_vegetation': (plants & (top >= BUMPER_M)).any(axis=0), 'ditch': ditch[at].all(axis=0),
    }  # fmt: skip
    never = {name: where & inside.all(axis=0) for name, where in never.items()}
    mud = {'mud': wet & ~water}
    free = np.isin(kind, [PAVED, LOOSE, LOW_VEGETATION]) & (semantic == Semantic.NOTHING).all(axis=0)
    index, within = grid.cells(sweep.xyz[sweep.xyz[:, 2] < OVERHEAD_M, :2].astype(float))
    seen = np.zeros(grid.shape, bool)
    seen[tuple(index[within].T)] = True
    seen = seen[tuple(grid.cells(middles)[0].T)]
    return CellTruth(kind, seen, never, mud, free & ~never['ditch'] & ~steep[at].any(axis=0))


def holds_water(material: np.ndarray) -> np.ndarray:
    """Return (N,) whether any quarter (4, N) of a cell is water: of what is wet, the others are mud."""
    return np.asarray((material == Material.WATER).any(axis=0))


def in_boxes(objects: Objects, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return (...) which places (..., 2) in base_link lie in one of these rows of objects, seen from above."""
    found = np.zeros(places.shape[:-1], bool)
    for x, y, length, width, heading in objects.flat[rows].tolist():
        off = places - (x, y)
        along = off @ np.array([np.cos(heading), np.sin(heading)])
        beside = off @ np.array([-np.sin(heading), np.cos(heading)])
        found |= (np.abs(along) <= length / 2.0) & (np.abs(beside) <= width / 2.0)
    return found


@lru_cache(maxsize=2)
def _shape(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) where the ground is a ditch, and where it is steep, over a metre."""
    true = read_ground(path)
    return ditches(true), _steep(true)


def ditches(true: TrueGround) -> np.ndarray:
    """Return (X, Y) where the ground rises by DITCH_M within 3 m on both sides, along x, y or a diagonal."""
    found = np.zeros(true.z.shape, bool)
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        sides = []
        for sign in (1, -1):
            rises = [np.zeros(true.z.shape)]
            for reach_m in DITCH_REACH_M:
                count = round(reach_m / (true.resolution_m * np.hypot(dx, dy)))
                rises.append(_shifted(true.z, sign * dx * count, sign * dy * count) - true.z)
            sides.append(np.nanmax(rises, axis=0))
        found |= (sides[0] >= DITCH_M) & (sides[1] >= DITCH_M)
    return found


def _shifted(z: np.ndarray, by_x: int, by_y: int) -> np.ndarray:
    """Return (X, Y) values of the cells so many further on, NaN beyond the rim."""
    padded = np.pad(z.astype(float), ((abs(by_x),) * 2, (abs(by_y),) * 2), constant_values=np.nan)
    x, y = abs(by_x) + by_x, abs(by_y) + by_y
    return padded[x : x + z.shape[0], y : y + z.shape[1]]


def _steep(true: TrueGround) -> np.ndarray:
    half = max(1, round(0.5 / true.resolution_m))
    slopes = [
        (_shifted(true.z, half * dx, half * dy) - _shifted(true.z, -half * dx, -half * dy))
        / (2.0 * half * true.resolution_m)
        for dx, dy in ((1, 0), (0, 1))
    ]
    return np.asarray(np.nan_to_num(np.hypot(*slopes)) > np.tan(STEEP_RAD))
