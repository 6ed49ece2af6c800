"""How good told lines are: average precision by Chamfer distance, as HDMapNet (Li et al. 2022) and MapTR have it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.perception.bev import CELL_M, LANE_KINDS, LANES, LANES_ORIGIN_M
from autonomy_nodes.perception.lanes.lines import Told

CHAMFERS_M = (0.5, 1.0, 1.5)
CORNER_RAD = 0.8
SHORTEST_M = (3.0, 3.0, 1.5, 3.0, 3.0)  # of LANE_KINDS: a stop line may cross one narrow lane alone
_STEP_M, _GAP_M, _ARM = 0.5, 3.0, 2  # the last in steps


@dataclass(frozen=True, eq=False)
class Answer:
    """Lines of one frame: those that are told, and those that are true (score 1), cut to what was asked for."""

    told: list[Told]
    true: list[Told]


def cut(
    lines: Iterable[Told | tuple[int, np.ndarray]], asked: np.ndarray, shortest_m: Sequence[float] = SHORTEST_M
) -> list[Told]:
    """Return the parts of lines within the cells `asked` (*LANES), points 0.5 m apart.

    A part goes on over 3 m that were not asked for, and ends at a sharp corner, since who follows a line ends there;
    shorter parts than shortest_m, by kind, are left out.
    """
    found = []
    for line in lines:
        told = line if isinstance(line, Told) else Told(line[0], line[1], 1.0)
        points = even(told.points)
        cell = np.floor((points - LANES_ORIGIN_M) / CELL_M).astype(int)
        inside = ((cell >= 0) & (cell < LANES)).all(axis=1)
        kept = np.flatnonzero(inside & asked[tuple(np.where(inside[:, None], cell, 0).T)])
        stretch = _stretches(points)[kept]
        parts = np.split(kept, np.flatnonzero((np.diff(kept) * _STEP_M > _GAP_M) | (np.diff(stretch) > 0)) + 1)
        found += [
            Told(told.kind, points[part[0] : part[-1] + 1], told.score)
            for part in parts if len(part) and (part[-1] - part[0]) * _STEP_M >= shortest_m[told.kind]
        ]  # fmt: skip
    return found


def _stretches(points: np.ndarray) -> np.ndarray:
    """Return (M,) how many sharp corners, turns by CORNER_RAD within 2 m, lie before each of points 0.5 m apart."""
    turns = np.zeros(len(points))
    if len(points) > 2 * _ARM:
        before, after = points[_ARM:-_ARM] - points[: -2 * _ARM], points[2 * _ARM :] - points[_ARM:-_ARM]
        cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
        turns[_ARM:-_ARM] = np.abs(np.arctan2(cross, (before * after).sum(axis=1)))
    sharpest = np.array([turns[max(n - _ARM, 0) : n + _ARM + 1].max() for n in range(len(turns))])
    corner = (turns > CORNER_RAD) & (turns == sharpest)
    corner[1:] &= ~corner[:-1]  # of two that are alike the first
    return np.cumsum(corner)


def even(line: np.ndarray) -> np.ndarray:
    """Return a line (M, 2) with points 0.5 m apart."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.arange(0.0, along[-1] + 1e-6, _STEP_M)
    return np.stack([np.interp(at, along, column) for column in line.T], axis=-1)


def chamfer(one: np.ndarray, two: np.ndarray) -> float:
    """Return the mean distance [m] of the points of each line to the other one, both ways, halved."""
    return 0.5 * float(cKDTree(one).query(two)[0].mean() + cKDTree(two).query(one)[0].mean())


def average_precisions(answers: Sequence[Answer]) -> dict[str, float]:
    """Return the average precision, 0 to 1, of each of LANE_KINDS, over CHAMFERS_M; NaN of what is nowhere true."""
    found = {}
    for kind, name in enumerate(LANE_KINDS):
        scores, distances, total = _matched(answers, kind)
        each = [_precision(scores, [row[n] for row in distances], total) for n in range(len(CHAMFERS_M))]
        found[name] = float(np.mean(each)) if total else float('nan')
    return found


def _matched(answers: Sequence[Answer], kind: int) -> tuple[list[float], list[tuple[bool, ...]], int]:
    """Return the score of each told line, at which of CHAMFERS_M it is right, and how many are true.

    Within a frame the surest is asked first; a true line counts once.
    """
    scores, rights, total = [], [], 0
    for answer in answers:
        true = [line.points for line in answer.true if line.kind == kind]
        told = sorted((line for line in answer.told if line.kind == kind), key=lambda line: -line.score)
        total += len(true)
        free = np.ones((len(CHAMFERS_M), len(true)), bool)
        for line in told:
            away = np.array([chamfer(line.points, other) for other in true])
            right = []
            for n, limit_m in enumerate(CHAMFERS_M):
                best = int(np.argmin(away)) if len(away) else -1
                hit = best >= 0 and away[best] <= limit_m and bool(free[n, best])
                if hit:
                    free[n, best] = False
                right.append(hit)
            scores.append(line.score)
            rights.append(tuple(right))
    return scores, rights, total


def _precision(scores: Sequence[float], right: Sequence[bool], total: int) -> float:
    """Return the area under precision over recall, precision made to fall (as PASCAL VOC 2010 and COCO have it)."""
    if not total or not scores:
        return 0.0
    order = np.argsort(-np.asarray(scores), kind='stable')
    hits = np.cumsum(np.asarray(right)[order])
    precision = hits / np.arange(1, len(order) + 1)
    recall = np.concatenate([[0.0], hits / total])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * precision).sum())
