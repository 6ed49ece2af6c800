"""What the vehicle would really do with each proposal: it follows the path within its limits, with its lags."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.kinematics import Motion, moved, steered, tracking_curvature
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.paths import Paths

STEP_S = 0.2
STEPS = 40  # 8 s
TIMES_S = STEP_S * np.arange(STEPS + 1)
SPEED_GAIN = 1.6  # 1/s, acceleration asked for a metre per second too little
LOOK_S = 0.4  # path and speed are taken this far ahead, which is what steering and drive lag behind
BRAKE_LOOK_S = 1.0  # so far ahead the braking is found that keeps a falling cap
STANDSTILL_M = 2.0  # gap kept to what stands in front
HEADWAY_S = 1.2


@dataclass(frozen=True, eq=False)
class Wishes:
    """What N proposals ask for, each along one of P paths.

    path: (N,). speeds_mps: (N, T) wanted over time. paces_mps2: (N, T) how these change, known before.
    braking_mps2: (N,) how hard they may brake.
    caps: (N, M) squared highest speed along their path. lead_u: (N, T) where on the path the road user is to whom they
    keep distance, inf for none; lead_mps: (N, T) its speed.
    """

    path: np.ndarray
    speeds_mps: np.ndarray
    paces_mps2: np.ndarray
    braking_mps2: np.ndarray
    caps: np.ndarray
    lead_u: np.ndarray
    lead_mps: np.ndarray


@dataclass(frozen=True, eq=False)
class Start:
    """Where and how the vehicle is. pose: (3,) x y heading in odom. joint_rad: see kinematics.Motion."""

    pose: np.ndarray
    speed_mps: float
    acceleration_mps2: float
    wheel_rad: float
    joint_rad: float


@dataclass(frozen=True, eq=False)
class Drives:
    """N drives over T moments `TIMES_S`, the first of them the start.

    poses: (N, T, 3) x y heading of base_link in odom. The others (N, T); joints_rad: see kinematics.Motion.
    gaps_m: (N,) how far the vehicle came off its path.
    """

    poses: np.ndarray
    speeds_mps: np.ndarray
    accelerations_mps2: np.ndarray
    wheels_rad: np.ndarray
    joints_rad: np.ndarray
    gaps_m: np.ndarray

    def __len__(self) -> int:
        return len(self.poses)


def roll_out(start: Start, paths: Paths, wishes: Wishes, vehicle: Vehicle) -> Drives:
    """Simulate all proposals at once."""
    count, width = len(wishes.path), paths.points.shape[1]
    lines = np.stack([paths.points[..., 0], paths.points[..., 1], paths.headings, paths.curvatures], axis=-1)
    table, rows = lines.reshape(-1, 4), wishes.path * width
    scale, bends = 1.0 / paths.scale_m.reshape(-1), paths.curvatures.reshape(-1)
    caps, own = wishes.caps.reshape(-1), np.arange(count) * width
    ones = np.full(count, 1.0)
    facing = paths.headings[wishes.path, 0] + wrapped(start.pose[2] - paths.headings[wishes.path, 0])
    motion = Motion(
        ones * start.pose[0], ones * start.pose[1], facing, ones * start.speed_mps, ones * start.wheel_rad,
        ones * start.joint_rad,
    )  # fmt: skip
    states = np.empty((7, STEPS + 1, count))
    acceleration, u, farthest = ones * start.acceleration_mps2, np.zeros(count), np.zeros(count)
    states[:, 0] = _state(motion, acceleration)
    for step in range(STEPS):
        speed = motion.speed_mps
        low = np.minimum(u.astype(np.int64), width - 2)
        here = table[rows + low]
        here = here + np.minimum(u - low, 1.0)[:, None] * (table[rows + low + 1] - here)
        points_m = scale[rows + low]  # points a metre
        cos, sin = np.cos(here[:, 2]), np.sin(here[:, 2])
        left = (motion.y_m - here[:, 1]) * cos - (motion.x_m - here[:, 0]) * sin
        turned = motion.heading_rad - here[:, 2]
        look = u + speed * LOOK_S * points_m
        bend = tracking_curvature(_between(bends, rows, look, width), left, turned, np.maximum(0.9 * speed, 3.0))
        wheel = steered(motion.wheel_rad, np.arctan(vehicle.wheelbase_m * bend), vehicle, STEP_S)
        ask = _asked(wishes, step, u, look, points_m, speed, (caps, own, width))
        gap = (wishes.lead_u[:, step] - u) / points_m - vehicle.front_m
        ask = np.minimum(ask, _behind(speed, gap, wishes.lead_mps[:, step], vehicle))
        after = moved(motion, wheel, _driven(acceleration, ask, speed, wishes.braking_mps2, vehicle), vehicle, STEP_S)
        gone = 0.5 * (speed + after.speed_mps) * STEP_S * np.cos(turned)
        u = np.maximum(u + gone * points_m / np.maximum(1.0 - here[:, 3] * left, 0.3), 0.0)
        acceleration = (after.speed_mps - speed) / STEP_S
        farthest = np.maximum(farthest, np.abs(left))
        motion = after
        states[:, step + 1] = _state(motion, acceleration)
    x, y, heading, speed, acceleration, wheel, joint = states.transpose(0, 2, 1)
    heading = start.pose[2] + (heading - heading[:, :1])
    return Drives(np.stack([x, y, heading], axis=-1), speed, acceleration, wheel, joint, farthest)


def _asked(
    wishes: Wishes, step: int, u: np.ndarray, look: np.ndarray, points_m: np.ndarray, speed: np.ndarray,
    capped: tuple[np.ndarray, np.ndarray, int],
) -> np.ndarray:
    """Return the acceleration asked for: towards the wanted speed, and such that a falling cap is kept."""
    brake_m = np.maximum(BRAKE_LOOK_S * speed, 0.5)
    needed = (_between(capped[0], capped[1], u + brake_m * points_m, capped[2]) - speed**2) / (2.0 * brake_m)
    cap = np.sqrt(np.maximum(_between(capped[0], capped[1], look, capped[2]), 0.0))
    wanted = np.minimum(wishes.speeds_mps[:, step], cap)
    ask = np.minimum(SPEED_GAIN * (wanted - speed) + wishes.paces_mps2[:, step], needed)
    return np.where(wanted < 0.05, np.minimum(ask, -0.6), ask)  # a stop ends


def _behind(speed: np.ndarray, gap: np.ndarray, lead: np.ndarray, vehicle: Vehicle) -> np.ndarray:
    """Return the acceleration that keeps distance to a leader, as IDM (Treiber et al. 2000); inf where nobody leads."""
    limits = vehicle.limits
    closing = speed * (speed - lead) / (2.0 * math.sqrt(limits.acceleration_mps2 * limits.comfort_braking_mps2))
    spacing = STANDSTILL_M + np.maximum(speed * HEADWAY_S + closing, 0.0)
    led = limits.acceleration_mps2 * (1.0 - (spacing / np.maximum(gap, 0.1)) ** 2)
    return np.where(gap > -1.0, led, np.inf)  # what is beside or behind leads nobody


def _driven(
    acceleration: np.ndarray, ask: np.ndarray, speed: np.ndarray, braking_mps2: np.ndarray, vehicle: Vehicle
) -> np.ndarray:
    """Return the acceleration that drive and brakes give when asked: within limits, with a first-order lag."""
    limits = vehicle.limits
    ask = np.minimum(np.maximum(ask, -braking_mps2), limits.acceleration_mps2)
    reach = 1.0 - math.exp(-STEP_S / max(limits.brake_lag_s, 0.01))
    slowest = np.where(speed >= 0.0, -speed / STEP_S, 0.0)  # brakes bring it to rest, no further
    return np.maximum(acceleration + reach * (ask - acceleration), slowest)


def _between(column: np.ndarray, rows: np.ndarray, u: np.ndarray, width: int) -> np.ndarray:
    """Return (N,) values of a column, linear between two points of each path; the last one beyond its end."""
    low = np.minimum(u.astype(np.int64), width - 2)
    first = column[rows + low]
    return first + np.minimum(u - low, 1.0) * (column[rows + low + 1] - first)


def _state(motion: Motion, acceleration: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return seven (N,): x y heading speed acceleration wheel joint."""
    return (
        motion.x_m, motion.y_m, motion.heading_rad, motion.speed_mps, acceleration, motion.wheel_rad,
        motion.articulation_rad,
    )  # fmt: skip
