"""What the vehicle would be told near itself: recall and precision at the thresholds that are shipped, class by class.

Labels within NEAR_M of the LiDAR with at least one point on them (`5points`: five) are to be found, within 2 m of their
middle, by what is most probably of their class. `half`: the most that can be found with a precision of one half, had
the threshold been chosen so on these very frames; the score where that is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.evaluation.measures.detected import GROUPS, Seen
from autonomy_nodes.evaluation.measures.precision import (
    Judged,
    Scene,
    between,
    judged,
    most_recall_at,
    share_interval,
    within,
)
from autonomy_nodes.evaluation.measures.task import Figures

NEAR_M, CLOSE_M, LEAST_PRECISION = 40.0, 2.0, 0.5
POINTS = {'': 1, '_5points': 5}
ALONE: dict[str, tuple[Label, ...]] = {
    'vehicle': GROUPS['vehicle'], 'pedestrian': (Label.PEDESTRIAN,), 'two_wheeler': (Label.BICYCLE, Label.MOTORCYCLE),
}  # fmt: skip


def told_figures(frames: Sequence[Seen], seed: int) -> Figures:
    """Return shares in per cent and counts; NaN where nothing was to be found, or nothing was told."""
    figures: Figures = {}
    for name, labels in ALONE.items():
        for suffix, points in POINTS.items():
            told = [judged(_near(seen, labels, points, shipped=True), within(CLOSE_M)) for seen in frames]
            right, whole = [int(each.right.sum()) for each in told], [each.labels for each in told]
            figures |= _share(f'{name}.told.recall_2m{suffix}', right, whole, seed)
            figures[f'n_{name}_labels_40m{suffix or "_1point"}'] = sum(whole)
            if not suffix:
                figures |= _share(f'{name}.told.precision_2m', right, [len(each.right) for each in told], seed)
                figures[f'n_{name}_told_40m'] = sum(len(each.right) for each in told)
        every = [judged(_near(seen, labels, 1, shipped=False), within(CLOSE_M)) for seen in frames]
        figures |= _at_half(name, every)
    return figures


def _at_half(name: str, every: Sequence[Judged]) -> Figures:
    recall, score = most_recall_at(every, LEAST_PRECISION)
    return {f'{name}.told.recall_2m_half': recall, f'{name}.told.score_half': score}


def _share(name: str, part: Sequence[int], whole: Sequence[int], seed: int) -> Figures:
    total = sum(whole)
    low, high = share_interval(part, whole, seed)
    return {name: 100.0 * sum(part) / total if total else float('nan'), f'{name}_low': low, f'{name}_high': high}


def _near(seen: Seen, labels: tuple[Label, ...], points: int, shipped: bool) -> Scene:
    scene = between(seen.scene(labels, shipped=shipped), seen.lidar_xy, 0.0, NEAR_M)
    few = seen.labels.points[np.isin(seen.labels.labels, labels)] < points
    return replace(scene, left_out=scene.left_out | few)
