"""Drives of KITTI: raw, tracking, odometry, and the single frames of object detection.

The car and its LiDAR are those of KITTI's sensor setup (cvlibs.net/datasets/kitti/setup.php): the LiDAR 1.73 m above
the road and 0.81 m ahead of the GPS/IMU, which is 0.05 m behind the rear axle (front axle to camera 1.68 m, camera to
LiDAR 0.27 m, LiDAR to GPS/IMU 0.81 m; wheelbase 2.71 m). How the LiDAR is tilted against the road is not published:
level. No point has a time of its own, and no ring: the files tell neither.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import Fix, Imu, PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import attempt, cloud_of, only_folder
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Picture, Truth, picture_file, truth_of
from autonomy_nodes.messages.formats.kitti_files import (
    CAMERAS,
    EPOCH_NS,
    LABELS,
    PERIOD_NS,
    SWEEPS,
    KittiCalibration,
    KittiFolder,
    calibration_of,
    matrices,
    read_sweep,
)
from autonomy_nodes.messages.formats.kitti_labels import KittiLabel, ignored_regions, label_table, text_of
from autonomy_nodes.messages.formats.kitti_tracklets import Tracklet, read_tracklets, tracklet_truth

BASE_FROM_VELO = np.array([[1.0, 0, 0, 0.76], [0, 1, 0, 0.0], [0, 0, 1, 1.73], [0, 0, 0, 1]])
KINDS = {
    'Car': Label.CAR,
    'Van': Label.CAR,
    'Truck': Label.TRUCK,
    'Pedestrian': Label.PEDESTRIAN,
    'Person_sitting': Label.PEDESTRIAN,
    'Person': Label.PEDESTRIAN,
    'Cyclist': Label.BICYCLE,
}  # Tram and Misc have no class of their own: unknown
LIDAR, IMU = 'lidar_top', 'imu_link'
EARTH_M = 6378137.0  # as the development kit of the raw drives has it
OXTS = 30
TABLE = re.compile(r'\d{4}\.txt(\.gz)?')


def drives(folder: Path) -> list[Drive]:
    """Return the drives in a folder: one, or every sequence of a benchmark."""
    folder = only_folder(folder)
    if not _has_sweeps(folder) and (tables := _tables(folder)):
        return [_labels_alone(folder, table) for table in tables]
    places = [folder / name for name in SWEEPS]
    inner = [each for place in places if place.is_dir() for each in sorted(place.iterdir()) if each.is_dir()]
    whole = inner and not any(path.is_file() for place in places if place.is_dir() for path in place.iterdir())
    return [drive_of(KittiFolder(each)) for each in inner] if whole else [drive_of(KittiFolder(folder))]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like one of KITTI's."""
    return _has_sweeps(folder) or folder.parent.name == 'velodyne' or bool(_tables(folder))


def _has_sweeps(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in SWEEPS)


def _tables(folder: Path) -> list[Path]:
    """Return the labels of sequences, one a file: label_02/NNNN.txt, or label/NNNN.txt.gz."""
    places = [folder / name for name in ('label_02', 'label') if (folder / name).is_dir()]
    return sorted(path for place in places for path in place.iterdir() if TABLE.fullmatch(path.name))


def _labels_alone(folder: Path, table: Path) -> Drive:
    """Return a sequence of the tracking benchmark of which only labels and calibration are there."""
    name = table.name.partition('.')[0]
    calib = next((path for path in sorted((folder / 'calib').glob(f'{name}.txt*'))), folder / 'calib' / f'{name}.txt')
    calibration = calibration_of(calib, matrices(calib))
    text = text_of(table)
    numbers = [int(word) for line in text.splitlines() for word in line.split()[:1] if word.isdigit()]
    labels, errors = label_table(table, range(max(numbers, default=-1) + 1))
    regions = ignored_regions(text, table=True)
    frames = []
    for number in sorted(labels):
        ignored, stamp_ns = np.array(regions.get(number, ())).reshape(-1, 4), EPOCH_NS + number * PERIOD_NS
        truth = partial(kitti_truth, stamp_ns, number, labels[number], calibration, ignored)
        frames.append(Frame(f'{number:06d}', stamp_ns, mounts_of(calibration), truth=truth))
    return Drive(name, frames, notes=['stamps assumed: 10 Hz from 2011-09-26 12:00 UTC', 'labels alone'], broken=errors)


def drive_of(folder: KittiFolder) -> Drive:
    """Return the drive that a sequence's folder holds."""
    stamp_of, source = folder.stamps()
    numbers = folder.numbers()
    calibration = folder.calibration(numbers[0])
    notes = [f'stamps {source}']
    if calibration is None:
        notes.append('no calibration file: LiDAR only, no pictures and no labels')
    labels, errors = folder.labels() if calibration else ({}, [])
    if labels:
        notes.append('labels: only what the front camera saw; velocities are not told')
    poses, regions = _poses(folder), _regions(folder) if labels else {}
    times = {place: folder.own_times(place) or {} for place in (*CAMERAS, 'oxts')}
    frames = [_frame(folder, number, stamp_of(number), labels, regions, poses, times) for number in numbers]
    if (tracks := folder.folder / 'tracklet_labels.xml').is_file() and not labels:
        boxes = attempt(partial(read_tracklets, tracks), errors) or {}
        notes.append('labels: only what the cameras saw; velocities are not told')
        frames = [_with_boxes(frame, boxes) for frame in frames]
    stills = (folder.folder / 'calib' / f'{numbers[0]:06d}.txt').is_file()
    return Drive(folder.sequence or folder.folder.name, frames, stills, notes, errors)


def _frame(
    folder: KittiFolder, number: int, stamp_ns: int, labels: Mapping[int, list[KittiLabel]],
    regions: Mapping[int, list[tuple[float, ...]]], poses: Callable[[int], np.ndarray | None],
    times: Mapping[str, Mapping[int, int]],
) -> Frame:  # fmt: skip
    calibration, sweep, oxts = folder.calibration(number), folder.sweeps.get(number), folder.oxts.get(number)
    frame = Frame(f'{number:06d}', stamp_ns, mounts_of(calibration))
    if sweep is not None:
        frame = replace(frame, clouds={'top': partial(_cloud, sweep, stamp_ns)})
    if calibration is not None:
        frame = replace(frame, pictures=_pictures(folder, number, stamp_ns, calibration, times))
        if number in labels and sweep is not None:
            ignored = np.array(regions.get(number, ())).reshape(-1, 4)
            frame = replace(frame, truth=lambda: kitti_truth(stamp_ns, number, labels[number], calibration, ignored))
        if oxts is not None and calibration.velo_from_imu is not None:
            frame = replace(frame, motion=partial(read_oxts, times['oxts'].get(number, stamp_ns), oxts))
    if (pose := poses(number)) is not None:
        frame = replace(frame, placed=(BASE, pose))
    return frame


def _with_boxes(frame: Frame, boxes: Mapping[int, list[Tracklet]]) -> Frame:
    found = boxes.get(int(frame.name))
    if found is None or not frame.clouds:
        return frame
    return replace(frame, truth=partial(tracklet_truth, frame.stamp_ns, found, BASE_FROM_VELO, KINDS))


def mounts_of(calibration: KittiCalibration | None) -> dict[tuple[str, str], np.ndarray]:
    """Return {(parent, child): (4, 4)} of what the calibration places."""
    mounts = {(BASE, LIDAR): BASE_FROM_VELO}
    if calibration is not None:
        for name in calibration.projections:
            mounts[BASE, f'camera_{name}'] = BASE_FROM_VELO @ calibration.velo_from_camera(name)
        if calibration.velo_from_imu is not None:
            mounts[BASE, IMU] = BASE_FROM_VELO @ calibration.velo_from_imu
    return mounts


def _cloud(path: Path, stamp_ns: int) -> PointCloud:
    xyz, intensity = read_sweep(path)
    return cloud_of(path, stamp_ns, LIDAR, xyz, intensity)


def _pictures(
    folder: KittiFolder, number: int, stamp_ns: int, calibration: KittiCalibration,
    times: Mapping[str, Mapping[int, int]],
) -> dict[str, Picture]:  # fmt: skip
    pictures = {}
    for name in CAMERAS:
        path = folder.images[name].get(number)
        if path is not None and name in calibration.projections:
            matrix = calibration.projections[name][:, :3]
            taken_ns = times[name].get(number, stamp_ns)
            pictures[name] = picture_file(taken_ns, f'camera_{name}', path, matrix)
    return pictures


def read_oxts(stamp_ns: int, path: Path) -> list[Imu | Fix]:
    """Return the fix and the inertial sample of an oxts file (dataformat.txt of the raw drives)."""
    numbers = oxts_numbers(path)
    accuracy_m = max(float(numbers[23]), 0.01)
    return [
        Fix(stamp_ns, IMU, numbers[:3], np.diag([accuracy_m**2] * 3)),
        Imu(stamp_ns, IMU, numbers[17:20], numbers[11:14]),
    ]


def oxts_numbers(path: Path) -> np.ndarray:
    """Return the 30 numbers of an oxts file."""
    try:
        numbers = np.array([float(word) for word in text_of(path).split()])
    except ValueError as error:
        raise DataError(f'{path}: {error}') from error
    if numbers.size != OXTS or not np.isfinite(numbers).all():
        raise DataError(f'{path}: holds {numbers.size} numbers, expected {OXTS}')
    return numbers


def oxts_pose(numbers: np.ndarray, latitude_deg: float) -> np.ndarray:
    """Return (4, 4) world from the GPS/IMU: Mercator, true to scale at `latitude_deg` (development kit, raw drives)."""
    scale = EARTH_M * math.cos(math.radians(latitude_deg))
    north = scale * math.log(math.tan(math.pi * (90.0 + numbers[0]) / 360.0))
    (sr, sp, sy), (cr, cp, cy) = np.sin(numbers[3:6]), np.cos(numbers[3:6])
    pose = np.eye(4)
    pose[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    pose[:3, 3] = scale * math.radians(numbers[1]), north, numbers[2]
    return pose


def _poses(folder: KittiFolder) -> Callable[[int], np.ndarray | None]:
    """Return what gives base_link of a frame in map, which is base_link of the first with an oxts file."""
    calibration = folder.calibration(folder.numbers()[0])
    if not folder.oxts or calibration is None or calibration.velo_from_imu is None:
        return lambda number: None
    base_from_imu = BASE_FROM_VELO @ calibration.velo_from_imu
    found, latitude, origin = {}, None, np.eye(4)
    for number, path in folder.oxts.items():
        try:
            numbers = oxts_numbers(path)
        except DataError:  # told where the inertial sample is read
            continue
        latitude = float(numbers[0]) if latitude is None else latitude
        found[number] = oxts_pose(numbers, latitude) @ inverse(base_from_imu)
        origin = inverse(found[number]) if len(found) == 1 else origin
    return lambda number: origin @ found[number] if number in found else None


def _regions(folder: KittiFolder) -> dict[int, list[tuple[float, ...]]]:
    for name in LABELS:
        place = folder.folder / name / folder.sequence
        if (table := place.with_name(f'{place.name}.txt')).is_file():
            return ignored_regions(text_of(table), table=True)
        if place.is_dir():
            paths = {number: place / f'{number:06d}.txt' for number in folder.numbers()}
            texts = {number: text_of(path) for number, path in paths.items() if path.is_file()}
            return {number: ignored_regions(text, table=False).get(0, []) for number, text in texts.items()}
    return {}


def kitti_truth(
    stamp_ns: int, number: int, labels: Sequence[KittiLabel], calibration: KittiCalibration, ignored: np.ndarray,
    base_from_velo: np.ndarray = BASE_FROM_VELO,
) -> Truth:  # fmt: skip
    """Return labelled boxes in base_link. ids: the track, else the frame and the row; velocities are not known."""
    base_from_camera = base_from_velo @ inverse(calibration.camera_from_velo)
    count = len(labels)
    bottoms = np.array([label.bottom_m for label in labels]).reshape(count, 3)
    sizes = np.array([label.size_m for label in labels]).reshape(count, 3)
    centres = bottoms - [0.0, 0.5, 0.0] * sizes[:, 2:]  # y of the camera points down
    ahead = np.array([[math.cos(label.yaw_rad), 0.0, -math.sin(label.yaw_rad)] for label in labels]).reshape(count, 3)
    ahead = ahead @ base_from_camera[:3, :3].T
    ids = np.zeros((count, 16), np.uint8)
    for row, label in enumerate(labels):
        name = (label.track, 0, 0) if label.track >= 0 else (number, row, 1)
        ids[row, :12] = np.frombuffer(b''.join(part.to_bytes(4, 'big') for part in name), np.uint8)
    kinds = [label.kind for label in labels]
    truth = truth_of(
        stamp_ns, kinds, [KINDS.get(kind, Label.UNKNOWN) for kind in kinds],
        centres @ base_from_camera[:3, :3].T + base_from_camera[:3, 3], np.arctan2(ahead[:, 1], ahead[:, 0]), sizes, ids
    )  # fmt: skip
    return replace(
        truth,
        truncated=np.array([label.truncated for label in labels], float),
        occluded=np.array([label.occluded for label in labels], float),
        boxes_px={'front': np.array([label.box_px for label in labels], float).reshape(count, 4)},
        ignored_px={'front': ignored},
    )
