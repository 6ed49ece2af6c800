"""The loop over the moments of a drive, compiled: the laws of common/kinematics.py, one vehicle at a time."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from autonomy_nodes.common import kinematics
from autonomy_nodes.common.vehicle import Vehicle

_steered: Any = njit(cache=True)(kinematics.steered)
_tracking_curvature: Any = njit(cache=True)(kinematics.tracking_curvature)
_articulation_rate: Any = njit(cache=True)(kinematics.articulation_rate)

STANDSTILL_M = 2.0  # gap kept to what stands in front
HEADWAY_S = 1.2
SPEED_GAIN = 1.6  # 1/s, acceleration asked for a metre per second too little
LOOK_S, STEERING_LOOK_S = 0.4, 0.3  # speed and curvature are taken this far ahead: drive and steering lag behind
SMALL_RAD = 0.3
BRAKE_LOOK_S = 1.0  # so far ahead the braking is found that keeps a falling cap
JERK_MPS3 = 2.0  # most change of acceleration a second; who must brake harder than with comfort brakes faster too
RELEASED_S = 0.5  # hard braking may be let go within about this time


class Limits(NamedTuple):
    """Those of a vehicle that matter here."""

    acceleration_mps2: float
    comfort_braking_mps2: float
    wheel_angle_rad: float
    wheel_rate_rps: float
    brake_lag_s: float


class Trailer(NamedTuple):
    """See common/vehicle.py."""

    present: bool
    hitch_ahead_m: float
    length_m: float


class Car(NamedTuple):
    """A `Vehicle` in a form that can be compiled."""

    wheelbase_m: float
    front_m: float
    limits: Limits
    trailer: Trailer


def car_of(vehicle: Vehicle) -> Car:
    """Return what the loop must know of a vehicle."""
    limits = Limits(*(float(getattr(vehicle.limits, name)) for name in Limits._fields))
    towed = vehicle.trailer
    trailer = Trailer(bool(towed.present), float(towed.hitch_ahead_m), float(towed.length_m))
    return Car(float(vehicle.wheelbase_m), float(vehicle.front_m), limits, trailer)


@njit(cache=True)
def roll(
    lines: np.ndarray, scale_m: np.ndarray, path: np.ndarray, caps: np.ndarray, wishes: np.ndarray,
    braking_mps2: np.ndarray, car: Car, step_s: float, begin: np.ndarray, facing: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the fields of `Drives`: poses (N, T + 1, 3), four of (N, T + 1), and how far each came off its path.

    lines: (P, M, 4) x y heading curvature of paths; scale_m: (P, M) metres a point; path: (N,) which one is taken.
    caps: (N, M) squared highest speeds along it. wishes: (N, 4, T) speed wanted, its change, place of the leader on the
    path and its speed. begin: (7,) x y heading speed acceleration wheel joint. facing: (N,) the heading as near as may
    be to that of the path.
    """
    count, moments = len(path), wishes.shape[2] + 1
    poses, gaps, states = np.empty((count, moments, 3)), np.empty(count), np.empty((moments, 7))
    speeds, pushes = np.empty((count, moments)), np.empty((count, moments))
    wheels, joints = np.empty((count, moments)), np.empty((count, moments))
    for n in range(count):
        p = path[n]
        states[0] = begin
        states[0, 2] = facing[n]
        gaps[n] = _driven(lines[p], scale_m[p], caps[n], wishes[n], braking_mps2[n], car, step_s, states)
        for t in range(moments):
            poses[n, t, 0], poses[n, t, 1] = states[t, 0], states[t, 1]
            poses[n, t, 2] = begin[2] + (states[t, 2] - facing[n])
            speeds[n, t], pushes[n, t] = states[t, 3], states[t, 4]
            wheels[n, t], joints[n, t] = states[t, 5], states[t, 6]
    return poses, speeds, pushes, wheels, joints, gaps


@njit(cache=True)
def cos_sin(angle: float) -> tuple[float, float]:
    """Return cosine and sine; of a small angle by their series, exact to the last bits and faster."""
    if abs(angle) > SMALL_RAD:
        return math.cos(angle), math.sin(angle)
    q = angle * angle
    cos = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0 * (1.0 - q / 132.0)))))
    sin = 1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0 * (1.0 - q / 110.0))))
    return cos, angle * sin


@njit(cache=True)
def _driven(
    line: np.ndarray, scale_m: np.ndarray, caps: np.ndarray, wishes: np.ndarray, braking_mps2: float, car: Car,
    step_s: float, states: np.ndarray,
) -> float:
    """Fill the states of one drive; return its largest gap."""
    acceleration, u, farthest = states[0, 4], 0.0, 0.0
    cos, sin = math.cos(states[0, 2]), math.sin(states[0, 2])
    reach = 1.0 - math.exp(-step_s / max(car.limits.brake_lag_s, 0.01))
    for step in range(len(states) - 1):
        x, y, heading, speed = states[step, 0], states[step, 1], states[step, 2], states[step, 3]
        low = min(int(u), len(line) - 2)
        part = min(u - low, 1.0)
        here_x = line[low, 0] + part * (line[low + 1, 0] - line[low, 0])
        here_y = line[low, 1] + part * (line[low + 1, 1] - line[low, 1])
        turned = heading - (line[low, 2] + part * (line[low + 1, 2] - line[low, 2]))
        bend_here = line[low, 3] + part * (line[low + 1, 3] - line[low, 3])
        points_m = 1.0 / scale_m[low]  # points a metre
        turned_cos, turned_sin = cos_sin(turned)
        line_cos, line_sin = cos * turned_cos + sin * turned_sin, sin * turned_cos - cos * turned_sin
        left = (y - here_y) * line_cos - (x - here_x) * line_sin
        look = u + speed * LOOK_S * points_m
        ahead = _bend_at(line, u + speed * STEERING_LOOK_S * points_m)
        bend = _tracking_curvature(ahead, left, turned, max(0.9 * speed, 3.0))
        aim = _steered(states[step, 5], math.atan(car.wheelbase_m * bend), car, step_s)
        ask = _asked(wishes[0, step], wishes[1, step], caps, u, look, points_m, speed)
        gap = (wishes[2, step] - u) / points_m - car.front_m
        ask = min(ask, _behind(speed, gap, wishes[3, step], car.limits))
        given = _given(acceleration, ask, speed, braking_mps2, car.limits, reach, step_s)
        cos, sin = _move(states, step, aim, given, car, step_s, cos, sin)
        after = states[step + 1, 3]
        gone = 0.5 * (speed + after) * step_s * turned_cos
        u = max(u + gone * points_m / max(1.0 - bend_here * left, 0.3), 0.0)
        acceleration = states[step + 1, 4]
        farthest = max(farthest, abs(left))
    return farthest


@njit(cache=True)
def _move(
    states: np.ndarray, step: int, wheel: float, acceleration: float, car: Car, step_s: float, cos: float, sin: float
) -> tuple[float, float]:
    """Fill the state after a step, as `kinematics.moved`; the acceleration changes evenly to that at its end.

    Returns cosine and sine of its heading, given those before.
    """
    x, y, heading, speed = states[step, 0], states[step, 1], states[step, 2], states[step, 3]
    wheel_before, joint = states[step, 5], states[step, 6]
    mean = 0.5 * (states[step, 4] + acceleration)
    mean = max(mean, 0.0) if speed <= 0.0 else mean  # brakes hold what stands, and what rolls back
    after, moving_s = speed + mean * step_s, step_s
    if (after < 0.0 <= speed) or (speed < 0.0 < after):  # it comes to rest
        after, moving_s, acceleration = 0.0, abs(speed) / max(abs(mean), 1e-9), 0.0
    mean_speed, mean_wheel = 0.5 * (speed + after) * moving_s / step_s, 0.5 * (wheel_before + wheel)
    turn = mean_speed * math.tan(mean_wheel) / car.wheelbase_m * step_s
    gone, (half_cos, half_sin) = mean_speed * step_s, cos_sin(0.5 * turn)
    middle_cos, middle_sin = cos * half_cos - sin * half_sin, sin * half_cos + cos * half_sin
    if car.trailer.present:
        rate = _articulation_rate(joint, mean_wheel, mean_speed, car)
        joint += step_s * _articulation_rate(joint + 0.5 * step_s * rate, mean_wheel, mean_speed, car)
    states[step + 1, 0], states[step + 1, 1] = x + gone * middle_cos, y + gone * middle_sin
    states[step + 1, 2], states[step + 1, 3] = heading + turn, after
    states[step + 1, 4], states[step + 1, 5], states[step + 1, 6] = acceleration, wheel, joint
    return middle_cos * half_cos - middle_sin * half_sin, middle_sin * half_cos + middle_cos * half_sin


@njit(cache=True)
def _asked(
    wish: float, pace: float, caps: np.ndarray, u: float, look: float, points_m: float, speed: float
) -> float:
    """Return the acceleration asked for: to the wanted speed and its change, and such that a falling cap is kept."""
    brake_m = max(BRAKE_LOOK_S * speed, 0.5)
    needed = (_between(caps, u + brake_m * points_m) - speed**2) / (2.0 * brake_m)
    wanted = min(wish, math.sqrt(max(_between(caps, look), 0.0)))
    ask = min(SPEED_GAIN * (wanted - speed) + pace, needed)
    return min(ask, -0.6) if wanted < 0.05 else ask  # a stop ends


@njit(cache=True)
def _behind(speed: float, gap: float, lead: float, limits: Limits) -> float:
    """Return the acceleration that keeps distance to a leader, as IDM (Treiber et al. 2000); inf where nobody leads."""
    if not gap > -1.0:  # what is beside or behind leads nobody
        return np.inf
    closing = speed * (speed - lead) / (2.0 * math.sqrt(limits.acceleration_mps2 * limits.comfort_braking_mps2))
    spacing = STANDSTILL_M + max(speed * HEADWAY_S + closing, 0.0)
    return limits.acceleration_mps2 * (1.0 - (spacing / max(gap, 0.1)) ** 2)


@njit(cache=True)
def _given(
    acceleration: float, ask: float, speed: float, braking_mps2: float, limits: Limits, reach: float, step_s: float
) -> float:
    """Return the acceleration that drive and brakes give: within limits of it and of jerk, by `reach` of what lacks."""
    ask = min(max(ask, -braking_mps2), limits.acceleration_mps2)
    firmness = max(-ask / limits.comfort_braking_mps2, 1.0)
    fall, rise = JERK_MPS3 * firmness**2 * step_s, max(JERK_MPS3, -acceleration / RELEASED_S) * step_s
    given = acceleration + min(max(reach * (ask - acceleration), -fall), rise)
    return max(given, 0.0) if speed <= 0.0 else given


@njit(cache=True)
def _between(column: np.ndarray, u: float) -> float:
    """Return the value of a column at a place on its path; the last one beyond its end."""
    low = min(int(u), len(column) - 2)
    found: float = column[low] + min(u - low, 1.0) * (column[low + 1] - column[low])
    return found


@njit(cache=True)
def _bend_at(line: np.ndarray, u: float) -> float:
    """Return the curvature, the last column, of a line at a place on it; the last one beyond its end."""
    low = min(int(u), len(line) - 2)
    found: float = line[low, 3] + min(u - low, 1.0) * (line[low + 1, 3] - line[low, 3])
    return found
