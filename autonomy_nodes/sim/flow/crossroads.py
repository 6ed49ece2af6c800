"""Junctions in a town: traffic lights, or a main road and those who give way or stop; people, bicycles, trucks."""

from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.sim.flow.drivers import Member, Mode, drawn
from autonomy_nodes.sim.flow.place import STOP_SIGN, Entry, Place
from autonomy_nodes.sim.scenes.roads import arc, curve, offset

KINDS = ('car', 'small', 'van', 'truck', 'bus', 'tractor', 'cyclist')
SHARES = (0.52, 0.2, 0.1, 0.05, 0.03, 0.02, 0.08)
AMBER_S, CLEAR_S = 3.0, 2.0
WALK_M = 1.9  # from the curb to where people walk
ZEBRA_M = (1.0, 4.0)  # from the end of the lanes
STOP_M = 5.5


@dataclass(frozen=True, eq=False)
class Arm:
    """One road that leads away. axis: (N, 2) outwards from where lanes begin; half_m: to its curb."""

    axis: np.ndarray
    heading: float
    lanes: int
    lane_m: float

    @property
    def half_m(self) -> float:
        """From the middle to the curb."""
        return self.lanes * self.lane_m + 0.4


@dataclass
class Crossroads:
    """What is being drawn. ways: {(from, lane, to): way}."""

    place: Place
    arms: list[Arm]
    limit_mps: float
    ways: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def turn(self, start: int, end: int) -> float:
        """Return how far one turns to the left from an arm to another, -pi to pi."""
        turn = self.arms[end].heading - self.arms[start].heading - np.pi
        return float((turn + np.pi) % (2.0 * np.pi) - np.pi)


def lights(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a junction with traffic lights; who turns left looks for a gap."""
    town = _drawn(rng, lanes=int(rng.integers(1, 3)))
    place = town.place
    green = rng.uniform(9.0, 22.0, 2)
    cycle = float(green.sum()) + 2.0 * (AMBER_S + CLEAR_S)
    begin = float(rng.uniform(0.0, cycle))
    shifts = (begin, begin - green[0] - AMBER_S - CLEAR_S)
    on_approach = bool(rng.random() < 0.5)  # maps name either the lane before the light or the one behind it
    signals, walks = [], []
    for group in range(2):
        rest = cycle - green[group] - AMBER_S
        phases = ((int(Light.GREEN), float(green[group])), (int(Light.AMBER), AMBER_S), (int(Light.RED), rest))
        signals.append(place.signal(phases, shifts[group] % cycle))
        go = max(float(green[1 - group]) - 7.0, 3.0)
        walks.append(place.signal(((int(Light.GREEN), go), (int(Light.RED), cycle - go)), shifts[1 - group] % cycle))
    for (start, lane, end), way in town.ways.items():
        signal = signals[start % 2]
        into, across = place.ways[way].lanes[:2]
        place.stops.append((way, place.arc_of(way, into) - STOP_M, signal))
        place.lights[into if on_approach else across] = signal
        _give_way(town, start, lane, end, way)
    _people(town, rng, difficulty, walks)
    _traffic(town, rng, difficulty, place_signals=True)
    return place


def signs(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a junction of a main road and one that gives way or stops."""
    town = _drawn(rng, lanes=1)
    place, stops = town.place, bool(rng.random() < 0.5)
    for (start, lane, end), way in town.ways.items():
        if start % 2:
            place.yields |= {(way, other) for (first, _, _), other in town.ways.items() if first % 2 == 0}
            if stops:
                into = place.ways[way].lanes[0]
                place.stops.append((way, place.arc_of(way, into) - STOP_M + 0.5, STOP_SIGN))
        _give_way(town, start, lane, end, way)
    _people(town, rng, difficulty, [])
    _traffic(town, rng, difficulty, place_signals=False)
    return place


def arms_of(
    rng: np.random.Generator, count: int, lanes: int, inner_m: float, length_m: int, lane_m: float
) -> list[Arm]:
    """Return arms about a middle, their angles and bends drawn; of three arms the third place stays empty."""
    found = []
    for k in range(count):
        heading = 0.5 * np.pi * k + float(rng.uniform(-0.15, 0.15))
        start = inner_m * np.array([np.cos(heading), np.sin(heading)])
        bends = np.array([0.0, 0.0, *rng.uniform(-1.0, 1.0, 3) / 220.0])
        axis = curve(length_m, bends, (float(start[0]), float(start[1]), heading))
        found.append(Arm(axis, heading, lanes, lane_m))
    return found


def draw_arm(place: Place, k: int, arm: Arm) -> None:
    """Add the lanes, lines and curbs of an arm; in{k}.{lane} lead in, out{k}.{lane} out, lane 0 by the middle."""
    for lane in range(arm.lanes):
        away = (lane + 0.5) * arm.lane_m
        place.lanes[f'in{k}.{lane}'] = offset(arm.axis, away)[::-1]
        place.lanes[f'out{k}.{lane}'] = offset(arm.axis, -away)
        if lane:
            place.lines += [offset(arm.axis[6:], side * lane * arm.lane_m) for side in (-1.0, 1.0)]
    place.lines.append(arm.axis[6:])


def joined(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (N, 2) from the end of one line round to the begin of another."""
    flat = [np.append(xy, 0.0) for xy in (start[-1], end[0])]
    return arc(flat[0], start[-1] - start[-2], flat[1], end[1] - end[0])[:, :2]


def _drawn(rng: np.random.Generator, lanes: int) -> Crossroads:
    lane_m, count = float(rng.uniform(3.1, 3.6)), 4 if rng.random() < 0.75 else 3
    inner = lanes * lane_m + float(rng.uniform(6.0, 9.0))
    length = int(rng.integers(90, 155))
    arms = arms_of(rng, count, lanes, inner, length, lane_m)
    town = Crossroads(Place(lane_m=lane_m), arms, float(rng.uniform(10.0, 18.0)))
    place = town.place
    for k, arm in enumerate(town.arms):
        draw_arm(place, k, arm)
        left, right = offset(arm.axis, arm.half_m), offset(arm.axis, -arm.half_m)
        if arm.heading + 1.8 > town.arms[(k + 1) % count].heading % (2 * np.pi + 0.2) or count == 4:
            beyond = offset(town.arms[(k + 1) % count].axis, -town.arms[(k + 1) % count].half_m)
            place.edges.append(np.concatenate([left[::-1], joined(left[::-1], beyond)[1:-1], beyond]))
        else:
            place.edges += [left, right] if k == count - 1 else [left]
        first, last = (int(s) for s in ZEBRA_M)
        corners = np.array([left[first], left[last], right[last], right[first], left[first]])
        place.crossings.append(corners)
    for i in range(count):
        for j in range(count):
            if i != j:
                _link(town, i, j)
    return town


def _link(town: Crossroads, i: int, j: int) -> None:
    """Add the ways from an arm to another: left from the inner lane, right from the outer one, straight on from all."""
    lanes, turn = town.arms[i].lanes, town.turn(i, j)
    chosen = range(lanes) if abs(turn) < 0.8 else [0 if turn > 0.0 else lanes - 1]
    for lane in chosen:
        start, end = f'in{i}.{lane}', f'out{j}.{lane}'
        across = f'x{i}.{lane}-{j}'
        town.place.lanes[across] = joined(town.place.lanes[start], town.place.lanes[end])
        room = (-0.4, 1.0 if lanes == 1 else 0.5)
        town.ways[i, lane, j] = town.place.chain((start, across, end), town.limit_mps, room_m=room)


def _give_way(town: Crossroads, start: int, lane: int, end: int, way: int) -> None:
    """Let who turns left wait for those who come towards him, unless these turn left themselves."""
    if town.turn(start, end) < 0.8:
        return
    for (first, _, last), other in town.ways.items():
        towards = abs(town.turn(start, first)) < 0.8
        if first != start and towards and town.turn(first, last) < 0.8:
            town.place.yields.add((way, other))


def _people(town: Crossroads, rng: np.random.Generator, difficulty: float, walks: list[int]) -> None:
    """Let people walk round corners and over crossings; at a light they wait for theirs, else vehicles wait."""
    place, count = town.place, len(town.arms)
    middle = int(sum(ZEBRA_M) / 2.0)
    for k, arm in enumerate(town.arms):
        away = arm.half_m + WALK_M
        near, far = offset(arm.axis, away), offset(arm.axis, -away)
        nearer = offset(arm.axis, -away)
        for side in range(2):
            inwards, outwards = (near, far) if side == 0 else (nearer, near)
            shift = -0.6 if side == 0 else 0.6
            across = np.linspace(inwards[middle], outwards[middle], 8) + shift * (arm.axis[5] - arm.axis[4])
            walk = np.concatenate([inwards[middle + 2 : 45][::-1], across, outwards[middle + 2 : 45]])
            way = place.way(walk, 1.4, room_m=(-0.9, 0.9), on_foot=True)
            if walks:
                first = np.argmin(np.hypot(*(place.ways[way].points - across[0]).T))
                place.stops.append((way, float(first) + WALK_M - 0.8, walks[k % 2]))
            place.yields |= {(other, way) for other in town.ways.values()}
            _walkers(place, way, rng, 1.0 + 3.0 * difficulty, aside=0.5)
        if count == 4 or k < 2:
            beyond = offset(town.arms[(k + 1) % count].axis, -town.arms[(k + 1) % count].half_m - WALK_M)[3:60]
            corner = near[3:60][::-1]
            walk = np.concatenate([corner, joined(corner, beyond)[1:-1], beyond])
            for line in (walk, walk[::-1]):
                way = place.way(offset(line, -0.7), 1.4, room_m=(-0.7, 0.7), on_foot=True)
                _walkers(place, way, rng, 1.2, aside=0.4)


def _walkers(place: Place, way: int, rng: np.random.Generator, mean: float, aside: float) -> None:
    taken: list[float] = []
    for _ in range(int(rng.poisson(mean))):
        s = float(rng.uniform(0.0, 0.9 * place.ways[way].length_m))
        if all(abs(s - one) > 2.5 for one in taken):
            taken.append(s)
            member = drawn('pedestrian', 1.4, 0.0, rng)
            place.entries.append(Entry(member, way, s, -np.inf, float(rng.uniform(-aside, aside))))


def _traffic(town: Crossroads, rng: np.random.Generator, difficulty: float, place_signals: bool) -> None:
    """Put vehicles on the lanes that lead in, and let more come."""
    place, each_s = town.place, 13.0 - 7.5 * difficulty
    for i, arm in enumerate(town.arms):
        for lane in range(arm.lanes):
            chosen = [way for (start, at, _), way in town.ways.items() if start == i and at == lane]
            quiet = 2.0 if not place_signals and i % 2 else 1.0
            leaving(place, [way for (_, _, end), way in town.ways.items() if end == i], town.limit_mps, difficulty, rng)
            s = len(place.lanes[f'in{i}.{lane}']) - 12.0 - float(rng.exponential(12.0))
            while s > 10.0:
                member = _member(rng, town.limit_mps, difficulty)
                place.entries.append(_entry(place, member, int(rng.choice(chosen)), s, -np.inf, rng))
                s -= member.traits[0] + member.traits[-1] + 5.0 + float(rng.exponential(24.0 * quiet))
            time_s = -9.0
            while time_s < 20.0:
                time_s += 1.5 + float(rng.exponential(each_s * quiet))
                member = _member(rng, town.limit_mps, difficulty)
                place.entries.append(_entry(place, member, int(rng.choice(chosen)), 1.0, time_s, rng))


def leaving(place: Place, ways: list[int], limit: float, difficulty: float, rng: np.random.Generator) -> None:
    """Put somebody on the lanes that lead away."""
    for _ in range(int(rng.poisson(1.0 + difficulty))):
        way, member = int(rng.choice(ways)), _member(rng, limit, difficulty)
        place.entries.append(_entry(place, member, way, rng.uniform(0.6, 0.9) * place.ways[way].length_m, -np.inf, rng))


def _entry(
    place: Place, member: Member, way: int, s: float, time_s: float, rng: np.random.Generator
) -> Entry:
    rides = member.mode == Mode.RIDES
    side = -float(rng.uniform(0.7, 1.1)) if rides else 0.0
    speed = float(rng.uniform(0.6, 0.95)) * min(place.ways[way].limit_mps, member.traits[3])
    return Entry(member, way, s, time_s, side, speed)


def _member(rng: np.random.Generator, limit: float, difficulty: float) -> Member:
    return drawn(str(rng.choice(KINDS, p=SHARES)), limit, difficulty, rng)
