"""Replay in lockstep: messages pass through the stages one at a time, without rclpy and without a clock.

Nothing waits and nothing is lost, so the same recording gives the same output, byte for byte. Time is that of
the events: timers fire between them, in order. Several processes may share the stages (evaluation/relay.py).
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Protocol

from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.inputs import HEARTBEAT_S, PATIENCE, Inputs
from autonomy_nodes.nodes.port import Publisher, Stage

ORDER = ('each', 'since', 'prev', 'joined', 'triggers')  # who hears a message first


@dataclass(frozen=True)
class Event:
    """A message on a topic, at the moment when it is received."""

    name: str
    stamp_ns: int
    data: bytes


class Sink(Protocol):
    """What becomes of the outputs."""

    def message(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """Take one message that a stage gave."""

    def status(self, status: Status) -> None:
        """Take how a step went, with its duration."""


class Effects:
    """Hears what every call of a stage does, in order: enough to do the same without the stage. This one forgets it."""

    def called(self, stage: str, number: int) -> None:
        """A stage is called; what follows, up to the next call, it does. number: of its ways in, from 0."""

    def sent(self, topic: Topic, data: bytes) -> None:
        """It gave a message."""

    def armed(self, number: int, due_ns: int) -> None:
        """It set one of its timers, by the number of its way in."""

    def told(self, status: Status) -> None:
        """It told how a step went."""


class Absent(Protocol):
    """Stands in a lockstep for a stage that runs in another process, and does what that does there."""

    name: str

    def attend(self, player: 'Lockstep') -> None:
        """Take its place in `player`."""

    def start(self) -> None:
        """Do what the stage did when it was activated."""


class Alarm(Protocol):
    """What goes off at `due_ns`."""

    due_ns: int

    def fire(self) -> None:
        """Go off."""


class Timer:
    """Fires each `period_ns` of the lockstep's time, or once; `rest` sets it back."""

    def __init__(self, owner: 'Seat', period_ns: int, call: Callable[[], None], once: bool = False) -> None:
        self.owner, self.player, self.period_ns, self.call, self.once = owner, owner.player, period_ns, call, once
        self.due_ns, self.number = -1, owner.way_in('timer', '')

    def rest(self) -> None:
        """Fire a period from now, and not before."""
        self._arm(self.player.now_ns + self.period_ns)

    def fire(self) -> None:
        """Call, and wait for the next period; of a stage that is silenced nothing is called any more."""
        if self.owner.silent:
            return
        self.player.effects.called(self.owner.stage_name, self.number)
        due_ns, self.due_ns = self.due_ns, -1
        if not self.once:
            self._arm(due_ns + self.period_ns)
        self.call()

    def _arm(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self.player.arm(self)
        self.player.effects.armed(self.number, due_ns)


class Lockstep:
    """Plays events through `stages`, with the configuration of each by its name; `effects` hears what they do."""

    def __init__(
        self, stages: Sequence[Stage | Absent], configs: Mapping[str, Any], sink: Sink, effects: Effects | None = None
    ) -> None:
        self.sink, self.effects, self.now_ns, self.finished = sink, effects or Effects(), 0, False
        self._takes: dict[tuple[str, str], list[tuple[int, Callable[[bytes], None]]]] = defaultdict(list)
        self._places = {stage.name: place for place, stage in enumerate(stages)}
        self._queue: deque[tuple[str, bytes]] = deque()
        self._timers: list[tuple[int, int, Alarm]] = []
        self._armed, self.switches = 0, dict[str, Callable[[bool], tuple[bool, str]]]()
        self.stages = [stage for stage in stages if isinstance(stage, Stage)]
        self.seats = {stage.name: Seat(self, stage.name) for stage in self.stages}
        absent = {stage.name: stage for stage in stages if not isinstance(stage, Stage)}
        for stage in self.stages:
            stage.build(self.seats[stage.name], configs[stage.name])
        for stand_in in absent.values():  # last: they wait for another process to have built what they stand for
            stand_in.attend(self)
        self._guests = [self.seats.get(stage.name) or absent[stage.name] for stage in stages]

    def start(self, now_ns: int) -> None:
        """Activate all stages at this moment."""
        self.now_ns = now_ns
        for guest in self._guests:
            guest.start()
        self._drain()

    def play(self, events: Iterable[Event]) -> None:
        """Deliver events; refuses a step back in time."""
        for event in events:
            if event.stamp_ns < self.now_ns:
                raise ValueError(f'{event.name} at {event.stamp_ns} comes after {self.now_ns}')
            self.run_to(event.stamp_ns)
            self._deliver(event.name, event.data)
            self._drain()

    def run_to(self, until_ns: int) -> None:
        """Let time pass, with the timers that fall due."""
        while self._timers and self._timers[0][0] <= until_ns and not self.finished:
            due_ns, _, timer = heapq.heappop(self._timers)
            if due_ns == timer.due_ns:  # else it was set back since
                self.now_ns = due_ns
                timer.fire()
                self._drain()
        self.now_ns = self.now_ns if self.finished else until_ns

    def close(self) -> None:
        """Free what the stages took."""
        for stage in self.stages:
            stage.free()

    def hear(self, stage: str, role: str, topic: str, take: Callable[[bytes], None]) -> None:
        """Have `take` called with each message; of one role the stages hear it in their own order."""
        takes = self._takes[role, topic]
        takes.append((self._places[stage], take))
        takes.sort(key=itemgetter(0))

    def arm(self, timer: Alarm) -> None:
        """Enter a timer's next moment; of two at one moment the one entered first fires first."""
        self._armed += 1
        heapq.heappush(self._timers, (timer.due_ns, self._armed, timer))

    def send(self, topic: Topic, data: bytes) -> None:
        """Queue what a stage gives: it comes after all that is already there."""
        self.sink.message(topic, self.now_ns, data)
        self.effects.sent(topic, data)
        self._queue.append((topic.name, data))

    def ask(self, name: str, wanted: bool, answered: Callable[[bool, str], None]) -> bool:
        """Set the switch `name`; return whether a stage offers it."""
        if name in self.switches:
            answered(*self.switches[name](wanted))
        return name in self.switches

    def told(self, status: Status) -> None:
        """Note how a step went."""
        self.sink.status(status)
        self.effects.told(status)

    def _drain(self) -> None:
        while self._queue:
            self._deliver(*self._queue.popleft())

    def _deliver(self, name: str, data: bytes) -> None:
        for role in ORDER:
            for _, take in self._takes[role, name]:
                take(data)


class _SeatPublisher:
    """Sends to the player."""

    def __init__(self, player: Lockstep, topic: Topic) -> None:
        self.player, self.topic = player, topic

    def publish(self, data: bytes) -> None:
        self.player.send(self.topic, data)

    def wanted(self) -> bool:
        return True  # a recording wants all


class Seat(Inputs):
    """The port of one stage in a lockstep."""

    def __init__(self, player: Lockstep, name: str) -> None:
        self.player = player
        self.ways_in: list[tuple[str, str]] = []  # (role, topic), ('timer', '') or ('start', ''), as they were made
        self.switches: dict[str, Callable[[bool], tuple[bool, str]]] = {}
        self.silent = False  # as if its process had ended
        self._starts: list[Callable[[], None]] = []
        super().__init__(name)
        self._start = self.way_in('start', '')
        self._alarm = Timer(self, 0, self.settle, once=True)
        self._pulse = Timer(self, round(HEARTBEAT_S * SECOND_NS), lambda: self.beat(self.player.now_ns))

    def listen(self, role: str, topic: Topic, take: Callable[[bytes], None]) -> None:
        """See `Inputs`."""
        number = self.way_in(role, topic.name)

        def heard(data: bytes) -> None:
            if self.silent:
                return
            self.player.effects.called(self.stage_name, number)
            try:
                take(data)
            except DataError as error:
                self.drop(topic, str(error))

        self.dropped[topic.name] += 0
        self.player.hear(self.stage_name, role, topic.name, heard)

    def publisher(self, topic: Topic) -> Publisher:
        """See `Port`."""
        return _SeatPublisher(self.player, topic)

    def watch(self, topic: Topic, missing: Callable[[], None]) -> Callable[[], None]:
        """See `Inputs`."""
        if topic.rate_hz == 0.0:
            return lambda: None
        timer = Timer(self, round(PATIENCE / topic.rate_hz * SECOND_NS), missing)
        self._starts.append(timer.rest)
        return timer.rest

    def every(self, period_s: float, tick: Callable[[int], int | None]) -> None:
        """See `Port`."""
        timer = Timer(self, round(period_s * SECOND_NS), lambda: self.ticked(tick))
        self._starts.append(timer.rest)

    def activated(self, start: Callable[[], None]) -> None:
        """See `Port`."""
        self._starts.append(start)

    def switch(self, name: str, handle: Callable[[bool], tuple[bool, str]]) -> None:
        """See `Port`; a test or a command calls it through `switches`."""
        self.switches[name] = self.player.switches[name] = handle

    def request(self, name: str) -> Callable[[bool, Callable[[bool, str], None]], bool]:
        """See `Port`."""
        return lambda wanted, answered: self.player.ask(name, wanted, answered)

    def finish(self) -> None:
        """See `Port`."""
        self.player.finished = True

    def now_ns(self) -> int:
        """See `Port`."""
        return self.player.now_ns

    def waited_ns(self) -> int:
        """See `Inputs`."""
        return self.player.now_ns

    def wake(self, wait_ns: int) -> None:
        """See `Inputs`."""
        self._alarm.period_ns = wait_ns
        self._alarm.rest()

    def told(self, status: Status) -> None:
        """Keep durations out of the message: they differ from run to run."""
        self.player.told(status)
        super().told(replace(status, duration_ms=None, parts_ms={}))

    def way_in(self, kind: str, topic: str) -> int:
        """Return the number of a new way in."""
        self.ways_in.append((kind, topic))
        return len(self.ways_in) - 1

    def start(self) -> None:
        """Activate the stage."""
        self.player.effects.called(self.stage_name, self._start)
        self._pulse.rest()
        for start in self._starts:
            start()
