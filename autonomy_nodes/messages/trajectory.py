"""autoware_planning_msgs/Trajectory as bytes, all points at once; a publisher sends bytes as they are.

As objects, each point costs rclpy dozens of Python calls at either end. As rows of one table it costs none.
"""

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, DataError, Trajectory
from autonomy_nodes.messages.cdr import Cursor, write_header, write_rows
from autonomy_nodes.messages.poses import POSE, headings_of, orientations_of

RATES = ('longitudinal_velocity_mps', 'lateral_velocity_mps', 'acceleration_mps2', 'heading_rate_rps')
WHEELS = ('front_wheel_angle_rad', 'rear_wheel_angle_rad')
POINT = np.dtype([('sec', '<i4'), ('nanosec', '<u4'), *POSE, *((name, '<f4') for name in RATES + WHEELS)])
TIME_BYTES = 8  # sec and nanosec lie before the pose
CAPACITY = 10_000  # points, as the message's definition says


def write_trajectory(trajectory: Trajectory) -> bytes:
    """Write a trajectory; the vehicle moves along its heading and has no rear steering, so those stay zero."""
    points = np.zeros(len(trajectory.times_s), POINT)
    nanoseconds = np.round(np.asarray(trajectory.times_s) * SECOND_NS).astype(np.int64)
    points['sec'], points['nanosec'] = np.divmod(nanoseconds, SECOND_NS)
    points['position'] = trajectory.poses[:, :3]
    points['orientation'] = orientations_of(trajectory.poses[:, 3])
    points['longitudinal_velocity_mps'] = trajectory.speeds_mps
    points['acceleration_mps2'] = trajectory.accelerations_mps2
    points['heading_rate_rps'] = trajectory.heading_rates_rps
    points['front_wheel_angle_rad'] = trajectory.wheel_angles_rad
    return encode(trajectory.stamp_ns, trajectory.frame, points)


def read_trajectory(data: bytes) -> Trajectory:
    """Read a trajectory in any named frame; raises DataError on bytes that are none, and on fewer than two points."""
    stamp_ns, frame, points = decode(data)
    if not frame:
        raise DataError('trajectory names no frame')
    return Trajectory(
        stamp_ns=stamp_ns,
        times_s=points['sec'] + points['nanosec'] / SECOND_NS,
        poses=np.column_stack([points['position'], headings_of(points['orientation'])]),
        speeds_mps=points['longitudinal_velocity_mps'].astype(float),
        accelerations_mps2=points['acceleration_mps2'].astype(float),
        heading_rates_rps=points['heading_rate_rps'].astype(float),
        wheel_angles_rad=points['front_wheel_angle_rad'].astype(float),
        frame=frame,
    )


def encode(stamp_ns: int, frame: str, points: np.ndarray) -> bytes:
    """Return the CDR of a message whose points are the (T,) rows of a `POINT` table."""
    return write_rows(write_header(stamp_ns, frame), points, TIME_BYTES)


def decode(data: bytes) -> tuple[int, str, np.ndarray]:
    """Return stamp_ns, frame and the (T,) points of a message; raises DataError unless its length is right."""
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    count = cursor.count(POINT.itemsize)
    if count > CAPACITY:
        raise DataError(f'trajectory has {count} points, more than {CAPACITY}')
    points = cursor.rows(count, POINT, TIME_BYTES)
    cursor.end()
    return stamp_ns, frame, points
