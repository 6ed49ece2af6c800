"""The road about a frame as a map tells it: of a simulated world, or the vector map of Argoverse 2."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.lane_scores import even
from autonomy_nodes.messages.formats.files import read_json
from autonomy_nodes.messages.formats.simulated import RIG, SEQUENCES
from autonomy_nodes.perception.bev import CELL_M, LANDMARKS, LANE_KINDS, LANES, LANES_ORIGIN_M
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.sim.scenes import made
from autonomy_nodes.sim.world import World

MAP = 'log_map.json'  # of Argoverse 2
FINE_M = 0.1  # of the raster whose outline is the edge of what is driven on
MARK_OF = {Semantic.POLE: 'pole', Semantic.SIGN: 'sign'}
_AROUND_M = 4.0
_PAINT = {Line.DIVIDER: 'divider', Line.SOLID: 'divider', Line.STOP_LINE: 'stop_line'}

Lines = list[tuple[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class RoadTruth:
    """Lines (place in bev.LANE_KINDS, (M, 3) in map) and marks (K, 4) place in bev.LANDMARKS, x y z; None: not told."""

    lines: Lines
    marks: np.ndarray | None

    def about(self, map_from_base: np.ndarray) -> tuple[Lines, np.ndarray | None]:
        """Return lines (M, 2) and marks (K, 3) near the cells of lanes, in base_link of a pose (4, 4)."""
        turn, at = inverse(map_from_base)[:2, :3], inverse(map_from_base)[:2, 3]
        lines = [(kind, part) for kind, line in self.lines for part in _near(line @ turn.T + at)]
        if self.marks is None:
            return lines, None
        places = self.marks[:, 1:] @ turn.T + at
        return lines, np.column_stack([self.marks[:, 0], places])[_inside(places)]


def truth_of(folder: Path) -> RoadTruth | None:
    """Return the road of the drive in a folder, None where nobody tells of it."""
    if folder.parent.name == SEQUENCES and (folder / RIG).is_file():
        rig = read_json(folder / RIG)
        return _simulated(str(rig['family']), int(rig['world_seed']))
    return _argoverse(folder / MAP) if (folder / MAP).is_file() else None


@lru_cache(maxsize=2)
def _simulated(family: str, seed: int) -> RoadTruth:
    world = made(family, seed)
    lines = [(LANE_KINDS.index(kind), _standing(world, line)) for kind, line in _lines_of(world)]
    marks = []
    for solid in world.solids:
        if solid.semantic in MARK_OF and len(solid.footprint):
            xy = solid.footprint.mean(axis=0)
            marks.append((LANDMARKS.index(MARK_OF[solid.semantic]), *xy, world.z(*xy)))
    return RoadTruth(lines, np.array(marks).reshape(-1, 4))


def _lines_of(world: World) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the lines (M, 2) of a world: paint, the middles of crossings and lanes, edges of what is driven on."""
    for paint in world.paint:
        if paint.kind in _PAINT:
            yield _PAINT[paint.kind], paint.line
    if world.lanes is not None:
        for crossing in world.lanes.crossings:
            yield 'crossing', _middle(*(world.lanes.borders[one].points for one in (crossing.left, crossing.right)))
        for chain in _chains(world):
            yield 'centre', np.concatenate([world.lanes.centre(lane)[:, :2] for lane in chain])
    yield from (('boundary', line) for line in _outlines([area.polygon for area in world.areas if area.drivable]))


def _chains(world: World) -> Iterator[list[int]]:
    """Yield lanes that follow one another without a fork, as one; a lane that forks or joins ends one."""
    lanes = world.lanes
    assert lanes is not None
    before: dict[int, list[int]] = {}
    for number, lane in lanes.lanes.items():
        for successor in lane.successors:
            before.setdefault(successor, []).append(number)
    begins = [
        number for number in lanes.lanes
        if len(found := before.get(number, [])) != 1 or len(lanes.lanes[found[0]].successors) != 1
    ]  # fmt: skip
    for begin in begins:
        chain = [begin]
        while len(ahead := lanes.lanes[chain[-1]].successors) == 1 and len(before[ahead[0]]) == 1:
            if ahead[0] in chain:
                break
            chain.append(ahead[0])
        yield chain


def _middle(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the line (M, 2) between two that run alike."""
    if np.linalg.norm(left[0, :2] - right[0, :2]) > np.linalg.norm(left[0, :2] - right[-1, :2]):
        right = right[::-1]
    count = max(2, int(np.linalg.norm(np.diff(left[:, :2], axis=0), axis=1).sum()) + 1)
    return 0.5 * (_spread(left[:, :2], count) + _spread(right[:, :2], count))


def _spread(line: np.ndarray, count: int) -> np.ndarray:
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return np.stack([np.interp(np.linspace(0.0, along[-1], count), along, column) for column in line.T], axis=-1)


def _outlines(polygons: list[np.ndarray]) -> list[np.ndarray]:
    """Return the outlines (M, 2) of the union of polygons, closed."""
    if not polygons:
        return []
    low = np.min([polygon.min(axis=0) for polygon in polygons], axis=0) - 1.0
    high = np.max([polygon.max(axis=0) for polygon in polygons], axis=0) + 1.0
    raster = np.zeros(tuple(((high - low) / FINE_M).astype(int)), np.uint8)
    for polygon in polygons:
        corners = np.round(((polygon - low) / FINE_M - 0.5)[:, ::-1] * 16.0).astype(np.int32)
        cv2.fillPoly(raster, [corners], 1, shift=4)
    raster = cv2.morphologyEx(raster, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))  # cracks where areas meet
    found, _ = cv2.findContours(raster, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [
        low + (np.concatenate([line, line[:1]])[:, 0, ::-1][:: int(0.5 / FINE_M)] + 0.5) * FINE_M
        for line in found if len(line) > 5.0 / FINE_M
    ]  # fmt: skip


def _standing(world: World, line: np.ndarray) -> np.ndarray:
    """Return a line (M, 3) on the ground, its points 0.5 m apart."""
    xy = even(line)
    return np.column_stack([xy, world.ground.height(xy)])


@lru_cache(maxsize=2)
def _argoverse(path: Path) -> RoadTruth:
    """Read painted borders, middles of crossings, edges of what is driven on, and middles of lanes."""
    told = read_json(path)
    try:
        lines = [(LANE_KINDS.index(kind), _dense(line)) for kind, line in _argoverse_lines(told)]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f'{path}: is no vector map of Argoverse 2 ({error}); fetch it again') from error
    return RoadTruth(lines, None)


def _argoverse_lines(told: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for lane in told['lane_segments'].values():
        sides = [_points(lane[f'{side}_lane_boundary']) for side in ('left', 'right')]
        for side, line in zip(('left', 'right'), sides):
            if lane[f'{side}_lane_mark_type'] not in ('NONE', 'UNKNOWN'):
                yield 'divider', line
        if lane['lane_type'] != 'BIKE':
            count = max(2, int(np.linalg.norm(np.diff(sides[0], axis=0), axis=1).sum()) + 1)
            yield 'centre', 0.5 * (_spread(sides[0], count) + _spread(sides[1], count))
    for crossing in told['pedestrian_crossings'].values():
        yield 'crossing', 0.5 * (_points(crossing['edge1']) + _points(crossing['edge2']))
    areas = [_points(area['area_boundary']) for area in told['drivable_areas'].values()]
    corners = np.concatenate([_dense(area) for area in areas])
    heights = cKDTree(corners[:, :2])
    for line in _outlines([area[:, :2] for area in areas]):  # two that meet have no edge there
        yield 'boundary', np.column_stack([line, corners[heights.query(line)[1], 2]])


def _points(rows: list[dict[str, float]]) -> np.ndarray:
    return np.array([[row['x'], row['y'], row['z']] for row in rows], float)


def _dense(line: np.ndarray) -> np.ndarray:
    return _spread(line, max(2, int(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() / 0.5) + 1))


def _near(line: np.ndarray) -> list[np.ndarray]:
    """Return the parts of a line near the cells of lanes."""
    inside = _inside(line)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
    return [line[a:b] for a, b in zip(edges[::2], edges[1::2]) if b - a > 1]


def _inside(xy: np.ndarray) -> np.ndarray:
    low, high = LANES_ORIGIN_M - _AROUND_M, LANES_ORIGIN_M + np.array(LANES) * CELL_M + _AROUND_M
    return np.asarray(((xy >= low) & (xy < high)).all(axis=1))
