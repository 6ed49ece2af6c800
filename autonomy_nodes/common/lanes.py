"""The road as stages see it: pieces of lines near the vehicle, which lane it is in, and what paint was seen."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from autonomy_nodes.common.types import check_array

PIECE_POINTS = 20


class Line(IntEnum):
    """Classes of lines."""

    UNKNOWN = 0
    CENTERLINE = 1
    DIVIDER = 2  # paint between lanes, may be crossed
    SOLID = 3  # paint that may not be crossed
    BOUNDARY = 4  # curb, fence, road edge
    STOP_LINE = 5
    CROSSWALK = 6
    STOP_PLACE = 7  # where a rule says to stop, without paint of its own: nothing that could be seen


class Landmark(IntEnum):
    """What stands beside the road, among the classes of LaneObservations: pieces that stand. No map holds it."""

    POLE = 32
    SIGN = 33


class Rule(IntEnum):
    """What the map says at a stop line; of several rules at one line the one that stands last here counts."""

    UNKNOWN = 0  # not told: there may be a light
    NONE = 1  # no rule names it: stop, then go on when it is free
    GIVE_WAY = 2
    STOP = 3  # a stop sign
    LIGHT = 4


@dataclass(frozen=True, eq=False)
class LanePieces:
    """N pieces of map lines, each up to 20 points about 1 m apart, in `frame` (base_link on the wire).

    points: (N, 20, 3) float32; points beyond a piece's end are NaN.
    classes: (N,) uint8 `Line`. ids: (N,) int64: of the lanelet for a centerline, of the rule for a stop place, else of
        the line; the pieces of one id follow one another by row, in the direction of travel.
    confidence: (N,) in 0 to 1. valid_lengths_m: (N,) length of each piece.
    rules: (N,) uint8 `Rule` at a stop line or place; of a centerline LIGHT where one light alone controls the lane.
    rule_ids: (N,) int64 regulatory element of it, by which lights are told, 0 for none. Left out: not told.
    """

    stamp_ns: int
    frame: str
    points: np.ndarray
    classes: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray
    valid_lengths_m: np.ndarray
    rules: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    rule_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        count = len(self.points)
        check_array('points', self.points, count, PIECE_POINTS, 3, finite=False)
        for name, kind in (('rules', np.uint8), ('rule_ids', np.int64)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(count, kind))
        for name in ('classes', 'ids', 'confidence', 'valid_lengths_m', 'rules', 'rule_ids'):
            check_array(name, getattr(self, name), count)

    def line(self, class_: int, id_: int) -> np.ndarray:
        """Return the (M, 3) points of one line near the vehicle, in order and without NaN; (0, 3) where absent."""
        rows = (self.classes == class_) & (self.ids == id_)
        points = self.points[rows].reshape(-1, 3)
        points = points[np.isfinite(points[:, 0])].astype(float)
        fresh = np.ones(len(points), bool)
        fresh[1:] = np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-3  # a piece starts where the last one ends
        return points[fresh]


@dataclass(frozen=True, eq=False)
class LaneMatch:
    """In which lane the vehicle is: K hypotheses, the most probable first; none where there is no lane near.

    ids: (K,) int64 lanelets. s_m, d_m: (K,) along and left of the centerline. heading_errors_rad: (K,).
    probabilities: (K,), with what is left to 1 for 'off the map'. sigmas_m: (K,) of d_m.
    speed_limits_mps: (K,); NaN where the map tells none.
    """

    stamp_ns: int
    ids: np.ndarray
    s_m: np.ndarray
    d_m: np.ndarray
    heading_errors_rad: np.ndarray
    probabilities: np.ndarray
    sigmas_m: np.ndarray
    speed_limits_mps: np.ndarray


@dataclass(frozen=True, eq=False)
class Route:
    """Lanelets to follow to the goal: the preferred one of each segment, in order; poses x y z heading, in map."""

    stamp_ns: int
    start: tuple[float, float, float, float]
    goal: tuple[float, float, float, float]
    lanelet_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LaneObservations:
    """Paint, edges and landmarks seen in one sweep, in base_link, and how far the ground was seen at all.

    segments: (M, 2, 3) ends of short straight pieces. classes: (M,) uint8 `Line` or `Landmark`. confidence: (M,) in
    0 to 1. seen_range_m: (72,) the farthest ground seen in each sector of 5 degrees, from -180 degrees on, 0 where
    none.
    """

    stamp_ns: int
    segments: np.ndarray
    classes: np.ndarray
    confidence: np.ndarray
    seen_range_m: np.ndarray

    def __post_init__(self) -> None:
        check_array('segments', self.segments, None, 2, 3)
        check_array('classes', self.classes, len(self.segments))
        check_array('confidence', self.confidence, len(self.segments))
        check_array('seen_range_m', self.seen_range_m, 72)


@dataclass(frozen=True, eq=False)
class MapChanges:
    """Suspect elements of the map, one row each, in map.

    ids: (N,) int64 of the element (0 = not in the map). kinds: (N,) str 'removed', 'added'.
    classes: (N,) uint8 `Line`. positions_m: (N, 3) middle. log_odds, probabilities: (N,) that it changed.
    traversals, frames: (N,) on which that rests.
    """

    stamp_ns: int
    ids: np.ndarray
    kinds: tuple[str, ...]
    classes: np.ndarray
    positions_m: np.ndarray
    log_odds: np.ndarray
    probabilities: np.ndarray
    traversals: np.ndarray
    frames: np.ndarray


class Light(IntEnum):
    """Colours of a traffic light that matter."""

    UNKNOWN = 0  # counts as red where the map says that a light controls the lane
    RED = 1
    AMBER = 2
    GREEN = 3


@dataclass(frozen=True)
class TrafficLights:
    """States of the lights seen: {regulatory element id of the map: Light}."""

    stamp_ns: int
    states: dict[int, Light]
