"""Average precision of detections: who is right is decided from the surest down, each label found once.

A detection is right when it is nearer than a distance to a label that no surer one found (as nuScenes does it, Caesar
et al. 2020), or overlaps it by enough, seen from above. AP is the mean of the best precision at recalls 1/40, 2/40,
..., 1 (Simonelli et al. 2019). What is not to be counted: labels left out, which may be found or not, and detections
that match none but one of those, or are marked as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.evaluation.measures.overlaps import flat_iou

POINTS = 40
Closeness = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Scene:
    """One frame. labels: (G, 5) x y length width heading; left_out: (G,). found: (D, 5); scores, quiet: (D,).

    quiet: those that count only where they are right.
    """

    labels: np.ndarray
    left_out: np.ndarray
    found: np.ndarray
    scores: np.ndarray
    quiet: np.ndarray


@dataclass(frozen=True, eq=False)
class Judged:
    """Of one frame: scores (K,) of the detections that count, right (K,), and how many labels were to be found."""

    scores: np.ndarray
    right: np.ndarray
    labels: int


def within(most_m: float) -> Closeness:
    """Return what gives (D, G) how much nearer than most_m the middles are, below 0 where they are not."""
    return lambda found, labels: most_m - np.hypot(*(found[:, None, :2] - labels[None, :, :2]).transpose(2, 0, 1))


def overlapping(least: float) -> Closeness:
    """Return what gives (D, G) by how much intersection over union, seen from above, exceeds `least`."""
    return lambda found, labels: flat_iou(found, labels) - least


def judged(scene: Scene, closeness: Closeness) -> Judged:
    """Decide which detections of a frame are right; equal scores in the order in which they are given."""
    close = closeness(scene.found, scene.labels) if len(scene.found) and len(scene.labels) else None
    free = np.ones(len(scene.labels), bool)
    scores, right = [], []
    for row in np.argsort(-scene.scores, kind='stable'):
        values = np.where(free, close[row], -np.inf) if close is not None else np.zeros(0)
        to_find = np.where(scene.left_out, -np.inf, values)
        if len(values) and to_find.max() >= 0.0:
            free[np.argmax(to_find)] = False
            scores.append(float(scene.scores[row]))
            right.append(True)
        elif not scene.quiet[row] and not (len(values) and values.max() >= 0.0):
            scores.append(float(scene.scores[row]))
            right.append(False)
    return Judged(np.array(scores), np.array(right, bool), int((~scene.left_out).sum()))


def average_precision(frames: Sequence[Judged]) -> float:
    """Return AP in per cent of frames together, NaN where nothing was to be found."""
    total = sum(frame.labels for frame in frames)
    if not total:
        return float('nan')
    scores = np.concatenate([frame.scores for frame in frames])
    right = np.concatenate([frame.right for frame in frames])
    order = np.argsort(-scores, kind='stable')
    hits = np.cumsum(right[order])
    last = np.append(np.diff(scores[order]) != 0.0, True)[: len(order)]  # equal scores are one threshold
    recall, precision = (hits / total)[last], (hits / np.arange(1, len(hits) + 1))[last]
    best = np.maximum.accumulate(precision[::-1])[::-1]
    wanted = np.arange(1, POINTS + 1) / POINTS
    at = np.searchsorted(recall, wanted - 1e-9)
    return 100.0 * float(np.append(best, 0.0)[at].mean())


def most_recall(frames: Sequence[Judged]) -> float:
    """Return how many of the labels were found at all, in per cent."""
    total = sum(frame.labels for frame in frames)
    return 100.0 * sum(int(frame.right.sum()) for frame in frames) / total if total else float('nan')


def interval(frames: Sequence[Judged], seed: int, rounds: int = 200) -> tuple[float, float]:
    """Return the 95 % interval of AP by drawing frames anew (Efron 1979)."""
    drawn = np.random.default_rng(seed).integers(0, len(frames), (rounds, len(frames)))
    values = [average_precision([frames[k] for k in which]) for which in drawn.tolist()]
    told = [value for value in values if np.isfinite(value)]
    if not told:
        return float('nan'), float('nan')
    low, high = np.percentile(told, [2.5, 97.5])
    return float(low), float(high)
