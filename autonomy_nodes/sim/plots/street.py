"""Plots in towns: streets with parked cars, suburbs, wide roads, crossroads, road works."""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.paving import FAR, Section, Skin, paved
from autonomy_nodes.sim.plots.plot import HALF_N_M, HALF_S_M, TRAFFIC, WALKERS, Mix, Plot, Track

_STREET: Mix = (('car', 0.55), ('cyclist', 0.30), ('motorcyclist', 0.07), ('truck', 0.05), ('bus', 0.03))
_FAST: Mix = (
    ('car', 0.62), ('truck', 0.16), ('trailer', 0.08), ('tractor', 0.04), ('bus', 0.04), ('motorcyclist', 0.06),
)  # fmt: skip
_FRONTS = {'hedge': 0.28, 'fence': 0.18, 'wall': 0.18, '': 0.2, 'shrub': 0.1, 'bush': 0.06}
_PANEL_M = {'hedge': 4.02, 'fence': 4.02, 'wall': 4.02}
_TOWN_GROUND = (
    (Material.GRASS,), (Material.CONCRETE,), (Material.GRASS, Material.CONCRETE), (Material.GRASS, Material.DIRT),
    (Material.GRAVEL, Material.GRASS), (Material.ASPHALT, Material.GRASS),
)  # fmt: skip
_PEOPLE: Mix = (('person', 0.85), ('sitting', 0.15))
BEHIND = np.pi


def _ground(rng: np.random.Generator, half_s_m: float = HALF_S_M) -> dict:
    """Return what is drawn alike for every road."""
    bend = 0.0 if rng.random() < 0.4 else rng.normal() / 180.0
    return {
        'kerb_m': rng.uniform(0.05, 0.18), 'bend': float(np.clip(bend, -1 / 90, 1 / 90)) * (HALF_S_M / half_s_m),
        'grade': (rng.normal() * 0.025, rng.normal() * 0.01), 'swell_m': abs(rng.normal()) * 0.16,
        'rough_m': rng.uniform(0.01, 0.05), 'beyond': _TOWN_GROUND[int(rng.integers(len(_TOWN_GROUND)))],
        'walk': Material.CONCRETE if rng.random() < 0.6 else Material.ASPHALT,
        'road': Material.ASPHALT if rng.random() < 0.85 else Material.CONCRETE,
    }  # fmt: skip


def _two_ways(
    plot: Plot, offsets: Sequence[float], speeds: tuple[float, float], mix: Mix, gap_m: float, spread_m: float = 0.2
) -> None:
    """Add lanes at distances right of the middle, and the same the other way."""
    for offset in offsets:
        for side, heading in ((-1.0, 0.0), (1.0, BEHIND)):
            way = side * plot.half_s_m, side * offset, heading, 2 * plot.half_s_m
            plot.tracks.append(Track(*way, speeds, mix, gap_m, spread_m, ego=True))


def _walks(plot: Plot, n: float, width: float, gap_m: float, mix: Mix = WALKERS) -> None:
    for side in (-1.0, 1.0):
        for heading, start in ((0.0, -plot.half_s_m), (BEHIND, plot.half_s_m)):
            track = Track(start, side * n, heading, 2 * plot.half_s_m, (0.0, 2.4), mix, gap_m, 0.5 * width)
            plot.tracks.append(track)


def _groups(plot: Plot, n: float, count: int) -> None:
    """Add people who stand together on sidewalks: at a stop, before a shop."""
    for _ in range(count):
        place = plot.rng.uniform(-30.0, 50.0), plot.rng.choice([-1.0, 1.0]) * n, plot.rng.uniform(0.0, 2.0 * np.pi)
        plot.tracks.append(Track(*place, plot.rng.uniform(1.0, 4.0), (0.0, 0.3), _PEOPLE, 0.15, 0.4))


def _parked_along(plot: Plot, n: float, fill: float, kinds: Mix, avoid: Sequence[tuple[float, float]] = ()) -> None:
    """Park cars one behind the other at one n, a share `fill` of the places taken."""
    names, shares = zip(*kinds)
    s = -plot.half_s_m + plot.rng.uniform(2.0, 6.0)
    way = 0.0 if n < 0 or plot.rng.random() < 0.2 else BEHIND
    while s < plot.half_s_m - 3.0:
        kind = names[int(plot.rng.choice(len(names), p=np.array(shares) / sum(shares)))]
        length = {'truck': 8.0, 'trailer': 8.0, 'motorcycle': 2.2}.get(kind, 4.3)
        middle = s + 0.5 * length + plot.rng.uniform(0.4, 1.2)
        if plot.rng.random() < fill and all(abs(middle - at) > half for at, half in avoid):
            heading = way + plot.rng.normal() * 0.025 + (np.pi if plot.rng.random() < 0.08 else 0.0)
            plot.park(kind, middle, n + plot.rng.normal() * 0.1, heading)
        s = middle + 0.5 * length


_PARKED: Mix = (('car', 0.9), ('van', 0.05), ('motorcycle', 0.02), ('truck', 0.015), ('trailer', 0.015))


def _houses(plot: Plot, n: float, share: float) -> None:
    """Put houses on both sides, their fronts about n from the middle; in some streets they touch."""
    closed = plot.rng.random() < 0.35
    for side in (-1.0, 1.0):
        s = -plot.half_s_m + plot.rng.uniform(0.5, 6.0)
        while s < plot.half_s_m:
            if plot.rng.random() > share:
                s += plot.rng.uniform(6.0, 14.0)
                continue
            back = 0.0 if closed else plot.rng.uniform(0.0, 2.0)
            name = 'house' if plot.rng.random() < 0.93 else 'shed'
            s = plot.front(name, s, side * (n + back), plot.rng.choice([0.0, np.pi / 2]))
            s += 0.05 if closed else plot.rng.uniform(1.5, 9.0)


def _fronts(plot: Plot, n: float, avoid: Sequence[tuple[float, float]] = ()) -> None:
    """Put hedges, fences, walls along the front gardens."""
    for side in (-1.0, 1.0):
        s = -plot.half_s_m + 2.0
        while s < plot.half_s_m - 10.0:
            length = plot.rng.uniform(6.0, 24.0)
            name = str(plot.rng.choice(list(_FRONTS), p=list(_FRONTS.values())))
            if name:
                for at in np.arange(s, min(s + length, plot.half_s_m - 3.0), _PANEL_M.get(name, 2.5)):
                    if all(abs(at - middle) > half + 2.0 for middle, half in avoid):
                        plot.put(name, at, side * n, 0.0)
            s += length + plot.rng.uniform(2.5, 5.0)


def _backyards(plot: Plot, n: float, share: float) -> None:
    """Part the land behind a line n with hedges, fences and walls across, and some along; what is far stands there."""
    for side in (-1.0, 1.0):
        for s in np.arange(-plot.half_s_m + plot.rng.uniform(1.0, 12.0), plot.half_s_m, plot.rng.uniform(9.0, 18.0)):
            name = str(plot.rng.choice(list(_PANEL_M)))
            if plot.rng.random() < share:
                for out in np.arange(2.5, plot.rng.uniform(8.0, 30.0), _PANEL_M[name]):
                    plot.put(name, s, side * (n + out), 0.5 * np.pi)
        if plot.rng.random() < share:
            name, out = str(plot.rng.choice(list(_PANEL_M))), plot.rng.uniform(14.0, 28.0)
            plot.row(name, side * (n + out), -plot.half_s_m + 2.0, plot.half_s_m - 2.0, 4.02, 0.9)


def _furniture(plot: Plot, n: float, density: float, avoid: Sequence[tuple[float, float]] = ()) -> None:
    """Put what stands on sidewalks, near the kerb."""
    shares = {
        'pole': 0.2, 'sign': 0.16, 'post': 0.16, 'bin': 0.13, 'trunk': 0.18, 'bench': 0.05, 'tree': 0.06,
        'cabinet': 0.1, 'column': 0.06,
    }  # fmt: skip
    names, weights = list(shares), np.array(list(shares.values()))
    for side in (-1.0, 1.0):
        for s in np.arange(-plot.half_s_m + 2, plot.half_s_m - 2, 5.0):
            if plot.rng.random() < density and all(abs(s - middle) > half + 2.5 for middle, half in avoid):
                name = str(plot.rng.choice(names, p=weights / weights.sum()))
                heading = plot.rng.choice([0.0, np.pi / 2, np.pi]) + plot.rng.normal() * 0.1
                plot.put(name, s + plot.rng.uniform(-2, 2), side * (n + plot.rng.normal() * 0.15), heading)


def _avenue(plot: Plot, n: float) -> None:
    pitch = plot.rng.uniform(6.0, 14.0)
    for side in (-1.0, 1.0):
        name, share = str(plot.rng.choice(['tree', 'trunk'])), plot.rng.uniform(0.4, 1.0)
        plot.row(name, side * n, -plot.half_s_m, plot.half_s_m, pitch, share, aside_m=0.1)


def _gardens(
    plot: Plot, n: float, count: int, names: Sequence[str], avoid: Sequence[tuple[float, float]] = ()
) -> None:
    for _ in range(round(count * plot.half_s_m / HALF_S_M)):
        s = plot.rng.uniform(-plot.half_s_m, plot.half_s_m)
        if any(abs(s - middle) < half + 4.0 for middle, half in avoid):
            continue
        side, out = plot.rng.choice([-1.0, 1.0]), plot.rng.uniform(0.5, 36.0)
        name = str(plot.rng.choice(list(names)))
        plot.put(name, s, side * (n + out), plot.rng.uniform(0, np.pi))


def street(rng: np.random.Generator, half_s_m: float = HALF_S_M) -> Plot:
    """Return a narrow street: cars parked on both sides, houses near, people, cyclists."""
    lane, parking, walk = rng.uniform(2.5, 3.4), rng.choice([0.0, 2.1, 2.3]), rng.uniform(1.5, 4.0)
    half = lane + parking
    section, skin = Section(half_m=half, walk_m=walk, **_ground(rng, half_s_m)), Skin(rng, half, half_s_m)
    skin.mended(int(rng.integers(0, 8)))
    if rng.random() < 0.5:
        skin.stripe(0.0, 3.0, rng.choice([3.0, 6.0]), 0.12, rng.uniform(0.05, 0.6))
    if parking and rng.random() < 0.5:
        skin.stripe(lane, width_m=0.12, wear=rng.uniform(0.1, 0.6))
        skin.stripe(-lane, width_m=0.12, wear=rng.uniform(0.1, 0.6))
    zebra = rng.uniform(-40, 40) if rng.random() < 0.4 else FAR
    if zebra != FAR:
        skin.zebra(zebra, half, rng.uniform(0.05, 0.5))
        for side in (-1.0, 1.0) if rng.random() < 0.6 else ():
            skin.stop_line(zebra + side * rng.uniform(2.3, 4.0), half, side)
    plot = Plot('street', paved(section, skin, rng), rng, half_s_m=half_s_m)
    _houses(plot, half + walk + rng.uniform(0.2, 7.0), rng.uniform(0.6, 1.0))
    at = half - 1.05 if parking else half - 0.9 + (1.0 if rng.random() < 0.4 else 0.0)  # half on the sidewalk
    for side in (-1.0, 1.0):
        if rng.random() < 0.85:
            _parked_along(plot, side * at, rng.uniform(0.6, 0.92), _PARKED, [(zebra, 5.0)])
    _furniture(plot, half + 0.45, rng.uniform(0.15, 0.7))
    _fronts(plot, half + walk + 0.3)
    plants = ('tree', 'tree', 'thicket', 'bush', 'shrub', 'clipped', 'conifer', 'trunk', 'shed', 'column', 'cabinet')
    _gardens(plot, half + walk, int(rng.integers(20, 80)), plants)
    _backyards(plot, half + walk, rng.uniform(0.2, 1.0))
    if rng.random() < 0.5:
        _avenue(plot, half + rng.uniform(0.5, 1.2))
    _two_ways(plot, [0.5 * lane], (2.0, 14.0), _STREET, rng.uniform(12.0, 60.0))
    _walks(plot, half + 0.5 * walk, 0.5 * walk, rng.uniform(8.0, 60.0))
    _groups(plot, half + 0.5 * walk, int(rng.integers(0, 4)))
    if zebra != FAR:
        plot.tracks.append(Track(zebra, -half - 2.0, np.pi / 2, 2 * half + 4.0, (0.5, 2.0), WALKERS, 4.0, 0.8))
    return plot


def suburb(rng: np.random.Generator, half_s_m: float = HALF_S_M) -> Plot:
    """Return a wider road with front gardens, drives, hedges and lawns."""
    lane, walk = rng.uniform(2.8, 3.6), rng.choice([0.3, rng.uniform(1.5, 3.0)])
    section, skin = Section(half_m=lane, walk_m=walk, **_ground(rng, half_s_m)), Skin(rng, lane, half_s_m)
    skin.mended(int(rng.integers(0, 5)))
    if rng.random() < 0.6:
        skin.stripe(0.0, 3.0, 6.0, 0.12, rng.uniform(0.05, 0.5))
    plot = Plot('suburb', paved(section, skin, rng), rng, half_s_m=half_s_m)
    front, garden = lane + walk, rng.uniform(4.0, 12.0)
    _houses(plot, front + garden, rng.uniform(0.4, 0.9))
    drives = []
    for side in (-1.0, 1.0):
        _parked_along(plot, side * (lane - 0.9), rng.uniform(0.05, 0.6), _PARKED)
        for s in np.arange(-50.0, 50.0, rng.uniform(9.0, 16.0)):
            if rng.random() < 0.5:
                drives.append((s, 1.5))
                kind = 'car' if rng.random() < 0.85 else 'trailer'
                heading = side * np.pi / 2 * rng.choice([-1.0, 1.0]) + rng.normal() * 0.06
                plot.park(kind, s, side * (front + rng.uniform(2.6, max(2.7, garden - 2.0))), heading)
    _fronts(plot, front + 0.4, drives)
    _furniture(plot, front - 0.3 if walk > 1.0 else front + 0.6, rng.uniform(0.1, 0.4))
    plants = ('tree', 'bush', 'shrub', 'clipped', 'thicket', 'conifer', 'hedge', 'shed', 'trunk', 'bin', 'column',
              'cabinet')  # fmt: skip
    _gardens(plot, front, int(rng.integers(30, 100)), plants)
    _backyards(plot, front, rng.uniform(0.2, 1.0))
    _two_ways(plot, [0.5 * lane], (4.0, 16.0), TRAFFIC, rng.uniform(20.0, 80.0))
    _walks(plot, front - 0.5 * walk, 0.4 * walk, rng.uniform(25.0, 120.0))
    return plot


def arterial(rng: np.random.Generator, half_s_m: float = HALF_S_M) -> Plot:
    """Return a wide road: lanes both ways, rails or a barrier, trucks, slopes, walls against noise."""
    count, lane = int(rng.integers(1, 4)), rng.uniform(3.1, 3.75)
    median, shoulder = rng.choice([0.0, rng.uniform(0.6, 4.0)]), rng.uniform(0.3, 3.0)
    half = 0.5 * median + count * lane + shoulder
    rules = _ground(rng, half_s_m)
    rules['beyond'] = ((Material.GRASS,), (Material.GRASS, Material.GRAVEL))[int(rng.integers(2))]
    rural = rng.random() < 0.6
    rules |= {'kerb_m': 0.0, 'walk': Material.GRAVEL} if rural else {}
    rules |= {'ditch_m': rng.choice([0.0, rng.uniform(0.2, 0.9)])}
    section = Section(half_m=half, walk_m=rng.uniform(0.5, 2.5), **rules)
    skin, wear = Skin(rng, half, half_s_m), rng.uniform(0.02, 0.4)
    for side in (-1.0, 1.0):
        skin.stripe(side * (half - shoulder), width_m=0.2, wear=wear)
        skin.stripe(side * max(0.5 * median, 0.1), width_m=0.15, wear=wear)
        for number in range(1, count):
            skin.stripe(side * (0.5 * median + number * lane), *((6.0, 12.0) if rural else (3.0, 6.0)), 0.15, wear)
    plot = Plot('arterial', paved(section, skin, rng), rng, half_s_m=half_s_m)
    if median > 0.5:
        name = str(rng.choice(['barrier', 'rail', 'rail', 'hedge', 'thicket']))
        plot.row(name, 0.0, -half_s_m, half_s_m, 4.0, 1.0, aside_m=0.0)
    edge = half + 0.4
    for side in (-1.0, 1.0):
        style = rng.random()
        if style < 0.45:
            plot.row('rail', side * edge, -half_s_m, half_s_m, 4.0, 1.0, aside_m=0.0)
        elif style < 0.6:
            plot.row('wall', side * (edge + 3.0), -half_s_m, half_s_m, 4.0, 0.97, aside_m=0.0)
        if rng.random() < 0.3:
            _parked_along(plot, side * (half - 1.2), 0.06, (('car', 0.5), ('truck', 0.3), ('trailer', 0.2)))
    _furniture(plot, half + 1.2, rng.uniform(0.05, 0.35))
    plants = ('tree', 'bush', 'shrub', 'clipped', 'thicket', 'conifer', 'sign', 'pole')
    _gardens(plot, half + 4.0, int(rng.integers(15, 70)), plants)
    _backyards(plot, half + 6.0, rng.uniform(0.0, 0.5))
    if rng.random() < 0.3:
        _houses(plot, half + rng.uniform(5.0, 15.0), 0.5)
    offsets = [0.5 * median + (number + 0.5) * lane for number in range(count)]
    speeds = (12.0, 32.0) if rural else (3.0, 20.0)
    _two_ways(plot, offsets, speeds, _FAST if rural else TRAFFIC, rng.uniform(10.0, 50.0))
    return plot


def crossroads(rng: np.random.Generator) -> Plot:
    """Return a junction: queues, traffic lights, people who cross, cars from both sides."""
    half, across, walk = rng.uniform(3.0, 8.0), rng.uniform(3.0, 7.0), rng.uniform(1.5, 4.0)
    middle = rng.uniform(0.0, 25.0)
    rules = _ground(rng) | {'bend': 0.0, 'skew': rng.choice([0.0, rng.uniform(-0.7, 0.7)], p=[0.3, 0.7])}
    section = Section(half_m=half, walk_m=walk, crossing_m=(middle, across), **rules)
    skin, wear = Skin(rng, half), rng.uniform(0.05, 0.5)
    skin.stripe(0.0, 3.0, 3.0, 0.15, wear)
    skin.mended(int(rng.integers(0, 6)))
    skin.fill((middle - across, middle + across), (-half, half), section.road)
    for side in (-1.0, 1.0):
        skin.zebra(middle + side * (across + 2.5), half, wear)
        skin.stop_line(middle + side * (across + rng.uniform(4.8, 6.5)), half, side, wear)  # who comes keeps right
    plot = Plot('crossroads', paved(section, skin, rng), rng)
    for side_s in (-1.0, 1.0):
        for side_n in (-1.0, 1.0):
            s, n = middle + side_s * (across + 0.6), side_n * (half + 0.6)
            plot.put('signal' if rng.random() < 0.6 else 'sign', s, n, 0.0 if side_s < 0 else np.pi)
            if rng.random() < 0.7:
                depth = rng.uniform(6.0, 9.0)
                plot.put('house', middle + side_s * (across + walk + depth + 3), side_n * (half + walk + depth), 0.0)
    gap = rng.uniform(5.0, 40.0)
    offsets = [0.25 * half, 0.75 * half] if half > 5.5 else [0.5 * half]
    _two_ways(plot, offsets, (0.0, 12.0), TRAFFIC, gap)
    for n, heading, s in ((-HALF_N_M, np.pi / 2, middle + 0.5 * across), (HALF_N_M, -np.pi / 2, middle - 0.5 * across)):
        plot.tracks.append(Track(s, n, heading, 2 * HALF_N_M, (0.0, 12.0), TRAFFIC, gap, 0.2, ego=True))
    for side in (-1.0, 1.0):
        s = middle + side * (across + 2.5)
        plot.tracks.append(Track(s, -half - 3.0, np.pi / 2, 2 * half + 6.0, (0.3, 2.0), WALKERS, 5.0, 0.9))
        _parked_along(plot, side * (half - 1.0), rng.uniform(0.0, 0.5), _PARKED, [(middle, across + 8.0)])
    _furniture(plot, half + 0.6, rng.uniform(0.1, 0.5), [(middle, across)])
    _fronts(plot, half + walk + 0.4, [(middle, across + walk)])
    plants = ('tree', 'bush', 'shrub', 'clipped', 'thicket', 'conifer', 'trunk')
    _gardens(plot, half + walk, int(rng.integers(15, 60)), plants, [(middle, across + walk)])
    _walks(plot, half + 0.5 * walk, 0.4 * walk, rng.uniform(10.0, 60.0))
    _groups(plot, half + 0.5 * walk, int(rng.integers(0, 4)))
    return plot
