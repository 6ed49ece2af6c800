"""What arrives on the topics that the stack reads, noted down for `autonomy doctor`: from a recording or live."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.cdr import Cursor
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.driving import read_steering, read_velocity
from autonomy_nodes.messages.images import read_camera_info, read_compressed, read_image
from autonomy_nodes.messages.motion import read_fix, read_imu, read_pose, read_transforms
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.messages.topics import Topic

READERS: Mapping[str, Callable[[bytes], Any]] = {  # by the topic of the table
    topics.LIDAR_RAW.name: read_cloud,
    topics.IMAGE_RAW.name: read_image,
    topics.IMAGE_COMPRESSED.name: read_compressed,
    topics.CAMERA_INFO.name: read_camera_info,
    topics.IMU.name: read_imu,
    topics.GNSS_POSE.name: read_pose,
    topics.GNSS_FIX.name: read_fix,
    topics.VELOCITY.name: read_velocity,
    topics.STEERING.name: read_steering,
}
HEADED = {kind.name for kind in (topics.LIDAR_RAW, topics.IMAGE_RAW, topics.IMAGE_COMPRESSED)}
LARGE_EVERY = 10  # of clouds and pictures so many are read whole, of the others the head
MOST = 20_000  # messages of a topic of which the times are kept
FRAMES = (topics.TF_STATIC.name, topics.TF.name)
GIVERS = ('vehicle', 'people')


@dataclass(frozen=True)
class Offer:
    """One publisher of a topic, as the middleware tells. node: its name."""

    node: str
    type: str
    reliable: bool
    latched: bool


@dataclass
class Stream:
    """What was heard on one topic. kind: of the table. values: those that were read whole. refused: {why: how often}.

    receive_ns, stamps_ns: of each message; the stamps are those in the messages.
    repeats: sweeps or pictures with the content of the one before and another stamp.
    """

    kind: Topic
    name: str
    type: str
    count: int = 0
    receive_ns: list[int] = field(default_factory=list)
    stamps_ns: list[int] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    values: list[Any] = field(default_factory=list)
    repeats: int = 0
    _before: tuple[int, int] | None = None  # stamp and checksum of the last one

    @property
    def sensor(self) -> str:
        """The name of the sensor in a topic of which there is one a sensor, else nothing."""
        names = topics.sensor_names(self.kind, [self.name]) if '{name}' in self.kind.name else ()
        return names[0] if names else ''

    def take(self, receive_ns: int, data: bytes) -> None:
        """Note one message."""
        self.count += 1
        if self.count > MOST:
            return
        try:
            if self.kind.name in HEADED and (self.count - 1) % LARGE_EVERY:
                stamp_ns, frame = Cursor(data).header()
            else:
                value = READERS[self.kind.name](data)
                self.values.append(value)
                stamp_ns, frame = value.stamp_ns, getattr(value, 'frame', '')
        except DataError as error:
            self.refused[str(error)] += 1
            return
        self.receive_ns.append(receive_ns)
        self.stamps_ns.append(stamp_ns)
        self.frames[frame] += bool(frame)
        if self.kind.name in HEADED:
            self._note_content(stamp_ns, data)

    def _note_content(self, stamp_ns: int, data: bytes) -> None:
        cursor = Cursor(data)
        cursor.header()
        content = crc32(memoryview(data)[cursor.offset :])
        if self._before is not None and self._before[1] == content and self._before[0] != stamp_ns:
            self.repeats += 1
        self._before = stamp_ns, content


class Survey:
    """Everything heard. live: the clock of receipt is this machine's. types: of every topic there is, ours or not."""

    def __init__(self, live: bool = False) -> None:
        self.live = live
        self.types: dict[str, str] = {}
        self.latched: set[str] = set()
        self.offers: dict[str, list[Offer]] = {}
        self.streams: dict[str, Stream] = {}
        self.mounts: list[Transforms] = []  # of /tf_static
        self.moving: set[tuple[str, str]] = set()  # (parent, child) of /tf
        self.refused: Counter[str] = Counter()  # what cannot be read of both

    def note_type(self, name: str, kind: str) -> None:
        """Note that there is a topic."""
        self.types[name.lstrip('/')] = kind

    def take(self, name: str, kind: str, receive_ns: int, data: bytes) -> None:
        """Note one message; of topics and types that the stack does not read nothing is kept."""
        plain = name.lstrip('/')
        self.note_type(plain, kind)
        ours = family(plain)
        if ours is None or ours.type != kind:
            return
        if ours.name in FRAMES:
            self._take_transforms(ours, data)
        elif ours.name in READERS:
            self.streams.setdefault(plain, Stream(ours, plain, kind)).take(receive_ns, data)

    def of_kind(self, kind: Topic) -> list[Stream]:
        """Return the streams of a topic of the table, by name."""
        return [stream for name, stream in sorted(self.streams.items()) if stream.kind.name == kind.name]

    def _take_transforms(self, ours: Topic, data: bytes) -> None:
        try:
            told = read_transforms(data)
        except DataError as error:
            self.refused[f'{ours.name}: {error}'] += 1
            return
        if ours.name == topics.TF_STATIC.name:
            self.mounts.append(told)
        else:
            self.moving |= set(told.matrices)


def family(name: str) -> Topic | None:
    """Return the row of the table that a topic belongs to, with {name} in it still."""
    for topic in topics.TABLE:
        if topics.sensor_names(topic, [name]) if '{name}' in topic.name else topic.name.lstrip('/') == name:
            return topic
    return None


def of_recording(path: Path, remap: Remap | None = None, seconds: float = 0.0) -> Survey:
    """Return the survey of a recording, of its first `seconds` where that is above 0."""
    recording, survey = Recording(path, remap), Survey()
    for name, kind in recording.types.items():
        survey.note_type(name, kind)
    survey.latched = {name.lstrip('/') for name in recording.latched}
    read = [name for name in recording.types if (ours := family(name.lstrip('/'))) and _is_read(ours)]
    end_ns = recording.start_ns + round(seconds * SECOND_NS) if seconds > 0.0 else None
    for name, kind, receive_ns, data in recording.messages(topics=read, end_ns=end_ns):
        survey.take(name, kind, receive_ns, data)
    return survey


def of_running(seconds: float, enough: Callable[[Survey], bool] = lambda survey: False) -> Survey:
    """Return the survey of what runs on this machine now, listened to for so long or until it is enough; needs ROS."""
    survey, static = Survey(live=True), topics.TF_STATIC.name

    def wanted(name: str, kind: str) -> bool:
        survey.note_type(name, kind)
        ours = family(name.lstrip('/'))
        return ours is not None and ours.type == kind and ours.given_by in GIVERS and _is_read(ours)

    try:
        listening = import_module('autonomy_nodes.nodes.listening')
    except ModuleNotFoundError as error:
        raise DataError(f'live needs ROS ({error}): source its setup.bash, or give a recording') from error
    heard = listening.listen(seconds, wanted, {static}, survey.take, lambda: enough(survey))
    for name, publishers in heard.items():
        survey.offers[name.lstrip('/')] = [Offer(*publisher) for publisher in publishers]
    return survey


def _is_read(ours: Topic) -> bool:
    return ours.name in READERS or ours.name in FRAMES
