"""Matching of several sensors by stamp, for a main sensor that sets the pace and others that help."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from autonomy_nodes.common.timing import StampBuffer


class Stamped(Protocol):
    """Anything that belongs to a moment."""

    @property
    def stamp_ns(self) -> int:
        """The moment."""


Value = TypeVar('Value', bound=Stamped)


class Companions(Generic[Value]):
    """The newest messages of each helping sensor.

    It waits for nothing: a companion that has not come when the main sensor triggers is missing in that step.
    Clock jumps are survived: a jump back empties the buffer, after a jump forward the old values are too far away.
    """

    def __init__(self, names: Sequence[str], kept: int = 8) -> None:
        self.buffers: dict[str, StampBuffer[Value]] = {name: StampBuffer(kept) for name in names}

    def add(self, name: str, value: Value | None) -> None:
        """Keep a message; None and one that is there already are passed over."""
        if value is not None and self.buffers[name].at(value.stamp_ns) is None:
            self.buffers[name].add(value.stamp_ns, value)

    def flush(self) -> None:
        """Forget all."""
        for buffer in self.buffers.values():
            buffer.flush()

    def match(self, stamp_ns: int, within_s: float) -> dict[str, Value | None]:
        """Return for each name the message nearest to the stamp, None where none is near enough."""
        return {name: buffer.nearest(stamp_ns, within_s) for name, buffer in self.buffers.items()}

    def age_s(self, name: str, stamp_ns: int) -> float | None:
        """Return how much older than the stamp the newest message is; None where there never was one."""
        newest_ns = self.buffers[name].newest_ns
        return None if newest_ns is None else (stamp_ns - newest_ns) / 1e9
