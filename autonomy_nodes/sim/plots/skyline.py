"""What lies beyond a plot in pictures: level land to the horizon, and woods and roofs along it."""

import math

import numpy as np
from numba import njit

from autonomy_nodes.sim.materials import GROUND_SEMANTICS, Material, Semantic
from autonomy_nodes.sim.noise import flat
from autonomy_nodes.sim.plots.relief import Relief

_RING_M = 140.0  # where woods and roofs stand
_GRASS, _LEAVES, _WALL = int(Material.GRASS), int(Material.LEAVES), int(Material.WALL)
_LOW, _HIGH, _STRUCTURE = (
    int(GROUND_SEMANTICS[_GRASS]), int(Semantic.HIGH_VEGETATION), int(Semantic.STRUCTURE)
)  # fmt: skip


def skyline(
    relief: Relief, origin: np.ndarray, aims: np.ndarray, ranges_m: np.ndarray, normals: np.ndarray,
    materials: np.ndarray, semantics: np.ndarray,
) -> None:  # fmt: skip
    """Let rays that met nothing meet what lies beyond the plot, in place; the sky stays at inf."""
    level = float(np.mean([relief.heights[[0, -1]].mean(), relief.heights[:, [0, -1]].mean()]))
    phase = float(abs(relief.heights[0, 0] * 977.0 + relief.bend * 5e5) % 1000.0)
    _beyond(origin, aims, level - 0.1, phase, ranges_m, normals, materials, semantics)


@njit(cache=True)
def _beyond(
    origin: np.ndarray, aims: np.ndarray, level_m: float, phase: float, ranges_m: np.ndarray, normals: np.ndarray,
    materials: np.ndarray, semantics: np.ndarray,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    for i in range(len(aims)):
        if ranges_m[i] != np.inf:
            continue
        x, y, z = aims[i]
        level = math.sqrt(x * x + y * y)
        if z < -1e-4 and (level_m - origin[2]) / z * level < _RING_M and origin[2] > level_m:
            ranges_m[i] = (level_m - origin[2]) / z
            normals[i, 0], normals[i, 1], normals[i, 2] = 0.0, 0.0, 1.0
            materials[i], semantics[i] = _GRASS, _LOW
            continue
        around = math.atan2(y, x)
        wood = 5.0 + 9.0 * max(0.0, flat(3.0 * around + phase, 1.5) + 0.2)
        wood += 2.2 * flat(40.0 * around + phase, 3.5) + 1.2 * flat(160.0 * around, phase)
        roof = 9.0 * max(0.0, flat(math.floor(22.0 * around) * 0.73 + phase, 8.5) - 0.25) + 4.0
        top = max(wood, roof)
        height = origin[2] + z / max(level, 1e-6) * _RING_M - level_m
        if height < top and z < 0.3:
            ranges_m[i] = _RING_M / level
            normals[i, 0], normals[i, 1], normals[i, 2] = -x / level, -y / level, 0.5
            materials[i], semantics[i] = (_LEAVES, _HIGH) if wood > roof else (_WALL, _STRUCTURE)
