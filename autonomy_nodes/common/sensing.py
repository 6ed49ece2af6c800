"""What sensors tell: clouds, images, motion. Pure data, checked where it is born."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.types import DataError, check_array


@dataclass(frozen=True, eq=False)
class PointCloud:
    """N points of a LiDAR, or of several merged.

    stamp_ns: the moment to which the points belong; in a raw sweep that of its start unless the driver says else.
    xyz: (N, 3) float32, in `frame`; finite.
    intensity: (N,) float32, as the sensor gives it; zeros where it gives none.
    ring: (N,) uint16 beam number, or None.
    offset_ns: (N,) int64 time of each point after `stamp_ns`, or None where the sensor does not tell.
    removed: how many points of the message were no places at all (NaN, infinite) and are not among these.
    """

    stamp_ns: int
    frame: str
    xyz: np.ndarray
    intensity: np.ndarray
    ring: np.ndarray | None = None
    offset_ns: np.ndarray | None = None
    removed: int = 0

    def __post_init__(self) -> None:
        count = len(self.xyz)
        check_array('xyz', self.xyz, count, 3)
        check_array('intensity', self.intensity, count)
        for name in ('ring', 'offset_ns'):
            if (column := getattr(self, name)) is not None:
                check_array(name, column, count)

    def __len__(self) -> int:
        return len(self.xyz)

    def kept(self, mask: np.ndarray) -> 'PointCloud':
        """Return the points where `mask` (N,) is true (or those at these indices)."""
        ring, offset = (None if column is None else column[mask] for column in (self.ring, self.offset_ns))
        return PointCloud(self.stamp_ns, self.frame, self.xyz[mask], self.intensity[mask], ring, offset)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture. pixels: (H, W, 3) uint8, red green blue."""

    stamp_ns: int
    frame: str
    pixels: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8:
            raise DataError(f'pixels are {self.pixels.dtype}, expected uint8')
        check_array('pixels', self.pixels, None, None, 3, finite=False)


@dataclass(frozen=True, eq=False)
class CameraModel:
    """How a camera projects (sensor_msgs/CameraInfo).

    matrix: (3, 3) focal lengths and centre in pixels, of the raw picture.
    model: 'plumb_bob', 'rational_polynomial' or 'equidistant' (fisheye), with their `distortion` (D,).
    rectification: (3, 3); projection: (3, 4) of the rectified picture.
    """

    stamp_ns: int
    frame: str
    width: int
    height: int
    matrix: np.ndarray
    model: str
    distortion: np.ndarray
    rectification: np.ndarray
    projection: np.ndarray

    def __post_init__(self) -> None:
        check_array('matrix', self.matrix, 3, 3)
        check_array('distortion', self.distortion, None)
        check_array('rectification', self.rectification, 3, 3)
        check_array('projection', self.projection, 3, 4)
        if self.matrix[0, 0] <= 0.0 or self.matrix[1, 1] <= 0.0:  # CameraInfo of zeros: nobody calibrated
            raise DataError(f'camera {self.frame!r} has no calibration: focal length {self.matrix[0, 0]}')
        if self.width <= 0 or self.height <= 0:
            raise DataError(f'camera {self.frame!r} has size {self.width} x {self.height}')


@dataclass(frozen=True, eq=False)
class Imu:
    """A sample of an inertial unit, in its own frame. angular_rps, acceleration_mps2: (3,), gravity included."""

    stamp_ns: int
    frame: str
    angular_rps: np.ndarray
    acceleration_mps2: np.ndarray

    def __post_init__(self) -> None:
        check_array('angular_rps', self.angular_rps, 3)
        check_array('acceleration_mps2', self.acceleration_mps2, 3)


@dataclass(frozen=True)
class WheelSpeed:
    """What the vehicle's wheels tell, in base_link (autoware VelocityReport)."""

    stamp_ns: int
    longitudinal_mps: float
    lateral_mps: float
    heading_rate_rps: float


@dataclass(frozen=True)
class Steering:
    """The angle of the front wheels, left positive."""

    stamp_ns: int
    wheel_angle_rad: float


@dataclass(frozen=True)
class ControlMode:
    """Who drives: 'AUTONOMOUS', 'MANUAL', ... as in autoware ControlModeReport."""

    stamp_ns: int
    mode: str


@dataclass(frozen=True)
class Gear:
    """The gear that is in: 'DRIVE', 'REVERSE', 'PARK', 'NEUTRAL', ... as in autoware GearReport."""

    stamp_ns: int
    gear: str


@dataclass(frozen=True, eq=False)
class Fix:
    """A satellite position. llh: (3,) latitude, longitude [deg], height [m] (WGS 84); covariance: (3, 3) ENU [m^2]."""

    stamp_ns: int
    frame: str
    llh: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        check_array('llh', self.llh, 3)
        check_array('covariance', self.covariance, 3, 3)


@dataclass(frozen=True)
class Transforms:
    """Rigid transforms of one message: {(parent, child): (4, 4) parent_from_child}."""

    stamp_ns: int
    matrices: dict[tuple[str, str], np.ndarray]
