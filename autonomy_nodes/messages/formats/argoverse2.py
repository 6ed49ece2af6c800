"""Argoverse 2, sensor data set: logs with two LiDARs, nine cameras, poses and boxes.

Format: argoverse.github.io/user-guide/datasets/sensor.html (Wilson et al., NeurIPS 2021). Tables are .feather files;
a compact log has them as .npz and .json with the same columns. Sweeps of both LiDARs are one, in the vehicle's frame,
with the motion taken out to the stamp: the times of the points are not handed on. Pictures are stored undistorted.
The vehicle's frame has its origin at the rear axle, 0.32 m above the road (measured against the maps' ground height).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import (
    attempt,
    cloud_of,
    only_folder,
    paired,
    pinhole,
    pose_rows,
    read_table,
)
from autonomy_nodes.messages.formats.frames import (
    BASE,
    Drive,
    Frame,
    Picture,
    Truth,
    ids_of,
    picture_file,
    truth_of,
)
from autonomy_nodes.messages.formats.kitti_files import numbered

AXLE_M = 0.32
EGO, LIDAR, ORIGIN = 'egovehicle', 'lidar_top', 'up_lidar'
BASE_FROM_EGO = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, AXLE_M], [0, 0, 0, 1]])
POSE = ('timestamp_ns', 'qw', 'qx', 'qy', 'qz', 'tx_m', 'ty_m', 'tz_m')
BOX = (*POSE, 'track_uuid', 'category', 'length_m', 'width_m', 'height_m')
LENS = ('sensor_name', 'fx_px', 'fy_px', 'cx_px', 'cy_px')
NEAREST_NS = 60_000_000  # a picture belongs to the sweep that is nearest, a turn being 100 ms
KINDS = {
    Label.CAR: ('REGULAR_VEHICLE',),
    Label.TRUCK: ('LARGE_VEHICLE', 'BOX_TRUCK', 'TRUCK', 'TRUCK_CAB'),
    Label.BUS: ('BUS', 'SCHOOL_BUS', 'ARTICULATED_BUS'),
    Label.TRAILER: ('VEHICULAR_TRAILER', 'MESSAGE_BOARD_TRAILER', 'TRAFFIC_LIGHT_TRAILER'),
    Label.MOTORCYCLE: ('MOTORCYCLE', 'MOTORCYCLIST'),
    Label.BICYCLE: ('BICYCLE', 'BICYCLIST', 'WHEELED_DEVICE', 'WHEELED_RIDER'),
    Label.PEDESTRIAN: ('PEDESTRIAN', 'OFFICIAL_SIGNALER', 'STROLLER', 'WHEELCHAIR'),
    Label.ANIMAL: ('DOG', 'ANIMAL'),
}  # bollards, cones, signs and what runs on rails have no class of their own: unknown
LABEL_OF = {kind: label for label, kinds in KINDS.items() for kind in kinds}


def drives(folder: Path) -> list[Drive]:
    """Return the logs in a folder: the folder itself, or those below it."""
    folder = only_folder(folder)
    logs = [folder] if _poses_of(folder) else sorted(path for path in folder.iterdir() if _poses_of(path))
    if not logs:
        raise DataError(f'{folder}: holds no city_SE3_egovehicle.feather, and no folder in it does; give a log')
    return [_log(log) for log in logs]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like a log, or holds some."""
    return bool(_poses_of(folder)) or any(folder.glob('*/city_SE3_egovehicle.feather'))


def _poses_of(log: Path) -> Path | None:
    return _table_file(log, 'city_SE3_egovehicle')


def _table_file(log: Path, name: str) -> Path | None:
    places = (log / f'{name}{ending}' for ending in ('.feather', '.npz', '.json'))
    return next((place for place in places if place.is_file()), None)


def _needed(log: Path, name: str) -> Path:
    if (path := _table_file(log, name) or _table_file(log / 'calibration', name)) is None:
        raise DataError(f'{log}: lacks calibration/{name}.feather; fetch the log again')
    return path


def _log(log: Path) -> Drive:
    sweeps = numbered(log / 'sensors/lidar', '.feather') if (log / 'sensors/lidar').is_dir() else {}
    flat = [path for path in sorted(log.glob('lidar_*.npz')) if path.stem.partition('_')[2].isdigit()]
    sweeps |= {int(path.stem.partition('_')[2]): path for path in flat}
    if not sweeps:
        raise DataError(f'{log}: holds no sweeps sensors/lidar/NANOSECONDS.feather; fetch the log again')
    placed = read_table(_needed(log, 'egovehicle_SE3_sensor'), 'sensor_name', *POSE[1:])
    ego_from = dict(zip(map(str, placed['sensor_name']), pose_rows(placed)))
    mounts = _mounts(ego_from)
    broken: list[str] = []
    table = read_table(_needed(log, 'city_SE3_egovehicle'), *POSE)
    poses = dict(zip(map(int, table['timestamp_ns']), pose_rows(table)))
    place = _table_file(log, 'annotations')
    boxes = attempt(partial(read_table, place, *BOX), broken) if place else None
    pictures = _pictures(log, sorted(sweeps), ego_from, poses)
    notes = ['sweeps have the motion taken out; the times of their points are left out']
    notes.append('of two pictures a sweep the nearer one is kept' if any(pictures.values()) else 'no pictures')
    notes += ['no labels'] if boxes is None else []
    frames = []
    for stamp_ns, path in sorted(sweeps.items()):
        cloud = partial(_cloud, path, stamp_ns, mounts)
        frame = Frame(str(stamp_ns), stamp_ns, mounts, clouds={'top': cloud}, pictures=pictures[stamp_ns])
        if stamp_ns in poses:
            frame = replace(frame, placed=(EGO, poses[stamp_ns]))
        if boxes is not None:
            frame = replace(frame, truth=partial(_truth, stamp_ns, boxes))
        frames.append(frame)
    return Drive(log.name, frames, notes=notes, broken=broken)


def _mounts(ego_from: Mapping[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
    """Return where all sensors sit. lidar_top has the axes of the vehicle, and its origin in the upper LiDAR."""
    mounts = {(BASE, EGO): BASE_FROM_EGO}
    for name, matrix in ego_from.items():
        mounts[EGO, name if name.endswith('_lidar') else f'camera_{name}'] = matrix
    upper = np.eye(4)
    upper[:3, 3] = ego_from[ORIGIN][:3, 3] if ORIGIN in ego_from else 0.0
    mounts[EGO, LIDAR] = upper
    return mounts


def _cloud(path: Path, stamp_ns: int, mounts: Mapping[tuple[str, str], np.ndarray]) -> PointCloud:
    if path.suffix == '.npz':
        table = read_table(path, 'xyz', 'intensity', 'laser')
        xyz, ring = table['xyz'].astype(np.float32), table['laser']
    else:
        table = read_table(path, 'x', 'y', 'z', 'intensity', 'laser_number')
        xyz = np.column_stack([table[axis] for axis in 'xyz']).astype(np.float32)
        ring = table['laser_number']
    xyz = xyz - mounts[EGO, LIDAR][:3, 3].astype(np.float32)
    return cloud_of(path, stamp_ns, LIDAR, xyz, table['intensity'], ring)


def _pictures(
    log: Path, stamps: list[int], ego_from: Mapping[str, np.ndarray], poses: Mapping[int, np.ndarray]
) -> dict[int, dict[str, Picture]]:
    """Return {stamp of a sweep: {camera: its nearest picture}}; cameras take two a sweep."""
    found: dict[int, dict[str, Picture]] = {stamp_ns: {} for stamp_ns in stamps}
    lenses = read_table(_needed(log, 'intrinsics'), *LENS)
    for row, name in enumerate(map(str, lenses['sensor_name'])):
        place = log / 'sensors/cameras' / name
        paths = numbered(place, '.jpg', '.png') if place.is_dir() and name in ego_from else {}
        matrix = pinhole(*(float(lenses[key][row]) for key in LENS[1:]))
        for stamp_ns, taken_ns in paired(stamps, list(paths), NEAREST_NS).items():
            picture = picture_file(taken_ns, f'camera_{name}', paths[taken_ns], matrix)
            city_from_base = poses[taken_ns] @ inverse(BASE_FROM_EGO) if taken_ns in poses else None
            found[stamp_ns][name] = replace(picture, map_from_base=city_from_base)
    return found


def _truth(stamp_ns: int, boxes: Mapping[str, np.ndarray]) -> Truth:
    rows = {name: column[boxes['timestamp_ns'] == stamp_ns] for name, column in boxes.items()}
    kinds = [str(kind) for kind in rows['category']]
    base_from_box = BASE_FROM_EGO @ pose_rows(rows)
    sizes = np.column_stack([rows[name] for name in ('length_m', 'width_m', 'height_m')])
    return truth_of(
        stamp_ns, kinds, [LABEL_OF.get(kind, Label.UNKNOWN) for kind in kinds], base_from_box[:, :3, 3],
        np.arctan2(base_from_box[:, 1, 0], base_from_box[:, 0, 0]), sizes,
        ids_of(rows['track_uuid']), points=rows.get('num_interior_pts'),
    )  # fmt: skip
