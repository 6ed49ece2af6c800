"""Colours of surfaces in sun, sky, lamps and air, pixel by pixel in compiled loops.

Light is linear, 1 about a white wall in the sun. Each place has a grain of its own (value noise in map, Perlin 1985),
so that surfaces look alike from all sides. Haze after Koschmieder: a twentieth of contrast is left at the visibility.
"""

import numpy as np
from numba import njit

from autonomy_nodes.sim.materials import Material

# of each material: size of its fine and its coarse grain [m], how much they change the light
_GRAIN = np.tile(np.array([0.08, 1.5, 0.08, 0.05], np.float32), (len(Material), 1))
for _material, _told in {
    Material.ASPHALT: (0.05, 2.5, 0.14, 0.16), Material.CONCRETE: (0.06, 1.8, 0.08, 0.14),
    Material.GRAVEL: (0.07, 1.2, 0.34, 0.15), Material.DIRT: (0.10, 1.5, 0.26, 0.22),
    Material.GRASS: (0.09, 1.6, 0.50, 0.30), Material.SAND: (0.05, 1.5, 0.12, 0.14),
    Material.MUD: (0.20, 1.4, 0.30, 0.30), Material.ROCK: (0.15, 0.8, 0.30, 0.25),
    Material.SNOW: (0.10, 2.0, 0.04, 0.06), Material.BUSH: (0.09, 0.6, 0.60, 0.35),
    Material.LEAVES: (0.13, 0.8, 0.60, 0.35), Material.BARK: (0.06, 0.5, 0.35, 0.20),
    Material.WALL: (0.25, 2.5, 0.08, 0.12), Material.ROOF: (0.22, 1.5, 0.18, 0.12),
    Material.PAINT_WHITE: (0.07, 0.6, 0.18, 0.20), Material.PAINT_YELLOW: (0.07, 0.6, 0.18, 0.20),
    Material.CLOTH: (0.25, 0.5, 0.15, 0.15), Material.WATER: (0.4, 2.0, 0.10, 0.05),
}.items():  # fmt: skip
    _GRAIN[_material] = _told
_GLOSSY = np.zeros(len(Material), np.float32)  # part of what is seen that is a mirror of the sky, looked at straight
_GLOSSY[[Material.GLASS, Material.WATER, Material.BODY, Material.METAL]] = 0.35, 0.55, 0.12, 0.15
_SOAKS = np.zeros(len(Material), np.float32)  # how much rain darkens and glosses it
_SOAKS[[
    Material.ASPHALT, Material.CONCRETE, Material.GRAVEL, Material.DIRT, Material.SAND, Material.MUD,
    Material.PAINT_WHITE, Material.PAINT_YELLOW,
]] = 1.0  # fmt: skip
_WALL, _LAMP, _SIGN = (int(one) for one in (Material.WALL, Material.LAMP, Material.SIGN))
_ONE = np.float32(1.0)
_SKY_M = 200.0  # way through the haze to the open sky at the horizon


@njit(cache=True, nogil=True)
def shade(
    aims: np.ndarray, ranges: np.ndarray, normals: np.ndarray, places: np.ndarray, materials: np.ndarray,
    paints: np.ndarray, has_windows: np.ndarray, lit: np.ndarray, light: np.ndarray, ahead: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return (N, 3) linear light of N rays.

    aims: (N, 3) unit. ranges: (N,) inf for sky. normals: (N, 3) towards the camera. places: (N, 3) in map. paints:
    (N, 3) colours. has_windows: (N,) of walls. lit: (N,) the sun reaches the place. light: (9,) direction of the sun
    (3), its strength, that of the sky, clouds, visibility [m], wetness, of lamps. ahead: (3,) where they shine.
    """
    sun, strength, sky_light, cloud, visibility, wet, lamps = (
        light[0:3], light[3], light[4], light[5], light[6], light[7], light[8]
    )  # fmt: skip
    out = np.empty((len(aims), 3), np.float32)
    behind, colour, mirror = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for n in range(len(aims)):
        _sky(aims[n], sun, sky_light, strength, cloud, behind)
        air = 0.75 * sky_light + 0.25 * strength + 0.06 * lamps
        if not ranges[n] < 1e6:
            clear = np.exp(-3.0 * _SKY_M / (visibility * (1.0 + 8.0 * max(aims[n, 2], np.float32(0.0)))))
            for k in range(3):
                out[n, k] = behind[k] * clear + air * (1.0 - clear)
            continue
        kind = materials[n]
        _coloured(kind, paints[n], has_windows[n], places[n], normals[n], ranges[n], colour)
        soaked = wet * _SOAKS[kind]
        facing = -(normals[n, 0] * aims[n, 0] + normals[n, 1] * aims[n, 1] + normals[n, 2] * aims[n, 2])
        direct = max(normals[n, 0] * sun[0] + normals[n, 1] * sun[1] + normals[n, 2] * sun[2], 0.0) * strength
        open_sky = 0.55 + 0.45 * normals[n, 2]
        head = _headlamps(aims[n], ahead, ranges[n], facing) * lamps
        gloss = max(_GLOSSY[kind], 0.35 * soaked)
        gloss = gloss + (0.6 - 0.6 * gloss) * max(_ONE - facing, 0.0) ** 4 if gloss > 0.0 else 0.0
        if gloss > 0.0:
            twice = 2.0 * facing
            for k in range(3):
                mirror[k] = aims[n, k] + twice * normals[n, k]
            _sky(mirror, sun, sky_light, strength * float(lit[n]), cloud, mirror)
        shining = 6.0 * lamps if kind == _LAMP else 3.0 * head if kind == _SIGN else 0.0
        clear = np.exp(-3.0 * ranges[n] / visibility)
        for k in range(3):
            warm = _ONE + np.float32(0.06) * (1 - k) * (1.0 - cloud)  # the sun is warmer than the sky
            shone = direct * lit[n] * warm + sky_light * open_sky * (2.0 - warm) + head + 0.012 * lamps
            value = colour[k] * (1.0 - 0.45 * soaked) * shone
            value = value * (1.0 - gloss) + mirror[k] * gloss if gloss > 0.0 else value
            value += colour[k] * shining
            out[n, k] = value * clear + air * (1.0 - clear)
    return out


@njit(cache=True, nogil=True)
def _coloured(
    kind: int, base: np.ndarray, has_windows: bool, place: np.ndarray, normal: np.ndarray, away: float,
    colour: np.ndarray,
) -> None:  # fmt: skip
    """Fill the colour of a place without light."""
    fine_m, coarse_m, fine, coarse = _GRAIN[kind]
    faded = min(_ONE, np.float32(400.0) * fine_m / max(away, np.float32(1.0)))  # no finer than a pixel
    grain = _ONE + fine * faded * _noise(place, fine_m) + coarse * _noise(place, coarse_m)
    hue = np.float32(0.12) * _noise(place, coarse_m * np.float32(2.3)) * coarse * 4.0
    for k in range(3):
        colour[k] = max(base[k] * (grain + hue * (1 - k)), np.float32(0.005))
    if kind == _WALL and has_windows and abs(normal[2]) < 0.3:
        along = place[0] * normal[1] - place[1] * normal[0]
        u, v = along / 2.7, place[2] / 2.9
        if 0.30 < u - np.floor(u) < 0.70 and 0.38 < v - np.floor(v) < 0.80:
            pane = np.float32(0.05 + 0.10 * _noise(place, 2.7))
            for k in range(3):
                colour[k] = max(pane + np.float32(0.02) * k, np.float32(0.02))


@njit(cache=True, nogil=True)
def _headlamps(aim: np.ndarray, ahead: np.ndarray, away: float, facing: float) -> float:
    """Return what our lamps throw on a place: a cone ahead that grows fainter by the square of its way."""
    straight = aim[0] * ahead[0] + aim[1] * ahead[1] + aim[2] * ahead[2]
    cone = max(straight - 0.75, 0.0) * 4.0
    return float(90.0 * cone * cone * max(facing, 0.15) / (away * away + 25.0))


@njit(cache=True, nogil=True)
def _sky(
    aim: np.ndarray, sun: np.ndarray, sky_light: float, strength: float, cloud: float, out: np.ndarray
) -> None:
    """Fill the light of the sky in a direction; below the horizon that of far land. `out` may be `aim`."""
    x, y, z = aim[0], aim[1], aim[2]
    near_sun = x * sun[0] + y * sun[1] + z * sun[2]
    land = 0.025 + 0.04 * _noise_at(4.0 * x, 4.0 * y, 1.3) + 0.01 * _noise_at(23.0 * x, 23.0 * y, 5.1)
    if z < max(land, 0.0):  # far hills and woods, in the haze
        for k in range(3):
            out[k] = (sky_light + 0.3 * strength) * (0.42 + 0.04 * k + 0.06 * (1 - abs(k - 1)))
        return
    up = np.sqrt(z)
    flat = 1.0 / (z + 0.12)
    tone = _noise_at(x * flat * 2.0, y * flat * 2.0, 3.7) + 0.5 * _noise_at(x * flat * 5.0, y * flat * 5.0, 9.1)
    veil = min(max(cloud * 1.4 - 0.35 + 0.55 * tone, 0.0), 1.0) if cloud < 0.95 else 1.0
    glow = max(near_sun, 0.0) ** 80 * 3.0 + max(near_sun, 0.0) ** 8 * 0.35
    for k in range(3):
        blue = (0.95 - 0.50 * up) + (0.04 * k + 0.28 * up * (k - 0.6)) * 0.9
        grey = 0.92 + 0.14 * tone
        out[k] = 1.5 * sky_light * (blue * (1.0 - veil) + grey * veil) + glow * strength * (1.0 - 0.8 * veil)


@njit(cache=True, nogil=True)
def _noise(place: np.ndarray, size: float) -> float:
    return _noise_at(place[0] / size, place[1] / size, place[2] / size)


@njit(cache=True, nogil=True)
def _noise_at(x: float, y: float, z: float) -> float:
    """Return smooth noise of -1 to 1 at a place: random values at whole places, between them a cubic."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u, v, w = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v), w * w * (3.0 - 2.0 * w)
    total = 0.0
    for a in range(2):
        for b in range(2):
            share = (u if a else 1.0 - u) * (v if b else 1.0 - v)
            total += share * (_value(i + a, j + b, k) * (1.0 - w) + _value(i + a, j + b, k + 1) * w)
    return total


@njit(cache=True, nogil=True)
def _value(i: int, j: int, k: int) -> float:
    mixed = np.uint32(i * 73856093) ^ np.uint32(j * 19349663) ^ np.uint32(k * 83492791)
    mixed = np.uint32((mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177))
    mixed = mixed ^ (mixed >> np.uint32(16))
    return float(mixed & np.uint32(0xFFFF)) / 32767.5 - 1.0
