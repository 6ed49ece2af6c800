"""How the input of the network differs between two sets of sweeps, channel by channel and range by range.

Population stability index: sum of (p - q) ln(p / q) over bins that hold a tenth of the other set each; by custom below
0.1 is no drift and above 0.25 a clear one (Siddiqi 2006). KS: the largest distance of the two distribution functions
(Kolmogorov, Smirnov). Cells of one sweep, and sweeps of one drive, are alike: so what chance alone gives is measured,
by drawing the two sets anew from all sweeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.training.census.cards import Card
from autonomy_nodes.training.census.channels import BANDS, CHANNELS

MODERATE, CLEAR = 0.1, 0.25
_GROUPS, _ROUNDS = 10, 20
_MOSTLY, _FEWEST, _NAMED = 0.5, 20, 5
_BEYOND = (2.5, 97.5)  # percentiles of the other set's sweeps outside which a sweep is beyond it


@dataclass(frozen=True)
class Shift:
    """How one channel differs in one band of range.

    chance: PSI that one in twenty draws of the same sweeps exceed. here: median of the sweeps' means; low, there,
    high: the 5th, 50th and 95th percentile of those of the other set. beyond: share of sweeps whose mean is beyond
    all but a twentieth of the other set's, NaN where that has fewer than 20. level: none, moderate or clear.
    """

    channel: str
    band: str
    psi: float
    ks: float
    chance: float
    here: float
    low: float
    there: float
    high: float
    beyond: float
    level: str


def drift(cards: Sequence[Card], against: Sequence[Card], seed: int = 0) -> list[Shift]:
    """Return the shifts of all channels, the worst first."""
    counts, others = (np.stack([card.values.counts for card in side]).astype(np.float64) for side in (cards, against))
    means, their_means = (np.stack([card.values.means for card in side]) for side in (cards, against))
    chance = _by_chance(np.concatenate([counts, others]), len(cards), seed)
    total, theirs = counts.sum(axis=0), others.sum(axis=0)
    shifts = []
    for row, channel in enumerate(CHANNELS):
        for band, name in enumerate(BANDS):
            if total[row, band].sum() and theirs[row, band].sum():
                pair = total[row, band], theirs[row, band]
                psi, lucky = stability(*pair), float(chance[row, band])
                told = _means(channel, means[:, row, band], their_means[:, row, band])
                level = level_of(psi, lucky)
                shifts.append(Shift(channel, name, psi, distance(*pair), lucky, level=level, **told))
    return sorted(shifts, key=lambda shift: (-shift.psi, -shift.ks, shift.channel, shift.band))


def stability(counts: np.ndarray, others: np.ndarray) -> float:
    """Return the population stability index of two histograms (BINS,) over tenths of `others`.

    Where no more than ten bins hold anything, as of shares, these stay as they are.
    """
    share = np.cumsum(others)[:-1] / others.sum()
    group = np.concatenate([[0], np.floor(share * _GROUPS + 1e-9)]).astype(int)
    held = counts + others > 0.0
    if held.sum() <= _GROUPS:
        group = np.cumsum(held) * held
    group = np.unique(group, return_inverse=True)[1]
    p, q = (np.bincount(group, weights=side) + 0.5 for side in (counts, others))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def distance(counts: np.ndarray, others: np.ndarray) -> float:
    """Return the two-sample Kolmogorov-Smirnov distance of two histograms, 0 to 1."""
    return float(np.abs(np.cumsum(counts) / counts.sum() - np.cumsum(others) / others.sum()).max())


def level_of(psi: float, chance: float) -> str:
    """Return how large a drift is, in a word."""
    if psi < MODERATE or psi <= chance:
        return 'none'
    return 'clear' if psi >= CLEAR else 'moderate'


def verdict(shifts: Sequence[Shift]) -> str:
    """Return what it comes to in one or two sentences."""
    for level in ('clear', 'moderate'):
        met = [shift for shift in shifts if shift.level == level]
        if met:
            told = (f'{each.channel} at {each.band} (PSI {each.psi:.2f}, KS {each.ks:.2f})' for each in met[:3])
            words = f'{level} drift in {len(met)} of {len(shifts)} channels and ranges, the worst: {"; ".join(told)}'
            return f'{words}{_beyond(shifts)}.'
    return f'no drift in {len(shifts)} channels and ranges' + _beyond(shifts) + '.'


def _beyond(shifts: Sequence[Shift]) -> str:
    """Return where most sweeps of this set have hardly any like them in the other one."""
    met = sorted((each for each in shifts if each.beyond > _MOSTLY), key=lambda each: -each.beyond)
    told = [f'{each.channel} at {each.band} ({100 * each.beyond:.0f} %)' for each in met[:_NAMED]]
    more = f' and {len(met) - _NAMED} more' if len(met) > _NAMED else ''
    return f'. Most sweeps lie beyond the others in {", ".join(told)}{more}' if told else ''


def _by_chance(counts: np.ndarray, first: int, seed: int) -> np.ndarray:
    """Return (channels, bands) the PSI that a twentieth of the draws exceed, of as many sweeps on each side."""
    rng, found = np.random.default_rng(seed), []
    whole = counts.sum(axis=0)
    for _ in range(_ROUNDS):
        mine = counts[rng.permutation(len(counts))[:first]].sum(axis=0)
        found.append([[_or_zero(a, b) for a, b in zip(*rows)] for rows in zip(mine, whole - mine)])
    return np.asarray(np.percentile(found, 95, axis=0))


def _or_zero(counts: np.ndarray, others: np.ndarray) -> float:
    return stability(counts, others) if counts.sum() and others.sum() else 0.0


def _means(channel: str, here: np.ndarray, there: np.ndarray) -> dict[str, float]:
    here, there = here[np.isfinite(here)], there[np.isfinite(there)]
    if not len(here) or not len(there):
        return dict.fromkeys(('here', 'low', 'there', 'high', 'beyond'), float('nan'))
    least, most = np.percentile(there, _BEYOND)
    beyond = float(((here < least) | (here > most)).mean()) if len(there) >= _FEWEST else float('nan')
    told = np.median(here), *np.percentile(there, [5, 50, 95])
    plain = (float(np.expm1(value) if channel in ('count', 'before') else value) for value in told)
    return {**dict(zip(('here', 'low', 'there', 'high'), plain)), 'beyond': beyond}
