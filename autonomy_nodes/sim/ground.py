"""The ground: heights on a grid, and what lies on it, drawn finer than the grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.types import check_array
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.mesh import Mesh


@dataclass(frozen=True, eq=False)
class HeightField:
    """Heights of the ground at the nodes of a grid; each cell is two triangles, split from its lowest corner.

    origin_m: (2,) x y of node [0, 0]. heights_m: (X, Y) z of the nodes. materials: (X - 1, Y - 1) uint8 of the cells.
    """

    origin_m: np.ndarray
    resolution_m: float
    heights_m: np.ndarray
    materials: np.ndarray

    def __post_init__(self) -> None:
        check_array('origin_m', self.origin_m, 2)
        check_array('heights_m', self.heights_m, None, None)
        check_array('materials', self.materials, *(size - 1 for size in self.heights_m.shape))

    @property
    def size_m(self) -> np.ndarray:
        """(2,) extent along x and y."""
        return (np.array(self.heights_m.shape) - 1) * self.resolution_m

    def contains(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) whether (..., 2) places lie on the grid."""
        offset = np.asarray(xy) - self.origin_m
        return ((offset >= 0.0) & (offset <= self.size_m)).all(axis=-1)

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) z of the ground at (..., 2) places; beyond the grid that of its nearest place."""
        place = np.maximum((np.asarray(xy, float) - self.origin_m) / self.resolution_m, 0.0)
        cell = np.minimum(place.astype(np.int64), np.array(self.heights_m.shape) - 2)
        i, j = cell[..., 0], cell[..., 1]
        share = np.clip(place - cell, 0.0, 1.0)
        u, v = share[..., 0], share[..., 1]
        z00, z10 = self.heights_m[i, j], self.heights_m[i + 1, j]
        z01, z11 = self.heights_m[i, j + 1], self.heights_m[i + 1, j + 1]
        # the cell's diagonal runs from its lowest to its highest corner, as in `mesh`
        below = z00 + u * (z10 - z00) + v * (z11 - z10)
        above = z00 + v * (z01 - z00) + u * (z11 - z01)
        return np.where(u >= v, below, above)

    def normal(self, xy: np.ndarray, reach_m: float = 0.5) -> np.ndarray:
        """Return (..., 3) unit normals of the ground, over a patch of twice `reach_m`."""
        xy = np.asarray(xy, float)
        steps = reach_m * np.eye(2)
        slope = [self.height(xy + step) - self.height(xy - step) for step in steps]
        normal = np.stack([-slope[0], -slope[1], np.full(slope[0].shape, 2.0 * reach_m)], axis=-1)
        return normal / np.linalg.norm(normal, axis=-1, keepdims=True)

    def material(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) uint8 material of the cells at (..., 2) places."""
        cell = ((np.asarray(xy) - self.origin_m) / self.resolution_m).astype(np.int64)
        cell = np.clip(cell, 0, np.array(self.materials.shape) - 1)
        return self.materials[cell[..., 0], cell[..., 1]]

    def mesh(self) -> Mesh:
        """Return the surface as triangles."""
        columns = self.heights_m.shape[1]
        x, y = (self.origin_m[axis] + self.resolution_m * np.arange(self.heights_m.shape[axis]) for axis in (0, 1))
        vertices = np.stack([*np.meshgrid(x, y, indexing='ij'), self.heights_m], axis=-1).reshape(-1, 3)
        rows = np.arange(self.heights_m.shape[0] - 1)[:, None] * columns
        corner = (rows + np.arange(columns - 1)).ravel()
        below = np.stack([corner, corner + columns, corner + columns + 1], axis=-1)
        above = np.stack([corner, corner + columns + 1, corner + 1], axis=-1)
        materials = self.materials.ravel().astype(np.uint8)
        faces = np.concatenate([below, above]).astype(np.int32)
        return Mesh(vertices, faces, np.concatenate([materials, materials]))


NOTHING = 255
CANVAS_CELL_M = 0.05
_TILE = 256  # cells


class Canvas:
    """Materials drawn on the ground in fine cells, in tiles that exist only where something is drawn.

    Paint and edges of roads are much finer than the height grid; a beam or a pixel looks up what it hit.
    """

    def __init__(self, origin_m: np.ndarray, size_m: np.ndarray, resolution_m: float = CANVAS_CELL_M) -> None:
        self._origin, self._resolution = np.asarray(origin_m, float), resolution_m
        tiles = np.ceil(np.asarray(size_m) / (resolution_m * _TILE)).astype(int)
        self._index = np.full(tiles, -1, np.int32)
        self._tiles: list[np.ndarray] = []
        self._stack = np.zeros((0, _TILE, _TILE), np.uint8)

    def draw(self, polygon: np.ndarray, material: Material, wear: float = 0.0, seed: int = 0) -> None:
        """Fill (N, 2) corners. wear: share of the cells where it is gone, in small patches."""
        span = self._resolution * _TILE
        low, high = (np.floor((edge - self._origin) / span).astype(int) for edge in (polygon.min(0), polygon.max(0)))
        low, high = np.maximum(low, 0), np.minimum(high, np.array(self._index.shape) - 1)
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                self._draw(i, j, polygon, material, wear, seed)

    def _draw(self, i: int, j: int, polygon: np.ndarray, material: Material, wear: float, seed: int) -> None:
        corner = self._origin + np.array([i, j]) * self._resolution * _TILE
        cells = (polygon - corner) / self._resolution - 0.5
        mask = np.zeros((_TILE, _TILE), np.uint8)
        # cv2 takes (column, row) in steps of 1 / 16 cell
        cv2.fillPoly(mask, [np.round(cells[:, ::-1] * 16.0).astype(np.int32)], 1, shift=4)
        if not mask.any():
            return
        if wear > 0.0:
            patches = np.random.default_rng([seed, i, j]).random((_TILE // 2, _TILE // 2))
            mask[np.kron(patches < wear, np.ones((2, 2), bool))] = 0
        if self._index[i, j] < 0:
            self._index[i, j] = len(self._tiles)
            self._tiles.append(np.full((_TILE, _TILE), NOTHING, np.uint8))
        self._tiles[self._index[i, j]][mask == 1] = material

    def look_up(self, xy: np.ndarray, default: np.ndarray) -> np.ndarray:
        """Return (N,) uint8 material at (N, 2) places, `default` (N,) where nothing is drawn."""
        if not self._tiles:
            return default
        if len(self._stack) != len(self._tiles):
            self._stack = np.stack(self._tiles)
        cell = np.floor((xy - self._origin) / self._resolution).astype(np.int64)
        tile = np.clip(cell // _TILE, 0, np.array(self._index.shape) - 1)
        number = self._index[tile[:, 0], tile[:, 1]]
        within = cell - tile * _TILE
        drawn = (number >= 0) & ((within >= 0) & (within < _TILE)).all(axis=1)
        within[~drawn] = 0
        found = self._stack[np.maximum(number, 0), within[:, 0], within[:, 1]]
        return np.where(drawn & (found != NOTHING), found, default).astype(np.uint8)


def stripes(line: np.ndarray, width_m: float, on_m: float = 0.0, off_m: float = 0.0) -> Sequence[np.ndarray]:
    """Return polygons (N, 2) of paint along a line (M, 2): one strip, or dashes `on_m` long with gaps of `off_m`."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    period = on_m + off_m
    starts = np.arange(0.0, s[-1], period) if off_m > 0.0 else np.array([0.0])
    polygons = []
    for start in starts:
        end = min(start + on_m, s[-1]) if off_m > 0.0 else s[-1]
        stations = np.concatenate([[start], s[(s > start + 1e-6) & (s < end - 1e-6)], [end]])
        part = np.stack([np.interp(stations, s, line[:, axis]) for axis in (0, 1)], axis=-1)
        along = np.gradient(part, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        left = np.stack([-along[:, 1], along[:, 0]], axis=-1) * width_m / 2.0
        polygons.append(np.concatenate([part + left, (part - left)[::-1]]))
    return polygons
