"""Roads from a centreline: lanes, their paint, the ground they cover. Traffic keeps to the right."""

from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.world import Area, Border, Crossing, Lane, LaneMap, Paint, Signal

LANE_M = 3.5
PIECE_M = 100.0  # a lanelet is no longer


def curve(
    length_m: float, curvatures: np.ndarray, start: tuple[float, float, float], step_m: float = 1.0
) -> np.ndarray:
    """Return (N, 2) points of a line whose curvature passes through evenly spread values."""
    count = int(length_m / step_m) + 1
    knots = np.linspace(0.0, length_m, len(curvatures))
    bend = np.interp(np.arange(count) * step_m, knots, curvatures)
    heading = start[2] + np.concatenate([[0.0], np.cumsum(0.5 * (bend[1:] + bend[:-1]) * step_m)])
    middle = 0.5 * (heading[1:] + heading[:-1])
    steps = np.stack([np.cos(middle), np.sin(middle)], axis=-1) * step_m
    return np.concatenate([[start[:2]], np.cumsum(steps, axis=0) + start[:2]])


def offset(line: np.ndarray, left_m: np.ndarray | float) -> np.ndarray:
    """Return a line (N, 2 or 3) moved to its left."""
    along = np.gradient(line[:, :2], axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    moved = line.astype(float).copy()
    moved[:, :2] += np.stack([-along[:, 1], along[:, 0]], axis=-1) * np.reshape(left_m, (-1, 1))
    return moved


def arc(start: np.ndarray, leaving: np.ndarray, end: np.ndarray, arriving: np.ndarray) -> np.ndarray:
    """Return (N, 3) a cubic from one place and direction to another, close to an arc of a circle."""
    leaving, arriving = leaving / np.linalg.norm(leaving), arriving / np.linalg.norm(arriving)
    turn = np.arccos(np.clip(leaving @ arriving, -1.0, 1.0))
    gap = float(np.linalg.norm(end[:2] - start[:2]))
    reach = gap / 3.0 if turn < 0.05 else 4.0 / 3.0 * np.tan(turn / 4.0) * gap / (2.0 * np.sin(turn / 2.0))
    handles = np.stack([start[:2], start[:2] + reach * leaving, end[:2] - reach * arriving, end[:2]])
    t = np.linspace(0.0, 1.0, max(8, int(gap) + 1))[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.column_stack([weights @ handles, start[2] * (1 - t[:, 0]) + end[2] * t[:, 0]])


def place_on(line: np.ndarray, index: int) -> tuple[float, float, float]:
    """Return x, y and heading of a point of a line (N, 2 or 3)."""
    step = line[index + 1, :2] - line[index - 1, :2] if 0 < index < len(line) - 1 else line[-1, :2] - line[-2, :2]
    return float(line[index, 0]), float(line[index, 1]), float(np.arctan2(step[1], step[0]))


def strip(line: np.ndarray, right_m: float, left_m: float, material: Material, drivable: bool = False) -> list[Area]:
    """Return areas along a line between two offsets to its left, in short pieces that stay convex enough to fill."""
    return between(offset(line, right_m), offset(line, left_m), material, drivable)


def between(right: np.ndarray, left: np.ndarray, material: Material, drivable: bool = False) -> list[Area]:
    """Return areas between two lines of as many points, (N, 2 or 3), in short pieces."""
    areas = []
    for first in range(0, len(right) - 1, 20):
        part = slice(first, first + 21)
        areas.append(Area(np.concatenate([right[part, :2], left[part, :2][::-1]]), material, drivable))
    return areas


@dataclass
class Network:
    """A lane map while it is drawn."""

    borders: dict[int, Border] = field(default_factory=dict)
    lanes: dict[int, Lane] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)
    signals: dict[int, Signal] = field(default_factory=dict)
    next_id: int = 1000

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    def border(self, kind: Line, points: np.ndarray) -> int:
        """Add a line (N, 3) and return its id."""
        number = self._id()
        self.borders[number] = Border(number, kind, points)
        return number

    def lane(self, left: int, right: int, **more: object) -> int:
        """Add a lane between two borders and return its id."""
        number = self._id()
        self.lanes[number] = Lane(number, left, right, **more)  # type: ignore[arg-type]
        return number

    def link(self, lane: int, successor: int) -> None:
        """Let one lane lead into another."""
        self.lanes[lane] = replace(self.lanes[lane], successors=(*self.lanes[lane].successors, successor))

    def changed(self, lane: int, **values: object) -> None:
        """Set fields of a lane."""
        self.lanes[lane] = replace(self.lanes[lane], **values)  # type: ignore[arg-type]

    def crossing(self, left: np.ndarray, right: np.ndarray) -> None:
        """Add a place to cross between two lines (2, 3)."""
        ids = (self.border(Line.CROSSWALK, left), self.border(Line.CROSSWALK, right))
        self.crossings.append(Crossing(self._id(), *ids))

    def signal(self, heads: tuple, phases: tuple, offset_s: float) -> int:
        """Add a light and return its id."""
        number = self._id()
        self.signals[number] = Signal(number, heads, phases, offset_s)
        return number

    def map(self) -> LaneMap:
        """Return what was drawn."""
        return LaneMap(self.borders, self.lanes, tuple(self.crossings), self.signals)


def two_lanes(
    network: Network, line: np.ndarray, limit_mps: float, middle: Line = Line.DIVIDER
) -> tuple[list[int], list[int]]:
    """Add a lane each way along a line (N, 3, points 1 m apart); return those along it and those against, in order."""
    with_line, against = [], []
    cuts = np.linspace(0, len(line) - 1, max(1, round((len(line) - 1) / PIECE_M)) + 1).astype(int)
    right_edge, left_edge = offset(line, -LANE_M), offset(line, LANE_M)  # as wholes, so that pieces meet
    for first, last in zip(cuts[:-1], cuts[1:]):
        part = slice(first, last + 1)
        centre = network.border(middle, line[part])
        right = network.border(Line.SOLID, right_edge[part])
        left = network.border(Line.SOLID, left_edge[part])
        with_line.append(network.lane(centre, right, speed_limit_mps=limit_mps))
        against.append(network.lane(centre, left, left_reversed=True, right_reversed=True, speed_limit_mps=limit_mps))
    against.reverse()
    for chain in (with_line, against):
        for lane, successor in zip(chain, chain[1:]):
            network.link(lane, successor)
    return with_line, against


def road_paint(line: np.ndarray, wear: float, solid_middle: bool = False) -> list[Paint]:
    """Return the edge lines and the middle line of a two-lane road."""
    flat = line[:, :2]
    middle = (
        Paint(Line.SOLID, flat, 0.15)
        if solid_middle
        else Paint(Line.DIVIDER, flat, 0.15, on_m=4.0, off_m=6.0, wear=wear)
    )
    edges = [Paint(Line.SOLID, offset(flat, side * LANE_M), 0.15, wear=wear) for side in (-1.0, 1.0)]
    return [middle, *edges]


def zebra(centre: np.ndarray, heading: float, half_length_m: float, depth_m: float = 3.0) -> list[Paint]:
    """Return the bars of a crossing over a road that runs along `heading`."""
    along, left = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    bars = []
    for shift in np.arange(-half_length_m + 0.5, half_length_m - 0.2, 1.0):
        middle = centre + shift * left
        bar = np.stack([middle - 0.5 * depth_m * along, middle + 0.5 * depth_m * along])
        bars.append(Paint(Line.CROSSWALK, bar, 0.5))
    return bars
