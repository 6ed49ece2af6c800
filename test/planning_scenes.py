"""Small worlds for tests of planning and control: ground, roads, road users."""

import math

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.grid import TERRAIN_LAYERS, Grid
from autonomy_nodes.common.kinematics import Motion, moved, steered
from autonomy_nodes.common.lanes import LaneMatch, LanePieces, Light, Line, Rule, TrafficLights
from autonomy_nodes.common.objects import Label, Objects, Predictions, no_objects
from autonomy_nodes.common.sensing import Steering
from autonomy_nodes.common.types import Articulation, EgoState
from autonomy_nodes.control.follower import Follower, FollowerConfig
from autonomy_nodes.planning.situation import Situation

STAMP_NS = 1_000_000_000_000
STEP_NS = 100_000_000


def ego(x=0.0, y=0.0, heading=0.0, speed=0.0, rate=0.0, stamp_ns=STAMP_NS, z=0.0):
    twist = np.array([speed, 0.0, 0.0, 0.0, 0.0, rate])
    return EgoState(stamp_ns, np.array([x, y, z]), quaternion_of_heading(heading), twist)


def ground(stamp_ns=STAMP_NS, centre=(0.0, 0.0), cells=600, resolution_m=0.4, height=0.0):
    """Flat, easy ground, known everywhere."""
    origin = np.array(centre) - cells * resolution_m / 2.0
    values = {'elevation': height, 'traversability': 1.0, 'class': 1.0, 'ceiling': np.inf, 'observed': 1.0}
    layers = {name: np.full((cells, cells), values.get(name, 0.0), np.float32) for name in TERRAIN_LAYERS}
    return Grid(stamp_ns, 'odom', resolution_m, origin, layers)


def area(grid, x, y):
    """Return the slices of the cells whose middles lie in x (low, high) and y (low, high)."""
    return tuple(
        slice(*np.clip(np.round((np.array(span) - low) / grid.resolution_m), 0, None).astype(int))
        for span, low in zip((x, y), grid.origin_m)
    )


def forget(grid, x, y):
    """Make cells never seen."""
    for name, layer in grid.layers.items():
        layer[area(grid, x, y)] = 0.0 if name == 'observed' else np.nan
    return grid


def block(grid, x, y):
    """Put an obstacle."""
    for name, value in {'class': 3.0, 'traversability': 0.0, 'occupancy': 1.0, 'obstacle_height': 1.5}.items():
        grid.layers[name][area(grid, x, y)] = value
    return grid


def users(*rows, stamp_ns=STAMP_NS, modes=1):
    """Return predictions at constant velocity: rows of label, x, y, heading, speed, length, width."""
    if not rows:
        empty = no_objects(stamp_ns, 'odom', tracked=True)
        return Predictions(empty, np.zeros((0, modes, 17, 3)), np.zeros((0, modes)), 0.5)
    labels = [row[0] for row in rows]
    x, y, heading, speed, length, width = (np.array([row[i] for row in rows], float) for i in range(1, 7))
    count = len(rows)
    classes = np.zeros((count, len(Label)))
    classes[np.arange(count), [int(label) for label in labels]] = 1.0
    velocity = np.column_stack([speed * np.cos(heading), speed * np.sin(heading)])
    ids = np.zeros((count, 16), np.uint8)
    ids[:, 0] = np.arange(count) + 1
    objects = Objects(
        stamp_ns, 'odom', np.column_stack([x, y, np.zeros(count)]), heading,
        np.column_stack([length, width, np.full(count, 1.7)]), np.ones(count), classes, velocity, np.zeros(count),
        np.zeros((count, 3, 3)), np.zeros((count, 2, 2)), ids,
    )  # fmt: skip
    times = 0.5 * np.arange(17)
    place = objects.positions_m[:, None, :2] + times[:, None] * velocity[:, None]
    path = np.concatenate([place, np.repeat(heading[:, None, None], 17, axis=1)], axis=-1)
    paths = np.repeat(path[:, None], modes, axis=1)
    return Predictions(objects, paths, np.full((count, modes), 1.0 / modes), 0.5)


def car(x, y, heading=0.0, speed=0.0):
    return (Label.CAR, x, y, heading, speed, 4.5, 1.8)


def pedestrian(x, y, heading, speed=1.4):
    return (Label.PEDESTRIAN, x, y, heading, speed, 0.6, 0.6)


def cut(line):
    """Return (K, 20, 3) pieces of a (M, 2) polyline, one point a metre, as the map gives them."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    stations = np.arange(0.0, gone[-1] + 1e-6, 1.0)
    points = np.column_stack([np.interp(stations, gone, line[:, 0]), np.interp(stations, gone, line[:, 1])])
    pieces = []
    for first in range(0, len(points) - 1, 19):
        piece = np.full((20, 3), np.nan, np.float32)
        part = points[first : first + 20]
        piece[: len(part), :2], piece[: len(part), 2] = part, 0.0
        pieces.append(piece)
    return np.stack(pieces)


def pieces(lines, state):
    """Return map pieces in base_link of `state` from (class, id, (M, 2) line in odom) each."""
    cos, sin = math.cos(state.heading_rad), math.sin(state.heading_rad)
    turn = np.array([[cos, -sin], [sin, cos]])
    found, classes, ids, rules = [], [], [], []
    for class_, id_, line, *told in lines:
        parts = cut((np.asarray(line, float) - state.position_m[:2]) @ turn)
        found.append(parts)
        classes += [int(class_)] * len(parts)
        ids += [id_] * len(parts)
        rules += [told or (Rule.UNKNOWN, 0)] * len(parts)
    lengths = np.concatenate([np.isfinite(parts[..., 0]).sum(axis=1) - 1.0 for parts in found])
    return LanePieces(
        state.stamp_ns, 'base_link', np.concatenate(found), np.array(classes, np.uint8), np.array(ids, np.int64),
        np.ones(len(ids)), lengths, np.array([rule for rule, _ in rules], np.uint8),
        np.array([rule_id for _, rule_id in rules], np.int64),
    )  # fmt: skip


def match(*ids, stamp_ns=STAMP_NS, limit=np.nan):
    chances = np.array([0.95, 0.04, 0.01])[: len(ids)]
    zeros = np.zeros(len(ids))
    return LaneMatch(
        stamp_ns, np.array(ids, np.int64), zeros, zeros, zeros, chances, zeros + 0.2, np.full(len(ids), limit)
    )


def straight(y=0.0, start=-30.0, end=150.0):
    return np.array([[start, y], [end, y]])


def road(state, *more, left=5.25, right=-1.75, limit=13.0):
    """Return pieces and match of a straight lane 7 along x with its kerbs, and what else is asked for."""
    lines = [
        (Line.CENTERLINE, 7, straight()),
        (Line.BOUNDARY, 71, straight(left)),
        (Line.BOUNDARY, 72, straight(right)),
        *more,
    ]
    return {'pieces': pieces(lines, state), 'lane': match(7, stamp_ns=state.stamp_ns, limit=limit)}


def narrow_lane(state, *more, **also):
    """Return the same with kerbs at both sides of the one lane."""
    return road(state, *more, left=1.75, **also)


def stop_line(x, id_=900, rule=Rule.LIGHT, rule_id=950, class_=Line.STOP_LINE):
    return (class_, id_, np.array([[x, -1.7], [x, 1.7]]), rule, rule_id)


def lights(id_, light, stamp_ns=STAMP_NS):
    return TrafficLights(stamp_ns, {id_: Light(light)})


def situation(state=None, predictions=None, **more):
    """Return a situation on flat, known ground with nobody around, but for what is given."""
    state = ego() if state is None else state
    more.setdefault('terrain', ground(state.stamp_ns, state.position_m[:2]))
    return Situation(state, users(stamp_ns=state.stamp_ns) if predictions is None else predictions, **more)


class Drive:
    """A vehicle that follows plans in a small world: 0.1 s a plan, 0.05 s a command; steering and drive lag."""

    def __init__(self, planner, vehicle, state, joint=0.0):
        self.planner, self.vehicle = planner, vehicle
        self.follower = Follower(vehicle, FollowerConfig(vehicle=vehicle))
        self.motion = Motion(
            float(state.position_m[0]), float(state.position_m[1]), state.heading_rad, state.speed_mps, 0.0, joint
        )
        self.acceleration, self.stamp_ns = 0.0, state.stamp_ns
        self.states, self.plans = [self.motion], []

    @property
    def ego(self):
        rate = self.motion.speed_mps * math.tan(self.motion.wheel_rad) / self.vehicle.wheelbase_m
        motion = self.motion
        return ego(motion.x_m, motion.y_m, motion.heading_rad, motion.speed_mps, rate, self.stamp_ns)

    def run(self, seconds, world):
        """Drive on; `world(ego)` gives what a Situation holds besides ego, steering and articulation."""
        for _ in range(round(seconds / 0.1)):
            now = self.ego
            measured = {'steering': Steering(self.stamp_ns, self.motion.wheel_rad)}
            if self.vehicle.trailer.present:
                measured['articulation'] = Articulation(self.stamp_ns, (self.motion.articulation_rad,))
            plan = self.planner.plan(situation(now, **{**measured, **world(now)}))
            self.plans.append(plan)
            for _ in range(2):
                self.move(plan.trajectory, 0.05)
        return self

    def move(self, trajectory, step_s):
        command = self.follower.follow(trajectory, self.ego, self.motion.wheel_rad, self.stamp_ns)
        wheel = float(steered(self.motion.wheel_rad, command.wheel_angle_rad, self.vehicle, step_s))
        reach = 1.0 - math.exp(-step_s / self.vehicle.limits.brake_lag_s)
        self.acceleration += reach * (command.acceleration_mps2 - self.acceleration)
        if self.motion.speed_mps <= 0.0:
            self.acceleration = max(self.acceleration, 0.0)
        self.motion = moved(self.motion, wheel, self.acceleration, self.vehicle, step_s)
        self.stamp_ns += round(step_s * 1e9)
        self.states.append(self.motion)

    @property
    def path(self):
        """(T, 4) x y heading speed, a row each 0.05 s."""
        return np.array([[state.x_m, state.y_m, state.heading_rad, state.speed_mps] for state in self.states])


def boxes_overlap(one: np.ndarray, one_half: np.ndarray, two: np.ndarray, two_half: np.ndarray) -> np.ndarray:
    """Return (B,) whether rectangles overlap (separating axes). one, two: (B, 3) middles; halves: (B, 2)."""
    turn = two[:, 2] - one[:, 2]
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    gap = two[:, :2] - one[:, :2]
    apart = np.zeros(len(one), bool)
    for pose, half, other in ((one, one_half, two_half), (two, two_half, one_half)):
        c, s = np.cos(pose[:, 2]), np.sin(pose[:, 2])
        apart |= np.abs(gap[:, 0] * c + gap[:, 1] * s) > half[:, 0] + other[:, 0] * cos + other[:, 1] * sin
        apart |= np.abs(gap[:, 1] * c - gap[:, 0] * s) > half[:, 1] + other[:, 0] * sin + other[:, 1] * cos
    return ~apart
