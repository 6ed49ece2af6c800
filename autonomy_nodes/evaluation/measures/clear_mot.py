"""How well objects are followed: MOTA and sAMOTA of cars as AB3DMOT publishes them for KITTI.

The rules are those of `scripts/KITTI/evaluate.py` of xinshuoweng/AB3DMOT (Weng et al., 3D Multi-Object Tracking: A
Baseline and New Evaluation Metrics, IROS 2020), written anew from its description:
- a track's score is the mean of its rows' scores; at each of 40 recalls the tracks below a score are left out;
- in each frame tracks and labels (cars and vans) are paired so that the sum of 1 - 3D IoU is least, none below 0.5;
- vans, labels truncated at all or occluded beyond 2, count neither when found nor when missed;
- rows not paired that are at most 25 px high, or lie by half in a region that nobody labelled, do not count. Rows that
  were paired at any threshold tried before are never left out so: the published program does not reset that;
- a label that is found by another track than in the frame before, where both were found, is a switch;
- MOTA is that of the best of the 40 thresholds, sAMOTA the mean of sMOTA over the 40 recalls, 0 where not reached.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.optimize import linear_sum_assignment

from autonomy_nodes.evaluation.measures.overlaps import box_iou, covered

POINTS = 40
LEAST_CLOSENESS = 0.5  # the 3D IoU that AB3DMOT asks for
LEAST_HEIGHT_PX, MOST_OCCLUDED, MOST_TRUNCATED, MOST_COVERED = 25.0, 2, 0, 0.5
_FAR = 1e9
Closeness = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Labelled:
    """What people saw in one frame: ids (G,), boxes (G, 7), left_out (G,) not to be counted, ignored_px (R, 4)."""

    ids: np.ndarray
    boxes: np.ndarray
    left_out: np.ndarray
    ignored_px: np.ndarray


@dataclass(frozen=True, eq=False)
class Followed:
    """What a tracker told in one frame: ids (T,), boxes (T, 7), boxes_px (T, 4), scores (T,).

    quiet: (T,) which rows do not count where they find nothing, besides those that are low or lie where nobody looked.
    """

    ids: np.ndarray
    boxes: np.ndarray
    boxes_px: np.ndarray
    scores: np.ndarray
    quiet: np.ndarray | None = None


@dataclass
class Counts:
    """What was counted over all sequences; true, false and missed as the published program has them."""

    labels: int = 0
    true: int = 0
    false: int = 0
    missed: int = 0
    switches: int = 0
    overlap: float = 0.0
    scores: list[float] = field(default_factory=list)  # of the rows paired

    def __add__(self, other: 'Counts') -> 'Counts':
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def mota(self) -> float:
        """Accuracy, at most 1."""
        return 1.0 - (self.missed + self.false + self.switches) / self.labels if self.labels else float('-inf')

    def scaled_mota(self, recall: float) -> float:
        """Accuracy as far as this recall allows, of 0 to 1."""
        if not self.labels:
            return 0.0
        errors = self.missed + self.false + self.switches - (1.0 - recall) * self.labels
        return min(1.0, max(0.0, 1.0 - errors / (recall * self.labels)))


class Sequence3D:
    """One sequence: what can be worked out before any track is left out.

    closeness: of boxes (N, 7) and (M, 7), (N, M) from 0 to 1; LEAST_CLOSENESS is enough to be paired.
    """

    def __init__(
        self, labelled: Sequence[Labelled], followed: Sequence[Followed], closeness: Closeness = box_iou
    ) -> None:
        self.labelled, self.followed = labelled, followed
        self._costs = [1.0 - closeness(label.boxes, row.boxes) for label, row in zip(labelled, followed)]
        self._quiet = [_quiet(label, row) for label, row in zip(labelled, followed)]
        self._paired = [np.zeros(len(row.ids), bool) for row in followed]
        total: dict[int, list[float]] = {}
        for row in followed:
            for name, score in zip(row.ids.tolist(), row.scores.tolist()):
                total.setdefault(name, []).append(score)
        mean = {name: sum(scores) / len(scores) for name, scores in total.items()}
        self._scores = [np.array([mean[name] for name in row.ids.tolist()]) for row in followed]

    def count(self, least: float) -> 'Counts':
        """Return what is counted when tracks with a score below `least` are left out."""
        counts = Counts()
        found: dict[int, list[int]] = {}  # which track found each label, -1 none, frame by frame in which it is
        skipped: dict[int, list[bool]] = {}
        for k, (label, row) in enumerate(zip(self.labelled, self.followed)):
            shown = np.flatnonzero(self._scores[k] >= least)
            costs = np.where(self._costs[k][:, shown] <= 1.0 - LEAST_CLOSENESS, self._costs[k][:, shown], _FAR)
            lines, columns = linear_sum_assignment(costs)
            good = costs[lines, columns] < _FAR
            lines, columns = lines[good], columns[good]
            self._paired[k][shown[columns]] = True
            ignored = self._quiet[k][shown] & ~self._paired[k][shown]
            by = np.full(len(label.ids), -1)
            by[lines] = row.ids[shown[columns]]
            counts.labels += int((~label.left_out).sum())
            counts.true += len(lines)
            counts.missed += int(((by < 0) & ~label.left_out).sum())
            counts.false += int(len(shown) - len(lines) - ignored.sum())
            counts.overlap += float((1.0 - costs[lines, columns]).sum())
            counts.scores += self._scores[k][shown[columns]].tolist()
            for name, tracked, out in zip(label.ids.tolist(), by.tolist(), label.left_out.tolist()):
                found.setdefault(name, []).append(tracked)
                skipped.setdefault(name, []).append(out)
        counts.switches = sum(_switches(found[name], skipped[name]) for name in found)
        return counts


def _quiet(label: Labelled, row: Followed) -> np.ndarray:
    """Return (T,) which rows do not count where they find nothing."""
    low = abs(row.boxes_px[:, 3] - row.boxes_px[:, 1]) <= LEAST_HEIGHT_PX
    low |= False if row.quiet is None else row.quiet
    return low | (covered(row.boxes_px, label.ignored_px) > MOST_COVERED).any(axis=1)


def _switches(found: list[int], skipped: list[bool]) -> int:
    """Return how often a label was found by another track than before."""
    total, last = 0, found[0]
    for k in range(1, len(found)):
        if skipped[k]:
            last = -1
            continue
        total += last != found[k] and last != -1 and found[k] != -1 and found[k - 1] != -1
        last = found[k] if found[k] != -1 else last
    return total


def thresholds(scores: Sequence[float], labels: int) -> list[tuple[float, float]]:
    """Return (score, recall) at up to POINTS recalls. scores: of the rows paired; labels: how many to be found."""
    ordered = sorted(scores, reverse=True)
    recall, told = 0.0, []
    for k, score in enumerate(ordered):
        left = (k + 1) / labels
        right = (k + 2) / labels if k < len(ordered) - 1 else left
        if right - recall < recall - left and k < len(ordered) - 1:
            continue
        told.append((score, recall))
        recall += 1.0 / POINTS
    return told[1:]  # the first one is of recall 0


@dataclass(frozen=True)
class Curve:
    """What was counted of each sequence: at each recall, and at the threshold of the best accuracy."""

    recalls: list[float]
    counts: list[list[Counts]]
    best: list[Counts]
    threshold: float

    def figures(self, which: Sequence[int]) -> dict[str, float]:
        """Return the figures of some sequences together: accuracies and recall in per cent, counts."""
        pooled = [_together(each, which) for each in self.counts]
        best = _together(self.best, which)
        return {
            'samota': 100.0 * sum(each.scaled_mota(recall) for each, recall in zip(pooled, self.recalls)) / POINTS,
            'amota': 100.0 * sum(each.mota for each in pooled) / POINTS,
            'mota': 100.0 * best.mota,
            'motp': 100.0 * best.overlap / max(best.true, 1),
            'recall': 100.0 * best.true / max(best.true + best.missed, 1),
            'switches': best.switches,
            'false': best.false,
            'missed': best.missed,
            'n_labels': best.labels,
            'n_true': best.true,
        }


def curve(sequences: Sequence[Sequence3D]) -> Curve:
    """Count at every threshold that all sequences together give."""
    everything = [sequence.count(-np.inf) for sequence in sequences]
    total = _together(everything, range(len(sequences)))
    best, least, recalls, counts = 0.0, -np.inf, [], []
    for score, recall in thresholds(total.scores, total.true + total.missed):
        counts.append([sequence.count(score) for sequence in sequences])
        recalls.append(recall)
        mota = _together(counts[-1], range(len(sequences))).mota
        if mota > best:
            best, least = mota, score
    return Curve(recalls, counts, [sequence.count(least) for sequence in sequences], float(least))


def _together(counts: Sequence[Counts], which: Sequence[int]) -> Counts:
    return sum((counts[k] for k in which), Counts())
