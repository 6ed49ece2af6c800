"""One lockstep in several processes: each runs some of the stages, and tells the next one what they did.

Every process plays the same recording through the same graph. A stage that ran in an earlier process is replaced by one
that does again what that one did at the same call: what it sent, which timers it set, what it told. Calls come in
the same order in all of them, since a stage never hears one of a later process; so the outputs of the last process are
those of a single one, byte for byte (conservative parallel simulation: Chandy and Misra, 1979, along a line).
"""

import pickle
import queue
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from autonomy_nodes.common.status import Status
from autonomy_nodes.evaluation.lockstep import Effects, Event, Lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.topics import Topic

Item = TypeVar('Item')
LENGTHS = struct.Struct('<QQ')
BATCH = 1 << 18  # bytes that are gathered before they are sent
LARGE = 1 << 14  # bytes from which a message is not copied together with others
AHEAD = 64  # messages read ahead
BATCHES = 8  # received ahead: each holds a sweep with its rasters at most
# CPU ms a sweep of 122 000 points, for a fair division
COST = {'lidar': 8, 'localization': 9, 'perception': 30, 'tracking': 7, 'prediction': 9, 'planning': 18, 'safety': 6}
LITTLE = 0.5


def divided(nodes: Sequence[str], parts: int) -> list[tuple[str, ...]]:
    """Return the nodes of each of up to `parts` processes: none hears a node of a later one; of about equal cost."""
    order = _in_order(nodes)
    cuts = _cuts(tuple(sum(COST.get(name, LITTLE) for name in group) for group in order), parts)
    shares = [sum(order[first:last], ()) for first, last in zip([0, *cuts], [*cuts, len(order)])]
    return [tuple(name for name in nodes if name in share) for share in shares]


def _in_order(nodes: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the nodes, those that hear each other together, each after all that it hears."""
    hears = {name: {name} for name in nodes}
    for topic in topics.TABLE:
        givers = nodes if topic.given_by == 'all' else [topic.given_by]
        for name in topic.readers & hears.keys():
            hears[name] |= {giver for giver in givers if giver in hears}
    for middle in nodes:  # Warshall's closure
        for name in nodes:
            if middle in hears[name]:
                hears[name] |= hears[middle]
    groups = {tuple(other for other in nodes if other in hears[name] and name in hears[other]) for name in nodes}
    return sorted(groups, key=lambda group: (len(hears[group[0]]), nodes.index(group[0])))


def _cuts(costs: Sequence[float], parts: int) -> list[int]:
    """Return where to cut a line of costs into at most `parts` so that the dearest part costs least."""
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}  # up to which one: (cost of the dearest part, cuts)
    for _ in range(min(parts, len(costs))):
        longer: dict[int, tuple[float, list[int]]] = {}
        for first, (dearest, cuts) in best.items():
            for last in range(first + 1, len(costs) + 1):
                found = (max(dearest, sum(costs[first:last])), [*cuts, last])
                longer[last] = min(longer.get(last, found), found)
        best = longer
    return best[len(costs)][1][:-1]


class Downstream(Effects):
    """Tells the next process all events and what each call of a stage did."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._batch, self._size = line, list[tuple[Any, ...]](), 0
        self._here: set[str] = set()

    def introduce(self, player: Lockstep, before: 'Upstream | None') -> None:
        """Tell the ways in of all stages up to here."""
        ways = {} if before is None else dict(before.ways)
        ways |= {name: seat.ways_in for name, seat in player.seats.items()}
        self._here = {*ways}
        self._put('ways', ways)
        self.flush()

    def passing(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield the events, having told them, raw ones without what nobody will read."""
        for event in events:
            topic = topics.find(event.name)
            spent = topic is not None and topic.raw and topic.readers <= self._here
            self._next()
            self._put('event', event.name, event.stamp_ns, b'' if spent else event.data)
            self._size += 0 if spent else len(event.data)
            yield event
        self._next()
        self._put('end')

    def called(self, stage: str, number: int) -> None:
        """See `Effects`."""
        self._next()
        self._put('call', stage, number)

    def sent(self, topic: Topic, data: bytes) -> None:
        """See `Effects`."""
        self._size += len(data)
        self._put('sent', topic, pickle.PickleBuffer(data) if len(data) > LARGE else data)

    def armed(self, number: int, due_ns: int) -> None:
        """See `Effects`."""
        self._put('armed', number, due_ns)

    def told(self, status: Status) -> None:
        """See `Effects`."""
        self._put('told', status)

    def failed(self, error: BaseException) -> None:
        """Tell that this process cannot go on."""
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an error whose making needs more than its text
            error = RuntimeError(f'{type(error).__name__}: {error}')
        self._put('failed', error)
        self.flush()

    def flush(self) -> None:
        """Send what was gathered."""
        messages: list[pickle.PickleBuffer] = []
        told = pickle.dumps(self._batch, pickle.HIGHEST_PROTOCOL, buffer_callback=messages.append)
        sizes = [message.raw().nbytes for message in messages]
        self._line.sendall(LENGTHS.pack(len(told), len(sizes)) + struct.pack(f'<{len(sizes)}Q', *sizes) + told)
        for message in messages:
            self._line.sendall(message)
        self._batch, self._size = [], 0

    def _next(self) -> None:
        if self._size > BATCH:
            self.flush()

    def _put(self, *item: Any) -> None:
        self._batch.append(item)
        self._size += 128


class Upstream:
    """Hears what `nodes` did, which run in the processes before: a batch at a time, in which each call is whole."""

    def __init__(self, line: socket.socket, nodes: Sequence[str]) -> None:
        self.nodes = nodes
        self._batches = ahead(_received(line), BATCHES)
        self._batch: list[tuple[Any, ...]] = []
        self._at = 0
        self._ways: Mapping[str, Sequence[tuple[str, str]]] = {}

    @property
    def ways(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return {stage: its ways in} of all stages before; waits until they are built."""
        if not self._ways:
            self._ways = self.take('ways')[0]
        return self._ways

    def events(self) -> Iterator[Event]:
        """Yield the events, in the course of which the stages were called."""
        while (item := self.take('event', 'end'))[1:]:
            yield Event(*item)

    def take(self, *kinds: str) -> tuple[Any, ...]:
        """Return what comes next, which is of one of these kinds, without its kind; raise what went wrong there."""
        if self._at == len(self._batch):
            self._batch, self._at = next(self._batches), 0
        kind, *values = self._batch[self._at]
        self._at += 1
        if kind == 'failed':
            raise values[0]
        if kind not in kinds:
            raise RuntimeError(f'the processes of a replay disagree: {kind} came, not {" or ".join(kinds)}')
        return tuple(values)

    def done(self) -> Iterator[tuple[Any, ...]]:
        """Yield what the last call did, with its kind."""
        while self._at < len(self._batch) and (item := self._batch[self._at])[0] in ('sent', 'armed', 'told'):
            self._at += 1
            yield item


class StandIn:
    """Does what a stage did in an earlier process; see `Absent`."""

    def __init__(self, name: str, before: Upstream) -> None:
        self.name, self._before, self._timers = name, before, dict[int, _Timer]()

    def attend(self, player: Lockstep) -> None:
        """See `Absent`."""
        self._player = player
        for number, (kind, topic) in enumerate(self._before.ways[self.name]):
            if kind == 'timer':
                self._timers[number] = _Timer(self, number)
            elif kind == 'start':
                self._start = number
            else:
                player.hear(self.name, kind, topic, partial(self._heard, number))

    def start(self) -> None:
        """See `Absent`."""
        self.call(self._start)

    def _heard(self, number: int, data: bytes) -> None:
        self.call(number)

    def call(self, number: int) -> None:
        """Do what the stage did at this call."""
        player = self._player
        if (told := self._before.take('call')) != (self.name, number):
            raise RuntimeError(f'the processes of a replay disagree: {told} was called, not {self.name} {number}')
        player.effects.called(self.name, number)
        for kind, *values in self._before.done():
            if kind == 'sent':
                player.send(*values)
            elif kind == 'told':
                player.told(*values)
            else:
                self._timers[values[0]].arm(player, values[1])


class _Timer:
    """A timer of a stage that runs elsewhere."""

    def __init__(self, owner: StandIn, number: int) -> None:
        self._owner, self._number, self.due_ns = owner, number, -1

    def arm(self, player: Lockstep, due_ns: int) -> None:
        self.due_ns = due_ns
        player.arm(self)
        player.effects.armed(self._number, due_ns)

    def fire(self) -> None:
        self.due_ns = -1
        self._owner.call(self._number)


def ahead(items: Iterable[Item], count: int = AHEAD) -> Iterator[Item]:
    """Yield the same items, read ahead by a thread."""
    passed: queue.Queue[tuple[str, Any]] = queue.Queue(count)

    def read() -> None:
        try:
            for item in items:
                passed.put(('item', item))
            passed.put(('end', None))
        except Exception as error:  # handed to the reader, where it belongs
            passed.put(('error', error))

    threading.Thread(target=read, daemon=True).start()
    while (kind_value := passed.get())[0] != 'end':
        if kind_value[0] == 'error':
            raise kind_value[1]
        yield kind_value[1]


def _received(line: socket.socket) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        told, count = LENGTHS.unpack(_exactly(line, LENGTHS.size))
        sizes = struct.unpack(f'<{count}Q', _exactly(line, 8 * count))
        batch = _exactly(line, told)
        yield pickle.loads(batch, buffers=[_exactly(line, size) for size in sizes])


def _exactly(line: socket.socket, size: int) -> memoryview:
    """Return so many bytes, waited for in the kernel: a thread that wakes for each part waits for Python each time."""
    data = np.empty(size, np.uint8).data  # unlike a bytearray not filled first
    if size and line.recv_into(data, size, socket.MSG_WAITALL) != size:
        raise RuntimeError('a process of this replay has ended; what it printed tells why')
    return data
