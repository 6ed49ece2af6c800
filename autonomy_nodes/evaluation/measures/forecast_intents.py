"""How often the word is right for what a road user is about to do.

Of the stack what it tells, of other methods what their futures say. The words are read off what the recording then
shows by the rule of prediction/intents.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.objects import INTENTS
from autonomy_nodes.evaluation.measures.forecast_windows import OTHERS, Window
from autonomy_nodes.evaluation.measures.forecasts import Futures
from autonomy_nodes.evaluation.measures.task import Figures
from autonomy_nodes.messages.formats.trajectories import STEP_S
from autonomy_nodes.prediction.intents import HORIZON_S, chances_of, intents_of
from autonomy_nodes.prediction.tensors import KNOT_S

EACH, AHEAD = round(KNOT_S / STEP_S), round(HORIZON_S / STEP_S)


@dataclass(frozen=True, eq=False)
class Meant:
    """Of N targets: what they then did, and what a method said, places in INTENTS."""

    true: np.ndarray
    told: np.ndarray


def meant(window: Window, methods: Mapping[str, Futures], middles: np.ndarray | None) -> dict[str, Meant]:
    """Return what was meant and what each method told; middles: (M, 2) points of the middles of lanes."""
    true = _named(window, window.truth[:, None, 1:, :2], middles)[:, 0]
    found = {}
    for method, futures in methods.items():
        chances = futures.intents
        if chances is None:
            chances = chances_of(_named(window, futures.paths, middles), futures.odds)
        found[method] = Meant(true, chances.argmax(axis=1))
    return found


def _named(window: Window, paths: np.ndarray, middles: np.ndarray | None) -> np.ndarray:
    """Return (N, K) places in INTENTS of (N, K, 80, 2) futures."""
    count, modes = paths.shape[:2]
    knots = np.zeros((count, modes, AHEAD // EACH + 1, 3))
    knots[:, :, 0] = window.truth[:, None, 0]
    knots[:, :, 1:, :2] = paths[:, :, EACH - 1 : AHEAD : EACH]
    slow = np.isin(window.labels, list(OTHERS))
    return intents_of(knots, np.ones(knots.shape[:3], bool), KNOT_S, window.speeds_mps, slow, middles)


def figures(each: Mapping[str, Sequence[Meant]], prefixes: Mapping[str, str]) -> Figures:
    """Return the figures of methods; prefixes: what the names of their figures begin with.

    intent_accuracy: share of right words; intent_recall: the mean over words of the share that is found.
    """
    found: Figures = {}
    for method, marks in each.items():
        if not marks:
            continue
        true, told = (np.concatenate([getattr(mark, name) for mark in marks]) for name in ('true', 'told'))
        recalls = {
            name: float((told[true == place] == place).mean())
            for place, name in enumerate(INTENTS)
            if (true == place).any()
        }
        prefix = prefixes[method]
        found |= {f'{prefix}intent_accuracy': float((true == told).mean())}
        found |= {f'{prefix}intent_recall': float(np.mean(list(recalls.values())))}
        if not prefix:
            found |= {f'intent_{name}.recall': recall for name, recall in recalls.items()}
            found |= {f'n_intent_{name}': int((true == place).sum()) for place, name in enumerate(INTENTS)}
    return found
