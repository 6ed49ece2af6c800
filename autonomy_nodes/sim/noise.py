"""Noise that belongs to a place: the same place looks the same from everywhere."""

import math

from numba import njit

LOOSE = {'contract', 'reassoc', 'arcp', 'nsz'}  # of the freedoms of fastmath, those that leave inf alone


@njit(cache=True, inline='always')
def lattice(i: int, j: int, k: int) -> float:  # pragma: no cover - compiled
    """Return a value of 0 to 1 that belongs to three whole numbers."""
    mixed = (i * 374761393 + j * 668265263 + k * 2246822519) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    return float((mixed ^ (mixed >> 16)) & 0xFFFF) / 65535.0


@njit(cache=True, fastmath=LOOSE)
def smooth(x: float, y: float, z: float) -> float:  # pragma: no cover - compiled
    """Return noise of -1 to 1 whose spots are about 1 wide (value noise: Perlin 1985 with values for gradients)."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    u, v, w = x - i, y - j, z - k
    i, j, k = int(i), int(j), int(k)
    u, v, w = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v), w * w * (3.0 - 2.0 * w)
    total = 0.0
    for n in range(2):
        a = lattice(i, j, k + n) * (1.0 - u) + lattice(i + 1, j, k + n) * u
        b = lattice(i, j + 1, k + n) * (1.0 - u) + lattice(i + 1, j + 1, k + n) * u
        total += (a * (1.0 - v) + b * v) * (w if n else 1.0 - w)
    return 2.0 * total - 1.0


@njit(cache=True, fastmath=LOOSE)
def flat(x: float, y: float) -> float:  # pragma: no cover - compiled
    """Return the same over a plane."""
    i, j = math.floor(x), math.floor(y)
    u, v = x - i, y - j
    i, j = int(i), int(j)
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    a = lattice(i, j, 7) * (1.0 - u) + lattice(i + 1, j, 7) * u
    b = lattice(i, j + 1, 7) * (1.0 - u) + lattice(i + 1, j + 1, 7) * u
    return 2.0 * (a * (1.0 - v) + b * v) - 1.0


@njit(cache=True, fastmath=LOOSE)
def clouds(x: float, y: float, octaves: int) -> float:  # pragma: no cover - compiled
    """Return noise of about -1 to 1 with so many octaves, each half as strong as the last."""
    total, part = 0.0, 0.5
    for _ in range(octaves):
        total += part * flat(x, y)
        x, y, part = 2.03 * x + 17.1, 2.03 * y + 5.3, 0.5 * part
    return 1.5 * total
