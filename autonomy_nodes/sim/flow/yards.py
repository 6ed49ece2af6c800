"""Open ground without lanes: a yard with trucks and people, and tracks over fields that cross."""

import numpy as np

from autonomy_nodes.sim.flow.drivers import drawn, parked
from autonomy_nodes.sim.flow.place import Entry, Place
from autonomy_nodes.sim.scenes.roads import curve

FIELD_M = 55.0


def yard(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a yard or open ground: vehicles and people on winding ways; who comes from the right goes first."""
    place, fenced = Place(), bool(rng.random() < 0.6)
    if fenced:
        a, b = rng.uniform(1.15, 1.35, 2) * FIELD_M
        corners = np.array([[-a, -b], [a, -b], [a, b], [-a, b], [-a, -b]])
        place.edges += [corners[k : k + 2] for k in range(4)]
    count = int(rng.integers(5, 9 + int(5 * difficulty)))
    limit = float(rng.uniform(3.5, 6.0)) if fenced else float(rng.uniform(4.5, 10.0))
    kinds = ('car', 'van', 'small', 'truck', 'tractor', 'tractor') if fenced else ('car', 'small', 'van', 'truck')
    ways, headings = [], []
    for k in range(count):
        way, heading = _winding(place, rng, limit, k)
        ways.append(way)
        headings.append(heading)
        member = drawn(str(rng.choice(kinds)), limit, difficulty, rng)
        member.traits[12] *= 1.2
        time_s, speed = float(rng.uniform(-6.0, 9.0)), 0.7 * limit
        place.entries.append(Entry(member, way, 14.0 if member.tows else 2.0, time_s, 0.0, speed))
    for k, one in enumerate(ways):
        for j, other in enumerate(ways):
            turn = np.sin(headings[j] - headings[k])
            if j != k and (turn > 0.2 or (abs(turn) <= 0.2 and j < k)):
                place.yields.add((one, other))
    on_foot = [_walk(place, rng) for _ in range(int(rng.poisson(2.0 + 4.0 * difficulty)))]
    place.yields |= {(way, walk) for way in ways for walk in on_foot}
    if fenced:
        for _ in range(int(rng.integers(0, 8))):
            _left(place, rng)
    return place


def _winding(place: Place, rng: np.random.Generator, limit: float, k: int) -> tuple[int, float]:
    """Add a way through the middle of the ground, at about an angle of its own."""
    heading = float(rng.uniform(-np.pi, np.pi))
    aside = float(rng.uniform(-0.6, 0.6)) * FIELD_M
    length = 1.9 * FIELD_M
    ahead = np.array([np.cos(heading), np.sin(heading)])
    begin = -0.95 * FIELD_M * ahead + aside * np.array([-ahead[1], ahead[0]])
    bends = rng.uniform(-1.0, 1.0, 6) / rng.uniform(16.0, 60.0)
    bends -= bends.mean()
    line = curve(length, bends, (float(begin[0]), float(begin[1]), heading))
    return place.way(line, limit, room_m=(-1.5, 1.5)), heading


def _walk(place: Place, rng: np.random.Generator) -> int:
    heading, start = float(rng.uniform(-np.pi, np.pi)), rng.uniform(-0.6, 0.6, 2) * FIELD_M
    line = curve(35.0, rng.uniform(-1.0, 1.0, 4) / 12.0, (float(start[0]), float(start[1]), heading))
    way = place.way(line, 1.4, room_m=(-1.0, 1.0), on_foot=True)
    place.entries.append(Entry(drawn('pedestrian', 1.4, 0.0, rng), way, 0.0, float(rng.uniform(-6.0, 9.0))))
    return way


def _left(place: Place, rng: np.random.Generator) -> None:
    """Leave a parked vehicle where no way leads."""
    for _ in range(8):
        xy, member = rng.uniform(-0.9, 0.9, 2) * FIELD_M, parked(rng)
        others = [np.array(entry.place[:2]) for entry in place.entries if entry.place is not None]
        free = all(np.hypot(*(way.points - xy).T).min() > 4.5 for way in place.ways)
        if free and all(np.hypot(*(xy - other)) > 6.5 for other in others):
            place.entries.append(Entry(member, place=(float(xy[0]), float(xy[1]), float(rng.uniform(-np.pi, np.pi)))))
            return
