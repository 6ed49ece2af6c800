"""Steps that wait for their partners: the messages of other topics with the stamp of their trigger."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.port import Join

KEPT = 32  # partners kept by stamp; at 10 Hz more than any wait
GIVEN_UP = 5  # joins in a row that a partner may miss before it is no longer waited for


class Partner:
    """Messages of one joined topic by stamp."""

    def __init__(self, join: Join) -> None:
        self.join, self.missed, self.heard, self.newest_ns = join, 0, False, -1
        self.values: OrderedDict[int, Any] = OrderedDict()

    def keep(self, value: Any) -> None:
        """Remember a message; the oldest one makes room."""
        self.values[value.stamp_ns] = value
        self.heard, self.missed, self.newest_ns = True, 0, value.stamp_ns
        while len(self.values) > KEPT:
            self.values.popitem(last=False)

    def forget(self) -> None:
        """Forget what came before a pause or a jump of time."""
        self.values.clear()
        self.newest_ns = -1

    def began_after(self, stamp_ns: int) -> bool:
        """Return whether all that came is newer: the one of this stamp was never sent, nothing is lost."""
        return bool(self.values) and min(self.values) > stamp_ns

    @property
    def wanted(self) -> bool:
        """Whether a step shall have it: it must, or it came before and not too long ago."""
        return self.join.must or (self.heard and self.missed < GIVEN_UP)


@dataclass(frozen=True)
class Pending:
    """A step that waits for its partners. parts_ms: how long what is over took, by name."""

    topic: Topic
    value: Any
    step: Callable[..., None]
    partners: Sequence[Partner]
    since_ns: int
    read_ms: float
    parts_ms: dict[str, float] = field(default_factory=dict)

    def missing(self) -> list[Partner]:
        """Return the partners that are wanted and not there."""
        return [p for p in self.partners if p.wanted and self.value.stamp_ns not in p.values]

    def left_ns(self, missing: Sequence[Partner], now_ns: int) -> int:
        """Return how long one of them may still be waited for, 0 where for none.

        Of a partner of which a newer one is there, this one will not come any more: messages of a topic come in order.
        """
        coming = [p for p in missing if p.newest_ns <= self.value.stamp_ns]
        waits = (self.since_ns + round(p.join.patience_s * SECOND_NS) - now_ns for p in coming)
        return min((left for left in waits if left > 0), default=0)
