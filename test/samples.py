"""Values for tests: small, whole, and made from a seed."""

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LaneMatch, LaneObservations, LanePieces, MapChanges, Route
from autonomy_nodes.common.objects import EgoProposals, Intents, Objects, Predictions, SceneModes
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud
from autonomy_nodes.common.types import EgoState, Trajectory

STAMP_NS = 1_700_000_000_000_000_005
NORTH = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])


def ego(stamp_ns=STAMP_NS, position=(1.0, 2.0, 3.0), speed=4.0, orientation=NORTH):
    """Turning left while driving north."""
    return EgoState(stamp_ns, np.array(position), orientation, np.array([speed, 0, 0, 0, 0, 0.1]))


def drive(stamp_ns=STAMP_NS, speed=4.0, start=(1.0, 2.0), steps=3, frame='odom'):
    """North at one speed, a point a second."""
    times = np.arange(float(steps))
    north = np.full(steps, np.pi / 2)
    poses = np.column_stack([np.full(steps, start[0]), start[1] + speed * times, np.full(steps, 0.25), north])
    zeros = np.zeros(steps)
    return Trajectory(stamp_ns, times, poses, np.full(steps, speed), zeros, zeros + 0.5, zeros - 0.25, frame)


def cloud(count=5, seed=0, ring=False, times=False, frame='base_link', stamp_ns=STAMP_NS):
    random = np.random.default_rng(seed)
    return PointCloud(
        stamp_ns,
        frame,
        random.normal(0.0, 30.0, (count, 3)).astype(np.float32),
        random.uniform(0.0, 255.0, count).astype(np.float32),
        random.integers(0, 64, count).astype(np.uint16) if ring else None,
        random.integers(0, 100_000_000, count) if times else None,
    )


def objects(count=3, seed=0, tracked=False, frame=None, classes=3):
    """Objects whose covariances are proper; `classes` labels of each have a probability."""
    random = np.random.default_rng(seed)
    roots, spreads = random.normal(size=(count, 3, 3)), random.normal(size=(count, 2, 2))
    probabilities = np.zeros((count, 12))
    for row in probabilities:
        row[random.permutation(12)[:classes]] = random.integers(1, 9, classes)
    return Objects(
        stamp_ns=STAMP_NS,
        frame=frame or ('odom' if tracked else 'base_link'),
        positions_m=random.normal(0.0, 20.0, (count, 3)),
        headings_rad=random.uniform(-3.1, 3.1, count),
        dimensions_m=random.uniform(0.5, 5.0, (count, 3)),
        existence=random.integers(0, 9, count) / 8.0,
        class_probabilities=probabilities / np.maximum(probabilities.sum(axis=1, keepdims=True), 1.0),
        velocities_mps=random.normal(0.0, 5.0, (count, 2)),
        heading_rates_rps=random.normal(0.0, 0.2, count),
        pose_covariances=roots @ roots.transpose(0, 2, 1),
        velocity_covariances=spreads @ spreads.transpose(0, 2, 1),
        ids=random.integers(0, 256, (count, 16)).astype(np.uint8) if tracked else None,
    )


def predictions(count=3, paths=2, poses=5, seed=0):
    random = np.random.default_rng(seed)
    places = np.concatenate(
        [random.normal(0.0, 20.0, (count, paths, poses, 2)), random.uniform(-3.1, 3.1, (count, paths, poses, 1))],
        axis=-1,
    )
    return Predictions(objects(count, seed, tracked=True), places, np.full((count, paths), 1.0 / paths), 0.5)


def grid(shape=(3, 5), names=('elevation', 'observed'), seed=0, resolution=0.4):
    random = np.random.default_rng(seed)
    layers = {name: random.normal(size=shape).astype(np.float32) for name in names}
    layers[names[0]][0, 0] = np.nan  # unknown
    return Grid(STAMP_NS, 'odom', resolution, np.array([-10.0, 4.0]), layers)


def image(height=48, width=64, seed=0):
    """A smooth picture, so that JPEG keeps it."""
    y, x = np.mgrid[0.0:height, 0.0:width]
    base = seed * 20
    return Image(STAMP_NS, 'camera', np.stack([base + x, base + 2 * y, base + x + y], axis=-1).astype(np.uint8))


def camera():
    matrix = np.array([[700.0, 0.0, 320.0], [0.0, 710.0, 240.0], [0.0, 0.0, 1.0]])
    projection = np.column_stack([matrix, np.zeros(3)])
    distortion = np.array([-0.3, 0.1, 0.001, -0.002, 0.01])
    return CameraModel(STAMP_NS, 'camera', 640, 480, matrix, 'plumb_bob', distortion, np.eye(3), projection)


def lane_pieces(count=2, seed=0):
    points = np.random.default_rng(seed).normal(0.0, 20.0, (count, 20, 3)).astype(np.float32)
    points[:, 15:] = np.nan
    ids = np.array([-5, 2**62 + 1, 7, 8])[:count]
    classes = np.array([1, 2, 3, 4], np.uint8)[:count]
    rules, rule_ids = np.array([0, 4, 1, 3], np.uint8)[:count], np.array([0, 2**61 + 3, 0, -9])[:count]
    half, lengths = np.full(count, 0.5), np.full(count, 14.0)
    return LanePieces(STAMP_NS, 'base_link', points, classes, ids, half, lengths, rules, rule_ids)


def lane_match():
    ids, s, d = np.array([11, -12]), np.array([5.0, 0.5]), np.array([0.25, -3.0])
    return LaneMatch(STAMP_NS, ids, s, d, d / 8, np.array([0.75, 0.125]), s, np.array([13.5, np.nan]))


def lane_observations(count=3):
    segments = np.arange(count * 6.0).reshape(count, 2, 3)
    ranges = np.arange(72.0)
    return LaneObservations(STAMP_NS, segments, np.arange(count).astype(np.uint8), np.full(count, 0.5), ranges)


def scene_modes():
    return SceneModes(STAMP_NS, np.array([0.5, 0.25, 0.25]))


def intents(count=2):
    sigmas = np.arange(count * 8.0).reshape(count, 4, 2) / 4
    sigmas[-1] = np.nan
    return Intents(STAMP_NS, np.tile([0.5, 0.0, 0.0, 0.25, 0.25, 0.0, 0.0], (count, 1)), sigmas)


def ego_proposals(count=2, steps=4):
    drives = np.arange(count * steps * 5.0).reshape(count, steps, 5)
    return EgoProposals(STAMP_NS, 0.5, drives, np.full(count, 1.0 / count))


def changes():
    ids, kinds, whole = np.array([2**40 + 3, 0]), ('removed', 'added'), np.array([3, 4])
    places, odds = np.arange(6.0).reshape(2, 3), np.array([2.5, -0.5])
    return MapChanges(STAMP_NS, ids, kinds, np.array([2, 3], np.uint8), places, odds, odds / 4, whole, whole + 1)


def marks(count=4):
    """Columns of the planner's marks, with one gate and one term."""
    values = np.arange(float(count))
    fixed = {'candidate': values, 'kind': values * 0, 'x': values, 'y': -values, 'z': values * 0, 'score': values / 4}
    return {**fixed, 'gate_collision': values % 2, 'comfort': values / 8}


def route():
    return Route(STAMP_NS, (1.0, 2.0, 3.0, 0.5), (4.0, 5.0, 6.0, -1.0), (7, 8, 2**40))
