"""How far the pose can be trusted: which state localization is in, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from autonomy_nodes.common.status import Level, Words
from autonomy_nodes.localization.odometry import Registration
from autonomy_nodes.localization.places import InMap


class State(Enum):
    """What localization can say."""

    INIT = 'INIT'  # no motion known yet: nothing is given
    NOMINAL = 'NOMINAL'
    DEAD_RECKONING = 'DEAD_RECKONING'  # carried forward without the LiDAR, for a while
    LOST = 'LOST'  # too long: nothing is given


LEVELS = {
    State.INIT: Level.WARN,
    State.NOMINAL: Level.OK,
    State.DEAD_RECKONING: Level.WARN,
    State.LOST: Level.ERROR,
}


LOST_REMEDY = 'wait, standing, until the LiDAR measures again: it goes on by itself; look at F02 and at `inliers`'


@dataclass(frozen=True)
class BlindLimits:
    """How long, and with wheels how far, the vehicle may go without a LiDAR measurement."""

    seconds: float
    metres: float


class Blindness:
    """Counts the way since the LiDAR last measured, and names the state."""

    def __init__(self, limits: BlindLimits) -> None:
        self.limits = limits
        self.restart()

    def restart(self) -> None:
        """Begin anew: nothing is known."""
        self.state, self.seconds, self.metres, self._wheels = State.INIT, 0.0, 0.0, True

    def seen(self) -> None:
        """Note a LiDAR measurement."""
        self.state, self.seconds, self.metres, self._wheels = State.NOMINAL, 0.0, 0.0, True

    def missed(self, seconds: float, metres: float, wheels: bool) -> None:
        """Note a step without one."""
        self.seconds, self.metres, self._wheels = self.seconds + seconds, self.metres + metres, self._wheels and wheels
        enough = self._wheels and self.metres <= self.limits.metres
        if self.state is not State.LOST:
            self.state = State.DEAD_RECKONING if enough or self.seconds <= self.limits.seconds else State.LOST


def words(
    stamp_ns: int, blindness: Blindness, found: Registration | None, in_map: InMap | None,
    sigma_m: float, driven_m: float, complaint: str,
) -> Words:  # fmt: skip
    """Return the integrity of one step; `sigma_m` is of the place in odom, after `driven_m`."""
    values: Mapping[str, str] = {
        'state': blindness.state.value,
        'map': 'known' if in_map else 'not known',
        'sigma_odom_m': f'{sigma_m:.3f}',
        'sigma_map_m': f'{in_map.sigma_m:.3f}' if in_map else 'inf',
        'sigma_heading_deg': f'{math.degrees(in_map.sigma_rad):.3f}' if in_map else 'inf',
        'places_agreeing': f'{in_map.agreeing:.3f}' if in_map else '0.000',
        'inliers': f'{found.fitting:.3f}' if found else '0.000',
        'weakest_sigma_m': f'{min(found.sigmas_m[-1], 999.0):.3f}' if found else '999.000',
        'degenerate_directions': str(found.degenerate) if found else '3',
        'driven_m': f'{driven_m:.1f}',
        'drift': f'{sigma_m / max(driven_m, 1.0):.5f}',
        'blind_s': f'{blindness.seconds:.2f}',
        'blind_m': f'{blindness.metres:.2f}',
    }
    if found and found.degenerate and not complaint:
        complaint = f'degenerate: {found.degenerate} directions not told by the LiDAR'
    if blindness.state is State.LOST:
        values = {**values, 'remedy': LOST_REMEDY}
    text = blindness.state.value + (f': {complaint}' if complaint else '')
    return Words(stamp_ns, 'localization', LEVELS[blindness.state], text, values)
