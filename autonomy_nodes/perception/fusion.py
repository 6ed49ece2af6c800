"""One list of objects from two channels: what the network tells, and what it says nothing of though something stands.

The geometric channel sees whatever stands up, but hardly knows what it is; the network knows, but may be blind to what
it never learned. So a cluster of which the network's boxes explain less than half is told as well, as an obstacle of
which nobody knows what it is. Nothing that was seen gets lost.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numba import njit

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.perception.clustering import Clusters


@dataclass(frozen=True)
class FusionSettings:
    """margin_m: points so near to a box belong to it. explained: share of a cluster's cells that a box must hold."""

    margin_m: float = 0.4
    explained: float = 0.5

    def __post_init__(self) -> None:
        if not self.margin_m >= 0.0:
            raise ValueError(f'fusion.margin_m={self.margin_m} must not be negative')
        if not 0.0 < self.explained <= 1.0:
            raise ValueError(f'fusion.explained={self.explained} must lie between 0 and 1')


@dataclass(frozen=True, eq=False)
class Fused:
    """objects: of both channels, learned ones first, with the cells that they own, as in `Clusters`.

    unexplained: how many of them only the geometric channel sees.
    """

    clusters: Clusters
    unexplained: int


def fused(learned: Objects, clusters: Clusters, settings: FusionSettings) -> Fused:
    """Return the objects of both channels of one sweep, in base_link."""
    boxes = np.column_stack([learned.positions_m[:, :2], learned.dimensions_m[:, :2], learned.headings_rad])
    within = _within(clusters.places_m, np.ascontiguousarray(boxes, np.float64), settings.margin_m)
    count, mine = len(clusters.objects), clusters.owners >= 0
    cells = np.bincount(clusters.owners[mine], minlength=count)
    told = np.bincount(clusters.owners[mine & (within >= 0)], minlength=count)
    left = np.flatnonzero(told < settings.explained * np.maximum(cells, 1))
    place = np.full(count + 1, -1)  # the last one is for cells of nobody
    place[left] = len(learned) + np.arange(len(left))
    owners = np.where(within >= 0, within, place[clusters.owners])
    objects = joined(learned, unknown(clusters.objects.kept(left)))
    return Fused(replace(clusters, objects=objects, owners=owners), len(left))


def unknown(objects: Objects) -> Objects:
    """Return the objects as things of which nobody knows what they are."""
    classes = np.zeros_like(objects.class_probabilities)
    classes[:, Label.UNKNOWN] = 1.0
    return replace(objects, class_probabilities=classes)


def joined(one: Objects, other: Objects) -> Objects:
    """Return two lists of detected objects of one moment and frame as one."""
    columns = [field.name for field in fields(Objects) if field.name not in ('stamp_ns', 'frame', 'ids')]
    together: dict[str, Any] = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in columns}
    return replace(one, **together)


@njit(cache=True)
def _within(places: np.ndarray, boxes: np.ndarray, margin: float) -> np.ndarray:
    """Return (C,) the first box (B, 5) that holds each place (C, 2), -1 for none; boxes come the surest first."""
    found = np.full(len(places), -1, np.int64)
    for b in range(len(boxes)):
        c, s = np.cos(boxes[b, 4]), np.sin(boxes[b, 4])
        for n in range(len(places)):
            x, y = places[n, 0] - boxes[b, 0], places[n, 1] - boxes[b, 1]
            along, across = abs(x * c + y * s), abs(y * c - x * s)
            if found[n] < 0 and along <= boxes[b, 2] / 2.0 + margin and across <= boxes[b, 3] / 2.0 + margin:
                found[n] = b
    return found
