"""Streets without a junction: wide ones with bicycles, narrow ones with parked cars and who hides behind."""

import numpy as np

from autonomy_nodes.sim.flow.drivers import drawn, parked
from autonomy_nodes.sim.flow.place import Entry, Place
from autonomy_nodes.sim.scenes.roads import curve, offset, place_on

WALK_M = 1.7
NARROW_M = 2.8  # of a street without paint a lane's share


def street(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a wide street: one or two lanes each way, bicycles, people along it, over it and at zebras."""
    lane_m = 3.4
    place, lanes = Place(lane_m=lane_m), int(rng.integers(1, 3))
    limit = float(rng.uniform(9.5, 16.0))
    axis = _axis(rng, 200, 280)
    half = lanes * lane_m + 1.4  # bicycles have a strip of their own
    cars = _lanes(place, axis, lanes, lane_m, limit)
    riders = [place.way(line, 6.0, room_m=(-0.3, 0.5)) for line in _both(axis, lanes * lane_m + 0.6)]
    _apart(place, riders, cars)
    _curbs(place, axis, half)
    for way in cars:
        _vehicles(place, way, limit, rng, difficulty, ('car', 'small', 'van', 'bus', 'truck'))
    for way in riders:
        _some(place, way, 'cyclist', 1.2 + 1.5 * difficulty, rng)
    _pavements(place, axis, half, rng, 2.5)
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.uniform(0.3, 0.75) * len(axis))
        _crossing(place, axis, at, half, [*cars, *riders], rng, 1.0 + 2.5 * difficulty)
    _jaywalkers(place, axis, half, [*cars, *riders], rng, 0.5 + 2.5 * difficulty, heed=1.0 - 0.3 * difficulty)
    return place


def narrow(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a street between parked cars, hardly wide enough for two; people step out from between them."""
    place, limit = Place(lane_m=NARROW_M), float(rng.uniform(7.0, 11.0))
    axis = _axis(rng, 130, 190)
    two_sides = bool(rng.random() < 0.5)
    half = float(rng.uniform(4.2, 5.4) if two_sides else rng.uniform(2.8, 3.4))
    aside = min(half - 3.5, 1.6) if two_sides else 1.5  # from the middle, clear of the cars that are parked
    cars = []
    for k, line in enumerate(_both(axis, aside)[: 2 if aside > 1.25 else 1]):  # else there is but one direction
        place.lanes[f'lane{k}'] = line
        room = (-1.4, 0.5) if two_sides else (-0.4, 2.3 if k == 0 else 0.4)
        cars.append(place.chain((f'lane{k}',), limit, room_m=room))
    place.apart |= {(a, b) for a in cars for b in cars}
    curbs = (half, half)
    place.edges += [offset(axis, -curbs[1]), offset(axis, curbs[0])]
    _parking(place, axis, curbs, two_sides, rng, 0.55 + 0.3 * difficulty)
    for way in cars:
        _vehicles(place, way, limit, rng, difficulty, ('car', 'small', 'small', 'van'), sparse=2.2)
        _some(place, way, 'cyclist', 0.5, rng, side=-0.4)
    _pavements(place, axis, max(curbs), rng, 1.5)
    if rng.random() < 0.4:
        _crossing(place, axis, int(rng.uniform(0.35, 0.7) * len(axis)), max(curbs), cars, rng, 1.0 + difficulty)
    _jaywalkers(place, axis, max(curbs), cars, rng, 1.0 + 3.0 * difficulty, heed=1.0 - 0.45 * difficulty)
    return place


def _axis(rng: np.random.Generator, low: int, high: int) -> np.ndarray:
    return curve(int(rng.integers(low, high)), rng.uniform(-1.0, 1.0, 4) / rng.uniform(90.0, 900.0), (0.0, 0.0, 0.0))


def _both(axis: np.ndarray, away: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a line each way, on the right."""
    return offset(axis, -away), offset(axis, away)[::-1]


def _lanes(place: Place, axis: np.ndarray, lanes: int, lane_m: float, limit: float) -> list[int]:
    ways: list[int] = []
    for side in range(2):
        row = []
        for k in range(lanes):
            line = _both(axis, (k + 0.5) * lane_m)[side]
            middle, names = len(line) // 2, (f'{side}.{k}.0', f'{side}.{k}.1')
            place.lanes[names[0]], place.lanes[names[1]] = line[: middle + 1], line[middle:]
            row.append(place.chain(names, limit, room_m=(-0.3, 0.7)))
        for left, right in zip(row, row[1:]):
            place.beside.append((left, 1, right, 0.0, place.ways[left].length_m - 30.0, False))
            place.beside.append((right, 0, left, 0.0, place.ways[right].length_m - 30.0, False))
        ways += row
    place.lines += [offset(axis, k * lane_m) for k in range(-lanes, lanes + 1)]
    return ways


def _apart(place: Place, some: list[int], others: list[int]) -> None:
    place.apart |= {(a, b) for a in [*some, *others] for b in [*some, *others]}


def _curbs(place: Place, axis: np.ndarray, half: float) -> None:
    place.edges += [offset(axis, side * half) for side in (-1.0, 1.0)]


def _vehicles(
    place: Place, way: int, limit: float, rng: np.random.Generator, difficulty: float, kinds: tuple[str, ...],
    sparse: float = 1.0,
) -> None:  # fmt: skip
    s = place.ways[way].length_m - float(rng.uniform(5.0, 60.0))
    while s > 8.0:
        member = drawn(str(rng.choice(kinds)), limit, difficulty, rng)
        place.entries.append(Entry(member, way, s, speed_mps=0.85 * min(limit, member.traits[3])))
        s -= member.traits[0] + 6.0 + float(rng.exponential((45.0 - 20.0 * difficulty) * sparse))
    time_s = -9.0
    while time_s < 20.0:
        time_s += 2.0 + float(rng.exponential((8.0 - 4.0 * difficulty) * sparse))
        member = drawn(str(rng.choice(kinds)), limit, difficulty, rng)
        place.entries.append(Entry(member, way, 1.0, time_s, speed_mps=0.85 * min(limit, member.traits[3])))


def _some(place: Place, way: int, kind: str, mean: float, rng: np.random.Generator, side: float = 0.0) -> None:
    taken: list[float] = []
    for _ in range(int(rng.poisson(mean))):
        s = float(rng.uniform(5.0, 0.8 * place.ways[way].length_m))
        if all(abs(s - one) > (9.0 if kind == 'cyclist' else 2.0) for one in taken):
            taken.append(s)
            aside = side if kind == 'cyclist' else float(rng.uniform(-0.6, 0.6))
            place.entries.append(Entry(drawn(kind, 1.4, 0.0, rng), way, s, side_m=aside))


def _pavements(place: Place, axis: np.ndarray, half: float, rng: np.random.Generator, mean: float) -> None:
    for line in _both(axis, half + WALK_M):
        for way_line in (offset(line, -0.8), offset(line, 0.8)[::-1]):
            way = place.way(way_line, 1.4, room_m=(-0.7, 0.7), on_foot=True)
            _some(place, way, 'pedestrian', mean, rng)


def _over(axis: np.ndarray, at: int, half: float, side: int, run: int) -> np.ndarray:
    """Return (N, 2) along a pavement, over the street and on along the other pavement."""
    first, last = offset(axis, half + WALK_M), offset(axis, -half - WALK_M)
    if side:
        first, last = last, first
    before, behind = first[max(at - run, 0) : max(at - 1, 1)], last[at + 2 : at + 2 + run]
    return np.concatenate([before, np.linspace(first[at], last[at], 8), behind])


def _crossing(
    place: Place, axis: np.ndarray, at: int, half: float, ways: list[int], rng: np.random.Generator, mean: float
) -> None:
    """Add a zebra crossing: vehicles wait for those who walk over it."""
    left, right = offset(axis, half), offset(axis, -half)
    place.crossings.append(np.array([left[at - 2], left[at + 2], right[at + 2], right[at - 2], left[at - 2]]))
    for side in range(2):
        way = place.way(_over(axis, at, half, side, 14), 1.4, room_m=(-1.0, 1.0), on_foot=True)
        place.yields |= {(other, way) for other in ways}
        for _ in range(int(rng.poisson(mean))):
            s = float(rng.uniform(0.0, 16.0))
            entry = Entry(drawn('pedestrian', 1.4, 0.0, rng), way, s, float(rng.uniform(-6.0, 12.0)))
            place.entries.append(entry)


def _jaywalkers(
    place: Place, axis: np.ndarray, half: float, ways: list[int], rng: np.random.Generator, mean: float, heed: float
) -> None:
    """Let people cross where they like; a share `heed` of them waits for a gap, the others trust that all see them."""
    for _ in range(int(rng.poisson(mean))):
        at = int(rng.uniform(0.2, 0.8) * len(axis))
        way = place.way(_over(axis, at, half, int(rng.integers(2)), 6), 1.4, room_m=(-0.5, 0.5), on_foot=True)
        if rng.random() < heed:
            place.yields |= {(way, other) for other in ways}
        time_s = float(rng.uniform(-4.0, 12.0))
        place.entries.append(Entry(drawn('pedestrian', 1.6, 0.0, rng), way, 0.0, time_s))


def _parking(
    place: Place, axis: np.ndarray, curbs: tuple[float, float], two_sides: bool, rng: np.random.Generator, share: float
) -> None:
    for side, curb in zip((1.0, -1.0), curbs):
        if side > 0.0 and not two_sides:
            continue
        s = float(rng.uniform(8.0, 14.0))
        while s < len(axis) - 12:
            member = parked(rng)
            if rng.random() < share:
                away = side * (curb - 0.5 * member.traits[1] - float(rng.uniform(0.1, 0.35)))
                x, y, heading = place_on(offset(axis, away), int(s + 0.5 * member.traits[0]))
                turned = heading + (np.pi if side > 0.0 else 0.0) + float(rng.normal(0.0, 0.02))
                place.entries.append(Entry(member, place=(x, y, turned)))
            s += float(member.traits[0]) + float(rng.uniform(0.9, 2.2))
