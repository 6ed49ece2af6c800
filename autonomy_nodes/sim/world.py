"""A world: everything that is there and everybody who moves in it, as plain values. It is built from a seed alone.

Frame: map, x east, y north, z up. Families of worlds stand in sim/scenes.
"""

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh

Place = tuple[float, float, float]  # x y [m], heading [rad]; z follows the ground
Colour = tuple[float, float, float]  # red green blue, 0 to 1


@dataclass(frozen=True, eq=False)
class Solid:
    """A thing that stands still. mesh is in map.

    footprint: (M, 2) convex outline of what a vehicle would hit, in map; empty where it may be driven over or through.
    tint: colour of its tinted materials.
    """

    semantic: Semantic
    mesh: Mesh
    footprint: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    tint: Colour = (0.6, 0.6, 0.6)


@dataclass(frozen=True, eq=False)
class Area:
    """Ground of one material. polygon: (N, 2). drivable: a road vehicle may be there."""

    polygon: np.ndarray
    material: Material
    drivable: bool = False


@dataclass(frozen=True, eq=False)
class Paint:
    """A marking. line: (N, 2) middle of the stripe; dashes where off_m > 0. wear: share of it that is gone."""

    kind: Line
    line: np.ndarray
    width_m: float = 0.15
    on_m: float = 3.0
    off_m: float = 0.0
    material: Material = Material.PAINT_WHITE
    wear: float = 0.0


@dataclass(frozen=True, eq=False)
class Border:
    """A line of the lane map. points: (N, 3)."""

    id: int
    kind: Line
    points: np.ndarray


@dataclass(frozen=True)
class Lane:
    """A lane between two borders of the lane map, driven from their first point to their last.

    left, right: ids of borders; `*_reversed` where the border runs against the lane.
    yields_to: lanes that have right of way. signal: id of the light that controls it, 0 for none.
    stop_line: id of the border at which it waits, 0 for none.
    """

    id: int
    left: int
    right: int
    left_reversed: bool = False
    right_reversed: bool = False
    successors: tuple[int, ...] = ()
    speed_limit_mps: float = 13.9
    turn: str = ''  # 'left', 'right', 'straight' within a junction
    yields_to: tuple[int, ...] = ()
    signal: int = 0
    stop_line: int = 0


@dataclass(frozen=True, eq=False)
class Crossing:
    """A place to cross on foot, between two borders of kind CROSSWALK."""

    id: int
    left: int
    right: int


@dataclass(frozen=True)
class Signal:
    """A traffic light with a fixed programme. heads: x y z of lamps. phases: (colour of `Light`, seconds) in order."""

    id: int
    heads: tuple[tuple[float, float, float], ...]
    phases: tuple[tuple[int, float], ...]
    offset_s: float = 0.0

    def colour(self, time_s: float) -> int:
        """Return the `Light` shown at a time."""
        left = (time_s + self.offset_s) % sum(length for _, length in self.phases)
        for colour, length in self.phases:
            if left < length:
                return colour
            left -= length
        return self.phases[-1][0]


@dataclass(frozen=True, eq=False)
class LaneMap:
    """Lanes and all they refer to, by id."""

    borders: dict[int, Border]
    lanes: dict[int, Lane]
    crossings: tuple[Crossing, ...] = ()
    signals: dict[int, Signal] = field(default_factory=dict)

    def edges(self, lane_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the left and right border of a lane, (N, 3) and (M, 3), in the direction of travel."""
        lane = self.lanes[lane_id]
        left, right = self.borders[lane.left].points, self.borders[lane.right].points
        return left[::-1] if lane.left_reversed else left, right[::-1] if lane.right_reversed else right

    def centre(self, lane_id: int) -> np.ndarray:
        """Return the (N, 3) middle of a lane, its points about 1 m apart."""
        left, right = self.edges(lane_id)
        count = max(2, int(np.linalg.norm(np.diff(left, axis=0), axis=1).sum()) + 1)
        return 0.5 * (resampled(left, count) + resampled(right, count))


def resampled(line: np.ndarray, count: int) -> np.ndarray:
    """Return `count` points of a line (N, D), evenly spaced along it."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    wanted = np.linspace(0.0, s[-1], count)
    return np.stack([np.interp(wanted, s, column) for column in line.T], axis=-1)


class Drive(Enum):
    """How an actor decides where to go."""

    PARKED = 'parked'
    LANES = 'lanes'  # along lanes, behind whoever is ahead
    PATH = 'path'  # along its path at its speed, whatever happens
    WALK = 'walk'  # along its path once its time or the ego comes


@dataclass(frozen=True, eq=False)
class Policy:
    """What an actor wants.

    lanes: ids to follow in order (LANES); loops from the last to the first where `loops`.
    path: (N, 2) of PATH and WALK. start_m: where along it the actor begins.
    starts_s: when a walk begins; starts_within_m: or once the ego is this near, 0 for never.
    """

    drive: Drive = Drive.PARKED
    speed_mps: float = 0.0
    lanes: tuple[int, ...] = ()
    loops: bool = False
    path: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    start_m: float = 0.0
    starts_s: float = 0.0
    starts_within_m: float = 0.0
    headway_s: float = 1.5
    acceleration_mps2: float = 1.2
    braking_mps2: float = 2.0


@dataclass(frozen=True, eq=False)
class Actor:
    """Somebody who moves or might: who he is, what he looks like and what he wants.

    shape: a recipe of sim/shapes.py, scaled to dimensions_m (length, width, height). style: seed of its looks.
    place: where a parked one stands. tows: id of the actor that follows on its hitch, 0 for none.
    """

    id: int
    label: Label
    shape: str
    dimensions_m: tuple[float, float, float]
    policy: Policy = field(default_factory=Policy)
    place: Place = (0.0, 0.0, 0.0)
    tint: Colour = (0.5, 0.5, 0.5)
    style: int = 0
    tows: int = 0


@dataclass(frozen=True)
class Weather:
    """Light and air."""

    sun_elevation_rad: float = 0.8
    sun_azimuth_rad: float = 2.0
    cloudiness: float = 0.3
    fog_visibility_m: float = float('inf')
    rain_mmph: float = 0.0


@dataclass(frozen=True)
class Task:
    """Where the ego begins and where it shall go. start_speed_mps: with which it begins."""

    start: Place
    goal: Place
    start_speed_mps: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """One place, at the moment 0.

    route: (N, 2) a way from start to goal that a driver could take: progress is measured along it.
    lanes: None where there is no road. origin_llh: latitude, longitude [deg], height [m] of the map's origin.
    steepest_rad: ground steeper than this counts as off the road where there are no lanes. grass_m: how high grass is.
    """

    family: str
    seed: int
    ground: HeightField
    areas: tuple[Area, ...]
    paint: tuple[Paint, ...]
    solids: tuple[Solid, ...]
    actors: tuple[Actor, ...]
    lanes: LaneMap | None
    task: Task
    route: np.ndarray
    weather: Weather = field(default_factory=Weather)
    origin_llh: tuple[float, float, float] = (49.0, 8.4, 110.0)
    steepest_rad: float = 0.45
    grass_m: float = 0.07

    def shortened(self, metres: float) -> 'World':
        """Return the world with the goal so far along the route; as it is where that is 0 or beyond the end."""
        steps = np.linalg.norm(np.diff(self.route, axis=0), axis=1)
        last = int(np.searchsorted(np.cumsum(steps), metres)) + 1
        if metres == 0.0 or last >= len(self.route):
            return self
        (x, y), (dx, dy) = self.route[last], self.route[last] - self.route[last - 1]
        goal = (float(x), float(y), float(np.arctan2(dy, dx)))
        return replace(self, task=replace(self.task, goal=goal), route=self.route[: last + 1])

    def begun(self, metres: float) -> 'World':
        """Return the world with the start, and the begin of the route, so far along it; ValueError past its end."""
        steps = np.linalg.norm(np.diff(self.route, axis=0), axis=1)
        first = int(np.searchsorted(np.concatenate([[0.0], np.cumsum(steps)]), metres))
        if first + 1 >= len(self.route):
            raise ValueError(f'start_m={metres} must end before the route of {steps.sum():.0f} m does')
        if first == 0:
            return self
        (x, y), (dx, dy) = self.route[first], self.route[first + 1] - self.route[first]
        start = (float(x), float(y), float(np.arctan2(dy, dx)))
        return replace(self, task=replace(self.task, start=start), route=self.route[first:])

    def z(self, x: float, y: float) -> float:
        """Return the height of the ground."""
        return float(self.ground.height(np.array([x, y])))
