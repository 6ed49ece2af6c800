"""Plots where cars stand in rows, or where something is built."""

from typing import Any

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.paving import Section, Skin, paved
from autonomy_nodes.sim.plots.plot import HALF_S_M, TRAFFIC, WALKERS, Mix, Plot, Track

_STORED: Mix = (('car', 0.93), ('van', 0.03), ('motorcycle', 0.02), ('trailer', 0.02))
_HEAVY: Mix = (('truck', 0.4), ('trailer', 0.3), ('tractor', 0.1), ('van', 0.1), ('digger', 0.1))


def _open(rng: np.random.Generator, half: float, **rules: Any) -> tuple[Section, Skin]:
    section = Section(
        half_m=half, walk_m=rng.uniform(0.5, 2.5), kerb_m=rng.uniform(0.05, 0.16),
        grade=(rng.normal() * 0.015, rng.normal() * 0.01), swell_m=abs(rng.normal()) * 0.12,
        rough_m=rng.uniform(0.01, 0.04), **rules,
    )  # fmt: skip
    return section, Skin(rng, half)


def car_park(rng: np.random.Generator) -> Plot:
    """Return a car park or a yard: rows of cars side by side, aisles between them, trees and lamps on islands."""
    half = rng.uniform(18.0, 42.0)
    ground = Material.ASPHALT if rng.random() < 0.8 else Material.GRAVEL
    section, skin = _open(rng, half, road=ground, beyond=(Material.GRASS, Material.CONCRETE))
    aisle, slot = rng.uniform(5.5, 7.5), rng.uniform(2.4, 2.9)
    slant = rng.choice([0.0, 0.0, rng.uniform(-0.5, 0.5)])
    heavy, painted, fill = rng.random() < 0.2, rng.random() < 0.7, rng.uniform(0.3, 0.95)
    depth = 12.0 if heavy else 5.0
    rows, n = [], 0.5 * aisle + 0.5 * depth
    while n + 0.5 * depth < half:
        rows += [n, -n]
        n += depth + (0.3 if len(rows) % 4 else aisle)
    for row in rows if painted else ():
        for s in np.arange(-HALF_S_M + 4, HALF_S_M - 4, slot if not heavy else 3.6):
            skin.fill((s, s + 0.1), (row - 0.5 * depth, row + 0.5 * depth), wear=rng.uniform(0.1, 0.5))
    plot = Plot('car_park', paved(section, skin, rng), rng)
    names, shares = zip(*(_HEAVY if heavy else _STORED))
    for row in rows:
        for s in np.arange(-HALF_S_M + 5, HALF_S_M - 5, slot if not heavy else 3.6):
            lot = rng.random()
            if lot < fill:
                kind = names[int(rng.choice(len(names), p=np.array(shares) / sum(shares)))]
                heading = rng.choice([-1.0, 1.0]) * np.pi / 2 + slant + rng.normal() * 0.03
                plot.park(kind, s + 0.5 * slot, row + rng.normal() * 0.2, heading, gap_m=0.05)
            elif lot > 0.985:
                plot.put(str(rng.choice(['tree', 'pole', 'sign', 'bin', 'post', 'cabinet', 'column'])), s, row)
    for side in (-1.0, 1.0):
        edge = str(rng.choice(['hedge', 'fence', 'wall', 'hall', 'shrub']))
        far = half + (12.0 if edge == 'hall' else 1.5)
        plot.row(edge, side * far, -HALF_S_M, HALF_S_M, 42.0 if edge == 'hall' else 4.0, 0.9, aside_m=0.0)
    aisles = [0.0, *(value for value in np.array(rows[2::4]) + 0.5 * (depth + aisle) if value < half - 3)]
    for at in aisles:
        for heading, s in ((0.0, -HALF_S_M), (np.pi, HALF_S_M)):
            shift = 0.22 * aisle * (-1.0 if heading == 0.0 else 1.0)
            lane = Track(s, at + shift, heading, 2 * HALF_S_M, (0.0, 5.0), TRAFFIC, 50.0, 0.3, ego=True)
            plot.tracks += [lane, Track(s, at + 2 * shift, heading, 2 * HALF_S_M, (0.0, 2.0), WALKERS, 30.0, 1.0)]
    return plot


def works(rng: np.random.Generator) -> Plot:
    """Return a building site or road works: cones, boards, barriers, heaps, machines, workers."""
    half = rng.uniform(6.0, 20.0)
    ground = Material(int(rng.choice([Material.ASPHALT, Material.GRAVEL, Material.DIRT, Material.CONCRETE])))
    section, skin = _open(rng, half, road=ground, beyond=(Material.DIRT, Material.GRAVEL, Material.GRASS))
    if ground == Material.ASPHALT:
        skin.stripe(0.0, 3.0, 6.0, 0.15, rng.uniform(0.1, 0.6))
        skin.mended(12)
    plot = Plot('works', paved(section, skin, rng), rng)
    side = rng.choice([-1.0, 1.0])
    line = side * rng.uniform(2.6, 4.0)
    name = str(rng.choice(['cone', 'board', 'barrier', 'post']))
    plot.row(name, line, -30.0, 50.0, 4.0 if name == 'barrier' else rng.uniform(2.0, 6.0), 0.95, aside_m=0.05)
    names = ['heap', 'pallets', 'board', 'cone', 'shed', 'bin', 'log', 'fence', 'rock', 'pole', 'wall']
    names += ['cabinet', 'column']
    for _ in range(int(rng.integers(15, 60))):
        s, n = rng.uniform(-HALF_S_M, HALF_S_M), rng.uniform(-half - 12, half + 12)
        if side * n > side * line + 1.0 or side * n < -3.5:
            plot.put(str(rng.choice(names)), s, n, rng.uniform(0, np.pi))
    for _ in range(int(rng.integers(1, 6))):
        kind = str(rng.choice(['digger', 'truck', 'van', 'trailer', 'pickup', 'car']))
        n = side * rng.uniform(abs(line) + 2.5, half + 6.0)
        plot.park(kind, rng.uniform(-40, 50), n, rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.5:
        plot.row('fence', -side * (half + 1.0), -HALF_S_M, HALF_S_M, 4.0, 0.9, aside_m=0.0)
    if rng.random() < 0.4:
        plot.put('hall', rng.uniform(-20, 40), side * (half + 15.0))
    for heading, s, n in ((0.0, -HALF_S_M, -side * 1.7), (np.pi, HALF_S_M, side * 1.2)):
        plot.tracks.append(Track(s, n, heading, 2 * HALF_S_M, (0.0, 12.0), TRAFFIC, 30.0, 0.2, ego=True))
    for _ in range(int(rng.integers(1, 6))):
        start = rng.uniform(-30, 50), rng.uniform(-half, half)
        plot.tracks.append(Track(*start, rng.uniform(0, 2 * np.pi), 8.0, (0.0, 1.6), WALKERS, 3.0, 1.0))
    return plot
