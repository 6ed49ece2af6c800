"""Where lanes have stop lines and which lights control them: cut once from the map, then looked up along the way."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.mapping.lane_graph import LaneGraph
from autonomy_nodes.mapping.model import Lanelet, RoadMap
from autonomy_nodes.mapping.polylines import arc_lengths
from autonomy_nodes.mapping.rules import LIGHTS

BEYOND_M = 5.0  # a stop line drawn so far before or beyond its lane belongs to that end of it


@dataclass(frozen=True)
class Stop:
    """A place to stop: how far along the lane, at which line (0 where none is drawn), for which light (0: none)."""

    s_m: float
    line_id: int
    light_id: int


def stops_of(road_map: RoadMap) -> dict[int, tuple[Stop, ...]]:
    """Return the stops of each lane for vehicles, by s."""
    drawn = [line for line in road_map.lines.values() if line.type == 'stop_line' and len(line.points) > 1]
    lines = {line.id: line.points for line in drawn}
    boxes = np.array([[*points[:, :2].min(axis=0), *points[:, :2].max(axis=0)] for points in lines.values()])
    ids = np.array(list(lines), np.int64)
    found = {}
    for lane in road_map.lanelets.values():
        if not lane.for_vehicles:
            continue
        ruled = _ruled(lane, road_map)
        low, high = lane.centerline[:, :2].min(axis=0), lane.centerline[:, :2].max(axis=0)
        near = ids[((boxes[:, :2] <= high) & (boxes[:, 2:] >= low)).all(axis=1)] if len(ids) else ids
        stops = list(ruled)
        for id_ in near.tolist():
            crossing = crossing_of(lane.centerline, lines[id_])
            if crossing is not None and all(stop.line_id != id_ for stop in ruled):
                stops.append(Stop(crossing, id_, 0))
        found[lane.id] = tuple(sorted(stops, key=lambda stop: (stop.s_m, stop.line_id)))
    return found


def _ruled(lane: Lanelet, road_map: RoadMap) -> list[Stop]:
    """Return the stops that rules of this lane name; a light without a line stops at the border of the crossing."""
    stops = []
    length = float(arc_lengths(lane.centerline)[-1])
    for rule in (road_map.rules[id_] for id_ in lane.rules if id_ in road_map.rules):
        light = rule.id if rule.subtype in LIGHTS else 0
        refs = [ref for ref in rule.refs('ref_line') if ref in road_map.lines and len(road_map.lines[ref].points) > 1]
        crossings = [(crossing_of(lane.centerline, road_map.lines[ref].points), ref) for ref in refs]
        hits = [Stop(crossing, ref, light) for crossing, ref in crossings if crossing is not None]
        if light and not refs:
            hits = [Stop(0.0 if lane.turn_direction else length, 0, light)]
        stops += hits
    return stops


def crossing_of(path: np.ndarray, line: np.ndarray) -> float | None:
    """Return how far along (N, 3) `path`, made longer by `BEYOND_M` at its ends, (M, 3) `line` crosses it, or None."""
    ends = np.array([path[0, :2] - path[1, :2], path[-1, :2] - path[-2, :2]])
    ends *= BEYOND_M / np.maximum(np.hypot(*ends.T), 1e-9)[:, None]
    longer = np.vstack([path[0, :2] + ends[0], path[:, :2], path[-1, :2] + ends[1]])
    starts, steps = longer[:-1, None], np.diff(longer, axis=0)[:, None]  # (N, 1, 2)
    others, sides = line[None, :-1, :2], np.diff(line[:, :2], axis=0)[None]  # (1, M - 1, 2)
    between = others - starts
    with np.errstate(divide='ignore', invalid='ignore'):
        turn = steps[..., 0] * sides[..., 1] - steps[..., 1] * sides[..., 0]
        along = (between[..., 0] * sides[..., 1] - between[..., 1] * sides[..., 0]) / turn
        across = (between[..., 0] * steps[..., 1] - between[..., 1] * steps[..., 0]) / turn
    hit = (along >= 0.0) & (along <= 1.0) & (across >= 0.0) & (across <= 1.0)
    if not hit.any():
        return None
    row, column = np.argwhere(hit)[0]
    lengths = arc_lengths(longer) - BEYOND_M
    s_m = lengths[row] + along[row, column] * (lengths[row + 1] - lengths[row])
    return float(np.clip(s_m, 0.0, lengths[-2]))


def ahead(
    graph: LaneGraph, stops: dict[int, tuple[Stop, ...]], start: int, s_m: float, reach_m: float,
    route: tuple[int, ...] = (),
) -> tuple[float, float, int]:  # fmt: skip
    """Return metres to the next stop line and to the next light (inf where none within `reach_m`), and the light's id.

    The way is the route where the lane is on it, and straight on where lanes part.
    """
    line_m, light_m, light_id = np.inf, np.inf, 0
    lane: int | None = start
    base, follow = -s_m, route[route.index(start) :] if start in route else ()
    seen: set[int] = set()
    while lane is not None and base < reach_m and lane not in seen:
        seen.add(lane)
        for stop in stops.get(lane, ()):
            distance = base + stop.s_m
            if 0.0 <= distance <= reach_m:
                line_m = min(line_m, distance)
                if stop.light_id and distance < light_m:
                    light_m, light_id = distance, stop.light_id
        follow = follow[1:]
        if follow and follow[0] in graph.beside(lane):  # a lane change: the other lane from here on
            lane = follow[0]
            continue
        base += graph.lengths_m[lane]
        lane = follow[0] if follow and follow[0] in graph.successors[lane] else _straightest(graph, lane)
    return float(line_m), float(light_m), light_id


def _straightest(graph: LaneGraph, lane: int) -> int | None:
    """Return the successor whose end lies most nearly straight ahead."""
    return max(graph.successors[lane], key=lambda other: (graph.straightness(lane, other), -other), default=None)
