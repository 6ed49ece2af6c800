"""nuScenes: scenes of a LiDAR, six cameras, poses and boxes; radars and the CAN extension are not read.

Format: nuscenes.org/nuscenes and its development kit (Caesar et al., CVPR 2020). DIR/v1.0-*/TABLE.json with
DIR/samples and DIR/sweeps. The vehicle's frame has its origin on the road below the rear axle: base_link. Sweeps tell
beam numbers, no times of points.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.files import checked, cloud_of, only_folder, paired, read_json, read_rows
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

MAIN = 'LIDAR_TOP'
COLUMNS = 5  # x y z intensity ring
NEAREST_NS = 50_000_000
LONGEST_S = 1.5  # between two boxes of which a velocity is made, as the development kit has it
TABLES = ('scene', 'sample', 'sample_data', 'calibrated_sensor', 'ego_pose', 'sensor')
BOXES = ('sample_annotation', 'instance', 'category')
KINDS = {  # the first words of a category
    'vehicle.car': Label.CAR,
    'vehicle.truck': Label.TRUCK,
    'vehicle.construction': Label.TRUCK,
    'vehicle.emergency.ambulance': Label.TRUCK,
    'vehicle.emergency.police': Label.CAR,
    'vehicle.bus': Label.BUS,
    'vehicle.trailer': Label.TRAILER,
    'vehicle.motorcycle': Label.MOTORCYCLE,
    'vehicle.bicycle': Label.BICYCLE,
    'human.pedestrian': Label.PEDESTRIAN,
    'animal': Label.ANIMAL,
}  # cones, barriers, debris and racks have no class of their own: unknown

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a release, rows by their tokens. folder: of the release; place: of the tables."""

    folder: Path
    place: Path
    rows: Mapping[str, Mapping[str, Row]]

    def __getitem__(self, name: str) -> Mapping[str, Row]:
        return self.rows[name]

    def row(self, name: str, token: str) -> Row:
        """Return the row of a table that another one points to; raises DataError naming the file that lacks it."""
        if token not in self.rows[name]:
            raise DataError(f'{self.place / name}.json: lacks the row {token!r}, to which another table points')
        return self.rows[name][token]

    def channel(self, data: Row) -> str:
        """Return the sensor that a row of sample_data comes from."""
        sensor = self.row('calibrated_sensor', data['calibrated_sensor_token'])['sensor_token']
        return self.row('sensor', sensor)['channel']

    def map_from_base(self, data: Row) -> np.ndarray:
        """Return (4, 4) of the vehicle when a row of sample_data was taken."""
        return _matrix(self.row('ego_pose', data['ego_pose_token']))


def drives(folder: Path) -> list[Drive]:
    """Return the scenes of a release."""
    folder = only_folder(folder)
    places = sorted(path for path in folder.glob('v1.0-*') if path.is_dir())
    if len(places) != 1:
        raise DataError(f'{folder}: holds {len(places)} folders v1.0-* with tables, expected one')
    tables = _tables(folder, places[0])
    found = checked(places[0], lambda: _scenes(tables))
    if not found:
        raise DataError(f'{places[0]}: no scene of scene.json has a row in sample_data.json; fetch them again')
    return found


def _scenes(tables: Tables) -> list[Drive]:
    taken: dict[str, list[Row]] = defaultdict(list)
    for data in tables['sample_data'].values():
        taken[tables.row('sample', data['sample_token'])['scene_token']].append(data)
    boxes: dict[str, list[Row]] = defaultdict(list)
    for box in tables['sample_annotation'].values():
        boxes[box['sample_token']].append(box)
    scenes = sorted(tables['scene'].items(), key=lambda item: item[1]['name'])
    return [
        replace(_scene(tables, scene['name'], taken[token], boxes), conditions=_conditions(scene))
        for token, scene in scenes
        if taken[token]
    ]


def _conditions(scene: Row) -> dict[str, str]:
    """Return weather and light as people described them: they note rain and night, and nothing of a dry day."""
    words = re.findall('[a-z]+', str(scene.get('description', '')).lower())
    if not words:
        return {}
    return {
        'weather': 'rain' if {'rain', 'raining', 'rainy'} & set(words) else 'dry',
        'light': 'night' if 'night' in words else 'day',
    }


def fits(folder: Path) -> bool:
    """Return whether a folder looks like a release."""
    return any(path.is_dir() for path in folder.glob('v1.0-*'))


def _tables(folder: Path, place: Path) -> Tables:
    rows: dict[str, dict[str, Row]] = {}
    for name in (*TABLES, *BOXES):
        path = place / f'{name}.json'
        found = read_json(path) if name in TABLES or path.is_file() else []
        if not isinstance(found, list) or not all(isinstance(row, dict) and 'token' in row for row in found):
            raise DataError(f'{path}: is no table of rows with tokens; fetch it again')
        rows[name] = {row['token']: row for row in found}
    return Tables(folder, place, rows)


def _scene(tables: Tables, name: str, taken: Sequence[Row], boxes: Mapping[str, list[Row]]) -> Drive:
    there = [data for data in taken if (tables.folder / data['filename']).is_file()]
    sweeps = sorted((data for data in there if tables.channel(data) == MAIN), key=lambda data: data['timestamp'])
    notes = ['radars are not read', 'sweeps tell no times of points']
    if len(there) < len(taken):
        notes.append(f'{len(taken) - len(there)} of {len(taken)} files of the tables are not in the folder')
    first: dict[str, Row] = {}
    for data in there:
        first.setdefault(tables.channel(data), data)
    mounts = {(BASE, frame_of(channel)): _mount(tables, data) for channel, data in sorted(first.items())}
    pictures = _pictures(tables, sweeps, there)
    frames = []
    for data in sweeps:
        stamp_ns = data['timestamp'] * 1000
        key = data['is_key_frame']
        pose = tables.map_from_base(data)
        frame = Frame(
            data['sample_token'] if key else data['token'], stamp_ns, mounts,
            clouds={'top': partial(_cloud, tables.folder / data['filename'], stamp_ns)},
            pictures=pictures[data['token']], placed=(BASE, pose),
        )  # fmt: skip
        if key and tables['sample_annotation']:
            read = partial(_truth, stamp_ns, tables, boxes.get(data['sample_token'], []), pose)
            frame = replace(frame, truth=partial(checked, tables.place / 'sample_annotation.json', read))
        frames.append(frame)
    return Drive(name, frames, notes=notes)


def frame_of(channel: str) -> str:
    """Return the name of a sensor's frame: lidar_top for LIDAR_TOP, camera_front_left for CAM_FRONT_LEFT."""
    kind, _, name = channel.lower().partition('_')
    return f'{"camera" if kind == "cam" else kind}_{name}'


def _mount(tables: Tables, data: Row) -> np.ndarray:
    return _matrix(tables.row('calibrated_sensor', data['calibrated_sensor_token']))


def _matrix(row: Row) -> np.ndarray:
    w, x, y, z = row['rotation']
    return matrix_of(np.array(row['translation'], float), np.array([x, y, z, w], float))


def _cloud(path: Path, stamp_ns: int) -> PointCloud:
    rows = read_rows(path, COLUMNS)
    return cloud_of(path, stamp_ns, frame_of(MAIN), rows[:, :3], rows[:, 3], rows[:, 4])


def _pictures(tables: Tables, sweeps: Sequence[Row], there: Sequence[Row]) -> dict[str, dict[str, Picture]]:
    """Return {token of a sweep: {camera: its picture}}; samples name theirs, of others the nearest sweep takes it."""
    found: dict[str, dict[str, Picture]] = {sweep['token']: {} for sweep in sweeps}
    keys = {sweep['sample_token']: sweep['token'] for sweep in sweeps if sweep['is_key_frame']}
    between: dict[str, dict[int, Row]] = defaultdict(dict)
    for data in there:
        if not (channel := tables.channel(data)).startswith('CAM'):
            continue
        if data['is_key_frame'] and data['sample_token'] in keys:
            found[keys[data['sample_token']]][frame_of(channel)[7:]] = _picture(tables, channel, data)
        else:
            between[channel][data['timestamp'] * 1000] = data
    tokens = {sweep['timestamp'] * 1000: sweep['token'] for sweep in sweeps if not sweep['is_key_frame']}
    for channel, rows in between.items() if tokens else ():
        for stamp_ns, taken_ns in paired(sorted(tokens), sorted(rows), NEAREST_NS).items():
            found[tokens[stamp_ns]][frame_of(channel)[7:]] = _picture(tables, channel, rows[taken_ns])
    return found


def _picture(tables: Tables, channel: str, data: Row) -> Picture:
    matrix = np.array(tables.row('calibrated_sensor', data['calibrated_sensor_token'])['camera_intrinsic'], float)
    path, stamp_ns = tables.folder / data['filename'], data['timestamp'] * 1000
    return replace(
        picture_file(stamp_ns, frame_of(channel), path, matrix), map_from_base=tables.map_from_base(data)
    )


def label_of(category: str) -> Label:
    """Return the class of a category such as 'vehicle.bus.rigid'."""
    found = (label for words, label in KINDS.items() if category == words or category.startswith(f'{words}.'))
    return next(found, Label.UNKNOWN)


def _truth(stamp_ns: int, tables: Tables, boxes: Sequence[Row], map_from_base: np.ndarray) -> Truth:
    base_from_map = inverse(map_from_base)
    poses = np.array([base_from_map @ _matrix(box) for box in boxes]).reshape(-1, 4, 4)
    sizes = np.array([box['size'] for box in boxes], float).reshape(-1, 3)[:, [1, 0, 2]]  # told as width length height
    kinds = [_category(tables, box) for box in boxes]
    speeds = np.array([_velocity(tables, box) for box in boxes]).reshape(-1, 3) @ base_from_map[:3, :3].T
    points = np.array([box.get('num_lidar_pts', -1) for box in boxes], int)
    return truth_of(
        stamp_ns, kinds, [label_of(kind) for kind in kinds], poses[:, :3, 3],
        np.arctan2(poses[:, 1, 0], poses[:, 0, 0]), sizes, ids_of(box['instance_token'] for box in boxes),
        velocities_mps=speeds[:, :2], points=points,
    )  # fmt: skip


def _category(tables: Tables, box: Row) -> str:
    return tables.row('category', tables.row('instance', box['instance_token'])['category_token'])['name']


def _velocity(tables: Tables, box: Row) -> np.ndarray:
    """Return (3,) m/s in map from the boxes before and after, NaN where they are too far apart or there is none."""
    annotations = tables['sample_annotation']
    before, after = annotations.get(box['prev'], box), annotations.get(box['next'], box)
    both = box['prev'] in annotations and box['next'] in annotations
    first_us, last_us = (tables.row('sample', box['sample_token'])['timestamp'] for box in (before, after))
    span_s = (last_us - first_us) * 1000 / SECOND_NS
    if before is after or span_s > (2.0 if both else 1.0) * LONGEST_S:
        return np.full(3, np.nan)
    return (np.array(after['translation'], float) - np.array(before['translation'], float)) / span_s
