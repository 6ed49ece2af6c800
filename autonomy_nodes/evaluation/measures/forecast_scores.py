"""How good futures are: errors of the best of six, misses, average precision, and whole scenes at once.

Definitions are those of Argoverse 2 (Wilson et al. 2021) and of the Waymo open motion data set (Ettinger et al. 2021).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.evaluation.measures.forecast_windows import KINDS, Window
from autonomy_nodes.evaluation.measures.forecasts import FUTURE, Futures
from autonomy_nodes.evaluation.measures.precision import Judged, average_precision
from autonomy_nodes.evaluation.measures.task import Figures
from autonomy_nodes.prediction.joint import touching_paths

HORIZONS = {'at_3s.': 30, 'at_5s.': 50, '': FUTURE, 'at_8s.': 80}  # steps
MISS_M = 2.0
ACROSS_M, ALONG_M = 2.2, 4.4  # Waymo's bounds of a hit, between those of 5 and 8 s
SLOW_MPS, FAST_MPS, SLOW_SHARE = 1.4, 11.0, 0.5  # of the bounds at low speeds
STANDS_M = 0.05  # a shorter step tells no heading
ROUNDS = 1000


@dataclass(frozen=True, eq=False)
class Marks:
    """Of N targets, by one method: ade, fde (N, 4) of the best future a horizon, NaN where the truth ends before.

    brier: (N,) fde at 6 s of the best, plus the square of what its odds lack to 1. hits: (N, K) near the truth at 6 s,
    and odds (N, K). Of the vehicles of each of W windows with two of them and more: sade, sfde, collided (W,).
    """

    ade: np.ndarray
    fde: np.ndarray
    brier: np.ndarray
    hits: np.ndarray
    odds: np.ndarray
    sade: np.ndarray
    sfde: np.ndarray
    collided: np.ndarray


def ranked(futures: Futures) -> np.ndarray:
    """Return (N, K) to which joint mode each future belongs: its own number, or, without joint modes, its rank."""
    if futures.scene is not None:
        return np.tile(np.arange(len(futures.scene)), (len(futures.paths), 1))
    return np.argsort(np.argsort(-futures.odds, axis=1, kind='stable'), axis=1, kind='stable')


def marks(window: Window, paths: np.ndarray, odds: np.ndarray, modes: np.ndarray) -> Marks:
    """Return the marks of raw answers: paths (N, K, 80, 2), odds (N, K), joint modes (N, K), 0 the likeliest."""
    errors = np.linalg.norm(paths - window.truth[:, None, 1:, :2], axis=3)  # (N, K, 80)
    ade = np.stack([errors[:, :, :steps].mean(axis=2).min(axis=1) for steps in HORIZONS.values()], axis=1)
    fde = np.stack([errors[:, :, steps - 1].min(axis=1) for steps in HORIZONS.values()], axis=1)
    best = np.argmin(errors[:, :, FUTURE - 1], axis=1)
    every = np.arange(len(paths))
    brier = errors[every, best, FUTURE - 1] + (1.0 - odds[every, best]) ** 2
    cars = window.vehicles
    sade, sfde, collided = (np.zeros(0) for _ in range(3))
    if cars.sum() > 1:
        order = np.argsort(modes, axis=1, kind='stable')
        joint = np.take_along_axis(errors[:, :, :FUTURE], order[:, :, None], axis=1)[cars]  # (V, K, 60)
        sade, sfde = joint.mean(axis=(0, 2)).min(keepdims=True), joint[:, :, -1].mean(axis=0).min(keepdims=True)
        collided = np.array([collides(window, paths[every, order[:, 0]])], float)
    return Marks(ade, fde, brier, near(window, paths), odds, sade, sfde, collided)


def near(window: Window, paths: np.ndarray) -> np.ndarray:
    """Return (N, K) whether futures end, after 6 s, within bounds across and along the true heading there."""
    truth = window.truth[:, None, FUTURE]
    gap = paths[:, :, FUTURE - 1] - truth[..., :2]
    cos, sin = np.cos(truth[..., 2]), np.sin(truth[..., 2])
    share = np.interp(window.speeds_mps, [SLOW_MPS, FAST_MPS], [SLOW_SHARE, 1.0])[:, None]
    across, along = gap[..., 1] * cos - gap[..., 0] * sin, gap[..., 0] * cos + gap[..., 1] * sin
    return (np.abs(across) <= ACROSS_M * share) & (np.abs(along) <= ALONG_M * share)


def collides(window: Window, paths: np.ndarray) -> bool:
    """Return whether two vehicles overlap within 6 s of (N, 80, 2) paths that do not in the recording."""
    cars = window.vehicles
    truth = np.ascontiguousarray(window.truth[cars, None, : FUTURE + 1])
    told = truth.copy()
    told[:, 0, 1:, :2] = paths[cars, :FUTURE]
    for step in range(1, FUTURE + 1):  # a path tells its headings by where it goes
        moved = told[:, 0, step, :2] - told[:, 0, step - 1, :2]
        goes = np.hypot(*moved.T) > STANDS_M
        told[:, 0, step, 2] = np.where(goes, np.arctan2(moved[:, 1], moved[:, 0]), told[:, 0, step - 1, 2])
    sizes = np.ascontiguousarray(window.sizes_m[cars])
    return bool((touching_paths(told, sizes) & ~touching_paths(truth, sizes)).any())


def mean_precision(hits: Sequence[np.ndarray], odds: Sequence[np.ndarray], kinds: np.ndarray) -> float:
    """Return the average precision, mean over the kinds of motion that occur; of two hits of one target one counts."""
    found = []
    for kind in range(len(KINDS)):
        judged = []
        for row in np.flatnonzero(kinds == kind).tolist():
            order = np.argsort(-odds[row], kind='stable')
            right = hits[row][order]
            right[np.argmax(right) + 1 :] = False
            judged.append(Judged(odds[row][order], right, 1, order, np.where(right, 0, -1)))
        if judged:
            found.append(average_precision(judged) / 100.0)
    return float(np.mean(found)) if found else float('nan')


def means(columns: Mapping[str, np.ndarray], which: np.ndarray) -> Figures:
    """Return the means of (N,) columns over the rows `which` (N,) that have a value; none where no row has."""
    found = {}
    for name, column in columns.items():
        values = column[which & np.isfinite(column)]
        if len(values):
            found[name] = float(values.mean())
    return found


def interval(values: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of (N,) `values`, groups (N,) of them drawn anew (Efron 1979)."""
    names, of = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of).astype(float)
    drawn = np.random.default_rng(seed).integers(0, len(names), (ROUNDS, len(names)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)
