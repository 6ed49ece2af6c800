"""How far a sweep is from the others, and which of them are nearly the same.

Distance is that of Mahalanobis (1936), with the covariance drawn a little to that of independent features, so that few
sweeps give one too; a sweep is as rare as it is far from its nearest neighbours (Ramaswamy et al. 2000). Those of its
own place, and of the seconds around it in its own drive, do not count: they always are near.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.training.census.cards import Card, least_spread, plain

NEIGHBOURS, APART_S = 5, 5.0
SAME = 0.85  # share of what stands in either of two sweeps that stands in both, if they tell nothing new
MOST = 4000  # sweeps with which each is compared
_SHRUNK, _USUAL, _FARTHEST, _TOLD = 0.2, 2.0, 8.0, 3


@dataclass(frozen=True, eq=False)
class Space:
    """Sweeps as points whose distance tells how unlike they are.

    names: F features that all sweeps have. scaled: (N, F) as multiples of the usual spread about the median; usual:
    (F,) medians; white: (N, F) in which distances are those of Mahalanobis.
    """

    names: tuple[str, ...]
    scaled: np.ndarray
    usual: np.ndarray
    white: np.ndarray


def space(cards: Sequence[Card], among: Sequence[Card]) -> tuple[Space, Space]:
    """Return the sweeps of `cards` and of `among`, by which spread and covariance are told, in one space."""
    every = cards if among is cards else (*cards, *among)
    names = [name for name in cards[0].features if all(np.isfinite(card.features[name]) for card in every)]
    if among is not cards:  # people label here what they do not label there
        names = [name for name in names if not name.startswith('labelled')]
    mine, theirs = (np.array([[card.features[name] for name in names] for card in side]) for side in (cards, among))
    usual = np.median(theirs, axis=0)
    spread = 1.4826 * np.median(np.abs(theirs - usual), axis=0)
    spread = np.maximum(spread, [least_spread(name) for name in names])
    pair = [np.clip((side - usual) / spread, -_FARTHEST, _FARTHEST) for side in (mine, theirs)]
    usually = np.clip(pair[1], -_USUAL, _USUAL)  # or what is rare would make itself usual
    covariance = np.atleast_2d(np.cov(usually, rowvar=False, bias=True))
    values, vectors = np.linalg.eigh((1.0 - _SHRUNK) * covariance + _SHRUNK * np.eye(len(names)))
    whiten = vectors / np.sqrt(values)
    first, second = (Space(tuple(names), side, usual, side @ whiten) for side in pair)
    return first, second


def rarities(cards: Sequence[Card], among: Sequence[Card]) -> tuple[np.ndarray, list[str]]:
    """Return (N,) distance of each sweep from its nearest neighbours in `among`, and what is unusual in it, in words.

    `among` may be `cards` themselves.
    """
    if len(among) > MOST:
        among = among[:: -(-len(among) // MOST)]
    if len(among) < 2:
        return np.zeros(len(cards)), [''] * len(cards)
    mine, theirs = space(cards, among)
    found = np.zeros(len(cards))
    drives, stamps = np.array([card.drive for card in among]), np.array([card.stamp_ns for card in among])
    for row, card in enumerate(cards):
        away = cdist(mine.white[row : row + 1], theirs.white)[0]
        own = (drives == card.drive) & (np.abs(stamps - card.stamp_ns) < APART_S * SECOND_NS)
        rest = away[~own] if (~own).sum() else away[away > 0.0]
        found[row] = np.sort(rest)[:NEIGHBOURS].mean() if len(rest) else 0.0
    return found, [_reasons(mine, row, card.features) for row, card in enumerate(cards)]


def _reasons(where: Space, row: int, here: Mapping[str, float]) -> str:
    """Return what of a sweep differs most from the usual."""
    order = np.argsort(-np.abs(where.scaled[row]), kind='stable')[:_TOLD]
    return ', '.join(
        f'{name} {plain(name, here[name])} (usually {plain(name, where.usual[k])})'
        for k in order.tolist()
        for name in [where.names[k]]
    )


def same(cards: Sequence[Card]) -> tuple[list[list[str]], dict[str, str]]:
    """Return groups of names of sweeps that are equal point for point, and {name: an earlier one nearly the same}."""
    prints: dict[str, list[str]] = {}
    for card in cards:
        prints.setdefault(card.print, []).append(card.name)
    near: dict[str, str] = {}
    kept: list[int] = []  # of which none is nearly the same as another
    bits = np.stack([card.standing for card in cards]) if cards else np.zeros((0, 1), np.uint8)
    sums = _ONES[bits].sum(axis=1)
    for row, card in enumerate(cards):
        others = np.array(kept, int)
        both = _ONES[bits[others] & bits[row]].sum(axis=1, dtype=np.int64)
        either = np.maximum(sums[others] + sums[row] - both, 1)
        if len(others) and (both / either).max() >= SAME:
            near[card.name] = cards[kept[int(np.argmax(both / either))]].name
        else:
            kept = [*kept[-MOST:], row]
    return [names for names in prints.values() if len(names) > 1], near


_ONES = np.array([bin(value).count('1') for value in range(256)], np.int64)
