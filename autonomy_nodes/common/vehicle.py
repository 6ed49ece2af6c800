"""The vehicle: its sizes, its limits, and where its sensors sit: the settings `vehicle:` of config/vehicles/*.yaml."""

import math
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy


@dataclass(frozen=True)
class Mount:
    """Where a sensor sits in base_link. xyz_m, rpy_rad: roll pitch yaw about fixed axes, as in URDF."""

    frame: str
    xyz_m: tuple[float, ...] = (0.0, 0.0, 0.0)
    rpy_rad: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.xyz_m) != 3 or len(self.rpy_rad) != 3:
            raise ValueError(f'mount of {self.frame!r}: xyz_m and rpy_rad need three numbers each')

    @property
    def base_from_sensor(self) -> np.ndarray:
        """(4, 4) transform."""
        return matrix_of_rpy(np.array(self.xyz_m), np.array(self.rpy_rad))


@dataclass(frozen=True)
class LidarView:
    """What a LiDAR sees in its own frame, x ahead, z up: for pictures of the vehicle and its blind zones alone.

    lowest_rad, highest_rad: elevations of the outer beams, up positive; the `beams` between are taken as even.
    right_rad, left_rad: azimuths at which its field ends, left positive.
    """

    lowest_rad: float
    highest_rad: float
    beams: int
    range_m: float
    right_rad: float = -math.pi
    left_rad: float = math.pi

    def __post_init__(self) -> None:
        if not -math.pi / 2 <= self.lowest_rad <= self.highest_rad <= math.pi / 2:
            raise ValueError(f'lowest_rad={self.lowest_rad} must lie below highest_rad={self.highest_rad}, in radians')
        if not -2 * math.pi <= self.right_rad < self.left_rad <= 2 * math.pi:
            raise ValueError(f'right_rad={self.right_rad} must lie below left_rad={self.left_rad}, in radians')
        if self.beams < 1 or not self.range_m > 0.0:
            raise ValueError(f'beams={self.beams} and range_m={self.range_m} must be above 0')


@dataclass(frozen=True)
class CameraView:
    """What a camera sees in its optical frame, x right, y down, z ahead: for pictures and blind zones alone.

    focal_px, centre_px: of x and of y, as in K of CameraInfo. fisheye: the angle from z, not its tangent, grows with
    the distance from the centre.
    """

    width_px: int
    height_px: int
    focal_px: tuple[float, ...]
    centre_px: tuple[float, ...]
    fisheye: bool = False

    def __post_init__(self) -> None:
        if len(self.focal_px) != 2 or len(self.centre_px) != 2:
            raise ValueError('focal_px and centre_px need two numbers each, of x and of y')
        if min(self.width_px, self.height_px) < 1 or not min(self.focal_px) > 0.0:
            raise ValueError(f'{self.width_px} x {self.height_px} px and focal_px={self.focal_px} must be above 0')


@dataclass(frozen=True)
class Part:
    """A box of the body in base_link, from and to along each axis: what hides the ground from its own sensors."""

    x_m: tuple[float, ...]
    y_m: tuple[float, ...]
    z_m: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ('x_m', 'y_m', 'z_m'):
            side = getattr(self, name)
            if len(side) != 2 or not side[0] < side[1]:
                raise ValueError(f'{name}={side} of a part must be two numbers, the smaller one first')


@dataclass(frozen=True)
class Trailer:
    """A semitrailer on a hitch `hitch_ahead_m` ahead of the drive axle.

    length_m: from hitch to trailer axle; behind_axle_m, ahead_of_hitch_m: body beyond those.
    """

    present: bool = False
    length_m: float = 7.7
    hitch_ahead_m: float = 0.6
    behind_axle_m: float = 4.3
    ahead_of_hitch_m: float = 1.6
    width_m: float = 2.55
    max_angle_rad: float = 1.047


@dataclass(frozen=True)
class Limits:
    """What the vehicle can do, and what the stack asks of it.

    brake_lag_s: from a command to its effect. jerk_mps3: how fast the acceleration asked for may change;
    braking_jerk_mps3: where it brakes harder.
    """

    speed_mps: float = 13.0
    acceleration_mps2: float = 2.0
    comfort_braking_mps2: float = 2.5
    hardest_braking_mps2: float = 6.0
    lateral_mps2: float = 2.5
    wheel_angle_rad: float = 0.55
    wheel_rate_rps: float = 0.5
    brake_lag_s: float = 0.3
    jerk_mps3: float = 10.0
    braking_jerk_mps3: float = 40.0


@dataclass(frozen=True)
class Vehicle:
    """A car or the tractor of a truck. base_link is the rear axle centre on the ground.

    front_m, rear_m: from base_link to the ends of the body.
    self_box_margin_m: points this near to the body are self hits.
    blind_m: so near to the body its sensors do not see the ground.
    lidar_views, camera_views: what sensors see, by the names of their mounts. parts: boxes of the body, by any name.
    """

    wheelbase_m: float = 2.7
    front_m: float = 3.6
    rear_m: float = 0.9
    width_m: float = 1.8
    height_m: float = 1.6
    self_box_margin_m: float = 0.2
    blind_m: float = 4.0
    trailer: Trailer = field(default_factory=Trailer)
    limits: Limits = field(default_factory=Limits)
    mounts: dict[str, Mount] = field(default_factory=dict)  # lidar, camera, imu, gnss by any name
    lidar_views: dict[str, LidarView] = field(default_factory=dict)
    camera_views: dict[str, CameraView] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ('wheelbase_m', 'front_m', 'width_m', 'height_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'vehicle.{name}={getattr(self, name)} must be above 0')
        if self.front_m < self.wheelbase_m:
            raise ValueError(f'vehicle.front_m={self.front_m} must not be less than wheelbase_m={self.wheelbase_m}')

    @property
    def length_m(self) -> float:
        """Length of the body without its trailer."""
        return self.front_m + self.rear_m
