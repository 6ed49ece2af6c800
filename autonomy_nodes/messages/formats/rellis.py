"""RELLIS-3D: a Warthog off the road, with an Ouster, a Velodyne, a camera, and the meaning of points and pixels.

Format: github.com/unmannedlab/RELLIS-3D (Jiang et al., ICRA 2021). A sequence NNNNN/ holds os1_cloud_node_kitti_bin (or
vel_cloud_node_kitti_bin), os1_cloud_node_semantickitti_label_id, pylon_camera_node/frameNNNNNN-SECONDS_MILLIS.jpg with
pylon_camera_node_label_id, camera_info.txt (fx fy cx cy), transforms.yaml (lidar_from_camera) and poses.txt (Ouster).
Pictures alone tell the time. Where the Ouster sits on the vehicle is not in these files.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from autonomy_nodes.common.geometry import inverse, matrix_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.files import (
    attempt,
    cloud_of,
    numbered,
    only_folder,
    pinhole,
    read_classes,
    read_numbers,
    read_poses,
    read_rows,
)
from autonomy_nodes.messages.formats.frames import Drive, Frame, Mounts, Picture, picture_file
from autonomy_nodes.messages.formats.kitti_files import matrices
from autonomy_nodes.messages.formats.semantickitti import read_labels

SWEEPS = {'top': 'os1_cloud_node_kitti_bin', 'front': 'vel_cloud_node_kitti_bin'}
PICTURES, CLASSES, LABELS = 'pylon_camera_node', 'pylon_camera_node_label_id', 'os1_cloud_node_semantickitti_label_id'
CAMERA, LIDAR = 'front', 'lidar_top'
NAME = re.compile(r'frame(\d{6})-(\d+)_(\d{3})\.(?:jpg|png)')
# of the camera's calibration, as the authors' tools have it: the files of a sequence tell the matrix alone
DISTORTION = np.array([-0.134313, -0.025905, 0.002181, 0.00084, 0.0])
PERIOD_NS = SECOND_NS // 10


def drives(folder: Path) -> list[Drive]:
    """Return the sequences of a data set, or the one that `folder` is."""
    folder = only_folder(folder)
    places = [folder] if (folder / SWEEPS['top']).is_dir() else sorted(
        path.parent for path in folder.glob(f'*/{SWEEPS["top"]}')
    )  # fmt: skip
    if not places:
        raise DataError(f'{folder}: holds no {SWEEPS["top"]}, and no folder in it does; give a sequence')
    return [_sequence(place) for place in places]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like a sequence, or holds some."""
    return (folder / SWEEPS['top']).is_dir() or any(folder.glob(f'*/{SWEEPS["top"]}'))


def _sequence(folder: Path) -> Drive:
    broken: list[str] = []
    sweeps = {name: numbered(folder / place, '.bin') for name, place in SWEEPS.items()}
    taken = _taken(folder / PICTURES)
    numbers = sorted({*taken, *(number for paths in sweeps.values() for number in paths)})
    if not sweeps['top']:
        raise DataError(f'{folder / SWEEPS["top"]}: holds no sweeps NNNNNN.bin; fetch them again')
    notes = ['where the LiDAR sits on the vehicle is not told', 'sweeps of the Ouster tell no times of points']
    stamp_of = _stamps(taken, numbers, notes)
    lens = attempt(partial(read_numbers, folder / 'camera_info.txt', 4), broken)
    mounts = attempt(partial(_mounts, folder / 'transforms.yaml'), broken) or {}
    poses = attempt(partial(_poses, folder), broken) if (folder / 'poses.txt').is_file() else None
    meanings, areas = numbered(folder / LABELS, '.label'), _taken(folder / CLASSES)
    frames = []
    for number in numbers:
        stamp_ns, pictures = stamp_of(number), {}
        if number in taken and lens is not None and mounts:
            pictures = {CAMERA: _picture(stamp_ns, taken[number][1], pinhole(*lens[0]))}
        label, area = meanings.get(number), areas.get(number)
        frames.append(
            Frame(
                f'{number:06d}', stamp_ns, mounts, pictures=pictures,
                clouds={
                    name: partial(_cloud, paths[number], stamp_ns, f'lidar_{name}')
                    for name, paths in sweeps.items() if number in paths
                },
                labels=None if label is None else partial(read_labels, label, 'rellis'),
                placed=None if poses is None or number >= len(poses) else (LIDAR, poses[number]),
                areas={} if area is None else {CAMERA: partial(read_classes, area[1])},
            )
        )  # fmt: skip
    return Drive(folder.name, frames, notes=notes, broken=broken)


def _taken(place: Path) -> dict[int, tuple[int, Path]]:
    """Return {frame: (stamp, picture)}."""
    found = {}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if match := NAME.fullmatch(path.name):
            stamp_ns = int(match[2]) * SECOND_NS + int(match[3]) * (SECOND_NS // 1000)
            found[int(match[1])] = (stamp_ns, path)
    return found


def _stamps(taken: Mapping[int, tuple[int, Path]], numbers: list[int], notes: list[str]) -> Callable[[int], int]:
    """Return what gives the stamp of a frame: that of its picture, else of the nearest one, at 10 Hz from there."""
    if not taken:
        notes.append('no pictures, which tell the time: stamps assumed, 10 Hz from 1970')
        return lambda number: SECOND_NS + number * PERIOD_NS
    if missing := len([number for number in numbers if number not in taken]):
        notes.append(f'{missing} frames have no picture: their stamps are assumed, 10 Hz from the nearest that has')
    known = np.array(sorted(taken))

    def stamp_of(number: int) -> int:
        nearest = int(known[np.argmin(np.abs(known - number))])
        return taken[nearest][0] + (number - nearest) * PERIOD_NS

    return stamp_of


def _mounts(path: Path) -> Mounts:
    """Return where the camera sits beside the Ouster."""
    try:
        told = yaml.safe_load(path.read_text())
        values = next(value for key, value in told.items() if key.endswith('pylon_camera_node'))
        turn = np.array([float(values['q'][axis]) for axis in 'xyzw'])
        shift = np.array([float(values['t'][axis]) for axis in 'xyz'])
    except (OSError, yaml.YAMLError, StopIteration, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f'{path}: tells no q and t of os1_cloud_node-pylon_camera_node ({error}); fetch it') from error
    return {(LIDAR, f'camera_{CAMERA}'): matrix_of(shift, turn)}


def _poses(folder: Path) -> np.ndarray:
    """Return (N, 4, 4) map from the Ouster. Poses are of a camera where calib.txt has a Tr, as SemanticKITTI's."""
    calib = folder / 'calib.txt'
    told = matrices(calib).get('Tr') if calib.is_file() else None
    camera_from_lidar = np.eye(4)
    if told is not None and told.size == 12:
        camera_from_lidar[:3] = told.reshape(3, 4)
    return inverse(camera_from_lidar) @ read_poses(folder / 'poses.txt') @ camera_from_lidar


def _picture(stamp_ns: int, path: Path, matrix: np.ndarray) -> Picture:
    return picture_file(stamp_ns, f'camera_{CAMERA}', path, matrix, DISTORTION)


def _cloud(path: Path, stamp_ns: int, frame: str) -> PointCloud:
    rows = read_rows(path, 4)
    return cloud_of(path, stamp_ns, frame, rows[:, :3], rows[:, 3])
