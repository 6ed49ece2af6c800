"""How the vehicle moves: wheels, gyro and LiDAR blended into one twist, and the way that they tell between sweeps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import rotation_exp, rotation_log
from autonomy_nodes.common.sensing import Imu, WheelSpeed
from autonomy_nodes.common.timing import StampBuffer
from autonomy_nodes.common.types import SECOND_NS

KEPT = 512  # samples; more than a second of a 400 Hz unit
UNKNOWN = np.array([30.0, 3.0, 3.0, 1.0, 1.0, 2.0])  # sigma of a twist of which nothing is known
GRAVITY = 9.81
BIAS_SHARE = 0.05  # of the gyro's bias, learnt from each sweep at rest
STANDING_SIGMA = 1e-3  # of the twist while the wheels stand, m/s and rad/s
TRUSTED_SIGMAS = 4.0  # wheels that differ more from a good LiDAR measurement slip, or are broken


@dataclass(frozen=True)
class MotionConfig:
    """Settings of the blend, all sigmas.

    acceleration_*: how fast the twist may change unseen. wheel_scale: share by which wheels may be wrong. standing_*:
    slower than that the wheels say rest.
    """

    acceleration_mps2: float = 3.0
    side_acceleration_mps2: float = 0.5
    roll_acceleration_rps2: float = 1.0
    yaw_acceleration_rps2: float = 1.0
    wheel_speed_mps: float = 0.05
    wheel_scale: float = 0.01
    wheel_side_mps: float = 0.1
    wheel_heading_rate_rps: float = 0.01
    gyro_rps: float = 0.005
    standing_mps: float = 0.02
    standing_rps: float = 0.01
    gap_s: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 < value < math.inf:
                raise ValueError(f'{name}={value} must be above 0')


@dataclass(frozen=True, eq=False)
class Hint:
    """What the way between two sweeps should be, before the LiDAR is asked.

    twist, sigmas: (6,) mean twist and how sure it is. measured: wheels tell of it. standing: wheels say that it is 0.
    """

    twist: np.ndarray
    sigmas: np.ndarray
    measured: bool
    standing: bool

    def covariance(self, seconds: float) -> np.ndarray:
        """Return the (6, 6) covariance of the step that it predicts."""
        return np.diag((self.sigmas * seconds) ** 2)


class Motion:
    """The twist of base_link with its variances, one axis each: a scalar Kalman filter an axis."""

    def __init__(self, config: MotionConfig) -> None:
        self.config = config
        turning = (config.roll_acceleration_rps2, config.roll_acceleration_rps2, config.yaw_acceleration_rps2)
        side = config.side_acceleration_mps2
        self._change = np.array([config.acceleration_mps2, side, side, *turning])
        self._wheels: StampBuffer[WheelSpeed] = StampBuffer(KEPT)
        self._imu: StampBuffer[Imu] = StampBuffer(KEPT)
        self.restart()

    def restart(self) -> None:
        """Forget all but the gyro's bias."""
        self.twist, self.variance = np.zeros(6), UNKNOWN**2
        self.gyro_bias_rps = getattr(self, 'gyro_bias_rps', np.zeros(3))
        self._wheels.flush()
        self._imu.flush()

    @property
    def known(self) -> bool:
        """Whether the forward speed was measured at all."""
        return bool(self.variance[0] < 4.0)

    def hear(self, wheels: Sequence[WheelSpeed], imu: Sequence[Imu]) -> None:
        """Keep samples; those of the IMU turned to base_link."""
        for speed in wheels:
            self._wheels.add(speed.stamp_ns, speed)
        for sample in imu:
            self._imu.add(sample.stamp_ns, sample)

    def hint(self, after_ns: int, until_ns: int) -> Hint:
        """Return what is known of the motion between two stamps."""
        twist, seconds = self.twist.copy(), seconds_between(after_ns, until_ns)
        sigmas = np.sqrt(np.minimum(self.variance + (self._change * seconds) ** 2, UNKNOWN**2))
        wheels = self._wheels.between(after_ns, until_ns)
        gyro = self._imu.between(after_ns, until_ns)
        config, standing = self.config, False
        if wheels:
            each = np.array([[w.longitudinal_mps, w.lateral_mps, w.heading_rate_rps] for w in wheels])
            twist[[0, 1, 5]] = each.mean(axis=0)
            ahead_mps = math.hypot(config.wheel_speed_mps, config.wheel_scale * twist[0])
            sigmas[[0, 1, 5]] = ahead_mps, config.wheel_side_mps, config.wheel_heading_rate_rps
            limits = [config.standing_mps, config.standing_mps, config.standing_rps]
            standing = bool((np.abs(each) < limits).all())
        if gyro:
            rates = np.mean([sample.angular_rps for sample in gyro], axis=0)
            if standing:
                self.gyro_bias_rps = self.gyro_bias_rps + BIAS_SHARE * (rates - self.gyro_bias_rps)
            twist[3:], sigmas[3:] = rates - self.gyro_bias_rps, config.gyro_rps
        if standing:
            twist[:], sigmas[:] = 0.0, STANDING_SIGMA
        return Hint(twist, sigmas, measured=bool(wheels), standing=standing)

    def pass_time(self, seconds: float) -> None:
        """Let the variances grow."""
        self.variance = np.minimum(self.variance + (self._change * seconds) ** 2, UNKNOWN**2)

    def measure(self, values: np.ndarray, sigmas: np.ndarray) -> None:
        """Blend (6,) values with their sigmas in; NaN is no measurement."""
        there = np.isfinite(values)
        gain = self.variance[there] / (self.variance[there] + sigmas[there] ** 2)
        self.twist[there] += gain * (values[there] - self.twist[there])
        self.variance[there] *= 1.0 - gain

    def doubt(self) -> None:
        """Know nothing of the motion any more."""
        self.variance = UNKNOWN**2

    def measure_sensors(self, stamp_ns: int, checked: bool, wheels: bool = True) -> str:
        """Blend in what wheels and gyro say at this stamp; return what is wrong with them, or nothing.

        checked: the LiDAR has measured this sweep, so that wheels which contradict it are left out.
        wheels: listen to them at all.
        """
        config, values, sigmas, complaint = self.config, np.full(6, np.nan), np.ones(6), ''
        said = self._wheels.interpolated(stamp_ns, _between_wheels, config.gap_s)
        said = said or self._wheels.nearest(stamp_ns, within_s=0.1)
        if said is not None and wheels:
            far = abs(said.longitudinal_mps - self.twist[0])
            if checked and far > TRUSTED_SIGMAS * math.hypot(math.sqrt(self.variance[0]), config.wheel_speed_mps):
                complaint = f'wheels say {said.longitudinal_mps:.2f} m/s, LiDAR {self.twist[0]:.2f} m/s'
            else:
                values[[0, 1, 5]] = said.longitudinal_mps, said.lateral_mps, said.heading_rate_rps
                sigmas[[0, 1, 5]] = config.wheel_speed_mps, config.wheel_side_mps, config.wheel_heading_rate_rps
        gyro = self._imu.nearest(stamp_ns, within_s=0.05)
        if gyro is not None:
            values[3:], sigmas[3:] = gyro.angular_rps - self.gyro_bias_rps, config.gyro_rps
        self.measure(values, sigmas)
        return complaint

    def level(self, stamp_ns: int) -> np.ndarray:
        """Return the (3, 3) rotation from base_link to a frame whose z points up, from an IMU at rest, else no turn."""
        sample = self._imu.nearest(stamp_ns, within_s=0.2)
        if sample is None or abs(np.linalg.norm(sample.acceleration_mps2) - GRAVITY) > 0.05 * GRAVITY:
            return np.eye(3)
        up = sample.acceleration_mps2 / np.linalg.norm(sample.acceleration_mps2)
        axis = np.array([up[1], -up[0], 0.0])  # up x z: the turn that takes `up` to z and has no yaw
        sine = float(np.linalg.norm(axis))
        return rotation_exp(axis / sine * math.atan2(sine, up[2])) if sine > 1e-9 else np.eye(3)


def _between_wheels(before: WheelSpeed, after: WheelSpeed, share: float) -> WheelSpeed:
    def mixed(name: str) -> float:
        return getattr(before, name) + share * (getattr(after, name) - getattr(before, name))

    stamp_ns = before.stamp_ns + round(share * (after.stamp_ns - before.stamp_ns))
    return WheelSpeed(stamp_ns, mixed('longitudinal_mps'), mixed('lateral_mps'), mixed('heading_rate_rps'))


def displacement(twist: np.ndarray, seconds: float) -> np.ndarray:
    """Return the (4, 4) start_from_end of a body that moves with a constant (6,) twist (exponential of SE(3))."""
    shift, turn = np.asarray(twist[:3]) * seconds, np.asarray(twist[3:]) * seconds
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation_exp(turn), _left_jacobian(turn) @ shift
    return result


def twist_of(start_from_end: np.ndarray, seconds: float) -> np.ndarray:
    """Return the constant (6,) twist that moves a body so in that time (logarithm of SE(3))."""
    turn = rotation_log(start_from_end[:3, :3])
    shift = np.linalg.solve(_left_jacobian(turn), start_from_end[:3, 3])
    return np.concatenate([shift, turn]) / seconds


def _left_jacobian(turn: np.ndarray) -> np.ndarray:
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-6:
        return np.eye(3) + 0.5 * cross
    return (
        np.eye(3)
        + (1.0 - math.cos(angle)) / angle**2 * cross
        + (angle - math.sin(angle)) / angle**3 * (cross @ cross)
    )


def seconds_between(start_ns: int, end_ns: int) -> float:
    """Return a difference of stamps in seconds."""
    return (end_ns - start_ns) / SECOND_NS
