"""A place for traffic as lines alone: lanes as a map tells them, ways that somebody takes, who waits for whom.

Frame: the plane, x y in metres. Points of ways are STEP_M apart, so that a row is a distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.sim.flow.drivers import Member
from autonomy_nodes.sim.world import Signal, resampled

STEP_M = 1.0
STOP_SIGN, WALL = -1, -2  # in place of a signal: stop, then go when it is free; and the end of a lane


@dataclass(frozen=True, eq=False)
class Way:
    """What somebody follows. points: (N, 2), STEP_M apart. headings: (N,) unwrapped; bends: (N,) curvature.

    room_m: how far to the right (negative) and the left of it the middle of one may go who passes somebody.
    lanes: names of the lanes of which it is made. on_foot: pedestrians take it.
    """

    points: np.ndarray
    headings: np.ndarray
    bends: np.ndarray
    limit_mps: float
    room_m: tuple[float, float] = (-0.3, 0.3)
    lanes: tuple[str, ...] = ()
    on_foot: bool = False

    @property
    def length_m(self) -> float:
        """Length."""
        return (len(self.points) - 1) * STEP_M


@dataclass(frozen=True, eq=False)
class Entry:
    """Somebody begins on a way at `s_m`, once `time_s` is there and there is room. side_m: left of it, for good.

    place: (x, y, heading) of one who is parked. aim: leaves for this way where it can, -1 for none.
    """

    member: Member
    way: int = -1
    s_m: float = 0.0
    time_s: float = -np.inf
    side_m: float = 0.0
    speed_mps: float = -1.0
    place: tuple[float, float, float] | None = None
    aim: int = -1


@dataclass
class Place:
    """A place while it is drawn, and then.

    lanes: {name: (N, 2)} centre lines; follows: (lane, successor). lines, edges, crossings: (N, 2) each, as a map tells
    them; crossings closed. stops: (way, s, signal). yields: (way, way that has right of way); apart: (way, way) that
    do not meet, however near. beside: (way, side, other, from s, to s, only who aims there), side 0 left, 1 right.
    lights: {lane: signal}. lane_m: width of the lanes.
    """

    lanes: dict[str, np.ndarray] = field(default_factory=dict)
    follows: list[tuple[str, str]] = field(default_factory=list)
    lines: list[np.ndarray] = field(default_factory=list)
    edges: list[np.ndarray] = field(default_factory=list)
    crossings: list[np.ndarray] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    stops: list[tuple[int, float, int]] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    yields: set[tuple[int, int]] = field(default_factory=set)
    beside: list[tuple[int, int, int, float, float, bool]] = field(default_factory=list)
    lights: dict[str, int] = field(default_factory=dict)
    apart: set[tuple[int, int]] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    lane_m: float = 3.5

    def chain(self, names: Sequence[str], limit_mps: float, **more: object) -> int:
        """Add a way along lanes, which are linked, and return its number."""
        for link in zip(names, names[1:]):
            if link not in self.follows:
                self.follows.append(link)
        points = np.concatenate([self.lanes[name] for name in names])
        return self.way(points, limit_mps, lanes=tuple(names), **more)

    def way(self, points: np.ndarray, limit_mps: float, **more: object) -> int:
        """Add a way along (N, 2) points and return its number."""
        self.ways.append(way_of(points, limit_mps, **more))
        return len(self.ways) - 1

    def signal(self, phases: tuple[tuple[int, float], ...], offset_s: float) -> int:
        """Add a light and return its number."""
        self.signals.append(Signal(len(self.signals), (), phases, offset_s))
        return len(self.signals) - 1

    def arc_of(self, way: int, lane: str) -> float:
        """Return how far along a way the end of one of its lanes is."""
        return along(self.ways[way], self.lanes[lane][-1])


def along(way: Way, xy: np.ndarray) -> float:
    """Return how far along a way it comes nearest to a place."""
    return float(np.argmin(np.hypot(*(way.points - xy).T))) * STEP_M


def way_of(points: np.ndarray, limit_mps: float, **more: object) -> Way:
    """Return a way along (N, 2) points, its corners rounded a little."""
    points = np.asarray(points, float)[:, :2]
    steps = np.hypot(*np.diff(points, axis=0).T)
    points = points[np.concatenate([[True], steps > 1e-3])]
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    fine = resampled(points, max(4 * int(length / STEP_M), 4))
    reach = 8 if more.get('on_foot') else 4  # people cut corners
    padded = np.concatenate([[fine[0]] * reach, fine, [fine[-1]] * reach])
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    smooth = np.stack([np.convolve(column, kernel, 'valid') for column in padded.T], axis=1)
    smooth[[0, -1]] = fine[[0, -1]]
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(smooth, axis=0).T))])
    at = np.arange(int(s[-1] / STEP_M) + 1) * STEP_M
    found = np.stack([np.interp(at, s, column) for column in smooth.T], axis=1)
    if len(found) < 2:
        raise ValueError(f'a way of {length:.1f} m is too short')
    slope = np.gradient(found, axis=0)
    headings = np.unwrap(np.arctan2(slope[:, 1], slope[:, 0]))
    return Way(found, headings, np.gradient(headings, STEP_M), limit_mps, **more)  # type: ignore[arg-type]
