"""Roundabouts of one lane: who comes in gives way."""

import numpy as np

from autonomy_nodes.sim.flow.crossroads import KINDS, SHARES, Arm, arms_of, draw_arm, joined, leaving
from autonomy_nodes.sim.flow.drivers import Mode, drawn
from autonomy_nodes.sim.flow.place import Entry, Place
from autonomy_nodes.sim.scenes.roads import offset

LANE_M, LIMIT_MPS = 3.6, 13.0
BRANCH_RAD = 0.5  # from an arm to where its lanes meet the circle


def roundabout(rng: np.random.Generator, difficulty: float) -> Place:
    """Return a roundabout of three or four arms."""
    place, radius = Place(lane_m=LANE_M), float(rng.uniform(13.0, 21.0))
    count = 4 if rng.random() < 0.7 else 3
    arms = arms_of(rng, count, 1, radius + 14.0, int(rng.integers(80, 130)), LANE_M)
    _circle(place, arms, radius)
    ways = {(i, j): _way(place, i, j, count) for i in range(count) for j in range(count) if i != j}
    for (i, _), way in ways.items():
        passed = {other for (first, _), other in ways.items() if first != i and _passes(place, other, i)}
        place.yields |= {(way, other) for other in passed}
    for arm in arms:
        _walks(place, arm, list(ways.values()), rng, difficulty)
    for i in range(count):
        chosen = [way for (start, _), way in ways.items() if start == i]
        leaving(place, [way for (_, end), way in ways.items() if end == i], LIMIT_MPS, difficulty, rng)
        s = float(rng.uniform(25.0, 50.0))
        while s > 8.0:
            _vehicle(place, chosen, s, -np.inf, rng, difficulty)
            s -= float(rng.uniform(14.0, 32.0))
        time_s = -9.0
        while time_s < 20.0:
            time_s += 1.5 + float(rng.exponential(12.0 - 6.5 * difficulty))
            _vehicle(place, chosen, 1.0, time_s, rng, difficulty)
    return place


def _vehicle(
    place: Place, ways: list[int], s: float, time_s: float, rng: np.random.Generator, difficulty: float
) -> None:
    member = drawn(str(rng.choice(KINDS, p=SHARES)), LIMIT_MPS, difficulty, rng)
    side = -0.8 if member.mode == Mode.RIDES else 0.0
    speed = 0.8 * min(member.traits[3], LIMIT_MPS)
    place.entries.append(Entry(member, int(rng.choice(ways)), s, time_s, side, speed))


def _ring(radius: float, first: float, last: float) -> np.ndarray:
    angles = np.linspace(first, last, max(int(radius * (last - first)), 4))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle(place: Place, arms: list[Arm], radius: float) -> None:
    """Add the lanes: round{k} from arm k on, past{k} before arm k, into{k} and leave{k} between arms and circle."""
    for k, arm in enumerate(arms):
        draw_arm(place, k, arm)
        beyond = arms[(k + 1) % len(arms)].heading + (2.0 * np.pi if k + 1 == len(arms) else 0.0)
        place.lanes[f'round{k}'] = _ring(radius, arm.heading + BRANCH_RAD, beyond - BRANCH_RAD)
        place.lanes[f'past{k}'] = _ring(radius, arm.heading - BRANCH_RAD, arm.heading + BRANCH_RAD)
        place.lanes[f'into{k}'] = joined(place.lanes[f'in{k}.0'], place.lanes[f'round{k}'])
        place.lanes[f'leave{k}'] = joined(place.lanes[f'past{k}'][:2], place.lanes[f'out{k}.0'])
        place.edges += [offset(arm.axis, side * arm.half_m) for side in (-1.0, 1.0)]
        outer = _ring(radius + 2.6, arm.heading + 0.5, beyond - 0.5)
        place.edges.append(outer)
    place.edges.append(_ring(radius - 2.4, 0.0, 2.0 * np.pi))


def _way(place: Place, i: int, j: int, count: int) -> int:
    names, k = [f'in{i}.0', f'into{i}', f'round{i}'], i
    while (k + 1) % count != j:
        k = (k + 1) % count
        names += [f'past{k}', f'round{k}']
    return place.chain([*names, f'leave{j}', f'out{j}.0'], LIMIT_MPS, room_m=(-0.4, 0.4))


def _passes(place: Place, way: int, arm: int) -> bool:
    return f'past{arm}' in place.ways[way].lanes


def _walks(place: Place, arm: Arm, ways: list[int], rng: np.random.Generator, difficulty: float) -> None:
    """Let people walk over a zebra crossing on each arm."""
    near, far = (offset(arm.axis, side * (arm.half_m + 1.8)) for side in (1.0, -1.0))
    left, right = (offset(arm.axis, side * arm.half_m) for side in (1.0, -1.0))
    place.crossings.append(np.array([left[4], left[7], right[7], right[4], left[4]]))
    for begin, end in ((near, far), (far, near)):
        walk = np.concatenate([begin[8:40][::-1], np.linspace(begin[6], end[6], 6), end[8:40]])
        way = place.way(offset(walk, -0.6), 1.4, room_m=(-0.8, 0.8), on_foot=True)
        place.yields |= {(other, way) for other in ways}
        for _ in range(int(rng.poisson(0.6 + difficulty))):
            s = float(rng.uniform(0.0, 0.8 * place.ways[way].length_m))
            member, aside = drawn('pedestrian', 1.4, 0.0, rng), float(rng.uniform(-0.5, 0.5))
            place.entries.append(Entry(member, way, s, side_m=aside))
