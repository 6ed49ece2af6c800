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

    path: (N,). speeds_mps: (N, T) wanted over time. braking_mps2: (N,) how hard they may brake.
    caps: (N, M) squared highest speed along their path. lead_u: (N, T) where on the path the road user is to whom they
    keep distance, inf for none; lead_mps: (N, T) its speed.
    """

    path: np.ndarray
    speeds_mps: np.ndarray
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
    table = np.stack(
        [paths.points[..., 0], paths.points[..., 1], paths.headings, 1.0 / paths.scale_m, paths.curvatures], axis=-1
    ).reshape(-1, 5)
    rows, own = wishes.path * width, np.arange(count) * width
    caps, bends = wishes.caps.reshape(-1), paths.curvatures.reshape(-1)
    full = np.full(count, 1.0)
    facing = paths.headings[wishes.path, 0] + wrapped(start.pose[2] - paths.headings[wishes.path, 0])
    motion = Motion(
        full * start.pose[0], full * start.pose[1], facing, full * start.speed_mps, full * start.wheel_rad,
        full * start.joint_rad,
    )  # fmt: skip
    acceleration, u, farthest = full * start.acceleration_mps2, np.zeros(count), np.zeros(count)
    states = [_state(motion, acceleration)]
    for step in range(STEPS):
        here = _between(table, rows, u, width)
        look = u + motion.speed_mps * LOOK_S * here[:, 3]
        ahead = _between(bends, rows, look, width)
        brake_m = np.maximum(BRAKE_LOOK_S * motion.speed_mps, 0.5)
        cap = np.sqrt(np.maximum(_between(caps, own, look, width), 0.0))
        needed = (_between(caps, own, u + brake_m * here[:, 3], width) - motion.speed_mps**2) / (2.0 * brake_m)
        cos, sin = np.cos(here[:, 2]), np.sin(here[:, 2])
        left = (motion.y_m - here[:, 1]) * cos - (motion.x_m - here[:, 0]) * sin
        turned = motion.heading_rad - here[:, 2]
        reach = np.maximum(0.9 * motion.speed_mps, 3.0)
        bend = tracking_curvature(ahead, left, turned, reach)
        wheel = steered(motion.wheel_rad, np.arctan(vehicle.wheelbase_m * bend), vehicle, STEP_S)
        gap = (wishes.lead_u[:, step] - u) / here[:, 3] - vehicle.front_m
        wanted = np.minimum(wishes.speeds_mps[:, step], cap)
        ask = np.minimum(SPEED_GAIN * (wanted - motion.speed_mps), needed)
        ask = np.where(wanted < 0.05, np.minimum(ask, -0.6), ask)  # a stop ends
        ask = np.minimum(ask, _behind(motion.speed_mps, gap, wishes.lead_mps[:, step], vehicle))
        acceleration = _driven(acceleration, ask, motion.speed_mps, wishes.braking_mps2, vehicle)
        after = moved(motion, wheel, acceleration, vehicle, STEP_S)
        gone = 0.5 * (motion.speed_mps + after.speed_mps) * STEP_S * np.cos(turned)
        u = np.maximum(u + gone * here[:, 3] / np.maximum(1.0 - here[:, 4] * left, 0.3), 0.0)
        acceleration = (after.speed_mps - motion.speed_mps) / STEP_S
        farthest = np.maximum(farthest, np.abs(left))
        motion = after
        states.append(_state(motion, acceleration))
    columns = np.stack(states, axis=1)  # (7, T, N)
    x, y, heading, speed, acceleration, wheel, joint = columns.transpose(0, 2, 1)
    heading = start.pose[2] + (heading - heading[:, :1])
    return Drives(np.stack([x, y, heading], axis=-1), speed, acceleration, wheel, joint, farthest)


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


def _between(table: np.ndarray, rows: np.ndarray, u: np.ndarray, width: int) -> np.ndarray:
    """Return (N, ...) rows of a table, linear between two points of each path; the last one beyond its end."""
    low = np.minimum(u.astype(np.int64), width - 2)
    part = np.minimum(u - low, 1.0)
    first = table[rows + low]
    return first + (part if table.ndim == 1 else part[:, None]) * (table[rows + low + 1] - first)


def _state(motion: Motion, acceleration: np.ndarray) -> np.ndarray:
    """Return (7, N): x y heading speed acceleration wheel joint."""
    return np.stack(
        [motion.x_m, motion.y_m, motion.heading_rad, motion.speed_mps, acceleration, motion.wheel_rad,
         motion.articulation_rad]
    )  # fmt: skip
