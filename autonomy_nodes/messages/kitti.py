"""Turns a drive of KITTI into a recording that the stack replays: `autonomy import kitti DIR BAG`.

The car and its LiDAR are those of KITTI's sensor setup (cvlibs.net/datasets/kitti/setup.php): the LiDAR 1.73 m above
the road and 0.81 m ahead of the GPS/IMU, which is 0.05 m behind the rear axle (front axle to camera 1.68 m, camera to
LiDAR 0.27 m, LiDAR to GPS/IMU 0.81 m; wheelbase 2.71 m). How the LiDAR is tilted against the road is not published:
level. No point has a time of its own, and no ring: the files tell neither.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import CameraModel, Fix, Imu, PointCloud, Transforms
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.images import read_compressed, write_camera_info
from autonomy_nodes.messages.kitti_files import CAMERAS, KittiCalibration, KittiFolder, read_sweep
from autonomy_nodes.messages.kitti_labels import KittiLabel
from autonomy_nodes.messages.motion import write_fix, write_imu, write_transforms
from autonomy_nodes.messages.objects import write_tracked
from autonomy_nodes.messages.store import encode, header_of, new

BASE_FROM_VELO = np.array([[1.0, 0, 0, 0.76], [0, 1, 0, 0.0], [0, 0, 1, 1.73], [0, 0, 0, 1]])
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
KINDS = {
    'Car': Label.CAR,
    'Van': Label.CAR,
    'Truck': Label.TRUCK,
    'Pedestrian': Label.PEDESTRIAN,
    'Person_sitting': Label.PEDESTRIAN,
    'Person': Label.PEDESTRIAN,
    'Cyclist': Label.BICYCLE,
}  # Tram and Misc have no class of their own: unknown
LATER_NS = {'truth': 0, 'motion': 0, 'info': 1_000_000, 'image': 2_000_000, 'sweep': 3_000_000}  # when received


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


def import_kitti(folder: Path, bag: Path) -> Summary:
    """Write a recording of the drive in `folder`; raises DataError naming file and remedy where there is none.

    A frame that is broken is left out and named in the summary; gaps in the frame numbers stay gaps in time.
    """
    drive = KittiFolder(folder)
    stamp_of, source = drive.stamps()
    summary = Summary(notes=[f'stamps {source}'])
    numbers = drive.numbers()
    calibration = drive.calibration(numbers[0])
    if calibration is None:
        summary.notes.append('no calibration file: LiDAR only, no pictures and no labels')
    labels, errors = drive.labels() if calibration else ({}, [])
    summary.broken.extend(errors)
    if labels:
        summary.notes.append('labels: only what the front camera saw; velocities are not told')
    check_sweeps(drive)
    with BagWriter(bag) as writer:
        mounts = Transforms(stamp_of(numbers[0]), mounts_of(calibration))
        static = topics.TF_STATIC
        writer.write(static.name, static.type, mounts.stamp_ns, write_transforms(mounts), latched=True)
        for number in numbers:
            for topic, kind, later_ns, data in _messages(drive, number, stamp_of, calibration, labels, summary):
                writer.write(topic, kind, stamp_of(number) + later_ns, data)
    return summary


def check_sweeps(drive: KittiFolder) -> None:
    """Raise DataError where not one sweep can be read; before anything is written."""
    first: DataError | None = None
    for path in drive.sweeps.values():
        try:
            read_sweep(path)
            return
        except DataError as error:
            first = first or error
    raise DataError(f'{drive.folder}: not one sweep can be read; the first: {first}') from first


def mounts_of(calibration: KittiCalibration | None) -> dict[tuple[str, str], np.ndarray]:
    """Return {('base_link', frame): (4, 4)} of what the calibration places."""
    mounts = {('base_link', 'lidar_top'): BASE_FROM_VELO}
    if calibration is not None:
        for name in calibration.projections:
            mounts['base_link', f'camera_{name}'] = BASE_FROM_VELO @ calibration.velo_from_camera(name)
        if calibration.velo_from_imu is not None:
            mounts['base_link', 'imu_link'] = BASE_FROM_VELO @ calibration.velo_from_imu
    return mounts


Message = tuple[str, str, int, bytes]


def _messages(
    drive: KittiFolder, number: int, stamp_of: Callable[[int], int], calibration: KittiCalibration | None,
    labels: dict[int, list[KittiLabel]], summary: Summary,
) -> Iterator[Message]:  # fmt: skip
    """Yield what one frame gives, in the order in which it is received."""
    stamp_ns = stamp_of(number)
    steps = [
        ('labels', lambda: _truth(stamp_ns, number, labels, drive)),
        ('inertial samples', lambda: _motion(stamp_ns, drive.oxts.get(number), calibration)),
        *(('pictures', lambda name=name: _picture(stamp_ns, number, name, drive, calibration)) for name in CAMERAS),
        ('sweeps', lambda: _sweep(stamp_ns, drive.sweeps.get(number))),
    ]
    for what, step in steps:
        try:
            messages = step()
        except (DataError, OSError) as error:
            summary.broken.append(str(error))
            continue
        summary.counts[what] += bool(messages)
        yield from messages


def _sweep(stamp_ns: int, path: Path | None) -> list[Message]:
    if path is None:
        return []
    xyz, intensity = read_sweep(path)
    cloud = PointCloud(stamp_ns, 'lidar_top', xyz, intensity)
    topic = topics.LIDAR_RAW.named('top')
    return [(topic.name, topic.type, LATER_NS['sweep'], write_cloud(cloud))]


def _picture(
    stamp_ns: int, number: int, name: str, drive: KittiFolder, calibration: KittiCalibration | None
) -> list[Message]:
    path = drive.images[name].get(number)
    if path is None or calibration is None or name not in calibration.projections:
        return []
    own = drive.calibration(number)
    if own is None or not own.equals(calibration):
        raise DataError(f'{path}: was taken with another calibration than the first frame; import it alone')
    frame, packed = f'camera_{name}', np.frombuffer(path.read_bytes(), np.uint8)
    picture = new(COMPRESSED, header=header_of(stamp_ns, frame), format=path.suffix.lstrip('.'), data=packed)
    data = encode(COMPRESSED, picture)
    try:
        height, width = read_compressed(data).pixels.shape[:2]
    except DataError as error:
        raise DataError(f'{path}: {error}') from error
    projection = calibration.projections[name]
    matrix = projection[:, :3]
    flat = np.hstack([matrix, np.zeros((3, 1))])
    model = CameraModel(stamp_ns, frame, width, height, matrix, 'plumb_bob', np.zeros(5), np.eye(3), flat)
    info, image = topics.CAMERA_INFO.named(name), topics.IMAGE_COMPRESSED.named(name)
    return [
        (info.name, info.type, LATER_NS['info'], write_camera_info(model)),
        (image.name, image.type, LATER_NS['image'], data),
    ]


def _motion(stamp_ns: int, path: Path | None, calibration: KittiCalibration | None) -> list[Message]:
    """Return the fix and the inertial sample of an oxts file of 30 numbers (dataformat.txt of the raw drives)."""
    if path is None or calibration is None or calibration.velo_from_imu is None:
        return []
    try:
        numbers = np.array([float(word) for word in path.read_text().split()])
    except ValueError as error:
        raise DataError(f'{path}: {error}') from error
    if numbers.size != 30 or not np.isfinite(numbers).all():
        raise DataError(f'{path}: holds {numbers.size} numbers, expected 30')
    accuracy_m = max(float(numbers[23]), 0.01)
    fix = Fix(stamp_ns, 'imu_link', numbers[:3], np.diag([accuracy_m**2] * 3))
    imu = Imu(stamp_ns, 'imu_link', numbers[17:20], numbers[11:14])
    return [
        (topics.GNSS_FIX.name, topics.GNSS_FIX.type, LATER_NS['motion'], write_fix(fix)),
        (topics.IMU.name, topics.IMU.type, LATER_NS['motion'], write_imu(imu)),
    ]


def _truth(stamp_ns: int, number: int, labels: dict[int, list[KittiLabel]], drive: KittiFolder) -> list[Message]:
    own = drive.calibration(number) if labels else None
    if own is None or number not in labels or number not in drive.sweeps:
        return []
    truth = truth_of(stamp_ns, number, labels[number], own)
    return [(topics.TRUTH_LABELS.name, topics.TRUTH_LABELS.type, LATER_NS['truth'], write_tracked(truth))]


def truth_of(stamp_ns: int, number: int, labels: Sequence[KittiLabel], calibration: KittiCalibration) -> Objects:
    """Return labelled boxes in base_link. ids: the track, else the frame and the row; velocities are not known."""
    base_from_camera = BASE_FROM_VELO @ inverse(calibration.camera_from_velo)
    count = len(labels)
    bottoms = np.array([label.bottom_m for label in labels]).reshape(count, 3)
    sizes = np.array([label.size_m for label in labels]).reshape(count, 3)
    centres = bottoms - [0.0, 0.5, 0.0] * sizes[:, 2:]  # y of the camera points down
    ahead = np.array([[math.cos(label.yaw_rad), 0.0, -math.sin(label.yaw_rad)] for label in labels]).reshape(count, 3)
    ahead = ahead @ base_from_camera[:3, :3].T
    classes = np.zeros((count, len(Label)))
    ids = np.zeros((count, 16), np.uint8)
    for row, label in enumerate(labels):
        classes[row, KINDS.get(label.kind, Label.UNKNOWN)] = 1.0
        name = (label.track, 0, 0) if label.track >= 0 else (number, row, 1)
        ids[row, :12] = np.frombuffer(b''.join(part.to_bytes(4, 'big') for part in name), np.uint8)
    return Objects(
        stamp_ns, 'base_link', centres @ base_from_camera[:3, :3].T + base_from_camera[:3, 3],
        np.arctan2(ahead[:, 1], ahead[:, 0]), sizes, np.ones(count), classes, np.full((count, 2), np.nan),
        np.full(count, np.nan), np.zeros((count, 3, 3)), np.zeros((count, 2, 2)), ids,
    )  # fmt: skip
