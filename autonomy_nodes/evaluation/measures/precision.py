"""Average precision of detections: who is right is decided from the surest down, each label found once.

A detection is right when it is nearer than a distance to a label that no surer one found (as nuScenes does it, Caesar
et al. 2020), or overlaps it by enough, seen from above. AP is the mean of the best precision at recalls 1/40, 2/40,
..., 1 (Simonelli et al. 2019). What is not to be counted: labels left out, which may be found or not, and detections
that match none but one of those, or are marked as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.evaluation.measures.overlaps import flat_iou

POINTS, FEW = 40, 10
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
    """Of one frame: scores (K,) of the detections that count, right (K,), and how many labels were to be found.

    rows: (K,) which of `Scene.found` they are. met: (K,) which of `Scene.labels` each found, -1 where it is wrong.
    """

    scores: np.ndarray
    right: np.ndarray
    labels: int
    rows: np.ndarray
    met: np.ndarray


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
    rows, met = [], []
    for row in np.argsort(-scene.scores, kind='stable'):
        values = np.where(free, close[row], -np.inf) if close is not None else np.zeros(0)
        to_find = np.where(scene.left_out, -np.inf, values)
        if len(values) and to_find.max() >= 0.0:
            best = int(np.argmax(to_find))
            free[best] = False
            rows.append(int(row))
            met.append(best)
        elif not scene.quiet[row] and not (len(values) and values.max() >= 0.0):
            rows.append(int(row))
            met.append(-1)
    told, found = np.array(rows, int), np.array(met, int)
    return Judged(scene.scores[told].astype(float), found >= 0, int((~scene.left_out).sum()), told, found)


def between(scene: Scene, centre_xy: np.ndarray, least_m: float, most_m: float) -> Scene:
    """Return a scene in which only what lies so far from a centre counts; what is farther may be found or not."""
    far, there = (np.hypot(*(rows[:, :2] - centre_xy).T) for rows in (scene.labels, scene.found))
    return replace(
        scene,
        left_out=scene.left_out | (far < least_m) | (far >= most_m),
        quiet=scene.quiet | (there < least_m) | (there >= most_m),
    )


def _ranked(frames: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K,) scores from the surest down, how many are right so far, and where a threshold may lie."""
    scores = np.concatenate([frame.scores for frame in frames])
    right = np.concatenate([frame.right for frame in frames])
    order = np.argsort(-scores, kind='stable')
    last = np.append(np.diff(scores[order]) != 0.0, True)[: len(order)]  # equal scores are one threshold
    return scores[order], np.cumsum(right[order]), last


def average_precision(frames: Sequence[Judged]) -> float:
    """Return AP in per cent of frames together, NaN where nothing was to be found."""
    total = sum(frame.labels for frame in frames)
    if not total:
        return float('nan')
    _, hits, last = _ranked(frames)
    recall, precision = (hits / total)[last], (hits / np.arange(1, len(hits) + 1))[last]
    best = np.maximum.accumulate(precision[::-1])[::-1]
    wanted = np.arange(1, POINTS + 1) / POINTS
    at = np.searchsorted(recall, wanted - 1e-9)
    return 100.0 * float(np.append(best, 0.0)[at].mean())


def most_recall(frames: Sequence[Judged]) -> float:
    """Return how many of the labels were found at all, in per cent."""
    total = sum(frame.labels for frame in frames)
    return 100.0 * sum(int(frame.right.sum()) for frame in frames) / total if total else float('nan')


def most_recall_at(frames: Sequence[Judged], precision: float) -> tuple[float, float]:
    """Return the highest recall [%] at a precision of at least so much, and the score from which on that is so.

    Where no threshold is so precise, 0 and 1; NaN where nothing was to be found.
    """
    total = sum(frame.labels for frame in frames)
    if not total:
        return float('nan'), float('nan')
    scores, hits, last = _ranked(frames)
    good = np.flatnonzero(last & (hits >= precision * np.arange(1, len(hits) + 1)))
    return (100.0 * float(hits[good[-1]]) / total, float(scores[good[-1]])) if len(good) else (0.0, 1.0)


def share_interval(part: Sequence[int], whole: Sequence[int], seed: int, rounds: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of sum(part) / sum(whole), one entry a frame, in per cent.

    Frames are drawn anew; of fewer than FEW frames objects count as drawn one by one (Wilson 1927), which they are not:
    those of one place have much in common.
    """
    parts, wholes = np.array(part, float), np.array(whole, float)
    total = wholes.sum()
    if not total:
        return float('nan'), float('nan')
    if len(wholes) >= FEW:
        drawn = np.random.default_rng(seed).integers(0, len(wholes), (rounds, len(wholes)))
        some, all_ = parts[drawn].sum(axis=1), wholes[drawn].sum(axis=1)
        low, high = np.percentile(some[all_ > 0.0] / all_[all_ > 0.0], [2.5, 97.5])
        return 100.0 * float(low), 100.0 * float(high)
    share, z = parts.sum() / total, 1.96
    middle = (share + z**2 / (2.0 * total)) / (1.0 + z**2 / total)
    half = z * np.sqrt(share * (1.0 - share) / total + z**2 / (4.0 * total**2)) / (1.0 + z**2 / total)
    return 100.0 * max(float(middle - half), 0.0), 100.0 * min(float(middle + half), 1.0)


def interval(frames: Sequence[Judged], seed: int, rounds: int = 200) -> tuple[float, float]:
    """Return the 95 % interval of AP by drawing frames anew (Efron 1979)."""
    drawn = np.random.default_rng(seed).integers(0, len(frames), (rounds, len(frames)))
    values = [average_precision([frames[k] for k in which]) for which in drawn.tolist()]
    told = [value for value in values if np.isfinite(value)]
    if not told:
        return float('nan'), float('nan')
    low, high = np.percentile(told, [2.5, 97.5])
    return float(low), float(high)
