"""Which channel tells of objects: the learned one while it answers well, else the geometric one alone.

A step down is taken at the first answer that fails; back up it goes only after several good ones in a row, twice as
many after each step down, so that a network that fails now and then does not flicker.
"""

from dataclasses import dataclass
from enum import Enum


class Channel(Enum):
    """What is believed."""

    FUSED = 'fused'  # the network, which hears cameras too
    LEARNED = 'learned'
    GEOMETRIC = 'geometric'


@dataclass(frozen=True)
class LadderSettings:
    """good: answers in a row after which a channel that failed is believed again. most: at most so many.

    latest_s: a sweep so old when its turn comes is not given to the network: what is late already need not wait more.
    """

    good: int = 10
    most: int = 300
    latest_s: float = 0.25

    def __post_init__(self) -> None:
        if not 1 <= self.good <= self.most:
            raise ValueError(f'ladder.good={self.good} must lie between 1 and ladder.most={self.most}')
        if not self.latest_s > 0.0:
            raise ValueError(f'ladder.latest_s={self.latest_s} must be above 0')


class Ladder:
    """Counts answers, good and bad ones. Without a learned channel it stands on the lowest step for ever."""

    def __init__(self, settings: LadderSettings, has_learned: bool) -> None:
        self._settings, self._has_learned = settings, has_learned
        self.channel = Channel.LEARNED if has_learned else Channel.GEOMETRIC
        self._wanted, self._row = settings.good, 0

    def heard(self, good: bool) -> Channel:
        """Take one answer of the learned channel, and return who is believed from now on."""
        if not self._has_learned:
            return self.channel
        if not good:
            if self.channel is Channel.LEARNED:
                self.channel = Channel.GEOMETRIC
            elif self._row:
                self._wanted = min(2 * self._wanted, self._settings.most)
            self._row = 0
        elif self.channel is Channel.GEOMETRIC:
            self._row += 1
            if self._row >= self._wanted:
                self.channel, self._row = Channel.LEARNED, 0
        else:
            self._row += 1
            if self._row >= 10 * self._wanted:  # long enough to be trusted as at first
                self._wanted, self._row = self._settings.good, 0
        return self.channel
