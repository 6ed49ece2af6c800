"""ORFD: roads and tracks off the road, with one camera and a Hesai of 40 beams.

Format: github.com/chaytonmin/Off-Road-Freespace-Detection (Min et al., ICRA 2022). A sequence holds image_data,
lidar_data (rows of five float32, the first four x y z intensity), dense_depth and sparse_depth (16 bits, 1/256 m),
gt_image (MILLISECONDS_fillcolor.png: white is free) and calib/MILLISECONDS.txt: cam_K; cam_RT, which takes points of
the level frame (x right, y ahead) to the camera; lidar_R, lidar_T, which take raw points to the level frame. Besides it
reads a flat folder of MILLISECONDS.jpg with MILLISECONDS_dense_depth.png and one calib.txt.
How high the LiDAR sits above the road is not published. A sweep may be of another moment than its picture's by 0.1 s.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import cloud_of, only_folder, read_classes, read_depth, read_rows
from autonomy_nodes.messages.formats.frames import Drive, Frame, picture_file
from autonomy_nodes.messages.formats.kitti_files import matrices, numbered

CAMERA, LIDAR, LEVEL = 'front', 'lidar_top', 'lidar_level'
COLUMNS = 5
METRES_A_UNIT = 1.0 / 256.0
MILLI_NS = 1_000_000
# level frame: x right, y ahead; ahead is x elsewhere in the stack
AHEAD_FROM_LEVEL = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def drives(folder: Path) -> list[Drive]:
    """Return the sequences of a data set, the one that `folder` is, or the pictures of a flat folder."""
    folder = only_folder(folder)
    if (folder / 'calib.txt').is_file() and _stamped(folder):
        return [_drive(folder, flat=True)]
    places = [folder] if (folder / 'image_data').is_dir() else sorted(
        path.parent for pattern in ('*/image_data', '*/*/image_data') for path in folder.glob(pattern)
    )  # fmt: skip
    if not places:
        raise DataError(f'{folder}: holds neither image_data, in any folder, nor pictures with a calib.txt')
    return [_drive(place, flat=False) for place in places]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like one of ORFD."""
    return any(folder.glob('image_data')) or any(folder.glob('*/image_data')) or any(folder.glob('*_dense_depth.png'))


def _stamped(place: Path, *endings: str) -> dict[int, Path]:
    return numbered(place, *(endings or ('.png', '.jpg'))) if place.is_dir() else {}


def _drive(folder: Path, flat: bool) -> Drive:
    pictures = _stamped(folder if flat else folder / 'image_data')
    sweeps = {} if flat else _stamped(folder / 'lidar_data', '.bin')
    if not pictures:
        raise DataError(f'{folder}: holds no pictures MILLISECONDS.png; fetch it again')
    frames, broken = [], []
    read: dict[Path, tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]] = {}
    for number, path in pictures.items():
        place = folder / 'calib.txt' if flat else folder / f'calib/{number}.txt'
        try:
            read[place] = read.get(place) or _calibration(place)
        except DataError as error:
            broken.append(str(error))
            continue
        frames.append(_frame(folder, flat, number, path, sweeps.get(number), *read[place]))
    if not frames:
        raise DataError(f'{folder}: no frame has a calibration; the first: {broken[0]}')
    notes = ['how high the LiDAR sits on the vehicle is not told: give --mount lidar_level=0,0,HEIGHT,0,0,0']
    notes += [] if sweeps else ['no sweeps: pictures and depths alone']
    return Drive(folder.name, frames, notes=notes, broken=broken)


def _frame(
    folder: Path, flat: bool, number: int, path: Path, sweep: Path | None, matrix: np.ndarray,
    mounts: Mapping[tuple[str, str], np.ndarray],
) -> Frame:  # fmt: skip
    stamp_ns = number * MILLI_NS
    depth = folder / f'{number}_dense_depth.png' if flat else folder / f'dense_depth/{number}.png'
    area = folder / f'{number}_fillcolor.png' if flat else folder / f'gt_image/{number}_fillcolor.png'
    return Frame(
        str(number), stamp_ns, mounts,
        clouds={} if sweep is None else {'top': partial(_cloud, sweep, stamp_ns)},
        pictures={CAMERA: picture_file(stamp_ns, f'camera_{CAMERA}', path, matrix)},
        depths={CAMERA: partial(read_depth, depth, METRES_A_UNIT)} if depth.is_file() else {},
        areas={CAMERA: partial(read_classes, area)} if area.is_file() else {},
    )  # fmt: skip


def _calibration(path: Path) -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    """Return the camera's matrix and where camera and LiDAR sit, from the level frame turned to x ahead."""
    if not path.is_file():
        raise DataError(f'{path}: is missing; fetch it again')
    told = matrices(path)
    for name, size in (('cam_K', 9), ('cam_RT', 16), ('lidar_R', 9), ('lidar_T', 3)):
        if name not in told or told[name].size != size:
            raise DataError(f'{path}: tells no {name} of {size} numbers; fetch it again')
    camera_from_level, turn = told['cam_RT'].reshape(4, 4), told['lidar_R'].reshape(3, 3)
    level_from_lidar = matrix_of(told['lidar_T'], quaternion_of(turn))
    level_from_camera = inverse(matrix_of(camera_from_level[:3, 3], quaternion_of(camera_from_level[:3, :3])))
    return told['cam_K'].reshape(3, 3), {
        (LEVEL, f'camera_{CAMERA}'): AHEAD_FROM_LEVEL @ level_from_camera,
        (LEVEL, LIDAR): AHEAD_FROM_LEVEL @ level_from_lidar,
    }


def _cloud(path: Path, stamp_ns: int) -> PointCloud:
    rows = read_rows(path, COLUMNS)
    return cloud_of(path, stamp_ns, LIDAR, rows[:, :3], rows[:, 3])
