"""From what rays met to linear light: sky with clouds, sun and shadow, gloss and wet, lamps at night, haze."""

import math

import numpy as np
from numba import njit

from autonomy_nodes.sim.light import Light
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.noise import LOOSE, clouds, flat, lattice, smooth
from autonomy_nodes.sim.surfaces import LINEAR, WALLS, patterned, shown, spotted

_PUDDLES_M = 1.5  # how wide they are
_GLASS, _BODY, _WATER, _MUD, _METAL, _WALL, _SIGN, _BUSH, _LEAVES, _GRASS, _ROOF = (
    int(m) for m in (
        Material.GLASS, Material.BODY, Material.WATER, Material.MUD, Material.METAL, Material.WALL, Material.SIGN,
        Material.BUSH, Material.LEAVES, Material.GRASS, Material.ROOF,
    )
)  # fmt: skip


@njit(cache=True, fastmath=LOOSE)
def sky_rgb(
    x: float, y: float, z: float, light: Light, octaves: int, out: np.ndarray
) -> None:  # pragma: no cover - compiled
    """Put the linear colour of the sky along a unit ray into `out` (3,): gradient, clouds, glow of the sun."""
    up = max(z, 0.0)
    high = math.sqrt(up)
    cover = 0.0
    if up > 0.01:
        stretch = 1.1 / (up + 0.12)
        value = clouds(x * stretch + light.seed, y * stretch + 0.37 * light.seed, octaves)
        cover = min(1.0, max(0.0, 2.2 * (value + 1.9 * light.cloudiness - 0.95))) * min(1.0, 8.0 * up)
        shade = 0.82 + 0.35 * clouds(x * stretch + light.seed + 0.15, y * stretch + 0.37 * light.seed + 0.1, 2)
    else:
        shade = 1.0
    to_sun = max(0.0, x * light.sun[0] + y * light.sun[1] + z * light.sun[2])
    glow = 0.18 * to_sun**8 + 0.7 * to_sun**90 + 14.0 * to_sun**2500
    for c in range(3):
        clear = light.zenith_rgb[c] * high + light.horizon_rgb[c] * (1.0 - high)
        lit = (0.22 * light.sun_rgb[c] + 0.9 * light.horizon_rgb[c]) * shade
        out[c] = clear * (1.0 - cover) + lit * cover + 0.33 * light.sun_rgb[c] * glow * (1.0 - 0.8 * cover)


@njit(cache=True, fastmath=LOOSE)
def _coloured(
    material: int, x: float, y: float, z: float, tint: float, own: np.ndarray, out: np.ndarray
) -> float:  # pragma: no cover - compiled
    """Put the linear colour of a surface into `out`; own: (3,) of its owner, below 0 for none; return its seed."""
    seed = lattice(int(tint * 1e6), 3, 11)
    for c in range(3):
        out[c] = LINEAR[material, c]
    if own[0] >= 0.0:
        for c in range(3):
            out[c] = own[c]
    elif material in (_WALL, _BODY):
        row = int(seed * (len(WALLS) - 0.01))
        bright = 0.75 + 0.5 * lattice(int(tint * 1e6), 5, 2)
        for c in range(3):
            out[c] = WALLS[row, c] * bright
    elif material == _ROOF:
        brown = lattice(int(0.03 * x), int(0.03 * y), 4)
        out[1] = out[1] * (1.0 + 0.5 * brown)
        out[2] = out[2] * (1.0 + 0.8 * brown)
    elif material in (_BUSH, _LEAVES, _GRASS):
        size = 2.6 if material == _GRASS else 3.7
        hue = smooth(x / size, y / size, 0.3 * z / size)
        out[0] *= 1.0 + 0.40 * hue
        out[1] *= 0.74
        out[2] *= 1.30 - 0.25 * hue
    return seed


@njit(cache=True, inline='always')
def _soaked(material: int, x: float, y: float, nz: float, light: Light) -> float:  # pragma: no cover - compiled
    """Return how wet a surface is: water wholly, mud nearly, ground in the rain with puddles in its hollows."""
    if material == _WATER:
        return 1.0
    own = 0.55 + 0.35 * flat(1.3 * x, 1.3 * y) if material == _MUD else 0.0
    if light.wetness <= 0.0 or nz < 0.7 or material in (_BUSH, _LEAVES):
        return own
    puddle = flat(x / _PUDDLES_M, y / _PUDDLES_M) + 0.6 * flat(0.2 * x, 0.2 * y)
    most = 0.25 if material == _GRASS else 1.0
    return max(own, most * light.wetness * min(1.0, max(0.5, 0.55 + 1.4 * (puddle - 0.35 + 0.4 * light.wetness))))


@njit(cache=True, fastmath=LOOSE)
def _mirrored(
    aim: np.ndarray, normal: np.ndarray, strength: float, gloss: float, light: Light, scratch: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Mix into `out` what a surface mirrors of sky and ground; strength: at right angles (Schlick 1994 beyond)."""
    dot = aim[0] * normal[0] + aim[1] * normal[1] + aim[2] * normal[2]
    facing = min(1.0, abs(dot))
    share = gloss * (strength + (1.0 - strength) * (1.0 - facing) ** 5)
    if share < 0.02:
        return
    x, y, z = (aim[0] - 2.0 * dot * normal[0], aim[1] - 2.0 * dot * normal[1], aim[2] - 2.0 * dot * normal[2])
    if z > 0.0:
        sky_rgb(x, y, z, light, 2, scratch)
        dark = min(1.0, 0.5 + 5.0 * z)  # what stands along the horizon
    else:
        dark = 0.25
        for c in range(3):
            scratch[c] = light.ambient_rgb[c]
    for c in range(3):
        out[c] = out[c] * (1.0 - share) + share * min(scratch[c], 6.0) * dark


@njit(cache=True, fastmath=LOOSE)
def _lamplight(
    x: float, y: float, z: float, aim: np.ndarray, range_m: float, lamps: np.ndarray, ego: np.ndarray
) -> float:  # pragma: no cover - compiled
    """Return light of street lamps, lamps (L, 3), and of the headlamps at ego (2, 3): place and way ahead."""
    total = 0.0
    for row in range(len(lamps)):
        dx, dy, dz = lamps[row, 0] - x, lamps[row, 1] - y, lamps[row, 2] - z
        square = dx * dx + dy * dy + dz * dz
        if square < 900.0 and dz > 0.0:
            total += 5.0 * dz / math.sqrt(square) / (square + 4.0)
    dx, dy, dz = x - ego[0, 0], y - ego[0, 1], z - ego[0, 2]
    away = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-3
    ahead = (dx * ego[1, 0] + dy * ego[1, 1] + dz * ego[1, 2]) / away
    if ahead > 0.5:
        high = max(0.0, dz / away + 0.01)
        total += 30.0 * (2.0 * (ahead - 0.5)) ** 3 / (away * away + 12.0) * math.exp(-40.0 * high)
    return total


@njit(cache=True, fastmath=LOOSE)
def shade(
    origin: np.ndarray, aims: np.ndarray, ranges_m: np.ndarray, normals: np.ndarray, materials: np.ndarray,
    tints: np.ndarray, owned: np.ndarray, glows: np.ndarray, lit: np.ndarray, open_sky: np.ndarray,
    pixel_rad: float, light: Light, lamps: np.ndarray, ego: np.ndarray,
) -> np.ndarray:  # fmt: skip  # pragma: no cover - compiled
    """Return (N, 3) float32 linear light along (N, 3) unit aims from a place.

    ranges_m: (N,) inf for the sky. normals: (N, 3) unit, to the ray's side. tints: (N,). owned: (N, 3) linear colours,
    below 0 for the material's. glows: (N, 3) own light. lit: (N,) how much of the sun, open_sky: of the sky it sees.
    """
    colours = np.empty((len(aims), 3), np.float32)
    colour, scratch = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(len(aims)):
        aim, distance = aims[i], ranges_m[i]
        if distance == np.inf:
            sky_rgb(aim[0], aim[1], aim[2], light, 5, colour)
            haze = math.exp(-light.extinction * 1500.0 / (1.0 + 8.0 * max(aim[2], 0.0)))
            for c in range(3):
                colours[i, c] = colour[c] * haze + light.haze_rgb[c] * (1.0 - haze)
            continue
        left = math.exp(-light.extinction * distance)
        if left < 0.01:
            colours[i] = light.haze_rgb + left * glows[i]
            continue
        x, y, z = (origin[0] + distance * aim[0], origin[1] + distance * aim[1], origin[2] + distance * aim[2])
        _surface(x, y, z, aim, distance, normals[i], materials[i], tints[i], owned[i], pixel_rad, light, colour)
        lamplight = 0.0
        if light.darkness > 0.3:
            lamplight = light.darkness * _lamplight(x, y, z, aim, distance, lamps, ego)
        _illuminated(normals[i], materials[i], lit[i], open_sky[i], lamplight, light, colour)
        _glossed(x, y, aim, distance, normals[i], materials[i], light, scratch, colour)
        for c in range(3):
            colours[i, c] = (colour[c] + glows[i, c]) * left + light.haze_rgb[c] * (1.0 - left)
    return colours


@njit(cache=True, fastmath=LOOSE)
def _surface(
    x: float, y: float, z: float, aim: np.ndarray, distance: float, normal: np.ndarray, material: int, tint: float,
    own: np.ndarray, pixel_rad: float, light: Light, out: np.ndarray,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Put what a surface sends back of white light into `out` (3,)."""
    seed = _coloured(material, x, y, z, tint, own, out)
    facing = abs(aim[0] * normal[0] + aim[1] * normal[1] + aim[2] * normal[2])
    footprint = distance * pixel_rad / math.sqrt(max(facing, 0.02))
    factor = spotted(material, x, y, z, normal[2] > 0.9, footprint)
    factor *= patterned(material, x, y, z, normal[0], normal[1], normal[2], seed, footprint)
    wet = _soaked(material, x, y, normal[2], light)
    factor *= 1.0 - 0.5 * wet
    for c in range(3):
        out[c] *= factor


@njit(cache=True, inline='always')
def _illuminated(
    normal: np.ndarray, material: int, lit: float, open_sky: float, lamplight: float, light: Light, out: np.ndarray
) -> None:  # pragma: no cover - compiled
    """Multiply `out` by the light that falls on a surface."""
    to_sun = normal[0] * light.sun[0] + normal[1] * light.sun[1] + normal[2] * light.sun[2]
    if material in (_BUSH, _LEAVES, _GRASS):
        to_sun = 0.35 + 0.65 * abs(to_sun) if material != _GRASS else max(0.0, 0.7 * to_sun + 0.2)
    direct = max(0.0, to_sun) * lit
    sky = open_sky * (0.55 + 0.45 * normal[2])
    warm = (1.0, 0.82, 0.58)
    for c in range(3):
        bounced = 0.10 * max(0.0, light.sun[2]) * light.sun_rgb[c] * (0.6 - 0.4 * normal[2]) * open_sky
        total = direct * light.sun_rgb[c] + sky * light.ambient_rgb[c] * 1.5 + bounced + lamplight * warm[c]
        if material == _SIGN:
            total += 4.0 * lamplight * warm[c]
        out[c] *= total


@njit(cache=True, fastmath=LOOSE)
def _glossed(
    x: float, y: float, aim: np.ndarray, distance: float, normal: np.ndarray, material: int, light: Light,
    scratch: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Mix what glass, paint, metal, water and wet ground mirror into `out`."""
    if material == _GLASS:
        _mirrored(aim, normal, 0.10, 1.0, light, scratch, out)
    elif material == _BODY:
        _mirrored(aim, normal, 0.05, 0.9, light, scratch, out)
    elif material == _METAL:
        _mirrored(aim, normal, 0.15, 0.5, light, scratch, out)
    else:
        wet = _soaked(material, x, y, normal[2], light)
        if wet > 0.02:
            ripple = 0.004 + 0.02 * (1.0 - wet)
            ripple *= shown(0.3, 0.004 * distance)
            scratch[0] = normal[0] + ripple * flat(6.0 * x, 6.0 * y)
            scratch[1] = normal[1] + ripple * flat(6.0 * x + 50.0, 6.0 * y)
            scratch[2] = normal[2]
            _mirrored(aim, scratch.copy(), 0.04, wet, light, scratch, out)
