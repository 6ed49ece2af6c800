"""The ground of a plot: a grid whose lines lie where kerbs and ditches are, bent along the road.

Places are told as s, n: metres along the middle of the road and to its left. The road is an arc through the origin of
map, where it runs along x.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.sim.mesh import Mesh

_STRAIGHT = 1e-6  # 1/m
SKIN_M = (0.10, 0.05)  # cells of paint and wear along s and n
BARE = 255


@dataclass(frozen=True, eq=False)
class Relief:
    """Ground over s and n.

    s: (S,), n: (N,) lines of the grid [m], growing. heights: (S, N) z [m]. materials: (S - 1, N - 1) `Material`.
    barred: (S - 1, N - 1) bool, ground that no vehicle may enter: water, holes, ditches. bend: curvature [1/m].
    skin: (U, V) uint8 `Material` of paint and patches over the middle of the road, BARE elsewhere; skin_at: (2,) s, n
    where it begins. skew: how far a line across the road leans along it, 0 for a right angle. lines: what a map of the
    road holds, each a kind and (M, 2) places as s, n.
    """

    s: np.ndarray
    n: np.ndarray
    heights: np.ndarray
    materials: np.ndarray
    barred: np.ndarray
    bend: float
    skin: np.ndarray
    skin_at: np.ndarray
    skew: float = 0.0
    lines: tuple[tuple[Line, np.ndarray], ...] = ()

    def to_map(self, s: np.ndarray | float, n: np.ndarray | float) -> np.ndarray:
        """Return (..., 2) x y in map."""
        s, n = np.broadcast_arrays(np.asarray(s, float), np.asarray(n, float))
        s = s + self.skew * n
        if abs(self.bend) < _STRAIGHT:
            return np.stack([s, n], axis=-1)
        radius, angle = 1.0 / self.bend - n, self.bend * s
        return np.stack([radius * np.sin(angle), 1.0 / self.bend - radius * np.cos(angle)], axis=-1)

    def from_map(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return s and n of (..., 2) places in map."""
        x, y = xy[..., 0], xy[..., 1]
        if abs(self.bend) < _STRAIGHT:
            return x - self.skew * y, y
        side = np.sign(self.bend)
        radius = 1.0 / abs(self.bend)
        s = radius * np.arctan2(x, radius - side * y)
        n = side * (radius - np.hypot(x, radius - side * y))
        return s - self.skew * n, n

    def heading(self, place: np.ndarray) -> np.ndarray:
        """Return (...) headings in map [rad] of (..., 3) places: s, n, heading along s and n."""
        s, n, heading = np.moveaxis(np.asarray(place, float), -1, 0)
        leaning = np.arctan2(np.sin(heading), np.cos(heading) + self.skew * np.sin(heading))
        return np.asarray(self.bend * (s + self.skew * n) + leaning)

    def _indices(self, s: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the place on the grid in lines."""
        along = np.interp(s, self.s, np.arange(len(self.s)))
        across = np.interp(n, self.n, np.arange(len(self.n)))
        return along, across

    def height(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) z of the ground at (..., 2) places in map; beyond the grid that of its edge."""
        return self._surface(*self._indices(*self.from_map(np.asarray(xy, float))))

    def _surface(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        i = np.minimum(u.astype(int), len(self.s) - 2)
        j = np.minimum(v.astype(int), len(self.n) - 2)
        u, v, z = u - i, v - j, self.heights
        below = z[i, j] + u * (z[i + 1, j] - z[i, j]) + v * (z[i + 1, j + 1] - z[i + 1, j])
        above = z[i, j] + v * (z[i, j + 1] - z[i, j]) + u * (z[i + 1, j + 1] - z[i, j + 1])
        return np.where(u >= v, below, above)

    def cells(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return z, material, whether barred and whether on the plot, each (...), at (..., 2) places in map."""
        s, n = self.from_map(xy)
        inside = (s >= self.s[0]) & (s <= self.s[-1]) & (n >= self.n[0]) & (n <= self.n[-1])
        u, v = self._indices(s, n)
        i = np.minimum(u.astype(int), len(self.s) - 2)
        j = np.minimum(v.astype(int), len(self.n) - 2)
        return self._surface(u, v), self.materials[i, j], self.barred[i, j], inside

    def painted(self, xy: np.ndarray, default: np.ndarray) -> np.ndarray:
        """Return (N,) `Material` at (N, 2) places in map, `default` (N,) where there is no paint and no patch."""
        s, n = self.from_map(xy)
        i = ((s - self.skin_at[0]) * (1.0 / SKIN_M[0])).astype(np.int32)
        j = ((n - self.skin_at[1]) * (1.0 / SKIN_M[1])).astype(np.int32)
        inside = (i >= 0) & (j >= 0) & (i < self.skin.shape[0]) & (j < self.skin.shape[1])
        found = self.skin[np.where(inside, i, 0), np.where(inside, j, 0)]
        return np.where(inside & (found != BARE), found, default)

    def mesh(self) -> Mesh:
        """Return the surface as triangles in map."""
        s, n = np.meshgrid(self.s, self.n, indexing='ij')
        vertices = np.concatenate([self.to_map(s, n), self.heights[..., None]], axis=-1).reshape(-1, 3)
        columns = len(self.n)
        corner = (np.arange(len(self.s) - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
        below = np.stack([corner, corner + columns, corner + columns + 1], axis=-1)
        above = np.stack([corner, corner + columns + 1, corner + 1], axis=-1)
        materials = self.materials.ravel().astype(np.uint8)
        return Mesh(
            vertices, np.concatenate([below, above]).astype(np.int32), np.concatenate([materials, materials])
        )


def lines(low: float, high: float, step: float, extra: list[float]) -> np.ndarray:
    """Return grid lines from low to high about `step` apart [m], and one at each of `extra`."""
    even = np.linspace(low, high, max(2, round((high - low) / step) + 1))
    kept = [value for value in extra if low < value < high]
    if not kept:
        return even
    near = np.abs(even[:, None] - np.array(kept)).min(axis=1) < 0.15
    near[[0, -1]] = False
    return np.unique(np.concatenate([even[~near], kept]))


def ramp(distance: np.ndarray, width: float = 0.03) -> np.ndarray:
    """Return 0 before a step, 1 after it."""
    return np.clip(distance / width, 0.0, 1.0)


def swell(s: np.ndarray, n: np.ndarray, rng: np.random.Generator, amplitude_m: float, waves: int = 4) -> np.ndarray:
    """Return (S, N) long waves of the ground [m], level at the origin."""
    total = np.zeros((len(s), len(n)))
    for _ in range(waves):
        length, angle, phase = rng.uniform(20.0, 90.0), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        turned = 2.0 * np.pi / length * (s[:, None] * np.cos(angle) + n[None, :] * np.sin(angle)) + phase
        total += rng.normal() * amplitude_m * length / 60.0 * (np.sin(turned) - np.sin(phase))
    return total


def hill(s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (S,) a crest or a dip along a long road [m], level at the origin: bent by 1/4000 m (one sigma)."""
    return np.asarray(rng.normal() / 8000.0 * s**2)


def bumps(s: np.ndarray, n: np.ndarray, rng: np.random.Generator, size_m: float, amplitude_m: float) -> np.ndarray:
    """Return (S, N) irregular ground: smooth noise of a size [m]."""
    shape = (int((s[-1] - s[0]) / size_m) + 3, int((n[-1] - n[0]) / size_m) + 3)
    noise = rng.normal(size=shape).astype(np.float32) * amplitude_m
    columns, rows = np.meshgrid((n - n[0]) / size_m, (s - s[0]) / size_m)
    return cv2.remap(
        noise, columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(float)


def patches(s: np.ndarray, n: np.ndarray, rng: np.random.Generator, size_m: float, share: float) -> np.ndarray:
    """Return (S - 1, N - 1) bool: irregular spots about a size [m] that cover about a share of the cells."""
    middle_s, middle_n = 0.5 * (s[1:] + s[:-1]), 0.5 * (n[1:] + n[:-1])
    noise = bumps(middle_s, middle_n, rng, size_m, 1.0)
    return noise > np.quantile(noise, 1.0 - share)
