"""How a car, or a tractor with its semitrailer, moves on its wheels without slip; for one or for many at once.

Poses are of base_link: the middle of the rear axle (of a tractor: of its drive axle). Every number may be an array.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.vehicle import Trailer, Vehicle

Real = Any  # a number, or an array of them: what goes in comes out
STEERING_LAG_S = 0.2  # first order, of the actuator behind the wheel angle


@dataclass(frozen=True, eq=False)
class Motion:
    """States of N vehicles, each field (N,) or a number.

    articulation_rad: heading of the trailer minus that of the tractor, left positive; 0 without a trailer.
    """

    x_m: Real
    y_m: Real
    heading_rad: Real
    speed_mps: Real
    wheel_rad: Real
    articulation_rad: Real


def moved(motion: Motion, wheel_rad: Real, acceleration: Real, vehicle: Vehicle, step_s: float) -> Motion:
    """Return the states after `step_s`, at whose end the wheels stand at `wheel_rad` (midpoint rule).

    A vehicle that brakes comes to rest; it does not begin to roll backwards within a step.
    """
    mean_speed, speed = _braked(motion.speed_mps, acceleration, step_s)
    wheel = 0.5 * (motion.wheel_rad + wheel_rad)
    turn = mean_speed * np.tan(wheel) / vehicle.wheelbase_m * step_s
    middle = motion.heading_rad + 0.5 * turn
    gone = mean_speed * step_s
    joint = motion.articulation_rad
    if vehicle.trailer.present:
        rate = articulation_rate(joint, wheel, mean_speed, vehicle)
        rate = articulation_rate(joint + 0.5 * step_s * rate, wheel, mean_speed, vehicle)
        joint = joint + step_s * rate
    return Motion(
        motion.x_m + gone * np.cos(middle), motion.y_m + gone * np.sin(middle), motion.heading_rad + turn,
        speed, wheel_rad, joint,
    )  # fmt: skip


def steered(wheel_rad: Real, wanted_rad: Real, vehicle: Vehicle, step_s: float) -> Real:
    """Return the wheel angles after `step_s`: first-order lag, within the limits of angle and rate."""
    limits = vehicle.limits
    reach, most = 1.0 - math.exp(-step_s / STEERING_LAG_S), limits.wheel_rate_rps * step_s
    change = (wanted_rad - wheel_rad) * reach
    wheel = wheel_rad + np.minimum(np.maximum(change, -most), most)
    return np.minimum(np.maximum(wheel, -limits.wheel_angle_rad), limits.wheel_angle_rad)


def articulation_rate(joint_rad: Real, wheel_rad: Real, speed_mps: Real, vehicle: Vehicle) -> Real:
    """Return d/dt of the trailer's heading minus the tractor's.

    The trailer turns by the velocity of the hitch across it; the hitch lies ahead of the drive axle.
    """
    trailer, bend = vehicle.trailer, np.tan(wheel_rad) / vehicle.wheelbase_m
    across = -np.sin(joint_rad) + trailer.hitch_ahead_m * bend * np.cos(joint_rad)
    return speed_mps * (across / trailer.length_m - bend)


def trailer_poses(poses: np.ndarray, joint_rad: Real, trailer: Trailer) -> np.ndarray:
    """Return (..., 3) x y heading of the trailer's axle from (..., 3) of the tractor and (...) joint angles."""
    heading = poses[..., 2] + joint_rad
    x = poses[..., 0] + trailer.hitch_ahead_m * np.cos(poses[..., 2]) - trailer.length_m * np.cos(heading)
    y = poses[..., 1] + trailer.hitch_ahead_m * np.sin(poses[..., 2]) - trailer.length_m * np.sin(heading)
    return np.stack([x, y, heading], axis=-1)


def steady_articulation(radius_m: float, vehicle: Vehicle) -> float:
    """Return the joint angle at which a left turn settles, the drive axle on `radius_m`; refused if it never does."""
    trailer = vehicle.trailer
    hitch_radius = math.hypot(radius_m, trailer.hitch_ahead_m)
    if trailer.length_m > hitch_radius:
        raise ValueError(f'radius_m={radius_m} is too tight: the trailer of {trailer.length_m} m never settles')
    return -(math.asin(trailer.length_m / hitch_radius) - math.atan2(trailer.hitch_ahead_m, radius_m))


def steady_trailer_radius(radius_m: float, vehicle: Vehicle) -> float:
    """Return the radius of the trailer axle in a settled turn, the drive axle on `radius_m`."""
    steady_articulation(radius_m, vehicle)  # refuses what never settles
    trailer = vehicle.trailer
    return math.sqrt(radius_m**2 + trailer.hitch_ahead_m**2 - trailer.length_m**2)


@dataclass(frozen=True)
class Body:
    """A rigid part of the vehicle: a rectangle about a pose, from `front_m` ahead of it to `rear_m` behind."""

    front_m: float
    rear_m: float
    width_m: float

    @property
    def middle_m(self) -> float:
        """How far ahead of the pose the rectangle's middle lies."""
        return (self.front_m - self.rear_m) / 2.0

    @property
    def half_m(self) -> tuple[float, float]:
        """Half of length and width."""
        return (self.front_m + self.rear_m) / 2.0, self.width_m / 2.0

    def circles(self) -> tuple[np.ndarray, float]:
        """Return how far ahead of the pose (C,) circles lie and the radius with which they cover the rectangle.

        So many that they stand out at the sides by little: three for each width of length.
        """
        half_length, half_width = self.half_m
        count = max(math.ceil(3.0 * half_length / half_width), 1)
        part = half_length / count
        offsets = self.middle_m - half_length + part * (2.0 * np.arange(count) + 1.0)
        return offsets, math.hypot(part, half_width)

    def corners(self, poses: np.ndarray) -> np.ndarray:
        """Return (..., 4, 2) corners at (..., 3) poses: front left, front right, rear right, rear left."""
        along = np.array([self.front_m, self.front_m, -self.rear_m, -self.rear_m])
        left = np.array([1.0, -1.0, -1.0, 1.0]) * self.width_m / 2.0
        cos, sin = np.cos(poses[..., 2:3]), np.sin(poses[..., 2:3])
        return np.stack(
            [poses[..., 0:1] + along * cos - left * sin, poses[..., 1:2] + along * sin + left * cos], axis=-1
        )


def body_of(vehicle: Vehicle) -> Body:
    """Return the body of a car or tractor about base_link."""
    return Body(vehicle.front_m, vehicle.rear_m, vehicle.width_m)


def body_of_trailer(trailer: Trailer) -> Body:
    """Return the body of a trailer about its axle."""
    return Body(trailer.length_m + trailer.ahead_of_hitch_m, trailer.behind_axle_m, trailer.width_m)


def tracking_curvature(curvature: Real, offset_m: Real, heading_error: Real, length_m: Real) -> Real:
    """Return the curvature that brings a vehicle back onto a path, over a distance of about two `length_m`.

    Feed-forward of the path's `curvature`, and feedback of `offset_m` left of it and of the heading error such that the
    offset decays over distance like a critically damped spring (linearised path following, De Luca et al. 1998).
    """
    turned = np.minimum(np.maximum(heading_error, -1.0), 1.0)
    away = np.minimum(np.maximum(offset_m / length_m, -1.0), 1.0)  # far away: meet the path at an angle, do not circle
    return curvature - (away + 2.0 * turned) / length_m


def _braked(speed: Real, acceleration: Real, step_s: float) -> tuple[Real, Real]:
    """Return mean speed over a step and speed after it, where a change of sign ends at rest."""
    after = speed + acceleration * step_s
    stops = speed * after < 0.0
    rest_s = np.where(stops, np.abs(speed) / np.maximum(np.abs(acceleration), 1e-9), step_s)
    after = np.where(stops, 0.0, after)
    return 0.5 * (speed + after) * rest_s / step_s, after
