"""How the vehicle moves: what wheels and IMU say between two sweeps, in short steps, and the way of a twist."""

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
STANDING_SIGMA = 1e-3  # of the twist while the wheels stand, m/s and rad/s
STEP_S = 0.025  # samples within are averaged
MOST_STEPS = 100
SILENT_S = 0.25


@dataclass(frozen=True)
class MotionConfig:
    """Settings of the filter's motion, all sigmas.

    *acceleration_*: how fast the twist may change unseen, in 0.1 s. wheel_scale: share by which wheels may be wrong,
    and by which that changes in a minute.
    standing_*: slower than that the wheels say rest. gyro_bias_rps, force_bias_mps2: of the IMU when it is new.
    force_mps2: of the accelerometer on a vehicle that shakes. levelled_mps2: of gravity's direction where an IMU at
    rest told it, not_levelled_mps2: where not.
    """

    acceleration_mps2: float = 3.0
    side_acceleration_mps2: float = 0.5
    roll_acceleration_rps2: float = 1.0
    yaw_acceleration_rps2: float = 1.0
    wheel_speed_mps: float = 0.05
    wheel_scale: float = 0.01
    wheel_scale_wander: float = 0.002
    wheel_side_mps: float = 0.1
    wheel_heading_rate_rps: float = 0.01
    gyro_rps: float = 0.005
    gyro_bias_rps: float = 0.01
    force_mps2: float = 0.3
    force_bias_mps2: float = 0.1
    levelled_mps2: float = 0.1
    not_levelled_mps2: float = 1.0
    standing_mps: float = 0.02
    standing_rps: float = 0.01

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 < value < math.inf:
                raise ValueError(f'{name}={value} must be above 0')

    @property
    def changes(self) -> np.ndarray:
        """(6,) how fast each number of the twist may change unseen."""
        turning = (self.roll_acceleration_rps2, self.roll_acceleration_rps2, self.yaw_acceleration_rps2)
        return np.array([self.acceleration_mps2, self.side_acceleration_mps2, self.side_acceleration_mps2, *turning])


@dataclass(frozen=True, eq=False)
class Step:
    """A short time, and the means of what was said in it: rates and force (3,) in base_link, None where nothing."""

    seconds: float
    rates_rps: np.ndarray | None
    force_mps2: np.ndarray | None
    wheels: WheelSpeed | None


@dataclass(frozen=True, eq=False)
class Said:
    """What was said between two sweeps.

    measured: wheels tell of it. standing: wheels say rest all the time. silent: for a while nobody said anything, who
    did so before: messages were lost, or the clock jumped.
    """

    steps: Sequence[Step]
    measured: bool
    standing: bool
    silent: bool


class Senses:
    """Keeps what wheels and IMU (turned to base_link) say."""

    def __init__(self, config: MotionConfig) -> None:
        self.config = config
        self._wheels: StampBuffer[WheelSpeed] = StampBuffer(KEPT)
        self._imu: StampBuffer[Imu] = StampBuffer(KEPT)

    def restart(self) -> None:
        """Forget all samples."""
        self._wheels.flush()
        self._imu.flush()

    def hear(self, wheels: Sequence[WheelSpeed], imu: Sequence[Imu]) -> None:
        """Keep samples."""
        for speed in wheels:
            self._wheels.add(speed.stamp_ns, speed)
        for sample in imu:
            self._imu.add(sample.stamp_ns, sample)

    def between(self, after_ns: int, until_ns: int, longest_s: float) -> Said:
        """Return what was said between two stamps; where nobody said anything, one step of `longest_s` at most."""
        seconds, config = seconds_between(after_ns, until_ns), self.config
        wheels, imu = self._wheels.between(after_ns, until_ns), self._imu.between(after_ns, until_ns)
        if not wheels and not imu:
            silent = seconds > SILENT_S and bool(len(self._wheels) or len(self._imu))
            return Said([Step(min(seconds, longest_s), None, None, None)], False, False, silent)
        count = min(max(math.ceil(seconds / STEP_S - 1e-6), 1), MOST_STEPS)
        edges = [after_ns + (until_ns - after_ns) * k // count for k in range(count + 1)]
        steps = []
        for start, end in zip(edges, edges[1:]):
            some = self._imu.between(start, end)
            rates = np.mean([each.angular_rps for each in some], axis=0) if some else None
            force = np.mean([each.acceleration_mps2 for each in some], axis=0) if some else None
            steps.append(Step(seconds_between(start, end), rates, force, _mean(self._wheels.between(start, end))))
        still = (config.standing_mps, config.standing_mps, config.standing_rps)
        each = np.array([(w.longitudinal_mps, w.lateral_mps, w.heading_rate_rps) for w in wheels]).reshape(-1, 3)
        stamps = sorted({after_ns, until_ns, *(w.stamp_ns for w in wheels), *(sample.stamp_ns for sample in imu)})
        silent = max(b - a for a, b in zip(stamps, stamps[1:])) > SILENT_S * SECOND_NS
        return Said(steps, bool(wheels), bool(wheels) and bool((np.abs(each) < still).all()), silent)

    def level(self, stamp_ns: int) -> np.ndarray | None:
        """Return the (3, 3) rotation from base_link to a frame whose z points up, by an IMU at rest; else None."""
        sample = self._imu.nearest(stamp_ns, within_s=0.2)
        if sample is None or abs(np.linalg.norm(sample.acceleration_mps2) - GRAVITY) > 0.05 * GRAVITY:
            return None
        up = sample.acceleration_mps2 / np.linalg.norm(sample.acceleration_mps2)
        axis = np.array([up[1], -up[0], 0.0])  # up x z: the turn that takes `up` to z and has no yaw
        sine = float(np.linalg.norm(axis))
        return rotation_exp(axis / sine * math.atan2(sine, up[2])) if sine > 1e-9 else np.eye(3)


def _mean(wheels: Sequence[WheelSpeed]) -> WheelSpeed | None:
    if not wheels:
        return None
    each = np.mean([(w.longitudinal_mps, w.lateral_mps, w.heading_rate_rps) for w in wheels], axis=0)
    return WheelSpeed(wheels[-1].stamp_ns, *each.tolist())


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
