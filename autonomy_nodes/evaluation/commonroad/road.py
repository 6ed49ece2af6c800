"""A scenario's roads as the stack has them: a lane map, the way to the goal, and ground that may be driven."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.evaluation.commonroad.scenario import Lane, Scenario, Target, inside
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.lane_graph import LaneGraph, lane_graph
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.polylines import arc_lengths

CELL_M = 0.4
NEAR_CELLS, NEAR_AHEAD_M = 256, 25.6  # as /perception/terrain
FAR_CELL_M, FAR_CELLS, FAR_AHEAD_M = 0.8, 400, 110.0  # as /perception/terrain_far, and wide enough for any direction
BEYOND_M, BEFORE_M = 150.0, 20.0  # a lane goes on where the map ends: the road does
ON_M = 400.0  # a route goes on behind its goal, which is passed in most scenarios
GOAL_END_M = 1.0
HEADING_RAD = 0.9  # a lane at a larger angle is not where we drive
NEAR_M = 8.0
LANE_CHANGE_M = 30.0  # of detour that one lane change is worth, as in mapping/guide.py
DASHED = ('line_thin', 'dashed')
MARKS = {'solid': ('line_thin', 'solid'), 'broad_solid': ('line_thick', 'solid')}


@dataclass(frozen=True, eq=False)
class Road:
    """The map with its lanes' ids there, how they connect, and whether (X, Y) cells from `corner` on are of a lane.

    outlines: of the lanes (N, 2), which go on where the map ends.
    """

    map: RoadMap
    ids: dict[int, int]
    graph: LaneGraph
    drivable: np.ndarray
    corner: np.ndarray
    outlines: tuple[np.ndarray, ...]

    def grids(self, stamp_ns: int, xy: np.ndarray, heading_rad: float, origin: np.ndarray) -> tuple[Grid, Grid]:
        """Return terrain and far terrain about a place of the scenario; in odom, which has `origin` as its zero."""
        return (
            self._grid(stamp_ns, xy, heading_rad, origin, TERRAIN_LAYERS, (CELL_M, NEAR_CELLS, NEAR_AHEAD_M)),
            self._grid(stamp_ns, xy, heading_rad, origin, FAR_LAYERS, (FAR_CELL_M, FAR_CELLS, FAR_AHEAD_M)),
        )

    def _grid(
        self, stamp_ns: int, xy: np.ndarray, heading_rad: float, origin: np.ndarray, names: tuple[str, ...],
        layout: tuple[float, int, float],
    ) -> Grid:  # fmt: skip
        """Return flat ground: what is no lane is high and cannot be driven, as beyond a curb."""
        cell, count, ahead = layout
        step = round(cell / CELL_M)
        middle = xy + ahead * np.array([np.cos(heading_rad), np.sin(heading_rad)])
        low = np.round((middle - self.corner - 0.5 * count * cell) / CELL_M).astype(int)
        free = _window(self.drivable, low, count * step)
        if step > 1:
            free = np.asarray(free.reshape(count, step, count, step).all(axis=(1, 3)))
        flat = np.broadcast_to(np.float32(0.0), free.shape)
        one = np.broadcast_to(np.float32(1.0), free.shape)
        wall = (~free).astype(np.float32)
        layers = dict.fromkeys(names, flat) | {'observed': one, 'occupancy': wall, 'obstacle_height': wall}
        if 'traversability' in names:
            layers |= {'traversability': free.astype(np.float32), 'class': 1.0 + 2.0 * wall}
            layers['ceiling'] = np.broadcast_to(np.float32(np.inf), free.shape)
        return Grid(stamp_ns, 'odom', cell, self.corner + low * CELL_M - origin, layers)


def road_of(scenario: Scenario) -> Road:
    """Return the roads of a scenario."""
    followed = {id_ for lane in scenario.lanes for id_ in lane.successors}
    lanes = [_longer(lane, lane.id not in followed) for lane in scenario.lanes]
    road_map, ids = _mapped(lanes)
    drivable, corner = _drawn(lanes)
    return Road(road_map, ids, lane_graph(road_map), drivable, corner, tuple(lane.outline for lane in lanes))


def _longer(lane: Lane, is_first: bool) -> Lane:
    """Return a lane that goes straight on where the map ends, and came from somewhere where it begins."""
    left, right = lane.left, lane.right
    if not lane.successors:
        left, right = (_on(side, BEYOND_M, lane) for side in (left, right))
    if is_first:
        left, right = (_on(side[::-1], BEFORE_M, lane, back=True)[::-1] for side in (left, right))
    return replace(lane, left=left, right=right)


def _on(side: np.ndarray, far_m: float, lane: Lane, back: bool = False) -> np.ndarray:
    """Return a bound with a point more, in the direction of the lane's middle at that end."""
    middle = lane.left + lane.right if len(lane.left) == len(lane.right) else 2.0 * lane.left
    ends = 0.5 * (middle[:2][::-1] if back else middle[-2:])
    step = ends[1] - ends[0]
    return np.concatenate([side, side[-1:] + far_m * step / max(float(np.hypot(*step)), 1e-9)])


def _mapped(lanes: Sequence[Lane]) -> tuple[RoadMap, dict[int, int]]:
    """Return the map and {lanelet of the scenario: lanelet of the map}.

    A line between two lanes of one direction is one line, and may be crossed unless it is marked solid; where no lane
    lies beside, nothing is told of paint: the ground tells where the road ends.
    """
    draft, known = Draft(), {lane.id for lane in lanes}
    beside = {lane.left_lane: lane for lane in lanes if lane.left_lane in known}  # lane: that on its right
    rights = {}
    for lane in lanes:
        other = beside.get(lane.id)
        mark = ('virtual',) if other is None else MARKS.get(lane.right_line) or MARKS.get(other.left_line) or DASHED
        rights[lane.id] = draft.line(lane.right, *mark)
    ids = {}
    for lane in lanes:
        left = rights[lane.left_lane] if lane.left_lane in rights else draft.line(lane.left, 'virtual')
        limit = None if lane.limit_mps is None else 3.6 * lane.limit_mps
        ids[lane.id] = draft.lanelet(left, rights[lane.id], limit)
    return draft.finished(), ids


def _drawn(lanes: Sequence[Lane]) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) whether the middle of a cell lies in a lane, and the corner (2,) where cells begin."""
    outlines = [lane.outline for lane in lanes]
    every = np.concatenate(outlines)
    corner = np.floor(every.min(axis=0) / FAR_CELL_M) * FAR_CELL_M
    size = np.ceil((every.max(axis=0) - corner) / CELL_M).astype(int) + 1
    drivable = np.zeros(tuple(size), bool)
    for outline in outlines:
        low = np.floor((outline.min(axis=0) - corner) / CELL_M).astype(int)
        high = np.ceil((outline.max(axis=0) - corner) / CELL_M).astype(int) + 1
        x, y = (corner[axis] + (np.arange(low[axis], high[axis]) + 0.5) * CELL_M for axis in range(2))
        for at in range(0, len(x), 256):
            cells = np.stack(np.meshgrid(x[at : at + 256], y, indexing='ij'), axis=-1)
            found = inside(cells.reshape(-1, 2), outline).reshape(cells.shape[:2])
            part = drivable[low[0] + at : low[0] + at + len(found), low[1] : high[1]]
            part |= found[: len(part), : part.shape[1]]
    return drivable, corner


def _window(cells: np.ndarray, low: np.ndarray, count: int) -> np.ndarray:
    """Return (count, count) cells from `low` on, False outside."""
    found = np.zeros((count, count), bool)
    begin, end = np.maximum(low, 0), np.minimum(low + count, cells.shape)
    if (end > begin).all():
        there = tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, low))
        found[there] = cells[begin[0] : end[0], begin[1] : end[1]]
    return found


@dataclass(frozen=True, eq=False)
class Way:
    """Lanelets of the map to follow, on behind the goal too. goal: how many lead to it, 0 where no place is told."""

    ids: tuple[int, ...]
    goal: int


def way_of(scenario: Scenario, road: Road) -> Way | None:
    """Return the way to the nearest goal with a place; None where none leads there, or the start is on no lane."""
    start = scenario.start
    begins = lanes_at(road, start.xy, start.heading_rad)
    if not begins:
        return None
    ends = [lane for target in scenario.targets for lane in _goal_lanes(road, target)]
    if not any(target.places for target in scenario.targets):
        return Way(_on_from((begins[0][0],), road), 0)
    ways = []
    for begin, off, begin_m in begins:
        for end, end_off, end_m in ends:
            if ids := road.graph.route(begin, end, LANE_CHANGE_M, ahead=end_m >= begin_m):
                ways.append((_cost(ids, road) + 10.0 * (off + end_off) + end_m, ids))
    if not ways:
        return None
    _, ids = min(ways, key=lambda way: way[0])
    return Way(_on_from(ids, road), len(ids))


def narrowest_m(scenario: Scenario, road: Road, way: Way) -> float:
    """Return the least width of the lanes that lead to the goal, of all where no place is told."""
    on_way = set(way.ids[: way.goal or None])
    lanes = [lane for lane in scenario.lanes if road.ids[lane.id] in on_way]
    return min(min(_apart(lane.left, lane.right), _apart(lane.right, lane.left)) for lane in lanes)


def _apart(points: np.ndarray, line: np.ndarray) -> float:
    """Return the least distance of points (N, 2) from a line (M, 2)."""
    begin, step = line[:-1], np.diff(line, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-12)
    share = np.clip(((points[:, None] - begin) * step).sum(axis=2) / square, 0.0, 1.0)
    return float(np.hypot(*(points[:, None] - begin - share[..., None] * step).transpose(2, 0, 1)).min())


def lanes_at(road: Road, xy: np.ndarray, heading_rad: float | None, far_m: float = NEAR_M) -> list[tuple]:
    """Return (id, metres off its middle, metres along it) of lanes near a place that go our way, the nearest first."""
    found = []
    for id_, lanelet in road.map.lanelets.items():
        line = lanelet.centerline[:, :2]
        nearest = int(np.argmin(np.hypot(*(line - xy).T)))
        at = min(nearest, len(line) - 2)
        step = line[at + 1] - line[at]
        along = float(np.clip((xy - line[at]) @ step / (step @ step), -1.0, 1.0))
        off = float(np.hypot(*(xy - line[at] - along * step)))
        turn = 0.0 if heading_rad is None else abs(np.angle(np.exp(1j * (np.arctan2(step[1], step[0]) - heading_rad))))
        if off < far_m and turn < HEADING_RAD:
            found.append((id_, off + 2.0 * turn, float(arc_lengths(line)[at] + along * np.hypot(*step))))
    found.sort(key=lambda lane: (lane[1], lane[0]))
    return [lane for lane in found if lane[1] < found[0][1] + 1.0]


def _goal_lanes(road: Road, target: Target) -> list[tuple]:
    """Return (id, metres off it, metres along it) of lanes that lead to a goal."""
    if target.lanelets:
        ends = [road.ids[id_] for id_ in target.lanelets if id_ in road.ids]
        return [(id_, 0.0, road.graph.lengths_m[id_] - GOAL_END_M) for id_ in ends]
    heading = None if target.headings_rad is None else 0.5 * sum(target.headings_rad)
    found = []
    for place in target.places:
        found += lanes_at(road, 0.5 * (place.min(axis=0) + place.max(axis=0)), heading, 4.0)
    return found


def _cost(ids: tuple[int, ...], road: Road) -> float:
    """Return metres of a way without its last lanelet, with those that lane changes are worth."""
    follows = [two in road.graph.successors[one] for one, two in zip(ids, ids[1:])]
    return sum(road.graph.lengths_m[id_] if on else LANE_CHANGE_M for id_, on in zip(ids, follows))


def _on_from(ids: tuple[int, ...], road: Road) -> tuple[int, ...]:
    """Return a way that goes on behind its end, as straight as lanes do."""
    gone = 0.0
    while gone < ON_M and (after := [id_ for id_ in road.graph.successors[ids[-1]] if id_ not in ids]):
        best = max(after, key=lambda id_: road.graph.straightness(ids[-1], id_))
        ids, gone = (*ids, best), gone + road.graph.lengths_m[best]
    return ids
