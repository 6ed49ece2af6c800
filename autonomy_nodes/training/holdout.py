"""A folder of simulated drives with all that is true of them; messages/formats/simulated.py tells its layout.

The same seed gives the same bytes, whatever the number of processes, and the first scenes are the same however many.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.task import Tell, in_processes
from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.messages.formats.simulated import FRAMES, GROUND, LAYOUT, MANIFEST, PICTURES, RIG, SEQUENCES
from autonomy_nodes.sim.world import World
from autonomy_nodes.training.labels import labels_of, numbers_of
from autonomy_nodes.training.scenes import (
    FAMILIES,
    LIDAR,
    REACH_M,
    RIGS,
    Choice,
    Moment,
    Scene,
    driven,
    near,
    scenes_of,
    world_of,
)
from autonomy_nodes.training.surface import surface

OBJECTS_M = 100.0
QUALITY = 92  # of JPEG
CAMERA_FROM_VELO = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # as KITTI looks
DEPENDS = ('autonomy_nodes', 'numpy', 'scipy', 'embreex', 'opencv-python-headless')


def write_holdout(folder: Path, choice: Choice, jobs: int, tell: Tell) -> dict[str, Any]:
    """Write what of a choice is not in a folder yet, and return its manifest; tell: hears of each scene that is done.

    Raises DataError where the folder holds something else.
    """
    scenes = scenes_of(choice)
    manifest: dict[str, Any] = {
        'command': _command(choice), 'layout': LAYOUT, 'seed': choice.seed, 'versions': _versions(),
        'scenes': [], 'files': {},
    }  # fmt: skip
    _begin(folder, manifest)
    missing = [scene for scene in scenes if not (folder / SEQUENCES / scene.name).is_dir()]
    start = time.monotonic()
    for done, name in enumerate(in_processes(jobs, partial(write_scene, folder), missing), 1):
        scene = next(scene for scene in missing if scene.name == name)
        what = ', '.join(part for part in (scene.family, scene.weather.kind, scene.rig) if part)
        rate = done / max(time.monotonic() - start, 1e-6)
        told = f'{done + len(scenes) - len(missing)} of {len(scenes)}: {what}, {rate:.2f} scenes a second'
        tell(told, done, len(missing))
    files = sorted(path for path in (folder / SEQUENCES).rglob('*') if path.is_file())
    manifest['scenes'] = [summary(folder, scene) for scene in scenes]
    manifest['files'] = {path.relative_to(folder).as_posix(): digest(path) for path in files}
    _write_json(folder / MANIFEST, manifest)
    return manifest


def _begin(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make the folder, or go on with one that was begun by the same command and the same versions."""
    path = folder / MANIFEST
    if folder.exists() and any(folder.iterdir()):
        told = json.loads(path.read_text()) if path.is_file() else {}
        if told.get('files', True) or any(told.get(key) != manifest[key] for key in ('command', 'versions')):
            raise DataError(f'{folder} is not empty and not such a folder that was cut short; give a new folder')
    for cut in (folder / SEQUENCES).glob('*.part'):
        shutil.rmtree(cut)
    (folder / SEQUENCES).mkdir(parents=True, exist_ok=True)
    _write_json(path, manifest)


def _command(choice: Choice) -> str:
    told = f'--seed {choice.seed} --scenes {choice.count} --sweeps {choice.sweeps}'
    told += f' --families {",".join(choice.families)}' if choice.families != FAMILIES else ''
    told += f' --weather {choice.weather}' if choice.weather else ''
    told += f' --reach {choice.reach_m:g}' if choice.reach_m != REACH_M else ''
    told += f' --camera {choice.camera}' if choice.camera else ''
    return f'autonomy data holdout {told} DIR'


def _versions() -> dict[str, str]:
    found = {}
    for name in DEPENDS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_scene(folder: Path, scene: Scene) -> str:
    """Write one scene and return its name; its folder gets that name when it is whole."""
    place = folder / SEQUENCES / f'{scene.name}.part'
    for name in ('velodyne', 'labels', 'points', *([PICTURES] if scene.camera else [])):
        (place / name).mkdir(parents=True)
    world, vehicle = world_of(scene), scene.vehicle()
    base_from_lidar = vehicle.mounts[LIDAR].base_from_sensor
    frames, poses, model = [], [], None
    for number, moment in enumerate(driven(scene, world)):
        frames.append(_write_sweep(place, number, moment, world, base_from_lidar, scene.reach_m))
        poses.append(moment.map_from_base)
        if moment.view is not None:
            packed = cv2.cvtColor(moment.view.image.pixels, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(place / PICTURES / f'{number:06d}.jpg'), packed, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            model = moment.model
    way = np.array(poses)[:, :2, 3]
    true = surface(world, way.min(axis=0) - scene.reach_m, way.max(axis=0) + scene.reach_m)
    np.savez_compressed(
        place / GROUND, z=true.z, material=true.material, semantic=true.semantic, top=true.top,
        origin_xy=true.origin_m, resolution_m=np.float64(true.resolution_m),
    )  # fmt: skip
    _, beams, columns = RIGS[scene.rig]
    told: dict[str, Any] = {'family': scene.family, 'world_seed': scene.world_seed, 'rig': scene.rig}
    told |= {'beams': beams, 'columns': columns, 'base_from_lidar': base_from_lidar.tolist()}
    told['vehicle'] = {
        key: getattr(vehicle, key) for key in ('wheelbase_m', 'front_m', 'rear_m', 'width_m', 'height_m')
    }
    if model is not None:
        mount = vehicle.mounts[scene.camera].base_from_sensor
        told['camera'] = {'matrix': model.matrix.tolist(), 'base_from_camera': mount.tolist()}
    weather = {'weather': asdict(scene.weather)} if scene.weather.kind else {}
    _write_json(place / RIG, told | weather)
    _write_json(place / FRAMES, frames)
    _write_kitti(place, base_from_lidar, poses, frames)
    place.rename(folder / SEQUENCES / scene.name)
    return scene.name


def summary(folder: Path, scene: Scene) -> dict[str, Any]:
    """Return what the manifest tells of a scene that is written."""
    frames = json.loads((folder / SEQUENCES / scene.name / FRAMES).read_text())
    way = np.array([frame['map_from_base'] for frame in frames])[:, :2, 3]
    weather = {'weather': asdict(scene.weather)} if scene.weather.kind else {}
    return {
        'name': scene.name, 'family': scene.family, 'world_seed': scene.world_seed, 'rig': scene.rig,
        'sweeps': len(frames), 'way_m': float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum()), **weather,
    }  # fmt: skip


def _write_sweep(
    place: Path, number: int, moment: Moment, world: World, base_from_lidar: np.ndarray, reach_m: float
) -> dict[str, Any]:
    """Write points and their labels; return stamp, pose and boxes in base_link."""
    cloud, name = moment.cloud, f'{number:06d}'
    rows = np.column_stack([cloud.xyz, cloud.intensity / 255.0]).astype('<f4')
    rows.tofile(place / 'velodyne' / f'{name}.bin')
    map_from_lidar = moment.map_from_base @ base_from_lidar
    there = cloud.xyz.astype(float) @ map_from_lidar[:3, :3].T + map_from_lidar[:3, 3]
    labels = labels_of(moment.met, moment.objects, there[:, 2] - world.ground.height(there[:, :2]))
    labels.astype('<u4').tofile(place / 'labels' / f'{name}.label')
    assert cloud.ring is not None
    np.savez_compressed(
        place / 'points' / f'{name}.npz', ring=cloud.ring, semantic=moment.met.semantics, material=moment.met.materials
    )
    return {
        'stamp_ns': cloud.stamp_ns, 'map_from_base': moment.map_from_base.tolist(),
        'objects': _boxes(moment, labels, max(OBJECTS_M, reach_m)),
    }


def _boxes(moment: Moment, labels: np.ndarray, reach_m: float) -> list[dict[str, Any]]:
    """Return everybody near, in base_link: middle, length width height, heading, velocity over ground, points."""
    objects, base_from_map = moment.objects, inverse(moment.map_from_base)
    turn, seen = base_from_map[:3, :3], labels >> np.uint32(16)
    numbers, boxes = numbers_of(objects), []
    for row in np.flatnonzero(near(objects, moment.map_from_base, reach_m)).tolist():
        heading = float(objects.headings_rad[row])
        ahead = turn @ np.array([np.cos(heading), np.sin(heading), 0.0])
        boxes.append({
            'id': int(numbers[row]), 'kind': Label(int(objects.labels[row])).name.lower(),
            'middle_m': (turn @ objects.positions_m[row] + base_from_map[:3, 3]).tolist(),
            'size_m': objects.dimensions_m[row].tolist(), 'heading_rad': float(np.arctan2(ahead[1], ahead[0])),
            'velocity_mps': (turn @ np.array([*objects.velocities_mps[row], 0.0]))[:2].tolist(),
            'points': int((seen == numbers[row]).sum()),
        })  # fmt: skip
    return boxes


def _write_kitti(place: Path, base_from_lidar: np.ndarray, poses: list[np.ndarray], frames: list[Any]) -> None:
    """Write calibration, poses and times as KITTI's odometry has them, for tools that know only these."""
    camera_from_base = CAMERA_FROM_VELO @ inverse(base_from_lidar)
    first = inverse(poses[0] @ inverse(camera_from_base))
    rows = [first @ pose @ inverse(camera_from_base) for pose in poses]
    (place / 'poses.txt').write_text(''.join(' '.join(f'{v:.9e}' for v in row[:3].ravel()) + '\n' for row in rows))
    tr = ' '.join(f'{value:.9e}' for value in CAMERA_FROM_VELO[:3].ravel())
    plain = '7.0e+02 0 6.0e+02 0 0 7.0e+02 1.8e+02 0 0 0 1 0'
    (place / 'calib.txt').write_text(''.join(f'P{k}: {plain}\n' for k in range(4)) + f'Tr: {tr}\n')
    start_ns = frames[0]['stamp_ns']
    times = [f'{(frame["stamp_ns"] - start_ns) / SECOND_NS:.6e}\n' for frame in frames]
    (place / 'times.txt').write_text(''.join(times))


def _write_json(path: Path, told: Mapping[str, Any] | list[Any]) -> None:
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + '\n')
