"""Waymo Open as MMDetection3D's converter exports it: the layout of KITTI's object benchmark with five cameras.

Format: mmdetection3d.readthedocs.io, "Waymo Dataset". training/ holds velodyne/NAME.bin (rows of six float32: x y z in
the vehicle's frame, intensity, elongation, and one more), image_0..4, calib/NAME.txt (P0..P4, Tr_velo_to_cam_0..4),
label_all (boxes in the front camera), pose/NAME.txt (4 x 4). NAME is split, segment and frame: 1 + 3 + 3 digits.
The vehicle's frame has its origin on the road below the rear axle. Times are not kept: 10 Hz is assumed.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.files import cloud_of, numbered, only_folder, read_numbers, read_rows
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Picture, Truth, picture_file
from autonomy_nodes.messages.formats.kitti import kitti_truth
from autonomy_nodes.messages.formats.kitti_files import KittiCalibration, matrices
from autonomy_nodes.messages.formats.kitti_labels import label_files

CAMERAS = ('front', 'front_left', 'front_right', 'side_left', 'side_right')
COLUMNS, FRAMES = 6, 1000  # of a name, the last three digits count frames
EPOCH_NS = 1_500_000_000 * SECOND_NS
LIDAR = 'lidar_top'
MOUNT = np.eye(4)  # points are told in the vehicle's frame


def drives(folder: Path) -> list[Drive]:
    """Return the segments in a folder, or in the training/ below it."""
    folder = only_folder(folder)
    folder = folder / 'training' if (folder / 'training/velodyne').is_dir() else folder
    sweeps = numbered(folder / 'velodyne', '.bin')
    if not sweeps:
        raise DataError(f'{folder / "velodyne"}: holds no sweeps NAME.bin; give the folder above it')
    segments: dict[int, list[int]] = defaultdict(list)
    for number in sweeps:
        segments[number // FRAMES].append(number)
    return [_segment(folder, f'{segment:04d}', numbers, sweeps) for segment, numbers in segments.items()]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like this layout."""
    return any((place / name).is_dir() for place in (folder, folder / 'training') for name in ('label_all', 'image_4'))


def _segment(folder: Path, name: str, numbers: list[int], sweeps: Mapping[int, Path]) -> Drive:
    frames, broken = [], []
    images = {camera: numbered(folder / f'image_{row}', '.jpg', '.png') for row, camera in enumerate(CAMERAS)}
    labels = numbered(folder / 'label_all', '.txt')
    for number in numbers:
        path, stamp_ns = sweeps[number], EPOCH_NS + number * (SECOND_NS // 10)
        try:
            mounts, lenses = _calibration(folder / 'calib' / f'{path.stem}.txt')
        except DataError as error:
            broken.append(str(error))
            mounts, lenses = {(BASE, LIDAR): MOUNT}, {}
        frame = Frame(
            path.stem, stamp_ns, mounts, clouds={'top': partial(_cloud, path, stamp_ns)},
            pictures=_pictures(images, number, stamp_ns, lenses),
            truth=partial(_truth, labels[number], number, stamp_ns, mounts) if number in labels and lenses else None,
            placed=_placed(folder / 'pose' / f'{path.stem}.txt', broken),
        )  # fmt: skip
        frames.append(frame)
    notes = ['stamps assumed: 10 Hz', 'sweeps have the motion taken out', 'all LiDARs are one sweep']
    return Drive(name, frames, notes=notes, broken=broken)


def _calibration(path: Path) -> tuple[dict[tuple[str, str], np.ndarray], dict[str, np.ndarray]]:
    """Return where the sensors sit, and the matrix of each camera."""
    if not path.is_file():
        raise DataError(f'{path}: is missing; fetch it again')
    told = matrices(path)
    mounts, lenses = {(BASE, LIDAR): MOUNT}, {}
    for row, name in enumerate(CAMERAS):
        mount, lens = told.get(f'Tr_velo_to_cam_{row}'), told.get(f'P{row}')
        if mount is None or mount.size != 12 or lens is None or lens.size != 12:
            raise DataError(f'{path}: tells no P{row} and Tr_velo_to_cam_{row} of 12 numbers; fetch it again')
        rows = mount.reshape(3, 4)
        mounts[BASE, f'camera_{name}'] = inverse(matrix_of(rows[:, 3], quaternion_of(rows[:, :3])))
        lenses[name] = lens.reshape(3, 4)[:, :3]
    return mounts, lenses


def _pictures(
    images: Mapping[str, Mapping[int, Path]], number: int, stamp_ns: int, lenses: Mapping[str, np.ndarray]
) -> dict[str, Picture]:
    return {
        name: picture_file(stamp_ns, f'camera_{name}', images[name][number], matrix)
        for name, matrix in lenses.items() if number in images[name]
    }  # fmt: skip


def _truth(path: Path, number: int, stamp_ns: int, mounts: Mapping[tuple[str, str], np.ndarray]) -> Truth:
    labels, errors = label_files({number: path})
    if errors:
        raise DataError(errors[0])
    calibration = KittiCalibration(inverse(mounts[BASE, f'camera_{CAMERAS[0]}']), {}, None)
    return kitti_truth(stamp_ns, number, labels[number], calibration, np.zeros((0, 4)), base_from_velo=MOUNT)


def _placed(path: Path, broken: list[str]) -> tuple[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        return BASE, read_numbers(path, 4).reshape(4, 4)
    except ValueError as error:  # also where it is not four rows
        broken.append(str(error) if isinstance(error, DataError) else f'{path}: is no pose of 4 x 4 numbers')
        return None


def _cloud(path: Path, stamp_ns: int) -> PointCloud:
    rows = read_rows(path, COLUMNS)
    return cloud_of(path, stamp_ns, LIDAR, rows[:, :3], rows[:, 3])
