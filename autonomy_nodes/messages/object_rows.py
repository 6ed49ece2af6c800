"""Detected, tracked and predicted objects of autoware_perception_msgs as rows of one table.

Objects with equal numbers of classes and of paths, and without footprints, take equally many bytes: then a message
is a table that numpy reads and writes at once. Any other message goes through the type store, object by object.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.cdr import Cursor, write_header, write_rows
from autonomy_nodes.messages.poses import POSE
from autonomy_nodes.messages.store import decode

MAX_OBJECTS = 2000
MAX_ITEMS = 1000  # classes, paths, or poses of a path; more is no message of objects
BOX, CYLINDER, POLYGON = 0, 1, 2
CLASS = np.dtype([('label', 'u1'), ('pad', 'V3'), ('probability', '<f4')])
PLACE = [*POSE, ('pose_covariance', '<f8', (6, 6))]
TWIST = [('twist', '<f8', 6), ('twist_covariance', '<f8', (6, 6))]
ACCELERATION = [('acceleration', '<f8', 6), ('acceleration_covariance', '<f8', (6, 6))]
STEP = [('sec', '<i4'), ('nanosec', '<u4'), ('confidence', '<f4')]
SHAPE = [('shape', 'u1'), ('pad_shape', 'V1'), ('footprint', '<u4'), ('dimensions', '<f8', 3)]
MOVED_SHAPE = [('shape', 'u1'), ('pad_shape', 'V3'), ('footprint', '<u4'), ('pad_size', 'V4'), ('dimensions', '<f8', 3)]


@dataclass(frozen=True)
class Layout:
    """How the objects of one message type lie: their counts are asked of the first object."""

    type: str
    with_id: bool
    with_paths: bool

    @property
    def head(self) -> list[tuple]:
        """Return the fields before the classes."""
        ids = [('id', 'u1', 16)] if self.with_id else []
        return [*ids, ('existence', '<f4'), ('classes', '<u4')]

    def lead(self, classes: int) -> int:
        """Return the bytes before the pose."""
        return np.dtype(self.head).itemsize + classes * CLASS.itemsize

    def row(self, classes: int, paths: int = 0, poses: int = 0) -> np.dtype:
        """Return one object; a multiple of 8 bytes, so that only the first pose of a message may need a gap."""
        start = [*self.head, ('class', CLASS, (classes,)), *PLACE]
        if self.with_paths:
            path = [('poses', '<u4'), ('pose', POSE, (poses,)), *STEP]
            return np.dtype([*start, *TWIST, *ACCELERATION, ('paths', '<u4'), ('path', path, (paths,)), *MOVED_SHAPE])
        if self.with_id:
            flags = [('orientation_availability', 'u1'), ('is_stationary', 'u1')]
            return np.dtype([*start, *TWIST, *ACCELERATION, *flags, *SHAPE])
        known = [('has_position_covariance', 'u1'), ('orientation_availability', 'u1'), ('pad_known', 'V6')]
        moves = [('has_twist', 'u1'), ('has_twist_covariance', 'u1')]
        return np.dtype([*start, *known, *TWIST, *moves, *SHAPE])


DETECTED = Layout('autoware_perception_msgs/msg/DetectedObjects', with_id=False, with_paths=False)
TRACKED = Layout('autoware_perception_msgs/msg/TrackedObjects', with_id=True, with_paths=False)
PREDICTED = Layout('autoware_perception_msgs/msg/PredictedObjects', with_id=True, with_paths=True)


def encode_objects(layout: Layout, stamp_ns: int, frame: str, rows: np.ndarray) -> bytes:
    """Return the CDR of a message; the counts in `rows` are filled in here."""
    classes = rows.dtype['class'].shape[0]
    rows['classes'] = classes
    if layout.with_paths:
        rows['paths'] = rows.dtype['path'].shape[0]
        rows['path']['poses'] = rows.dtype['path'].base['pose'].shape[0]
    return write_rows(write_header(stamp_ns, frame), rows, layout.lead(classes))


def decode_objects(layout: Layout, data: bytes) -> tuple[int, str, np.ndarray]:
    """Return stamp_ns, frame and one row an object; raises DataError on bytes that are no such message.

    Missing classes have probability 0, missing paths have 0 poses; a footprint has become its size.
    """
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    count = cursor.count(np.dtype(layout.head).itemsize)
    if count > MAX_OBJECTS:
        raise DataError(f'{count} objects are more than {MAX_OBJECTS}')
    if count == 0:
        cursor.end()
        return stamp_ns, frame, np.zeros(0, layout.row(1, 1, 1))
    rows = _equal_rows(layout, cursor, count)
    return stamp_ns, frame, _unequal_rows(layout, data) if rows is None else rows


def _equal_rows(layout: Layout, cursor: Cursor, count: int) -> np.ndarray | None:
    """Return the rows if all objects have the counts of the first, else None."""
    start = cursor.offset
    counts = _counts(layout, cursor)
    cursor.offset = start
    row = layout.row(*counts) if max(counts) <= MAX_ITEMS else None
    if row is None or count * row.itemsize > len(cursor.data) - start:
        return None
    rows = cursor.rows(count, row, layout.lead(counts[0]))
    equal = (rows['classes'] == counts[0]).all() and not rows['footprint'].any()
    if layout.with_paths:
        equal = equal and (rows['paths'] == counts[1]).all() and (rows['path']['poses'] == counts[2]).all()
    if not equal:
        return None
    cursor.end()
    return rows


def _counts(layout: Layout, cursor: Cursor) -> tuple[int, int, int]:
    """Return how many classes, paths, and poses a path the first object has."""
    cursor.take(np.dtype(layout.head).itemsize - 4)
    (classes,) = cursor.unpack('<I')
    if not layout.with_paths:
        return classes, 0, 0
    cursor.take(classes * CLASS.itemsize)
    cursor.align(8)
    cursor.take(np.dtype([*PLACE, *TWIST, *ACCELERATION]).itemsize)
    (paths,) = cursor.unpack('<I')
    return classes, paths, cursor.unpack('<I')[0] if paths else 0


def _unequal_rows(layout: Layout, data: bytes) -> np.ndarray:
    """Return the rows of a message whose objects differ in size."""
    objects = decode(layout.type, data).objects
    classes = _most(objects, lambda item: item.classification)
    paths = _most(objects, lambda item: item.kinematics.predicted_paths) if layout.with_paths else 1
    all_paths = [path for item in objects for path in item.kinematics.predicted_paths] if layout.with_paths else []
    poses = _most(all_paths, lambda path: path.path)
    if max(classes, paths, poses) > MAX_ITEMS:
        raise DataError(f'an object has {classes} classes, {paths} paths or {poses} poses, more than {MAX_ITEMS}')
    rows = np.zeros(len(objects), layout.row(classes, paths, poses))
    for row, item in zip(rows, objects):
        _fill(layout, row, item)
    return rows


def _most(items: list, part: Callable[[Any], list]) -> int:
    return max((len(part(item)) for item in items), default=0) or 1


def _fill(layout: Layout, row: np.void, item: Any) -> None:
    """Copy one object into its row."""
    kinematics = item.kinematics
    row['existence'] = item.existence_probability
    for slot, found in zip(row['class'], item.classification):
        slot['label'], slot['probability'] = found.label, found.probability
    prefix = 'initial_' if layout.with_paths else ''
    pose = getattr(kinematics, f'{prefix}pose_with_covariance')
    twist = getattr(kinematics, f'{prefix}twist_with_covariance')
    row['position'], row['orientation'] = _numbers(pose.pose.position), _numbers(pose.pose.orientation)
    row['pose_covariance'] = pose.covariance.reshape(6, 6)
    row['twist'] = _numbers(twist.twist.linear) + _numbers(twist.twist.angular)
    row['twist_covariance'] = twist.covariance.reshape(6, 6)
    if layout.with_id:
        row['id'] = item.object_id.uuid
    else:
        for name in ('has_position_covariance', 'has_twist', 'has_twist_covariance'):
            row[name] = getattr(kinematics, name)
    for slot, path in zip(row['path'], kinematics.predicted_paths) if layout.with_paths else ():
        slot['poses'], slot['confidence'] = len(path.path), path.confidence
        slot['sec'], slot['nanosec'] = path.time_step.sec, path.time_step.nanosec
        for place, found in zip(slot['pose'], path.path):
            place['position'], place['orientation'] = _numbers(found.position), _numbers(found.orientation)
    row['dimensions'] = _size(item.shape)


def _size(shape: Any) -> tuple[float, ...]:
    """Return length, width and height; a polygon without a size has that of the box about its centre."""
    size = _numbers(shape.dimensions)
    if shape.type == POLYGON and shape.footprint.points and not (size[0] > 0.0 and size[1] > 0.0):
        corners = np.abs([_numbers(point)[:2] for point in shape.footprint.points]).max(axis=0)
        return (2.0 * corners[0], 2.0 * corners[1], size[2])
    return size


def _numbers(message: Any) -> tuple[float, ...]:
    return tuple(getattr(message, axis) for axis in 'xyzw' if hasattr(message, axis))

