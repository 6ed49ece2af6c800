"""A country road with a village: hills, bends, traffic both ways, parked cars, somebody who crosses."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.sim import scenery
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.scenes import terrain
from autonomy_nodes.sim.scenes.people import Cast
from autonomy_nodes.sim.scenes.roads import LANE_M, Network, offset, place_on, road_paint, strip, two_lanes, zebra
from autonomy_nodes.sim.scenes.roads import curve as bent
from autonomy_nodes.sim.world import Area, Drive, Paint, Policy, Solid, Task, Weather, World

_LIMIT_MPS = 13.0
_CURB_M = 6.2  # from the middle, in the village: there is room to park
_MARGIN_M = 80.0


@dataclass(frozen=True, eq=False)
class _Plan:
    """The road and where its parts are: s of the village (from, to) and of the crossing."""

    line: np.ndarray
    village: tuple[int, int]
    crossing: int


def road(seed: int) -> World:
    """Return a world of the family."""
    rng = np.random.default_rng([seed, 1])
    plan = _plan(rng)
    network = Network()
    with_line, against = two_lanes(network, plan.line, _LIMIT_MPS)
    across = _crossing_line(plan)
    for_people = [np.column_stack([across + shift, plan.line[[plan.crossing] * 2, 2]]) for shift in _along(plan) * 1.5]
    network.crossing(for_people[0], for_people[1])
    ground = _ground(plan, rng)
    solids = _village(plan, ground, rng) + _countryside(plan, ground, rng)
    cast = Cast(rng)
    _traffic(cast, with_line, against, rng)
    _people(cast, plan, across, rng)
    mid_right = offset(plan.line, -LANE_M / 2.0)
    return World(
        family='road',
        seed=seed,
        ground=ground,
        areas=tuple(_areas(plan)),
        paint=tuple(_paint(plan, rng)),
        solids=tuple(solids),
        actors=tuple(cast.actors),
        lanes=network.map(),
        task=Task(place_on(mid_right, 30), place_on(mid_right, len(mid_right) - 45)),
        route=mid_right[30:-44, :2],
        weather=Weather(float(rng.uniform(0.4, 1.1)), float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.0, 0.7))),
    )


def _plan(rng: np.random.Generator) -> _Plan:
    length = 520.0
    bends = rng.uniform(-1.0, 1.0, 7) / 110.0
    bends[[0, -1]] = 0.0
    flat = bent(length, bends, (0.0, 0.0, float(rng.uniform(-np.pi, np.pi))))
    s = np.arange(len(flat))
    rise = sum(
        rng.uniform(0.5, 1.6) * np.sin(s * 2 * np.pi / wave + rng.uniform(0, 6)) for wave in (170.0, 260.0, 400.0)
    )
    start = int(rng.integers(120, 200))
    return _Plan(np.column_stack([flat, rise]), (start, start + 170), start + int(rng.integers(60, 110)))


def _along(plan: _Plan) -> np.ndarray:
    """Return (2, 2) unit vectors along and against the road at the crossing."""
    heading = place_on(plan.line, plan.crossing)[2]
    along = np.array([np.cos(heading), np.sin(heading)])
    return np.stack([along, -along])


def _crossing_line(plan: _Plan) -> np.ndarray:
    """Return (2, 2) the way of a pedestrian from the right sidewalk to the left one."""
    return np.stack([offset(plan.line, side * (_CURB_M + 1.0))[plan.crossing, :2] for side in (-1.0, 1.0)])


def _ground(plan: _Plan, rng: np.random.Generator):  # noqa: ANN202
    low = plan.line[:, :2].min(axis=0) - _MARGIN_M
    shape = tuple((np.ceil(plan.line[:, :2].max(axis=0) + _MARGIN_M - low)).astype(int) + 1)
    xy = terrain.places(low, 1.0, shape)
    natural = 3.0 * terrain.noise(shape, 45.0, rng) + 0.06 * terrain.noise(shape, 2.0, rng)
    heights = terrain.bedded(natural, xy, plan.line, flat_m=9.5, blend_m=28.0)
    materials = terrain.patched(shape, {Material.DIRT: 0.08, Material.GRAVEL: 0.03}, 12.0, rng)
    return terrain.field_of(low, 1.0, heights, materials)


def _areas(plan: _Plan) -> list[Area]:
    start, end = plan.village
    wide = LANE_M + 0.3
    areas = strip(plan.line, -wide - 1.0, wide + 1.0, Material.GRAVEL)
    areas += strip(plan.line, -wide, wide, Material.ASPHALT, drivable=True)
    return areas + strip(plan.line[start : end + 1], -_CURB_M, _CURB_M, Material.ASPHALT, drivable=True)


def _paint(plan: _Plan, rng: np.random.Generator) -> list[Paint]:
    wear = float(rng.uniform(0.0, 0.15))
    x, y, heading = place_on(plan.line, plan.crossing)
    return road_paint(plan.line, wear) + zebra(np.array([x, y]), heading, _CURB_M - 0.3)


def _village(plan: _Plan, ground, rng: np.random.Generator) -> list[Solid]:  # noqa: ANN001
    start, end = plan.village
    solids = []
    for side in (-1.0, 1.0):
        edge = offset(plan.line[start : end + 1], side * _CURB_M)
        solids.append(scenery.sidewalk(edge if side > 0 else edge[::-1], width_m=2.2))
        for s in range(start + 12, end, 34):
            x, y, heading = place_on(offset(plan.line, side * (_CURB_M + 0.5)), s)
            solids.append(scenery.lamp_post(np.array([x, y, plan.line[s, 2]]), heading - side * np.pi / 2))
        s = start + int(rng.integers(5, 14))
        while s < end - 6:
            length, width, height = rng.uniform(9, 17), rng.uniform(8, 11), rng.uniform(3.0, 8.5)
            x, y, heading = place_on(offset(plan.line, side * (_CURB_M + 3.2 + rng.uniform(0, 2.5) + width / 2)), s)
            red, green, blue = (float(part) for part in rng.uniform(0.45, 0.9, 3) * 0.5 + 0.35 * rng.random())
            at = np.array([x, y, float(ground.height(np.array([x, y])))])
            solids.append(scenery.building(at, heading, (length, width, height), (red, green, blue)))
            s += int(length + rng.uniform(3, 12))
    return solids


def _countryside(plan: _Plan, ground, rng: np.random.Generator) -> list[Solid]:  # noqa: ANN001
    solids = []
    line = plan.line
    start, end = plan.village
    for s in [*range(40, start - 10, 70), *range(end + 15, len(line) - 20, 70)]:
        for side in (-1.0, 1.0):
            x, y, heading = place_on(offset(line, side * (LANE_M + 1.4)), s)
            at = np.array([x, y, line[s, 2]])
            solids.append(scenery.sign_post(at, heading if side < 0 else heading + np.pi))
    for _ in range(210):
        s = int(rng.integers(2, len(line) - 2))
        in_village = start - 8 < s < end + 8
        away = (_CURB_M + 19.0 if in_village else LANE_M + 4.0) + rng.gamma(1.6, 12.0)
        xy = offset(line, float(rng.choice([-1.0, 1.0]) * away))[s, :2]
        if np.linalg.norm(line[:, :2] - xy, axis=1).min() < away - 0.5 or not ground.contains(xy):
            continue  # the road bends back to it
        at = np.array([*xy, float(ground.height(xy))])
        if rng.random() < 0.3:
            solids.append(scenery.bush(at, float(rng.uniform(0.6, 1.6)), rng))
        else:
            solids.append(scenery.tree(at, float(rng.uniform(5, 13)), rng, conifer=bool(rng.random() < 0.35)))
    return solids


def _traffic(cast: Cast, with_line: list[int], against: list[int], rng: np.random.Generator) -> None:
    def along(lanes: list[int], start_m: float, speed: float) -> Policy:
        return Policy(Drive.LANES, speed, tuple(lanes), start_m=start_m, headway_s=float(rng.uniform(1.1, 1.9)))

    cast.add('car', along(with_line, 75.0, float(rng.uniform(8.5, 10.5))))
    cast.add('van', along(with_line, 150.0, float(rng.uniform(9.0, 11.0))))
    cast.add('car', along(with_line, 4.0, 11.0))
    kinds = ('car', 'van', 'car', 'truck', 'car', 'cyclist', 'bus')
    at = float(rng.uniform(20, 60))
    for kind in kinds[: int(rng.integers(4, 8))]:
        cast.add(kind, along(against, at, 4.5 if kind == 'cyclist' else float(rng.uniform(8, 12))))
        at += float(rng.uniform(35, 80))


def _people(cast: Cast, plan: _Plan, across: np.ndarray, rng: np.random.Generator) -> None:
    start, end = plan.village
    for side in (-1.0, 1.0):
        for s in range(start + 10, end - 8, 9):
            if rng.random() < 0.5 and abs(s - plan.crossing) > 9:
                x, y, heading = place_on(offset(plan.line, side * (_CURB_M - 1.15)), s)
                turn = 0.0 if side < 0 else np.pi
                cast.add('van' if rng.random() < 0.2 else 'car', Policy(), (x, y, heading + turn))
        walk = offset(plan.line, side * (_CURB_M + 1.2))[start + 5 : end - 5, :2]
        for _ in range(2):
            way = walk if rng.random() < 0.5 else walk[::-1]
            cast.add('pedestrian', Policy(Drive.WALK, 1.3, path=way, start_m=float(rng.uniform(0, 120))))
    cast.add('pedestrian', Policy(Drive.WALK, 1.4, path=across, starts_s=1e9, starts_within_m=38.0))
