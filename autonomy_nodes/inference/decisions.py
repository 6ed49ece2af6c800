"""What the answers of an engine decide, and how much of it another engine decides otherwise.

A network in INT8 is off by some percent in every number and yet says the same: which cells are somebody's middle, which
may not be entered. So it is judged by what its answers decide. What that is, and how much of it may change, is told by
the card of the model, where `autonomy train quantise` writes it; this file knows no network.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.manifest import Manifest

Tensors = Mapping[str, np.ndarray]
Pairs = Sequence[tuple[Tensors, Tensors]]  # answers, and those of the reference
KINDS = ('above', 'largest', 'near')
CARD, RECORDED = 'precisions', 'recorded.npz'  # key of a card; inputs that were kept when the model was rounded


@dataclass(frozen=True)
class Decision:
    """One thing that an answer decides. output: of the network; channels: of its second axis, from and to.

    kind: `above`: a number is above `at` (one, or one a channel); counted are those of which either engine says so.
    `largest`: which channel is largest; every place counts. `near`: all channels are within `at` of the reference;
    places count where the decision named `where`, of kind above, is true of the reference in any channel, else all.
    most: share of the counted that may be decided otherwise in the long run.
    """

    name: str
    output: str
    kind: str
    most: float
    at: tuple[float, ...] = (0.0,)
    channels: tuple[int, int] = (0, 0)
    where: str = ''

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'kind={self.kind!r} of {self.name!r} must be one of {", ".join(KINDS)}')
        if not 0.0 < self.most < 1.0:
            raise ValueError(f'most={self.most} of {self.name!r} must lie between 0 and 1')

    def of(self, answer: Tensors) -> np.ndarray:
        """Return (1, channels, ...) what it looks at."""
        low, high = self.channels
        return answer[self.output][:, low : high or None]

    def told(self, answer: Tensors) -> np.ndarray:
        """Return which numbers are above the limit of their channel."""
        found: np.ndarray = self.of(answer) > _shaped(self.at, self.of(answer))
        return found


@dataclass(frozen=True)
class Changed:
    """What came out: the share of a decision that is otherwise, of how many, and how much may be in the long run.

    share: infinite where an answer is no number.
    """

    output: str
    share: float
    most: float
    count: int

    @property
    def limit(self) -> float:
        """How much may be otherwise of so many: two standard deviations of a draw more than in the long run."""
        return self.most + 2.0 * math.sqrt(self.most * (1.0 - self.most) / max(self.count, 1))

    @property
    def holds(self) -> bool:
        """Whether few enough are otherwise."""
        return self.share <= self.limit

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), 'limit': self.limit, 'holds': self.holds}

    def __str__(self) -> str:
        verdict = 'within' if self.holds else 'beyond'
        return f'{self.output}: {self.share:.1%} of {self.count} decided otherwise: {verdict} {self.limit:.1%}'


def changed(decisions: Sequence[Decision], pairs: Pairs) -> list[Changed]:
    """Return what two engines decide otherwise, a decision at a time, over all of their answers together."""
    named = {one.name: one for one in decisions}
    found = []
    for one in decisions:
        counts = np.zeros(2)
        for answer, reference in pairs:
            sound = np.isfinite(answer[one.output]).all()
            counts += _counted(one, named.get(one.where), answer, reference) if sound else (np.inf, 0.0)
        found.append(Changed(one.name, float(counts[0] / max(counts[1], 1.0)), one.most, int(counts[1])))
    return found


def decisions_of(manifest: Manifest, precision: str) -> tuple[Decision, ...]:
    """Return what decides of a model's file in a precision; SettingsError where its card does not tell."""
    try:
        rows = manifest.card[CARD][precision]['decisions']
        found = tuple(Decision(**{**row, 'at': tuple(row['at']), 'channels': tuple(row['channels'])}) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f'model {manifest.name!r}: its card does not tell what decides of {precision} ({error}); '
            f'run: autonomy train quantise --model {manifest.name} --precision {precision}'
        ) from error
    if unknown := sorted({one.output for one in found} - set(manifest.outputs)):
        raise SettingsError(
            f'model {manifest.name!r}: its card judges {precision} by {unknown}, which it does not give'
        )
    return found


def written(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Return decisions as a card holds them."""
    return [asdict(one) | {'at': list(one.at), 'channels': list(one.channels)} for one in decisions]


def write_recorded(folder: Path, feeds: Sequence[Tensors]) -> None:
    """Keep inputs in a model's folder, in half precision where that can tell them: the same for every engine anyway."""
    kept = {}
    for number, feed in enumerate(feeds):
        for name, value in feed.items():
            with np.errstate(over='ignore'):
                half = value.astype(np.float16)
            kept[f'{number}/{name}'] = half if np.isfinite(half).all() else value
    np.savez_compressed(folder / RECORDED, **kept)  # type: ignore[arg-type]


def recorded(folder: Path, manifest: Manifest) -> list[dict[str, np.ndarray]]:
    """Return the inputs that a model's folder keeps, none where its manifest tells of none."""
    if RECORDED not in manifest.files:
        return []
    feeds: dict[str, dict[str, np.ndarray]] = {}
    with np.load(folder / RECORDED, allow_pickle=False) as stored:
        for key in stored.files:
            number, _, name = key.partition('/')
            feeds.setdefault(number, {})[name] = stored[key].astype(np.float32)
    return list(feeds.values())


def _counted(one: Decision, where: Decision | None, answer: Tensors, reference: Tensors) -> tuple[float, float]:
    """Return how many are decided otherwise, and of how many."""
    if one.kind == 'above':
        ours, theirs = one.told(answer), one.told(reference)
        return float((ours != theirs).sum()), float((ours | theirs).sum())
    ours, theirs = one.of(answer), one.of(reference)
    if one.kind == 'largest':
        other = ours.argmax(axis=1) != theirs.argmax(axis=1)
    else:
        other = (np.abs(ours - theirs) > _shaped(one.at, ours)).any(axis=1)
    asked = np.ones(other.shape, bool) if where is None else where.told(reference).any(axis=1)
    return float((other & asked).sum()), float(asked.sum())


def _shaped(at: Sequence[float], value: np.ndarray) -> np.ndarray:
    return np.reshape(np.asarray(at, float), (1, -1, *(1,) * (value.ndim - 2)))
