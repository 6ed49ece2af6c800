"""A stretch of a recording through the stack's own lidar, camera, localization and perception, and what is kept of it.

All is kept in base_link of its sweep. Of most sweeps that is where ground was seen and where something stood, thinned
to COLUMN_M; all points are kept of those alone that become examples, and of the sweep before each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.objects import Objects, no_objects
from autonomy_nodes.common.sensing import CameraModel, Image, PointCloud
from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.evaluation.replay import Setup, events_of, lockstep, play, sensors_of
from autonomy_nodes.localization.integrity import State
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.images import read_camera_info, read_image
from autonomy_nodes.messages.motion import read_ego, read_transforms
from autonomy_nodes.messages.objects import read_detected
from autonomy_nodes.messages.words import read_words
from autonomy_nodes.nodes.processes import TABLE
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, Ground, GroundSplitter
from autonomy_nodes.perception.perceiver import PerceptionConfig
from autonomy_nodes.perception.tracking import TrackingConfig
from autonomy_nodes.sensors.calibration import Calibration
from autonomy_nodes.training.lidars import frame_of
from autonomy_nodes.training.pseudo.stretches import Stretch, recorded

STAGES = ('lidar', 'camera', 'localization', 'perception')
COLUMN_M = 0.2
STANDS_M = 0.25  # what is lower is rough ground
LONGEST_PAUSE_NS = SECOND_NS  # between sweeps that belong together
APART_NS = 60_000_000  # a picture so far in time from a sweep is not of it
STATE = 'state'


@dataclass(frozen=True)
class StackSettings:
    """With which settings the stack runs, as in `replay.Setup`. model: of perception, '' for the geometric channel."""

    files: Sequence[Path] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    model: str = ''

    def of(self, name: str, kind: type) -> Any:
        """Return the settings of one node."""
        return check_settings(self.files, {name: kind}, TABLE, self.more)[name]


@dataclass(frozen=True, eq=False)
class Taken:
    """A rectified picture and how its camera projects."""

    image: Image
    model: CameraModel


@dataclass(frozen=True, eq=False)
class Sweep:
    """What is kept of one sweep. leg: sweeps of one number follow one another with a known motion between.

    ground: (K, 4) float32 x y z of columns of ground, how many points. standing: (L, 4) x y, highest point above the
    ground, how many points. cloud: None where it is not needed. example: whether it becomes one.
    pictures: {camera: the nearest in time}.
    """

    stamp_ns: int
    leg: int
    ego: EgoState
    objects: Objects
    ground: np.ndarray
    standing: np.ndarray
    cloud: PointCloud | None
    example: bool
    pictures: Mapping[str, Taken] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Played:
    """A stretch. sensor_m: (3,) where the main LiDAR sits. mounts: base_link from any frame."""

    sweeps: list[Sweep]
    sensor_m: np.ndarray
    mounts: Calibration
    perception: PerceptionConfig
    tracking: TrackingConfig


def played(stretch: Stretch, settings: StackSettings, every: int, phase: int) -> Played | None:
    """Play a stretch; None where it holds no sweep. Each `every`-th sweep, from `phase` on, is to become an example."""
    perception = settings.of('perception', PerceptionConfig)
    tracking = settings.of('tracking', TrackingConfig)
    with recorded(stretch) as bag:
        if bag is None:
            return None
        remap = stretch.source.names()
        sensors = sensors_of(bag, remap)
        if 'lidar.lidars' not in sensors:
            raise DataError(f'{stretch.source.path}: holds no sweeps; pseudo-labels are made of a LiDAR')
        lidar = sensors['lidar.lidars'][0]
        frame = frame_of(bag, remap, lidar)
        if frame is None:
            return None
        heard = _Heard(stretch, perception, every, phase)
        more = {**sensors, 'perception.model': settings.model, **settings.more}
        setup = Setup(settings.files, more, [name for name in TABLE if name not in STAGES])
        play(lockstep(setup, heard), events_of(bag, remap, within_ns=stretch.with_margin_ns))
        if not heard.sweeps:
            return None
    sensor_m = heard.mounts.base_from(frame)[:3, 3]
    return Played(heard.kept(), sensor_m, heard.mounts, perception, tracking)


def thinned(xyz: np.ndarray, split: Ground) -> tuple[np.ndarray, np.ndarray]:
    """Return what `Sweep` keeps of points (N, 3): columns of ground, and of what stands on it."""
    low = split.kinds == GROUND
    stands = (split.kinds == OBSTACLE) & (split.heights_m > STANDS_M)
    ground, standing = (_columns(xyz[part], split.heights_m[part]) for part in (low, stands))
    return ground[:, [0, 1, 2, 4]], standing[:, [0, 1, 3, 4]]


def _columns(xyz: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (K, 5) float32 of points (N, 3) in squares of COLUMN_M: mean x y z, largest value (N,), how many."""
    cells = np.floor(xyz[:, :2] * np.float32(1.0 / COLUMN_M)).astype(np.int64)
    _, which, counts = np.unique(cells[:, 0] * 2**20 + cells[:, 1], return_inverse=True, return_counts=True)
    found = np.empty((len(counts), 5), np.float32)
    for axis in range(3):
        found[:, axis] = np.bincount(which, xyz[:, axis], len(counts)) / counts
    largest = np.full(len(counts), -np.inf, np.float32)
    np.maximum.at(largest, which, values.astype(np.float32))
    found[:, 3], found[:, 4] = largest, counts
    return found


class _Heard:
    """Keeps what the stack tells, by stamp."""

    def __init__(self, stretch: Stretch, config: PerceptionConfig, every: int, phase: int) -> None:
        self.sweeps: dict[int, tuple[np.ndarray, np.ndarray, PointCloud | None, bool]] = {}
        self.mounts = Calibration(config.vehicle.mounts)
        self._within, self._every, self._phase, self._count = (stretch.begin_ns, stretch.end_ns), every, phase, 0
        self._splitter = GroundSplitter(config.ground, config.vehicle.height_m)
        self._egos: dict[int, EgoState] = {}
        self._sure: set[int] = set()
        self._objects: dict[int, Objects] = {}
        self._models: dict[str, CameraModel] = {}
        self._pictures: dict[str, list[Taken]] = {}
        self._last: PointCloud | None = None

    def message(self, topic: topics.Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`."""
        if topic == topics.CLOUD:
            self._take(read_cloud(data), now_ns)
        elif topic == topics.ODOMETRY:
            ego = read_ego(data)
            self._egos[ego.stamp_ns] = ego
        elif topic == topics.INTEGRITY:
            words = read_words(data)
            if words.values.get(STATE) == State.NOMINAL.value:
                self._sure.add(words.stamp_ns)
        elif topic == topics.OBJECTS:
            found = read_detected(data)
            self._objects[found.stamp_ns] = found
        elif topic == topics.TF_STATIC:
            self.mounts.take(read_transforms(data))
        elif topic.type == topics.IMAGE_RECT_INFO.type and topic.given_by == 'camera':
            self._models[topic.name.rsplit('/', 2)[0]] = read_camera_info(data)
        elif topic.type == topics.IMAGE_RECT.type and topic.given_by == 'camera':
            place = topic.name.rpartition('/')[0]
            self._keep_picture(place, Taken(read_image(data), self._models[place]))

    def status(self, status: Status) -> None:
        """See `Sink`."""

    def kept(self) -> list[Sweep]:
        """Return the sweeps whose place is known, in order of time."""
        found: list[Sweep] = []
        leg, last_ns, broken = 0, None, False
        for stamp_ns in sorted(self.sweeps):
            if stamp_ns not in self._egos or stamp_ns not in self._sure:
                broken = True
                continue
            if last_ns is not None and (broken or stamp_ns - last_ns > LONGEST_PAUSE_NS):
                leg += 1
            last_ns, broken = stamp_ns, False
            ground, standing, cloud, example = self.sweeps[stamp_ns]
            nobody = no_objects(stamp_ns, 'base_link', tracked=False)
            found.append(
                Sweep(
                    stamp_ns, leg, self._egos[stamp_ns], self._objects.get(stamp_ns, nobody), ground, standing, cloud,
                    example, self._beside(stamp_ns) if example else {},
                )
            )  # fmt: skip
        return found

    def _take(self, cloud: PointCloud, now_ns: int) -> None:
        """Keep one sweep, thinned, and whole where it is to be an example or was the one before such."""
        ground, standing = thinned(cloud.xyz, self._splitter.split(cloud.xyz))
        inside = self._within[0] <= now_ns < self._within[1]
        example = inside and self._count % self._every == self._phase
        self._count += inside
        if example and self._last is not None and self._last.stamp_ns in self.sweeps:
            before = self.sweeps[self._last.stamp_ns]
            self.sweeps[self._last.stamp_ns] = (before[0], before[1], self._last, before[3])
        whole = cloud if example else None
        self.sweeps[cloud.stamp_ns] = (ground, standing, whole, example)
        self._last = cloud

    def _keep_picture(self, place: str, taken: Taken) -> None:
        """Keep pictures that may belong to an example: those of the moments about a sweep that is kept whole."""
        kept = self._pictures.setdefault(place.split('/')[-1], [])
        if kept and not self._wanted(kept[-1].image.stamp_ns):
            kept.pop()
        kept.append(taken)

    def _wanted(self, stamp_ns: int) -> bool:
        return any(example and abs(stamp - stamp_ns) <= APART_NS for stamp, (_, _, _, example) in self.sweeps.items())

    def _beside(self, stamp_ns: int) -> dict[str, Taken]:
        found = {}
        for name, taken in sorted(self._pictures.items()):
            nearest = min(taken, key=lambda each: (abs(each.image.stamp_ns - stamp_ns), each.image.stamp_ns))
            if abs(nearest.image.stamp_ns - stamp_ns) <= APART_NS:
                found[name] = nearest
        return found
