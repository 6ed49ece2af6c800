"""How far a network's own words go: of each class, what its card says was measured in simulated places it never saw.

Existence: its log odds are divided by a temperature and shifted (Platt 1999, Guo et al. 2017), so that of what is told
with 0.7 seven in ten are there. Spread: told variances are scaled so that nine in ten middles lie within the ellipse
that is told for nine in ten (conformal prediction: Vovk et al. 2005). Support: what the geometric channel's opinion of
the same place is worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError, configured
from autonomy_nodes.perception.bev import CLASSES

KEY, SUPPORT = 'decode', 'support'  # in the card
_MOST_LOG_ODDS = 30.0


@dataclass(frozen=True)
class Confidence:
    """Of one class. least: existence below which nothing is told, after `temperature` and `offset`.

    spread_scale, heading_scale: by which variances of x and y, and of the heading, are multiplied.
    """

    least: float = 0.5
    temperature: float = 1.0
    offset: float = 0.0
    spread_scale: float = 1.0
    heading_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.least < 1.0:
            raise ValueError(f'least={self.least} must lie between 0 and 1')
        for name in ('temperature', 'spread_scale', 'heading_scale'):
            if not 0.0 < getattr(self, name) < 1e6:
                raise ValueError(f'{name}={getattr(self, name)} must lie above 0')
        if not abs(self.offset) < _MOST_LOG_ODDS:
            raise ValueError(f'offset={self.offset} must lie between -{_MOST_LOG_ODDS} and {_MOST_LOG_ODDS}')


@dataclass(frozen=True)
class Confidences:
    """Of all classes, by their names in bev.CLASSES; of those that are not there the plain one."""

    classes: dict[str, Confidence] = field(default_factory=dict)

    def column(self, name: str) -> np.ndarray:
        """Return (5,) one number of each class."""
        plain = Confidence()
        return np.array([getattr(self.classes.get(kind, plain), name) for kind in CLASSES])

    def believed(self, existence: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Return (N,) the chance that stands behind what the network says of a class: (N,) places in bev.CLASSES."""
        return chance(log_odds(existence) / self.column('temperature')[kinds] + self.column('offset')[kinds])

    def floors(self, least: np.ndarray) -> np.ndarray:
        """Return (5,) what the network must say, that an existence of `least` (5,) stands behind it."""
        return chance((log_odds(least) - self.column('offset')) * self.column('temperature'))


@dataclass(frozen=True)
class Support:
    """What the geometric channel adds to the network's word that there is somebody, on foot or on a bicycle.

    Log odds of somebody are own * the network's + geometric * those of the class of what stands there + offset; where
    nothing stands, `nothing` in place of the second. least: existence below which nobody is told. As it is here, the
    network is taken at its word.
    """

    own: float = 1.0
    geometric: float = 0.0
    nothing: float = 0.0
    offset: float = 0.0
    least: float = 0.0

    def __post_init__(self) -> None:
        if not (self.own > 0.0 and self.geometric >= 0.0):
            raise ValueError(f'own={self.own} must lie above 0, geometric={self.geometric} not below')
        if not (abs(self.nothing) < _MOST_LOG_ODDS and abs(self.offset) < _MOST_LOG_ODDS and 0.0 <= self.least < 1.0):
            raise ValueError(f'nothing={self.nothing}, offset={self.offset}, least={self.least} make no chance')

    def together(self, existence: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Return (N,) existence of (N,) that of the network and (N,) log odds of what stands there, NaN for nothing."""
        beside = np.where(np.isnan(word), self.nothing, self.geometric * np.nan_to_num(word))
        return chance(self.own * log_odds(existence) + beside + self.offset)


def support_of(card: Mapping[str, Any]) -> Support:
    """Return what the card of a network tells; raises SettingsError naming what is wrong."""
    try:
        found: Support = configured(Support, card.get(SUPPORT, {}))
    except (ValueError, AttributeError) as error:
        raise SettingsError(f'{SUPPORT!r} on the card: {error}') from error
    return found


def confidences_of(card: Mapping[str, Any]) -> Confidences:
    """Return what the card of a network tells; raises SettingsError naming what is wrong."""
    told = card.get(KEY, {})
    if not isinstance(told, Mapping) or not set(told) <= set(CLASSES):
        raise SettingsError(f'{KEY!r} on the card must hold some of {", ".join(CLASSES)}')
    try:
        found: Confidences = configured(Confidences, {'classes': told})
    except ValueError as error:
        raise SettingsError(f'{KEY!r} on the card: {error}') from error
    return found


def log_odds(chances: np.ndarray) -> np.ndarray:
    """Return (N,) of chances (N,); of 0 and 1 very far ones, that are finite."""
    kept = np.clip(chances, 1e-12, 1.0 - 1e-12)
    return np.log(kept / (1.0 - kept))


def chance(odds: np.ndarray) -> np.ndarray:
    """Return what `log_odds` undoes."""
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -_MOST_LOG_ODDS, _MOST_LOG_ODDS)))
