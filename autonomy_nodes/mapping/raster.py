"""The map as a raster on the terrain grid's layout: a prior for perception.

The map is drawn into a patch along the axes of map, some hundred metres wide, and anew when the vehicle nears its
border; from there a window is turned into odom, and that only when the vehicle has moved. A cell of the patch is two
bytes: what is there, one bit a layer, and the direction of travel in steps of 1.4 degrees.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.grid import PRIOR_LAYERS, Grid
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.mapping.model import Lanelet, RoadMap
from autonomy_nodes.mapping.pieces import Pieces
from autonomy_nodes.mapping.polylines import arc_lengths, sampled

SHIFT = 4  # cv2 takes corners in 1/16 of a cell
STRIP_M = 4.0  # a lane is drawn in strips of one direction each
BITS = {name: 1 << place for place, name in enumerate(PRIOR_LAYERS[:5])}
KNOWN = 128
PAINTED = {
    'divider': (Line.DIVIDER, Line.SOLID), 'boundary': (Line.BOUNDARY,), 'stop_line': (Line.STOP_LINE,),
}  # fmt: skip
DIRECTIONS = 255  # from -pi on, counted from 1; 0 says none


@dataclass(frozen=True)
class RasterConfig:
    """The layout, which must be that of the terrain grid, and how often to follow the vehicle.

    known_m: as far from a lane the map is held to tell what is there, such as that it is not drivable.
    """

    cells: int = 256
    resolution_m: float = 0.4
    centre_ahead_m: float = 25.6
    moved_m: float = 2.0
    turned_rad: float = 0.05
    known_m: float = 6.0
    patch_cells: int = 512

    def __post_init__(self) -> None:
        if not 0.0 < self.resolution_m <= 1.0:
            raise ValueError(f'resolution_m={self.resolution_m} must lie above 0 and not above 1')
        if self.patch_cells < 2 * self.cells:
            raise ValueError(f'patch_cells={self.patch_cells} must be twice cells={self.cells} or more')


class Raster:
    """Gives the prior of one map around a vehicle."""

    def __init__(self, road_map: RoadMap, pieces: Pieces, config: RasterConfig) -> None:
        self.config, self._pieces = config, pieces
        self._strips = [_strips(lanelet) for lanelet in road_map.lanelets.values()]
        lengths = [len(strips) for strips in self._strips]
        lanelets = road_map.lanelets.values()
        self._corners_m = np.concatenate([np.zeros((0, 4, 2)), *self._strips])  # (Q, 4, 2) in map
        self._boxes = np.hstack([self._corners_m.min(axis=1), self._corners_m.max(axis=1)])
        self._kinds = np.repeat([_kind(lanelet) for lanelet in lanelets], lengths)
        one_way = np.repeat([lanelet.one_way for lanelet in lanelets], lengths)
        self._codes = np.where(one_way, _codes(self._corners_m), 0)
        self._patch_low_m = np.full(2, np.inf)
        self._patch = np.zeros((0, 0, 2), np.uint8)
        self._last: tuple[np.ndarray, Grid] | None = None  # map_from_odom and the prior made with it

    def prior(self, stamp_ns: int, odom_from_base: np.ndarray, map_from_base: np.ndarray) -> Grid:
        """Return the prior in odom; the last one with a new stamp while the vehicle has hardly moved."""
        config = self.config
        map_from_odom = map_from_base @ inverse(odom_from_base)
        centre = odom_from_base[:2, 3] + config.centre_ahead_m * odom_from_base[:2, 0]
        size_m = config.cells * config.resolution_m
        origin = np.round((centre - size_m / 2.0) / config.resolution_m) * config.resolution_m
        if self._last is None or self._has_moved(origin, map_from_odom, centre, *self._last):
            self._follow(map_from_odom[:2, :2] @ centre + map_from_odom[:2, 3])
            layers = self._window(origin, map_from_odom)
            self._last = map_from_odom, Grid(stamp_ns, 'odom', config.resolution_m, origin, layers)
        return replace(self._last[1], stamp_ns=stamp_ns)

    def _has_moved(
        self, origin: np.ndarray, map_from_odom: np.ndarray, centre: np.ndarray, before: np.ndarray, last: Grid
    ) -> bool:
        """Return whether the vehicle moved in odom, or odom in map, since the last prior was made."""
        slip = (map_from_odom - before)[:2, :2] @ centre + (map_from_odom - before)[:2, 3]
        turn = np.abs(map_from_odom[:2, 0] - before[:2, 0]).max()
        config = self.config
        moved = np.hypot(*(origin - last.origin_m)) > config.moved_m
        return bool(moved or np.hypot(*slip) > config.resolution_m / 2.0 or turn > config.turned_rad)

    def _follow(self, place: np.ndarray) -> None:
        """Draw a new patch where `place` (2,) in map comes too near to the border of the present one."""
        config = self.config
        half_m = config.patch_cells * config.resolution_m / 2.0
        reach_m = config.cells * config.resolution_m * np.sqrt(0.5)
        if not (np.abs(self._patch_low_m + half_m - place) <= half_m - reach_m).all():
            self._patch_low_m = place - half_m
            self._patch = self._drawn(self._patch_low_m, self._patch_low_m + 2.0 * half_m)

    def _drawn(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return (N, N, 2) uint8 bits and directions of the square from `low` to `high` in map."""
        cells = self.config.patch_cells
        rows = np.nonzero(((self._boxes[:, :2] <= high) & (self._boxes[:, 2:] >= low)).all(axis=1))[0]
        quads, kinds = self._cells(self._corners_m[rows], low), self._kinds[rows]
        layers = {kind: np.zeros((cells, cells), np.uint8) for kind in (BITS['drivable'], BITS['crosswalk'], KNOWN)}
        direction = np.zeros((cells, cells), np.uint8)
        for quad, kind, code in zip(quads, kinds.tolist(), self._codes[rows].tolist()):
            cv2.fillConvexPoly(layers[kind], quad, kind, shift=SHIFT)  # fillPoly would cut out where lanes overlap
            if kind == BITS['drivable']:
                cv2.fillConvexPoly(direction, quad, code, shift=SHIFT)
        bits = np.bitwise_or.reduce(list(layers.values()))
        self._paint(bits, low, high)
        far = cv2.distanceTransform((bits == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        bits |= (far * self.config.resolution_m <= self.config.known_m) * np.uint8(KNOWN)
        return np.stack([bits, direction], axis=2)

    def _paint(self, bits: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Draw the lines into the patch."""
        pieces = self._pieces
        rows = pieces.near(low, high)
        for name, classes in PAINTED.items():
            drawn = rows[np.isin(pieces.classes[rows], classes)]
            corners = self._cells(np.nan_to_num(pieces.points[drawn, :, :2]), low)
            counts = np.isfinite(pieces.points[drawn, :, 0]).sum(axis=1).tolist()
            layer = np.zeros_like(bits)
            cv2.polylines(layer, [line[:count] for line, count in zip(corners, counts)], False, BITS[name], shift=SHIFT)
            bits |= layer

    def _cells(self, points: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return (..., 2) int32 places in the patch as cv2 wants them: column (y) first, in 1/16 of a cell."""
        cells = (points[..., ::-1] - low[::-1]) / self.config.resolution_m - 0.5
        return np.round(cells * (1 << SHIFT)).astype(np.int32)

    def _window(self, origin: np.ndarray, map_from_odom: np.ndarray) -> dict[str, np.ndarray]:
        """Return the layers in odom: for each cell the value of the patch where its middle lies."""
        config, turn = self.config, map_from_odom[:2, :2]
        first = turn @ (origin + config.resolution_m / 2.0) + map_from_odom[:2, 3]
        cell = (first - self._patch_low_m) / config.resolution_m - 0.5
        matrix = np.array([[turn[1, 1], turn[1, 0], cell[1]], [turn[0, 1], turn[0, 0], cell[0]]])  # of (column, row)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        window = cv2.warpAffine(self._patch, matrix, (config.cells, config.cells), flags=flags)
        bits, direction = np.ascontiguousarray(window[..., 0]), np.ascontiguousarray(window[..., 1])
        codes = np.arange(256)
        unknown = np.where(codes & KNOWN, 0.0, np.nan)
        tables = {name: (bits, ((codes & bit) > 0) + unknown) for name, bit in BITS.items()}
        angles = np.where(codes, (codes - 0.5) / DIRECTIONS * 2.0 * np.pi - np.pi, np.nan)
        angles -= np.arctan2(turn[1, 0], turn[0, 0])  # from map to odom
        tables |= {'direction_sin': (direction, np.sin(angles)), 'direction_cos': (direction, np.cos(angles))}
        return {name: cv2.LUT(plane, table.astype(np.float32)) for name, (plane, table) in tables.items()}


def _kind(lanelet: Lanelet) -> int:
    """Return the bit as which a lanelet is drawn."""
    if lanelet.for_vehicles:
        return BITS['drivable']
    return BITS['crosswalk'] if lanelet.relation.subtype == 'crosswalk' else KNOWN


def _codes(corners: np.ndarray) -> np.ndarray:
    """Return (Q,) directions of strips as they stand in the patch."""
    steps = corners[:, 1] + corners[:, 2] - corners[:, 0] - corners[:, 3]
    angles = np.arctan2(steps[:, 1], steps[:, 0])
    return 1 + np.minimum((angles + np.pi) / (2.0 * np.pi) * DIRECTIONS, DIRECTIONS - 1).astype(int)


def _strips(lanelet: Lanelet) -> np.ndarray:
    """Return (Q, 4, 2) corners of strips across the lane: left, farther left, farther right, right."""
    ends = arc_lengths(lanelet.left)[-1], arc_lengths(lanelet.right)[-1]
    count = max(int(np.ceil(max(ends) / STRIP_M)), 1) + 1
    sides = zip((lanelet.left, lanelet.right), ends)
    left, right = (sampled(side, np.linspace(0.0, end, count))[:, :2] for side, end in sides)
    return np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
