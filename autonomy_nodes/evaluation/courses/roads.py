"""Turns and roundabouts that a long truck can just get round, drawn from a seed.

EU law lets a truck turn within a ring of 12.5 m outside and 5.3 m inside (directive 96/53/EC, annex I). The places are
drawn about such rings: that which the vehicle sweeps in a settled turn, its front corner on a drawn radius of 12.5 m or
more, and a drawn room on both sides. What comes before and behind is proved by the witness of place.py.
"""

import math

import numpy as np

from autonomy_nodes.common.kinematics import steady_trailer_radius
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.courses.place import (
    STEP_M,
    WITNESS_M,
    Place,
    fill,
    painted,
    strip,
    wider,
    witnessed_m,
)

RADII_M, ROOM_M = (12.5, 18.0), (0.6, 1.2)  # of the front corner; beside the ring
ATTEMPTS = 60
BEHIND_M, BEFORE_M = 16.0, 30.0  # of the start: our trailer; the way to the turn
AFTER_M, BEYOND_M = 35.0, 30.0  # from the turn to the goal, and on
ARM_M = AFTER_M + BEYOND_M
OUTWARDS_M = (0.0, 0.4, 0.8, 1.2, 1.6, 2.0)
AROUND_M = 4.0


def ring_of(radius_m: float, vehicle: Vehicle) -> float:
    """Return the inner radius of the ring that is swept in a settled turn, the front corner on `radius_m`."""
    axle = math.sqrt(radius_m**2 - vehicle.front_m**2) - vehicle.width_m / 2.0
    return steady_trailer_radius(axle, vehicle) - vehicle.trailer.width_m / 2.0


def turn(seed: int, vehicle: Vehicle) -> Place:
    """Return a road that turns by about 90 degrees, as wide all along as the ring of the truck and the room beside."""
    rng = np.random.default_rng([seed, 60])
    for _ in range(ATTEMPTS):
        radius, room = float(rng.uniform(*RADII_M)), float(rng.uniform(*ROOM_M))
        side, angle = float(rng.choice([-1.0, 1.0])), math.radians(rng.uniform(80.0, 100.0))
        outer, inner = radius + room, ring_of(radius, vehicle) - room
        half, middle = 0.5 * (outer - inner), 0.5 * (outer + inner)
        count = math.ceil(middle * angle / STEP_M)
        turned = np.linspace(0.0, angle, count + 1)
        arc = np.column_stack([middle * np.sin(turned), side * middle * (1.0 - np.cos(turned))])
        line = np.concatenate([_straight((-BEHIND_M - BEFORE_M, 0.0), arc[0])[:-1], arc])
        ahead = np.array([math.cos(angle), side * math.sin(angle)])
        line = np.concatenate([line, _straight(arc[-1], arc[-1] + (AFTER_M + BEYOND_M) * ahead)[1:]])
        free, corner = painted(strip(line, -half, half), line, half + AROUND_M)
        kept = witnessed_m(wider(line[round(BEHIND_M / STEP_M) : -20], OUTWARDS_M), free, corner, vehicle)
        if kept >= WITNESS_M:
            facts = {'radius_m': radius, 'room_m': room, 'width_m': 2.0 * half, 'angle_deg': side * math.degrees(angle)}
            goal = arc[-1] + AFTER_M * ahead
            return Place('turn', seed, free, corner, line, (-BEFORE_M, 0.0, 0.0), goal, True, kept, facts)
    raise DataError(f'turn {seed}: no drawn place can be driven')


def roundabout(seed: int, vehicle: Vehicle) -> Place:
    """Return a roundabout of one lane, a way in and a way out; what leads the other way is not ours to drive on."""
    rng = np.random.default_rng([seed, 61])
    for _ in range(ATTEMPTS):
        radius, room = float(rng.uniform(*RADII_M)), float(rng.uniform(*ROOM_M))
        outer, inner = radius + room, ring_of(radius, vehicle) - room
        lane, entry, kerb = float(rng.uniform(4.5, 6.0)), float(rng.uniform(14.0, 26.0)), float(rng.uniform(9.0, 18.0))
        leaves = math.radians(rng.uniform(80.0, 280.0))  # where the way out is, counted from the way in
        middle, half = 0.5 * (outer + inner), 0.5 * lane
        first = math.atan2(half + entry, math.sqrt((middle + entry) ** 2 - (half + entry) ** 2))
        if leaves - 2.0 * first < 0.2:
            continue
        into = _branch(middle, half, entry)
        ring = _arc(np.zeros(2), middle, first, leaves - first)
        out = _turned(into[::-1] * (1.0, -1.0), leaves)
        line = _even(np.concatenate([into[:-1], ring, out[1:]]))
        arm = _arm(outer, inner, lane, kerb)
        shapes = [*arm, *(_turned(part * (1.0, -1.0), leaves) for part in arm), _circle(outer)]
        free, corner = painted(shapes, np.concatenate(shapes), AROUND_M)
        cells = free.astype(np.uint8)
        fill(cells, corner, _circle(inner), 0)
        free = cells.astype(bool)
        kept = witnessed_m(wider(line[12:-20], OUTWARDS_M), free, corner, vehicle)
        if kept >= WITNESS_M:
            facts = {'radius_m': radius, 'room_m': room, 'width_m': outer - inner, 'angle_deg': math.degrees(leaves)}
            start = (*line[round((ARM_M - BEFORE_M) / STEP_M)].tolist(), math.pi)
            goal = line[-round(BEYOND_M / STEP_M)]
            return Place('roundabout', seed, free, corner, line, start, goal, True, kept, facts)
    raise DataError(f'roundabout {seed}: no drawn place can be driven')


def _branch(middle: float, half: float, entry: float) -> np.ndarray:
    """Return the middle of the way in, from afar along the arm at y = half into the circle by a curve to the right."""
    across = math.sqrt((middle + entry) ** 2 - (half + entry) ** 2)
    straight = _straight((across + ARM_M, half), (across, half))
    centre = np.array([across, half + entry])
    last = math.atan2(half + entry, across) + math.pi
    return np.concatenate([straight[:-1], _arc(centre, entry, 1.5 * math.pi, last)])


def _arm(outer: float, inner: float, lane: float, kerb: float) -> list[np.ndarray]:
    """Return outlines of a way in: its lane, and the corner that a round kerb leaves between lane and circle."""
    across = math.sqrt((outer + kerb) ** 2 - (lane + kerb) ** 2)
    far = across + ARM_M + 10.0
    straight = np.array([[inner, 0.0], [far, 0.0], [far, lane], [inner, lane]])
    meets = math.atan2(lane + kerb, across)
    round_ = _arc(np.array([across, lane + kerb]), kerb, 1.5 * math.pi, meets + math.pi)
    inside = 0.5 * (inner + outer) * np.array([[math.cos(meets), math.sin(meets)], [1.0, 0.0]])
    return [straight, np.concatenate([[[across, 0.0]], round_, inside])]


def _arc(centre: np.ndarray, radius: float, first: float, last: float) -> np.ndarray:
    angles = np.linspace(first, last, max(math.ceil(radius * abs(last - first) / STEP_M), 2) + 1)
    return np.asarray(centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def _circle(radius: float) -> np.ndarray:
    return _arc(np.zeros(2), radius, 0.0, 2.0 * math.pi)


def _straight(begin: np.ndarray | tuple[float, float], end: np.ndarray | tuple[float, float]) -> np.ndarray:
    gap = np.subtract(end, begin)
    return np.asarray(begin) + np.linspace(0.0, 1.0, max(math.ceil(np.hypot(*gap) / STEP_M), 1) + 1)[:, None] * gap


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def _even(line: np.ndarray) -> np.ndarray:
    """Return a line with its points STEP_M apart."""
    gone = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0.0, gone[-1], round(gone[-1] / STEP_M) + 1)
    return np.column_stack([np.interp(at, gone, line[:, axis]) for axis in range(2)])
