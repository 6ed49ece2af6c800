"""Recordings: rosbag2 directories, bare MCAP and sqlite3 files, read and written without ROS."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.messages.store import store

PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
FILES = {'.mcap': 'mcap', '.db3': 'sqlite3'}
REMEDIES = {
    '.mcap': 'if it was cut off, `mcap recover {name} -o WHOLE.mcap` saves what is there',
    '.db3': 'if it was cut off, `sqlite3 {name} .recover` saves what is there',
    '': '`ros2 bag reindex {name}` makes its metadata.yaml anew',
}
FORMAT_VERSION: Final = 9  # of metadata.yaml: Jazzy and later; Humble reads the messages, not the quality of service
FOREVER = QosTime(9223372036, 854775807)  # as rmw writes 'no deadline'
NO_HASH = f'RIHS01_{"0" * 64}'
SLACK_NS = SECOND_NS  # by which the files of a split recording may overlap in time
UNFINISHED = '.part'
INSIDE = 'recording'  # a recording's own name does not stand in its bytes, so that two runs give equal ones

Message = tuple[str, str, int, bytes]


class BagError(DataError):
    """A recording that cannot be read or written; says which, why, and what to do."""


@dataclass(frozen=True)
class Definition:
    """A message type as a recording describes it: its text, and its hash, '' where that is not told."""

    text: str
    digest: str


class Recording:
    """A recording as it lies on disk. Raises BagError, with the remedy, on what is none.

    types: {topic: message type}. counts: {topic: messages}. latched: topics that late subscribers get.
    definitions: {message type: its definition}, to copy messages of types that the stack does not know.
    start_ns, end_ns: first moment of receipt, and one past the last.
    remap: which of its topics are which of ours; everything is told by our names. lacking: those that it has not.
    refused: messages that could not be made ours.
    """

    def __init__(self, path: Path, remap: Remap | None = None) -> None:
        self.path, self._remap = _found(Path(path)), remap or Remap()
        self.refused: Counter[str] = Counter()
        self.types: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.definitions: dict[str, Definition] = {}
        latched = set()
        try:
            with Reader(self.path) as reader:
                self.start_ns, self.end_ns = reader.start_time, reader.end_time
                self.lacking = self._remap.check(connection.topic for connection in reader.connections)
                for connection in sorted(reader.connections, key=lambda item: (item.topic, item.id)):
                    way = self._remap.way(connection.topic, connection.msgtype)
                    self.types.setdefault(way.name, way.type)
                    self.counts[way.name] += connection.msgcount
                    self.definitions[connection.msgtype] = Definition(connection.msgdef.data, connection.digest)
                    latched |= {way.name} if _is_latched(connection) else set()
        except DataError as error:
            raise BagError(f'{self.path}: {error}') from error
        except Exception as error:  # whatever a library meets in a broken file
            raise self._broken(error) from error
        self.latched = frozenset(latched)
        if not self.types:
            raise BagError(f'{self.path}: holds no topics; record with `ros2 bag record -a` while they are published')

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[Message]:
        """Yield (topic, type, receive_ns, bytes) in order of receipt, from `start_ns` until before `end_ns`.

        topics: names, with or without the first slash; None for all. Messages of unknown types come as well.
        """
        asked = None if topics is None else {name.lstrip('/') for name in topics}
        try:
            with Reader(self.path) as reader:
                ways = {item.id: self._remap.way(item.topic, item.msgtype) for item in reader.connections}
                names = {number: way.name.lstrip('/') for number, way in ways.items()}
                wanted = [item for item in reader.connections if asked is None or names[item.id] in asked]
                found = reader.messages(wanted, start_ns, end_ns) if wanted else iter(())
                split = len(getattr(reader.storage, 'storages', ())) > 1
                for connection, stamp_ns, data in in_order(found) if split else found:
                    way, message = ways[connection.id], bytes(data)
                    try:
                        message = way.made(message) if way.made else message
                    except DataError:
                        self.refused[way.name] += 1
                        continue
                    yield way.name, way.type, stamp_ns, message
        except Exception as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> BagError:
        remedy = REMEDIES[self.path.suffix if self.path.is_file() else ''].format(name=self.path.name)
        if 'Profile is not ros2' in str(error):
            remedy = 'it was not recorded by ROS 2; `rosbags-convert` or `mcap convert` make ROS 2 recordings'
        return BagError(f'{self.path}: cannot be read ({error}); {remedy}')


def in_order(messages: Iterable[tuple[Connection, int, bytes]]) -> Iterator[tuple[Connection, int, bytes]]:
    """Yield messages by time of receipt; raises BagError where one comes more than a second too late."""
    waiting: list[tuple[int, int, Connection, bytes]] = []
    given_ns, numbers = -(2**63), count()
    for connection, stamp_ns, data in messages:
        if stamp_ns < given_ns:
            raise BagError(f'message at {stamp_ns} ns follows one at {given_ns} ns; `ros2 bag convert` sorts them')
        heapq.heappush(waiting, (stamp_ns, next(numbers), connection, data))
        while waiting[0][0] < stamp_ns - SLACK_NS:
            given_ns, _, first, content = heapq.heappop(waiting)
            yield first, given_ns, content
    while waiting:
        given_ns, _, first, content = heapq.heappop(waiting)
        yield first, given_ns, content


def _found(path: Path) -> Path:
    """Return what the library shall open; raises BagError on paths at which there is no recording."""
    if not path.exists():
        raise BagError(f'{path}: does not exist; give a rosbag2 directory, or an .mcap or .db3 file')
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        inside = sorted(file for file in path.iterdir() if file.suffix in FILES)
        if len(inside) != 1:
            raise BagError(f'{path}: holds no metadata.yaml; `ros2 bag reindex {path.name}` makes one of its files')
        return inside[0]
    if path.suffix == '.bag':
        raise BagError(f'{path}: is of ROS 1; `rosbags-convert --src {path.name} --dst DIR` makes a ROS 2 recording')
    if path.suffix in ('.zst', '.zstd'):
        raise BagError(f'{path}: is compressed; `zstd -d {path.name}` first, or give the directory of the recording')
    if path.is_file() and path.suffix not in FILES:
        raise BagError(f'{path}: is no recording; give a rosbag2 directory, or an .mcap or .db3 file')
    return path


def _is_latched(connection: Connection) -> bool:
    profiles = connection.ext.offered_qos_profiles if isinstance(connection.ext, ConnectionExtRosbag2) else []
    return any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles)


class BagWriter:
    """Writes a recording: a rosbag2 directory, or a bare file where `path` ends in .mcap or .db3.

    It lies at PATH.part until `close`. The same messages give the same bytes, under any path.
    definitions: of types that the stack does not know, from the recording that they come from.
    compress: with zstd, MCAP only; rasters shrink to a tenth, at about 1 ms of CPU time a MB.
    """

    def __init__(
        self,
        path: Path,
        storage: str = 'mcap',
        definitions: Mapping[str, Definition] | None = None,
        compress: bool = False,
    ) -> None:
        self.path = Path(path)
        storage = FILES.get(self.path.suffix, storage)
        if storage not in PLUGINS:
            raise ValueError(f'storage={storage!r} must be one of {", ".join(PLUGINS)}')
        self._part = self.path.with_name(self.path.name + UNFINISHED)
        for place in (self.path, self._part):
            if place.exists():
                raise BagError(f'{place}: exists already; remove it or write elsewhere')
        self._definitions = dict(definitions or {})
        self._connections: dict[tuple[str, str], Connection] = {}
        self._writer = Writer(self._part / INSIDE, version=FORMAT_VERSION, storage_plugin=PLUGINS[storage])
        if compress and storage == 'mcap':
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._open = True
        self._writer.open()

    def write(self, topic: str, type_name: str, receive_ns: int, data: bytes, latched: bool = False) -> None:
        """Append one message; the first of a topic tells whether late subscribers get it."""
        key = ('/' + topic.lstrip('/'), type_name)
        if key not in self._connections:
            self._connections[key] = self._add(*key, latched)
        self._writer.write(self._connections[key], receive_ns, data)

    def _add(self, topic: str, type_name: str, latched: bool) -> Connection:
        qos = [_qos(latched)]
        if type_name in store().fielddefs:
            return self._writer.add_connection(topic, type_name, typestore=store(), offered_qos_profiles=qos)
        given = self._definitions.get(type_name, Definition('', ''))
        digest = given.digest or _hash(type_name, given.text)
        return self._writer.add_connection(
            topic, type_name, msgdef=given.text, rihs01=digest, offered_qos_profiles=qos
        )

    def close(self) -> None:
        """Finish the recording and give it its name; a second call does nothing."""
        if not self._open:
            return
        self._open = False
        self._writer.close()
        whole = self._part / INSIDE
        if self.path.suffix in FILES:
            (whole / INSIDE).with_suffix(self.path.suffix).rename(self.path)
            (whole / 'metadata.yaml').unlink()
            whole.rmdir()
        else:
            whole.rename(self.path)
        self._part.rmdir()

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()  # after a failure too: what was recorded until then tells why


def import_bag(source: Path, bag: Path, remap: Remap) -> list[str]:
    """Copy a recording with our names; return what was done, in words. Topics that nobody names are copied as well."""
    recording = Recording(source, remap)
    with BagWriter(bag, definitions=recording.definitions) as writer:
        for topic, kind, receive_ns, data in recording.messages():
            writer.write(topic, kind, receive_ns, data, latched=topic in recording.latched)
    lines = [f'imported {sum(recording.counts.values()) - sum(recording.refused.values())} messages']
    lines += [f'/{name}: is not in the recording' for name in recording.lacking]
    return lines + [f'left out: {count} of {name}, which cannot be read' for name, count in recording.refused.items()]


def _qos(latched: bool) -> Qos:
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=FOREVER,
        lifespan=FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=FOREVER,
        avoid_ros_namespace_conventions=False,
    )


def _hash(type_name: str, text: str) -> str:
    """Return the hash of a type from its definition, of zeros where that cannot be understood."""
    types = Typestore()
    try:
        types.register(get_types_from_msg(text, type_name))
        return types.hash_rihs01(type_name)
    except Exception:  # foreign text: a recording without the hash is still one
        return NO_HASH
