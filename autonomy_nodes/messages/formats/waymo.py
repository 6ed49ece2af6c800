"""Waymo Open, perception, version 2: parquet tables, one file a segment in a folder a kind.

Format: github.com/waymo-research/waymo-open-dataset, src/waymo_open_dataset/v2 (column names) and the description of
range images there (Sun et al., CVPR 2020): a row is a beam, from above; columns run from +180 to -180 degrees in the
vehicle's sense. Of the top LiDAR each pixel has a pose of its own: points are brought to the vehicle at the frame's
stamp, so that the motion is taken out. The vehicle's frame has its origin on the road below the rear axle. Not read:
records of version 1 (TFRecord), which need Waymo's own protocol files; second returns; flow; maps; velocities of boxes,
whose axes the format does not document.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import cloud_of, only_folder, pinhole, read_table
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Picture, Truth, ids_of, truth_of

LASERS = {1: 'top', 2: 'front', 3: 'side_left', 4: 'side_right', 5: 'rear'}
CAMERAS = {1: 'front', 2: 'front_left', 3: 'front_right', 4: 'side_left', 5: 'side_right'}
KINDS = {1: ('vehicle', Label.CAR), 2: ('pedestrian', Label.PEDESTRIAN), 4: ('cyclist', Label.BICYCLE)}  # 3: sign
TIME, LASER, CAMERA = 'key.frame_timestamp_micros', 'key.laser_name', 'key.camera_name'
IMAGE = '[LiDARComponent].range_image_return1'
PIXELS = '[LiDARPoseComponent].range_image_return1'
LENS = '[CameraCalibrationComponent]'
BEAMS = '[LiDARCalibrationComponent]'
BOX = '[LiDARBoxComponent]'
OPTICAL = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # their x ahead from our z ahead


@dataclass(frozen=True, eq=False)
class Laser:
    """How a LiDAR sits, (4, 4), and how its beams rise, from below: (H,) radians or lowest and highest edge."""

    base_from_laser: np.ndarray
    rises_rad: np.ndarray | None
    between_rad: tuple[float, float]

    def directions(self, height: int, width: int) -> np.ndarray:
        """Return (H, W, 3) unit vectors of the pixels, in the LiDAR's frame."""
        if self.rises_rad is None:
            low, high = self.between_rad
            rises = low + (np.arange(height) + 0.5) / height * (high - low)
        else:
            rises = self.rises_rad
        if len(rises) != height:
            raise DataError(f'range image has {height} rows, its calibration {len(rises)} beams')
        turned = math.atan2(self.base_from_laser[1, 0], self.base_from_laser[0, 0])
        around = (1.0 - 2.0 * (np.arange(width) + 0.5) / width) * np.pi - turned
        rises = rises[::-1, None]
        flat = np.cos(rises)
        return np.stack(np.broadcast_arrays(flat * np.cos(around), flat * np.sin(around), np.sin(rises)), axis=-1)


def drives(folder: Path) -> list[Drive]:
    """Return the segments in a folder, by the names of their files in vehicle_pose/."""
    folder = only_folder(folder)
    segments = sorted((folder / 'vehicle_pose').glob('*.parquet'))
    if not segments:
        raise DataError(f'{folder}: holds no vehicle_pose/SEGMENT.parquet; version 1 (.tfrecord) is not read')
    return [_segment(folder, path.name) for path in segments]


def fits(folder: Path) -> bool:
    """Return whether a folder looks like this layout."""
    return any(folder.glob('vehicle_pose/*.parquet'))


def _segment(folder: Path, name: str) -> Drive:
    pose = '[VehiclePoseComponent].world_from_vehicle.transform'
    table = read_table(folder / 'vehicle_pose' / name, TIME, pose)
    poses = {int(micros): _square(values) for micros, values in sorted(zip(table[TIME], table[pose]))}
    lasers = _lasers(folder / 'lidar_calibration' / name)
    mounts = {(BASE, f'lidar_{LASERS[key]}'): laser.base_from_laser for key, laser in lasers.items()}
    notes = ['sweeps have the motion taken out; of the records first returns are read']
    pictures, cameras = _pictures(folder, name, notes)
    taken = _keys(folder / 'lidar' / name)
    boxes, labelled = folder / 'lidar_box' / name, (folder / 'lidar_box' / name).is_file()
    frames = []
    for micros, world_from_base in poses.items():
        clouds = {
            LASERS[key]: partial(_cloud, folder, name, micros, key, lasers[key], world_from_base)
            for key in sorted(taken[micros]) if key in lasers
        }  # fmt: skip
        frame = Frame(
            str(micros), micros * 1000, {**mounts, **cameras}, clouds=clouds, pictures=pictures[micros],
            placed=(BASE, world_from_base),
        )  # fmt: skip
        frames.append(replace(frame, truth=partial(_truth, boxes, micros)) if labelled else frame)
    return Drive(Path(name).stem, frames, notes=notes)


def _square(values: np.ndarray) -> np.ndarray:
    return np.array(values, float).reshape(4, 4)


def _keys(path: Path) -> dict[int, set[int]]:
    """Return {moment: LiDARs that there are}."""
    table = read_table(path, TIME, LASER)
    found: dict[int, set[int]] = defaultdict(set)
    for micros, key in zip(table[TIME], table[LASER]):
        found[int(micros)].add(int(key))
    return found


def _lasers(path: Path) -> dict[int, Laser]:
    names = [f'{BEAMS}.{part}' for part in ('extrinsic.transform', *(f'beam_inclination.{x}' for x in _BEAM))]
    table = read_table(path, LASER, *names)
    found = {}
    for row, key in enumerate(table[LASER]):
        mount, values, low, high = (table[name][row] for name in names)
        rises = None if values is None or len(values) == 0 else np.array(values, float)
        found[int(key)] = Laser(_square(mount), rises, (float(low), float(high)))
    return found


_BEAM = ('values', 'min', 'max')
_LENS = ('f_u', 'f_v', 'c_u', 'c_v', 'k1', 'k2', 'p1', 'p2', 'k3')


def _pictures(
    folder: Path, name: str, notes: list[str]
) -> tuple[dict[int, dict[str, Picture]], dict[tuple[str, str], np.ndarray]]:
    """Return {moment: {camera: picture}} and where the cameras sit."""
    found: dict[int, dict[str, Picture]] = defaultdict(dict)
    path, lenses = folder / 'camera_image' / name, folder / 'camera_calibration' / name
    if not (path.is_file() and lenses.is_file()):
        notes.append('no pictures: camera_image/ or camera_calibration/ is missing')
        return found, {}
    numbers = [f'{LENS}.intrinsic.{part}' for part in _LENS]
    table = read_table(lenses, CAMERA, f'{LENS}.extrinsic.transform', *numbers)
    told, mounts = {}, {}
    for row, key in enumerate(table[CAMERA]):
        values = [float(table[number][row]) for number in numbers]
        told[int(key)] = (pinhole(*values[:4]), np.array(values[4:]))
        mounts[BASE, f'camera_{CAMERAS[int(key)]}'] = _square(table[f'{LENS}.extrinsic.transform'][row]) @ OPTICAL
    taken = read_table(path, TIME, CAMERA, '[CameraImageComponent].pose.transform')
    for micros, key, pose in zip(taken[TIME], taken[CAMERA], taken['[CameraImageComponent].pose.transform']):
        micros, key = int(micros), int(key)
        matrix, distortion = told[key]
        found[micros][CAMERAS[key]] = Picture(
            micros * 1000, f'camera_{CAMERAS[key]}', f'{path} at {micros}, camera {key}',
            partial(_packed, path, micros, key), matrix, distortion=distortion, map_from_base=_square(pose),
        )  # fmt: skip
    return found, mounts


def _packed(path: Path, micros: int, key: int) -> bytes:
    table = read_table(path, CAMERA, '[CameraImageComponent].image', where=(TIME, micros))
    return next(bytes(table['[CameraImageComponent].image'][row]) for row in np.flatnonzero(table[CAMERA] == key))


def _image(path: Path, column: str, micros: int, key: int) -> np.ndarray | None:
    """Return (H, W, channels) of one LiDAR at one moment, None where there is none."""
    table = read_table(path, LASER, f'{column}.values', f'{column}.shape', where=(TIME, micros))
    for row in np.flatnonzero(table[LASER] == key):
        values, shape = np.array(table[f'{column}.values'][row], np.float32), table[f'{column}.shape'][row]
        if len(shape) != 3 or np.prod(shape) != len(values):
            raise DataError(f'{path}: range image at {micros} has {len(values)} values for shape {list(shape)}')
        return values.reshape(shape)
    return None


def _cloud(folder: Path, name: str, micros: int, key: int, laser: Laser, world_from_base: np.ndarray) -> PointCloud:
    path, poses = folder / 'lidar' / name, folder / 'lidar_pose' / name
    image = _image(path, IMAGE, micros, key)
    if image is None:
        raise DataError(f'{path}: holds no sweep of LiDAR {key} at {micros}')
    height, width, _ = image.shape
    seen = image[..., 0] > 0.0
    points = laser.directions(height, width)[seen] * image[..., :1][seen].astype(float)
    ring = np.broadcast_to(np.arange(height)[:, None], seen.shape)[seen]
    pixels = _image(poses, PIXELS, micros, key) if poses.is_file() else None
    if pixels is not None:
        points = points @ laser.base_from_laser[:3, :3].T + laser.base_from_laser[:3, 3]
        points = moved_by_rows(points, pixels[seen].astype(float))
        laser_from_world = inverse(world_from_base @ laser.base_from_laser)
        points = points @ laser_from_world[:3, :3].T + laser_from_world[:3, 3]
    return cloud_of(path, micros * 1000, f'lidar_{LASERS[key]}', points, image[..., 1][seen], ring)


def moved_by_rows(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Return (N, 3) points, each moved by its pose (N, 6): roll, pitch, yaw about fixed axes, then x y z."""
    (sr, sp, sy), (cr, cp, cy) = np.sin(poses[:, :3].T), np.cos(poses[:, :3].T)
    x, y, z = points.T
    turned = (
        cy * cp * x + (cy * sp * sr - sy * cr) * y + (cy * sp * cr + sy * sr) * z,
        sy * cp * x + (sy * sp * sr + cy * cr) * y + (sy * sp * cr - cy * sr) * z,
        -sp * x + cp * sr * y + cp * cr * z,
    )
    return np.column_stack(turned) + poses[:, 3:]


def _truth(path: Path, micros: int) -> Truth:
    parts = ('center.x', 'center.y', 'center.z', 'size.x', 'size.y', 'size.z', 'heading')
    names = [f'{BOX}.box.{part}' for part in parts]
    others = ('key.laser_object_id', f'{BOX}.type', f'{BOX}.num_lidar_points_in_box')
    table = read_table(path, *others, *names, where=(TIME, micros))
    rows = np.column_stack([table[name].astype(float) for name in names])
    types = [int(kind) for kind in table[others[1]]]
    return truth_of(
        micros * 1000, [KINDS.get(kind, ('sign' if kind == 3 else 'unknown', 0))[0] for kind in types],
        [KINDS.get(kind, ('', Label.UNKNOWN))[1] for kind in types], rows[:, :3], rows[:, 6], rows[:, 3:6],
        ids_of(table[others[0]]), points=table[others[2]],
    )  # fmt: skip
