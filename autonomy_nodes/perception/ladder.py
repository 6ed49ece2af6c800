"""The ladder of perception: all sensors, LiDAR alone, cameras alone, the geometric channel; and how fast on each rung.

A step down is taken at the first answer that fails, or when no sweep comes any more; back up it goes only after several
good ones in a row, twice as many after each step down, so that what fails now and then does not flicker. While sweeps
come they are perceived, if need be by the geometric channel: what is measured goes before what pictures make believe.
"""

import math
from dataclasses import dataclass, field
from enum import Enum

from autonomy_nodes.common.types import SECOND_NS

_APART_NS = SECOND_NS // 20  # pictures of several cameras so near in time are of one moment


class Channel(Enum):
    """What is believed: the rungs."""

    FUSED = 'fused'  # the network, which hears cameras too
    LEARNED = 'learned'
    CAMERAS = 'cameras'  # no sweeps
    GEOMETRIC = 'geometric'


@dataclass(frozen=True)
class CapSettings:
    """How fast the vehicle may drive on a rung below the best that it has [m/s].

    learned_mps: cameras lost. geometric_mps: the network lost. cameras_mps: no LiDAR, lost or never had: what pictures
    tell of the ground ends 40 m ahead, and a network that never saw a place is wrong there more often than a LiDAR.
    """

    learned_mps: float = 22.0
    geometric_mps: float = 14.0
    cameras_mps: float = 5.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0.0:
                raise ValueError(f'ladder.caps.{name}={value} must be above 0')


@dataclass(frozen=True)
class LadderSettings:
    """good: answers in a row after which a channel that failed is believed again. most: at most so many.

    latest_s: a sweep so old when its turn comes is not given to the network: what is late already need not wait more.
    silent_s: so long after the last sweep came pictures are perceived by themselves. by_cameras: whether they are at
    all; else nothing is told without sweeps, and safety stops the vehicle.
    """

    good: int = 10
    most: int = 300
    latest_s: float = 0.25
    silent_s: float = 0.25
    by_cameras: bool = True
    caps: CapSettings = field(default_factory=CapSettings)

    def __post_init__(self) -> None:
        if not self.silent_s > 0.0:
            raise ValueError(f'ladder.silent_s={self.silent_s} must be above 0')
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


class Sweeps:
    """Whether sweeps come, by the time at which they do. Without pictures to fall back on they are always believed.

    Once pictures had to stand in, sweeps are fully believed again only after good ones in a row; see `Ladder`.
    """

    def __init__(self, settings: LadderSettings, has_lidar: bool, has_cameras: bool) -> None:
        self._settings, self._has_lidar = settings, has_lidar
        self._falls_back = has_cameras and settings.by_cameras
        self._ladder = Ladder(settings, has_lidar)
        self._came_ns: int | None = None
        self._looked_ns: int | None = None

    @property
    def believed(self) -> bool:
        """Whether the vehicle may drive as one that has a LiDAR."""
        return not self._falls_back or self._ladder.channel is Channel.LEARNED

    def came(self, now_ns: int) -> None:
        """Note that a sweep has come."""
        last_ns, self._came_ns = self._came_ns, now_ns
        late = last_ns is not None and not 0 <= now_ns - last_ns <= self._silent_ns
        if not self.believed or not late:  # a gap that no picture had to fill costs nothing
            self._ladder.heard(not late)

    def alone(self, stamp_ns: int, now_ns: int) -> bool:
        """Return whether a picture that came now is to be perceived by itself: once a moment, and only without sweeps.

        Before the first sweep nothing is lost: the LiDAR may start later than cameras do.
        """
        last_ns = self._looked_ns
        of_that_moment = last_ns is not None and -SECOND_NS < stamp_ns - last_ns < _APART_NS  # or of a slower camera
        if of_that_moment or not self._falls_back:
            return False
        return not self._has_lidar or (self._came_ns is not None and now_ns - self._came_ns > self._silent_ns)

    def looked(self, stamp_ns: int) -> None:
        """Note that pictures of a moment stood in for a sweep."""
        self._looked_ns = stamp_ns
        self._ladder.heard(False)

    @property
    def _silent_ns(self) -> int:
        return round(self._settings.silent_s * SECOND_NS)


def cap_mps(rung: Channel, best: Channel, sweeps_believed: bool, caps: CapSettings) -> float:
    """Return how fast one may drive on a rung [m/s], inf for no limit. best: the rung where all that it has works."""
    limits = {
        Channel.FUSED: math.inf,
        Channel.LEARNED: caps.learned_mps,
        Channel.GEOMETRIC: caps.geometric_mps,
        Channel.CAMERAS: caps.cameras_mps,
    }
    below = limits[rung] if rung is not best else math.inf
    return below if sweeps_believed else min(below, caps.cameras_mps)
