"""Split a cloud into ground and what stands on it: planes grown outward from where the vehicle stands.

The ground around base_link is cut into polar cells that widen with range. Each cell's plane is the most probable one
given its own lowest points and what the cells nearer to the vehicle predict, so that a wall, a roof or a reflection
from below does not pass for ground, while slopes, kerbs and ditches are followed. Where nothing was seen the
prediction is carried on and grows uncertain. Region growing after Himmelsbach et al. (2010) and Patchwork (2021).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.perception.planes import (
    COVARIANCE,
    HEIGHT_VARIANCE,
    MIDDLE,
    SHARE_LOW,
    WIDTH,
    bounded,
    carried,
    heights_above,
    measure,
    share_low,
)
from autonomy_nodes.perception.polar import bucket, ring_table

GROUND, OBSTACLE, OVERHEAD, BELOW, OUTSIDE = range(5)


@dataclass(frozen=True)
class GroundConfig:
    """How the ground is told from the rest.

    near_m: largest height above the plane that still is ground, in the open; where things stand it is down to a third,
    since there the plane is sure and grass is not ground. slope_sigma: change of slope (rise over run) in 10 m.
    headroom_m: what is higher above ground than the vehicle and this does not stand in its way.
    uneven_m: root mean square height of a cell's ground points beyond which they are no surface, but grass and plants.
    In the simulator it is the smallest hundredth that leaves more than 99 % of the ground of each world a surface.
    """

    range_m: float = 160.0
    cell_m: float = 0.8
    cell_growth: float = 0.045
    near_m: float = 0.12
    headroom_m: float = 0.5
    uneven_m: float = 0.05
    point_sigma_m: float = 0.06
    seed_sigma_m: float = 0.08
    slope_sigma: float = 0.06
    steepest: float = 0.6

    def __post_init__(self) -> None:
        lengths = ('range_m', 'cell_m', 'near_m', 'uneven_m', 'point_sigma_m', 'seed_sigma_m')
        for name in (*lengths, 'slope_sigma', 'steepest'):
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
    firm: (N,) bool, GROUND that is even enough to be a surface: not grass and low plants, which lie about as low.
    """

    kinds: np.ndarray
    heights_m: np.ndarray
    firm: np.ndarray


class GroundSplitter:
    """Holds the tables of the polar cells; knows nothing from sweep to sweep."""

    def __init__(self, config: GroundConfig, vehicle_height_m: float) -> None:
        self.config, self._clearance_m = config, vehicle_height_m + config.headroom_m
        self._rings = ring_table(config.range_m, config.cell_m, config.cell_growth)

    def split(self, xyz: np.ndarray) -> Ground:
        """Return the kind and the height of each point of (N, 3) float32 in base_link."""
        config, (edges, ring_of, sectors, first_cell) = self.config, self._rings
        cells, points, starts = bucket(xyz, ring_of, sectors, first_cell, config.range_m)
        planes = _grow(
            points, starts, edges, sectors, first_cell,
            config.point_sigma_m, config.seed_sigma_m, config.slope_sigma, config.steepest, config.near_m,
        )  # fmt: skip
        kinds, heights = _classify(xyz, cells, planes, config.near_m, self._clearance_m)
        return Ground(kinds, heights, _firm(cells, kinds, heights, len(planes), config.uneven_m))


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
    """Return planes (C, 12) as `planes` describes them. points: (3, M) sorted by cell, of which starts: (C + 1,)."""
    planes = np.zeros((first_cell[-1], WIDTH))
    most = np.diff(starts).max()
    below, above = np.empty(most), np.empty(most)
    for ring in range(len(sectors)):
        middle = (edges[ring] + edges[ring + 1]) / 2.0
        for sector in range(sectors[ring]):
            cell = first_cell[ring] + sector
            angle = 2.0 * np.pi * (sector + 0.5) / sectors[ring]
            plane = planes[cell]
            plane[MIDDLE], plane[MIDDLE + 1] = middle * np.cos(angle), middle * np.sin(angle)
            if ring == 0:  # the vehicle stands on the ground: that is where base_link is
                plane[COVARIANCE] = plane[COVARIANCE + 2] = (4.0 * slope_sigma) ** 2
                plane[HEIGHT_VARIANCE] = seed_sigma**2
            else:
                _predict(planes, plane, ring, sector, sectors, first_cell, slope_sigma)
            first, count = starts[cell], starts[cell + 1] - starts[cell]
            if count > 0:
                measure(plane, points, first, below[:count], above[:count], point_sigma, near, steepest)
                heights_above(plane, points, first, above[:count])
                plane[SHARE_LOW] = share_low(above[:count], near)
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
    """Set `plane`, of which but the middle is known, to what the three nearest cells of the ring inside it predict."""
    inner = sectors[ring - 1]
    beside = int((sector + 0.5) / sectors[ring] * inner)
    weights = spread = 0.0
    ahead = np.empty(WIDTH)
    for step in range(-1, 2):
        place = beside + step
        place += inner if place < 0 else -inner if place >= inner else 0
        near = planes[first_cell[ring - 1] + place]
        dx, dy = plane[MIDDLE] - near[MIDDLE], plane[MIDDLE + 1] - near[MIDDLE + 1]
        carried(near, dx, dy, ahead[COVARIANCE:])
        ahead[HEIGHT_VARIANCE] += 1e-4
        weight = 1.0 / ahead[HEIGHT_VARIANCE]
        changed = slope_sigma**2 * 0.1 * np.sqrt(dx * dx + dy * dy)
        ahead[COVARIANCE] += changed
        ahead[COVARIANCE + 2] += changed
        ahead[0], ahead[1], ahead[2] = near[0], near[1], near[2] + near[0] * dx + near[1] * dy
        weights += weight
        spread += weight * ahead[2] * ahead[2]
        for k in range(WIDTH):
            if k < MIDDLE or k >= COVARIANCE:
                plane[k] += weight * ahead[k]
    for k in range(WIDTH):
        if k < MIDDLE or k >= COVARIANCE:
            plane[k] /= weights
    plane[HEIGHT_VARIANCE] += max(0.0, spread / weights - plane[2] * plane[2])  # they disagree
    bounded(plane[COVARIANCE:], 4.0 * slope_sigma, 1.0)


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
        ahead = plane[0] * (xyz[i, 0] - plane[MIDDLE]) + plane[1] * (xyz[i, 1] - plane[MIDDLE + 1])
        above = xyz[i, 2] - (ahead + plane[2])
        heights[i] = above
        if above > clearance:
            kinds[i] = OVERHEAD
        elif above > near * (0.3 + 0.7 * plane[SHARE_LOW] ** 3):
            kinds[i] = OBSTACLE
        else:
            kinds[i] = GROUND if above > -near - 0.1 else BELOW
    return kinds, heights


@njit(cache=True)
def _firm(cells: np.ndarray, kinds: np.ndarray, heights: np.ndarray, count: int, uneven: float) -> np.ndarray:
    """Return which points are ground in a cell whose ground points lie within `uneven` of its plane (rms)."""
    squares = np.zeros((count, 2), np.float32)  # how many there are, and the sum of their squared heights
    for i in range(len(kinds)):
        if kinds[i] == GROUND:
            squares[cells[i], 0] += 1.0
            squares[cells[i], 1] += heights[i] * heights[i]
    firm = np.empty(len(kinds), np.bool_)
    for i in range(len(kinds)):
        cell = cells[i]
        firm[i] = kinds[i] == GROUND and squares[cell, 1] <= uneven * uneven * squares[cell, 0]
    return firm
