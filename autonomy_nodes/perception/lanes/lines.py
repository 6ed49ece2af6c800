"""Lines from cells: each cell says where its line is and how it runs, lines are followed from there.

The surest cell begins a line; it is followed to both sides by the directions that cells tell, over gaps too, and takes
all cells beside it with it, so that no line is told twice (bottom-up, after the tracing of CLRNet's forerunners in
Neven et al. 2018, with directions in place of clusters).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

from autonomy_nodes.perception.bev import (
    CELL_M,
    LANDMARKS,
    LANE_KINDS,
    LANES,
    LANES_ORIGIN_M,
    LINE_TOLD,
    MARK_TOLD,
    lane_middles,
)
from autonomy_nodes.perception.confidence import chance

_STOP, _CROSSING, _CENTRE = (LANE_KINDS.index(name) for name in ('stop_line', 'crossing', 'centre'))
_MIDDLES = lane_middles()


@dataclass(frozen=True)
class LineSettings:
    """How lines are followed.

    sure: chance from which a cell may begin a line; least: from which one lies on it. step_m: from place to place.
    beside_m: of a line, that a cell is taken with it. gap_m: that a line goes on without a cell. shortest_m: lines that
    are shorter are left out. turn_rad: most that a line turns at a step. crossing_m, stop_m: of a crossing or a stop
    line that is surer no other one lies so near. fork_m: of the middle of a lane, where one of another lane that is as
    sure as `fork` ends so near, the lane ends too, as lanes of a map do where they fork.
    """

    sure: float = 0.1
    least: float = 0.05
    step_m: float = 0.8
    beside_m: float = 0.7
    gap_m: float = 3.2
    shortest_m: float = 2.0
    turn_rad: float = 0.4
    crossing_m: float = 3.0
    stop_m: float = 1.5
    fork_m: float = 1.6
    fork: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 < self.least <= self.sure < 1.0:
            raise ValueError(f'lanes.least={self.least} and lanes.sure={self.sure} must lie between 0 and 1, in order')
        sizes = ('step_m', 'beside_m', 'gap_m', 'shortest_m', 'turn_rad', 'crossing_m', 'stop_m', 'fork_m', 'fork')
        for name in sizes:
            if not getattr(self, name) > 0.0:
                raise ValueError(f'lanes.{name}={getattr(self, name)} must be above 0')


@dataclass(frozen=True, eq=False)
class Told:
    """A line that is told.

    kind: place in bev.LANE_KINDS. points: (M, 2) in base_link, of a centre in the direction of travel. score: mean
    chance of the cells along it.
    """

    kind: int
    points: np.ndarray
    score: float


def lines_of(lines: np.ndarray, travel: np.ndarray, settings: LineSettings) -> list[Told]:
    """Return the lines of `lines` and `travel` of bev.LANE_OUTPUTS, of each kind the surest first."""
    table = lines.reshape(len(LANE_KINDS), len(LINE_TOLD), *LANES).astype(np.float32)
    found: list[Told] = []
    for kind, (logit, x, y, cos, sin) in enumerate(table):
        sure = chance(logit)
        angle = 0.5 * np.arctan2(sin, cos)
        cells = np.argwhere(sure >= settings.least)
        if not len(cells):
            continue
        i, j = cells.T
        at = _MIDDLES[i, j] + np.clip(np.stack([x[i, j], y[i, j]], axis=-1), -1.0, 1.0)
        order = np.argsort(-sure[i, j], kind='stable')
        rows = np.full(LANES, -1, np.int32)
        rows[i[order], j[order]] = np.arange(len(order))
        limits = np.array([settings.sure, settings.step_m, settings.beside_m, settings.gap_m, settings.turn_rad])
        followed = _followed(
            at[order], angle[i, j][order].astype(np.float64), sure[i, j][order].astype(np.float64), rows, limits
        )
        mine = [Told(kind, points, score) for points, score in followed if _long(points) >= settings.shortest_m]
        if kind in (_STOP, _CROSSING):
            mine = _apart(mine, settings.stop_m if kind == _STOP else settings.crossing_m)
        if kind == _CENTRE:
            mine = [replace(line, points=_directed(line.points, travel)) for line in _forked(mine, settings)]
        found += mine
    return found


def _long(points: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def _apart(lines: list[Told], apart_m: float) -> list[Told]:
    """Return lines, the surest first, of which not half lies within apart_m of a surer one."""
    kept: list[Told] = []
    for line in sorted(lines, key=lambda one: -one.score):
        if all((cKDTree(_close(other.points)).query(line.points)[0] < apart_m).mean() <= 0.5 for other in kept):
            kept.append(line)
    return kept


def _forked(lines: list[Told], settings: LineSettings) -> list[Told]:
    """Return middles of lanes, ended where another one begins or ends beside them."""
    ends = [(n, end) for n, line in enumerate(lines) if line.score >= settings.fork for end in line.points[[0, -1]]]
    found = []
    for n, line in enumerate(lines):
        points = _close(line.points)
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        cuts = [0]
        for other, end in ends:
            away = np.linalg.norm(points - end, axis=1)
            place = int(away.argmin())
            if other != n and away[place] < settings.fork_m:
                cuts.append(place)
        for low, high in pairwise([*sorted(set(cuts)), len(points) - 1]):
            if along[high] - along[low] >= settings.shortest_m:
                found.append(replace(line, points=points[low : high + 1]))
    return found


def _close(line: np.ndarray) -> np.ndarray:
    """Return a line (M, 2) with points about a cell apart."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(2, int(along[-1] / CELL_M) + 1))
    return np.stack([np.interp(at, along, column) for column in line.T], axis=-1)


def _directed(points: np.ndarray, travel: np.ndarray) -> np.ndarray:
    """Return a line so that it runs as most of the cells beside it say."""
    steps = np.diff(points, axis=0)
    cells = np.floor((0.5 * (points[1:] + points[:-1]) - LANES_ORIGIN_M) / CELL_M).astype(int)
    i, j = np.clip(cells, 0, np.array(LANES) - 1).T
    return points if (steps * travel[:, i, j].T).sum() >= 0.0 else points[::-1]


def marks_of(marks: np.ndarray, sure: float, apart_m: float = 1.2) -> np.ndarray:
    """Return (K, 4) place in bev.LANDMARKS, x, y, chance; of `marks` (LANDMARKS * MARK_TOLD, *LANES).

    sure: chance from which one is told. apart_m: nobody stands nearer to one that is surer.
    """
    table = marks.reshape(len(LANDMARKS), len(MARK_TOLD), *LANES)
    found: list[np.ndarray] = []
    for kind, (logit, x, y) in enumerate(table):
        told = chance(logit)
        cells = np.argwhere(told >= sure)
        i, j = cells[np.argsort(-told[cells[:, 0], cells[:, 1]], kind='stable')].T
        places = _MIDDLES[i, j] + np.stack([x[i, j], y[i, j]], axis=-1)
        kept: list[int] = []
        for row, place in enumerate(places):
            if not kept or np.linalg.norm(places[kept] - place, axis=1).min() >= apart_m:
                kept.append(row)
        found.append(np.column_stack([np.full(len(kept), kind), places[kept], told[i, j][kept]]))
    return np.concatenate(found)


@njit(cache=True)
def _followed(
    at: np.ndarray, angle: np.ndarray, sure: np.ndarray, rows: np.ndarray, limits: np.ndarray
) -> list[tuple[np.ndarray, float]]:
    """Return (points, score) of each line. at, angle, sure: of cells, the surest first; rows: (X, Y) of which cell."""
    begin, step, beside, gap, turn = limits
    taken = np.zeros(len(at), np.bool_)
    found = []
    for seed in range(len(at)):
        if sure[seed] < begin:
            break
        if taken[seed]:
            continue
        ahead, one, many = _walk(at, angle, sure, rows, taken, seed, 1.0, step, beside, gap, turn)
        back, two, more = _walk(at, angle, sure, rows, taken, seed, -1.0, step, beside, gap, turn)
        points = np.empty((len(ahead) + len(back) + 1, 2))
        for n in range(len(back)):
            points[n] = back[len(back) - 1 - n]
        points[len(back)] = at[seed]
        for n in range(len(ahead)):
            points[len(back) + 1 + n] = ahead[n]
        _take(points, at, rows, taken, beside)
        if len(points) > 1:
            found.append((points, (one + two + sure[seed]) / (many + more + 1)))
    return found


@njit(cache=True)
def _walk(
    at: np.ndarray, angle: np.ndarray, sure: np.ndarray, rows: np.ndarray, taken: np.ndarray, seed: int, sign: float,
    step: float, beside: float, gap: float, turn: float,
) -> tuple[list[np.ndarray], float, int]:  # fmt: skip
    """Return places along a line from a cell to one side, the chances of cells there summed, and how many steps."""
    here, heading = at[seed].copy(), angle[seed] + (0.0 if sign > 0.0 else np.pi)
    places, waiting = [], 0.0
    total, count, passed = 0.0, 0, 0
    for _ in range(400):
        ahead = here + step * np.array([np.cos(heading), np.sin(heading)])
        mean, cos, sin, weight, best = np.zeros(2), 0.0, 0.0, 0.0, 0.0
        a, b = int((ahead[0] - LANES_ORIGIN_M[0]) / CELL_M), int((ahead[1] - LANES_ORIGIN_M[1]) / CELL_M)
        for i in range(max(a - 2, 0), min(a + 3, LANES[0])):
            for j in range(max(b - 2, 0), min(b + 3, LANES[1])):
                row = rows[i, j]
                if row < 0 or taken[row]:
                    continue
                off = at[row] - ahead
                if off[0] * off[0] + off[1] * off[1] > beside * beside:
                    continue
                by = (angle[row] - heading + np.pi) % (2.0 * np.pi) - np.pi
                if abs(by) > 0.5 * np.pi:
                    by -= np.sign(by) * np.pi
                if abs(by) > 2.0 * turn:
                    continue
                mean += sure[row] * at[row]
                cos, sin, weight = cos + sure[row] * np.cos(by), sin + sure[row] * np.sin(by), weight + sure[row]
                best = max(best, sure[row])
        passed += 1
        if weight > 0.0:
            across = mean / weight - ahead
            left = np.array([-np.sin(heading), np.cos(heading)])
            here = ahead + (across[0] * left[0] + across[1] * left[1]) * left
            heading += min(max(np.arctan2(sin, cos), -turn), turn)
            places.append(here)
            total, count, waiting = total + best, passed, 0.0
        else:
            here, waiting = ahead, waiting + step
            if waiting >= gap:
                break
    return places, total, count


@njit(cache=True)
def _take(points: np.ndarray, at: np.ndarray, rows: np.ndarray, taken: np.ndarray, beside: float) -> None:
    """Take all cells that tell of a place beside a line."""
    for n in range(len(points)):
        last = n + 1 == len(points)
        for part in range(1 if last else 2):
            place = points[n] if part == 0 else 0.5 * (points[n] + points[n + 1])
            a, b = int((place[0] - LANES_ORIGIN_M[0]) / CELL_M), int((place[1] - LANES_ORIGIN_M[1]) / CELL_M)
            for i in range(max(a - 3, 0), min(a + 4, LANES[0])):
                for j in range(max(b - 3, 0), min(b + 4, LANES[1])):
                    row = rows[i, j]
                    if row >= 0 and not taken[row]:
                        off = at[row] - place
                        if off[0] * off[0] + off[1] * off[1] < beside * beside:
                            taken[row] = True
