"""How the vehicle answers a command: lags, limits of rate and grip, a trailer, and ground that is not flat.

The equations of motion are those of common/kinematics.py; here are the world's answers to them.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of, rotation_log
from autonomy_nodes.common.kinematics import Motion, moved, trailer_poses
from autonomy_nodes.common.types import Command, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import FRICTIONS

GRAVITY_MPS2 = 9.81
_STANDING_MPS = 0.02
_TYRE_M = 0.3  # over which a wheel evens out the ground


@dataclass(frozen=True)
class DynamicsSettings:
    """Lags of the drive by wire. Each is the time in which two thirds of a step are done."""

    steering_lag_s: float = 0.12
    drive_lag_s: float = 0.25

    def __post_init__(self) -> None:
        if self.steering_lag_s <= 0.0 or self.drive_lag_s <= 0.0:
            raise ValueError(f'steering_lag_s={self.steering_lag_s} and drive_lag_s={self.drive_lag_s} must be above 0')


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """Where the vehicle is and how it moves, in map.

    xy_m: (2,) rear axle centre. speed_mps along the ground. joint_rad: trailer heading minus tractor heading.
    map_from_base: (4, 4). twist: (6,) in base_link. acceleration: (3,) of base_link, in map, without gravity.
    """

    xy_m: np.ndarray
    heading_rad: float
    speed_mps: float
    acceleration_mps2: float
    wheel_angle_rad: float
    joint_rad: float
    map_from_base: np.ndarray
    twist: np.ndarray
    acceleration: np.ndarray

    def ego(self, stamp_ns: int) -> EgoState:
        """Return the same as the value that stages use."""
        return EgoState(stamp_ns, self.map_from_base[:3, 3], quaternion_of(self.map_from_base[:3, :3]), self.twist)


class Dynamics:
    """The law of motion of one vehicle on one ground."""

    def __init__(self, vehicle: Vehicle, ground: HeightField, settings: DynamicsSettings) -> None:
        self._vehicle, self._ground, self._settings = vehicle, ground, settings

    def start(self, x: float, y: float, heading: float, speed_mps: float) -> EgoMotion:
        """Return the vehicle at a place, its trailer straight behind it."""
        pose = self.pose(np.array([x, y]), heading)
        twist = np.array([speed_mps, 0.0, 0.0, 0.0, 0.0, 0.0])
        return EgoMotion(np.array([x, y]), heading, speed_mps, 0.0, 0.0, 0.0, pose, twist, np.zeros(3))

    def step(self, motion: EgoMotion, command: Command, dt_s: float) -> EgoMotion:
        """Return the motion `dt_s` later under a command."""
        limits = self._vehicle.limits
        wanted = float(np.clip(command.wheel_angle_rad, -limits.wheel_angle_rad, limits.wheel_angle_rad))
        rate = (wanted - motion.wheel_angle_rad) / max(self._settings.steering_lag_s, dt_s)
        wheel = motion.wheel_angle_rad + float(np.clip(rate, -limits.wheel_rate_rps, limits.wheel_rate_rps)) * dt_s
        grip = GRAVITY_MPS2 * float(FRICTIONS[self._ground.material(motion.xy_m)])
        acceleration, speed = self._driven(motion, command, grip, dt_s)
        # seen from above a slope is shorter; beyond what grips, the front slides outwards
        flat = float(np.linalg.norm(motion.map_from_base[:2, 0]))
        most = math.atan(grip * self._vehicle.wheelbase_m / max(abs(motion.speed_mps), 1.0) ** 2)
        bent = [float(np.clip(angle, -most, most)) for angle in (motion.wheel_angle_rad, wheel)]
        state = Motion(
            np.array(motion.xy_m[0]),
            np.array(motion.xy_m[1]),
            np.array(motion.heading_rad),
            np.array(motion.speed_mps * flat),
            np.array(bent[0]),
            np.array(motion.joint_rad),
        )
        drive = np.array((speed - motion.speed_mps) * flat / dt_s)
        moved_on = moved(state, np.array(bent[1]), drive, self._vehicle, dt_s)
        most_joint = self._vehicle.trailer.max_angle_rad
        after = replace(
            motion,
            xy_m=np.array([moved_on.x_m, moved_on.y_m], float),
            heading_rad=float(moved_on.heading_rad),
            speed_mps=speed,
            acceleration_mps2=acceleration,
            wheel_angle_rad=wheel,
            joint_rad=float(np.clip(moved_on.articulation_rad, -most_joint, most_joint)),
        )
        return self._risen(after, motion, dt_s)

    def _driven(self, motion: EgoMotion, command: Command, grip: float, dt_s: float) -> tuple[float, float]:
        """Return acceleration and speed; brakes stop the vehicle but never drive it the other way."""
        limits = self._vehicle.limits
        way = -1.0 if command.speed_mps < -_STANDING_MPS else 1.0
        wanted = way * float(
            np.clip(way * command.acceleration_mps2, -limits.hardest_braking_mps2, limits.acceleration_mps2)
        )
        wanted = float(np.clip(wanted, -grip, grip))
        share = 1.0 - math.exp(-dt_s / self._settings.drive_lag_s)
        acceleration = motion.acceleration_mps2 + (wanted - motion.acceleration_mps2) * share
        speed = motion.speed_mps + acceleration * dt_s
        if way * speed <= 0.0 and way * motion.speed_mps >= 0.0 and way * acceleration <= 0.0:
            return 0.0, 0.0
        return acceleration, speed

    def _risen(self, motion: EgoMotion, before: EgoMotion, dt_s: float) -> EgoMotion:
        """Return the motion with its pose on the ground and what follows from two poses."""
        pose = self.pose(motion.xy_m, motion.heading_rad)
        spin = rotation_log(before.map_from_base[:3, :3].T @ pose[:3, :3]) / dt_s
        twist = np.array([motion.speed_mps, 0.0, 0.0, spin[0], spin[1], spin[2]])
        old, new = before.map_from_base[:3, 0] * before.speed_mps, pose[:3, 0] * motion.speed_mps
        return replace(motion, map_from_base=pose, twist=twist, acceleration=(new - old) / dt_s)

    def pose(self, xy: np.ndarray, heading: float) -> np.ndarray:
        """Return (4, 4) map_from_base of the vehicle standing with four wheels on the ground."""
        base, half = self._vehicle.wheelbase_m, self._vehicle.width_m / 2.0
        return standing(self._ground, xy, heading, (0.0, base), half)

    def trailer_pose(self, motion: EgoMotion) -> np.ndarray:
        """Return (4, 4) map_from_trailer, at the middle of its axle on the ground."""
        trailer = self._vehicle.trailer
        x, y, heading = trailer_poses(np.array([*motion.xy_m, motion.heading_rad]), np.array(motion.joint_rad), trailer)
        axles = (0.0, trailer.length_m)
        return standing(self._ground, np.array([x, y]), float(heading), axles, trailer.width_m / 2.0)


def standing(
    ground: HeightField, xy: np.ndarray, heading: float, axles_m: tuple[float, float], half_track_m: float
) -> np.ndarray:
    """Return the (4, 4) pose, at `xy`, of a body whose four wheels stand on the ground.

    axles_m: how far ahead of `xy` the rear and the front axle are.
    """
    cos, sin = math.cos(heading), math.sin(heading)
    along = np.add.outer(axles_m, _TYRE_M * np.array([-1.0, 0.0, 1.0]))[:, None]  # (axle, side, place)
    left = np.array([-half_track_m, half_track_m])[:, None]
    places = np.stack([xy[0] + along * cos - left * sin, xy[1] + along * sin + left * cos], axis=-1)
    (rear_right, rear_left), (front_right, front_left) = ground.height(places).mean(axis=2).tolist()
    rear, front = 0.5 * (rear_right + rear_left), 0.5 * (front_right + front_left)
    rise = (front - rear) / (axles_m[1] - axles_m[0])
    bank = (rear_left + front_left - rear_right - front_right) / (4.0 * half_track_m)
    x = np.array([cos, sin, rise]) / math.sqrt(1.0 + rise * rise)
    z = np.array([bank * sin - rise * cos, -bank * cos - rise * sin, 1.0])  # across both slopes
    z /= math.sqrt(float(z @ z))
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 2] = x, z
    pose[:3, 1] = z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]
    pose[:3, 3] = xy[0], xy[1], rear - axles_m[0] * rise
    return pose
