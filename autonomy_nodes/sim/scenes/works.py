"""Road works in the country: both lanes swing aside of a building site with machines, heaps, mud and workers.

Beside the road run ditches with water in them; there are fields, hedges, cattle behind a fence, heavy traffic.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.sim import scenery
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots import things
from autonomy_nodes.sim.scenes import terrain
from autonomy_nodes.sim.scenes.people import Cast
from autonomy_nodes.sim.scenes.roads import (
    LANE_M,
    Network,
    between,
    curve,
    offset,
    place_on,
    road_paint,
    strip,
    two_lanes,
)
from autonomy_nodes.sim.world import Area, Drive, Paint, Policy, Solid, Task, Weather, World

_LIMIT_MPS = 11.0
_LENGTH_M = 430.0
_ASIDE_M, _TAPER_M = 2.4, 40  # how far lanes swing to the left, and along which way
_SITE_M = (3.6, 22.0)  # from and to where the site reaches, to the right of the middle
_DITCH_M, _DITCH_HALF_M, _DITCH_DEPTH_M = 10.0, 2.0, 0.9
_TRENCH_M = 12.0
_MARGIN_M = 75.0
_BARRIER_M = 4.0
_SITE_THINGS = ('heap', 'heap', 'pallets', 'shed', 'log', 'bin', 'board', 'rock', 'cabinet')


@dataclass(frozen=True, eq=False)
class _Plan:
    """The road: line (N, 3), its middle as it was built; now (N, 3), as it is driven; site: s from, to."""

    line: np.ndarray
    now: np.ndarray
    site: tuple[int, int]


def works(seed: int) -> World:
    """Return a world of the family."""
    rng = np.random.default_rng([seed, 4])
    plan = _plan(rng)
    network = Network()
    with_line, against = two_lanes(network, plan.now, _LIMIT_MPS)
    ground = _ground(plan, rng)
    cast = Cast(rng)
    _traffic(cast, with_line, against, rng)
    taken = _machines(cast, plan, rng)
    _walkers(cast, plan, ground, rng)
    solids = [*_closure(plan, rng), *_site(plan, ground, taken, rng), *_countryside(plan, ground, rng)]
    way = offset(plan.now, -LANE_M / 2.0)
    last = len(way) - 45
    return World(
        family='works', seed=seed, ground=ground, areas=tuple(_areas(plan, rng)), paint=tuple(_paint(plan, rng)),
        solids=tuple(solids), actors=tuple(cast.actors), lanes=network.map(),
        task=Task(place_on(way, 30), place_on(way, last)), route=way[30 : last + 1, :2],
        weather=Weather(float(rng.uniform(0.4, 1.1)), float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.0, 0.8))),
    )  # fmt: skip


def _plan(rng: np.random.Generator) -> _Plan:
    bends = rng.uniform(-1.0, 1.0, 6) / 160.0
    bends[[0, -1]] = 0.0
    flat = curve(_LENGTH_M, bends, (0.0, 0.0, float(rng.uniform(-np.pi, np.pi))))
    s = np.arange(len(flat))
    rise = rng.uniform(0.4, 1.2) * np.sin(s * 2 * np.pi / rng.uniform(180.0, 300.0) + rng.uniform(0, 6))
    line = np.column_stack([flat, rise])
    start = int(rng.integers(110, 140))
    end = start + int(rng.integers(70, 110))
    share = np.clip(np.minimum((s - start + _TAPER_M) / _TAPER_M, (end + _TAPER_M - s) / _TAPER_M), 0.0, 1.0)
    return _Plan(line, offset(line, _ASIDE_M * share * share * (3.0 - 2.0 * share)), (start, end))


def _beside(plan: _Plan, s: int, right_m: float) -> np.ndarray:
    """Return (2,) a place to the right of the road as it was built."""
    return np.asarray(offset(plan.line[s - 1 : s + 2], -right_m)[1, :2])


def _ground(plan: _Plan, rng: np.random.Generator) -> HeightField:
    low = plan.line[:, :2].min(axis=0) - _MARGIN_M
    rows, columns = np.ceil(plan.line[:, :2].max(axis=0) + _MARGIN_M - low).astype(int) + 1
    shape = (int(rows), int(columns))
    xy = terrain.places(low, 1.0, shape)
    natural = 2.2 * terrain.noise(shape, 50.0, rng) + 0.05 * terrain.noise(shape, 2.0, rng)
    heights = terrain.bedded(natural, xy, plan.line, flat_m=12.5, blend_m=25.0)
    materials = terrain.patched(shape, {Material.DIRT: 0.06, Material.MUD: 0.02}, 10.0, rng)
    s, left = terrain.along(xy, plan.line[:, :2])
    start, end = plan.site
    on_site = (s > start - 8) & (s < end + 8) & (left < 0.0)
    depth = _DITCH_DEPTH_M * np.clip((_DITCH_HALF_M - np.abs(np.abs(left) - _DITCH_M)) / 1.2, 0.0, 1.0)
    heights = heights - np.where(on_site, 0.0, depth)
    trench = np.clip((2.6 - np.abs(left + _TRENCH_M)) / 1.6, 0.0, 1.0) * np.clip((s - start - 6) / 4, 0, 1)
    heights = heights - 1.1 * trench * np.clip((end - 6 - s) / 4, 0.0, 1.0)
    site = on_site & (-left > _SITE_M[0]) & (-left < _SITE_M[1])
    soil = terrain.noise(shape, 5.0, rng)
    materials[site] = np.where(soil > 0.7, Material.MUD, np.where(soil < -0.6, Material.GRAVEL, Material.DIRT))[site]
    materials[site & (soil > 1.5)] = Material.WATER
    return terrain.field_of(low, 1.0, heights, materials)


def _areas(plan: _Plan, rng: np.random.Generator) -> list[Area]:
    start, end = plan.site
    zone, now = (line[start - _TAPER_M : end + _TAPER_M + 1] for line in (plan.line, plan.now))
    fields = []
    for side in (-1.0, 1.0):  # ploughed
        at = int(rng.integers(30, 300))
        fields += strip(plan.line[at : at + 90], side * 30.0, side * (30.0 + rng.uniform(20, 32)), Material.DIRT)
    wide = LANE_M + 0.3
    areas = [*fields, *strip(plan.line, -wide - 1.0, wide + 1.0, Material.GRAVEL)]
    areas += between(offset(zone, wide), offset(now, wide), Material.ASPHALT, drivable=True)  # laid for the time being
    areas += strip(plan.line, -wide, wide, Material.ASPHALT, drivable=True)
    half = 0.45 * _DITCH_HALF_M
    for side in (-1.0, 1.0):
        for at in range(int(rng.integers(5, 40)), len(plan.line) - 40, int(rng.integers(60, 110))):
            if side > 0 or at + 45 < start - 8 or at > end + 8:
                middle = offset(plan.line[at : at + 36], side * _DITCH_M)
                areas += strip(middle, -half, half, Material.WATER)
    return areas


def _paint(plan: _Plan, rng: np.random.Generator) -> list[Paint]:
    """Return yellow lines where lanes swing aside, and what is left of the white ones."""
    first, last = plan.site[0] - _TAPER_M, plan.site[1] + _TAPER_M
    wear = float(rng.uniform(0.0, 0.15))
    old = road_paint(plan.line[first : last + 1], 0.75)
    paint = [*road_paint(plan.line[: first + 1], wear), *road_paint(plan.line[last:], wear), *old]
    now = plan.now[first : last + 1, :2]
    lines = [now, *(offset(now, side * LANE_M) for side in (-1.0, 1.0))]
    return paint + [Paint(Line.SOLID, line, 0.15, material=Material.PAINT_YELLOW, wear=0.05) for line in lines]


def _closure(plan: _Plan, rng: np.random.Generator) -> list[Solid]:
    """Return beacons along both tapers, barriers between, and signs that tell of them."""
    start, end = plan.site
    edge = offset(plan.now, -LANE_M - 0.65)

    def put(name: str, s: int, variant: int) -> Solid:
        x, y, heading = place_on(edge, s)
        return scenery.furniture(name, variant, np.array([x, y, edge[s, 2]]), heading)

    beacon, barrier = (int(rng.integers(things.VARIANTS)) for _ in range(2))
    ahead = [s for s in range(start - _TAPER_M, end + _TAPER_M, 5) if not start <= s < end]
    solids = [put('board' if s % 2 else 'cone', s, beacon) for s in ahead]
    solids += [put('barrier', s, barrier) for s in np.arange(start + 2, end - 2, _BARRIER_M + 0.2).astype(int)]
    for s in (start - 95, start - 65, start - _TAPER_M - 5):
        for side in (-1.0, 1.0):
            x, y, heading = place_on(offset(plan.now, side * (LANE_M + 1.5)), s)
            solids.append(scenery.sign_post(np.array([x, y, plan.line[s, 2]]), heading))
    return solids


def _machines(cast: Cast, plan: _Plan, rng: np.random.Generator) -> np.ndarray:
    """Let machines and trucks stand on the site; return (K, 3) where they stand, s, right, reach."""
    start, end = plan.site
    taken = []
    kinds = ['digger', 'truck', 'digger', 'van', 'trailer', 'digger']
    for number, s in enumerate(np.linspace(start + 8, end - 8, int(rng.integers(4, 7)))):
        right = float(rng.uniform(16.0, 18.0) if number % 2 else rng.uniform(7.0, 7.6))
        x, y = _beside(plan, int(s), right)
        heading = place_on(plan.line, int(s))[2] + rng.normal() * 0.1 + np.pi * int(rng.integers(2))
        actor = cast.add(kinds[number % len(kinds)], Policy(), (float(x), float(y), float(heading)))
        taken.append((s, right, 0.5 * actor.dimensions_m[0] + 1.0))
    return np.array(taken)


def _site(plan: _Plan, ground: HeightField, taken: np.ndarray, rng: np.random.Generator) -> list[Solid]:
    """Return what lies about on the site, clear of machines, of the trench and of one another; a fence behind."""
    start, end = plan.site
    solids = []
    for _ in range(60):
        s, right = float(rng.uniform(start + 4, end - 4)), float(rng.uniform(5.6, 20.0))
        reach = 2.6
        near = np.hypot(taken[:, 0] - s, taken[:, 1] - right) < taken[:, 2] + reach
        if near.any() or abs(right - _TRENCH_M) < 2.4 + reach or right < _SITE_M[0] + reach:
            continue
        taken = np.vstack([taken, (s, right, reach)])
        xy = _beside(plan, int(s), right)
        at, name = np.array([*xy, float(ground.height(xy))]), str(rng.choice(_SITE_THINGS))
        solids.append(scenery.furniture(name, int(rng.integers(things.VARIANTS)), at, float(rng.uniform(0, np.pi))))
    variant = int(rng.integers(things.VARIANTS))
    for s in range(start, end, 4):
        xy = _beside(plan, s, _SITE_M[1] + 0.8)
        at, heading = np.array([*xy, float(ground.height(xy))]), place_on(plan.line, s)[2]
        solids.append(scenery.furniture('fence', variant, at, heading))
    return solids


def _countryside(plan: _Plan, ground: HeightField, rng: np.random.Generator) -> list[Solid]:
    """Return hedges along fields, trees, bushes; nothing in the ditches and on the site."""
    solids, variant = [], int(rng.integers(things.VARIANTS))
    at = int(rng.integers(30, 250))
    for s in range(at, at + 100, 4):
        x, y, heading = place_on(offset(plan.line, 26.0), s)
        place = np.array([x, y, float(ground.height(np.array([x, y])))])
        solids.append(scenery.furniture('fence' if at % 2 else 'hedge', variant, place, heading))
    for _ in range(150):
        s = int(rng.integers(2, len(plan.line) - 2))
        side, away = float(rng.choice([-1.0, 1.0])), 15.0 + rng.gamma(1.6, 12.0)
        on_site = plan.site[0] - 15 < s < plan.site[1] + 15 and side < 0
        away += _SITE_M[1] - 8.0 if on_site else 0.0
        xy = offset(plan.line, side * away)[s, :2]
        if np.linalg.norm(plan.line[:, :2] - xy, axis=1).min() < away - 0.5 or not ground.contains(xy):
            continue  # the road bends back to it
        if side > 0 and abs(away - 26.0) < 4.0:
            continue  # the hedge, and the cattle behind it
        place = np.array([*xy, float(ground.height(xy))])
        if rng.random() < 0.35:
            solids.append(scenery.bush(place, float(rng.uniform(0.5, 1.5)), rng))
        else:
            solids.append(scenery.tree(place, float(rng.uniform(5, 13)), rng, conifer=bool(rng.random() < 0.3)))
    return solids


def _traffic(cast: Cast, with_line: list[int], against: list[int], rng: np.random.Generator) -> None:
    def along(lanes: list[int], start_m: float, speed: float) -> Policy:
        return Policy(Drive.LANES, speed, tuple(lanes), start_m=start_m, headway_s=float(rng.uniform(1.2, 1.9)))

    cast.add('truck', along(with_line, 85.0, float(rng.uniform(8.0, 9.5))))
    cast.add('motorcyclist', along(with_line, 4.0, 10.0))
    trailer = cast.add('trailer', Policy())
    cast.add('tractor', along(against, float(rng.uniform(60, 90)), float(rng.uniform(8.0, 9.5))), tows=trailer.id)
    at = float(rng.uniform(120, 140))
    for kind in ('bus', 'car', 'motorcyclist', 'van', 'car')[: int(rng.integers(3, 6))]:
        cast.add(kind, along(against, at, float(rng.uniform(8, 10))))
        at += float(rng.uniform(35, 60))


def _walkers(cast: Cast, plan: _Plan, ground: HeightField, rng: np.random.Generator) -> None:
    """Let workers walk along the site, and cattle graze on the other side of the road."""
    start, end = plan.site
    for number in range(int(rng.integers(2, 5))):
        line = offset(plan.line, -(4.9 if number % 2 else 15.4))[start + 6 : end - 6, :2]
        way = line if rng.random() < 0.5 else line[::-1]
        policy = Policy(Drive.WALK, float(rng.uniform(0.6, 1.4)), path=way, start_m=float(rng.uniform(0, 50)))
        cast.add('pedestrian', policy)
    s = int(rng.integers(60, 200))
    for number in range(int(rng.integers(2, 6))):
        x, y, heading = place_on(offset(plan.line, 34.0 + 3.5 * number), s + 6 * number)
        turn = rng.uniform(0, 2 * np.pi)
        way = np.array([[x, y], [x + 8 * np.cos(heading + turn), y + 8 * np.sin(heading + turn)]])
        if ground.contains(way).all():
            cast.add('animal', Policy(Drive.WALK, float(rng.uniform(0.2, 0.8)), path=way))
