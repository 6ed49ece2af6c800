"""Stamps: does a stream go on as it should, and what belongs to which moment. No clock: time is what messages say."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

from autonomy_nodes.common.types import SECOND_NS, DataError

Value = TypeVar('Value')


class Flow(Enum):
    """How a message follows those before it."""

    FIRST = 'first'
    NEXT = 'next'
    JUMPED = 'jumped'  # the sender's time jumped, forward or back: what came before means nothing now


class Timeline:
    """Judges the stamps of one stream against one another.

    One odd stamp is a bad message; `believed` odd ones that follow one another well mean that time itself jumped
    (a bag that loops, a clock that was set, a sensor that was away).
    """

    def __init__(self, gap_s: float = 0.5, believed: int = 3) -> None:
        self.gap_ns, self.believed = round(gap_s * SECOND_NS), believed
        self.last_ns: int | None = None
        self._odd_ns, self._odd = 0, 0

    def judge(self, stamp_ns: int) -> Flow:
        """Return how the message follows; raises DataError with the reason where it must not be used."""
        if stamp_ns <= 0:
            raise DataError('zero stamp: the sender does not fill header.stamp', fault='F07')
        if self.last_ns is None:
            self.last_ns = stamp_ns
            return Flow.FIRST
        step_ns = stamp_ns - self.last_ns
        if step_ns == 0:
            raise DataError(f'duplicate stamp {stamp_ns}', fault='F05')
        if 0 < step_ns <= self.gap_ns:
            self.last_ns, self._odd = stamp_ns, 0
            return Flow.NEXT
        follows = self._odd > 0 and 0 < stamp_ns - self._odd_ns <= self.gap_ns
        self._odd_ns, self._odd = stamp_ns, self._odd + 1 if follows else 1
        if self._odd < self.believed:
            where, fault = ('out of order', 'F06') if step_ns < 0 else ('in the future', 'F07')
            raise DataError(f'stamp {where}: {step_ns / SECOND_NS:+.3f} s from the one before', fault)
        self.last_ns, self._odd = stamp_ns, 0
        return Flow.JUMPED


class StampBuffer(Generic[Value]):
    """The newest `size` values of one stream, sorted by stamp.

    A stamp more than `back_s` before the newest empties the buffer first: the clock went back. A clock that goes
    forward needs nothing, since whoever looks up says how far away a value may be.
    counts: 'duplicate' were refused, 'pushed_out' made room, 'flushed' were forgotten in a jump.
    """

    def __init__(self, size: int, back_s: float = 1.0) -> None:
        if size < 1:
            raise ValueError(f'size={size} must be 1 or more')
        self.size, self.back_ns = size, round(back_s * SECOND_NS)
        self.counts: Counter[str] = Counter()
        self._stamps: list[int] = []
        self._values: dict[int, Value] = {}

    def __len__(self) -> int:
        return len(self._stamps)

    @property
    def newest_ns(self) -> int | None:
        """The greatest stamp, None while empty."""
        return self._stamps[-1] if self._stamps else None

    def add(self, stamp_ns: int, value: Value) -> None:
        """Keep a value; messages may come out of order."""
        if self._stamps and stamp_ns < self._stamps[-1] - self.back_ns:
            self.flush()
        if stamp_ns in self._values:
            self.counts['duplicate'] += 1
            return
        insort(self._stamps, stamp_ns)
        self._values[stamp_ns] = value
        if len(self._stamps) > self.size:
            del self._values[self._stamps.pop(0)]
            self.counts['pushed_out'] += 1

    def flush(self) -> None:
        """Forget all values."""
        self.counts['flushed'] += len(self._stamps)
        self._stamps.clear()
        self._values.clear()

    def at(self, stamp_ns: int) -> Value | None:
        """Return the value of exactly this stamp."""
        return self._values.get(stamp_ns)

    def nearest(self, stamp_ns: int, within_s: float) -> Value | None:
        """Return the value nearest in time and at most `within_s` away; of two equally near the earlier."""
        place = bisect_left(self._stamps, stamp_ns)
        near = self._stamps[max(place - 1, 0) : place + 1]
        best = min(near, key=lambda each: (abs(each - stamp_ns), each), default=None)
        if best is None or abs(best - stamp_ns) > within_s * SECOND_NS:
            return None
        return self._values[best]

    def between(self, after_ns: int, until_ns: int) -> list[Value]:
        """Return values with after < stamp <= until, oldest first."""
        chosen = self._stamps[bisect_right(self._stamps, after_ns) : bisect_right(self._stamps, until_ns)]
        return [self._values[stamp] for stamp in chosen]

    def interpolated(self, stamp_ns: int, blend: Callable[[Value, Value, float], Value], gap_s: float) -> Value | None:
        """Return `blend(before, after, share)` with share in 0..1, None outside the buffer or in a gap over `gap_s`."""
        if (exact := self._values.get(stamp_ns)) is not None:
            return exact
        place = bisect_left(self._stamps, stamp_ns)
        if place in (0, len(self._stamps)):
            return None
        before_ns, after_ns = self._stamps[place - 1 : place + 1]
        if after_ns - before_ns > gap_s * SECOND_NS:
            return None
        share = (stamp_ns - before_ns) / (after_ns - before_ns)
        return blend(self._values[before_ns], self._values[after_ns], share)
