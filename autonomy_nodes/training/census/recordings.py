"""Sweeps of recordings: played through the stack's own lidar and localization, as on the vehicle."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.evaluation.replay import Setup, events_of, lockstep, sensors_of
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import detected
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.objects import read_labels
from autonomy_nodes.messages.remap import Remap, read_remap
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import TABLE
from autonomy_nodes.sensors.lidar import LidarConfig
from autonomy_nodes.training.census.sweeps import Reading, Sweep, after, labels_of
from autonomy_nodes.training.lidars import calibration_of, frame_of

STAGES = ('lidar', 'localization')


def sweeps_of_drive(path: Path, reading: Reading, which: int) -> Iterator[Sweep]:
    """Yield the sweeps of a drive of a data set, whatever its layout."""
    drive = detected(path).drives(path)[which]
    frames = [replace(frame, pictures={}) for frame in drive.frames if frame.clouds]
    if not frames:
        return
    names = {frame.stamp_ns: f'{drive.name}/{frame.name}' for frame in frames}
    frames = frames[: reading.limit or None]
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'bag.mcap'
        write_drive(replace(drive, frames=frames), bag)
        yield from _played(_Source(bag, drive.name, reading.vehicle or 'recorded'), names)


def sweeps_of_bag(path: Path, reading: Reading) -> Iterator[Sweep]:
    """Yield the sweeps of a rosbag2 or MCAP recording with the stack's names of topics."""
    remap = read_remap(reading.remap) if reading.remap else None
    source = _Source(path, path.stem, reading.vehicle, remap)
    yield from islice(_played(source, {}), reading.limit or None)


@dataclass(frozen=True)
class _Source:
    """A recording, its drive's name, the vehicle ('': that of the settings) and whose names its topics have."""

    bag: Path
    drive: str
    vehicle: str
    remap: Remap | None = None

    def setup(self) -> Setup:
        """Return the settings of the nodes that run."""
        files = settings_files(resolved({'vehicle': self.vehicle} if self.vehicle else {}))
        sensors = sensors_of(self.bag, self.remap)
        if 'lidar.lidars' not in sensors:
            raise DataError(f'{self.bag}: holds no sweeps of a LiDAR')
        return Setup(files, sensors, [name for name in TABLE if name not in STAGES])


class _Heard:
    """Keeps the newest clean cloud until its odometry comes, or the next one does."""

    def __init__(self) -> None:
        self.whole: list[tuple[PointCloud, EgoState | None]] = []
        self._waiting: PointCloud | None = None

    def message(self, topic: topics.Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`."""
        if topic == topics.CLOUD:
            self.end()
            self._waiting = read_cloud(data)
        elif topic == topics.ODOMETRY and self._waiting is not None:
            ego = read_ego(data)
            if ego.stamp_ns == self._waiting.stamp_ns:
                self.whole.append((self._waiting, ego))
                self._waiting = None

    def status(self, status: Status) -> None:
        """See `Sink`."""

    def end(self) -> None:
        """Give what waits without odometry."""
        if self._waiting is not None:
            self.whole.append((self._waiting, None))
            self._waiting = None

    def taken(self) -> list[tuple[PointCloud, EgoState | None]]:
        """Return what is whole, once."""
        given, self.whole = self.whole, []
        return given


def _played(source: _Source, names: Mapping[int, str]) -> Iterator[Sweep]:
    last: tuple[Sweep, EgoState | None] | None = None
    sensor_m, number = _sensor_m(source), 0
    for cloud, ego, truth in _heard(source):
        name = names.get(cloud.stamp_ns, f'{source.drive}/{number:06d}')
        labels = None if truth is None else labels_of(truth, cloud)
        sweep = Sweep(name, source.drive, cloud, sensor_m=sensor_m, labels=labels)
        way = None
        if last is not None and last[1] is not None and ego is not None:
            way = inverse(ego.odom_from_base) @ last[1].odom_from_base
        yield after(sweep, last[0] if last else None, way)
        last, number = (sweep, ego), number + 1
    if not number:
        raise DataError(f'{source.bag}: no sweep came out of the lidar stage; `autonomy doctor` tells why')


def _heard(source: _Source) -> Iterator[tuple[PointCloud, EgoState | None, Objects | None]]:
    """Yield each clean cloud with its odometry and what people labelled at its stamp."""
    heard, truths = _Heard(), dict[int, Objects]()
    player, started = lockstep(source.setup(), heard), False
    try:
        for event in events_of(source.bag, source.remap):
            if not started:
                player.start(event.stamp_ns)
                started = True
            if event.name == topics.TRUTH_LABELS.name:
                truth = read_labels(event.data)
                truths[truth.stamp_ns] = truth
            player.play([event])
            yield from ((cloud, ego, truths.pop(cloud.stamp_ns, None)) for cloud, ego in heard.taken())
        heard.end()
        yield from ((cloud, ego, truths.pop(cloud.stamp_ns, None)) for cloud, ego in heard.taken())
    finally:
        player.close()


def _sensor_m(source: _Source) -> np.ndarray | None:
    """Return where the only LiDAR sits, None where there are several or nobody says."""
    setup = source.setup()
    lidars = setup.more['lidar.lidars']
    if len(lidars) > 1:
        return None
    config = check_settings(setup.files, {'lidar': LidarConfig}, TABLE, setup.more)['lidar']
    calibration = calibration_of(source.bag, source.remap, config.vehicle.mounts)
    try:
        frame = frame_of(source.bag, source.remap, lidars[0])
        return None if frame is None else calibration.base_from(frame)[:3, 3]
    except DataError:
        return None
