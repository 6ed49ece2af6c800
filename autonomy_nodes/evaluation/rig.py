"""Sweeps with their pictures, from data sets and recordings, as judging a calibration needs them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.frames import Frame
from autonomy_nodes.messages.images import read_camera_info, read_compressed, read_image
from autonomy_nodes.messages.motion import read_transforms
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.sensors.calibration import Calibration
from autonomy_nodes.sensors.camera import Rectifier
from autonomy_nodes.sensors.edges import edges_of, gradients_of
from autonomy_nodes.sensors.extrinsics import Sight, View
from autonomy_nodes.sensors.levelling import Level, level_of, middle

WITHIN_S = 0.03  # of its sweep a picture must be taken, where the motion between is not known
KEPT = 20  # moments of a recording


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture without distortion. camera_from_lidar: (4, 4) from the first LiDAR, as it is told."""

    frame: str
    pixels: np.ndarray
    matrix: np.ndarray
    camera_from_lidar: np.ndarray


@dataclass(frozen=True, eq=False)
class Moment:
    """clouds: each in its own frame, the main LiDAR first. base_from: (4, 4) of each LiDAR, None where not told."""

    clouds: Mapping[str, PointCloud]
    base_from: Mapping[str, np.ndarray | None]
    shots: Mapping[str, Shot] = field(default_factory=dict)


def of_frame(frame: Frame) -> Moment:
    """Return a frame of a data set; raises DataError where its sweep cannot be read."""
    clouds = {name: read() for name, read in frame.clouds.items()}
    if not clouds:
        raise DataError(f'frame {frame.name}: no sweep')
    base_from: dict[str, np.ndarray | None] = {}
    for name, cloud in clouds.items():
        try:
            base_from[name] = frame.base_from(cloud.frame)
        except DataError:
            base_from[name] = None
    main, shots = next(iter(clouds.values())), {}
    for camera, picture in frame.pictures.items():
        image, model = _rectified(camera, picture.image(), picture.camera())
        shots[camera] = Shot(picture.frame, image.pixels, model.matrix, frame.camera_from(camera, main.frame))
    return Moment(clouds, base_from, shots)


def _rectified(camera: str, image: Image, model: CameraModel) -> tuple[Image, CameraModel]:
    made = Rectifier(camera, 0).rectified(image, model)
    return made.image, made.model


def spread(items: Sequence[Frame], count: int = KEPT) -> list[Frame]:
    """Return so many of them, evenly."""
    return [items[number] for number in np.unique(np.linspace(0, len(items) - 1, count).round().astype(int))]


def of_recording(bag: Path, vehicle: Vehicle, remap: Remap | None = None) -> list[Moment]:
    """Return moments of a recording, evenly spread; raises DataError where it has no sweep."""
    recording, calibration = Recording(bag, remap), Calibration(vehicle.mounts)
    names = topics.sensor_names(topics.LIDAR_RAW, list(recording.types))
    lidars = sorted(names, key=lambda name: (name != 'top', name))  # the first is the main one
    if not lidars:
        raise DataError(f'{bag}: holds no sweep; `autonomy doctor {bag}` tells what is missing')
    for _, _, _, data in recording.messages([topics.TF_STATIC.name]):
        calibration.take(read_transforms(data))
    main = topics.LIDAR_RAW.named(lidars[0]).name
    count = next(count for name, count in recording.counts.items() if name.lstrip('/') == main)
    wanted = set(np.unique(np.linspace(0, count - 1, KEPT).round().astype(int)).tolist())
    return list(_moments(_near(recording, lidars, main, wanted), lidars, calibration))


Heard = dict[str, tuple[int, bytes]]


def _near(recording: Recording, lidars: Sequence[str], main: str, wanted: set[int]) -> Iterator[Heard]:
    """Yield the messages about each wanted sweep: of every other topic the newest at its end."""
    others = [topics.LIDAR_RAW.named(name).name for name in lidars[1:]]
    names = topics.sensor_names(topics.CAMERA_INFO, list(recording.types))
    kinds = (topics.CAMERA_INFO, topics.IMAGE_RAW, topics.IMAGE_COMPRESSED)
    asked = [main, *others, *(kind.named(name).name for name in names for kind in kinds)]
    newest: Heard = {}
    number, due_ns = -1, None
    for name, _, receive_ns, data in recording.messages(asked):
        plain = name.lstrip('/')
        if due_ns is not None and receive_ns > due_ns:
            yield dict(newest)
            due_ns = None
        if plain == main:
            number += 1
            if number not in wanted:
                continue
            due_ns = receive_ns + round(WITHIN_S * SECOND_NS)
        newest[plain] = receive_ns, data
    if due_ns is not None:
        yield dict(newest)


def _moments(heard: Iterable[Heard], lidars: Sequence[str], calibration: Calibration) -> Iterator[Moment]:
    for messages in heard:
        clouds, base_from = {}, {}
        for name in lidars:
            topic = topics.LIDAR_RAW.named(name).name
            if topic in messages:
                clouds[name] = read_cloud(messages[topic][1])
                base_from[name] = calibration.base_from(clouds[name].frame)
        main = clouds[lidars[0]]
        shots = {}
        for camera in topics.sensor_names(topics.CAMERA_INFO, list(messages)):
            if (shot := _shot(messages, camera, main, calibration)) is not None:
                shots[camera] = shot
        yield Moment(clouds, base_from, shots)


def _shot(messages: Heard, camera: str, main: PointCloud, calibration: Calibration) -> Shot | None:
    raw, packed = (kind.named(camera).name for kind in (topics.IMAGE_RAW, topics.IMAGE_COMPRESSED))
    if raw not in messages and packed not in messages:
        return None
    image = read_image(messages[raw][1]) if raw in messages else read_compressed(messages[packed][1])
    if abs(image.stamp_ns - main.stamp_ns) > WITHIN_S * SECOND_NS:
        return None
    info = read_camera_info(messages[topics.CAMERA_INFO.named(camera).name][1])
    image, model = _rectified(camera, image, info)
    camera_from_base = inverse(calibration.base_from(image.frame))
    camera_from_lidar = camera_from_base @ calibration.base_from(main.frame)
    return Shot(image.frame, image.pixels, model.matrix, camera_from_lidar)


def ground(moments: Iterable[Moment], lidar: str, wrong: np.ndarray | None = None) -> Level:
    """Return the ground as one LiDAR sees it in base_link. wrong: (4, 4) put behind its mount, to see it found."""
    levels, reason = [], 'no sweep of it with a known mount'
    for moment in moments:
        mount = moment.base_from.get(lidar)
        if mount is not None:
            try:
                levels.append(level_of(moved(moment.clouds[lidar].xyz, mount if wrong is None else mount @ wrong)))
            except DataError as error:
                reason = str(error)
    if not levels:
        raise DataError(f'{lidar}: {reason}')
    return middle(levels)


def sight(moments: Iterable[Moment], camera: str = '', wrong: np.ndarray | None = None) -> Sight:
    """Return how the main LiDAR's edges lie in the pictures of one camera, or of all."""
    views: dict[str, list[View]] = {}
    for moment in moments:
        lidar, cloud = next(iter(moment.clouds.items()))
        mount = moment.base_from[lidar]
        edges = edges_of(cloud.xyz, cloud.intensity, cloud.ring, 0.0 if mount is None else -float(mount[2, 3]))
        for name, shot in moment.shots.items():
            if camera in ('', name):
                told = shot.camera_from_lidar if wrong is None else shot.camera_from_lidar @ wrong
                views.setdefault(name, []).append(View(edges, gradients_of(shot.pixels), shot.matrix, told))
    return Sight(list(views.values()))
