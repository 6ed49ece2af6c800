"""A road full of road users, made of a seed: four lanes in a bend, 32 who each may go six ways, terrain about it.

It is as hard as a planner may meet it: nobody does the same in two joint modes, and all are near the road. Ours is one
of three lanes in our direction, beyond the left one somebody comes; on the right stand and walk people.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LaneMatch, LanePieces, Line
from autonomy_nodes.common.objects import Label, Objects, Predictions, SceneModes
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import SECOND_NS, EgoState, Trajectory
from autonomy_nodes.planning.situation import Situation

MODES, STEPS, STEP_S = 6, 17, 0.5
CHANCES = (0.3, 0.22, 0.16, 0.13, 0.11, 0.08)  # of the joint modes: each counts
LANE_M, LIMIT_MPS = 3.5, 13.9
LEFT_M, RIGHT_M = 2.5 * LANE_M, -1.5 * LANE_M  # where the road ends
LANES = ((7, 0.0), (8, LANE_M), (9, -LANE_M))  # ids and offsets of those in our direction
NEAR, FAR = (256, 0.4, 25.6), (224, 0.8, 62.0)  # cells, their size, the middle before us: what perception publishes
TICK_NS = SECOND_NS // 10
VEHICLE, ONCOMING, CYCLIST, PERSON = range(4)
COUNTS = {VEHICLE: 16, ONCOMING: 6, CYCLIST: 4, PERSON: 6}
SIZES_M = {VEHICLE: (4.6, 1.85, 1.6), ONCOMING: (4.6, 1.85, 1.6), CYCLIST: (1.8, 0.6, 1.7), PERSON: (0.6, 0.6, 1.7)}
LABELS = {VEHICLE: Label.CAR, ONCOMING: Label.CAR, CYCLIST: Label.BICYCLE, PERSON: Label.PEDESTRIAN}


@dataclass(frozen=True)
class Bend:
    """A road that begins at the origin along x and turns by so much a metre."""

    curvature: float

    def at(self, along_m: np.ndarray, left_m: np.ndarray) -> np.ndarray:
        """Return (..., 3) x y heading of the road at (...) metres along it and beside it."""
        heading = self.curvature * np.asarray(along_m, float)
        radius = 1.0 / self.curvature - left_m
        return np.stack(np.broadcast_arrays(
            radius * np.sin(heading), 1.0 / self.curvature - radius * np.cos(heading), heading
        ), axis=-1)  # fmt: skip

    def beside(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres left of the road of (..., 2) places."""
        centre = np.array([0.0, 1.0 / self.curvature])
        away = np.linalg.norm(xy - centre, axis=-1)
        return np.sign(self.curvature) * (1.0 / abs(self.curvature) - away)


@dataclass(frozen=True, eq=False)
class Crowd:
    """32 road users on a bend: where they begin, and how each goes in each joint mode.

    kinds: (N,). along_m, left_m, speeds_mps: (N,). pushes_mps2, ends_m: (N, K) acceleration, and offset in the end.
    """

    bend: Bend
    kinds: np.ndarray
    along_m: np.ndarray
    left_m: np.ndarray
    speeds_mps: np.ndarray
    pushes_mps2: np.ndarray
    ends_m: np.ndarray


def crowd_of(seed: int) -> Crowd:
    """Return a bend and who is on it."""
    random = np.random.default_rng([seed, 5])
    bend = Bend(random.choice([-1.0, 1.0]) / random.uniform(150.0, 400.0))
    kinds = np.repeat(list(COUNTS), list(COUNTS.values()))
    places = np.array([place for kind in COUNTS for place in _places(kind, random)])
    count = len(kinds)
    speeds = np.choose(kinds, [
        random.uniform(8.0, 12.5, count), random.uniform(-13.0, -9.0, count), random.uniform(3.0, 6.0, count),
        random.uniform(-0.8, 1.5, count),
    ])  # fmt: skip
    pushes = random.uniform(-2.5, 1.0, (count, MODES)) * np.where(kinds == PERSON, 0.1, 1.0)[:, None]
    left = places[:, 1]
    aside = random.choice([0.0, 0.0, LANE_M, -LANE_M], (count, MODES)) * np.isin(kinds, (VEHICLE, PERSON))[:, None]
    ends = np.where((kinds == PERSON)[:, None], left[:, None] + aside, np.clip(left[:, None] + aside, -LANE_M, LANE_M))
    ends = np.where(np.isin(kinds, (ONCOMING, CYCLIST))[:, None], left[:, None], ends)
    ends = ends + random.uniform(-0.2, 0.2, ends.shape)
    return Crowd(bend, kinds, places[:, 0], left, speeds, pushes, ends)


def situation_of(crowd: Crowd, ego: EgoState, wheel_rad: float, grids: tuple[Grid, Grid], after_s: float) -> Situation:
    """Return what a planner is told at `ego` when `after_s` have passed since the crowd was there."""
    chances = np.array(CHANCES)
    match = LaneMatch(
        ego.stamp_ns, np.array([LANES[0][0]]), np.zeros(1), np.zeros(1), np.zeros(1), np.array([0.95]),
        np.array([0.2]), np.array([LIMIT_MPS]),
    )  # fmt: skip
    return Situation(
        ego, predictions_of(crowd, ego.stamp_ns, after_s), SceneModes(ego.stamp_ns, chances), None, *grids,
        pieces_of(crowd.bend, ego), match, steering=Steering(ego.stamp_ns, wheel_rad),
    )  # fmt: skip


def predictions_of(crowd: Crowd, stamp_ns: int, after_s: float) -> Predictions:
    """Return the crowd, each going on evenly until now, and six ways of each from now on."""
    kinds, count = crowd.kinds, len(crowd.kinds)
    along = crowd.along_m + crowd.speeds_mps * after_s
    times = STEP_S * np.arange(STEPS)
    pace, forward = np.abs(crowd.speeds_mps)[:, None, None], np.sign(crowd.speeds_mps)[:, None, None]
    speeds = forward * np.maximum(pace + crowd.pushes_mps2[..., None] * times, 0.0)
    gone = np.concatenate(
        [np.zeros((count, MODES, 1)), np.cumsum(0.5 * (speeds[..., 1:] + speeds[..., :-1]) * STEP_S, axis=-1)], axis=-1
    )
    share = np.clip(times / 4.0, 0.0, 1.0)
    share = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    left = crowd.left_m[:, None, None] + (crowd.ends_m - crowd.left_m[:, None])[..., None] * share
    paths = crowd.bend.at(along[:, None, None] + gone, left)
    paths[..., 2] += np.where(crowd.speeds_mps < 0.0, np.pi, 0.0)[:, None, None]
    classes = np.zeros((count, len(Label)))
    classes[np.arange(count), [LABELS[kind] for kind in kinds.tolist()]] = 1.0
    headings = paths[:, 0, 0, 2]
    velocities = np.abs(crowd.speeds_mps)[:, None] * np.stack([np.cos(headings), np.sin(headings)], axis=-1)
    ids = np.zeros((count, 16), np.uint8)
    ids[:, 0] = np.arange(count)
    objects = Objects(
        stamp_ns, 'odom', np.column_stack([paths[:, 0, 0, :2], np.full(count, 0.8)]), headings,
        np.array([SIZES_M[kind] for kind in kinds.tolist()]), np.full(count, 0.95), classes, velocities,
        np.zeros(count), np.tile(0.01 * np.eye(3), (count, 1, 1)), np.tile(0.01 * np.eye(2), (count, 1, 1)), ids,
    )  # fmt: skip
    return Predictions(objects, paths, np.tile(CHANCES, (count, 1)), STEP_S)


def grids_of(bend: Bend, stamp_ns: int, seed: int) -> tuple[Grid, Grid]:
    """Return terrain and far terrain about the origin: the road is easy, what is beside it mixed."""
    random = np.random.default_rng([seed, 6])
    return _grid(bend, stamp_ns, NEAR, TERRAIN_LAYERS, random), _grid(bend, stamp_ns, FAR, FAR_LAYERS, random)


def pieces_of(bend: Bend, ego: EgoState) -> LanePieces:
    """Return the lines of the road about `ego`, in base_link."""
    lines = [(Line.CENTERLINE, id_, offset) for id_, offset in LANES]
    lines += [(Line.DIVIDER, 71, 0.5 * LANE_M), (Line.DIVIDER, 72, -0.5 * LANE_M), (Line.SOLID, 73, 1.5 * LANE_M),
              (Line.BOUNDARY, 74, LEFT_M), (Line.BOUNDARY, 75, RIGHT_M)]  # fmt: skip
    firsts = np.arange(-38.0, 133.0, PIECE_POINTS - 1.0)
    along = firsts[:, None] + np.arange(PIECE_POINTS)
    points = np.concatenate([bend.at(along, np.full(along.shape, offset))[..., :2] for _, _, offset in lines])
    cos, sin = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
    local = (points - ego.position_m[:2]) @ np.array([[cos, -sin], [sin, cos]])
    local = np.concatenate([local, np.zeros((*local.shape[:2], 1))], axis=-1).astype(np.float32)
    classes, ids = (np.repeat([line[column] for line in lines], len(firsts)) for column in (0, 1))
    return LanePieces(
        ego.stamp_ns, 'base_link', local, classes.astype(np.uint8), ids.astype(np.int64), np.ones(len(ids)),
        np.full(len(ids), PIECE_POINTS - 1.0),
    )  # fmt: skip


def start_of(bend: Bend, seed: int, stamp_ns: int) -> EgoState:
    """Return us on our lane, not quite in its middle nor along it."""
    random = np.random.default_rng([seed, 7])
    x, y, heading = bend.at(np.array(0.0), np.array(random.uniform(-0.2, 0.2))).tolist()
    half, speed = 0.5 * (heading + random.uniform(-0.02, 0.02)), random.uniform(8.0, 12.0)
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, speed * bend.curvature])
    return EgoState(stamp_ns, np.array([x, y, 0.0]), np.array([0.0, 0.0, np.sin(half), np.cos(half)]), twist)


def _places(kind: int, random: np.random.Generator) -> list[tuple[float, float]]:
    """Return (along, left) of all of one kind, none in another nor where we are."""
    count = COUNTS[kind]
    if kind == VEHICLE:  # 4 before us, 6 in each lane beside us
        ahead = [(18.0 + 16.0 * n + random.uniform(-3.0, 3.0), 0.0) for n in range(4)]
        beside = [(-32.0 + 16.0 * n + random.uniform(-4.0, 4.0), side) for n in range(6) for side in (LANE_M, -LANE_M)]
        return ahead + beside
    if kind == ONCOMING:
        return [(10.0 + 15.0 * n + random.uniform(-4.0, 4.0), 2.0 * LANE_M) for n in range(count)]
    left = RIGHT_M + 0.5 if kind == CYCLIST else RIGHT_M - 1.5
    return [(5.0 + 12.0 * n + random.uniform(-3.0, 3.0), left) for n in range(count)]


def _grid(
    bend: Bend, stamp_ns: int, size: tuple[int, float, float], names: tuple[str, ...], random: np.random.Generator
) -> Grid:
    cells, cell_m, ahead_m = size
    origin = np.floor((np.array([ahead_m, 0.0]) - 0.5 * cells * cell_m) / cell_m) * cell_m
    middles = origin[:, None] + (np.arange(cells) + 0.5) * cell_m
    left = bend.beside(np.stack(np.meshgrid(*middles, indexing='ij'), axis=-1))
    clumps = np.kron(random.random((cells // 8, cells // 8)), np.ones((8, 8)))
    off_road = (left > LEFT_M + 0.5) | (left < RIGHT_M - 2.5)
    stands, unseen = off_road & (clumps < 0.2), off_road & (clumps > 0.75)
    values = {
        'elevation': np.zeros(left.shape), 'slope': random.uniform(0.0, 0.05, left.shape),
        'roughness': random.uniform(0.0, 0.03, left.shape), 'traversability': np.where(stands, 0.0, 0.95),
        'class': np.where(stands, 3.0, 1.0), 'obstacle_height': np.where(stands, 1.5, 0.0),
        'ceiling': np.full(left.shape, np.inf), 'occupancy': np.where(stands, 0.9, 0.05),
        'observed': np.where(unseen, 0.0, 1.0),
    }  # fmt: skip
    layers = {}
    for name in names:
        layer = values.get(name, np.full(left.shape, 0.01)).astype(np.float32)
        layer[unseen] = 0.0 if name == 'observed' else np.nan
        layers[name] = layer
    return Grid(stamp_ns, 'odom', cell_m, origin, layers)


def after_tick(plan: Trajectory) -> tuple[EgoState, float]:
    """Return us a tick later, as planned, and our wheels."""
    x, y, z, heading = (float(np.interp(TICK_NS / SECOND_NS, plan.times_s, values)) for values in plan.poses.T)
    speed, rate, wheel = (
        float(np.interp(TICK_NS / SECOND_NS, plan.times_s, values))
        for values in (plan.speeds_mps, plan.heading_rates_rps, plan.wheel_angles_rad)
    )
    turn = np.array([0.0, 0.0, np.sin(0.5 * heading), np.cos(0.5 * heading)])
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, rate])
    return EgoState(plan.stamp_ns + TICK_NS, np.array([x, y, z]), turn, twist), wheel
