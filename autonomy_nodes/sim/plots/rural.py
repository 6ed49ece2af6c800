"""Plots in the country: roads between fields, and off the road: tracks, slopes with rocks, mud and water."""

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.paving import Section, Skin, paved
from autonomy_nodes.sim.plots.plot import HALF_N_M, HALF_S_M, TRAFFIC, Mix, Plot, Track
from autonomy_nodes.sim.plots.relief import Relief, bumps, hill, lines, patches, swell

_OUTSIDE: Mix = (('person', 0.45), ('animal', 0.25), ('cyclist', 0.15), ('car', 0.10), ('digger', 0.05))
_SOILS = (Material.GRASS, Material.DIRT, Material.GRAVEL, Material.SAND)


def _land(rng: np.random.Generator, half: float, rough: float, half_s_m: float = HALF_S_M) -> Relief:
    """Return uneven land with a track of half a width along its middle, 0 for none."""
    s, n = lines(-half_s_m, half_s_m, 1.3, []), lines(-HALF_N_M, HALF_N_M, 1.2, [-half, half] if half else [])
    away = np.abs(n)[None, :]
    calm = np.clip((away - half) / 1.5, 0.25, 1.0) if half else 1.0
    heights = rng.normal() * 0.05 * s[:, None] + rng.normal() * 0.05 * n[None, :]
    heights = heights + swell(s, n, rng, rng.uniform(0.2, 0.7)) + calm * bumps(s, n, rng, 2.5, rough)
    heights += calm * bumps(s, n, rng, 9.0, 3.0 * rough)
    if half_s_m > HALF_S_M:
        heights += hill(s, rng)[:, None]
    if half and rng.random() < 0.6:  # two ruts
        rut = rng.uniform(0.03, 0.12)
        heights -= rut * np.exp(-(((away - 0.8) / 0.35) ** 2))
    soil, other = rng.choice(len(_SOILS), 2, replace=False, p=[0.55, 0.2, 0.15, 0.1])
    materials = np.full((len(s) - 1, len(n) - 1), int(_SOILS[soil]), np.uint8)
    materials[patches(s, n, rng, rng.uniform(3.0, 15.0), rng.uniform(0.1, 0.5))] = _SOILS[other]
    share = rng.uniform(0.0, 0.12) if rng.random() < 0.7 else rng.uniform(0.1, 0.35)
    materials[patches(s, n, rng, rng.uniform(2.5, 7.0), share)] = Material.MUD
    if rng.random() < 0.5:
        materials[patches(s, n, rng, 3.0, rng.uniform(0.0, 0.04))] = Material.ROCK
    if half:
        middle = np.abs(0.5 * (n[1:] + n[:-1]))
        materials[:, middle < half] = rng.choice([Material.DIRT, Material.GRAVEL, Material.GRAVEL, Material.ASPHALT])
        if rng.random() < 0.4:
            materials[:, middle < 0.4] = Material.GRASS
    barred = np.zeros(materials.shape, bool)
    _wet(heights, materials, barred, s, n, half, rng)
    skin = Skin(rng, 1.0, half_s_m)
    bend = float(np.clip(rng.normal() / 120.0, -1 / 80, 1 / 80)) * (HALF_S_M / half_s_m) if half else 0.0
    return Relief(s, n, heights, materials, barred, bend, skin.cells, skin.at)


def _wet(
    heights: np.ndarray, materials: np.ndarray, barred: np.ndarray, s: np.ndarray, n: np.ndarray, half: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Add ponds, holes and ditches, in place."""
    for _ in range(int(rng.integers(0, 5))):
        at, radius = (rng.uniform(-50, 50), rng.choice([-1, 1]) * rng.uniform(half + 5, 35)), rng.uniform(2.0, 8.0)
        distance = np.hypot(s[:, None] - at[0], (n[None, :] - at[1]) * rng.uniform(0.7, 1.5))
        inside = distance < radius
        if not inside.any():
            continue
        level = float(heights[inside].min())
        heights[inside] = level - 0.05
        edge = (distance >= radius) & (distance < radius + 3.0)
        share = (distance[edge] - radius) / 3.0
        heights[edge] = level + share * (heights[edge] - level)
        wet = inside[1:, 1:] & inside[:-1, :-1] & inside[1:, :-1] & inside[:-1, 1:]
        materials[wet] = Material.WATER
        barred |= wet
    for _ in range(int(rng.integers(0, 4))):
        at, radius = (rng.uniform(-50, 50), rng.choice([-1, 1]) * rng.uniform(half + 2, 40)), rng.uniform(0.8, 2.5)
        distance = np.hypot(s[:, None] - at[0], n[None, :] - at[1])
        depth = rng.uniform(0.35, 1.0)
        heights -= depth * np.clip((radius + 0.8 - distance) / 0.8, 0.0, 1.0)
        hole = distance < radius + 0.4
        barred |= hole[1:, 1:] | hole[:-1, :-1]
    if rng.random() < 0.7:
        _flood(heights, materials, barred, rng.uniform(0.02, 0.2))
    if half and rng.random() < 0.4:
        side, depth, off = rng.choice([-1, 1]), rng.uniform(0.3, 0.9), half + rng.uniform(1.0, 3.0)
        across = np.abs(n - side * (off + 0.9))
        heights -= depth * np.clip((1.7 - across) / 0.9, 0.0, 1.0)[None, :]
        barred |= (np.abs(0.5 * (n[1:] + n[:-1]) - side * (off + 0.9)) < 1.3)[None, :]


def _flood(heights: np.ndarray, materials: np.ndarray, barred: np.ndarray, share: float) -> None:
    """Let a share of the land, the lowest, lie under water, in place."""
    level = float(np.quantile(heights, share))
    np.maximum(heights, level, out=heights)
    under = heights <= level
    wet = under[1:, 1:] & under[:-1, :-1] & under[1:, :-1] & under[:-1, 1:]
    materials[wet] = Material.WATER
    barred |= wet


def _scatter(plot: Plot, name: str, count: int, clear: float, low: float = -HALF_N_M, high: float = HALF_N_M) -> None:
    for _ in range(round(count * plot.half_s_m / HALF_S_M)):
        s, n = plot.rng.uniform(-plot.half_s_m, plot.half_s_m), plot.rng.uniform(low, high)
        if abs(n) > clear:
            plot.put(name, s, n, plot.rng.uniform(0, 2 * np.pi), scale=plot.rng.uniform(0.8, 1.2))


def _roaming(plot: Plot, rng: np.random.Generator, count: int) -> None:
    """Add people and animals in the open."""
    for _ in range(count):
        s, n = rng.uniform(-20, 50), rng.uniform(-30, 30)
        plot.tracks.append(Track(s, n, rng.uniform(0, 2 * np.pi), 14.0, (0.0, 2.5), _OUTSIDE, 7.0, 1.5))


def country(rng: np.random.Generator) -> Plot:
    """Return a road of two lanes between fields: no kerb, a verge of gravel or soil, a ditch here and there."""
    lane, shoulder, verge = rng.uniform(2.6, 3.7), rng.uniform(0.05, 0.6), rng.uniform(0.3, 1.6)
    half = lane + shoulder
    beyond = ((Material.GRASS,), (Material.GRASS, Material.DIRT), (Material.GRASS, Material.GRAVEL), (Material.DIRT,))
    section = Section(
        half_m=half, kerb_m=0.0, walk_m=verge, ditch_m=rng.choice([0.0, rng.uniform(0.2, 0.9)]),
        road=Material.ASPHALT if rng.random() < 0.9 else Material.CONCRETE,
        walk=Material(int(rng.choice([Material.GRAVEL, Material.DIRT, Material.GRASS], p=[0.55, 0.25, 0.2]))),
        beyond=beyond[int(rng.choice(4, p=[0.5, 0.25, 0.15, 0.1]))], swell_m=abs(rng.normal()) * 0.25,
        rough_m=rng.uniform(0.02, 0.08), grade=(rng.normal() * 0.03, rng.normal() * 0.02),
        bend=0.0 if rng.random() < 0.3 else float(np.clip(rng.normal() / 150.0, -1 / 90, 1 / 90)),
    )  # fmt: skip
    skin, wear = Skin(rng, half), rng.uniform(0.0, 0.5)
    skin.mended(int(rng.integers(0, 5)))
    skin.stripe(0.0, 4.0, rng.choice([4.0, 8.0]), 0.12, wear)
    for side in (-1.0, 1.0) if rng.random() < 0.8 else ():
        skin.stripe(side * lane, width_m=0.12, wear=wear)
    plot = Plot('country', paved(section, skin, rng), rng)
    edge = half + verge
    for name, most in (('tree', 20), ('conifer', 8), ('bush', 25), ('shrub', 10), ('thicket', 6), ('rock', 4)):
        _scatter(plot, name, int(rng.integers(0, most)), edge + 2.5)
    plot.row('post', edge - 0.1, -HALF_S_M, HALF_S_M, 25.0, 0.8)
    plot.row('post', 0.1 - edge, -HALF_S_M, HALF_S_M, 25.0, 0.8)
    for side in (-1.0, 1.0):
        if rng.random() < 0.25:
            name = str(rng.choice(['fence', 'hedge', 'rail']))
            plot.row(name, side * (edge + rng.uniform(0.5, 6.0)), -HALF_S_M, HALF_S_M, 4.0, 0.95, aside_m=0.0)
        way = side * HALF_S_M, side * 0.5 * lane, 0.0 if side < 0.0 else np.pi, 2 * HALF_S_M
        plot.tracks.append(Track(*way, (8.0, 26.0), TRAFFIC, rng.uniform(20.0, 80.0), ego=True))
    _roaming(plot, rng, int(rng.integers(0, 3)))
    return plot


def track(rng: np.random.Generator, half_s_m: float = HALF_S_M) -> Plot:
    """Return a track through fields or a forest."""
    half = rng.uniform(1.4, 2.8)
    plot = Plot('track', _land(rng, half, rng.uniform(0.02, 0.08), half_s_m), rng, half_s_m=half_s_m)
    forest = rng.random() < 0.5
    _scatter(plot, 'tree', int(rng.integers(20, 55) if forest else rng.integers(0, 12)), half + 1.2)
    _scatter(plot, 'conifer', int(rng.integers(0, 30) if forest else rng.integers(0, 5)), half + 1.2)
    _scatter(plot, 'trunk', int(rng.integers(0, 25) if forest else 2), half + 0.8)
    _scatter(plot, 'bush', int(rng.integers(10, 60)), half + 0.5)
    _scatter(plot, 'shrub', int(rng.integers(0, 15)), half + 1.5)
    _scatter(plot, 'thicket', int(rng.integers(0, 16)), half + 3.0)
    _scatter(plot, 'rock', int(rng.integers(0, 12)), half)
    _scatter(plot, 'log', int(rng.integers(0, 6)), half)
    _scatter(plot, 'post', int(rng.integers(0, 6)), half + 0.3)
    for side in (-1.0, 1.0):
        if rng.random() < 0.35:
            name = str(rng.choice(['fence', 'hedge', 'wall']))
            plot.row(name, side * (half + rng.uniform(1.5, 6.0)), -half_s_m, half_s_m, 4.0, 0.9, aside_m=0.0)
    ways = ((-half_s_m, 0.0), (half_s_m, np.pi))
    for s, heading in ways:
        plot.tracks.append(Track(s, 0.0, heading, 2 * half_s_m, (0.0, 8.0), _OUTSIDE, 30.0, 0.5, ego=True))
    _roaming(plot, rng, int(rng.integers(1, 5)))
    return plot


def wild(rng: np.random.Generator) -> Plot:
    """Return land without a track: slopes, rocks, bushes, water."""
    plot = Plot('wild', _land(rng, 0.0, rng.uniform(0.04, 0.13)), rng)
    _scatter(plot, 'rock', int(rng.integers(5, 60)), 1.5)
    _scatter(plot, 'bush', int(rng.integers(10, 80)), 1.5)
    _scatter(plot, 'shrub', int(rng.integers(0, 25)), 3.0)
    _scatter(plot, 'thicket', int(rng.integers(0, 16)), 4.0)
    _scatter(plot, 'tree', int(rng.integers(0, 30)), 3.0)
    _scatter(plot, 'conifer', int(rng.integers(0, 20)), 3.0)
    _scatter(plot, 'log', int(rng.integers(0, 10)), 2.0)
    _scatter(plot, 'heap', int(rng.integers(0, 6)), 4.0)
    if rng.random() < 0.3:
        plot.park('car', rng.uniform(-30, 40), rng.choice([-1, 1]) * rng.uniform(5, 25), rng.uniform(0, 6.3))
    for _ in range(3):
        heading = rng.uniform(0, 2 * np.pi)
        start = -30 * np.cos(heading), -30 * np.sin(heading)
        plot.tracks.append(Track(*start, heading, 60.0, (0.0, 8.0), _OUTSIDE, 40.0, 0.5, ego=True))
    _roaming(plot, rng, int(rng.integers(1, 6)))
    return plot
