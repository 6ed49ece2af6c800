"""What a recording tells of a vehicle: its sensors by name, their frames and mounts, and what they see."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import CameraView, LidarView
from autonomy_nodes.evaluation.survey import READERS, family
from autonomy_nodes.evaluation.vehicles.facts import Facts, Sensor
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.formats.description import CAMERA, GNSS, IMU, LIDAR
from autonomy_nodes.messages.motion import read_transforms
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.sensors.calibration import Calibration

ENOUGH, LONGEST_S = 10, 20.0  # messages of a topic that are read, within so much of the recording
NEAREST_M, OUTER = 0.5, 0.001  # points nearer are the sensor's own; share of points beyond the outer beams
GAP_DEG = 10  # of azimuth without points: less is a post, more the end of the field
KINDS = {
    topics.LIDAR_RAW.name: LIDAR, topics.IMAGE_RAW.name: CAMERA, topics.IMAGE_COMPRESSED.name: CAMERA,
    topics.CAMERA_INFO.name: CAMERA, topics.IMU.name: IMU, topics.GNSS_FIX.name: GNSS,
}  # fmt: skip


def recorded(bag: Path, facts: Facts, remap: Remap | None = None) -> None:
    """Add what a recording tells; raises DataError where it holds no sensor that the stack reads."""
    recording, calibration = Recording(bag, remap), Calibration({})
    source = recording.path.name
    for _, _, _, data in recording.messages([topics.TF_STATIC.name]):
        calibration.take(read_transforms(data))
    heard = _heard(recording, facts)
    if not heard:
        raise DataError(f'{bag}: holds no topic of a sensor; `autonomy doctor {bag}` tells which could be renamed')
    for (kind, name), values in heard.items():
        frames = sorted({value.frame for value in values if not isinstance(value, CameraModel)} - {''})
        frames = frames or sorted({value.frame for value in values} - {''})
        frame = frames[0] if frames else ''
        if len(frames) > 1:
            facts.notes.append(f'{kind} {name}: has several frames in {source}, {", ".join(frames)}: let it have one')
        base_from = None
        try:
            base_from = calibration.base_from(frame)
        except DataError as error:
            facts.notes.append(f'{kind} {name}: {source}: {error}')
        view: LidarView | CameraView | None = None
        if kind == LIDAR:
            view = lidar_view([value for value in values if isinstance(value, PointCloud)])
        elif models := [value for value in values if isinstance(value, CameraModel)]:
            view = camera_view(models[0])
        facts.add(Sensor(kind, name, frame, base_from, view, source))


def _heard(recording: Recording, facts: Facts) -> dict[tuple[str, str], list[Any]]:
    """Return {(kind, name): its first messages}, LiDARs first; those that cannot be read are noted."""
    wanted = {name: ours for name in recording.types if (ours := family(name.lstrip('/'))) and ours.name in KINDS}
    counts, found = dict.fromkeys(wanted, 0), dict[tuple[str, str], list[Any]]()
    end_ns = recording.start_ns + round(LONGEST_S * SECOND_NS)
    for name, type_name, _, data in recording.messages(list(wanted), end_ns=end_ns):
        ours, counts[name] = wanted[name], counts[name] + 1
        if counts[name] <= ENOUGH and ours.type == type_name:
            sensor = topics.sensor_names(ours, [name.lstrip('/')]) if '{name}' in ours.name else ()
            key = KINDS[ours.name], sensor[0] if sensor else KINDS[ours.name]
            try:
                found.setdefault(key, []).append(READERS[ours.name](data))
            except DataError as error:
                facts.notes.append(f'{name}: {error}')
        if all(count >= ENOUGH for count in counts.values()):
            break
    facts.notes = list(dict.fromkeys(facts.notes))
    order = (LIDAR, CAMERA, IMU, GNSS)
    return {key: found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), key[1])) if found[key]}


def lidar_view(sweeps: Sequence[PointCloud]) -> LidarView | None:
    """Return the field in which a LiDAR gave points, and as far; None where it tells no rings, and so no beams."""
    if not sweeps or any(sweep.ring is None for sweep in sweeps):
        return None
    xyz = np.concatenate([sweep.xyz for sweep in sweeps]).astype(float)
    rings = np.concatenate([sweep.ring for sweep in sweeps if sweep.ring is not None])
    away = np.linalg.norm(xyz, axis=1)
    xyz, rings, away = xyz[away > NEAREST_M], rings[away > NEAREST_M], away[away > NEAREST_M]
    if not len(xyz):
        return None
    elevation = np.arcsin(xyz[:, 2] / away)
    low, high = (round(float(np.quantile(elevation, share)), 4) for share in (OUTER, 1.0 - OUTER))
    right, left = _azimuths(np.arctan2(xyz[:, 1], xyz[:, 0]))
    return LidarView(low, high, len(np.unique(rings)), float(np.ceil(np.quantile(away, 1.0 - OUTER))), right, left)


def _azimuths(azimuth_rad: np.ndarray) -> tuple[float, float]:
    """Return where a field ends to the right and left: a full turn, or what the longest gap leaves."""
    counts, _ = np.histogram(np.degrees(azimuth_rad), 360, (-180.0, 180.0))
    full = np.flatnonzero(counts)
    gaps = np.diff([*full, full[0] + 360])
    longest = int(np.argmax(gaps))
    if gaps[longest] <= GAP_DEG:
        return -np.pi, np.pi
    right_deg, left_deg = full[(longest + 1) % len(full)] - 180, full[longest] - 180 + 1
    if left_deg <= right_deg:  # its field goes over straight behind
        left_deg += 360
    return round(float(np.radians(right_deg)), 4), round(float(np.radians(left_deg)), 4)


def camera_view(model: CameraModel) -> CameraView:
    """Return what a CameraInfo tells; distortion is left out."""
    fx, fy, cx, cy = (round(float(model.matrix[place]), 3) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return CameraView(model.width, model.height, (fx, fy), (cx, cy), model.model == 'equidistant')
