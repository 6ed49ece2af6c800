"""A junction of four arms in a town: traffic lights or a main road, people who cross, a turn for the ego to make."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.lanes import Light, Line
from autonomy_nodes.sim import scenery
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.scenes import terrain
from autonomy_nodes.sim.scenes.people import Cast
from autonomy_nodes.sim.scenes.roads import (
    LANE_M,
    Network,
    arc,
    curve,
    offset,
    place_on,
    road_paint,
    strip,
    two_lanes,
    zebra,
)
from autonomy_nodes.sim.world import Area, Drive, Paint, Policy, Solid, Task, Weather, World

_INNER_M = 14.0  # from the middle to where lanes begin
_STOP_M = 5.0  # from there to the stop line
_CURB_M = 4.0
_LENGTH_M = 135.0
_LIMIT_MPS = 11.0
_GREEN_S, _AMBER_S, _ALL_RED_S = 12.0, 3.0, 1.0
_TURNS = {1: 'right', 2: 'straight', 3: 'left'}  # by how many arms further, counted to the left


@dataclass(frozen=True, eq=False)
class _Arm:
    """An arm: its middle line outwards (N, 3), the lanes that lead in and out, and {arm: lane} across."""

    line: np.ndarray
    lane_in: int
    lane_out: int
    across: dict[int, int]


def junction(seed: int) -> World:
    """Return a world of the family."""
    rng = np.random.default_rng([seed, 2])
    network = Network()
    arms = [_arm(network, k, rng) for k in range(4)]
    for i in range(4):
        for j in range(4):
            if i != j:
                arms[i].across[j] = _connection(network, arms[i], arms[j], _TURNS[(j - i) % 4])
    lit = bool(rng.random() < 0.7)
    _rule(network, arms, lit)
    for arm in arms:
        network.crossing(*(_over(arm.line, s) for s in (1, 4)))
    ground = _ground(arms, rng)
    lanes = network.map()
    cast = Cast(rng)
    exit_ = int(rng.integers(1, 4))
    _traffic(cast, arms, rng)
    _people(cast, arms, rng)
    chain = (arms[0].lane_in, arms[0].across[exit_], arms[exit_].lane_out)
    route = np.concatenate([lanes.centre(lane)[:, :2] for lane in chain])
    first, last = 45, len(route) - 40
    return World(
        family='junction',
        seed=seed,
        ground=ground,
        areas=tuple(_areas(arms)),
        paint=tuple(_paint(arms, rng)),
        solids=tuple(_town(arms, ground, lit, rng)),
        actors=tuple(cast.actors),
        lanes=lanes,
        task=Task(place_on(route, first), place_on(route, last)),
        route=route[first : last + 1],
        weather=Weather(float(rng.uniform(0.4, 1.1)), float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.0, 0.8))),
    )


def _arm(network: Network, k: int, rng: np.random.Generator) -> _Arm:
    heading = -0.5 * np.pi + 0.5 * np.pi * k + float(rng.uniform(-0.12, 0.12))
    start = _INNER_M * np.array([np.cos(heading), np.sin(heading)])
    bends = np.array([0.0, 0.0, *rng.uniform(-1.0, 1.0, 3) / 250.0])
    flat = curve(_LENGTH_M, bends, (float(start[0]), float(start[1]), heading))
    s = np.arange(len(flat))
    rise = float(rng.uniform(-0.035, 0.035)) * np.maximum(s - 20.0, 0.0) ** 2 / (s + 20.0)
    line = np.column_stack([flat, rise])
    out, into = two_lanes(network, line, _LIMIT_MPS, middle=Line.SOLID)
    return _Arm(line, into[-1], out[0], {})


def _connection(network: Network, start: _Arm, end: _Arm, turn: str) -> int:
    """Add the lane from one arm into another."""
    inwards = start.line[0, :2] - start.line[1, :2]
    outwards = end.line[1, :2] - end.line[0, :2]
    left = arc(start.line[0], inwards, end.line[0], outwards)
    right = arc(offset(start.line, LANE_M)[0], inwards, offset(end.line, -LANE_M)[0], outwards)
    lane = network.lane(
        network.border(Line.UNKNOWN, left), network.border(Line.UNKNOWN, right), speed_limit_mps=_LIMIT_MPS, turn=turn
    )
    network.link(start.lane_in, lane)
    network.link(lane, end.lane_out)
    return lane


def _over(line: np.ndarray, s: int) -> np.ndarray:
    """Return (2, 3) a line across an arm."""
    return np.stack([offset(line, side * _CURB_M)[s] for side in (-1.0, 1.0)])


def _rule(network: Network, arms: list[_Arm], lit: bool) -> None:
    """Give the lanes their stop lines and lights, or let the side road yield; who turns left waits in both cases."""
    red_s = _GREEN_S + _AMBER_S + 2.0 * _ALL_RED_S
    phases = ((int(Light.GREEN), _GREEN_S), (int(Light.AMBER), _AMBER_S), (int(Light.RED), red_s))
    for k, arm in enumerate(arms):
        stop = int(_STOP_M)
        ends = np.stack([offset(arm.line, 0.2)[stop], offset(arm.line, LANE_M - 0.1)[stop]])
        if lit:
            x, y, z = offset(arm.line, _CURB_M + 0.8)[stop]
            light = network.signal(((x, y, z + 2.8),), phases, 0.0 if k % 2 else _GREEN_S + _AMBER_S + _ALL_RED_S)
            network.changed(arm.lane_in, signal=light, stop_line=network.border(Line.STOP_LINE, ends))
        elif k % 2:
            network.changed(arm.lane_in, stop_line=network.border(Line.STOP_LINE, ends))
        opposite = arms[(k + 2) % 4]
        oncoming = (opposite.across[k], opposite.across[(k + 3) % 4])
        network.changed(arm.across[(k + 3) % 4], yields_to=(*oncoming, opposite.lane_in))
        if not lit and k % 2:
            main = [arms[i].across[j] for i in (0, 2) for j in arms[i].across]
            for lane in arm.across.values():
                network.changed(lane, yields_to=(*main, *oncoming))


def _ground(arms: list[_Arm], rng: np.random.Generator) -> HeightField:
    beds = np.concatenate([*(arm.line for arm in arms), [[0.0, 0.0, 0.0]]])
    low = beds[:, :2].min(axis=0) - 60.0
    rows, columns = (np.ceil(beds[:, :2].max(axis=0) + 60.0 - low)).astype(int) + 1
    shape = (int(rows), int(columns))
    natural = 1.2 * terrain.noise(shape, 40.0, rng) + 0.04 * terrain.noise(shape, 2.0, rng)
    heights = terrain.bedded(natural, terrain.places(low, 1.0, shape), beds, flat_m=16.0, blend_m=30.0)
    materials = terrain.patched(shape, {Material.CONCRETE: 0.15, Material.DIRT: 0.05}, 9.0, rng)
    return terrain.field_of(low, 1.0, heights, materials)


def _corners(arms: list[_Arm]) -> list[np.ndarray]:
    """Return the curb (N, 3) between each arm and the one to its left, the houses to its left."""
    found = []
    for k, arm in enumerate(arms):
        inwards, outwards = offset(arms[(k + 1) % 4].line, -_CURB_M)[::-1], offset(arm.line, _CURB_M)
        bend = arc(inwards[-1], inwards[-1, :2] - inwards[-2, :2], outwards[0], outwards[1, :2] - outwards[0, :2])
        found.append(np.concatenate([inwards[:-1], bend, outwards[1:]]))
    return found


def _areas(arms: list[_Arm]) -> list[Area]:
    areas = []
    for arm in arms:
        areas += strip(arm.line, -_CURB_M, _CURB_M, Material.ASPHALT, drivable=True)
    length = len(arms[0].line)
    rim = [corner[length - 2 : len(corner) - length + 2, :2] for corner in reversed(_corners(arms))]
    return [*areas, Area(np.concatenate(rim), Material.ASPHALT, drivable=True)]


def _paint(arms: list[_Arm], rng: np.random.Generator) -> list[Paint]:
    paint = []
    for arm in arms:
        paint += road_paint(arm.line[int(_STOP_M) :], float(rng.uniform(0.0, 0.1)), solid_middle=True)
        x, y, heading = place_on(arm.line[:, :2], 2)
        paint += zebra(np.array([x, y]) + 0.5 * np.array([np.cos(heading), np.sin(heading)]), heading, _CURB_M - 0.2)
        stop = int(_STOP_M)
        ends = np.stack([offset(arm.line, 0.2)[stop, :2], offset(arm.line, LANE_M - 0.1)[stop, :2]])
        paint.append(Paint(Line.STOP_LINE, ends, 0.45))
    return paint


def _town(arms: list[_Arm], ground: HeightField, lit: bool, rng: np.random.Generator) -> list[Solid]:
    solids = [scenery.sidewalk(corner, width_m=2.4) for corner in _corners(arms)]
    for arm in arms:
        for side in (-1.0, 1.0):
            solids += _houses(arm.line, side, ground, rng)
            for s in range(30, 130, 36):
                x, y, heading = place_on(offset(arm.line, side * (_CURB_M + 0.6))[:, :2], s)
                solids.append(scenery.lamp_post(np.array([x, y, arm.line[s, 2]]), heading - side * np.pi / 2))
                if rng.random() < 0.6:
                    xy = offset(arm.line, side * (_CURB_M + 1.6))[min(s + 12, 130), :2]
                    solids.append(scenery.tree(np.array([*xy, float(ground.height(xy))]), rng.uniform(4, 7), rng))
        if lit:
            x, y, heading = place_on(offset(arm.line, _CURB_M + 0.8)[:, :2], int(_STOP_M))
            solids.append(scenery.signal_post(np.array([x, y, arm.line[int(_STOP_M), 2]]), heading + np.pi))
    return solids


def _houses(line: np.ndarray, side: float, ground: HeightField, rng: np.random.Generator) -> list[Solid]:
    houses = []
    s = 16 + int(rng.integers(0, 5))
    while s < len(line) - 12:
        length, width, height = rng.uniform(10, 18), rng.uniform(8, 10), rng.uniform(5.0, 12.0)
        away = _CURB_M + 3.4 + rng.uniform(0, 1.5) + width / 2
        x, y, heading = place_on(offset(line, side * away)[:, :2], min(s + int(length / 2), len(line) - 2))
        red, green, blue = (float(part) for part in rng.uniform(0.4, 0.85, 3) * 0.4 + 0.45 * rng.random())
        at = np.array([x, y, float(ground.height(np.array([x, y])))])
        houses.append(scenery.building(at, heading, (length, width, height), (red, green, blue)))
        s += int(length + rng.uniform(2, 10))
    return houses


def _traffic(cast: Cast, arms: list[_Arm], rng: np.random.Generator) -> None:
    def way(start: int, end: int, start_m: float, kind: str, tows: int = 0) -> None:
        lanes = (arms[start].lane_in, arms[start].across[end], arms[end].lane_out)
        policy = Policy(Drive.LANES, float(rng.uniform(8.0, 10.5)), lanes, start_m=start_m)
        cast.add(kind, policy, tows=tows)

    way(0, 2, 72.0, 'car')
    way(0, int(rng.integers(1, 4)), 6.0, 'van')
    for start in (1, 2, 3):
        at = float(rng.uniform(85, 110))
        for _ in range(int(rng.integers(2, 4))):
            end = (start + int(rng.choice([1, 2, 2, 3]))) % 4
            way(start, end, at, str(rng.choice(['car', 'car', 'van', 'cyclist', 'bus'])))
            at -= float(rng.uniform(22, 34))
    trailer = cast.add('trailer', Policy())
    way(2, 0, 20.0, 'tractor', tows=trailer.id)


def _people(cast: Cast, arms: list[_Arm], rng: np.random.Generator) -> None:
    cycle_s = 2.0 * (_GREEN_S + _AMBER_S + _ALL_RED_S)
    for k, arm in enumerate(arms):
        across = np.stack([offset(arm.line, side * (_CURB_M + 1.4))[2, :2] for side in (-1.0, 1.0)])
        red_s = _GREEN_S + _AMBER_S if k % 2 else 0.0  # while this arm has red
        for number in range(int(rng.integers(1, 3))):
            ends = across if number == 0 else across[::-1]
            begins = red_s + float(rng.uniform(1.0, 4.0)) + cycle_s * int(rng.integers(0, 2))
            cast.add('pedestrian', Policy(Drive.WALK, 1.4, path=ends, starts_s=begins))
        for side in (-1.0, 1.0):
            walk = offset(arm.line, side * (_CURB_M + 1.3))[8:125, :2]
            way = walk if rng.random() < 0.5 else walk[::-1]
            cast.add('pedestrian', Policy(Drive.WALK, 1.3, path=way, start_m=float(rng.uniform(0, 80))))
