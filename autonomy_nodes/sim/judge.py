"""What truly happened: contact, leaving the road, the goal, progress, by exact geometry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.sim.world import World

GOAL_M = 3.0
_BIN_M = 20.0
_ROAD_M = 0.1  # cell of the map of the road


def touching(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two convex outlines (N, 2) and (M, 2) overlap (separating axes)."""
    for outline in (first, second):
        sides = np.roll(outline, -1, axis=0) - outline
        normals = np.stack([-sides[:, 1], sides[:, 0]], axis=-1)  # (N, 2)
        one, other = first @ normals.T, second @ normals.T
        if ((one.max(axis=0) < other.min(axis=0)) | (other.max(axis=0) < one.min(axis=0))).any():
            return False
    return True


def rectangle(x: float, y: float, heading: float, length_m: float, width_m: float) -> np.ndarray:
    """Return the (4, 2) corners of a box about its middle."""
    along = np.array([math.cos(heading), math.sin(heading)])
    left = np.array([-along[1], along[0]])
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * 0.5
    return np.array([x, y]) + corners[:, :1] * length_m * along + corners[:, 1:] * width_m * left


@dataclass(frozen=True)
class Verdict:
    """How the drive stands. touched: names of what the vehicle touches now. off_road: a wheel is where none may be.

    outcome: 'running', 'goal reached', 'collision with ...', 'off road' or 'time over'. progress_m: along the route.
    """

    touched: tuple[str, ...]
    off_road: bool
    goal_m: float
    progress_m: float
    outcome: str


class Judge:
    """Judges the vehicle in one world; wheels may be off the road for off_road_limit_s at a time."""

    def __init__(self, world: World, off_road_limit_s: float) -> None:
        self._world = world
        self._solids = [solid for solid in world.solids if len(solid.footprint)]
        self._bins: dict[tuple[int, int], list[int]] = {}
        for number, solid in enumerate(self._solids):
            low, high = (
                np.floor(edge / _BIN_M).astype(int) for edge in (solid.footprint.min(0), solid.footprint.max(0))
            )
            for i in range(low[0], high[0] + 1):
                for j in range(low[1], high[1] + 1):
                    self._bins.setdefault((i, j), []).append(number)
        steps = np.linalg.norm(np.diff(world.route, axis=0), axis=1)
        self._route_s = np.concatenate([[0.0], np.cumsum(steps)])
        self._progress_m = 0.0
        self._off_road_s, self._off_road_limit_s = 0.0, off_road_limit_s
        self._road = None if world.lanes is None else _road_map(world)

    def judge(
        self,
        bodies: Sequence[np.ndarray],
        wheels: np.ndarray,
        actors: Sequence[tuple[str, np.ndarray]],
        place: tuple[float, float],
        step_s: float,
        over: bool,
    ) -> Verdict:
        """Return how it stands.

        bodies: (4, 2) outlines of vehicle and trailer. wheels: (W, 2) places of all wheels. actors: (name, outline)
        of the others. place: base_link. step_s: since it was last asked. over: the time is over.
        """
        touched = tuple(name for name, outline in actors if any(touching(body, outline) for body in bodies))
        touched += tuple(dict.fromkeys(self._solids_hit(bodies)))
        goal_m = math.dist(place, self._world.task.goal[:2])
        nearest = int(np.argmin(((self._world.route - place) ** 2).sum(axis=1)))
        self._progress_m = max(self._progress_m, float(self._route_s[nearest]))
        off_road = bool(self._off(wheels).any())
        self._off_road_s = self._off_road_s + step_s if off_road else 0.0
        outcome = 'time over' if over else 'running'
        outcome = 'off road' if self._off_road_s > self._off_road_limit_s else outcome
        outcome = 'goal reached' if goal_m < GOAL_M else outcome
        outcome = f'collision with {touched[0]}' if touched else outcome
        return Verdict(touched, off_road, goal_m, self._progress_m, outcome)

    def _solids_hit(self, bodies: Sequence[np.ndarray]) -> list[str]:
        found = []
        for body in bodies:
            cells = {(int(x), int(y)) for x, y in np.floor(body / _BIN_M)}
            cells.add(tuple(np.floor(body.mean(axis=0) / _BIN_M).astype(int)))
            near = sorted({number for cell in cells for number in self._bins.get(cell, ())})
            hit = [self._solids[number] for number in near if touching(body, self._solids[number].footprint)]
            found += [solid.semantic.name.lower() for solid in hit]
        return found

    def _off(self, wheels: np.ndarray) -> np.ndarray:
        """Return (W,) whether each wheel is off the road, or where no wheel holds."""
        ground = self._world.ground
        if self._road is None:
            steep = np.arccos(np.clip(ground.normal(wheels, 0.8)[:, 2], -1.0, 1.0)) > self._world.steepest_rad
            return steep | ~ground.contains(wheels)
        cell = np.floor((wheels - ground.origin_m) / _ROAD_M).astype(int)
        inside = ((cell >= 0) & (cell < self._road.shape)).all(axis=1)
        cell[~inside] = 0
        return ~(inside & (self._road[cell[:, 0], cell[:, 1]] == 1))


def _road_map(world: World) -> np.ndarray:
    """Return (X, Y) uint8 cells, 1 where the road is: its areas and its lanes."""
    assert world.lanes is not None
    road = np.zeros(np.ceil(world.ground.size_m / _ROAD_M).astype(int), np.uint8)
    polygons = [area.polygon for area in world.areas if area.drivable]
    for lane in world.lanes.lanes:
        left, right = world.lanes.edges(lane)
        polygons.append(np.concatenate([left[:, :2], right[::-1, :2]]))
    for polygon in polygons:
        cells = np.round((polygon - world.ground.origin_m) / _ROAD_M - 0.5).astype(np.int32)
        cv2.fillPoly(road, [np.ascontiguousarray(cells[:, ::-1])], 1)
    return road
