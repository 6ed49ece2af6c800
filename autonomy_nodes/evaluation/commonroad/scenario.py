"""A scenario of CommonRoad as the clerk tells it: roads, road users over time, where to start, where to be when."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import wrapped

BEYOND_RAD = 1e-9  # rounding at the ends of an interval


@dataclass(frozen=True, eq=False)
class Lane:
    """A lanelet. left, right: (N, 2) bounds in the direction of travel [m].

    left_lane: the lanelet of the same direction beside it, None where there is none. *_line: its marking by
    CommonRoad's name ('solid', 'dashed', 'unknown', ...). limit_mps: None where no sign tells one.
    """

    id: int
    left: np.ndarray
    right: np.ndarray
    successors: tuple[int, ...]
    left_lane: int | None
    left_line: str
    right_line: str
    limit_mps: float | None

    @property
    def outline(self) -> np.ndarray:
        """(N, 2) corners."""
        return np.concatenate([self.left, self.right[::-1]])


@dataclass(frozen=True, eq=False)
class RoadUser:
    """An obstacle. steps: (B,) at which it is there; boxes: (B, 5) x y heading length width of its box then.

    speeds_mps: (B,) along its heading, NaN where not told. always: it stands, and `boxes` has one row.
    """

    id: int
    kind: str
    always: bool
    steps: np.ndarray
    boxes: np.ndarray
    speeds_mps: np.ndarray

    def at(self, step: int) -> tuple[np.ndarray, float] | None:
        """Return its (5,) box and speed at a step, None where it is not there."""
        if self.always:
            return self.boxes[0], 0.0
        row = int(np.searchsorted(self.steps, step))
        if row >= len(self.steps) or self.steps[row] != step:
            return None
        return self.boxes[row], float(self.speeds_mps[row])


@dataclass(frozen=True, eq=False)
class Target:
    """Where to be when: the middle of the box in one of `places`, steps, heading and speed in their intervals.

    steps: first and last. places: outlines (N, 2), none for anywhere. headings_rad, speeds_mps: None for any.
    lanelets: whose outlines the places are.
    """

    steps: tuple[int, int]
    places: tuple[np.ndarray, ...]
    headings_rad: tuple[float, float] | None
    speeds_mps: tuple[float, float] | None
    lanelets: tuple[int, ...] = ()

    def misses(self, step: int, xy: np.ndarray, heading_rad: float, speed_mps: float) -> tuple[str, ...]:
        """Return what of 'time', 'place', 'heading', 'speed' is not as wanted."""
        found = [] if self.steps[0] <= step <= self.steps[1] else ['time']
        if self.places and not any(inside(xy[None], place)[0] for place in self.places):
            found.append('place')
        if self.headings_rad is not None:
            low, high = self.headings_rad
            off = float(wrapped(heading_rad - 0.5 * (low + high)))
            found += ['heading'] if abs(off) > 0.5 * (high - low) + BEYOND_RAD else []
        if self.speeds_mps is not None and not self.speeds_mps[0] <= speed_mps <= self.speeds_mps[1]:
            found.append('speed')
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Start:
    """State at the first step, of the middle of the box."""

    step: int
    xy: np.ndarray
    heading_rad: float
    speed_mps: float
    turn_rate_rps: float


@dataclass(frozen=True, eq=False)
class Scenario:
    """All that is known of one; drivers see of the road users what was until now."""

    id: str
    dt_s: float
    start: Start
    targets: tuple[Target, ...]
    lanes: tuple[Lane, ...]
    users: tuple[RoadUser, ...]

    @property
    def last_step(self) -> int:
        """The last step at which the goal may be reached."""
        return max(target.steps[1] for target in self.targets)

    def reached(self, step: int, xy: np.ndarray, heading_rad: float, speed_mps: float) -> bool:
        """Return whether the middle of the box is where it should be."""
        return any(not target.misses(step, xy, heading_rad, speed_mps) for target in self.targets)


def inside(xy: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Return (M,) whether (M, 2) places lie in a polygon (N, 2), by crossings of a ray to the right."""
    x, y = xy[:, 0, None], xy[:, 1, None]
    (x0, y0), (x1, y1) = outline.T, np.roll(outline, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide='ignore', invalid='ignore'):
        at = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return (crosses & (x < at)).sum(axis=1) % 2 == 1


def scenario_of(told: dict[str, Any]) -> Scenario:
    """Return the scenario that the clerk tells."""
    start = told['start']
    return Scenario(
        told['id'], told['dt_s'],
        Start(start['step'], np.array(start['xy'], float), start['heading'], start['speed'], start['turn_rate']),
        tuple(_target(goal) for goal in told['goals']),
        tuple(_lane(lane) for lane in told['lanelets']),
        tuple(_user(obstacle) for obstacle in told['obstacles'] if obstacle['boxes']),
    )  # fmt: skip


def _target(goal: dict[str, Any]) -> Target:
    low, high = goal['steps']
    headings, speeds = (None if goal[name] is None else (goal[name][0], goal[name][1])
                        for name in ('headings', 'speeds'))  # fmt: skip
    places = tuple(np.array(place, float) for place in goal['places'])
    return Target((low, high), places, headings, speeds, tuple(goal['lanelets']))


def _lane(lane: dict[str, Any]) -> Lane:
    left, right = (np.array(lane[side], float) for side in ('left', 'right'))
    return Lane(
        lane['id'], left, right, tuple(lane['successors']), lane['left_lane'], lane['left_line'], lane['right_line'],
        lane['speed_limit'],
    )  # fmt: skip


def _user(obstacle: dict[str, Any]) -> RoadUser:
    steps = np.array([box[0] for box in obstacle['boxes']], np.int64)
    boxes = np.array([box[1:6] for box in obstacle['boxes']], float)
    speeds = np.array([np.nan if box[6] is None else box[6] for box in obstacle['boxes']], float)
    return RoadUser(obstacle['id'], obstacle['kind'], obstacle['always'], steps, boxes, speeds)
