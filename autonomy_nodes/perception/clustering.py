"""Obstacle points to objects without any training: connected cells, rectangles, what their sizes tell."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.common.objects import Objects, no_objects
from autonomy_nodes.perception.boxes import rectangles
from autonomy_nodes.perception.components import connected_in
from autonomy_nodes.perception.ground import OBSTACLE, OVERHEAD, Ground
from autonomy_nodes.perception.shapes import completed

_LAYER_M = 0.25
_CLUTTER_M = 15.0  # within which a thing of some size gives many points


@dataclass(frozen=True)
class ClusterConfig:
    """How points are joined.

    low_m: points lower than this above ground are left to the terrain. gap_m, gap_growth: cells are joined over
    gap_m + gap_growth * range. split_m: a cluster longer than this is split into what is taller than tall_m and what is
    not, since a vehicle beside a wall is more likely than one that long. longest_m, largest_m2: what exceeds these is
    no road user but a structure, which the terrain shows.
    """

    range_m: float = 90.0
    cell_m: float = 0.2
    low_m: float = 0.3
    gap_m: float = 0.3
    gap_growth: float = 0.01
    split_m: float = 7.0
    tall_m: float = 2.6
    longest_m: float = 20.0
    largest_m2: float = 70.0
    fewest: int = 4

    def __post_init__(self) -> None:
        for name in ('range_m', 'cell_m', 'low_m', 'gap_m', 'split_m', 'tall_m', 'longest_m', 'largest_m2'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'clusters.{name}={getattr(self, name)} must be above 0')
        if not 1 <= self.fewest <= 100:
            raise ValueError(f'clusters.fewest={self.fewest} must lie between 1 and 100')


@dataclass(frozen=True, eq=False)
class Clusters:
    """Objects in base_link, where they touch the plane, and what hung in the air.

    objects: what may be a vehicle is completed to one. outlines: the same by what was seen of them alone. places_m:
    (C, 2) middles of occupied cells in base_link; owners: (C,) the object of each, -1 for none. clutter: points near by
    that belong to nothing, as rain, snow and fog give.
    """

    objects: Objects
    outlines: Objects
    places_m: np.ndarray
    owners: np.ndarray
    clutter: int


def clustered(config: ClusterConfig, stamp_ns: int, xyz: np.ndarray, ground: Ground) -> Clusters:
    """Return what stands around the vehicle in one sweep, the points of which are (N, 3) in base_link."""
    size = int(2.0 * config.range_m / config.cell_m)
    points, cells, cell_of, tops, place = _occupied(
        xyz, ground.kinds, ground.heights_m, config.range_m, config.cell_m, size, config.low_m
    )
    if len(cells) == 0:
        nothing = no_objects(stamp_ns, 'base_link', tracked=False)
        return Clusters(nothing, nothing, np.zeros((0, 2)), np.zeros(0, np.int64), clutter=0)
    places = (cells + 0.5) * config.cell_m - config.range_m
    reach = (config.gap_m + config.gap_growth * np.hypot(*places.T)) / config.cell_m + 1.0  # between middles of cells
    labels = _labelled(place, cells, tops, reach, config.split_m / config.cell_m, config.tall_m)
    chosen, starts = _sorted_by(labels, cell_of, points)  # (M, 4) x y z height, by cluster
    counts = np.diff(starts)
    fits = rectangles(chosen, starts, config.fewest, config.cell_m / 2.0)
    spans = fits[:, [2, 4]] - fits[:, [1, 3]]
    kept = (counts >= config.fewest) & (spans.max(axis=1) <= config.longest_m)
    kept &= spans[:, 0] * spans[:, 1] <= config.largest_m2
    lows, top, means, loose = _outlined(chosen, starts, labels, tops, config.fewest)
    objects, outlines = completed(stamp_ns, fits[kept], lows[kept], top[kept], counts[kept], means[kept])
    owners = np.where(kept, np.cumsum(kept) - 1, -1)[labels]
    return Clusters(objects, outlines, places, owners, clutter=loose)


@njit(cache=True)
def _outlined(
    points: np.ndarray, starts: np.ndarray, labels: np.ndarray, tops: np.ndarray, fewest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return the ground below each cluster, its top above it, and the mean height of its points as a share of that.

    The last is the number of points near by in clusters of too few.
    """
    lows, top, loose = np.full(len(starts) - 1, np.inf, np.float32), np.zeros(len(starts) - 1), 0
    means = np.zeros(len(starts) - 1)
    for k in range(len(starts) - 1):
        for n in range(starts[k], starts[k + 1]):
            lows[k] = min(lows[k], points[n, 2] - points[n, 3])
            means[k] += points[n, 3]
            if starts[k + 1] - starts[k] < fewest:
                loose += np.hypot(points[n, 0], points[n, 1]) < _CLUTTER_M
    for cell in range(len(labels)):
        top[labels[cell]] = max(top[labels[cell]], tops[cell])
    for k in range(len(means)):
        means[k] /= max((starts[k + 1] - starts[k]) * top[k], 1e-6)
    return lows, top, means, loose


@njit(cache=True)
def _labelled(
    place: np.ndarray, cells: np.ndarray, tops: np.ndarray, reach: np.ndarray, longest: float, tall: float
) -> np.ndarray:
    """Return the cluster of each cell; what is longer than `longest` cells is split by height.

    place: as `connected_in` takes it.
    """
    labels = connected_in(place, cells, reach, np.zeros(len(cells), np.int64))
    total = labels.max() + 1
    low, high = np.full((total, 2), len(place)), np.full((total, 2), -1)
    for n in range(len(cells)):
        for axis in range(2):
            low[labels[n], axis] = min(low[labels[n], axis], cells[n, axis])
            high[labels[n], axis] = max(high[labels[n], axis], cells[n, axis])
    long = np.zeros(total, np.bool_)
    for n in range(len(cells)):
        label = labels[n]
        span = max(high[label, 0] - low[label, 0], high[label, 1] - low[label, 1])
        long[label] |= tops[n] > tall and span > longest
    chosen = np.flatnonzero(long[labels])
    if len(chosen) == 0:
        return labels
    for n in range(len(cells)):
        place[cells[n, 0], cells[n, 1]] = -1
    parts = connected_in(place, cells[chosen], reach[chosen], labels[chosen] + np.where(tops[chosen] > tall, total, 0))
    labels[chosen] = total + parts
    return _renumbered(labels)


@njit(cache=True)
def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Return labels numbered from 0 in the order in which they first come."""
    number, found = np.full(labels.max() + 1, -1), 0
    for n in range(len(labels)):
        if number[labels[n]] < 0:
            number[labels[n]] = found
            found += 1
        labels[n] = number[labels[n]]
    return labels


@njit(cache=True)
def _occupied(
    xyz: np.ndarray, kinds: np.ndarray, heights: np.ndarray, range_m: float, cell_m: float, size: int, low: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return obstacle points (M, 4) x y z height, cells (C, 2), the cell of each point, and the top of each cell.

    The last is the raster (size, size) of the cells' numbers, -1 elsewhere.
    """
    place = np.full((size, size), -1, np.int32)
    points, cell_of = np.empty((len(xyz), 4), np.float32), np.empty(len(xyz), np.int64)
    cells, tops = np.empty((len(xyz), 2), np.int64), np.zeros(len(xyz), np.float32)
    found = count = 0
    for n in range(len(xyz)):
        if kinds[n] != OBSTACLE or heights[n] < low:
            continue
        i, j = int(np.floor((xyz[n, 0] + range_m) / cell_m)), int(np.floor((xyz[n, 1] + range_m) / cell_m))
        if i < 0 or j < 0 or i >= size or j >= size:
            continue
        if place[i, j] < 0:
            place[i, j], cells[found, 0], cells[found, 1] = found, i, j
            found += 1
        cell = place[i, j]
        points[count, 0], points[count, 1], points[count, 2] = xyz[n, 0], xyz[n, 1], xyz[n, 2]
        points[count, 3] = heights[n]
        cell_of[count] = cell
        tops[cell] = max(tops[cell], heights[n])
        count += 1
    layers = np.zeros(found, np.int64)  # a bit a layer in which something is overhead
    for n in range(len(xyz)):
        if kinds[n] == OVERHEAD:
            i, j = int(np.floor((xyz[n, 0] + range_m) / cell_m)), int(np.floor((xyz[n, 1] + range_m) / cell_m))
            if 0 <= i < size and 0 <= j < size and place[i, j] >= 0:
                layers[place[i, j]] |= 1 << min(int(heights[n] / _LAYER_M), 62)
    for cell in range(found):  # what goes on upward from an obstacle belongs to it; a crown above a car does not
        layer = int(tops[cell] / _LAYER_M)
        last = layer + 2
        while layer <= min(last, 62):
            if layers[cell] >> layer & 1:
                tops[cell], last = max(tops[cell], (layer + 0.5) * _LAYER_M), layer + 2
            layer += 1
    return points[:count], cells[:found], cell_of[:count], tops[:found], place


@njit(cache=True)
def _sorted_by(labels: np.ndarray, cell_of: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (M, 4) sorted by the label of their cell, stable, and where each label starts (total + 1,)."""
    starts = np.zeros(labels.max() + 3, np.int64)
    for cell in cell_of:
        starts[labels[cell] + 2] += 1
    for label in range(2, len(starts)):
        starts[label] += starts[label - 1]
    result = np.empty_like(points)
    for n in range(len(points)):
        label = labels[cell_of[n]]
        row, place = points[n], starts[label + 1]
        result[place, 0], result[place, 1], result[place, 2], result[place, 3] = row[0], row[1], row[2], row[3]
        starts[label + 1] = place + 1
    return result, starts[:-1]
