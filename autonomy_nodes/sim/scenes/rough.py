"""Open country without roads: slopes, a ditch with a ford, rocks, logs, bushes, mud and water, somebody who walks."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from autonomy_nodes.sim import scenery
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.scenes import terrain
from autonomy_nodes.sim.scenes.people import Cast
from autonomy_nodes.sim.scenes.roads import place_on
from autonomy_nodes.sim.world import Drive, Policy, Solid, Task, Weather, World

_HALF_M = 115.0
_CELL_M = 0.5
_CLEAR_M = 3.2  # beside the way there is no rock nearer
_DITCH_DEPTH_M, _DITCH_HALF_M = 1.3, 1.8


def rough(seed: int) -> World:
    """Return a world of the family: the way from start to goal can be driven, the straight line often cannot."""
    rng = np.random.default_rng([seed, 3])
    way = _way(rng)
    ground = _ground(way, rng)
    cast = Cast(rng)
    _people(cast, way, rng)
    return World(
        family='rough',
        seed=seed,
        ground=ground,
        areas=(),
        paint=(),
        solids=tuple(_things(way, ground, rng)),
        actors=tuple(cast.actors),
        lanes=None,
        task=Task(place_on(way, 8), place_on(way, len(way) - 15)),
        route=way[8:-14],
        weather=Weather(float(rng.uniform(0.35, 1.0)), float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.0, 0.9))),
    )


def _way(rng: np.random.Generator) -> np.ndarray:
    """Return (N, 2) points, 1 m apart, of a winding way across."""
    x = np.linspace(-90.0, 90.0, 7)
    y = np.cumsum(rng.uniform(-22.0, 22.0, 7))
    dense = np.linspace(-90.0, 90.0, 1000)
    line = np.column_stack([dense, CubicSpline(x, y - y.mean())(dense)])
    turn = rng.uniform(-np.pi, np.pi)
    line = line @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.arange(0.0, s[-1], 1.0)
    return np.column_stack([np.interp(even, s, column) for column in line.T])


def _ground(way: np.ndarray, rng: np.random.Generator) -> HeightField:
    low, count = np.full(2, -_HALF_M), int(2 * _HALF_M / _CELL_M) + 1
    shape = (count, count)
    xy = terrain.places(low, _CELL_M, shape)
    heights = 2.6 * terrain.noise(shape, 70.0, rng) + 0.35 * terrain.noise(shape, 14.0, rng)
    near = np.clip(((way - low) / _CELL_M).astype(int), 0, count - 1)
    bed = np.column_stack([way, gaussian_filter1d(heights[near[:, 0], near[:, 1]], 9.0)])
    heights = terrain.bedded(heights, xy, bed, flat_m=2.2, blend_m=9.0)
    from_way = cKDTree(way).query(xy.reshape(-1, 2))[0].reshape(shape)
    heights = heights - _ditch(xy, way, from_way, rng)
    heights += 0.035 * terrain.noise(shape, 3.0, rng)
    materials = terrain.patched(
        shape, {Material.DIRT: 0.25, Material.GRAVEL: 0.06, Material.MUD: 0.05, Material.ROCK: 0.03}, 16.0, rng
    )
    level = np.quantile(heights, 0.02)  # pools stand in the lowest places
    pool = (heights < level) & (from_way > 4.0)
    heights[pool] = level
    materials[pool] = Material.WATER
    return terrain.field_of(low, _CELL_M, heights, materials)


def _ditch(xy: np.ndarray, way: np.ndarray, from_way: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (X, Y) the depth of a winding ditch across the way; where the way crosses it is a shallow ford."""
    x, y, heading = place_on(way, int(len(way) * rng.uniform(0.4, 0.65)))
    across = heading + np.pi / 2 + rng.uniform(-0.4, 0.4)
    along = (xy[..., 0] - x) * np.cos(across) + (xy[..., 1] - y) * np.sin(across)
    beside = (xy[..., 1] - y) * np.cos(across) - (xy[..., 0] - x) * np.sin(across)
    beside = beside - 4.0 * np.sin(along / 17.0)
    profile = np.clip((_DITCH_HALF_M + 1.0 - np.abs(beside)) / 1.6, 0.0, 1.0)
    ford = np.clip((from_way - 3.0) / 5.0, 0.12, 1.0)
    return _DITCH_DEPTH_M * profile * profile * (3.0 - 2.0 * profile) * ford


def _things(way: np.ndarray, ground: HeightField, rng: np.random.Generator) -> list[Solid]:
    tree_of_way = cKDTree(way)

    def spot(clear_m: float, spread_m: float) -> np.ndarray:
        """Return (3,) a place beside the way, not nearer than `clear_m`."""
        while True:
            xy = way[int(rng.integers(5, len(way) - 5))] + rng.normal(size=2) * spread_m
            if tree_of_way.query(xy)[0] > clear_m and ground.contains(xy):
                return np.array([*xy, float(ground.height(xy))])

    solids = []
    for _ in range(55):
        radius = float(rng.uniform(0.25, 1.1))
        solids.append(scenery.rock(spot(_CLEAR_M + radius, 12.0), radius, rng))
    for _ in range(8):
        solids.append(scenery.log(spot(_CLEAR_M + 2.5, 12.0), rng.uniform(0, np.pi), rng.uniform(2.5, 5.0), 0.22))
    for _ in range(70):
        solids.append(scenery.bush(spot(1.8, 12.0), float(rng.uniform(0.4, 1.3)), rng))
    groves = [spot(16.0, 35.0)[:2] for _ in range(7)]
    for number in range(150):
        xy = groves[number % len(groves)] + rng.normal(size=2) * 9.0
        if tree_of_way.query(xy)[0] > _CLEAR_M + 1.0 and ground.contains(xy):
            at = np.array([*xy, float(ground.height(xy))])
            solids.append(scenery.tree(at, float(rng.uniform(5, 14)), rng, conifer=bool(number % 7 in (0, 3, 5))))
    return solids


def _people(cast: Cast, way: np.ndarray, rng: np.random.Generator) -> None:
    middle = int(len(way) * rng.uniform(0.7, 0.8))
    x, y, heading = place_on(way, middle)
    left = np.array([-np.sin(heading), np.cos(heading)])
    path = np.stack([np.array([x, y]) + side * 12.0 * left for side in (-1.0, 1.0)])
    cast.add('pedestrian', Policy(Drive.WALK, 1.3, path=path, starts_s=1e9, starts_within_m=26.0))
    x, y, heading = place_on(way, int(len(way) * 0.3))
    cast.add('van', Policy(), (x - 5.5 * float(np.sin(heading)), y + 5.5 * float(np.cos(heading)), heading + 0.7))
