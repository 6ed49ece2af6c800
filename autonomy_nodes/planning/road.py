"""What a map says along a reference: lines that may not be crossed, lanes beside it, and lines to stop at."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import moved, wrapped
from autonomy_nodes.common.lanes import LanePieces, Light, Line, Rule
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.planning.reference import STEP_M, Reference
from autonomy_nodes.planning.situation import Situation

LIGHT_AGE_S = 0.5  # an older state of a light counts as unknown
WIDEST_M = 8.0  # lines further beside the reference belong to other roads
ONE_LINE_M = 2.0  # stops so near to one another are at one line
TOLD_M = (98.0, 48.0)  # so far ahead and aside all of the map is told
STOPS = (Line.STOP_LINE, Line.STOP_PLACE)
ACROSS_RAD = 1.0  # lines at a larger angle to the reference do not run along it


@dataclass(frozen=True)
class StopLine:
    """A line to stop at. id: of the map. station_m: where it crosses the reference. rule, rule_id: what holds there.

    light: what is known of its light; a line with a light of which nothing is known, or of which no rule is told, may
    not be crossed.
    """

    id: int
    station_m: float
    light: Light
    rule: Rule = Rule.UNKNOWN
    rule_id: int = 0

    @property
    def has_light(self) -> bool:
        """Whether a light controls it, as far as is known."""
        return self.rule in (Rule.LIGHT, Rule.UNKNOWN)


@dataclass(frozen=True, eq=False)
class Road:
    """left_m, right_m: (M,) offsets of the nearest lines that may not be crossed, a station each; inf where none.

    neighbours_m: offsets of lanes in our direction beside the reference. stop_lines: along it, the nearest first.
    """

    left_m: np.ndarray
    right_m: np.ndarray
    neighbours_m: tuple[float, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()

    def sides(self, stations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (...) offsets of the lines left and right at (...) stations; inf where there are none."""
        if not len(self.left_m):
            none = np.full(stations.shape, np.inf)
            return none, -none
        index = np.round(stations / STEP_M).astype(np.int64)
        inside = (index >= 0) & (index < len(self.left_m))
        index = np.where(inside, index, 0)
        return np.where(inside, self.left_m[index], np.inf), np.where(inside, self.right_m[index], -np.inf)


NO_ROAD = Road(np.zeros(0), np.zeros(0))


def road_along(reference: Reference, station_m: float, situation: Situation, ids: tuple[int, ...]) -> Road:
    """Return what the map pieces of a situation say along the reference over lanelets `ids`."""
    pieces = situation.pieces
    if pieces is None:
        return NO_ROAD
    left, right = _sides(reference, pieces, situation)
    neighbours = _neighbours(reference, station_m, pieces, situation, ids)
    return Road(left, right, neighbours, _stop_lines(reference, pieces, situation, ids))


def cut_off(pieces: LanePieces, id_: int) -> bool:
    """Return whether a lanelet may go on where its centerline ends here: far away, with a piece that is full.

    Pieces that reach into the surroundings are told whole, and none behind them: the edge of what is told is no end.
    """
    rows = np.flatnonzero((pieces.classes == Line.CENTERLINE) & (pieces.ids == id_))
    last = pieces.points[rows[-1]] if len(rows) else np.full((1, 3), np.nan)
    far = last[-1, 0] > TOLD_M[0] or abs(last[-1, 1]) > TOLD_M[1]  # NaN, of a piece that is not full, is not far
    return bool(far)


def _sides(reference: Reference, pieces: LanePieces, situation: Situation) -> tuple[np.ndarray, np.ndarray]:
    count = len(reference.points)
    left, right = np.full(count, np.inf), np.full(count, -np.inf)
    rows = (pieces.classes == Line.SOLID) | (pieces.classes == Line.BOUNDARY)
    ends = pieces.points[rows][:, :, :2].astype(float)
    middles = 0.5 * (ends[:, 1:] + ends[:, :-1])
    turns = np.arctan2(ends[:, 1:, 1] - ends[:, :-1, 1], ends[:, 1:, 0] - ends[:, :-1, 0])
    there = np.isfinite(middles).all(axis=-1) & np.isfinite(turns)
    if not there.any():
        return left, right
    places = _in_odom(middles[there], situation)
    stations, offsets, headings = reference.project(places)
    lean = np.abs(wrapped(turns[there] + situation.ego.heading_rad - headings))
    along = np.minimum(lean, np.pi - lean) < ACROSS_RAD
    index = np.round(stations / STEP_M).astype(np.int64)
    good = along & (np.abs(offsets) < WIDEST_M) & (index >= 0) & (index < count)
    for shift in (-1, 0, 1):  # points are about a metre apart: none may fall between two stations
        cell = np.clip(index[good] + shift, 0, count - 1)
        np.minimum.at(left, cell, np.where(offsets[good] > 0.0, offsets[good], np.inf))
        np.maximum.at(right, cell, np.where(offsets[good] <= 0.0, offsets[good], -np.inf))
    return left, right


def _neighbours(
    reference: Reference, station_m: float, pieces: LanePieces, situation: Situation, ids: tuple[int, ...]
) -> tuple[float, ...]:
    """Return offsets of lanes that run beside the next 40 m, in our direction, one a side at most."""
    found: dict[bool, float] = {}
    others = pieces.ids[(pieces.classes == Line.CENTERLINE) & ~np.isin(pieces.ids, np.array(ids, np.int64))]
    for id_ in dict.fromkeys(others.tolist()):
        line = pieces.line(Line.CENTERLINE, id_)
        if len(line) < 2:
            continue
        stations, offsets, headings = reference.project(_in_odom(line[:, :2], situation))
        turns = np.arctan2(np.gradient(line[:, 1]), np.gradient(line[:, 0])) + situation.ego.heading_rad
        beside = (stations > station_m) & (stations < station_m + 40.0) & (np.abs(wrapped(turns - headings)) < 0.5)
        if beside.sum() < 15:
            continue
        offset = float(np.median(offsets[beside]))
        if 2.0 < abs(offset) < 5.0 and abs(offset) < abs(found.get(offset > 0.0, np.inf)):
            found[offset > 0.0] = offset
    return tuple(found[side] for side in (True, False) if side in found)


def _stop_lines(
    reference: Reference, pieces: LanePieces, situation: Situation, ids: tuple[int, ...]
) -> tuple[StopLine, ...]:
    """Return where we must or may have to stop, the nearest first. ids: lanelets that we follow."""
    found = []
    for row in np.flatnonzero(np.isin(pieces.classes, STOPS)).tolist():
        line = pieces.points[row][np.isfinite(pieces.points[row, :, 0])].astype(float)
        if len(line) < 2:
            continue
        stations, offsets, _ = reference.project(_in_odom(line[:, :2], situation))
        if offsets.min() > 0.3 or offsets.max() < -0.3 or np.abs(offsets).min() > 2.0 or np.ptp(stations) > 6.0:
            continue  # it belongs to a lane beside ours
        station = float(stations[np.argmin(np.abs(offsets))])
        if 0.0 <= station <= reference.length_m:
            id_, rule, rule_id = int(pieces.ids[row]), Rule(int(pieces.rules[row])), int(pieces.rule_ids[row])
            light = _light(rule_id if rule == Rule.LIGHT else id_, situation)
            found.append(StopLine(id_, station, light, rule, rule_id))
    rows = (pieces.classes == Line.CENTERLINE) & np.isin(pieces.ids, np.array(ids, np.int64))
    ours = set(pieces.rule_ids[rows].tolist()) - {0}
    return tuple(sorted(_of_our_lanes(found, ours), key=lambda stop: (stop.station_m, stop.id)))


def _of_our_lanes(stops: list[StopLine], ours: set[int]) -> list[StopLine]:
    """Return the stops without those for the light of a lane beside us: where one light at a line is ours."""
    at = [stop.station_m for stop in stops if stop.rule == Rule.LIGHT and stop.rule_id in ours]
    return [
        stop for stop in stops
        if stop.rule != Rule.LIGHT or stop.rule_id in ours
        or all(abs(stop.station_m - station) > ONE_LINE_M for station in at)
    ]  # fmt: skip


def _light(id_: int, situation: Situation) -> Light:
    lights = situation.lights
    if lights is None or abs(situation.stamp_ns - lights.stamp_ns) > LIGHT_AGE_S * SECOND_NS:
        return Light.UNKNOWN
    return lights.states.get(id_, Light.UNKNOWN)


def _in_odom(xy: np.ndarray, situation: Situation) -> np.ndarray:
    """Return (K, 2) places of base_link in odom."""
    return moved(np.column_stack([xy, np.zeros(len(xy))]), situation.ego.odom_from_base)[:, :2]
