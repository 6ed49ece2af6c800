"""The values that stages hand to one another: the vehicle's state and its trajectory. Others stand beside this file.

Frames are right-handed with x forward, y left, z up (REP 103). Units are metres, seconds, radians.
A moment is `stamp_ns`, an integer; seconds are for differences only.
"""

from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import heading_of, matrix_of

SECOND_NS = 1_000_000_000


class DataError(ValueError):
    """A message or frame that cannot be used: the stage drops it, counts it and carries on.

    fault: the code of `status.FAULTS` for what is wrong, empty where it has none.
    """

    def __init__(self, text: str, fault: str = '') -> None:
        super().__init__(text)
        self.fault = fault


def check_array(name: str, array: np.ndarray, *shape: int | None, finite: bool = True) -> None:
    """Raise DataError unless `array` is finite and has `shape`, where None stands for any length."""
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape)):
        raise DataError(f'{name} has shape {array.shape}, expected {shape}')
    if finite and not np.isfinite(array).all():
        raise DataError(f'{name} holds a value that is not finite')


@dataclass(frozen=True, eq=False)
class EgoState:
    """Where our vehicle is, in odom, and how it moves. The vehicle is its base_link: rear axle centre, on the ground.

    position_m: (3,) x y z.
    orientation: (4,) unit quaternion x y z w.
    twist: (6,) vx vy vz [m/s], wx wy wz [rad/s], both in base_link.
    pose_covariance, twist_covariance: (6, 6) x y z [m], roll pitch yaw [rad] and their rates; None where unknown.
    """

    stamp_ns: int
    position_m: np.ndarray
    orientation: np.ndarray
    twist: np.ndarray
    pose_covariance: np.ndarray | None = None
    twist_covariance: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_array('position_m', self.position_m, 3)
        check_array('orientation', self.orientation, 4)
        check_array('twist', self.twist, 6)
        for name in ('pose_covariance', 'twist_covariance'):
            if (covariance := getattr(self, name)) is not None:
                check_array(name, covariance, 6, 6)
        if abs(np.linalg.norm(self.orientation) - 1.0) > 1e-3:  # 0 0 0 0 is a message that nobody filled in
            raise DataError(f'orientation {self.orientation} is not a unit quaternion')

    @property
    def heading_rad(self) -> float:
        """Direction of the vehicle's x axis, seen from above."""
        return heading_of(self.orientation)

    @property
    def odom_from_base(self) -> np.ndarray:
        """(4, 4) transform that takes points in base_link to odom."""
        return matrix_of(self.position_m, self.orientation)

    @property
    def speed_mps(self) -> float:
        """Signed forward speed."""
        return float(self.twist[0])


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A timed path of base_link, in `frame`. It is valid until its stamp + `valid_s` of docs/interface.md.

    times_s: (T,) seconds after `stamp_ns`, increasing; two or more.
    poses: (T, 4) x y z [m], heading [rad].
    speeds_mps, accelerations_mps2: (T,) signed, along the heading.
    heading_rates_rps, wheel_angles_rad: (T,) yaw rate, and the angle of the front wheels (left positive).
    """

    stamp_ns: int
    times_s: np.ndarray
    poses: np.ndarray
    speeds_mps: np.ndarray
    accelerations_mps2: np.ndarray
    heading_rates_rps: np.ndarray
    wheel_angles_rad: np.ndarray
    frame: str = 'odom'

    def __post_init__(self) -> None:
        steps = len(self.times_s)
        check_array('times_s', self.times_s, None)
        check_array('poses', self.poses, steps, 4)
        for name in ('speeds_mps', 'accelerations_mps2', 'heading_rates_rps', 'wheel_angles_rad'):
            check_array(name, getattr(self, name), steps)
        if steps < 2 or (np.diff(self.times_s) <= 0.0).any():
            raise DataError('times_s must be two or more, each later than the one before')


@dataclass(frozen=True)
class Articulation:
    """Angles of the vehicle's joints: trailer heading minus the heading of what draws it.

    angles_rad: one a joint, front to rear, left positive.
    """

    stamp_ns: int
    angles_rad: tuple[float, ...]


@dataclass(frozen=True)
class Goal:
    """Where to go: a pose in `frame` (map, or odom where there is no map). position_m: x y z."""

    stamp_ns: int
    frame: str
    position_m: tuple[float, float, float]
    heading_rad: float


@dataclass(frozen=True, eq=False)
class Pose:
    """A pose of base_link in map with its covariance; from GNSS, from a person, or from localization.

    position_m: (3,); orientation: (4,) x y z w; covariance: (6, 6) x y z [m], roll pitch yaw [rad].
    A variance of 1e6 or more says that the value is not known (a GNSS without heading, for example).
    """

    stamp_ns: int
    frame: str
    position_m: np.ndarray
    orientation: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        check_array('position_m', self.position_m, 3)
        check_array('orientation', self.orientation, 4)
        check_array('covariance', self.covariance, 6, 6)


@dataclass(frozen=True)
class Command:
    """What the vehicle shall do now: signed speed and acceleration along the heading, front wheel angle (left > 0)."""

    stamp_ns: int
    speed_mps: float
    acceleration_mps2: float
    wheel_angle_rad: float
    wheel_rate_rps: float = 0.0


@dataclass(frozen=True)
class Decision:
    """Why the planner chose what it chose, in words and in values."""

    stamp_ns: int
    chosen: str
    reason: str
    runner_up: str = ''
    values: dict[str, str] = field(default_factory=dict)
