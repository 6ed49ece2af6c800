"""Paint on the ground by its brightness: short straight pieces, and how far the ground was seen.

Retroreflective paint returns more light than the surface around it. A point is bright when it stands out from the
middle brightness of the ground of the same range and direction, which also evens out what range, angle of incidence
and the scale of the sensor do. A piece counts only with darker ground on both of its sides.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.common.lanes import LaneObservations, Line
from autonomy_nodes.perception.brightness import chosen, over_median, sorted_in, top_of
from autonomy_nodes.perception.components import connected

_PIECE_M = 4.0
_FEWEST = 3
_REACH_M = 2.0
_ONE_BEAM_M = 0.1  # half width; what is narrower and goes along the track of a beam may be that beam's own brightness


@dataclass(frozen=True)
class PaintConfig:
    """What counts as paint. contrast: brightness over the middle of the ground around, at least.

    shortest_m, widest_m: size of a piece (a stop line may be as wide). side_m: where its sides must be darker.
    """

    range_m: float = 32.0
    cell_m: float = 0.15
    contrast: float = 1.4
    shortest_m: float = 0.8
    widest_m: float = 0.7
    side_m: float = 0.6

    def __post_init__(self) -> None:
        for name in ('range_m', 'cell_m', 'shortest_m', 'widest_m', 'side_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'paint.{name}={getattr(self, name)} must be above 0')
        if not self.contrast > 1.0:
            raise ValueError(f'paint.contrast={self.contrast} must be above 1')


def painted(
    config: PaintConfig, stamp_ns: int, xyz: np.ndarray, intensity: np.ndarray, ground: np.ndarray
) -> LaneObservations:
    """Return the pieces of paint among the points (N, 3) in base_link where `ground` (N,) is true."""
    xyz, intensity = chosen(xyz, intensity, ground)
    patch, seen_range_m = sorted_in(xyz, config.range_m)
    pieces = np.zeros((0, 7))
    if len(xyz) and (top := top_of(intensity)) > 0.0:  # a sensor without intensity gives zeros
        ratios = over_median(patch, intensity, top)
        size = int(2.0 * config.range_m / config.cell_m)
        raster, cells, heights = _bright(xyz, ratios, config.range_m, config.cell_m, size, config.contrast)
        places = (cells + 0.5) * config.cell_m - config.range_m
        ranges = np.hypot(*places.T)
        reach = np.minimum(0.3 + 0.03 * ranges + 0.005 * ranges**2, _REACH_M) / config.cell_m  # as beams lie apart
        labels = connected(cells, size, reach, np.zeros(len(cells), np.int64))
        sizes = np.array([config.range_m, config.cell_m, config.shortest_m, config.widest_m, config.side_m])
        pieces = _pieces(places, heights, labels, raster, sizes)
    segments = pieces[:, :6].reshape(-1, 2, 3)
    return LaneObservations(stamp_ns, segments, _classes(segments), pieces[:, 6], seen_range_m)


def _classes(segments: np.ndarray) -> np.ndarray:
    """Return (M,) the `Line` of each piece: along the vehicle a divider, across and ahead a stop line, else unknown."""
    along = abs(segments[:, 1, :2] - segments[:, 0, :2])
    angle = np.arctan2(along[:, 1], along[:, 0])
    ahead = segments[:, :, 0].mean(axis=1) > 0.0
    kinds = np.full(len(segments), Line.UNKNOWN, np.uint8)
    kinds[angle < 0.5] = Line.DIVIDER
    kinds[(angle > 1.2) & ahead] = Line.STOP_LINE
    return kinds


@njit(cache=True)
def _bright(
    xyz: np.ndarray, ratios: np.ndarray, range_m: float, cell_m: float, size: int, contrast: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean brightness of each cell (-1 where none), the bright cells (C, 2), and their heights (C,)."""
    place = np.full((size, size), -1, np.int32)
    sums = np.zeros((len(xyz), 3), np.float32)
    count = 0
    for n in range(len(xyz)):
        if ratios[n] > 0.0:
            i, j = int((xyz[n, 0] + range_m) / cell_m), int((xyz[n, 1] + range_m) / cell_m)
            if i < size and j < size:
                if place[i, j] < 0:
                    place[i, j] = count
                    count += 1
                cell = place[i, j]
                sums[cell, 0] += 1.0
                sums[cell, 1] += ratios[n]
                sums[cell, 2] += xyz[n, 2]
    raster = np.full((size, size), -1.0, np.float32)
    for i in range(size):
        for j in range(size):
            if place[i, j] >= 0:
                raster[i, j] = sums[place[i, j], 1] / sums[place[i, j], 0]
    cells, heights = np.empty((count, 2), np.int64), np.empty(count)
    found = 0
    for i in range(size):
        for j in range(size):
            if raster[i, j] > contrast and _stands_out(raster, i, j, contrast):
                cells[found, 0], cells[found, 1] = i, j
                heights[found] = sums[place[i, j], 2] / sums[place[i, j], 0]
                found += 1
    return raster, cells[:found], heights[:found]


@njit(cache=True)
def _stands_out(raster: np.ndarray, i: int, j: int, contrast: float) -> bool:
    """Return whether a cell is brighter than what was seen on both sides of it in any one direction: no verge is."""
    for di, dj in ((1, 0), (0, 1), (1, 1), (1, -1)):
        dark = 0
        for side in (-1, 1):
            for far in range(3, 6):
                a, b = i + side * far * di, j + side * far * dj
                brightest = np.float32(-1.0)
                for p in range(max(a - 1, 0), min(a + 2, len(raster))):
                    for q in range(max(b - 1, 0), min(b + 2, len(raster))):
                        brightest = max(brightest, raster[p, q])
                if brightest >= 0.0:
                    dark += brightest * contrast < raster[i, j]
                    break
        if dark == 2:
            return True
    return False


@njit(cache=True)
def _pieces(
    places: np.ndarray, heights: np.ndarray, labels: np.ndarray, raster: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Return (M, 7) ends x y z, x y z and confidence of what is straight and narrow. sizes: range, cell, and limits."""
    out = np.empty((len(places), 7))
    found = 0
    order = np.argsort(labels, kind='mergesort')
    first = 0
    while first < len(order):
        last = first
        while last < len(order) and labels[order[last]] == labels[order[first]]:
            last += 1
        members = order[first:last]
        first = last
        if len(members) < _FEWEST:
            continue
        middle, c, s = _axis(places, members)
        along = (places[members, 0] - middle[0]) * c + (places[members, 1] - middle[1]) * s
        least = along.min()
        parts = max(1, int(np.round((along.max() - least) / _PIECE_M)))
        share = (along.max() - least) / parts + 1e-6
        for part in range(parts):
            chosen = members[(along >= least + part * share) & (along < least + (part + 1) * share)]
            if len(chosen) >= _FEWEST and _straight(places, heights, chosen, raster, sizes, out[found]):
                found += 1
    return out[:found]


@njit(cache=True)
def _axis(places: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return the middle of some cells and the direction (cosine, sine) in which they extend most."""
    middle = np.array([places[members, 0].mean(), places[members, 1].mean()])
    x, y = places[members, 0] - middle[0], places[members, 1] - middle[1]
    angle = 0.5 * np.arctan2(2.0 * (x * y).sum(), (x * x).sum() - (y * y).sum())
    return middle, np.cos(angle), np.sin(angle)


@njit(cache=True)
def _straight(
    places: np.ndarray,
    heights: np.ndarray,
    members: np.ndarray,
    raster: np.ndarray,
    sizes: np.ndarray,
    out: np.ndarray,
) -> bool:
    """Fill `out` with one piece; False unless it is narrow, long enough, and brighter than the ground at its sides."""
    middle, c, s = _axis(places, members)
    x, y = places[members, 0] - middle[0], places[members, 1] - middle[1]
    along, across = x * c + y * s, y * c - x * s
    length = along.max() - along.min()
    half = 2.0 * np.sqrt((across * across).mean())
    if length < sizes[2] or 2.0 * half > sizes[3] or 4.0 * half > length:
        return False
    sight = abs(middle[0] * c + middle[1] * s) / (np.hypot(middle[0], middle[1]) + 1e-9)
    if sight < 0.5 and half < _ONE_BEAM_M:
        return False
    inside, left, right = 0.0, 0.0, 0.0
    lefts, rights = 0, 0
    for member in members:
        i, j = int((places[member, 0] + sizes[0]) / sizes[1]), int((places[member, 1] + sizes[0]) / sizes[1])
        inside += raster[i, j]
    inside /= len(members)
    for n in range(len(members)):
        for side in (-1.0, 1.0):
            for far in (0.7, 1.0):
                off = side * (half + far * sizes[4])
                px, py = middle[0] + along[n] * c - off * s, middle[1] + along[n] * s + off * c
                i, j = int((px + sizes[0]) / sizes[1]), int((py + sizes[0]) / sizes[1])
                if i < 0 or j < 0 or i >= len(raster) or j >= len(raster) or raster[i, j] < 0.0:
                    continue
                if side > 0.0:
                    left, lefts = left + raster[i, j], lefts + 1
                else:
                    right, rights = right + raster[i, j], rights + 1
    if lefts < 3 or rights < 3 or max(left / lefts, right / rights) > 0.7 * inside:
        return False
    slope = (along * heights[members]).sum() / (along * along).sum()
    level = heights[members].mean()
    for end, t in ((0, along.min()), (1, along.max())):
        out[3 * end], out[3 * end + 1], out[3 * end + 2] = middle[0] + t * c, middle[1] + t * s, level + slope * t
    out[6] = min(0.9, 0.3 + 0.03 * len(members) + 0.15 * (inside - 1.5))
    return True
