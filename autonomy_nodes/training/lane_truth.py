"""The road of a plot as a map would hold it: painted lines, edges, crossings, middles of lanes, poles, signs."""

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.perception.bev import CELL_M, LANDMARKS, LANE_KINDS, LANES, LANES_ORIGIN_M
from autonomy_nodes.sim.materials import Semantic
from autonomy_nodes.sim.plots.plot import Plot
from autonomy_nodes.sim.plots.ways import middles_of
from autonomy_nodes.training.examples import Lanes

KIND_OF = {
    Line.DIVIDER: 'divider', Line.SOLID: 'divider', Line.BOUNDARY: 'boundary', Line.STOP_LINE: 'stop_line',
    Line.CROSSWALK: 'crossing', Line.CENTERLINE: 'centre',
}  # fmt: skip
MARK_OF = {Semantic.POLE: 'pole', Semantic.SIGN: 'sign'}
AROUND_M = 4.0  # of the cells of lanes, within which lines are kept
STEP_M = 0.5


def lanes_of(plot: Plot, map_from_base: np.ndarray) -> Lanes:
    """Return the road about a pose (4, 4), in base_link."""
    lines = [(KIND_OF[kind], line) for kind, line in plot.relief.lines]
    lines += [('centre', line) for line in middles_of(plot)]
    found = []
    for kind, line in lines:
        there = _in_base(plot, plot.relief.to_map(*_fine(line).T), map_from_base)
        found += [(LANE_KINDS.index(kind), part) for part in _near(there)]
    marks = [
        (LANDMARKS.index(MARK_OF[placed.thing.semantic]), *placed.map_from_thing[:2, 3])
        for placed in plot.placed if placed.thing.semantic in MARK_OF
    ]  # fmt: skip
    table = np.array(marks).reshape(-1, 3)
    table[:, 1:] = _in_base(plot, table[:, 1:], map_from_base)
    return Lanes(tuple(found), table[_inside(table[:, 1:])])


def _fine(line: np.ndarray) -> np.ndarray:
    """Return a line with points STEP_M apart."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(2, int(along[-1] / STEP_M) + 1))
    return np.stack([np.interp(at, along, column) for column in line.T], axis=-1)


def _in_base(plot: Plot, xy: np.ndarray, map_from_base: np.ndarray) -> np.ndarray:
    """Return (M, 2) of places (M, 2) in map, on the ground."""
    base_from_map = inverse(map_from_base)
    xyz = np.column_stack([xy, plot.relief.height(xy)])
    return xyz @ base_from_map[:2, :3].T + base_from_map[:2, 3]


def _near(line: np.ndarray) -> list[np.ndarray]:
    """Return the parts of a line near the cells of lanes."""
    inside = _inside(line)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
    return [line[a:b] for a, b in zip(edges[::2], edges[1::2]) if b - a > 1]


def _inside(xy: np.ndarray) -> np.ndarray:
    low, high = LANES_ORIGIN_M - AROUND_M, LANES_ORIGIN_M + np.array(LANES) * CELL_M + AROUND_M
    return np.asarray(((xy >= low) & (xy < high)).all(axis=1))
