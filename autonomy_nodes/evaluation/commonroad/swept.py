"""How much road a truck and its trailer took: what their bodies swept about the way of the drive axle."""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.evaluation.commonroad.blame import edge
from autonomy_nodes.evaluation.commonroad.car import State

BIN_M = 0.5
EDGE_M = 1e-3  # what lies beyond the ends of the way is nearest to them
BEHIND_M = 20.0  # the way goes on straight behind where it began: there the trailer stands


def swept(states: Sequence[State]) -> dict[str, float]:
    """Return hitch_rad: the largest angle, off_tracking_m: of the trailer's axle from the way, swept_m: width.

    The width is that of all that the bodies covered, across the way, where it is largest.
    """
    way = np.array([[state.x_m, state.y_m] for state in states])
    first = states[0].heading_rad
    way = np.concatenate([way[:1] - BEHIND_M * np.array([[np.cos(first), np.sin(first)]]), way])
    way = way[np.concatenate([[True], np.hypot(*np.diff(way, axis=0).T) > 1e-3])]
    _, off = beside(way, np.array([state.trailer_pose[:2] for state in states]))
    covered = np.concatenate([edge(box) for state in states for box in state.boxes])
    stations, offsets = beside(way, covered)
    inside = (stations > EDGE_M) & (stations < np.hypot(*np.diff(way, axis=0).T).sum() - EDGE_M)
    bins = (stations[inside] / BIN_M).astype(int)
    left, right = np.full(bins.max() + 1, -np.inf), np.full(bins.max() + 1, np.inf)
    np.maximum.at(left, bins, offsets[inside])
    np.minimum.at(right, bins, offsets[inside])
    there = np.isfinite(left)
    return {
        'hitch_rad': float(max(abs(state.hitch_rad) for state in states)),
        'off_tracking_m': float(np.abs(off).max()), 'swept_m': float((left - right)[there].max()),
    }  # fmt: skip


def beside(line: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) how far along a line (M, 2), and how far left of it, the nearest places to points (N, 2) lie."""
    begin, step = line[:-1], np.diff(line, axis=0)
    length = np.hypot(*step.T)
    gone = np.concatenate([[0.0], np.cumsum(length)])[:-1]
    stations, offsets = np.empty(len(points)), np.empty(len(points))
    for at in range(0, len(points), 2000):
        gap = points[at : at + 2000, None] - begin
        along = np.clip((gap * step).sum(axis=2) / length, 0.0, length)
        off = gap - along[..., None] * (step / length[:, None])
        far = np.hypot(off[..., 0], off[..., 1])
        best = far.argmin(axis=1)
        rows = np.arange(len(best))
        side = np.sign(step[best, 0] * gap[rows, best, 1] - step[best, 1] * gap[rows, best, 0])
        stations[at : at + 2000] = gone[best] + along[rows, best]
        offsets[at : at + 2000] = side * far[rows, best]
    return stations, offsets
