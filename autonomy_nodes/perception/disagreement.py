"""How far the network and the geometric channel disagree: a sign that what is seen is unlike all it learned from.

A cluster that stands where the network tells neither a road user nor ground that is blocked, and a road user of the
network where nothing stands, are disagreements (out-of-distribution alarm by disagreement, as of ensembles: Lakshmi-
narayanan et al. 2017). Their share among all that both tell of near the vehicle is smoothed over time.
"""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M
from autonomy_nodes.perception.clustering import Clusters
from autonomy_nodes.perception.fusion import holding, holds, unexplained
from autonomy_nodes.perception.learned import Learned


@dataclass(frozen=True)
class DisagreementSettings:
    """When there is an alarm.

    within_m: of base_link, what lies farther does not count. margin_m: a place so near to a box belongs to it. alarm:
    share of disagreements from which there is one (single sweeps of simulated places have 0.09 at most), clear: below
    which it ends. smooth_s: in which what was counted falls to a third. fewest: things counted so, fewer than which are
    not enough for the whole share.
    """

    within_m: float = 30.0
    margin_m: float = 0.4
    alarm: float = 0.3
    clear: float = 0.2
    smooth_s: float = 2.0
    fewest: float = 20.0

    def __post_init__(self) -> None:
        if not 0.0 < self.clear <= self.alarm <= 1.0:
            raise ValueError(
                f'disagreement.clear={self.clear} must lie between 0 and disagreement.alarm={self.alarm}, that below 1'
            )
        for name in ('within_m', 'smooth_s', 'fewest'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'disagreement.{name}={getattr(self, name)} must be above 0')
        if not self.margin_m >= 0.0:
            raise ValueError(f'disagreement.margin_m={self.margin_m} must not be negative')


class Disagreement:
    """The share of things near by of which one channel alone tells. alarmed: whether it is, or lately was, too high."""

    def __init__(self, settings: DisagreementSettings) -> None:
        self.settings, self.share, self.alarmed = settings, 0.0, False
        self._sums, self._stamp_ns = np.zeros(2), 0

    def heard(self, learned: Learned, clusters: Clusters) -> float:
        """Take one sweep of both channels, in base_link, and return the share as it is from now on."""
        settings, stamp_ns = self.settings, clusters.objects.stamp_ns
        passed_s = (stamp_ns - self._stamp_ns) / SECOND_NS
        self._stamp_ns = stamp_ns
        kept = float(np.exp(-passed_s / settings.smooth_s)) if passed_s > 0.0 else 0.0  # time jumped
        self._sums = kept * self._sums + counted(learned, clusters, settings)
        self.share = float(self._sums[0] / max(self._sums[1], settings.fewest))
        self.alarmed = self.share >= (settings.clear if self.alarmed else settings.alarm)
        return self.share


def counted(learned: Learned, clusters: Clusters, settings: DisagreementSettings) -> np.ndarray:
    """Return (2,) how many clusters and boxes of one sweep near the vehicle the other channel does not know, of all."""
    boxes = learned.objects.flat
    inside = holding(clusters.places_m, boxes, settings.margin_m)
    known = (inside >= 0) | blocked_at(learned, clusters.places_m)
    near = np.hypot(*clusters.objects.positions_m[:, :2].T) <= settings.within_m
    unknown = near & unexplained(clusters, known, 0.5)
    near_boxes = np.hypot(*boxes[:, :2].T) <= settings.within_m
    empty = near_boxes & ~holds(clusters.places_m, boxes, settings.margin_m)
    return np.array([unknown.sum() + empty.sum(), near.sum() + near_boxes.sum()], float)


def blocked_at(learned: Learned, places: np.ndarray) -> np.ndarray:
    """Return (C,) whether the network tells that no vehicle may enter at places (C, 2) in base_link."""
    blocked = learned.outputs['blocked'][0]
    cells = np.floor((places - ORIGIN_M) / CELL_M).astype(np.int64)
    inside = ((cells >= 0) & (cells < blocked.shape)).all(axis=1)
    cells[~inside] = 0
    return np.asarray(inside & (blocked[cells[:, 0], cells[:, 1]] > 0.0))
