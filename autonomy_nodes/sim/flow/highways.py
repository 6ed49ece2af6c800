"""Roads of several lanes each way: changes of lanes, on-ramps, exits, lanes that end; free, dense, stop and go."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.sim.flow.drivers import Member, drawn
from autonomy_nodes.sim.flow.place import WALL, Entry, Place
from autonomy_nodes.sim.scenes.roads import curve, offset

PIECE_M = 110  # of a lane, as maps cut them
KINDS = ('car', 'small', 'van', 'truck', 'tractor')
SHARES = (0.56, 0.2, 0.08, 0.08, 0.08)  # right lanes have more of the heavy ones


@dataclass(frozen=True, eq=False)
class _Road:
    """One carriageway: its middle line, ways of its lanes from left to right, what is allowed there."""

    axis: np.ndarray
    ways: list[int]
    limit_mps: float
    lane_m: float


def highway(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a motorway that flows."""
    place, lanes = Place(), int(rng.integers(2, 5))
    density = float(rng.uniform(8.0, 14.0 + 18.0 * difficulty))
    length = int(rng.integers(480, 760))
    line = curve(length, rng.uniform(-1.0, 1.0, 4) / rng.uniform(500.0, 3000.0), (0.0, 0.0, 0.0))
    limit = float(rng.choice([22.0, 25.0, 28.0, 31.0, 34.0]))
    road = _carriageway(place, line, lanes, limit, 'a')
    if rng.random() < 0.4 + 0.4 * difficulty:
        _ramp(place, road, rng, difficulty)
    if rng.random() < 0.35:
        _exit(place, road, rng)
    elif rng.random() < 0.25 and lanes > 2:
        place.stops.append((road.ways[-1], float(rng.uniform(0.55, 0.75)) * length, WALL))
    _fill(place, road, density, rng, difficulty)
    if rng.random() < 0.3:
        away = (lanes + 1) * road.lane_m + float(rng.uniform(2.0, 8.0))
        other = _carriageway(place, offset(line, away)[::-1], lanes, limit, 'b')
        _fill(place, other, 0.6 * density, rng, difficulty)
    return place


def jam(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a road that is full: stop and go, with a wave of slower ones running through it."""
    place, lanes = Place(), int(rng.integers(2, 6))
    length = int(rng.integers(230, 340))
    line = curve(length, rng.uniform(-1.0, 1.0, 4) / rng.uniform(300.0, 2000.0), (0.0, 0.0, 0.0))
    limit = float(rng.choice([14.0, 18.0, 22.0, 27.0]))
    road = _carriageway(place, line, lanes, limit, 'a')
    if rng.random() < 0.5:
        _ramp(place, road, rng, difficulty)
    _fill(place, road, float(rng.uniform(38.0, 60.0 + 35.0 * difficulty)), rng, difficulty)
    return place


def _carriageway(place: Place, line: np.ndarray, lanes: int, limit: float, name: str) -> _Road:
    lane_m, ways = 3.6, []
    place.lane_m = lane_m
    for k in range(lanes):
        centre = offset(line, ((lanes - 1) / 2.0 - k) * lane_m)
        cuts = np.linspace(0, len(centre) - 1, max(len(centre) // PIECE_M, 1) + 1).astype(int)
        names = [f'{name}{k}.{piece}' for piece in range(len(cuts) - 1)]
        for piece, first, last in zip(names, cuts[:-1], cuts[1:]):
            place.lanes[piece] = centre[first : last + 1]
        ways.append(place.chain(names, limit * (1.06 - 0.05 * k), room_m=(-0.3, 0.3)))
    for k in range(lanes + 1):
        edge = offset(line, (lanes / 2.0 - k) * lane_m)
        place.lines.append(edge)
    for side in (-1.0, 1.0):
        place.edges.append(offset(line, side * (lanes / 2.0 * lane_m + 2.0)))
    for left, right in zip(ways, ways[1:]):
        place.beside.append((left, 1, right, 0.0, place.ways[left].length_m - 60.0, False))
        place.beside.append((right, 0, left, 0.0, place.ways[right].length_m - 60.0, False))
    return _Road(line, ways, limit, lane_m)


def _besides(road: _Road, lane: float) -> float:
    """Return how far left of the axis the middle of a lane is, lanes counted from the left."""
    return ((len(road.ways) - 1) / 2.0 - lane) * road.lane_m


def _ramp(place: Place, road: _Road, rng: np.random.Generator, difficulty: float) -> None:
    """Let a lane come in from the right, run along for a while and end."""
    length = len(road.axis)
    begins = int(rng.uniform(0.25, 0.4) * length)
    ends = begins + int(min(rng.uniform(110.0, 260.0 - 90.0 * difficulty), length - begins - 90))
    first = max(begins - 140, 0)
    s = np.arange(first, ends)
    share = np.clip((begins - s) / 150.0, 0.0, 1.0)
    away = _besides(road, len(road.ways)) - 30.0 * share**2 * (1.5 - 0.5 * share)
    line = offset(road.axis[first:ends], away)
    place.lanes['ramp.0'], place.lanes['ramp.1'] = line[: begins - first + 1], line[begins - first :]
    for side in (-1.0, 1.0):
        place.lines.append(offset(line[: begins - first] if side > 0 else line, side * road.lane_m / 2.0))
    way = place.chain(('ramp.0', 'ramp.1'), 0.85 * road.limit_mps)
    place.stops.append((way, place.ways[way].length_m - 2.0, WALL))
    along = float(begins - first)
    place.beside.append((way, 0, road.ways[-1], along - 5.0, place.ways[way].length_m, False))
    time_s, speed = -8.0, 0.75 * road.limit_mps
    while time_s < 22.0:
        member = drawn(str(rng.choice(KINDS[:4])), 0.95 * road.limit_mps, difficulty, rng)
        place.entries.append(Entry(member, way, 0.0, time_s, speed_mps=speed, aim=road.ways[-1]))
        time_s += 1.5 + float(rng.exponential(6.0 - 3.5 * difficulty))


def _exit(place: Place, road: _Road, rng: np.random.Generator) -> None:
    """Let a lane begin on the right and lead away."""
    length = len(road.axis)
    begins = int(rng.uniform(0.45, 0.6) * length)
    s = np.arange(begins, length)
    share = np.clip((s - begins - 130.0) / 150.0, 0.0, 1.0)
    line = offset(road.axis[begins:], _besides(road, len(road.ways)) - 30.0 * share**2)
    place.lanes['exit'] = line
    place.lines.append(offset(line, -road.lane_m / 2.0))
    way = place.chain(('exit',), 0.75 * road.limit_mps)
    place.beside.append((road.ways[-1], 1, way, begins + 5.0, begins + 130.0, True))


def _fill(place: Place, road: _Road, density: float, rng: np.random.Generator, difficulty: float) -> None:
    """Put vehicles on the lanes, so many a kilometre, and let as many come in; who exits is drawn."""
    exits = [other for way, _, other, _, _, aim in place.beside if aim and way == road.ways[-1]]
    slow = float(rng.uniform(0.5, 1.0))
    for k, way in enumerate(road.ways):
        spacing = 1000.0 / (density * float(rng.uniform(0.8, 1.2)))
        headway = float(rng.uniform(1.0, 1.5))
        flowing = min(road.limit_mps * (1.03 - 0.05 * k), max((spacing - 7.0) / headway, 0.7) * slow)
        s = place.ways[way].length_m - float(rng.uniform(2.0, 40.0))
        wall = min([at for on, at, signal in place.stops if on == way and signal == WALL], default=np.inf)
        while s > 3.0:
            member = _member(rng, road, k, difficulty)
            if s < wall - 60.0:
                aim = exits[0] if exits and rng.random() < (0.25 if k == len(road.ways) - 1 else 0.08) else -1
                place.entries.append(Entry(member, way, s, speed_mps=flowing, aim=aim))
            towed = member.traits[-1]
            s -= member.traits[0] + towed + 3.0 + float(rng.gamma(2.5, max(spacing - 9.0, 1.5) / 2.5))
        time_s = -7.5
        while time_s < 20.0:
            time_s += max(spacing / max(flowing, 2.0) * float(rng.gamma(3.0, 1.0 / 3.0)), 1.0)
            aim = exits[0] if exits and rng.random() < 0.1 else -1
            place.entries.append(Entry(_member(rng, road, k, difficulty), way, 0.0, time_s, speed_mps=flowing, aim=aim))


def _member(rng: np.random.Generator, road: _Road, lane: int, difficulty: float) -> Member:
    shares = np.array(SHARES)
    shares[3:] *= 0.2 if lane == 0 and len(road.ways) > 1 else 0.5 + lane
    kind = str(rng.choice(KINDS, p=shares / shares.sum()))
    return drawn(kind, road.limit_mps * (1.06 - 0.05 * lane), difficulty, rng)
