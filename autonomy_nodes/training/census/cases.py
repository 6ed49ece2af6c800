"""Sweeps that are worth a look, ranked: rare ones, ones in which objects come and go, ones that channels dispute."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.training.census.cards import Card
from autonomy_nodes.training.census.rarity import rarities

ALIKE_S = 1.0
MEASURES = ('rare', 'unsteady', 'contradicted')


@dataclass(frozen=True, eq=False)
class Case:
    """A sweep that is worth a look. scores: by MEASURES, the higher the stranger. reasons: in words."""

    card: Card
    scores: dict[str, float]
    reasons: tuple[str, ...]


def corner_cases(cards: Sequence[Card], others: Sequence[Card] = ()) -> list[Case]:
    """Return the sweeps, the one most worth a look first: the best place in any of the rankings counts.

    Of sweeps of one drive within ALIKE_S the others come after all that tell more. others: what rarity is told by,
    where given; else the sweeps themselves.
    """
    far, words = rarities(cards, others or cards)
    cases = []
    for card, distance, word in zip(cards, far, words):
        doubts = card.doubts
        fickle, alone = len(doubts.appeared) + len(doubts.vanished), len(doubts.alone) + len(doubts.unexplained)
        scores = dict(zip(MEASURES, (float(distance), fickle**2 / max(doubts.asked, 1), float(alone))))
        cases.append(Case(card, scores, tuple(_reasons(card, distance, word))))
    places = []
    for name in MEASURES:
        values = np.array([case.scores[name] for case in cases])
        order = np.argsort(np.argsort(-values, kind='stable'), kind='stable')
        places.append(np.where(values > 0.0, order, len(cases)))
    best = np.argsort(np.min(places, axis=0), kind='stable')
    return _spread([cases[place] for place in best])


def _spread(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with those last that show what an earlier one shows, a moment before or after."""
    first, rest, taken = list[Case](), list[Case](), dict[str, list[int]]()
    for case in cases:
        card, stamps = case.card, taken.setdefault(case.card.drive, [])
        alike = any(0 < abs(card.stamp_ns - stamp) < ALIKE_S * SECOND_NS for stamp in stamps)
        (rest if alike else first).append(case)
        if not alike:
            stamps.append(card.stamp_ns)
    return first + rest


def _reasons(card: Card, distance: float, word: str) -> Iterator[str]:
    doubts = card.doubts
    yield f'rare: {distance:.1f} from its nearest neighbours; {word}'
    if len(doubts.appeared) + len(doubts.vanished):
        changes = f'{len(doubts.appeared)} objects appeared and {len(doubts.vanished)} vanished'
        yield f'unsteady: {changes} since the sweep before, of {doubts.asked}'
    if len(doubts.alone):
        yield f'contradicted: {len(doubts.alone)} boxes of the network where nothing stands'
    if len(doubts.unexplained):
        yield f'contradicted: {len(doubts.unexplained)} clusters like a road user that the network does not tell of'


def row_of(place: int, case: Case) -> dict[str, Any]:
    """Return a case as it is written."""
    told = {name: round(score, 4) for name, score in case.scores.items()}
    return {'place': place, 'name': case.card.name, 'drive': case.card.drive, 'stamp_ns': int(case.card.stamp_ns),
            'reasons': list(case.reasons), **told}  # fmt: skip
