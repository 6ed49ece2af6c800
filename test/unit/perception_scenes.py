"""A LiDAR that sees planes and boxes, worked out by hand: for the tests of perception."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import EgoState

SENSOR_M = np.array([0.0, 0.0, 1.8])
STEP_NS = 100_000_000


@dataclass(frozen=True)
class Box:
    """Middle of the base x y, heading, length, width, and from which to which height it reaches."""

    x: float
    y: float
    heading: float = 0.0
    length: float = 4.4
    width: float = 1.8
    low: float = 0.0
    high: float = 1.5


def rays(beams=64, azimuths=900, lowest_deg=-25.0, highest_deg=3.0):
    elevation = np.radians(np.linspace(lowest_deg, highest_deg, beams))
    azimuth = np.linspace(-np.pi, np.pi, azimuths, endpoint=False)
    e, a = np.meshgrid(elevation, azimuth, indexing='ij')
    return np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1).reshape(-1, 3)


def ground_hits(directions, origin, slope=0.0):
    """Return how far each ray goes to z = slope * x."""
    rate = directions[:, 2] - slope * directions[:, 0]
    with np.errstate(divide='ignore'):
        reach = (slope * origin[0] - origin[2]) / rate
    return np.where((rate < 0.0) & (reach > 0.0) & (reach < 1e4), reach, 1e4)


def ditch_hits(directions, origin, start, end, depth):
    """Return how far each ray goes to z = 0, that is -depth for x between start and end, with upright sides."""
    top, bottom = ground_hits(directions, origin), ground_hits(directions, origin - [0.0, 0.0, -depth])
    x_top, x_bottom = origin[0] + top * directions[:, 0], origin[0] + bottom * directions[:, 0]
    with np.errstate(divide='ignore', invalid='ignore'):
        wall = (end - origin[0]) / directions[:, 0]
        z_wall = origin[2] + wall * directions[:, 2]
    far = np.where((wall > 0.0) & (z_wall < 0.0) & (z_wall > -depth), wall, 1e4)
    top = np.where((x_top > start) & (x_top < end), 1e4, top)
    bottom = np.where((x_bottom > start) & (x_bottom < end), bottom, 1e4)
    return np.minimum(np.minimum(top, bottom), far)


def box_hits(directions, origin, box):
    c, s = np.cos(box.heading), np.sin(box.heading)
    turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
    start, along = turn @ (origin - [box.x, box.y, 0.0]), directions @ turn.T
    low = np.array([-box.length / 2.0, -box.width / 2.0, box.low])
    high = np.array([box.length / 2.0, box.width / 2.0, box.high])
    with np.errstate(divide='ignore', invalid='ignore'):
        one, two = (low - start) / along, (high - start) / along
    enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
    return np.where((enter < leave) & (enter > 0.0), enter, np.inf)


def scan(boxes=(), ground=ground_hits, stamp_ns=1, range_m=90.0, noise_m=0.01, sensor=SENSOR_M, **pattern):
    """Return the cloud in base_link of what stands around it."""
    directions = rays(**pattern)
    reach = np.min([ground(directions, sensor), *(box_hits(directions, sensor, box) for box in boxes)], axis=0)
    seen = reach < range_m
    reach = reach[seen] + np.random.default_rng(7).normal(0.0, noise_m, seen.sum())
    xyz = (sensor + directions[seen] * reach[:, None]).astype(np.float32)
    return PointCloud(stamp_ns, 'base_link', xyz, np.zeros(len(xyz), np.float32))


def ego(stamp_ns=1, x=0.0, y=0.0, heading=0.0, speed=0.0):
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, 0.0])
    return EgoState(stamp_ns, np.array([x, y, 0.0]), quaternion_of_heading(heading), twist)
