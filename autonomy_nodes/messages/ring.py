"""The last seconds of messages, in memory of a bounded size."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.topics import Topic

OVERHEAD_BYTES = 200  # of Python objects, a message
MOST_LATCHED = 16  # of one topic: /tf_static comes from several publishers


@dataclass(frozen=True)
class Heard:
    """A message and when it was received."""

    topic: Topic
    receive_ns: int
    data: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.data) + OVERHEAD_BYTES


class Ring:
    """Keeps messages for `seconds` [s], and no more of them than `most_bytes`: then the oldest go first.

    Messages are numbered from 0 on in order of receipt. lost: messages that went before their time, by topic.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._span_ns, self._most_bytes = round(seconds * SECOND_NS), most_bytes
        self._messages: deque[Heard] = deque()
        self._latched: dict[str, deque[Heard]] = {}
        self.lost: Counter[str] = Counter()
        self.first, self.bytes = 0, 0  # number of the oldest message that is there; what all take

    @property
    def end(self) -> int:
        """The number that the next message gets."""
        return self.first + len(self._messages)

    @property
    def seconds(self) -> float:
        """How far back it reaches [s]."""
        return (self._messages[-1].receive_ns - self._messages[0].receive_ns) / SECOND_NS if self._messages else 0.0

    def take(self, heard: Heard, needed: int | None = None) -> None:
        """Add a message, the newest. From number `needed` on messages may stay beyond their time; None: none may."""
        self._messages.append(heard)
        self.bytes += heard.size
        if heard.topic.qos == 'latched':
            same = self._latched.setdefault(heard.topic.name, deque(maxlen=MOST_LATCHED))
            if known := [each for each in same if each.data == heard.data]:
                same.remove(known[0])
            same.append(heard)
        while self._messages and self.bytes > self._most_bytes:
            gone = self._drop()
            if self._is_young(gone, heard.receive_ns) or (needed is not None and self.first > needed):
                self.lost[gone.topic.name] += 1
        keep = self.end if needed is None else needed
        while self.first < keep and self._messages and not self._is_young(self._messages[0], heard.receive_ns):
            self._drop()

    def at(self, number: int) -> Heard:
        """Return a message by its number, from `first` until before `end`."""
        return self._messages[number - self.first]

    def latched_before(self, receive_ns: int) -> Iterator[Heard]:
        """Yield the latched messages that came before this moment: who joins late gets them too."""
        for same in self._latched.values():
            yield from (heard for heard in same if heard.receive_ns < receive_ns)

    def clear(self) -> None:
        """Forget the messages, but not the latched ones: time jumped."""
        self.first, self.bytes = self.end, 0
        self._messages.clear()

    def _is_young(self, heard: Heard, now_ns: int) -> bool:
        return heard.receive_ns >= now_ns - self._span_ns

    def _drop(self) -> Heard:
        gone = self._messages.popleft()
        self.first += 1
        self.bytes -= gone.size
        return gone
