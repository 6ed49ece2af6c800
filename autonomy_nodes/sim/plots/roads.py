"""The lane map of a plot, as a map of its roads would hold it: lanes, their paint, places to cross, stop lines.

Plots do not keep what they were drawn from, but all of it shows: vehicles drive along tracks, lines are painted on the
skin, and that ends at the kerb. What has no lanes (yards, building sites, tracks, open land) has no map.
"""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.mapping.draft import Draft
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.plot import HALF_N_M, WALKERS, Plot
from autonomy_nodes.sim.plots.relief import SKIN_M

MAPPED = ('street', 'country', 'suburb', 'arterial', 'country', 'crossroads')  # in turn
STEP_M = 4.0
PAINTED, SOLID = 0.08, 0.4  # share of a line's length that shows paint; less is a zebra or nothing, more no dashes
NEAR_M, LEAST_HALF_M = 0.3, 0.8  # a border so near to paint is that paint; half of a lane is wider
ZEBRA_M = 1.5  # half depth of a crossing

Stripes = dict[float, float]  # {n: share that shows paint}


def road_map(plot: Plot, kerbs: bool = True) -> RoadMap | None:
    """Return the map in the frame of the plot, None where it has no lanes. kerbs: whether the map knows them."""
    if plot.family not in MAPPED:
        return None
    draft, half, stripes = Draft(), -float(plot.relief.skin_at[1]), _stripes(plot)
    ways = [track for track in plot.tracks if track.ego]
    along = [track.n for track in ways if abs(np.sin(track.heading)) < 0.5]
    across = [track.s for track in ways if abs(np.sin(track.heading)) >= 0.5]
    for n in along:
        side = float(np.sign(n))
        others = [side * other for other in along if side * other > 0.0]
        mine = {side * at: share for at, share in stripes.items()}
        inner, outer = _borders(abs(n), mine, half, others)
        left, right = (
            draft.line(_along(plot, side * border), *_kind(border, mine, half, kerbs)) for border in (inner, outer)
        )
        draft.lanelet(left, right)  # the middle of the road is on the left of both ways
    if across:
        middle, reach = 0.5 * (across[0] + across[1]), abs(across[0] - across[1])
        for side in (1.0, -1.0):
            left, right = (
                draft.line(_over(plot, middle + far, HALF_N_M), 'virtual') for far in (0.0, side * reach)
            )
            draft.lanelet(left, right)
    for kind, line in plot.relief.lines:
        if kind == Line.STOP_LINE:
            draft.line(_line(plot, *line.T), 'stop_line')
    if kerbs:
        for n in (-half, half):
            draft.line(_along(plot, n), 'road_border')
    for track in plot.tracks:
        if track.mix == WALKERS and abs(track.heading - np.pi / 2) < 0.01:
            left, right = (draft.line(_over(plot, track.s + far, half), 'virtual') for far in (-ZEBRA_M, ZEBRA_M))
            draft.lanelet(left, right, subtype='crosswalk')
    return draft.finished()


def _stripes(plot: Plot) -> Stripes:
    """Return the lines painted along the road."""
    shares = (plot.relief.skin == Material.PAINT_WHITE).mean(axis=0)
    painted = np.concatenate([[False], shares > PAINTED, [False]])
    begins, ends = (np.flatnonzero(np.diff(painted.astype(int)) == step) for step in (1, -1))
    return {
        float(plot.relief.skin_at[1] + 0.5 * (begin + end) * SKIN_M[1]): float(shares[begin:end].max())
        for begin, end in zip(begins, ends)
    }


def _borders(offset: float, stripes: Stripes, half: float, others: Sequence[float]) -> tuple[float, float]:
    """Return how far from the middle of the road a lane begins and ends; others: offsets of all lanes of this side."""
    low = max([0.5 * (offset + other) for other in others if other < offset - NEAR_M], default=0.0)
    high = min([0.5 * (offset + other) for other in others if other > offset + NEAR_M], default=half)
    inner = max([at for at in stripes if low - NEAR_M < at < offset - LEAST_HALF_M], default=low)
    wanted = min(2.0 * offset - inner, high)
    return inner, min([at for at in stripes if offset + LEAST_HALF_M < at < high + NEAR_M], default=wanted)


def _kind(border: float, stripes: Stripes, half: float, kerbs: bool) -> tuple[str, str]:
    """Return type and subtype of a border as Lanelet2 names them."""
    for at, share in stripes.items():
        if abs(at - border) < NEAR_M:
            return 'line_thin', 'solid' if share > SOLID else 'dashed'
    return ('road_border', '') if kerbs and abs(border - half) < NEAR_M else ('virtual', '')


def _along(plot: Plot, n: float) -> np.ndarray:
    return _line(plot, np.arange(-plot.half_s_m, plot.half_s_m + 0.1, STEP_M), n)


def _over(plot: Plot, s: float, half: float) -> np.ndarray:
    """Return points across the road."""
    return _line(plot, s, np.linspace(-half, half, 2 * max(round(half / STEP_M), 1) + 1))


def _line(plot: Plot, s: np.ndarray | float, n: np.ndarray | float) -> np.ndarray:
    """Return (N, 3) places on the ground in map."""
    xy = plot.relief.to_map(s, n)
    return np.column_stack([xy, plot.relief.height(xy)])
