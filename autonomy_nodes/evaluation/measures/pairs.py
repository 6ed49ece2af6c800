"""Two ways tried on the same things, one by one: by how much they differ, and how sure that is.

Things that seldom happen make the usual interval of a share too narrow: resampling what never happened gives one of no
width. The exact one is right at least as often as it says, however few there are (Clopper and Pearson 1934).
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

SURE = 0.95


def share_interval(count: int, of: int, sure: float = SURE) -> tuple[float, float]:
    """Return the interval of a share of which `count` of `of` were seen, by Clopper and Pearson."""
    left = (1.0 - sure) / 2.0
    low = float(beta.ppf(left, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1.0 - left, count + 1, of - count)) if count < of else 1.0
    return low, high


def exact_difference(only_first: int, only_second: int, of: int, sure: float = SURE) -> tuple[float, float]:
    """Return the interval of the share in the first way less that in the second.

    only_first, only_second: pairs in which it happened in one way alone. Each of their two shares is held in an
    interval that fails half as often as may be (Bonferroni); together they bound the difference.
    """
    first, second = (share_interval(count, of, (1.0 + sure) / 2.0) for count in (only_first, only_second))
    return first[0] - second[1], first[1] - second[0]


def ratio_interval(
    first: Sequence[float], second: Sequence[float], seed: int, rounds: int = 1000
) -> tuple[float, float]:
    """Return the interval of the sum of the first by that of the second, by pairs drawn anew; NaN where that is 0."""
    drawn = np.random.default_rng(seed).integers(0, len(first), (rounds, len(first)))
    above, below = (np.asarray(values, float)[drawn].sum(axis=1) for values in (first, second))
    if not len(first) or not (below > 0.0).all():
        return float('nan'), float('nan')
    low, high = np.percentile(above / below, [2.5, 97.5])
    return float(low), float(high)
