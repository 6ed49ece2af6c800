"""How surfaces look near: grain, cracks, slabs, bricks, blades and leaves, each no finer than a pixel shows."""

import math

import numpy as np
from numba import njit

from autonomy_nodes.sim.materials import COLOURS, Material
from autonomy_nodes.sim.noise import LOOSE, flat, lattice, smooth

# material: size [m] and strength of fine, middle and coarse spots; stretch upwards
_SPOTS = {
    Material.ASPHALT: (0.018, 0.30, 0.5, 0.10, 5.0, 0.16), Material.CONCRETE: (0.03, 0.14, 0.4, 0.08, 4.0, 0.12),
    Material.GRAVEL: (0.05, 0.55, 0.3, 0.12, 3.0, 0.16), Material.DIRT: (0.05, 0.32, 0.35, 0.26, 3.0, 0.25),
    Material.GRASS: (0.03, 0.55, 0.22, 0.30, 2.5, 0.30), Material.SAND: (0.02, 0.12, 0.25, 0.10, 3.0, 0.12),
    Material.MUD: (0.06, 0.25, 0.35, 0.30, 2.0, 0.30), Material.WATER: (0.3, 0.03, 1.0, 0.04, 6.0, 0.05),
    Material.ROCK: (0.05, 0.35, 0.25, 0.30, 1.5, 0.2), Material.SNOW: (0.03, 0.04, 0.4, 0.05, 4.0, 0.06),
    Material.PAINT_WHITE: (0.02, 0.16, 0.12, 0.14, 3.0, 0.10), Material.PAINT_YELLOW: (0.02, 0.16, 0.1, 0.14, 3.0, 0.1),
    Material.BUSH: (0.045, 0.85, 0.16, 0.45, 1.5, 0.25), Material.LEAVES: (0.055, 0.85, 0.22, 0.45, 2.2, 0.3),
    Material.BARK: (0.03, 0.45, 0.12, 0.35, 1.0, 0.2), Material.WALL: (0.02, 0.05, 0.5, 0.06, 3.0, 0.12),
    Material.ROOF: (0.05, 0.12, 0.4, 0.12, 3.0, 0.16), Material.GLASS: (0.5, 0.0, 1.0, 0.0, 1.0, 0.0),
    Material.METAL: (0.02, 0.05, 0.4, 0.10, 2.0, 0.1), Material.BODY: (0.02, 0.0, 0.3, 0.03, 1.0, 0.04),
    Material.RUBBER: (0.01, 0.2, 0.1, 0.1, 1.0, 0.0), Material.SKIN: (0.02, 0.05, 0.1, 0.05, 1.0, 0.0),
    Material.CLOTH: (0.012, 0.12, 0.10, 0.22, 0.6, 0.12), Material.SIGN: (0.02, 0.02, 0.2, 0.05, 1.0, 0.05),
    Material.WOOD: (0.02, 0.25, 0.12, 0.25, 1.5, 0.15), Material.LAMP: (0.1, 0.0, 0.1, 0.0, 1.0, 0.0),
    Material.DARK: (0.02, 0.25, 0.4, 0.10, 2.0, 0.12),
}  # fmt: skip
SPOTS = np.array([_SPOTS[material] for material in Material], np.float32)
SCREEN = 1.9  # by which colours on a screen become linear
LINEAR = (COLOURS**SCREEN).astype(np.float32)  # (M, 3) what materials send back of light, of their colours on a screen
# (P, 3) on a screen: walls; paint of cars; clothes
WALLS = np.array([
    (0.86, 0.82, 0.74), (0.90, 0.89, 0.86), (0.78, 0.70, 0.58), (0.70, 0.66, 0.62), (0.80, 0.74, 0.52),
    (0.60, 0.36, 0.28), (0.55, 0.33, 0.27), (0.74, 0.78, 0.78), (0.68, 0.52, 0.42), (0.50, 0.50, 0.50),
], np.float32) ** 1.9  # fmt: skip
PAINTS = np.array([
    (0.92, 0.92, 0.92), (0.88, 0.88, 0.86), (0.66, 0.67, 0.69), (0.50, 0.51, 0.53), (0.30, 0.31, 0.33),
    (0.09, 0.09, 0.10), (0.06, 0.06, 0.07), (0.12, 0.18, 0.38), (0.20, 0.36, 0.60), (0.58, 0.08, 0.08),
    (0.14, 0.28, 0.20), (0.60, 0.54, 0.42), (0.85, 0.68, 0.10), (0.80, 0.36, 0.08), (0.32, 0.22, 0.16),
], np.float32) ** 1.9  # fmt: skip
CLOTHES = np.array([
    (0.10, 0.10, 0.12), (0.16, 0.18, 0.26), (0.18, 0.26, 0.42), (0.40, 0.40, 0.42), (0.62, 0.60, 0.56),
    (0.86, 0.86, 0.86), (0.60, 0.14, 0.14), (0.24, 0.34, 0.22), (0.50, 0.40, 0.28), (0.80, 0.56, 0.12),
    (0.80, 0.92, 0.10), (0.46, 0.24, 0.44), (0.12, 0.34, 0.44),
], np.float32) ** 1.9  # fmt: skip
_ASPHALT, _CONCRETE, _GRASS, _WALL, _ROOF = (
    int(m) for m in (Material.ASPHALT, Material.CONCRETE, Material.GRASS, Material.WALL, Material.ROOF)
)
_WHITE, _YELLOW, _BUSH, _LEAVES, _BARK = (
    int(m) for m in (Material.PAINT_WHITE, Material.PAINT_YELLOW, Material.BUSH, Material.LEAVES, Material.BARK)
)
_GLASS = int(Material.GLASS)


@njit(cache=True, inline='always')
def shown(size_m: float, footprint_m: float) -> float:  # pragma: no cover - compiled
    """Return how much of a pattern of a size is left in a pixel that covers so much."""
    return min(1.0, max(0.0, 1.6 * size_m / max(footprint_m, 1e-6) - 0.35))


@njit(cache=True, fastmath=LOOSE)
def spotted(
    material: int, x: float, y: float, z: float, level: bool, footprint_m: float
) -> float:  # pragma: no cover - compiled
    """Return by which factor the spots of a material make it brighter at a place; level: the surface lies flat."""
    up = 0.25 if material == _BARK else (0.5 if material == _GRASS else 1.0)
    factor = 1.0
    for row in range(3):
        size, strength = SPOTS[material, 2 * row], SPOTS[material, 2 * row + 1]
        left = strength * shown(size, footprint_m)
        if left > 0.004:
            spot = flat(x / size, y / size) if level else smooth(x / size, y / size, up * z / size)
            factor *= 1.0 + left * spot
    return max(factor, 0.05)


@njit(cache=True, fastmath=LOOSE)
def cracked(x: float, y: float, footprint_m: float) -> float:  # pragma: no cover - compiled
    """Return by which factor cracks and seams darken asphalt."""
    worn = flat(0.09 * x + 3.7, 0.09 * y)
    if worn < 0.05:
        return 1.0
    bent_x, bent_y = x + 0.5 * flat(1.7 * x, 1.7 * y), y + 0.5 * flat(1.7 * x + 9.0, 1.7 * y)
    gap = abs(flat(0.45 * bent_x, 0.45 * bent_y + 31.0))
    wide = 0.012 + 0.02 * worn
    return 1.0 - 0.55 * shown(0.05, footprint_m) * min(1.0, 2.0 * worn) * max(0.0, 1.0 - gap / wide)


@njit(cache=True, fastmath=LOOSE)
def jointed(u: float, v: float, along_m: float, across_m: float, wide_m: float, footprint_m: float) -> float:
    """Return by which factor the joints of a bond of bricks or slabs, and the age of each, change its colour."""
    row = math.floor(v / across_m)  # pragma: no cover - compiled
    column_at = u / along_m + 0.5 * (row % 2)
    column = math.floor(column_at)
    left = shown(0.6 * across_m, footprint_m)
    edge_u = min(column_at - column, 1.0 - column_at + column) * along_m
    edge_v = min(v / across_m - row, 1.0 - v / across_m + row) * across_m
    joint = 0.30 if min(edge_u, edge_v) < 0.5 * max(wide_m, 0.4 * footprint_m) else 0.0
    age = 0.12 * (2.0 * lattice(int(column), int(row), 5) - 1.0)
    return 1.0 + left * (age - joint)


@njit(cache=True, fastmath=LOOSE)
def patterned(
    material: int, x: float, y: float, z: float, nx: float, ny: float, nz: float, seed: float, footprint_m: float
) -> float:  # pragma: no cover - compiled
    """Return by which factor the pattern of a material (cracks, slabs, bricks, tiles, wear) changes its colour."""
    if material == _ASPHALT:
        return cracked(x, y, footprint_m)
    if material == _CONCRETE and nz > 0.8:
        return jointed(x, y, 0.5, 0.5, 0.012, footprint_m)
    if material == _WALL and seed > 0.55 and abs(nz) < 0.5:
        along = x * -ny + y * nx
        return jointed(along, z, 0.5, 0.18, 0.02, footprint_m)
    if material == _ROOF and nz > 0.2:
        along = x * -ny + y * nx
        return jointed(along, z, 0.33, 0.24, 0.05, footprint_m)
    if material in (_WHITE, _YELLOW):
        worn = flat(x / 0.06, y / 0.06) + 0.8 * flat(0.7 * x, 0.7 * y)
        return 0.45 if worn > 0.75 else 1.0
    return 1.0
