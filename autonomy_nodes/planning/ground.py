"""Where the wheels may go: how far every place is from ground that is blocked or was never seen."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.kinematics import Body

OBSTACLE, HOLE = 3, 4  # values of the layer 'class'
OUTSIDE = -1.0  # clearance of a place beyond a grid


@dataclass(frozen=True)
class GroundSettings:
    """What ground is good enough.

    traversability, occupancy, observed: limits of the layers of these names. obstacle_height_m: in the far grid, which
    tells no traversability. headroom_m: above the vehicle. blind_m: ground never seen so near to the body at the start
    is exempt, as no sensor sees it. margin_m: kept beside the body. reach_m: clearances above are not told apart.
    """

    traversability: float = 0.2
    occupancy: float = 0.6
    observed: float = 0.25
    obstacle_height_m: float = 0.3
    headroom_m: float = 0.2
    blind_m: float = 4.0
    margin_m: float = 0.1
    reach_m: float = 2.4
    steep_rad: float = 0.4
    rough_m: float = 0.25
    max_age_s: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0.0 or (name in ('reach_m', 'steep_rad', 'rough_m', 'observed') and value == 0.0):
                raise ValueError(f'ground.{name}={value} must not be below 0, and above 0 for what divides')


@dataclass(frozen=True, eq=False)
class Box:
    """A rectangle that stands somewhere: pose (3,) x y heading of its middle, half (2,) of length and width."""

    pose: np.ndarray
    half: np.ndarray


@dataclass(frozen=True, eq=False)
class Sheet:
    """One grid made ready: arrays (X + 2, Y + 2) with a rim that says 'outside'.

    clearance: metres to the nearest cell that is blocked. cost: 0 easy to 1 barely drivable. unknown, blocked: bool.
    """

    origin_m: np.ndarray
    resolution_m: float
    clearance: np.ndarray
    cost: np.ndarray
    elevation: np.ndarray
    unknown: np.ndarray
    blocked: np.ndarray

    def index(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the two indices of (..., 2) places; those outside fall on the rim."""
        width, height = self.clearance.shape
        i = ((xy[..., 0] - self.origin_m[0]) * (1.0 / self.resolution_m) + 1.0).clip(0, width - 1).astype(np.int32)
        j = ((xy[..., 1] - self.origin_m[1]) * (1.0 / self.resolution_m) + 1.0).clip(0, height - 1).astype(np.int32)
        return i, j


@dataclass(frozen=True, eq=False)
class Ground:
    """The near and the far grid of a step; where the near one ends the far one answers, beyond nothing is known."""

    sheets: tuple[Sheet, ...]

    def clearance(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres from (..., 2) places to the nearest cell that is blocked; 0 or less inside one."""
        return self._look(xy, 'clearance', outside=OUTSIDE)

    def cost(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) how hard the ground is, 0 to 1; 1 where nothing is known."""
        return self._look(xy, 'cost', outside=1.0)

    def height(self, xy: np.ndarray, otherwise_m: float) -> np.ndarray:
        """Return (...) elevation; where it is not known that of the place before, at first `otherwise_m`."""
        found = self._look(xy, 'elevation', outside=np.nan)
        known = np.isfinite(found)
        last = np.maximum.accumulate(np.where(known, np.arange(len(found)), -1))
        return np.where(last >= 0, found[np.maximum(last, 0)], otherwise_m)

    def why_blocked(self, xy: np.ndarray, radius_m: float) -> str:
        """Return what stands in the way of a disc about a (2,) place: the nearest thing."""
        for sheet in self.sheets:
            i, j = (int(index) for index in sheet.index(xy))
            if sheet.clearance[i, j] == OUTSIDE:
                continue
            reach = int(np.ceil((radius_m + sheet.resolution_m) / sheet.resolution_m))
            rows, columns = slice(max(i - reach, 1), i + reach + 1), slice(max(j - reach, 1), j + reach + 1)
            x, y = np.nonzero(sheet.blocked[rows, columns])
            if not len(x):
                return 'obstacle'
            nearest = np.argmin((x + rows.start - i) ** 2 + (y + columns.start - j) ** 2)
            unseen = sheet.unknown[rows, columns][x[nearest], y[nearest]]
            return 'unknown ground' if unseen else 'ground that cannot be driven'
        return 'unknown ground'

    def _look(self, xy: np.ndarray, name: str, outside: float) -> np.ndarray:
        values = np.full(xy.shape[:-1], outside)
        left = np.ones(xy.shape[:-1], bool)
        for order, sheet in enumerate(self.sheets):
            if order == 0:
                i, j = sheet.index(xy)
                values = getattr(sheet, name)[i, j]
                left = sheet.clearance[i, j] == OUTSIDE
            elif left.any():
                i, j = sheet.index(xy[left])
                values[left] = getattr(sheet, name)[i, j]
        return values


def read_ground(
    grids: tuple[Grid | None, Grid | None], stands: list[Box], moving: list[Box], height_m: float,
    settings: GroundSettings,
) -> Ground:
    """Return the ground of a step from terrain and far terrain.

    stands: our own bodies, about which unseen cells are exempt. moving: road users that move; where they are now there
    is ground, and where they will be is for their prediction to say, so their cells are free here.
    """
    return Ground(tuple(_sheet(grid, stands, moving, height_m, settings) for grid in grids if grid is not None))


def _sheet(grid: Grid, stands: list[Box], moving: list[Box], height_m: float, settings: GroundSettings) -> Sheet:
    layers, resolution = grid.layers, grid.resolution_m
    observed = layers['observed'] > settings.observed
    elevation = layers['elevation'].astype(float)
    hard = layers['occupancy'] > settings.occupancy
    if 'traversability' in layers:
        easy = layers['traversability']
        hard = hard | (easy < settings.traversability) | np.isin(layers['class'], (OBSTACLE, HOLE))
        hard |= layers['ceiling'] < height_m + settings.headroom_m
        cost = np.maximum(1.0 - easy, layers['slope'] / settings.steep_rad)
        cost = np.clip(np.maximum(cost, layers['roughness'] / settings.rough_m), 0.0, 1.0)
        known = observed & np.isfinite(elevation) & np.isfinite(easy)
        cost = np.where(np.isfinite(cost), cost, 1.0)
    else:
        hard = hard | (layers['obstacle_height'] > settings.obstacle_height_m)
        known = observed & np.isfinite(elevation)
        cost = np.where(known, 0.3, 1.0)  # far ground is seen coarsely: neither good nor bad
    unknown = ~known & ~hard
    for box in stands:
        _erase(unknown, grid, box, settings.blind_m)
    blocked = unknown | hard
    for box in moving:
        _erase(blocked, grid, box, resolution)
    clearance = clearance_of(blocked, resolution, settings.reach_m)
    return Sheet(
        grid.origin_m, resolution, _rimmed(clearance, OUTSIDE), _rimmed(cost, 1.0), _rimmed(elevation, np.nan),
        _rimmed(unknown, True), _rimmed(blocked, True),
    )  # fmt: skip


def clearance_of(blocked: np.ndarray, resolution_m: float, reach_m: float) -> np.ndarray:
    """Return (X, Y) float32 metres from each cell's middle to the edge of the nearest blocked cell, at most `reach_m`.

    Exact Euclidean distance in two passes, cut off at `reach_m` (Meijster et al. 2000); negative in blocked cells.
    """
    reach = max(int(np.ceil(reach_m / resolution_m)), 1)
    line = np.where(blocked, np.float32(0.0), np.float32(reach + 1)) ** 2
    squared = line.copy()
    for step in range(1, reach + 1):
        np.minimum(squared[step:], line[:-step] + np.float32(step * step), out=squared[step:])
        np.minimum(squared[:-step], line[step:] + np.float32(step * step), out=squared[:-step])
    line = squared.copy()
    for step in range(1, reach + 1):
        np.minimum(squared[:, step:], line[:, :-step] + np.float32(step * step), out=squared[:, step:])
        np.minimum(squared[:, :-step], line[:, step:] + np.float32(step * step), out=squared[:, :-step])
    return np.minimum(np.sqrt(squared) * np.float32(resolution_m), np.float32(reach_m)) - np.float32(resolution_m / 2.0)


def box_of(body: Body, pose: np.ndarray) -> Box:
    """Return where a body stands with its reference at a (3,) pose."""
    middle = pose[:2] + body.middle_m * np.array([np.cos(pose[2]), np.sin(pose[2])])
    return Box(np.array([*middle, pose[2]]), np.array(body.half_m))


def _erase(mask: np.ndarray, grid: Grid, box: Box, around_m: float) -> None:
    """Set the cells of `mask` false whose middles lie in a box or within `around_m` of it."""
    reach = float(np.hypot(*box.half)) + around_m
    low = np.floor((box.pose[:2] - reach - grid.origin_m) / grid.resolution_m).astype(int).clip(0, grid.shape)
    high = np.ceil((box.pose[:2] + reach - grid.origin_m) / grid.resolution_m).astype(int).clip(0, grid.shape)
    if (high <= low).any():
        return
    x = grid.origin_m[0] + (np.arange(low[0], high[0]) + 0.5) * grid.resolution_m - box.pose[0]
    y = grid.origin_m[1] + (np.arange(low[1], high[1]) + 0.5) * grid.resolution_m - box.pose[1]
    cos, sin = np.cos(box.pose[2]), np.sin(box.pose[2])
    along = np.abs(x[:, None] * cos + y * sin) - box.half[0]
    across = np.abs(y * cos - x[:, None] * sin) - box.half[1]
    window = mask[low[0] : high[0], low[1] : high[1]]
    window[np.hypot(along.clip(0.0), across.clip(0.0)) <= around_m] = False


def _rimmed(array: np.ndarray, rim: float) -> np.ndarray:
    """Return (X + 2, Y + 2): the array with one more cell on every side."""
    wide = np.full((array.shape[0] + 2, array.shape[1] + 2), rim, array.dtype)
    wide[1:-1, 1:-1] = array
    return wide
