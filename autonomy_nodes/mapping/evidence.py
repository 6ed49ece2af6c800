"""What passing by says about a thing of the map: evidence per traversal, not per frame.

Frames of one traversal share their causes (a parked car, wet paint), so a traversal speaks once: with a share it was
hidden all the time though nothing showed it, and with a share something else was taken for it. Rates of detection
are Beta-distributed, so that worn paint that is found in half of the frames is no evidence of a change.
"""

from dataclasses import dataclass
from math import exp, lgamma, log


@dataclass(frozen=True)
class EvidenceConfig:
    """Rates by which evidence is weighed; each `_rate` is a mean with `_frames` telling how sure it is.

    present: prior that an element of the map is still there. born: prior that an unmatched thing is a new element.
    hidden: share of traversals on which it was hidden and nobody noticed. clutter: share on which something else
    is taken for it.
    """

    present: float = 0.95
    born: float = 0.01
    hidden: float = 0.04
    clutter: float = 0.07
    found_rate: float = 0.67
    found_frames: float = 6.0
    false_rate: float = 0.05
    false_frames: float = 20.0
    clutter_rate: float = 0.35
    clutter_frames: float = 10.0

    def __post_init__(self) -> None:
        for name in ('present', 'born', 'hidden', 'clutter', 'found_rate', 'false_rate', 'clutter_rate'):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        for name in ('found_frames', 'false_frames', 'clutter_frames'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')


def ratio(matched: int, frames: int, config: EvidenceConfig) -> float:
    """Return the log likelihood ratio of one traversal for 'it is there' against 'it is not'."""
    found = _likelihood(matched, frames, config.found_rate, config.found_frames)
    missing = _likelihood(matched, frames, config.false_rate, config.false_frames)
    clutter = _likelihood(matched, frames, config.clutter_rate, config.clutter_frames)
    there = _mixed(found, missing, config.hidden)
    return there - _mixed(missing, clutter, config.clutter)


def odds(probability: float) -> float:
    """Return the log odds of a probability."""
    return log(probability / (1.0 - probability))


def probability(log_odds: float) -> float:
    """Return the probability of log odds."""
    return 1.0 / (1.0 + exp(-log_odds)) if log_odds > -700.0 else 0.0


def _likelihood(matched: int, frames: int, rate: float, weight: float) -> float:
    """Return the logarithm of the beta-binomial likelihood, without the binomial coefficient, which cancels."""
    a, b = rate * weight, (1.0 - rate) * weight
    return _beta(a + matched, b + frames - matched) - _beta(a, b)


def _beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _mixed(first: float, second: float, share: float) -> float:
    """Return the logarithm of a mixture of two, with `share` of the second."""
    one, two = first + log(1.0 - share), second + log(share)
    top = max(one, two)
    return top + log(exp(one - top) + exp(two - top))
