"""What a stage is and what connects it, free of rclpy: its wiring is written once, for the vehicle and for replay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from autonomy_nodes.common.status import Level
from autonomy_nodes.messages.topics import Topic

Value = TypeVar('Value')
JOIN_WAIT_S = 0.02
MUST_WAIT_S = 0.3  # nothing can be done without it, so nothing is lost by waiting


@dataclass(frozen=True)
class Join:
    """A partner of a step: the message on `topic` with the stamp of the trigger.

    A partner that was heard before is waited for, `wait_s` at most; then the step runs without it and says so.
    One that was never heard, such as of a map where there is none, is not waited for.
    """

    topic: Topic
    read: Callable[[bytes], Any]
    wait_s: float = JOIN_WAIT_S
    must: bool = False  # without it the trigger is dropped, after MUST_WAIT_S

    @property
    def patience_s(self) -> float:
        """How long the partner is waited for."""
        return MUST_WAIT_S if self.must else self.wait_s


class Publisher(Protocol):
    """Sends messages of one topic."""

    def publish(self, data: bytes) -> None:
        """Send the CDR of one message; only a step, a tick, or `activated` may call it."""

    def wanted(self) -> bool:
        """Return whether somebody listens."""


class Port(Protocol):
    """All that a stage sees of the outside: rclpy in nodes/stage.py, a player in evaluation/lockstep.py.

    Every message is its CDR bytes; `read` makes a value of it, with `stamp_ns`, or raises DataError.
    """

    def trigger(
        self, topic: Topic, read: Callable[[bytes], Any], step: Callable[..., None], join: Sequence[Join] = (),
        when: Callable[[Any], bool] | None = None,
    ) -> None:  # fmt: skip
        """Call `step(value, *partners)` with each message of a main input; a partner that is missing is None.

        when: asked of each value as it comes: one of which it says no is no step, and nothing is reported for it.
        """

    def latest(self, topic: Topic, read: Callable[[bytes], Value]) -> Callable[[], Value | None]:
        """Return a function that gives the newest value of `topic`, None before the first, without waiting."""

    def since(self, topic: Topic, read: Callable[[bytes], Value]) -> Callable[[], list[Value]]:
        """Return a function that gives all values since it was last called, oldest first; bounded, drops counted."""

    def each(self, topic: Topic, read: Callable[[bytes], Value], take: Callable[[Value], None]) -> None:
        """Call `take` with every message at once, as a note that is no step: nothing is reported for it."""

    def every(self, period_s: float, tick: Callable[[int], int | None]) -> None:
        """Call `tick(now_ns)` each `period_s` of the node's clock, while active.

        What it says is told with the stamp that it returns, with now where it returns None.
        """

    def activated(self, start: Callable[[], None]) -> None:
        """Call `start` on activation, after publishers open: for what is published once (latched topics)."""

    def publisher(self, topic: Topic) -> Publisher:
        """Return what sends on `topic`."""

    def switch(self, name: str, handle: Callable[[bool], tuple[bool, str]]) -> None:
        """Offer a service of type std_srvs/SetBool; `handle(wanted)` returns (success, message)."""

    def request(self, name: str) -> Callable[[bool, Callable[[bool, str], None]], bool]:
        """Return a function that asks the switch `name` of another node: `ask(wanted, answered)`.

        `answered(success, message)` is called when the answer comes. Returns False where nobody offers the switch yet.
        """

    def now_ns(self) -> int:
        """Return the node's clock."""

    def lap(self, part: str) -> None:
        """Note that a part of a step, or of the reading before it, is over: its status tells how long it took."""

    def finish(self) -> None:
        """Ask the process to end in good order: a simulation or a recording is over."""

    def say(self, level: Level, text: str, **values: str) -> None:
        """Put words into the status of this step: the worst level counts, texts and values are joined.

        Words of Level.ERROR have a value `remedy`: what to do.
        """


class Stage:
    """A node without ROS. It sets `name` and `config_type`, writes `build` and its steps, and no more."""

    name: str
    config_type: type

    def build(self, port: Port, config: Any) -> None:
        """Create the algorithm, then call `trigger`, `latest`, `publisher`, ... Runs in configure."""
        raise NotImplementedError

    def free(self) -> None:
        """Free what `build` took, such as GPU memory. Runs in cleanup and in shutdown."""
