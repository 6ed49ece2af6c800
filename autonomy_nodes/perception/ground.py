"""Split a cloud into ground and what stands on it: planes grown outward from where the vehicle stands.

The ground around base_link is cut into polar cells that widen with range. Each cell's plane is the most probable one
given its own lowest points and what the cells nearer to the vehicle predict, so that a wall, a roof or a reflection
from below does not pass for ground, while slopes, kerbs and ditches are followed. Where nothing was seen the
prediction is carried on and grows uncertain. Region growing after Himmelsbach et al. (2010) and Patchwork (2021).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.perception.polar import bucket, ring_table

GROUND, OBSTACLE, OVERHEAD, BELOW, OUTSIDE = range(5)


@dataclass(frozen=True)
class GroundConfig:
    """How the ground is told from the rest.

    near_m: largest height above the plane that still is ground, in the open; where things stand it is down to a third,
    since there the plane is sure and grass is not ground. slope_sigma: change of slope (rise over run) in 10 m.
    headroom_m: what is higher above ground than the vehicle and this does not stand in its way.
    """

    range_m: float = 160.0
    cell_m: float = 0.8
    cell_growth: float = 0.045
    near_m: float = 0.12
    headroom_m: float = 0.5
    point_sigma_m: float = 0.06
    seed_sigma_m: float = 0.08
    slope_sigma: float = 0.06
    steepest: float = 0.6

    def __post_init__(self) -> None:
        for name in ('range_m', 'cell_m', 'near_m', 'point_sigma_m', 'seed_sigma_m', 'slope_sigma', 'steepest'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'ground.{name}={getattr(self, name)} must be above 0')
        if not 0.0 <= self.cell_growth < 1.0:
            raise ValueError(f'ground.cell_growth={self.cell_growth} must lie between 0 and 1')
        if not self.headroom_m >= 0.0:
            raise ValueError(f'ground.headroom_m={self.headroom_m} must not be negative')


@dataclass(frozen=True, eq=False)
class Ground:
    """What each of N points is, and how high.

    kinds: (N,) uint8 GROUND, OBSTACLE, OVERHEAD (above the vehicle), BELOW (under the ground) or OUTSIDE the range.
    heights_m: (N,) float32 above the ground there; NaN outside.
    """

    kinds: np.ndarray
    heights_m: np.ndarray


class GroundSplitter:
    """Holds the tables of the polar cells; knows nothing from sweep to sweep."""

    def __init__(self, config: GroundConfig, vehicle_height_m: float) -> None:
        self.config, self._clearance_m = config, vehicle_height_m + config.headroom_m
        self._rings = ring_table(config.range_m, config.cell_m, config.cell_growth)

    def split(self, xyz: np.ndarray) -> Ground:
        """Return the kind and the height of each point of (N, 3) float32 in base_link."""
        config, (edges, ring_of, sectors, first_cell) = self.config, self._rings
        cells, order, starts = bucket(xyz, ring_of, sectors, first_cell, config.range_m)
        planes = _grow(
            xyz[order], starts, edges, sectors, first_cell,
            config.point_sigma_m, config.seed_sigma_m, config.slope_sigma, config.steepest, config.near_m,
        )  # fmt: skip
        kinds, heights = _classify(xyz, cells, planes, config.near_m, self._clearance_m)
        return Ground(kinds, heights)


@njit(cache=True)
def _grow(
    points: np.ndarray,
    starts: np.ndarray,
    edges: np.ndarray,
    sectors: np.ndarray,
    first_cell: np.ndarray,
    point_sigma: float,
    seed_sigma: float,
    slope_sigma: float,
    steepest: float,
    near: float,
) -> np.ndarray:
    """Return planes (C, 8).

    A row: slope x, slope y, height at the cell's middle, variances of slope and height, middle x y, share of low ones.
    """
    planes = np.zeros((first_cell[-1], 8))
    for ring in range(len(sectors)):
        middle = (edges[ring] + edges[ring + 1]) / 2.0
        for sector in range(sectors[ring]):
            cell = first_cell[ring] + sector
            angle = 2.0 * np.pi * (sector + 0.5) / sectors[ring]
            plane = planes[cell]
            plane[5], plane[6] = middle * np.cos(angle), middle * np.sin(angle)
            if ring == 0:  # the vehicle stands on the ground: that is where base_link is
                plane[3], plane[4] = (4.0 * slope_sigma) ** 2, seed_sigma**2
            else:
                _predict(planes, plane, ring, sector, sectors, first_cell, slope_sigma)
            inside = points[starts[cell] : starts[cell + 1]]
            if len(inside) > 0:
                _measure(plane, inside, point_sigma, near, steepest)
                plane[7] = _share_low(plane, inside, near)
    return planes


@njit(cache=True)
def _predict(
    planes: np.ndarray,
    plane: np.ndarray,
    ring: int,
    sector: int,
    sectors: np.ndarray,
    first_cell: np.ndarray,
    slope_sigma: float,
) -> None:
    """Set `plane` to what the three nearest cells of the ring inside it predict there."""
    inner = sectors[ring - 1]
    beside = int((sector + 0.5) / sectors[ring] * inner)
    weights = slope_x = slope_y = height = spread = slope_variance = 0.0
    for step in range(-1, 2):
        near = planes[first_cell[ring - 1] + (beside + step) % inner]
        dx, dy = plane[5] - near[5], plane[6] - near[6]
        distance2 = dx * dx + dy * dy
        variance = near[4] + near[3] * distance2 + 1e-4
        weight = 1.0 / variance
        ahead = near[2] + near[0] * dx + near[1] * dy
        weights += weight
        slope_x += weight * near[0]
        slope_y += weight * near[1]
        height += weight * ahead
        spread += weight * ahead * ahead
        slope_variance += weight * (near[3] + slope_sigma**2 * 0.1 * np.sqrt(distance2))
        plane[4] += weight * variance
    plane[0], plane[1], plane[2] = slope_x / weights, slope_y / weights, height / weights
    disagreement = max(0.0, spread / weights - plane[2] * plane[2])
    plane[3] = min(slope_variance / weights, (4.0 * slope_sigma) ** 2)
    plane[4] = min(plane[4] / weights + disagreement, 1.0)


@njit(cache=True)
def _above(plane: np.ndarray, point: np.ndarray) -> float:
    """Return how high a point lies above a plane."""
    return point[2] - (plane[0] * (point[0] - plane[5]) + plane[1] * (point[1] - plane[6]) + plane[2])


@njit(cache=True)
def _measure(plane: np.ndarray, points: np.ndarray, sigma: float, near: float, steepest: float) -> None:
    """Update a predicted plane by the lowest points that agree with it; leave it where none do."""
    gate = min(max(2.5 * np.sqrt(plane[4]), 0.3), 1.2)
    low = _lowest(plane, points, gate)
    if not np.isfinite(low):
        low = _drop(plane, points, gate)
        if not np.isfinite(low):
            return
        plane[3], plane[4] = 0.06, 0.25  # the prediction was wrong: it counts for little here
    guess = plane.copy()
    guess[2] += low
    for down, up in ((0.1, 0.25), (near + 0.1, near), (near + 0.1, near)):
        if not _fit(plane, guess, points, down, up, sigma):
            return
    if guess[0] ** 2 + guess[1] ** 2 <= steepest**2:
        plane[:5] = guess[:5]


@njit(cache=True)
def _fit(plane: np.ndarray, guess: np.ndarray, points: np.ndarray, down: float, up: float, sigma: float) -> bool:
    """Set `guess` to the plane most probable given the points near it and the prediction `plane`; False without any."""
    count = 0
    for i in range(len(points)):
        count += -down < _above(guess, points[i]) < up
    if count == 0:
        return False
    # normal equations of the change to the prediction, which counts as a measurement of its own variance
    h11 = h22 = 1.0 / plane[3]
    h33 = 1.0 / plane[4]
    h12 = h13 = h23 = g1 = g2 = g3 = 0.0
    weight = min(count, 12) / count / sigma**2  # neighbouring points err together: no more than 12 count
    for i in range(len(points)):
        if -down < _above(guess, points[i]) < up:
            dx, dy, off = points[i, 0] - plane[5], points[i, 1] - plane[6], _above(plane, points[i])
            h11 += weight * dx * dx
            h12 += weight * dx * dy
            h22 += weight * dy * dy
            h13 += weight * dx
            h23 += weight * dy
            h33 += weight
            g1 += weight * dx * off
            g2 += weight * dy * off
            g3 += weight * off
    m11, m12, m13 = h22 * h33 - h23 * h23, h13 * h23 - h12 * h33, h12 * h23 - h13 * h22  # Cramer's rule
    m22, m23, m33 = h11 * h33 - h13 * h13, h12 * h13 - h11 * h23, h11 * h22 - h12 * h12
    scale = 1.0 / (h11 * m11 + h12 * m12 + h13 * m13)  # the prediction keeps the matrix positive definite
    guess[0] = plane[0] + scale * (m11 * g1 + m12 * g2 + m13 * g3)
    guess[1] = plane[1] + scale * (m12 * g1 + m22 * g2 + m23 * g3)
    guess[2] = plane[2] + scale * (m13 * g1 + m23 * g2 + m33 * g3)
    guess[3], guess[4] = scale * max(m11, m22), scale * m33
    return True


@njit(cache=True)
def _lowest(plane: np.ndarray, points: np.ndarray, gate: float) -> float:
    """Return how far the lowest layer of points lies above the prediction; NaN where none within `gate` looks flat."""
    low = second = np.inf
    for i in range(len(points)):
        above = _above(plane, points[i])
        if -gate < above < low:
            low, second = above, low
        elif -gate < above < second:
            second = above
    if low > gate:
        return np.nan
    if second < gate and second - low > 0.15:  # a lone point below the others is a reflection
        low = second
    layer = higher = 0
    for i in range(len(points)):
        above = _above(plane, points[i])
        layer += low <= above < low + 0.25
        higher += low + 0.25 <= above < low + 1.5
    if (low > 0.1 or low < -0.3) and layer < higher:  # off the prediction: the lowest that is seen of a wall
        return np.nan
    if abs(low) > 0.3 and layer < 3:
        return np.nan
    return low


@njit(cache=True)
def _drop(plane: np.ndarray, points: np.ndarray, gate: float) -> float:
    """Return how far a ditch or a bank lies above the prediction (below 0); NaN unless all that was seen lies there.

    Reflections from below come with points of the true ground, and few of them are flat. Nothing rises so: a layer
    that starts high above the prediction may be a bonnet.
    """
    low = 0.0
    for i in range(len(points)):
        above = _above(plane, points[i])
        if above > -gate:
            return np.nan
        if above > -3.0:
            low = min(low, above)
    layer = 0
    for i in range(len(points)):
        layer += low <= _above(plane, points[i]) < low + 0.25
    return low if layer >= 4 and 2 * layer >= len(points) else np.nan


@njit(cache=True)
def _share_low(plane: np.ndarray, points: np.ndarray, near: float) -> float:
    """Return which share of the points up to 1.5 m above the plane lies on it: 1 in the open, near 0 below a wall."""
    low = total = 0
    for i in range(len(points)):
        above = _above(plane, points[i])
        low += abs(above) <= near
        total += -near <= above < 1.5
    return low / total if total > 0 else 1.0


@njit(cache=True)
def _classify(
    xyz: np.ndarray, cells: np.ndarray, planes: np.ndarray, near: float, clearance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return kind and height above the plane of its cell for each point."""
    kinds = np.empty(len(xyz), np.uint8)
    heights = np.empty(len(xyz), np.float32)
    for i in range(len(xyz)):
        if cells[i] < 0:
            kinds[i], heights[i] = OUTSIDE, np.nan
            continue
        plane = planes[cells[i]]
        above = _above(plane, xyz[i])
        heights[i] = above
        if above > clearance:
            kinds[i] = OVERHEAD
        elif above > near * (0.3 + 0.7 * plane[7] ** 3):
            kinds[i] = OBSTACLE
        else:
            kinds[i] = GROUND if above > -near - 0.1 else BELOW
    return kinds, heights
