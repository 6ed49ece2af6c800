"""The ground as it truly is, in cells: how high, of what, and what stands on it."""

from dataclasses import replace

import cv2
import numpy as np

from autonomy_nodes.messages.formats.simulated import TrueGround
from autonomy_nodes.sim.materials import BELOW_M, LEAST_M, Semantic
from autonomy_nodes.sim.raycast import Rays
from autonomy_nodes.sim.world import World

CELL_M = 0.2
_UP_M, _DOWN = 60.0, np.array([0.0, 0.0, -1.0])


def surface(world: World, low_m: np.ndarray, high_m: np.ndarray) -> TrueGround:
    """Return the ground of a world between two corners (2,), as far as there is any.

    Sidewalks are ground; what stands on it and does not move is told up to BELOW_M.
    """
    low = np.maximum(low_m, world.ground.origin_m)
    high = np.minimum(high_m, world.ground.origin_m + world.ground.size_m)
    low = np.floor(low / CELL_M) * CELL_M
    shape = tuple(np.ceil((high - low) / CELL_M).astype(int).tolist())
    steps = [low[axis] + (np.arange(shape[axis]) + 0.5) * CELL_M for axis in (0, 1)]
    xy = np.stack(np.meshgrid(*steps, indexing='ij'), axis=-1).reshape(-1, 2)
    walked = replace(world, solids=tuple(solid for solid in world.solids if solid.semantic == Semantic.CURB))
    z = world.ground.height(xy)
    hits = Rays(walked).cast(np.column_stack([xy, z + _UP_M]), _downwards(xy), limit_m=2.0 * _UP_M)
    on_curb = hits.semantics == Semantic.CURB
    z = np.where(on_curb, z + _UP_M - hits.ranges_m, z)
    others = replace(world, solids=tuple(solid for solid in world.solids if solid.semantic != Semantic.CURB))
    above = Rays(others).cast(np.column_stack([xy, z + BELOW_M]), _downwards(xy), limit_m=BELOW_M - LEAST_M)
    stands = np.isfinite(above.ranges_m) & (above.bodies < 0) & ~_is_ground(others, xy, z + BELOW_M - above.ranges_m)
    semantic = np.where(stands, above.semantics, Semantic.NOTHING).astype(np.uint8).reshape(shape)
    top = np.where(stands, BELOW_M - above.ranges_m, 0.0).astype(np.float32).reshape(shape)
    for solid in others.solids:  # beams from inside a house meet no wall
        if len(solid.footprint):
            mask = np.zeros(shape, np.uint8)
            places = (solid.footprint - low) / CELL_M - 0.5
            cv2.fillPoly(mask, [np.round(places[:, ::-1] * 16.0).astype(np.int32)], 1, shift=4)
            hidden = (mask == 1) & (semantic == Semantic.NOTHING)
            semantic[hidden], top[hidden] = solid.semantic, BELOW_M
    material = hits.materials.astype(np.uint8).reshape(shape)
    return TrueGround(low, CELL_M, z.astype(np.float32).reshape(shape), material, semantic, top)


def _downwards(xy: np.ndarray) -> np.ndarray:
    return np.broadcast_to(_DOWN, (len(xy), 3))


def _is_ground(world: World, xy: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(z - world.ground.height(xy)) < LEAST_M)
