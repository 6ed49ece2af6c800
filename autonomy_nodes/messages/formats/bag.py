"""Writes a drive of any data set to a recording that the stack replays."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.sensing import Fix, Imu, Steering, Transforms, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Picture
from autonomy_nodes.messages.images import write_camera_info
from autonomy_nodes.messages.motion import (
    write_fix,
    write_imu,
    write_pose,
    write_steering,
    write_transforms,
    write_velocity,
)
from autonomy_nodes.messages.objects import write_tracked
from autonomy_nodes.messages.point_rows import write_points
from autonomy_nodes.messages.store import encode, header_of, new

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
POSE_TOPIC = ('ground_truth/pose', 'geometry_msgs/msg/PoseWithCovarianceStamped')
LABELS_TOPIC = ('ground_truth/points', 'sensor_msgs/msg/PointCloud2')  # x y z label instance, in order of the sweep
# When messages are received, after their stamp: truth first, the sweep that starts a step last.
LATER_NS = {'truth': 0, 'motion': 0, 'info': 1_000_000, 'image': 2_000_000, 'sweep': 3_000_000}
SAMPLES: dict[type, tuple[topics.Topic, Callable[[Any], bytes]]] = {  # how samples of other sensors are sent
    Imu: (topics.IMU, write_imu),
    Fix: (topics.GNSS_FIX, write_fix),
    WheelSpeed: (topics.VELOCITY, write_velocity),
    Steering: (topics.STEERING, write_steering),
}
Message = tuple[str, str, int, bytes]


@dataclass
class Summary:
    """What was imported. broken: what could not be, file by file. notes: what is missing or assumed."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it as text."""
        counts = ', '.join(f'{count} {name}' for name, count in sorted(self.counts.items()))
        return [f'imported {counts}', *self.notes, *(f'left out: {text}' for text in self.broken)]


def write_drive(
    drive: Drive, bag: Path, tell: Callable[[str, int, int], None] = lambda line, done, of: None
) -> Summary:
    """Write a recording; raises DataError where nothing of the drive can be read, before anything is written.

    What is broken is left out and named in the summary; gaps between frames stay gaps in time. tell: hears of each
    frame how many are read, and of how many.
    """
    check_readable(drive)
    summary = Summary(notes=list(drive.notes), broken=list(drive.broken))
    mounts = dict(drive.frames[0].mounts)
    if drive.stills:
        summary.notes.append('the frames are single moments: nothing in the recording moves on from one to the next')
    if not any(parent == BASE for parent, _ in mounts):
        summary.notes.append('where the sensors sit on the vehicle is not told: give --mount, or mounts in its yaml')
    with BagWriter(bag) as writer:
        stamp_ns = drive.frames[0].stamp_ns
        start_ns = min([stamp_ns, *(each.stamp_ns for frame in drive.frames[:2] for each in frame.pictures.values())])
        if mounts:
            static, data = topics.TF_STATIC, write_transforms(Transforms(stamp_ns, mounts))
            writer.write(static.name, static.type, start_ns, data, latched=True)
        messages = (message for frame in _told(drive, tell) for message in _messages(frame, drive.frames[0], summary))
        for topic, kind, receive_ns, data in as_received(messages):
            writer.write(topic, kind, receive_ns, data)
    return summary


def _told(drive: Drive, tell: Callable[[str, int, int], None]) -> Iterator[Frame]:
    for done, frame in enumerate(drive, 1):
        yield frame
        tell('', done, len(drive.frames))


def check_readable(drive: Drive) -> None:
    """Raise DataError where not one sweep, or without sweeps not one picture, can be read."""
    what = 'sweep' if any(frame.clouds for frame in drive) else 'picture'
    first: DataError | OSError | None = None
    for frame in drive:
        reads = frame.clouds.values() if what == 'sweep' else [each.image for each in frame.pictures.values()]
        for read in reads:
            try:
                read()
                return
            except (DataError, OSError) as error:
                first = first or error
    raise DataError(f'{drive.name}: not one {what} can be read; the first: {first}') from first


def as_received(messages: Iterable[Message]) -> Iterator[Message]:
    """Yield messages by time of receipt, of which none comes more than a second too late."""
    waiting: list[tuple[int, int, Message]] = []
    latest_ns, numbers = -(2**63), count()
    for message in messages:
        heapq.heappush(waiting, (message[2], next(numbers), message))
        latest_ns = max(latest_ns, message[2])
        while waiting[0][0] < latest_ns - SECOND_NS:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _messages(frame: Frame, first: Frame, summary: Summary) -> Iterator[Message]:
    """Yield what one frame gives; what cannot be read is noted."""
    steps: list[tuple[str, Callable[[], list[Message]]]] = [
        ('labels', lambda: _truth(frame)),
        ('poses', lambda: _pose(frame)),
        ('samples of motion', lambda: _motion(frame)),
        *(('pictures', lambda name=name: _picture(name, frame, first)) for name in frame.pictures),
        *(('sweeps', lambda name=name: _sweep(name, frame, first)) for name in frame.clouds),
        ('labelled sweeps', lambda: _point_labels(frame)),
    ]
    for what, step in steps:
        try:
            messages = step()
        except (DataError, OSError) as error:
            summary.broken.append(str(error))
            continue
        if messages:
            summary.counts[what] += len(messages) if what == 'samples of motion' else 1
        yield from messages


def _sweep(name: str, frame: Frame, first: Frame) -> list[Message]:
    cloud = frame.clouds[name]()
    check_same_mount(f'sweep {name} of frame {frame.name}', cloud.frame, frame, first)
    topic = topics.LIDAR_RAW.named(name)
    return [(topic.name, topic.type, cloud.stamp_ns + LATER_NS['sweep'], write_cloud(cloud))]


def _picture(name: str, frame: Frame, first: Frame) -> list[Message]:
    picture = frame.pictures[name]
    check_same_mount(picture.source, picture.frame, frame, first, name)
    image, stamp_ns = picture.image(), picture.stamp_ns
    info, compressed = topics.CAMERA_INFO.named(name), topics.IMAGE_COMPRESSED.named(name)
    return [
        (info.name, info.type, stamp_ns + LATER_NS['info'], write_camera_info(picture.camera())),
        (compressed.name, compressed.type, stamp_ns + LATER_NS['image'], _packed(picture, image.frame)),
    ]


def _packed(picture: Picture, frame: str) -> bytes:
    packed = np.frombuffer(picture.packed(), np.uint8)
    kind = 'png' if packed[0] == 0x89 else 'jpeg'
    message = new(COMPRESSED, header=header_of(picture.stamp_ns, frame), format=kind, data=packed)
    return encode(COMPRESSED, message)


def check_same_mount(what: str, child: str, frame: Frame, first: Frame, camera: str = '') -> None:
    """Raise DataError where a sensor sits, or sees, otherwise than at first: a recording tells that once."""
    pairs = {pair for each in (frame, first) for pair in each.mounts if pair[1] == child}
    moved = any(
        pair not in frame.mounts or pair not in first.mounts
        or not np.allclose(frame.mounts[pair], first.mounts[pair], atol=1e-6) for pair in pairs
    )  # fmt: skip
    if camera in frame.pictures and camera in first.pictures:
        moved |= not np.allclose(frame.pictures[camera].matrix, first.pictures[camera].matrix, atol=1e-6)
    if moved:
        raise DataError(f'{what}: was taken with another calibration than the first frame; import it alone')


def _truth(frame: Frame) -> list[Message]:
    if frame.truth is None:
        return []
    topic, data = topics.TRUTH_LABELS, write_tracked(frame.truth().objects)
    return [(topic.name, topic.type, frame.stamp_ns + LATER_NS['truth'], data)]


def _pose(frame: Frame) -> list[Message]:
    pose = frame.pose()
    return [] if pose is None else [(*POSE_TOPIC, frame.stamp_ns + LATER_NS['truth'], write_pose(pose))]


def _motion(frame: Frame) -> list[Message]:
    messages = []
    for sample in frame.motion() if frame.motion else ():
        topic, write = SAMPLES[type(sample)]
        messages.append((topic.name, topic.type, sample.stamp_ns + LATER_NS['motion'], write(sample)))
    return messages


def _point_labels(frame: Frame) -> list[Message]:
    if frame.labels is None or not frame.clouds:
        return []
    labels, cloud = frame.labels(), next(iter(frame.clouds.values()))()
    if len(labels.ids) != len(cloud):
        raise DataError(f'frame {frame.name}: {len(labels.ids)} labels do not belong to {len(cloud)} points')
    kind = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('label', '<u2'), ('instance', '<u2')])
    rows = np.zeros(len(cloud), kind)
    for axis, column in zip('xyz', cloud.xyz.T):
        rows[axis] = column
    rows['label'], rows['instance'] = labels.ids, labels.instances
    data = write_points(cloud.stamp_ns, cloud.frame, rows)
    return [(*LABELS_TOPIC, cloud.stamp_ns + LATER_NS['truth'], data)]

