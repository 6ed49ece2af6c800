"""Drives of our simulator, as `autonomy data holdout` writes them: SemanticKITTI's sequences, with more truth beside.

manifest.json: layout, seed, versions, scenes, and the sha256 of each file. sequences/NN/: velodyne/, labels/,
calib.txt, poses.txt, times.txt as SemanticKITTI has them; points/NNNNNN.npz (ring, semantic and material of each point,
as sim/materials.py numbers them); frames.json (stamp, map_from_base, and all road users in base_link: id, kind, box,
velocity, points); rig.json (mount, vehicle, world; weather where it was asked for); ground.npz, the true ground in map,
see `TrueGround`. With a camera: image_front/NNNNNN.jpg, and its matrix and mount in rig.json.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.files import checked, cloud_of, read_json, read_npz
from autonomy_nodes.messages.formats.frames import BASE, Drive, Frame, Truth, picture_file, truth_of
from autonomy_nodes.messages.formats.kitti_files import numbered, read_sweep
from autonomy_nodes.messages.formats.semantickitti import read_labels

LAYOUT, MANIFEST, SEQUENCES = 'autonomy-simulated-1', 'manifest.json', 'sequences'
FRAMES, RIG, GROUND, PICTURES = 'frames.json', 'rig.json', 'ground.npz', 'image_front'
LIDAR, CAMERA = 'lidar_top', 'camera_front'
MOTION = 'all points are taken at the stamp; a replay needs no deskewing'


@dataclass(frozen=True, eq=False)
class TrueGround:
    """The ground in map; cell [i, j] begins at origin_m + (i, j) * resolution_m.

    z: (X, Y) float32 height. material: (X, Y) uint8 of it. semantic: (X, Y) uint8 of what stands on it, 0 for nothing.
    top: (X, Y) float32 how high that is [m], at most 2.
    """

    origin_m: np.ndarray
    resolution_m: float
    z: np.ndarray
    material: np.ndarray
    semantic: np.ndarray
    top: np.ndarray

    def index(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (..., 2) cells of (..., 2) places and (...) whether they lie inside; outside ones are 0, 0."""
        index = np.floor((xy - self.origin_m) / self.resolution_m).astype(np.int64)
        inside = ((index >= 0) & (index < np.array(self.z.shape))).all(axis=-1)
        index[~inside] = 0
        return index, inside

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) height at (..., 2) places in map, NaN where it is not told."""
        index, inside = self.index(xy)
        return np.where(inside, self.z[index[..., 0], index[..., 1]].astype(float), np.nan)


def fits(folder: Path) -> bool:
    """Return whether a folder is one of these."""
    return (folder / MANIFEST).is_file() and (folder / SEQUENCES).is_dir()


def drives(folder: Path) -> list[Drive]:
    """Return a drive a sequence."""
    if read_json(folder / MANIFEST).get('layout') != LAYOUT:
        raise DataError(f'{folder / MANIFEST}: tells no layout {LAYOUT}; write the folder anew')
    places = sorted(path.parent for path in (folder / SEQUENCES).glob(f'*/{FRAMES}'))
    if not places:
        raise DataError(f'{folder}: holds no {SEQUENCES}/NN/{FRAMES}')
    return [Drive(place.name, _frames(place), notes=[MOTION], conditions=_conditions(place)) for place in places]


def _conditions(place: Path) -> dict[str, str]:
    rig = read_json(place / RIG)
    found = {name: str(rig[key]) for name, key in (('sensor', 'rig'), ('family', 'family')) if key in rig}
    weather = rig.get('weather')
    return found | ({'weather': str(weather['kind'])} if isinstance(weather, dict) and 'kind' in weather else {})


def _frames(place: Path) -> list[Frame]:
    rows, rig = read_json(place / FRAMES), read_json(place / RIG)
    sweeps, labels = (
        numbered(place / name, ending) if (place / name).is_dir() else {}
        for name, ending in (('velodyne', '.bin'), ('labels', '.label'))
    )
    pictures = numbered(place / PICTURES, '.jpg') if (place / PICTURES).is_dir() else {}
    matrix, mounts = checked(place / RIG, partial(_camera, rig)) if pictures else (np.eye(3), {})
    base_from_lidar = checked(place / RIG, lambda: np.array(rig['base_from_lidar'], float).reshape(4, 4))
    frames = []
    for number, row in enumerate(rows):
        stamp_ns, pose = checked(place / FRAMES, partial(_placed, row))
        if number not in sweeps:
            raise DataError(f'{place}: lacks velodyne/{number:06d}.bin; write the folder anew')
        frame = Frame(
            f'{number:06d}', stamp_ns, {(BASE, LIDAR): base_from_lidar, **mounts},
            pictures={'front': picture_file(stamp_ns, CAMERA, pictures[number], matrix)} if number in pictures else {},
            clouds={'top': partial(_cloud, place, sweeps[number], stamp_ns)},
            truth=partial(_truth, place / FRAMES, row),
            labels=partial(read_labels, labels[number]) if number in labels else None, placed=(BASE, pose),
        )  # fmt: skip
        frames.append(frame)
    return frames


def _camera(rig: dict[str, Any]) -> tuple[np.ndarray, dict[tuple[str, str], np.ndarray]]:
    told = rig['camera']
    pose = np.array(told['base_from_camera'], float).reshape(4, 4)
    return np.array(told['matrix'], float).reshape(3, 3), {(BASE, CAMERA): pose}


def _placed(row: dict[str, Any]) -> tuple[int, np.ndarray]:
    return int(row['stamp_ns']), np.array(row['map_from_base'], float).reshape(4, 4)


def _cloud(place: Path, path: Path, stamp_ns: int) -> PointCloud:
    xyz, intensity = read_sweep(path)
    beside = place / 'points' / f'{path.stem}.npz'
    ring = read_npz(beside, 'ring')['ring'] if beside.is_file() else None
    return cloud_of(path, stamp_ns, LIDAR, xyz, intensity, ring)


def _truth(path: Path, row: dict[str, Any]) -> Truth:
    return checked(path, partial(_boxes, row))


def _boxes(row: dict[str, Any]) -> Truth:
    told = row['objects']
    ids = np.zeros((len(told), 16), np.uint8)
    ids[:, :4] = np.array([each['id'] for each in told], '>u4').reshape(-1, 1).view(np.uint8)

    def column(name: str, width: int) -> np.ndarray:
        return np.array([each[name] for each in told], float).reshape(-1, width)

    return truth_of(
        int(row['stamp_ns']), [each['kind'] for each in told], [Label[each['kind'].upper()] for each in told],
        column('middle_m', 3), column('heading_rad', 1).ravel(), column('size_m', 3), ids,
        column('velocity_mps', 2), column('points', 1).ravel(),
    )  # fmt: skip


@lru_cache(maxsize=2)
def read_ground(path: Path) -> TrueGround:
    """Return the true ground of a sequence."""
    stored = read_npz(path, 'z', 'material', 'semantic', 'top', 'origin_xy', 'resolution_m')
    layers = [stored[name] for name in ('z', 'material', 'semantic', 'top')]
    if len({layer.shape for layer in layers}) != 1 or layers[0].ndim != 2:
        raise DataError(f'{path}: layers differ in shape; write the folder anew')
    return TrueGround(stored['origin_xy'].astype(float), float(stored['resolution_m']), *layers)
