"""Where the vehicle is and how it moves: poses, inertial and wheel sensors, transforms. Read by their definitions."""

from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import matrix_of, quaternion_of
from autonomy_nodes.common.sensing import Fix, Imu, Transforms
from autonomy_nodes.common.types import DataError, EgoState, Goal, Pose
from autonomy_nodes.messages.driving import (  # noqa: F401  one place for all that tells of motion
    read_articulation,
    read_command,
    read_control_mode,
    read_gear,
    read_gear_command,
    read_steering,
    read_velocity,
    write_ackermann,
    write_articulation,
    write_command,
    write_control_mode,
    write_gear,
    write_gear_command,
    write_steering,
    write_twist,
    write_velocity,
)
from autonomy_nodes.messages.poses import UNKNOWN_VARIANCE, headings_of, orientations_of
from autonomy_nodes.messages.store import decode, encode, header_of, new, stamp_of, time_of

ODOMETRY = 'nav_msgs/msg/Odometry'
POSE = 'geometry_msgs/msg/PoseWithCovarianceStamped'
IMU = 'sensor_msgs/msg/Imu'
FIX = 'sensor_msgs/msg/NavSatFix'
GOAL = 'geometry_msgs/msg/PoseStamped'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
CLOCK = 'rosgraph_msgs/msg/Clock'
BASE = 'base_link'
NOT_GIVEN = -1.0  # first element of a covariance: the sensor does not measure this (sensor_msgs/Imu)
COVARIANCE_KNOWN = 3  # NavSatFix.COVARIANCE_TYPE_KNOWN


def read_ego(data: bytes, frame: str = 'odom') -> EgoState:
    """Read nav_msgs/Odometry of base_link in `frame`; DataError on other frames. A covariance of zeros is unknown."""
    message = decode(ODOMETRY, data)
    frames = (message.header.frame_id, message.child_frame_id)
    if frames != (frame, BASE):
        raise DataError(f'ego is in frames {frames}, expected {(frame, BASE)}')
    pose, twist = message.pose.pose, message.twist.twist
    return EgoState(
        stamp_ns=stamp_of(message.header.stamp),
        position_m=_numbers(pose.position),
        orientation=_numbers(pose.orientation),
        twist=np.concatenate([_numbers(twist.linear), _numbers(twist.angular)]),
        pose_covariance=_covariance(message.pose.covariance),
        twist_covariance=_covariance(message.twist.covariance),
    )


def write_ego(ego: EgoState, frame: str = 'odom') -> bytes:
    """Write nav_msgs/Odometry of base_link in `frame`."""
    twist = {'linear': _named(ego.twist[:3]), 'angular': _named(ego.twist[3:])}
    message = new(
        ODOMETRY,
        header=header_of(ego.stamp_ns, frame),
        child_frame_id=BASE,
        pose={'pose': _pose(ego.position_m, ego.orientation), 'covariance': _numbers_of(ego.pose_covariance)},
        twist={'twist': twist, 'covariance': _numbers_of(ego.twist_covariance)},
    )
    return encode(ODOMETRY, message)


def read_pose(data: bytes) -> Pose:
    """Read a pose with covariance; a variance of 0 says in ROS that the value is not known, here 1e6 does."""
    message = decode(POSE, data)
    covariance = message.pose.covariance.reshape(6, 6).copy()
    silent = np.diag(covariance) == 0.0
    covariance[silent, silent] = UNKNOWN_VARIANCE
    orientation = _numbers(message.pose.pose.orientation)
    headings_of(orientation)  # refuses what is no rotation
    stamp_ns, frame = _header(message)
    return Pose(stamp_ns, frame, _numbers(message.pose.pose.position), orientation, covariance)


def write_pose(pose: Pose) -> bytes:
    """Write a pose with covariance."""
    inner = {'pose': _pose(pose.position_m, pose.orientation), 'covariance': pose.covariance}
    return encode(POSE, new(POSE, header=header_of(pose.stamp_ns, pose.frame), pose=inner))


def read_goal(data: bytes) -> Goal:
    """Read a pose to drive to."""
    message = decode(GOAL, data)
    position = _numbers(message.pose.position)
    if not np.isfinite(position).all():
        raise DataError(f'goal is at {position}')
    stamp_ns, frame = _header(message)
    x, y, z = position.tolist()
    return Goal(stamp_ns, frame, (x, y, z), float(headings_of(_numbers(message.pose.orientation))))


def write_goal(goal: Goal) -> bytes:
    """Write a pose to drive to."""
    pose = _pose(np.array(goal.position_m), orientations_of(np.array(goal.heading_rad)))
    return encode(GOAL, new(GOAL, header=header_of(goal.stamp_ns, goal.frame), pose=pose))


def read_imu(data: bytes) -> Imu:
    """Read turn rate and acceleration; raises DataError where the unit says that it lacks one of them."""
    message = decode(IMU, data)
    for name in ('angular_velocity', 'linear_acceleration'):
        if getattr(message, f'{name}_covariance')[0] == NOT_GIVEN:
            raise DataError(f'imu says that it does not measure {name}')
    stamp_ns, frame = _header(message)
    return Imu(stamp_ns, frame, _numbers(message.angular_velocity), _numbers(message.linear_acceleration))


def write_imu(imu: Imu) -> bytes:
    """Write turn rate and acceleration; the orientation is said to be missing."""
    message = new(
        IMU,
        header=header_of(imu.stamp_ns, imu.frame),
        orientation={'w': 1.0},
        orientation_covariance=[NOT_GIVEN] + 8 * [0.0],
        angular_velocity=_named(imu.angular_rps),
        linear_acceleration=_named(imu.acceleration_mps2),
    )
    return encode(IMU, message)


def read_fix(data: bytes) -> Fix:
    """Read a satellite position; raises DataError while the receiver has none. A covariance not given is 1e6."""
    message = decode(FIX, data)
    if message.status.status < 0:
        raise DataError('satellite receiver has no fix')
    given = message.position_covariance_type != 0
    covariance = message.position_covariance.reshape(3, 3) if given else UNKNOWN_VARIANCE * np.eye(3)
    stamp_ns, frame = _header(message)
    llh = np.array([message.latitude, message.longitude, message.altitude])
    if not (abs(llh[0]) <= 90.0 and abs(llh[1]) <= 180.0):
        raise DataError(f'satellite position {llh.tolist()} is not on earth')
    return Fix(stamp_ns, frame, llh, covariance.copy())


def write_fix(fix: Fix) -> bytes:
    """Write a satellite position."""
    latitude, longitude, altitude = map(float, fix.llh)
    header = header_of(fix.stamp_ns, fix.frame)
    place = {'latitude': latitude, 'longitude': longitude, 'altitude': altitude}
    covariance = {'position_covariance': fix.covariance, 'position_covariance_type': COVARIANCE_KNOWN}
    return encode(FIX, new(FIX, header=header, **place, **covariance))


def read_transforms(data: bytes) -> Transforms:
    """Read rigid transforms; the stamp is that of the first. Raises DataError on an empty or nameless one."""
    message = decode(TRANSFORMS, data)
    matrices = {}
    for item in message.transforms:
        names = (item.header.frame_id.lstrip('/'), item.child_frame_id.lstrip('/'))
        position, orientation = _numbers(item.transform.translation), _numbers(item.transform.rotation)
        headings_of(orientation)  # refuses what is no rotation
        if not all(names) or not np.isfinite(position).all():
            raise DataError(f'transform between {names} at {position.tolist()} is none')
        matrices[names] = matrix_of(position, orientation)
    if not matrices:
        raise DataError('message holds no transform')
    return Transforms(stamp_of(message.transforms[0].header.stamp), matrices)


def write_transforms(transforms: Transforms) -> bytes:
    """Write rigid transforms."""
    items = [
        {
            'header': header_of(transforms.stamp_ns, parent),
            'child_frame_id': child,
            'transform': {'translation': _named(matrix[:3, 3]), 'rotation': _named(quaternion_of(matrix[:3, :3]))},
        }
        for (parent, child), matrix in transforms.matrices.items()
    ]
    return encode(TRANSFORMS, new(TRANSFORMS, transforms=items))


def read_clock(data: bytes) -> int:
    """Read the time of a simulation or replay."""
    return stamp_of(decode(CLOCK, data).clock)


def write_clock(stamp_ns: int) -> bytes:
    """Write the time of a simulation or replay."""
    return encode(CLOCK, new(CLOCK, clock=time_of(stamp_ns)))


def _header(message: Any) -> tuple[int, str]:
    if not message.header.frame_id:
        raise DataError('message names no frame')
    return stamp_of(message.header.stamp), message.header.frame_id


def _numbers(message: Any) -> np.ndarray:
    """Return x y z (w) of a point, vector or quaternion."""
    return np.array([getattr(message, axis) for axis in 'xyzw' if hasattr(message, axis)])


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip('xyzw', map(float, values)))


def _pose(position: np.ndarray, orientation: np.ndarray) -> dict[str, Any]:
    return {'position': _named(position), 'orientation': _named(orientation)}


def _covariance(values: np.ndarray) -> np.ndarray | None:
    return values.reshape(6, 6).copy() if values.any() else None


def _numbers_of(covariance: np.ndarray | None) -> np.ndarray:
    return np.zeros(36) if covariance is None else covariance
