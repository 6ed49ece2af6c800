"""One list of objects from two channels: what the network tells, and what it says nothing of though something stands.

The geometric channel sees whatever stands up, but hardly knows what it is; the network knows, but may be blind to what
it never learned. So a cluster of which the network's boxes explain less than half is told as well, as an obstacle of
which nobody knows what it is, and as large as it was seen: a rock is no part of a car then. Nothing that was seen gets
lost. Of somebody on foot or on a bicycle the network is asked together with what the geometric channel makes of the
same place (`Support`): posts are too thin for it, and bushes too wide.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numba import njit

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.perception.clustering import Clusters
from autonomy_nodes.perception.confidence import Support, log_odds

PEOPLE = (Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE)
MOST_SURE = 0.98  # of a word of the geometric channel
ALONE = Support()


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


def fused(learned: Objects, clusters: Clusters, settings: FusionSettings, support: Support = ALONE) -> Fused:
    """Return the objects of both channels of one sweep, in base_link. support: what one says of the other's people."""
    learned, within = supported(learned, clusters, settings, support)
    left = np.flatnonzero(unexplained(clusters, within >= 0, settings.explained))
    place = np.full(len(clusters.objects) + 1, -1)  # the last one is for cells of nobody
    place[left] = len(learned) + np.arange(len(left))
    owners = np.where(within >= 0, within, place[clusters.owners])
    objects = joined(learned, unknown(clusters.outlines.kept(left)))
    return Fused(replace(clusters, objects=objects, outlines=objects, owners=owners), len(left))


def supported(
    learned: Objects, clusters: Clusters, settings: FusionSettings, support: Support
) -> tuple[Objects, np.ndarray]:
    """Return the network's objects as both channels believe in them, the surest first, and (C,) the box of each cell.

    Who is believed less than `support.least` is left out: what stands there is then nobody knows what.
    """
    within = _boxed(learned, clusters, settings)
    people = np.isin(learned.labels, PEOPLE)
    if support == ALONE or not people.any():
        return learned, within
    both = support.together(learned.existence, words(within, clusters, len(learned)))
    existence = np.where(people, both, learned.existence)
    order = np.argsort(-existence, kind='stable')
    order = order[~people[order] | (existence[order] >= support.least)]
    sure = replace(learned, existence=existence).kept(order)
    return sure, _boxed(sure, clusters, settings)


def words(within: np.ndarray, clusters: Clusters, count: int) -> np.ndarray:
    """Return (count,) log odds of the geometric channel that somebody stands in a box, NaN where nothing stands there.

    They are those of the cluster that has most cells there. within: (C,) the box of each cell.
    """
    mine = (within >= 0) & (clusters.owners >= 0)
    total = max(len(clusters.objects), 1)
    pairs, cells = np.unique(within[mine] * total + clusters.owners[mine], return_counts=True)
    found = np.full(count, np.nan)
    order = np.argsort(cells, kind='stable')  # so that the one with most cells is written last
    people = clusters.objects.class_probabilities[:, list(PEOPLE)].sum(axis=1)
    found[pairs[order] // total] = log_odds(np.clip(people, 1.0 - MOST_SURE, MOST_SURE))[pairs[order] % total]
    return found


def _boxed(objects: Objects, clusters: Clusters, settings: FusionSettings) -> np.ndarray:
    """Return (C,) the surest box that holds each cell, -1 for none."""
    return holding(clusters.places_m, objects.flat, settings.margin_m)


def unexplained(clusters: Clusters, known: np.ndarray, share: float) -> np.ndarray:
    """Return (K,) of which clusters less than a share of the cells is known; known: (C,) of each cell."""
    count, mine = len(clusters.objects), clusters.owners >= 0
    cells = np.bincount(clusters.owners[mine], minlength=count)
    told = np.bincount(clusters.owners[mine & known], minlength=count)
    return np.asarray(told < share * np.maximum(cells, 1))


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
def holding(places: np.ndarray, boxes: np.ndarray, margin: float) -> np.ndarray:
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


def holds(places: np.ndarray, boxes: np.ndarray, margin_m: float) -> np.ndarray:
    """Return (B,) which boxes (B, 5) hold any place (C, 2)."""
    turned = places[:, None] - boxes[None, :, :2]  # (C, B, 2)
    c, s = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along, across = turned[..., 0] * c + turned[..., 1] * s, turned[..., 1] * c - turned[..., 0] * s
    inside = (np.abs(along) <= boxes[:, 2] / 2.0 + margin_m) & (np.abs(across) <= boxes[:, 3] / 2.0 + margin_m)
    return np.asarray(inside.any(axis=0))
