"""The half of a port that is the same live and in replay: joining, watching, counting, what is told of a step."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autonomy_nodes.common.status import Heartbeat, Level, Status
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.topics import DIAGNOSTICS, HEARTBEAT, ODOMETRY, Topic
from autonomy_nodes.messages.words import write_heartbeat, write_status
from autonomy_nodes.nodes import faults
from autonomy_nodes.nodes.joining import Partner, Pending
from autonomy_nodes.nodes.port import Join, Publisher

PATIENCE = 1.5  # periods of silence after which an input is missing
BATCH = 1024  # values kept between two steps, a second of a 1 kHz sensor
BACK_NS = SECOND_NS  # a main input that steps back further than this means that time itself jumped
WAITING = 4  # steps that may wait for partners
HEARTBEAT_S = 1.0 / HEARTBEAT.rate_hz


class Inputs:
    """Base of the two ports. A port adds where messages come from and go to, its timers and its clock."""

    def __init__(self, name: str) -> None:
        self.stage_name = name
        self.dropped: Counter[str] = Counter()  # messages, by input topic, since activation
        self._newest: dict[str, Any] = {}
        self._lasting: set[str] = set()  # topics whose newest value survives a jump of time
        self._partners: list[Partner] = []
        self._batches: list[deque[Any]] = []
        self._pending: deque[Pending] = deque()
        self._last_ns: dict[str, int] = {}
        self._lineage: dict[str, int] = {}
        self._words: list[tuple[Level, str, dict[str, str]]] = []
        self._parts_ms: dict[str, float] = {}
        self._lapped_s = 0.0
        self._status_out: Publisher = self.publisher(DIAGNOSTICS)
        self._heartbeat_out: Publisher = self.publisher(HEARTBEAT)

    # What a port adds.
    def listen(self, role: str, topic: Topic, take: Callable[[bytes], None]) -> None:
        """Have `take` called with each message; `role` names a field of `Topic`."""
        raise NotImplementedError

    def watch(self, topic: Topic, missing: Callable[[], None]) -> Callable[[], None]:
        """Have `missing` called after PATIENCE periods of silence; return what to call on each arrival."""
        raise NotImplementedError

    def wake(self, wait_ns: int) -> None:
        """Have `settle` called after this long."""
        raise NotImplementedError

    def waited_ns(self) -> int:
        """Return the clock of `wake`."""
        raise NotImplementedError

    def publisher(self, topic: Topic) -> Publisher:
        """See `Port`."""
        raise NotImplementedError

    def every(self, period_s: float, tick: Callable[[int], int | None]) -> None:
        """See `Port`."""
        raise NotImplementedError

    def now_ns(self) -> int:
        """See `Port`."""
        raise NotImplementedError

    # What is the same.
    def trigger(
        self, topic: Topic, read: Callable[[bytes], Any], step: Callable[..., None], join: Sequence[Join] = (),
        when: Callable[[Any], bool] | None = None,
    ) -> None:  # fmt: skip
        """See `Port`."""
        partners = [self._partner(each) for each in join]

        def take(data: bytes) -> None:
            arrived()
            start, parts_ms = self._begin({})
            value = self._told_apart(topic, read, data)
            self._note_time(topic, value.stamp_ns)
            if when is not None and not when(value):
                return
            read_ms = (time.perf_counter() - start) * 1e3
            self._pending.append(Pending(topic, value, step, partners, self.waited_ns(), read_ms, parts_ms))
            if len(self._pending) > WAITING:
                self.drop(self._pending.popleft().topic, 'the step before it still waits')
            self.settle()

        def silent() -> None:
            self._say_fault(faults.of_silence(topic))
            self.tell(Level.WARN, f'no {topic.name} for {PATIENCE} periods')

        arrived = self.watch(topic, silent)
        self.listen('triggers', topic, take)

    def settle(self) -> None:
        """Run the steps whose partners are there, or have been waited for long enough; the oldest first."""
        while self._pending:
            first = self._pending[0]
            missing = first.missing()
            left_ns = first.left_ns(missing, self.waited_ns())
            if left_ns > 0:
                self.wake(left_ns)
                return
            self._pending.popleft()
            self._run(first, missing)

    def latest(self, topic: Topic, read: Callable[[bytes], Any]) -> Callable[[], Any]:
        """See `Port`."""
        if topic.qos in ('latched', 'events'):
            self._lasting.add(topic.name)

        def take(data: bytes) -> None:
            self._newest[topic.name] = self._told_apart(topic, read, data)

        def newest() -> Any:
            value = self._newest.get(topic.name)
            if value is not None:
                self._lineage[topic.name] = value.stamp_ns
            return value

        self.listen('prev', topic, take)
        return newest

    def since(self, topic: Topic, read: Callable[[bytes], Any]) -> Callable[[], list[Any]]:
        """See `Port`."""
        batch: deque[Any] = deque()
        self._batches.append(batch)

        def take(data: bytes) -> None:
            batch.append(read(data))
            if len(batch) > BATCH:
                batch.popleft()
                self.dropped[topic.name] += 1

        def gathered() -> list[Any]:
            values = list(batch)
            batch.clear()
            if values:
                self._lineage[topic.name] = values[-1].stamp_ns
            return values

        self.listen('since', topic, take)
        return gathered

    def each(self, topic: Topic, read: Callable[[bytes], Any], take: Callable[[Any], None]) -> None:
        """See `Port`."""
        self.listen('each', topic, lambda data: take(read(data)))

    def say(self, level: Level, text: str, **values: str) -> None:
        """See `Port`."""
        self._words.append((level, text, values))

    def lap(self, part: str) -> None:
        """See `Port`."""
        now_s = time.perf_counter()
        self._parts_ms[part] = self._parts_ms.get(part, 0.0) + (now_s - self._lapped_s) * 1e3
        self._lapped_s = now_s

    def drop(self, topic: Topic, reason: str, fault: str = '') -> None:
        """Count a message that cannot be used, and say why."""
        self.dropped[topic.name] += 1
        self._say_fault(fault)
        self.tell(Level.WARN, f'dropped {topic.name}: {reason}')

    def ticked(self, tick: Callable[[int], int | None]) -> None:
        """Run a tick; what it says becomes a status."""
        now_ns = self.now_ns()
        self._lineage, stamp_ns = {}, None
        try:
            stamp_ns = tick(now_ns)
        except DataError as error:
            self.say(Level.WARN, str(error))
            self._say_fault(error.fault)
        if self._words:
            self.tell(Level.OK, '', now_ns if stamp_ns is None else stamp_ns)

    def beat(self, now_ns: int) -> None:
        """Give a sign of life; the port calls it each HEARTBEAT_S from the thread that runs the steps."""
        self._heartbeat_out.publish(write_heartbeat(Heartbeat(now_ns, self.stage_name)))

    def tell(
        self,
        level: Level,
        text: str,
        stamp_ns: int | None = None,
        duration_ms: float | None = None,
        parts_ms: Mapping[str, float] | None = None,
    ) -> None:
        """Publish a status: this text and level, and what was said since the last one."""
        words, self._words = [(level, text, {}), *self._words], []
        worst = max((level for level, _, _ in words), key=lambda level: level.value)
        texts = [text for level, text, _ in words if text and (level is worst or worst is Level.OK)]
        values = {key: value for _, _, given in words for key, value in given.items()}
        if 'fault' in values:  # there may be more than one
            values['fault'] = ','.join(sorted({given['fault'] for _, _, given in words if 'fault' in given}))
        if remedies := dict.fromkeys(given['remedy'] for _, _, given in words if 'remedy' in given):
            values['remedy'] = '; '.join(remedies)
        stamp_ns = self.now_ns() if stamp_ns is None else stamp_ns
        lineage, self._lineage = self._lineage, {}
        self.told(
            Status(
                stamp_ns, self.stage_name, worst, '; '.join(dict.fromkeys(texts)) or 'running', lineage,
                dict(self.dropped), values, duration_ms, dict(parts_ms or {}),
            )
        )  # fmt: skip

    def _say_fault(self, fault: str) -> None:
        if fault:
            self.say(Level.WARN, '', fault=fault)

    def _told_apart(self, topic: Topic, read: Callable[[bytes], Any], data: bytes) -> Any:
        """Return the value of a message; of a sensor's that cannot be read the error says which fault that is."""
        try:
            return read(data)
        except DataError as error:
            self._say_fault(error.fault or faults.of_message(topic))
            raise

    def told(self, status: Status) -> None:
        """Send a status."""
        self._status_out.publish(write_status(status))

    def flush(self) -> None:
        """Forget what came before: time jumped, or the node paused. Calibration, route and goal stay."""
        self._newest = {name: value for name, value in self._newest.items() if name in self._lasting}
        self._pending.clear()
        self._last_ns.clear()
        for partner in self._partners:
            partner.forget()
        for batch in self._batches:
            batch.clear()

    def _partner(self, join: Join) -> Partner:
        partner = Partner(join)
        self._partners.append(partner)

        def take(data: bytes) -> None:
            partner.keep(join.read(data))
            self.settle()

        self.listen('joined', join.topic, take)
        return partner

    def _note_time(self, topic: Topic, stamp_ns: int) -> None:
        last_ns = self._last_ns.get(topic.name, stamp_ns)
        if stamp_ns < last_ns - BACK_NS:
            self.flush()
            back_s = (last_ns - stamp_ns) / SECOND_NS
            self.say(Level.WARN, f'time went back {back_s:.1f} s: buffers flushed', fault='F09')
        self._last_ns[topic.name] = stamp_ns

    def _run(self, pending: Pending, missing: Sequence[Partner]) -> None:
        stamp_ns, values = pending.value.stamp_ns, []
        self._lineage = {pending.topic.name: stamp_ns}
        for partner in missing:
            partner.missed += 1
            if partner.join.must:
                fault = 'F17' if partner.join.topic == ODOMETRY and not partner.began_after(stamp_ns) else ''
                self.drop(pending.topic, f'no {partner.join.topic.name} with its stamp', fault)
                return
            self.say(Level.WARN, f'went on without {partner.join.topic.name}')
        for partner in pending.partners:
            values.append(partner.values.get(stamp_ns))
            if values[-1] is not None:
                self._lineage[partner.join.topic.name] = stamp_ns
        start, _ = self._begin(pending.parts_ms)
        try:
            pending.step(pending.value, *values)
        except DataError as error:
            self.drop(pending.topic, str(error), error.fault)
            return
        spent_ms = pending.read_ms + (time.perf_counter() - start) * 1e3
        self.tell(Level.OK, '', stamp_ns, spent_ms, pending.parts_ms)

    def _begin(self, parts_ms: dict[str, float]) -> tuple[float, dict[str, float]]:
        """Return the clock, and where from now on it is noted how long parts take."""
        self._lapped_s, self._parts_ms = time.perf_counter(), parts_ms
        return self._lapped_s, parts_ms
