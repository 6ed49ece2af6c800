"""Whether a vehicle may enter a cell, by all that both channels tell of it: a small perceptron on a network's card.

Neither channel knows it alone: the network sees what things are of, the geometric one how even the ground is at this
very place. What each is worth is measured in simulated places that the network never saw (training/calibrate_cells.py);
late fusion as of Platt's chances, with one hidden layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.perception.bev import PRIOR, TERRAIN

KEY = 'cells'  # in the card
SHAPES = ('slope', 'step', 'roughness', 'traversability', 'obstacle_height')  # of common/grid.py TERRAIN_LAYERS
FEATURES = (*(f'log_{name}' for name in TERRAIN), 'blocked', 'top', *PRIOR, *SHAPES)
_MOST = np.float32(7.0)  # logits and log chances are cut there
_FAR = np.float32(5.0)  # heights and shapes
_CLASSES, _SHAPES = len(TERRAIN), len(SHAPES)

Tables = tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]


@dataclass(frozen=True, eq=False)
class CellJudge:
    """Log odds that no vehicle may enter: second @ max(features @ first + bias, 0) + offset.

    first: (len(FEATURES), H). bias, second: (H,). All of them float32.
    """

    first: np.ndarray
    bias: np.ndarray
    second: np.ndarray
    offset: float

    def __post_init__(self) -> None:
        if self.first.ndim != 2 or len(self.first) != len(FEATURES):
            raise ValueError(f'first has shape {self.first.shape}, its rows must be of {", ".join(FEATURES)}')
        if not self.bias.shape == self.second.shape == self.first.shape[1:]:
            raise ValueError(f'bias {self.bias.shape}, second {self.second.shape}, first {self.first.shape} do not fit')
        if not all(np.isfinite(values).all() for values in (self.first, self.bias, self.second, self.offset)):
            raise ValueError('a weight is not finite')

    @cached_property
    def tables(self) -> Tables:
        """What `odds` takes after the features."""
        return self.first, self.bias, self.second, np.float32(self.offset)

    def card(self) -> dict[str, Any]:
        """Return what `judge_of` reads."""
        first = {name: _digits(row) for name, row in zip(FEATURES, self.first)}
        return {'first': first, 'bias': _digits(self.bias), 'second': _digits(self.second), 'offset': self.offset}


def _digits(values: np.ndarray) -> list[float]:
    return [float(f'{value:.9g}') for value in values]  # all that a float32 holds


def judge_of(card: Mapping[str, Any]) -> CellJudge | None:
    """Return what the card of a network tells, None of one without; raises SettingsError naming what is wrong."""
    if KEY not in card:
        return None
    try:
        told = card[KEY]
        if list(told['first']) != list(FEATURES):
            raise ValueError(f'first is of {", ".join(told["first"])}, not of {", ".join(FEATURES)}')
        rows = [*told['first'].values()], told['bias'], told['second']
        first, bias, second = (np.array(values, np.float32) for values in rows)
        return CellJudge(first, bias, second, float(told['offset']))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f'{KEY!r} on the card: {error}') from error


@njit(cache=True)
def features(
    terrain: np.ndarray, blocked: np.ndarray, top: np.ndarray, prior: np.ndarray, a: int, b: int, shift: np.float32,
    shapes: np.ndarray, i: int, j: int, row: np.ndarray,
) -> None:
    """Fill (len(FEATURES),) of one cell: (a, b) of what the network tells, (i, j) of the geometric shapes (5, X, Y).

    terrain: (7, A, B) logits, `shift` above the log chances. blocked, top: (A, B). prior: (3, A, B).
    """
    for k in range(_CLASSES):
        row[k] = max(terrain[k, a, b] - shift, -_MOST)
    row[_CLASSES] = min(max(blocked[a, b], -_MOST), _MOST)
    row[_CLASSES + 1] = min(max(top[a, b], -_FAR), _FAR)
    for k in range(3):
        row[_CLASSES + 2 + k] = min(max(prior[k, a, b], -_FAR), _FAR)
    for k in range(_SHAPES):
        value = shapes[k, i, j]
        row[_CLASSES + 5 + k] = min(max(value, -_FAR), _FAR) if value == value else np.float32(-1.0)


@njit(cache=True)
def odds(
    row: np.ndarray, first: np.ndarray, bias: np.ndarray, second: np.ndarray, offset: np.float32
) -> np.float32:  # fmt: skip
    """Return the log odds of one row of features."""
    hidden = bias.copy()
    for k in range(len(row)):
        for unit in range(len(hidden)):
            hidden[unit] += row[k] * first[k, unit]
    total = offset
    for unit in range(len(hidden)):
        total += second[unit] * max(hidden[unit], np.float32(0.0))
    return np.float32(total)
