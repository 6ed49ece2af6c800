"""A lane map that is no longer true: in a part of its places lanes were moved aside, are gone, or were never there.

Places are squares of the map: what is wrong of a square is wrong of all that lies in it, as when a road was rebuilt.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.model import Lanelet, MapLine, RoadMap
from autonomy_nodes.mapping.polylines import arc_lengths, sampled


@dataclass(frozen=True)
class StaleSettings:
    """What goes wrong. share: of the squares that are not true. moved: share of these whose lanes lie aside.

    Of the others the lanes are gone. added: new roads a square that is not true. square_m: side of a square. aside_m:
    from what to what lanes are moved. road_m: length of a new road, and width of each of its two lanes.
    """

    share: float = 0.5
    moved: float = 0.6
    added: float = 0.25
    square_m: float = 20.0
    aside_m: tuple[float, float] = (1.0, 4.0)
    road_m: tuple[float, float] = (40.0, 3.5)

    def __post_init__(self) -> None:
        for name in ('share', 'moved', 'added'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        if not self.square_m > 0.0 or not 0.0 <= self.aside_m[0] <= self.aside_m[1]:
            raise ValueError(f'square_m={self.square_m}, aside_m={self.aside_m} must be above 0, the shorter first')


class _Squares:
    """What has become of each square; drawn when it is asked for first."""

    def __init__(self, settings: StaleSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed

    def _draws(self, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        square = np.floor(place[:2] / self._settings.square_m).astype(int)
        rng = np.random.default_rng([self._seed, *(square + (1 << 20)).tolist()])
        return square, rng.random(6)

    def shift(self, place: np.ndarray) -> np.ndarray | None:
        """Return by how much (2,) what is at a place (2 or 3,) has moved, None where it is gone."""
        settings, (_, draws) = self._settings, self._draws(place)
        if draws[0] >= settings.share:
            return np.zeros(2)
        if draws[1] >= settings.moved:
            return None
        low, high = settings.aside_m
        angle = 2.0 * np.pi * draws[3]
        return np.asarray((low + draws[2] * (high - low)) * np.array([np.cos(angle), np.sin(angle)]))

    def road(self, place: np.ndarray) -> tuple[tuple[int, int], np.ndarray] | None:
        """Return the square of a place and x y heading (3,) of a road that was never there, None without one."""
        square, draws = self._draws(place)
        if draws[0] >= self._settings.share or draws[4] >= self._settings.added:
            return None
        middle = (square + 0.5) * self._settings.square_m
        return (int(square[0]), int(square[1])), np.array([*middle, 2.0 * np.pi * draws[5]])


def stale(road_map: RoadMap, settings: StaleSettings, seed: int) -> RoadMap:
    """Return a map of lanelets, crossings and lines of which a part is no longer true; the same for the same seed."""
    squares, draft = _Squares(settings, seed), Draft(road_map.projection)
    roads: dict[tuple[int, int], np.ndarray] = {}
    used = {id_ for lanelet in road_map.lanelets.values() for id_ in (lanelet.left_id, lanelet.right_id)}
    for lanelet in road_map.lanelets.values():
        for left, right in _cut(lanelet, settings.square_m / 2.0):
            place = 0.5 * (left.mean(axis=0) + right.mean(axis=0))
            if (road := squares.road(place)) is not None:
                roads[road[0]] = np.array([*road[1], place[2]])
            if (shift := squares.shift(place)) is not None:
                one = _drawn(draft, left, shift, road_map.lines[lanelet.left_id])
                other = _drawn(draft, right, shift, road_map.lines[lanelet.right_id])
                draft.lanelet(one, other, **_kept(lanelet))
    for line in road_map.lines.values():
        if line.id in used or len(line.points) < 2:
            continue
        for part in _parts(line.points, settings.square_m / 2.0):
            if (shift := squares.shift(part.mean(axis=0))) is not None:
                _drawn(draft, part, shift, line)
    for x, y, heading, z in roads.values():
        _added(draft, np.array([x, y, z]), heading, settings)
    return draft.finished()


def _kept(lanelet: Lanelet) -> dict[str, Any]:
    """Return the tags of which a raster is made: for whom the lane is, and in which direction."""
    tags = lanelet.relation.tags
    return {name: tags[name] for name in tags if name in ('subtype', 'one_way') or 'participant' in name}


def _cut(lanelet: Lanelet, step_m: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the sides of a lane piece by piece, both in its direction."""
    ends = [arc_lengths(side)[-1] for side in (lanelet.left, lanelet.right)]
    count = max(int(np.ceil(max(ends) / step_m)), 1)
    sides = (_parts(side, step_m, count) for side in (lanelet.left, lanelet.right))
    return list(zip(*sides))


def _parts(points: np.ndarray, step_m: float, count: int = 0) -> list[np.ndarray]:
    """Return pieces of a line, each of five points; count: how many, else as many as are no longer than a step."""
    length = arc_lengths(points)[-1]
    edges = np.linspace(0.0, length, (count or max(int(np.ceil(length / step_m)), 1)) + 1)
    return [sampled(points, np.linspace(low, high, 5)) for low, high in pairwise(edges)]


def _drawn(draft: Draft, points: np.ndarray, shift: np.ndarray, line: MapLine) -> int:
    return draft.line(points + [*shift, 0.0], line.type or 'virtual', line.subtype)


def _added(draft: Draft, middle: np.ndarray, heading: float, settings: StaleSettings) -> None:
    """Draw a straight road of two lanes."""
    length, width = settings.road_m
    ahead, left = np.array([np.cos(heading), np.sin(heading), 0.0]), np.array([-np.sin(heading), np.cos(heading), 0.0])
    way = middle + np.linspace(-0.5, 0.5, 11)[:, None] * length * ahead
    centre = draft.line(way, 'line_thin', 'dashed')
    for side in (1.0, -1.0):
        draft.lanelet(centre, draft.line(way + side * width * left, 'line_thin', 'solid'))
