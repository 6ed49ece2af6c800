"""How well the far ring is told, counted cell by cell in bands of range."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.perception.bev import far_middles

BANDS_M = ((40.0, 80.0), (80.0, 150.0))
Counts = dict[str, tuple[float, float]]  # {figure: (part, whole)}, summed over sweeps
_RANGES_M = np.linalg.norm(far_middles(), axis=-1)


@dataclass(frozen=True, eq=False)
class FarTruth:
    """Of the cells of bev.FAR: height of the ground in base_link, NaN where not known; what stands; what is free."""

    ground_m: np.ndarray
    obstacle: np.ndarray
    free: np.ndarray


@dataclass(frozen=True, eq=False)
class FarAnswer:
    """Of the same cells: which are called an obstacle, which free, and how high the ground is (NaN: not told)."""

    obstacle: np.ndarray
    free: np.ndarray
    ground_m: np.ndarray


def counted(answer: FarAnswer, truth: FarTruth, asked: np.ndarray) -> Counts:
    """Return the counts of one sweep, of cells that are asked (X, Y) and whose truth is known."""
    counts: Counts = {}
    for low, high in BANDS_M:
        here = asked & np.isfinite(truth.ground_m) & (low <= _RANGES_M) & (high > _RANGES_M)
        band = f'range_{low:.0f}_{high:.0f}'
        stands, free = truth.obstacle[here], truth.free[here]
        said, called = answer.obstacle[here], answer.free[here]
        pairs = {
            'obstacle.recall': (said & stands, stands), 'obstacle.precision': (said & stands, said),
            'obstacle.iou': (said & stands, said | stands), 'free.precision': (called & free, called),
            'free.recall': (called & free, free), 'obstacle_called_free': (called & stands, stands),
            'cells': (here[here], here[here]),
        }  # fmt: skip
        counts |= {f'{band}.{name}': (float(part.sum()), float(whole.sum())) for name, (part, whole) in pairs.items()}
        off = np.abs(answer.ground_m - truth.ground_m)[here]
        told = np.isfinite(off)
        counts[f'{band}.height_mae_m'] = float(off[told].sum()), float(told.sum())
    return counts


def shares(told: Sequence[Counts]) -> dict[str, float]:
    """Return each figure over sweeps, where there is anything to tell; of cells how many there were."""
    figures = {}
    for name in told[0] if told else ():
        part, whole = (sum(counts[name][side] for counts in told) for side in (0, 1))
        if name.endswith('.cells'):
            figures[name] = whole
        elif whole:
            figures[name] = part / whole
    return figures
