"""A folder of simulated drives with all that is true of them; messages/formats/simulated.py tells its layout.

The same seed gives the same bytes, whatever the number of processes, and the first scenes are the same however many.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.measures.task import in_processes
from autonomy_nodes.inference.manifest import digest
from autonomy_nodes.messages.formats.simulated import FRAMES, GROUND, LAYOUT, MANIFEST, RIG, SEQUENCES
from autonomy_nodes.sim.world import World
from autonomy_nodes.training.labels import labels_of, numbers_of
from autonomy_nodes.training.scenes import LIDAR, RIGS, Moment, Scene, driven, near, scenes_of, world_of
from autonomy_nodes.training.surface import surface

REACH_M = 60.0  # of the true ground, about the way
OBJECTS_M = 100.0
CAMERA_FROM_VELO = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # as KITTI looks
DEPENDS = ('autonomy_nodes', 'numpy', 'scipy', 'embreex', 'opencv-python-headless')


def write_holdout(
    folder: Path, seed: int, count: int, sweeps: int, jobs: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Write `count` scenes into a folder and return its manifest; tell: hears of each scene that is done."""
    scenes = scenes_of(seed, count, sweeps)
    (folder / SEQUENCES).mkdir(parents=True, exist_ok=True)
    written = []
    for place, (scene, drive) in enumerate(zip(scenes, in_processes(jobs, partial(write_scene, folder), scenes)), 1):
        written.append(drive)
        tell(f'{place} of {count}: {scene.family}, {scene.rig}, {drive["sweeps"]} sweeps, {drive["way_m"]:.0f} m')
    files = sorted(path for path in (folder / SEQUENCES).rglob('*') if path.is_file())
    command = f'autonomy data holdout --seed {seed} --scenes {count} --sweeps {sweeps} DIR'
    manifest = {
        'command': command, 'layout': LAYOUT, 'seed': seed, 'versions': _versions(),
        'scenes': written,
        'files': {path.relative_to(folder).as_posix(): digest(path) for path in files},
    }  # fmt: skip
    _write_json(folder / MANIFEST, manifest)
    return manifest


def _versions() -> dict[str, str]:
    found = {}
    for name in DEPENDS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_scene(folder: Path, scene: Scene) -> dict[str, Any]:
    """Write one scene and return what the manifest tells of it."""
    place = folder / SEQUENCES / scene.name
    for name in ('velodyne', 'labels', 'points'):
        (place / name).mkdir(parents=True, exist_ok=True)
    world, vehicle = world_of(scene), scene.vehicle()
    base_from_lidar = vehicle.mounts[LIDAR].base_from_sensor
    frames, poses = [], []
    for number, moment in enumerate(driven(scene, world)):
        frames.append(_write_sweep(place, number, moment, world, base_from_lidar))
        poses.append(moment.map_from_base)
    way = np.array(poses)[:, :2, 3]
    true = surface(world, way.min(axis=0) - REACH_M, way.max(axis=0) + REACH_M)
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
    _write_json(place / RIG, told)
    _write_json(place / FRAMES, frames)
    _write_kitti(place, base_from_lidar, poses, frames)
    way_m = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
    return {
        'name': scene.name, 'family': scene.family, 'world_seed': scene.world_seed, 'rig': scene.rig,
        'sweeps': len(frames), 'way_m': way_m,
    }  # fmt: skip


def _write_sweep(
    place: Path, number: int, moment: Moment, world: World, base_from_lidar: np.ndarray
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
        'stamp_ns': cloud.stamp_ns, 'map_from_base': moment.map_from_base.tolist(), 'objects': _boxes(moment, labels)
    }


def _boxes(moment: Moment, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return everybody near, in base_link: middle, length width height, heading, velocity over ground, points."""
    objects, base_from_map = moment.objects, inverse(moment.map_from_base)
    turn, seen = base_from_map[:3, :3], labels >> np.uint32(16)
    numbers, boxes = numbers_of(objects), []
    for row in np.flatnonzero(near(objects, moment.map_from_base, OBJECTS_M)).tolist():
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
