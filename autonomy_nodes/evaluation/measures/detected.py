"""One frame of a folder: what people labelled, what a channel finds there, and both in words of the field.

KITTI's labels are of what the front camera saw: what lies outside its picture, or by half in a region that nobody
labelled, does not count as wrong. Other layouts label all around.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved, quaternion_of_heading
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.channels import LEAST_SCORE, Channel, Told, look
from autonomy_nodes.evaluation.measures.kitti_rows import rows_of, shown
from autonomy_nodes.evaluation.measures.overlaps import covered
from autonomy_nodes.evaluation.measures.precision import Scene
from autonomy_nodes.messages.formats.catalogue import detected
from autonomy_nodes.messages.formats.frames import Drive, Frame, Truth
from autonomy_nodes.messages.formats.kitti import BASE_FROM_VELO
from autonomy_nodes.messages.formats.kitti_files import KittiFolder

GROUPS: dict[str, tuple[Label, ...]] = {
    'vehicle': (Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER),
    'vru': (Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE),
}
KITTI_KINDS = {'vehicle': ('Car', 'Van'), 'vru': ('Pedestrian', 'Cyclist')}  # others of a group are left out
KITTI_VEHICLES = ('Misc', 'Tram')  # of no class here, and left out like those others
KITTI_NAMES = {'vehicle': 'Car', 'vru': 'Cyclist'}
NUSCENES_NAMES = {
    Label.CAR: 'car', Label.TRUCK: 'truck', Label.BUS: 'bus', Label.TRAILER: 'trailer', Label.PEDESTRIAN: 'pedestrian',
    Label.BICYCLE: 'bicycle', Label.MOTORCYCLE: 'motorcycle',
}  # fmt: skip
MOST_COVERED = 0.5
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
class Labels:
    """What people labelled: boxes (G, 5) from above, labels (G,) as `Label` numbers them, points (G,) inside each.

    left_out: (G,) what is not counted, found or not: other kinds, without a point where people counted them.
    """

    boxes: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    left_out: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """What a channel told. outside, hidden: (D,) what lies outside the picture, or where nobody looked."""

    objects: Objects
    outside: np.ndarray
    hidden: np.ndarray

    def scores(self, labels: tuple[Label, ...]) -> np.ndarray:
        """Return (D,) how sure it is that each is there and one of these."""
        return np.asarray(self.objects.existence * self.objects.class_probabilities[:, list(labels)].sum(axis=1))


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame, measured. every, shipped: as in `channels.Told`.

    answers: lines of KITTI's text, or boxes of nuScenes' JSON. conditions: of the drive, see `Drive`.
    """

    token: str
    labels: Labels
    every: Found
    shipped: Found
    lidar_xy: np.ndarray
    answers: list
    seconds: float
    conditions: Mapping[str, str] = field(default_factory=dict)

    def scene(self, labels: tuple[Label, ...], strict: bool = False, shipped: bool = False) -> Scene:
        """Return labels of some classes, and what was told of them.

        strict: what lies where nobody looked counts as wrong. shipped: what is most probably one of them, as the
        vehicle is told; else whatever may be.
        """
        found, told = self.shipped if shipped else self.every, self.rows(labels, shipped)
        mine = np.isin(self.labels.labels, labels)
        quiet = found.outside if strict else found.outside | found.hidden
        kept, scores = found.objects.flat[told], found.scores(labels)[told]
        return Scene(self.labels.boxes[mine], self.labels.left_out[mine], kept, scores, quiet[told])

    def rows(self, labels: tuple[Label, ...], shipped: bool) -> np.ndarray:
        """Return (D,) the rows of objects that `scene` is of."""
        found = self.shipped if shipped else self.every
        told = np.isin(found.objects.labels, labels) if shipped else found.scores(labels) >= LEAST_SCORE
        return np.flatnonzero(told)


@lru_cache(maxsize=2)
def drives_of(folder: Path) -> tuple[str, list[Drive]]:
    """Return the layout of a folder and its drives."""
    layout = detected(folder)
    return layout.name, layout.drives(folder)


@dataclass(frozen=True)
class Place:
    """A frame of a folder: the number of its drive, and its own in the drive."""

    data: Path
    drive: int
    frame: int

    def found(self) -> tuple[str, Drive, Frame]:
        """Return the layout, the drive and the frame."""
        layout, drives = drives_of(self.data)
        return layout, drives[self.drive], drives[self.drive].frames[self.frame]


def labelled(folder: Path) -> list[tuple[str, Place]]:
    """Return every frame of a folder that has labels, by DRIVE/FRAME."""
    return [
        (f'{drive.name}/{frame.name}', Place(folder, which, number))
        for which, drive in enumerate(drives_of(folder)[1])
        for number, frame in enumerate(drive.frames)
        if frame.truth is not None
    ]


def sweep_of(frame: Frame) -> tuple[PointCloud, np.ndarray]:
    """Return the sweep of a frame in base_link, and where its LiDAR is (3,)."""
    if not frame.clouds:
        raise DataError(f'frame {frame.name}: has no sweep')
    cloud = next(iter(frame.clouds.values()))()
    base_from_lidar = frame.base_from(cloud.frame)
    there = replace(cloud, frame='base_link', xyz=moved(cloud.xyz, base_from_lidar).astype(np.float32))
    return there, base_from_lidar[:3, 3]


def measured(item: tuple[Place, Channel]) -> Seen:
    """Find objects in one frame."""
    place, channel = item
    cloud, sensor_m = sweep_of(place.found()[2])
    return seen_of(place, look(channel, cloud, sensor_m), cloud.xyz, sensor_m[:2])


def seen_of(place: Place, told: Told, xyz: np.ndarray, lidar_xy: np.ndarray) -> Seen:
    """Lay what was told of a frame beside its labels. xyz: (N, 3) its sweep in base_link."""
    layout, drive, frame = place.found()
    if frame.truth is None:
        raise DataError(f'frame {frame.name}: nobody labelled it')
    truth, kitti = frame.truth(), layout == 'kitti'
    camera = front_camera(place.data, drive, frame) if kitti else None
    every, shipped = (_found(objects, truth, camera) for objects in (told.every, told.shipped))
    answers: list = []
    for group, classes in GROUPS.items():
        scores = every.scores(classes)
        rows = np.flatnonzero(scores >= LEAST_SCORE)
        if camera is None:
            answers += _boxes(frame.name, every.objects, rows, classes, scores)
        else:
            answers += _lines(drive, frame, every.objects.kept(rows), camera, KITTI_NAMES[group], scores[rows])
    labels = _labels(truth, camera is not None, xyz)
    return Seen(frame.name, labels, every, shipped, lidar_xy, answers, told.seconds, drive.conditions)


def _labels(truth: Truth, kitti: bool, xyz: np.ndarray) -> Labels:
    kinds, labels, out = np.array(truth.kinds, object), truth.objects.labels, truth.points == 0
    if kitti:
        labels = np.where(np.isin(kinds, KITTI_VEHICLES), Label.CAR, labels)
        out = out | ~np.isin(kinds, sum(KITTI_KINDS.values(), ()))
    points = np.where(truth.points < 0, inside(truth.objects, xyz), truth.points)
    return Labels(truth.objects.flat, labels, points, out)


def inside(objects: Objects, xyz: np.ndarray) -> np.ndarray:
    """Return (N,) how many points (M, 3) lie in each box."""
    counts = np.zeros(len(objects), int)
    for row, (middle, size, heading) in enumerate(
        zip(objects.positions_m, objects.dimensions_m, objects.headings_rad)
    ):
        away = xyz[(np.abs(xyz[:, :2] - middle[:2]) < size[:2].max()).all(axis=1)] - middle
        c, s = np.cos(heading), np.sin(heading)
        along, across = away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s
        held = (np.abs(along) <= size[0] / 2.0) & (np.abs(across) <= size[1] / 2.0)
        counts[row] = int((held & (np.abs(away[:, 2]) <= size[2] / 2.0)).sum())
    return counts


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


def _level(objects: Objects, camera: Camera) -> np.ndarray:
    return camera.level(objects.flat, objects.positions_m[:, 2], objects.dimensions_m)


def _found(objects: Objects, truth: Truth, camera: Camera | None) -> Found:
    """Return objects with what the camera saw of them."""
    if camera is None:
        return Found(objects, np.zeros(len(objects), bool), np.zeros(len(objects), bool))
    level = _level(objects, camera)
    ignored = truth.ignored_px.get('front', np.zeros((0, 4)))
    pictures = np.nan_to_num(shown(level, camera.projection, camera.size_px))
    return Found(objects, camera.outside(level), np.asarray((covered(pictures, ignored) > MOST_COVERED).any(axis=1)))


def _lines(
    drive: Drive, frame: Frame, objects: Objects, camera: Camera, name: str, scores: np.ndarray
) -> list[str]:
    """Return lines of KITTI's text."""
    level = _level(objects, camera)
    pictures = np.nan_to_num(shown(level, camera.projection, camera.size_px), nan=-1.0)
    first = [f'{int(frame.name)} -1'] * len(level) if not drive.stills else []
    return rows_of([name] * len(level), level, pictures, scores, first)


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
