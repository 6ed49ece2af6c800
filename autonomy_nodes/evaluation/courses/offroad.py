"""Open country with rocks, slopes and a ditch: what every cell of it truly is, and what is known of it on the way.

The land is a `rough` world of the simulator. What a cell is, is judged of its true height by the code that judges the
terrain on the vehicle (perception/traversability.py and what it rests on), with the same settings. Known is what has
been near once; what hides behind something else is not modelled. What stands there and can be hit is an obstacle, and
so is water; people and vehicles of the world are left out. Frame: map, which is odom.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.perception.hollows import hollows
from autonomy_nodes.perception.surface import shape_of, steps_of
from autonomy_nodes.perception.terrain import TerrainConfig, far_terrain
from autonomy_nodes.perception.traversability import BLOCKED, judged
from autonomy_nodes.planning.ground import GroundSettings
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.scenes.rough import rough
from autonomy_nodes.sim.world import World

SEEN_M, FAR_SEEN_M = 30.0, 60.0  # the ground is known where it has once been so near, and what stands on it
ATTEMPTS, STRIDE = 40, 1000
TYRE_M = (0.6, 0.25)  # of a tyre seen from above
THING_M = 1.0  # of what stands there
UNSEEN = {'ceiling': np.inf, 'observed': 0.0, 'class': 0.0}


@dataclass(frozen=True, eq=False)
class Country:
    """A place off the road. layers: of the terrain grid, true everywhere. corner: (2,) of the cells. world: its seed.

    start: x, y, heading. goal: (2,). way: (N, 2) one way that can be driven.
    """

    seed: int
    world: World
    layers: dict[str, np.ndarray]
    corner: np.ndarray

    @property
    def start(self) -> tuple[float, float, float]:
        """Where base_link begins: x, y, heading."""
        return self.world.task.start

    @property
    def goal(self) -> np.ndarray:
        """(2,)."""
        return np.array(self.world.task.goal[:2])

    @property
    def way(self) -> np.ndarray:
        """(N, 2) one way that can be driven."""
        return self.world.route

    def at(self, layer: str, xy: np.ndarray) -> np.ndarray:
        """Return (...) true values of the cells at (..., 2) places, NaN outside."""
        return Grid(0, 'odom', TerrainConfig().resolution_m, self.corner, self.layers).at(layer, xy)

    def share_straight(self) -> float:
        """Return which share of the straight line from start to goal cannot be driven."""
        line = np.linspace(self.start[:2], self.goal, 400)
        return float((self.at('traversability', line) < GroundSettings().traversability).mean())


def country(seed: int, vehicle: Vehicle) -> Country:
    """Return the first of the worlds of a seed in which the way is as the family promises: one that can be driven."""
    for attempt in range(ATTEMPTS):
        found = true_of(seed, rough(STRIDE * seed + attempt))
        tracks = wheel_places(_along(found.way), vehicle)
        if float(found.at('traversability', tracks).min()) > GroundSettings().traversability:
            return found
    raise DataError(f'offroad {seed}: no drawn place can be driven')


def true_of(seed: int, world: World) -> Country:
    """Return what the cells of a world truly are."""
    config, ground = TerrainConfig(), world.ground
    cell = config.resolution_m
    corner = np.ceil(ground.origin_m / cell) * cell
    count = np.floor((ground.size_m - (corner - ground.origin_m)) / cell).astype(int)
    axes = [corner[axis] + (np.arange(count[axis]) + 0.5) * cell for axis in range(2)]
    middles = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1)
    quarters = 0.25 * cell * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    elevation = np.mean([ground.height(middles + by) for by in quarters], axis=0).astype(np.float32)
    stands = _stands(world, corner, count, cell) | (ground.material(middles) == Material.WATER)
    slope, roughness, filled = shape_of(elevation, config.fill_cells, cell, False)
    step, occupancy = steps_of(elevation), stands.astype(np.float32)
    hollow = hollows(elevation, stands, cell, config.hollows)
    fall = np.tan(config.steepest_rad) * cell
    largest = config.steepest_rad, config.highest_step_m, config.roughest_m, config.hole_m
    limits = np.array([*largest, fall, config.guessed])
    easy, kind = judged(elevation, slope, step, roughness, occupancy, filled, hollow, limits)
    one = np.ones(elevation.shape, np.float32)
    shape = (elevation, 0.001 * one, slope, step, roughness, easy, kind)
    told = (*shape, THING_M * occupancy, np.inf * one, occupancy, one)
    return Country(seed, world, dict(zip(TERRAIN_LAYERS, told)), corner)


def _stands(world: World, corner: np.ndarray, count: np.ndarray, cell_m: float) -> np.ndarray:
    """Return (X, Y) bool cells of which any part lies in the outline of what a vehicle would hit."""
    parts = 8
    fine = np.zeros(tuple(parts * count), np.uint8)
    for solid in world.solids:
        if len(solid.footprint):
            places = np.round(16.0 * ((solid.footprint - corner) / cell_m * parts - 0.5)).astype(np.int32)
            cv2.fillPoly(fine, [np.ascontiguousarray(places[:, ::-1])], 1, cv2.LINE_8, 4)  # cv2 counts columns first
    return np.asarray(fine.reshape(count[0], parts, count[1], parts).any(axis=(1, 3)))


class Known:
    """What is known of a country on the way, as the two grids of the terrain: what has been near stays known."""

    def __init__(self, truth: Country) -> None:
        self._truth = truth
        self._shape = truth.layers['elevation'].shape
        self._seen = {SEEN_M: np.zeros(self._shape, bool), FAR_SEEN_M: np.zeros(self._shape, bool)}
        cell = TerrainConfig().resolution_m
        axes = [truth.corner[axis] + (np.arange(self._shape[axis]) + 0.5) * cell for axis in range(2)]
        self._x, self._y = axes[0][:, None], axes[1][None, :]

    def grids(self, stamp_ns: int, ego: EgoState) -> tuple[Grid, Grid]:
        """Return terrain and far terrain, with what is seen from where we are."""
        away2 = (self._x - ego.position_m[0]) ** 2 + (self._y - ego.position_m[1]) ** 2
        for reach_m, seen in self._seen.items():
            seen |= away2 < reach_m**2
        near = self._window(stamp_ns, ego, TerrainConfig(), TERRAIN_LAYERS, self._seen[SEEN_M])
        far = self._window(stamp_ns, ego, far_terrain(), FAR_LAYERS, self._seen[FAR_SEEN_M])
        return near, far

    def _window(
        self, stamp_ns: int, ego: EgoState, config: TerrainConfig, names: tuple[str, ...], seen: np.ndarray
    ) -> Grid:
        """Return one grid; coarse cells hold the highest of their fine ones, and are seen where all of them are."""
        cell, step = config.resolution_m, round(config.resolution_m / TerrainConfig().resolution_m)
        ahead = config.ahead_m * np.array([np.cos(ego.heading_rad), np.sin(ego.heading_rad)])
        low = np.floor((ego.position_m[:2] + ahead) / cell).astype(int) - config.cells // 2
        corner = low * cell
        shift = np.round((corner - self._truth.corner) / TerrainConfig().resolution_m).astype(int)
        size = config.cells * step
        begin, end = np.maximum(shift, 0), np.minimum(shift + size, self._shape)
        inside = tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, shift))
        source = tuple(slice(b, e) for b, e in zip(begin, end))
        known = np.zeros((size, size), bool)
        known[inside] = seen[source]
        layers = {}
        for name in names:
            layer = np.full((size, size), UNSEEN.get(name, np.nan), np.float32)
            layer[inside] = np.where(known[inside], self._truth.layers[name][source], UNSEEN.get(name, np.nan))
            blocks = layer.reshape(config.cells, step, config.cells, step)
            layers[name] = np.asarray(blocks.min(axis=(1, 3)) if name == 'observed' else blocks.max(axis=(1, 3)))
        return Grid(stamp_ns, 'odom', cell, corner, layers)


def wheel_places(states: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return (N, K, 2) places under the four tyres; states: (N, 3 or more) x y heading of base_link."""
    along = np.linspace(-0.5, 0.5, 4) * TYRE_M[0]
    across = np.linspace(-0.5, 0.5, 3) * TYRE_M[1]
    half = 0.5 * (vehicle.width_m - TYRE_M[1])
    spots = np.array([
        (axle + a, side * half + b) for axle in (0.0, vehicle.wheelbase_m) for side in (-1.0, 1.0)
        for a in along for b in across
    ])  # fmt: skip
    cos, sin = np.cos(states[:, 2, None]), np.sin(states[:, 2, None])
    x, y = (states[:, axis, None] for axis in range(2))
    return np.stack([x + spots[:, 0] * cos - spots[:, 1] * sin, y + spots[:, 0] * sin + spots[:, 1] * cos], axis=-1)


def is_blocked(truth: Country, xy: np.ndarray) -> np.ndarray:
    """Return (...) whether something stands in the cells at (..., 2) places."""
    return np.asarray(truth.at('class', xy) == BLOCKED)


def _along(way: np.ndarray) -> np.ndarray:
    step = np.gradient(way, axis=0)
    return np.column_stack([way, np.arctan2(step[:, 1], step[:, 0])])
