"""A place of simulated traffic as the stack has one: a lane map with lines to stop at, and ground that may be driven.

Lanes go on straight where the place ends: the road does. The frame of the place is map and odom.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.evaluation.commonroad.road import CELL_M, FAR_CELL_M, Road
from autonomy_nodes.evaluation.commonroad.scenario import Lane
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.lane_graph import lane_graph
from autonomy_nodes.sim.flow.place import STOP_SIGN, WALL, Place
from autonomy_nodes.sim.scenes.roads import offset

BEYOND_M, BEFORE_M, ON_STEP_M = 150, 30, 2
EDGE_M = 6.0  # an edge of the road further beside the middle of a lane belongs to another lane
OPEN_M = 60.0  # of free ground about the ways where there are no lanes and no fence
GIVE_WAY = -3  # beside STOP_SIGN, WALL and numbers of lights
LINE_AHEAD_M = 0.5  # a line to give way at lies so far before the end of its lane
FINE = 16  # parts of a cell that cv2 is told


@dataclass(frozen=True, eq=False)
class StopLine:
    """A line across a lane. signal: of the place, STOP_SIGN or GIVE_WAY. at: (2,) its middle; heading of the lane."""

    lane: str
    signal: int
    at: np.ndarray
    heading_rad: float


@dataclass(frozen=True, eq=False)
class Site:
    """What is known of a place. ids: {lane: lanelet}. rules: {signal: regulatory element}. road: map and ground.

    lanes: as in the rule of fault. stops: all lines to stop at.
    """

    place: Place
    lanes: tuple[Lane, ...]
    ids: dict[str, int]
    rules: dict[int, int]
    stops: tuple[StopLine, ...]
    road: Road

    def lights(self, time_s: float) -> dict[int, Light]:
        """Return what the lights show, by regulatory element."""
        return {
            rule: Light(self.place.signals[signal].colour(time_s))
            for signal, rule in self.rules.items() if signal >= 0
        }  # fmt: skip

    def is_off(self, corners: np.ndarray, slack_m: float) -> bool:
        """Return whether one of (N, 2) corners is further than that beyond the ground that may be driven."""
        steps = np.array([(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)]) * slack_m
        index = np.floor((corners[:, None] + steps - self.road.corner) / CELL_M).astype(int)
        inside = ((index >= 0) & (index < self.road.drivable.shape)).all(axis=-1)
        index = np.where(inside[..., None], index, 0)
        return not bool((self.road.drivable[index[..., 0], index[..., 1]] & inside).any(axis=1).all())


def site_of(place: Place) -> Site:
    """Return what is known of a place."""
    centres = {name: _longer(place, name, line) for name, line in place.lanes.items()}
    stops = _stop_lines(place)
    draft, half = Draft(), 0.5 * place.lane_m
    rules = _rules(draft, stops, half)
    for line in place.lines:
        draft.line(line, 'line_thin', 'dashed')
    for line in place.edges:
        draft.line(line, 'curbstone')
    for line in place.crossings:
        draft.line(line, 'zebra_marking')
    ids, sides = {}, {}
    for name, centre in centres.items():
        sides[name] = offset(centre, half), offset(centre, -half)
        left, right = (draft.line(side, 'virtual') for side in sides[name])
        mine = [rules[signal] for signal in dict.fromkeys(stop.signal for stop in stops if stop.lane == name)]
        ids[name] = draft.lanelet(left, right, 3.6 * _limit(place, name), rules=mine)
    road_map = draft.finished()
    lanes = tuple(
        Lane(ids[name], left, right, tuple(ids[b] for a, b in place.follows if a == name), None, '', '', None)
        for name, (left, right) in sides.items()
    )  # fmt: skip
    drivable, corner = _ground(place, centres)
    outlines = tuple(lane.outline for lane in lanes)
    road = Road(road_map, {id_: id_ for id_ in ids.values()}, lane_graph(road_map), drivable, corner, outlines)
    return Site(place, lanes, ids, rules, stops, road)


def _limit(place: Place, name: str) -> float:
    return next((way.limit_mps for way in place.ways if name in way.lanes), 8.0)


def _longer(place: Place, name: str, line: np.ndarray) -> np.ndarray:
    """Return a lane that goes straight on where the place ends, and came from somewhere where it begins."""
    if not any(name == first for first, _ in place.follows):
        line = np.concatenate([line, line[-1] + _straight(line[-1] - line[-2], BEYOND_M)])
    if not any(name == second for _, second in place.follows):
        line = np.concatenate([(line[0] + _straight(line[0] - line[1], BEFORE_M))[::-1], line])
    return line


def _straight(step: np.ndarray, far_m: int) -> np.ndarray:
    return np.arange(ON_STEP_M, far_m + 1, ON_STEP_M)[:, None] * step / np.hypot(*step)


def _stop_lines(place: Place) -> tuple[StopLine, ...]:
    """Return the lines of lights and signs, and those before which all ways of a lane have to give way."""
    found: dict[tuple[str, int], StopLine] = {}
    for number, s, signal in place.stops:
        way = place.ways[number]
        if way.on_foot or not way.lanes or signal == WALL:
            continue
        row = int(s)
        at = way.points[row] + (s - row) * (way.points[min(row + 1, len(way.points) - 1)] - way.points[row])
        name = min(way.lanes, key=lambda lane: float(np.hypot(*(place.lanes[lane] - at).T).min()))
        found.setdefault((name, signal), StopLine(name, signal, at, float(way.headings[row])))
    stopped = {name for name, _ in found}
    drives = [k for k, way in enumerate(place.ways) if not way.on_foot and way.lanes]
    yielding = {first for first, other in place.yields if other in drives}
    for name in dict.fromkeys(place.ways[k].lanes[0] for k in drives):
        mine = [k for k in drives if place.ways[k].lanes[0] == name]
        if name not in stopped and all(k in yielding for k in mine):
            line = place.lanes[name]
            step = (line[-1] - line[-2]) / np.hypot(*(line[-1] - line[-2]))
            heading = float(np.arctan2(step[1], step[0]))
            found[name, GIVE_WAY] = StopLine(name, GIVE_WAY, line[-1] - LINE_AHEAD_M * step, heading)
    return tuple(found.values())


def _rules(draft: Draft, stops: Sequence[StopLine], half_m: float) -> dict[int, int]:
    """Draw the lines with their rules; return the rule of each signal."""
    lines: dict[int, list[int]] = {}
    for stop in stops:
        across = half_m * np.array([-np.sin(stop.heading_rad), np.cos(stop.heading_rad)])
        line = draft.line(np.stack([stop.at + across, stop.at - across]), 'stop_line')
        lines.setdefault(stop.signal, []).append(line)
    rules: dict[int, int] = {}
    for signal, drawn in lines.items():
        if signal == GIVE_WAY:
            rules[signal] = draft.rule('right_of_way', (), drawn)
            continue
        head = np.concatenate([stops[0].at, [4.0]]) + np.array([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
        subtype = ('traffic_sign', 'stop_sign') if signal == STOP_SIGN else ('traffic_light', 'red_yellow_green')
        rules[signal] = draft.rule(subtype[0], [draft.line(head, *subtype)], drawn)
    return rules


def _ground(place: Place, centres: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y) whether cells may be driven, and the corner (2,) where they begin.

    That is each lane, out to the edges of the road; where there are no lanes all within the fence, or all about.
    """
    if centres:
        strips = [_strip(line, place) for line in centres.values()]
    else:
        ends = place.edges or [way.points for way in place.ways]
        room = 0.0 if place.edges else OPEN_M
        every = np.concatenate(ends)
        (x0, y0), (x1, y1) = every.min(axis=0) - room, every.max(axis=0) + room
        strips = [(np.array([(x0, y1), (x1, y1)]), np.array([(x0, y0), (x1, y0)]))]
    every = np.concatenate([side for strip in strips for side in strip])
    corner = np.floor(every.min(axis=0) / FAR_CELL_M - 1.0) * FAR_CELL_M
    size = np.ceil((every.max(axis=0) - corner) / CELL_M).astype(int) + 2
    cells = np.zeros(tuple(size), np.uint8)
    for left, right in strips:
        corners = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)  # (N, 4, 2)
        for four in np.round(FINE * ((corners - corner) / CELL_M - 0.5)).astype(np.int32):
            cv2.fillConvexPoly(cells, four[:, ::-1].copy(), 1, cv2.LINE_8, 4)  # cv2 counts columns first
    return cells.astype(bool), corner


def _strip(line: np.ndarray, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides of what may be driven of a lane (N, 2)."""
    half = 0.5 * place.lane_m
    begins = np.concatenate([np.zeros((0, 2)), *(edge[:-1] for edge in place.edges)])
    steps = np.concatenate([np.zeros((0, 2)), *(np.diff(edge, axis=0) for edge in place.edges)])
    reach = [np.full(len(line), half), np.full(len(line), half)]
    normals = offset(line, 1.0) - line
    for k, side in enumerate((1.0, -1.0)):
        if len(begins):
            far = _until(line, side * normals, begins, steps)
            reach[k] = np.where(far < EDGE_M, far, half)
    return line + reach[0][:, None] * normals, line - reach[1][:, None] * normals


def _until(places: np.ndarray, rays: np.ndarray, begins: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return (N,) how far rays (N, 2) from places run until they meet one of the segments, inf for never."""
    gap = begins - places[:, None]
    cross = rays[:, None, 0] * steps[:, 1] - rays[:, None, 1] * steps[:, 0]
    with np.errstate(divide='ignore', invalid='ignore'):
        far = (gap[..., 0] * steps[:, 1] - gap[..., 1] * steps[:, 0]) / cross
        share = (gap[..., 0] * rays[:, None, 1] - gap[..., 1] * rays[:, None, 0]) / cross
    meets = (far > 0.0) & (share >= 0.0) & (share <= 1.0)
    return np.where(meets, far, np.inf).min(axis=1)
