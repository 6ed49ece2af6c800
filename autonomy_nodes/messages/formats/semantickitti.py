"""SemanticKITTI: sweeps of KITTI odometry with the meaning of every point, and the poses of its SLAM.

Format: semantic-kitti.org/dataset.html (Behley et al., SemanticKITTI, ICCV 2019). A .label file holds uint32 a point:
class in the lower half, instance in the upper. The sweeps of KITTI odometry have the motion taken out already.
Besides sequences/NN/ it reads a flat folder of DRIVE_NNNNNN.npz, with DRIVE_NNNNNN_label.npz where there are labels.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import cloud_of, numbered, only_folder, read_npz, read_poses
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, PointLabels
from autonomy_nodes.messages.formats.kitti import BASE_FROM_VELO, LIDAR, drive_of
from autonomy_nodes.messages.formats.kitti_files import EPOCH_NS, PERIOD_NS, KittiFolder, read_sweep

RAW, LEARN = 'semantickitti', 'semantickitti_learn'  # ids of the files, or 0 to 19 of the benchmark
MOTION = 'sweeps have the motion taken out; a replay needs no deskewing'
FLAT = re.compile(r'(?P<drive>\w+)_(?P<number>\d{6})\.npz')


def drives(folder: Path) -> list[Drive]:
    """Return the drives of a data set, of one sequence, or of a flat folder."""
    folder = only_folder(folder)
    if flat := sorted(path for path in folder.iterdir() if FLAT.fullmatch(path.name)):
        return _flat_drives(flat)
    above = folder / 'sequences' if (folder / 'sequences').is_dir() else folder
    places = [above] if (above / 'velodyne').is_dir() else sorted(path.parent for path in above.glob('*/velodyne'))
    if not places:
        raise DataError(f'{folder}: holds neither sequences/NN/velodyne, nor velodyne, nor DRIVE_NNNNNN.npz')
    return [_sequence(place) for place in places]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like one of SemanticKITTI."""
    if (folder / 'sequences').is_dir() or (folder / 'labels').is_dir():
        return True
    return any(FLAT.fullmatch(path.name) for path in folder.glob('*.npz'))


def _sequence(folder: Path) -> Drive:
    kitti = KittiFolder(folder)
    drive = drive_of(kitti)
    files, poses = numbered(folder / 'labels', '.label'), folder / 'poses.txt'
    calibration = kitti.calibration(kitti.numbers()[0])
    broken, notes = list(drive.broken), [*drive.notes, MOTION]
    pose_of: Callable[[int], np.ndarray | None] = lambda number: None  # noqa: E731
    if poses.is_file() and calibration is not None:
        try:
            pose_of = _poses(poses, calibration.camera_from_velo)
        except DataError as error:
            broken.append(str(error))
    frames = [_with_labels(frame, files.get(int(frame.name)), pose_of(int(frame.name))) for frame in drive]
    return replace(drive, frames=frames, broken=broken, notes=notes, stills=False)


def _poses(path: Path, camera_from_velo: np.ndarray) -> Callable[[int], np.ndarray | None]:
    """Return what gives map_from_base of a frame; the file tells camera 0 in its own first place."""
    camera_from_base = camera_from_velo @ inverse(BASE_FROM_VELO)
    poses = inverse(camera_from_base) @ read_poses(path) @ camera_from_base
    return lambda number: poses[number] if number < len(poses) else None


def _with_labels(frame: Frame, labels: Path | None, pose: np.ndarray | None) -> Frame:
    if labels is not None:
        frame = replace(frame, labels=partial(read_labels, labels))
    return frame if pose is None else replace(frame, placed=(BASE, pose))


def read_labels(path: Path, scheme: str = RAW) -> PointLabels:
    """Return the labels of a .label file."""
    try:
        values, size = np.fromfile(path, '<u4'), path.stat().st_size
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error}); fetch it again') from error
    if size % 4 or size == 0:
        raise DataError(f'{path}: {size} bytes are no labels of 4 bytes each; fetch it again')
    return PointLabels(scheme, (values & 0xFFFF).astype(np.uint16), (values >> 16).astype(np.uint16))


def _flat_drives(paths: list[Path]) -> list[Drive]:
    found: dict[str, list[Frame]] = {}
    for path in paths:
        match = FLAT.fullmatch(path.name)
        assert match is not None
        number = int(match['number'])
        stamp_ns = EPOCH_NS + number * PERIOD_NS
        frame = Frame(
            match['number'], stamp_ns, {(BASE, LIDAR): BASE_FROM_VELO},
            clouds={'top': partial(_flat_cloud, path, stamp_ns)}, labels=_flat_labels(path),
        )  # fmt: skip
        found.setdefault(match['drive'], []).append(frame)
    notes = ['stamps assumed: 10 Hz from 2011-09-26 12:00 UTC', 'no calibration file: LiDAR only', MOTION]
    return [Drive(name, frames, notes=notes) for name, frames in found.items()]


def _flat_cloud(path: Path, stamp_ns: int) -> PointCloud:
    return cloud_of(path, stamp_ns, LIDAR, *read_sweep(path))


def _flat_labels(path: Path) -> Callable[[], PointLabels] | None:
    """Return what reads the labels beside a sweep, or those inside it; None where there are none."""
    beside = path.with_name(f'{path.stem}_label.npz')
    if beside.is_file():
        return partial(_unpacked, beside, 'raw', 'inst', RAW)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return partial(_unpacked, path, 'learn', '', LEARN) if 'learn' in stored else None
    except Exception:  # said where they, or the sweep, are read
        return partial(_unpacked, path, 'learn', '', LEARN)


def _unpacked(path: Path, ids: str, instances: str, scheme: str) -> PointLabels:
    arrays = read_npz(path, *([ids, instances] if instances else [ids]))
    numbers = arrays[ids].astype(np.uint16)
    return PointLabels(scheme, numbers, arrays[instances].astype(np.uint16) if instances else np.zeros_like(numbers))
