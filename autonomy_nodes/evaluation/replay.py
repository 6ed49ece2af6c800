"""A recording through the stack in lockstep: same stages, same settings, same wiring as on the vehicle."""

import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.lockstep import Effects, Event, Lockstep, Sink
from autonomy_nodes.evaluation.relay import Downstream, StandIn, Upstream, ahead, divided
from autonomy_nodes.evaluation.runlog import OUTPUTS, Run, RunLog, write_run
from autonomy_nodes.evaluation.telling import Tell, told_of, untold
from autonomy_nodes.inference.opening import settled
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Message, Recording
from autonomy_nodes.messages.recording import Keeper
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.memory import keep_memory
from autonomy_nodes.nodes.processes import TABLE, make, vehicle_of, wanted

FOREIGN = ('vehicle', 'people')  # who gives what is played; all else the stack gives anew
HEAVY_EVERY = 10
MAIN = 'top'  # the LiDAR that sets the pace where a recording has several
SHOWN = (topics.TF_STATIC, topics.STEERING, topics.ARTICULATION, topics.TRUTH_LABELS)  # by reports
PASSED_ON = {topic.name for topic in SHOWN}
DIGEST = 'outputs.sha256'  # of every message, kept or not
SWITCH_S = 0.0005  # after which a thread gives way: with Python's 5 ms the stages wait for the writer
WAITING = 64  # messages that wait to be written


@dataclass(frozen=True)
class Setup:
    """With which settings a run is made.

    files: settings files, later ones overriding earlier ones. more: {'node.setting': value}, overriding them.
    without: nodes left out. extra: nodes added that are not always started.
    """

    files: Sequence[Path] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    without: Sequence[str] = ()
    extra: Sequence[str] = ()
    vehicle: str = ''
    command: str = ''
    commit: str = ''

    def nodes(self) -> list[str]:
        """Return the nodes that run, in the order of the table."""
        asked = {*wanted({}), *self.extra} - {*self.without}
        return [name for name in TABLE if name in asked]


def replay(
    bag: Path, out: Path, setup: Setup, jobs: int = 1, remap: Remap | None = None, tell: Tell = untold
) -> Path:
    """Play a bag; leave outputs.mcap, its digest, log.jsonl, timing.jsonl and run.json under `out` and return it.

    The same bag and settings give the same bytes of outputs.mcap and log.jsonl, whatever `jobs`: that many processes
    share the stages, and reading and writing have threads of their own; `tell` hears of each second. Raises DataError
    where the bag holds nothing that the stack reads.
    """
    recording = Recording(bag, remap)
    if not _played(recording):
        raise DataError(f'{bag}: holds no topic that the stack reads; it has {", ".join(sorted(recording.types))}')
    setup = replace(setup, more={**sensors_of(bag, remap), 'safety.engaged_at_start': True, **setup.more})
    start_s = time.perf_counter()
    *earlier, last = divided(setup.nodes(), jobs)
    with sharing(earlier, bag, setup, remap) as upstream, OutputSink(out, jobs) as sink:
        player = lockstep(setup, sink, last, upstream)
        events = upstream.events() if upstream else events_of(bag, remap, jobs)
        frames = play(player, told_of(events, recording, tell))
    body = vehicle_of('planning', setup.files, setup.more)
    run = Run(
        scenario=bag.stem, vehicle=setup.vehicle, command=setup.command, commit=setup.commit, mode='lockstep',
        wall_s=time.perf_counter() - start_s, frames_in=frames, body=body,
    )  # fmt: skip
    write_run(out, run)
    return out


def lockstep(
    setup: Setup,
    sink: Sink,
    share: Sequence[str] = (),
    upstream: Upstream | None = None,
    effects: Effects | None = None,
) -> Lockstep:
    """Return a lockstep of the nodes and settings of `setup`.

    share: the nodes that run in this process, by default all. upstream: tells of those that run in earlier ones.
    """
    keep_memory()
    stages: dict[str, Any] = {name: make(name) for name in share or setup.nodes()}
    types = {name: stage.config_type for name, stage in stages.items()}
    configs = check_settings(setup.files, types, TABLE, setup.more)
    if upstream is not None:
        stages |= {name: StandIn(name, upstream) for name in upstream.nodes}
    configs = {name: _settled(config) for name, config in configs.items()}
    return Lockstep([stages[name] for name in setup.nodes() if name in stages], configs, sink, effects)


def _settled(config: Any) -> Any:
    """Return settings by which no engine is exchanged for another while the run lasts."""
    if not getattr(config, 'model', '') or not hasattr(config, 'require_backend'):
        return config
    backend, require = settled(config.backend, config.require_backend)
    return replace(config, backend=backend, require_backend=require)


@contextmanager
def sharing(shares: Sequence[Sequence[str]], bag: Path, setup: Setup, remap: Remap | None) -> Iterator[Upstream | None]:
    """Run shares of the stages in processes of their own, in line; yield what tells of them, None without any."""
    started: list[BaseProcess] = []
    line, told = None, list[str]()
    # what is loaded already need not be loaded again; but a fork copies the locks that other threads hold
    make_process = (get_context('fork') if threading.active_count() == 1 else get_context('spawn')).Process
    for share in shares:
        out, following = socket.socketpair()
        work = (bag, setup, remap, share, line, tuple(told), out)
        started.append(make_process(target=_run_share, args=work, daemon=True))
        started[-1].start()
        told += share
        for done in (line, out):
            if done is not None:
                done.close()
        line = following
    try:
        yield None if line is None else Upstream(line, told)
    finally:
        if line is not None:
            line.shutdown(socket.SHUT_RDWR)  # ends whoever still sends
            line.close()
        for process in started:
            process.join()


def _run_share(
    bag: Path,
    setup: Setup,
    remap: Remap | None,
    share: Sequence[str],
    line: socket.socket | None,
    told: Sequence[str],
    out: socket.socket,
) -> None:
    """Run some of the stages; tell the next process what they do, or why they cannot."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.setswitchinterval(SWITCH_S)
    downstream = Downstream(out)
    try:
        try:
            upstream = None if line is None else Upstream(line, told)
            player = lockstep(setup, Nowhere(), share, upstream, downstream)
            downstream.introduce(player, upstream)
            play(player, downstream.passing(upstream.events() if upstream else events_of(bag, remap, jobs=2)))
            downstream.flush()
        except OSError:
            raise
        except Exception as error:
            if not isinstance(error, ValueError):  # settings and data that say what is wrong
                traceback.print_exc()
            downstream.failed(error)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the next one has ended, and has told why


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # nobody is left who reads


def events_of(
    bag: Path, remap: Remap | None = None, jobs: int = 1, within_ns: tuple[int, int] | None = None
) -> Iterator[Event]:
    """Yield what the stack reads of a recording, in order; with two jobs or more read ahead by a thread.

    within_ns: of a part of it alone, from one moment until before another; what is latched comes as at its start.
    """
    recording = Recording(bag, remap)
    start_ns, end_ns = within_ns or (None, None)
    messages: Iterable[Message] = recording.messages(_played(recording), start_ns, end_ns)
    if start_ns is not None:
        stay = {*recording.latched, topics.TF_STATIC.name}
        latched = [name for name in _played(recording) if {name, _own(name)} & stay]
        earlier = recording.messages(latched, end_ns=start_ns) if latched else ()
        messages = chain(((name, kind, start_ns, data) for name, kind, _, data in earlier), messages)
    events = (Event(_own(name), stamp_ns, data) for name, _, stamp_ns, data in messages)
    return ahead(events) if jobs > 1 else events


class Nowhere:
    """A sink for a process whose outputs another one keeps."""

    def message(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`."""

    def status(self, status: Status) -> None:
        """See `Sink`."""


class OutputSink:
    """Keeps the outputs of a lockstep: bag and logs."""

    def __init__(self, out: Path, jobs: int = 1) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._keeper, self._log = Keeper(out / OUTPUTS, HEAVY_EVERY, digested=True), RunLog(out)
        if jobs > 1:
            sys.setswitchinterval(SWITCH_S)
        self._writer = ThreadPoolExecutor(1) if jobs > 1 else None
        self._written: queue.Queue[Future[None]] = queue.Queue()

    def message(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`. Raw sweeps and pictures, which only a simulator gives, are not kept."""
        if topic.raw:
            return
        if self._writer is None:
            self._keeper.take(topic, now_ns, data)
            return
        self._written.put(self._writer.submit(self._keeper.take, topic, now_ns, data))
        while self._written.qsize() > WAITING:
            self._written.get().result()  # raises what the writer raised

    def status(self, status: Status) -> None:
        """See `Sink`."""
        self._log.note(status)

    def __enter__(self) -> 'OutputSink':
        return self

    def __exit__(self, *error: object) -> None:
        while not self._written.empty():
            self._written.get().result()
        if self._writer is not None:
            self._writer.shutdown()
        (self._out / DIGEST).write_text(f'{self._keeper.digest()}\n')
        self._keeper.close()
        self._log.close()


def play(player: Lockstep, events: Iterable[Event]) -> int:
    """Play all events, and half a second more, in which what waits settles, and close the player.

    Return how many main sweeps there were.
    """
    frames, started = 0, False
    try:
        for event in events:
            if not started:
                player.start(event.stamp_ns)
                started = True
            topic = topics.find(event.name)
            if topic is not None and topic.name in PASSED_ON:
                player.sink.message(topic, event.stamp_ns, event.data)
            player.play([event])
            frames += topic is not None and topic.raw and topic.type == topics.LIDAR_RAW.type
        player.run_to(player.now_ns + 500_000_000)
    finally:
        player.close()
    return frames


def _played(recording: Recording) -> list[str]:
    return [name for name in recording.types if (topic := topics.find(name)) and topic.given_by in FOREIGN]


def _own(name: str) -> str:
    """Return the stack's own spelling of a topic's name."""
    topic = topics.find(name)
    return name if topic is None else topic.name


def sensors_of(bag: Path, remap: Remap | None = None) -> dict[str, Any]:
    """Return the settings that name the LiDARs and cameras of a recording."""
    names = list(Recording(bag, remap).types)
    lidars = topics.sensor_names(topics.LIDAR_RAW, names)
    cameras = {*topics.sensor_names(topics.IMAGE_RAW, names), *topics.sensor_names(topics.IMAGE_COMPRESSED, names)}
    found = {name: tuple(sorted(cameras)) for name in ('camera.cameras', 'perception.cameras', 'viewer.cameras')}
    if lidars:
        lidars = tuple(sorted(lidars, key=lambda name: (name != MAIN, name)))  # the first sets the pace
        found |= {'lidar.lidars': lidars, 'perception.lidars': lidars}
    return found
