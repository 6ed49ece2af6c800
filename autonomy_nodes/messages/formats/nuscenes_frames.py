"""Frames of nuScenes without its tables: a frame.json in the layout of MMDetection3D's infos, its files beside it.

Format: mmdetection3d.readthedocs.io, "NuScenes Dataset", of version 1.1: images[CAM] with cam2img, cam2ego, lidar2cam;
lidar_points.lidar2ego; instances with bbox_3d = x y z (centre) length width height yaw in the LiDAR's frame. lidar2cam
is of the moments at which both were taken: the vehicle's motion is in it.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.files import (
    attempt,
    checked,
    cloud_of,
    only_folder,
    read_json,
    read_npz,
    read_rows,
)
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Picture, Truth, truth_of
from autonomy_nodes.messages.formats.nuscenes import COLUMNS, frame_of

LIDAR = 'lidar_top'
KINDS = {
    'car': Label.CAR,
    'truck': Label.TRUCK,
    'construction_vehicle': Label.TRUCK,
    'trailer': Label.TRAILER,
    'bus': Label.BUS,
    'bicycle': Label.BICYCLE,
    'motorcycle': Label.MOTORCYCLE,
    'pedestrian': Label.PEDESTRIAN,
}


def drives(folder: Path) -> list[Drive]:
    """Return the frames of a folder, or of the folders in it, as one drive of single moments."""
    folder = only_folder(folder)
    paths = sorted([*folder.glob('frame.json'), *folder.glob('*/frame.json')])
    if not paths:
        raise DataError(f'{folder}: holds no frame.json')
    broken: list[str] = []
    frames: list[Frame] = []
    for path in paths:
        if (frame := attempt(partial(checked, path, partial(_frame, path)), broken)) is not None:
            frames.append(frame)
    if not frames:
        raise DataError(f'{folder}: not one frame can be read; the first: {broken[0]}')
    frames = sorted(frames, key=lambda frame: frame.stamp_ns)
    return [Drive(folder.name, frames, stills=True, notes=['sweeps tell no times of points'], broken=broken)]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like this layout."""
    return any(folder.glob('frame.json')) or any(folder.glob('*/frame.json'))


def _frame(path: Path) -> Frame:
    told = read_json(path)
    stamp_ns = nanoseconds(told['timestamp'])
    base_from_lidar = _rigid(told['lidar_points']['lidar2ego'])
    map_from_base = _rigid(told['ego2global'])
    mounts, pictures = {(BASE, LIDAR): base_from_lidar}, {}
    for channel, camera in told['images'].items():
        frame, place = frame_of(channel), path.parent / camera['img_path']
        base_from_camera = _rigid(camera['cam2ego'])
        mounts[BASE, frame] = base_from_camera
        camera_from_lidar = _rigid(camera['lidar2cam'])
        taken_from = map_from_base @ base_from_lidar @ inverse(camera_from_lidar) @ inverse(base_from_camera)
        matrix = np.array(camera['cam2img'], float)[:3, :3]
        pictures[frame.partition('_')[2]] = Picture(
            nanoseconds(camera['timestamp']), frame, str(place), place.read_bytes, matrix, map_from_base=taken_from
        )
    read = partial(_truth, told, stamp_ns, base_from_lidar)
    return Frame(
        told['token'], stamp_ns, mounts, clouds={'top': partial(_cloud, path, told, stamp_ns)}, pictures=pictures,
        truth=partial(checked, path, read) if 'instances' in told else None,
        placed=(BASE, map_from_base),
    )  # fmt: skip


def nanoseconds(seconds: float) -> int:
    """Return a moment of microseconds, told as seconds, without the rounding of a float of that size."""
    return round(seconds * 1e6) * (SECOND_NS // 1_000_000)


def _rigid(rows: Any) -> np.ndarray:
    """Return (4, 4) with a rotation that is exactly one; the files give single precision."""
    matrix = np.array(rows, float).reshape(4, 4)
    return matrix_of(matrix[:3, 3], quaternion_of(matrix[:3, :3]))


def _cloud(path: Path, told: Mapping[str, Any], stamp_ns: int) -> PointCloud:
    place = path.parent / told['lidar_points']['lidar_path']
    if place.is_file():
        rows = read_rows(place, COLUMNS)
        return cloud_of(place, stamp_ns, LIDAR, rows[:, :3], rows[:, 3], rows[:, 4])
    compact = path.parent / 'lidar_top.npz'
    if not compact.is_file():
        raise DataError(f'{place}: is missing, and {compact.name} too; fetch it again')
    arrays = read_npz(compact, 'xyz', 'intensity', 'ring')
    return cloud_of(compact, stamp_ns, LIDAR, arrays['xyz'], arrays['intensity'], arrays['ring'])


def _truth(told: Mapping[str, Any], stamp_ns: int, base_from_lidar: np.ndarray) -> Truth:
    boxes = told['instances']
    name_of = {number: name for name, number in told['categories'].items()}
    rows = np.array([box['bbox_3d'] for box in boxes], float).reshape(-1, 7)
    ahead = np.array([[math.cos(yaw), math.sin(yaw), 0.0] for yaw in rows[:, 6]]).reshape(-1, 3)
    ahead = ahead @ base_from_lidar[:3, :3].T
    plane = np.array([[*box.get('velocity', (math.nan, math.nan)), 0.0] for box in boxes], float).reshape(-1, 3)
    kinds = [name_of.get(box['bbox_label_3d'], 'unknown') for box in boxes]
    ids = np.zeros((len(boxes), 16), np.uint8)
    ids[:, :4] = np.arange(len(boxes), dtype='>u4').view(np.uint8).reshape(-1, 4)
    return truth_of(
        stamp_ns, kinds, [KINDS.get(kind, Label.UNKNOWN) for kind in kinds],
        rows[:, :3] @ base_from_lidar[:3, :3].T + base_from_lidar[:3, 3], np.arctan2(ahead[:, 1], ahead[:, 0]),
        rows[:, 3:6], ids, velocities_mps=(plane @ base_from_lidar[:3, :3].T)[:, :2],
        points=np.array([box.get('num_lidar_pts', -1) for box in boxes], int),
    )  # fmt: skip
