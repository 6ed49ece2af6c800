"""One frame of a folder: what people labelled, what a channel finds there, and both in words of the field.

KITTI's labels are of what the front camera saw: what lies outside its picture, or by half in a region that nobody
labelled, does not count as wrong. Other layouts label all around.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of_heading
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.kitti_rows import rows_of, shown
from autonomy_nodes.evaluation.measures.overlaps import covered
from autonomy_nodes.evaluation.measures.precision import Scene
from autonomy_nodes.evaluation.measures.task import timed
from autonomy_nodes.messages.formats.catalogue import detected
from autonomy_nodes.messages.formats.frames import Drive, Frame, Truth
from autonomy_nodes.messages.formats.kitti import BASE_FROM_VELO
from autonomy_nodes.messages.formats.kitti_files import KittiFolder
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.decode import DecodeSettings
from autonomy_nodes.perception.ground import GroundSplitter
from autonomy_nodes.perception.learned import LearnedChannel, LearnedSettings, opened
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.perception.warmup import warm

GROUPS: dict[str, tuple[Label, ...]] = {
    'vehicle': (Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER),
    'vru': (Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE),
}
KITTI_KINDS = {'vehicle': ('Car', 'Van'), 'vru': ('Pedestrian', 'Cyclist')}  # others of a group are left out
KITTI_NAMES = {'vehicle': 'Car', 'vru': 'Cyclist'}
NUSCENES_NAMES = {
    Label.CAR: 'car', Label.TRUCK: 'truck', Label.BUS: 'bus', Label.TRAILER: 'trailer', Label.PEDESTRIAN: 'pedestrian',
    Label.BICYCLE: 'bicycle', Label.MOTORCYCLE: 'motorcycle',
}  # fmt: skip
LEAST_SCORE, MOST_COVERED = 0.02, 0.5
LEVEL_FROM_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True, eq=False)
class Camera:
    """The front camera of KITTI.

    level_from_base: (4, 4), see `kitti_rows`. projection: (3, 4). size_px: width, height.
    """

    level_from_base: np.ndarray
    projection: np.ndarray
    size_px: tuple[float, float]

    def level(self, flat: np.ndarray, heights: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Return (N, 7) boxes in `level` of those in base_link: rectangles (N, 5), z of their middles, sizes (N, 3)."""
        turn = self.level_from_base
        centres = moved(np.column_stack([flat[:, :2], heights]), turn)
        ahead = np.column_stack([np.cos(flat[:, 4]), np.sin(flat[:, 4]), np.zeros(len(flat))]) @ turn[:3, :3].T
        return np.column_stack([centres, sizes, np.arctan2(ahead[:, 1], ahead[:, 0])])

    def outside(self, level: np.ndarray) -> np.ndarray:
        """Return (N,) which boxes (N, 7) in `level` have their middle outside the picture."""
        x, y, z = level[:, :3].T
        pixels = np.column_stack([-y, -z, x, np.ones(len(level))]) @ self.projection.T
        depth = np.maximum(pixels[:, 2], 0.1)
        u, v = pixels[:, 0] / depth, pixels[:, 1] / depth
        return np.asarray((x < 0.1) | (u < 0.0) | (v < 0.0) | (u >= self.size_px[0]) | (v >= self.size_px[1]))


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame, measured.

    scenes: {group: all that was told}. strict: the same where what lies in regions that nobody labelled is wrong.
    answers: lines of KITTI's text, or boxes of nuScenes' JSON.
    """

    token: str
    scenes: dict[str, Scene]
    strict: dict[str, Scene]
    lidar_xy: np.ndarray
    answers: list
    seconds: float
    objects: int
    unknown: int
    points: int


@lru_cache(maxsize=2)
def drives_of(folder: Path) -> tuple[str, list[Drive]]:
    """Return the layout of a folder and its drives."""
    layout = detected(folder)
    return layout.name, layout.drives(folder)


@dataclass(frozen=True)
class Channel:
    """Who looks. model: a folder with a network, None for the geometric channel. backend: the engine that runs it."""

    model: Path | None = None
    backend: str = 'auto'


GEOMETRIC = Channel()


@lru_cache(maxsize=1)
def _perceiver() -> Perceiver:
    config = PerceptionConfig()
    warm(config)
    return Perceiver(config)


@lru_cache(maxsize=1)
def _learned(channel: Channel) -> LearnedChannel:
    assert channel.model is not None
    return LearnedChannel(opened(channel.model, channel.backend), LearnedSettings(DecodeSettings(least=LEAST_SCORE)))


def found_in(frame: Frame, channel: Channel = GEOMETRIC) -> tuple[Objects, float, np.ndarray, int]:
    """Return what is found in the sweep of a frame, the CPU time [s], where the LiDAR is (2,), how many points."""
    if not frame.clouds:
        raise DataError(f'frame {frame.name}: has no sweep')
    cloud = next(iter(frame.clouds.values()))()
    base_from_lidar = frame.base_from(cloud.frame)
    there = replace(cloud, frame='base_link', xyz=moved(cloud.xyz, base_from_lidar).astype(np.float32))
    find = _segmented if channel.model is None else partial(_told, _learned(channel))
    objects, seconds = timed(lambda: find(there, base_from_lidar[:3, 3]))
    return objects, seconds, base_from_lidar[:2, 3], len(there.xyz)


def _segmented(cloud: PointCloud, _: np.ndarray) -> Objects:
    return _perceiver().segment(cloud).clusters.objects


def _told(learned: LearnedChannel, cloud: PointCloud, sensor_m: np.ndarray) -> Objects:
    ground = _splitter().split(cloud.xyz)
    return learned.perceive(cloud, ground, rays(cloud.xyz, ground.kinds, sensor_m), sensor_m).objects


@lru_cache(maxsize=1)
def _splitter() -> GroundSplitter:
    config = PerceptionConfig()
    return GroundSplitter(config.ground, config.vehicle.height_m)


def measured(item: tuple[Path, int, int, Channel]) -> Seen:
    """Find objects in one frame: folder, drive, place in it, who looks."""
    folder, which, place, channel = item
    layout, drives = drives_of(folder)
    drive = drives[which]
    frame = drive.frames[place]
    if frame.truth is None:
        raise DataError(f'frame {frame.name}: nobody labelled it')
    truth = frame.truth()
    objects, seconds, lidar_xy, points = found_in(frame, channel)
    camera = front_camera(folder, drive, frame) if layout == 'kitti' else None
    flat = np.column_stack([objects.positions_m[:, :2], objects.dimensions_m[:, :2], objects.headings_rad])
    scenes, strict, answers = {}, {}, []
    for group, labels in GROUPS.items():
        scores = objects.existence * objects.class_probabilities[:, list(labels)].sum(axis=1)
        told = scores >= LEAST_SCORE
        outside = hidden = np.zeros(int(told.sum()), bool)
        if camera is not None:
            level = camera.level(flat[told], objects.positions_m[told, 2], objects.dimensions_m[told])
            pictures = shown(level, camera.projection, camera.size_px)
            outside, hidden = _unseen(level, pictures, truth, camera)
            first = [f'{int(frame.name)} -1'] * len(level) if not drive.stills else []
            kinds = [KITTI_NAMES[group]] * len(level)
            answers += rows_of(kinds, level, np.nan_to_num(pictures, nan=-1.0), scores[told], first)
        else:
            answers += _boxes(frame.name, objects, np.flatnonzero(told), labels, scores)
        places, left_out = _labels(truth, group, camera is not None)
        scenes[group] = Scene(places, left_out, flat[told], scores[told], outside | hidden)
        strict[group] = replace(scenes[group], quiet=outside)
    unknown = int((objects.labels == Label.UNKNOWN).sum())
    return Seen(frame.name, scenes, strict, lidar_xy, answers, seconds, len(objects), unknown, points)


def _labels(truth: Truth, group: str, kitti: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (G, 5) of a group, and which of them are not to be counted: other kinds, without a point."""
    objects = truth.objects
    kinds = np.array(truth.kinds, object)
    mine = np.isin(objects.labels, GROUPS[group])
    if kitti:
        mine |= np.isin(kinds, ('Misc', 'Tram')) & (group == 'vehicle')
    flat = np.column_stack([objects.positions_m[:, :2], objects.dimensions_m[:, :2], objects.headings_rad])[mine]
    out = truth.points[mine] == 0
    return flat, out | ~np.isin(kinds[mine], KITTI_KINDS[group]) if kitti else out


def front_camera(folder: Path, drive: Drive, frame: Frame) -> Camera | None:
    """Return the front camera; None where nobody says how it sees."""
    inner = folder / 'velodyne' / drive.name
    calibration = KittiFolder(inner if inner.is_dir() else folder).calibration(int(frame.name))
    if calibration is None or 'front' not in calibration.projections:
        return None
    projection = calibration.projections['front']
    picture = frame.pictures.get('front')
    width, height = picture.size() if picture is not None else (2.0 * projection[0, 2], 2.0 * projection[1, 2])
    level_from_base = LEVEL_FROM_CAMERA @ calibration.camera_from_velo @ inverse(BASE_FROM_VELO)
    return Camera(level_from_base, projection, (float(width), float(height)))


def _unseen(level: np.ndarray, pictures: np.ndarray, truth: Truth, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) which boxes have their middle outside the picture, and (N,) which lie where nobody looked."""
    ignored = truth.ignored_px.get('front', np.zeros((0, 4)))
    hidden = np.asarray((covered(np.nan_to_num(pictures), ignored) > MOST_COVERED).any(axis=1))
    return camera.outside(level), hidden


def _boxes(token: str, objects: Objects, rows: np.ndarray, labels: tuple[Label, ...], scores: np.ndarray) -> list:
    """Return entries of nuScenes' detection results, in base_link."""
    answers = []
    for row in rows.tolist():
        length, width, height = objects.dimensions_m[row].tolist()
        x, y, z, w = quaternion_of_heading(float(objects.headings_rad[row])).tolist()
        label = labels[int(np.argmax(objects.class_probabilities[row, list(labels)]))]
        answers.append({
            'sample_token': token, 'translation': objects.positions_m[row].tolist(), 'size': [width, length, height],
            'rotation': [w, x, y, z], 'velocity': [0.0, 0.0], 'detection_name': NUSCENES_NAMES[label],
            'detection_score': float(scores[row]), 'attribute_name': '',
        })  # fmt: skip
    return answers
