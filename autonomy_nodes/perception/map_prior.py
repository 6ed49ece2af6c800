"""The map as the network hears it: the prior that the map node publishes, turned into base_link, in cells of 0.8 m.

A prior that may be wrong is not given at all: an old one, one whose place is not sure enough, one on whose lanes the
network saw no road. Finer faults the network has to find by itself.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import PRIOR_CONFIDENCE, PRIOR_LAYERS, Grid
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.perception.bev import MAP, MAP_CHANNELS, MIDDLE, MIDDLE_M, ORIGIN_M, TERRAIN
from autonomy_nodes.perception.semantics import met_of

OLDEST_S = 0.3  # a map drawn longer ago than this says nothing about a sweep
_OFF_ROAD, _SMALL_M = 0.8, 1.0  # by which a small thing of no known class counts less off the road: mostly plants
_ROADS = [TERRAIN.index(name) for name in ('paved', 'loose')]
_GROWN = [TERRAIN.index(name) for name in ('low_vegetation', 'high_vegetation', 'rubble')]


@dataclass(frozen=True)
class MapPriorSettings:
    """When the map is given to a network whose card says that it knows maps.

    given: whether at all. oldest_s: so much older than the sweep it may be. confidence: at least, as the map node tells
    it. off: share of the cells on its lanes that the network calls grown or rubble, averaged over sweeps, from which on
    it is not of this place. cells: fewer on its lanes tell nothing. sweeps: over which is averaged.
    """

    given: bool = True
    oldest_s: float = OLDEST_S
    confidence: float = 0.5
    off: float = 0.3
    cells: int = 100
    sweeps: float = 5.0

    def __post_init__(self) -> None:
        if not self.oldest_s > 0.0:
            raise ValueError(f'map_prior.oldest_s={self.oldest_s} must be above 0')
        for name in ('confidence', 'off'):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f'map_prior.{name}={getattr(self, name)} must lie above 0 and not above 1')
        if self.cells < 1 or not self.sweeps >= 1.0:
            raise ValueError(f'map_prior.cells={self.cells} and sweeps={self.sweeps} must be at least 1')


class MapPrior:
    """Decides from sweep to sweep whether the network hears the map, by what it told of the lanes of the map before."""

    def __init__(self, settings: MapPriorSettings) -> None:
        self._settings = settings
        self._shown: np.ndarray | None = None
        self._off, self._count = 0.0, 0.0

    def channels(self, prior: Grid | None, ego: EgoState) -> tuple[np.ndarray | None, str]:
        """Return channels of bev.MAP (7, *MIDDLE), or None and why the map is not given with this sweep."""
        settings, self._shown = self._settings, None
        if not settings.given:
            return None, 'not asked for'
        if prior is None:
            return None, 'no map'
        age_s = (ego.stamp_ns - prior.stamp_ns) / SECOND_NS
        if abs(age_s) > settings.oldest_s:
            return None, f'{age_s:.2f} s old'
        surely = prior.layers.get(PRIOR_CONFIDENCE)
        confidence = 0.0 if surely is None else float(np.nan_to_num(surely).max(initial=0.0))
        if confidence < settings.confidence:
            return None, f'its place is not sure: {confidence:.2f}'
        self._shown = map_channels(prior, ego.odom_from_base)
        if not self._shown.any():
            return None, 'it tells nothing of this place'
        if self._off > settings.off:
            return None, f'{100.0 * self._off:.0f} % of its lanes look like no road'
        return self._shown, ''

    def compare(self, terrain: np.ndarray, prior: np.ndarray) -> None:
        """Hear what the network told of this sweep, with the map or without.

        terrain: (7, X, Y) logits, prior: (3, X, Y) bev.PRIOR.
        """
        if self._shown is None:
            return
        share, cells = off_lanes(self._shown, terrain, met_of(prior))
        if cells >= self._settings.cells:
            self._count = min(self._count + 1.0, self._settings.sweeps)
            self._off += (share - self._off) / self._count


def off_lanes(channels: np.ndarray, terrain: np.ndarray, met: np.ndarray) -> tuple[float, int]:
    """Return which share of the cells on lanes of a map the network calls grown or rubble, and of how many.

    channels: (7, *MIDDLE) bev.MAP. terrain: (7, X, Y) logits. met: (X, Y) of which cells the network is believed. Cells
    that it calls things are left out, since there is traffic, and so are wet ones.
    """
    lanes = np.kron(channels[MAP.index('drivable')] == 1.0, np.ones((2, 2), bool)) & met
    kinds = terrain[:, lanes].argmax(axis=0)
    road, other = np.isin(kinds, _ROADS).sum(), np.isin(kinds, _GROWN).sum()
    return float(other / max(road + other, 1)), int(road + other)


def weighed(objects: Objects, ego: EgoState, prior: Grid | None) -> Objects:
    """Return the objects with a little less belief in small ones where the map has no road; none is ever removed."""
    if prior is None or abs(ego.stamp_ns - prior.stamp_ns) > OLDEST_S * SECOND_NS:
        return objects
    turn, shift = ego.odom_from_base[:2, :3], ego.position_m[:2]
    off_road = prior.at('drivable', objects.positions_m @ turn.T + shift) < 0.5  # false where the map knows nothing
    small = objects.dimensions_m[:, :2].max(axis=1) < _SMALL_M
    less = (1.0 - _OFF_ROAD) * objects.class_probabilities[:, Label.UNKNOWN]  # people may well walk there
    return replace(objects, existence=np.where(off_road & small, 1.0 - less, 1.0) * objects.existence)


def map_channels(prior: Grid, odom_from_base: np.ndarray) -> np.ndarray:
    """Return (7, *MIDDLE) float32 bev.MAP of a prior in odom, of the four cells that each holds; nothing known: 0.

    Raises DataError where the prior lacks a layer.
    """
    if missing := [name for name in PRIOR_LAYERS if name not in prior.layers]:
        raise DataError(f'the prior of the map lacks {", ".join(missing)}; let the map node of this stack publish it')
    told = np.zeros((MAP_CHANNELS, *MIDDLE), np.float32)
    layers = tuple(np.ascontiguousarray(prior.layers[name], np.float32) for name in PRIOR_LAYERS)
    turn = np.ascontiguousarray(odom_from_base[:2, :2], float)
    _laid(told, layers, turn, (odom_from_base[:2, 3] - prior.origin_m).astype(float), prior.resolution_m)
    return told


@njit(cache=True)
def _laid(
    told: np.ndarray, layers: tuple[np.ndarray, ...], turn: np.ndarray, place: np.ndarray, resolution: float
) -> None:
    """Fill `told`. place: (2,) base_link from the corner of the prior, turn: (2, 2) odom from base."""
    drivable, divider, boundary, stop_line, crosswalk, sines, cosines = layers
    yaw = np.arctan2(turn[1, 0], turn[0, 0])
    c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    quarter = np.float32(0.25)
    for i in range(told.shape[1]):
        for j in range(told.shape[2]):
            for part in range(4):
                x = ORIGIN_M[0] + MIDDLE_M * (i + 0.25 + 0.5 * (part // 2))
                y = ORIGIN_M[1] + MIDDLE_M * (j + 0.25 + 0.5 * (part % 2))
                a = int(np.floor((turn[0, 0] * x + turn[0, 1] * y + place[0]) / resolution))
                b = int(np.floor((turn[1, 0] * x + turn[1, 1] * y + place[1]) / resolution))
                if a < 0 or b < 0 or a >= drivable.shape[0] or b >= drivable.shape[1]:
                    continue
                if drivable[a, b] != drivable[a, b]:
                    continue
                told[0, i, j] += quarter
                told[1, i, j] += quarter * drivable[a, b]
                told[2, i, j] = max(told[2, i, j], divider[a, b])
                told[3, i, j] = max(told[3, i, j], boundary[a, b])
                told[4, i, j] = max(told[4, i, j], stop_line[a, b], crosswalk[a, b])
                sine, cosine = sines[a, b], cosines[a, b]
                if sine == sine and cosine == cosine:
                    told[5, i, j] += quarter * (c * cosine + s * sine)
                    told[6, i, j] += quarter * (c * sine - s * cosine)
