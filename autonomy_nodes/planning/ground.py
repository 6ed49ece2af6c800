"""Where the wheels may go: how far every place is from ground that is blocked or was never seen."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.footing import Box, Zone
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.planning.ground_loops import erase_boxes

OBSTACLE = 3  # in the layer 'class'; above it are holes
OUTSIDE = np.float32(-1.0)  # clearance of a place beyond a grid
UNSEEN, DENIED = 'unknown ground', 'ground that cannot be driven'


@dataclass(frozen=True)
class GroundSettings:
    """What ground is good enough.

    traversability, occupancy, observed: limits of the layers of these names. obstacle_height_m: in the far grid, which
    tells no traversability. headroom_m: above the vehicle. margin_m: kept beside the body. reach_m: clearances above
    are not told apart.
    """

    traversability: float = 0.2
    occupancy: float = 0.6
    observed: float = 0.25
    obstacle_height_m: float = 0.3
    headroom_m: float = 0.2
    margin_m: float = 0.05
    reach_m: float = 2.4
    steep_rad: float = 0.4
    rough_m: float = 0.25
    max_age_s: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0.0 or (name in ('reach_m', 'steep_rad', 'rough_m', 'observed') and value == 0.0):
                raise ValueError(f'ground.{name}={value} must not be below 0, and above 0 for what divides')


@dataclass(frozen=True, eq=False)
class Sheet:
    """One grid made ready.

    clearance: (X + 2, Y + 2) metres to the nearest cell that is blocked, with a rim that says 'outside'.
    unknown, blocked: (X, Y) bool.
    """

    grid: Grid
    clearance: np.ndarray
    unknown: np.ndarray
    blocked: np.ndarray

    def index(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the two indices of (..., 2) places in `clearance`; those outside fall on its rim."""
        scale, (width, height) = 1.0 / self.grid.resolution_m, self.clearance.shape
        shift = 1.0 - self.grid.origin_m * scale
        i = np.minimum(np.maximum(xy[..., 0] * scale + shift[0], 0.0), width - 1.0).astype(np.int32)
        j = np.minimum(np.maximum(xy[..., 1] * scale + shift[1], 0.0), height - 1.0).astype(np.int32)
        return i, j


@dataclass(frozen=True, eq=False)
class Ground:
    """The near and the far grid of a step; where the near one ends the far one answers, beyond nothing is known."""

    sheets: tuple[Sheet, ...]
    settings: GroundSettings

    def clearance(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) metres from (..., 2) places to the nearest cell that is blocked; 0 or less inside one."""
        found = np.full(xy.shape[:-1], OUTSIDE, np.float32)
        for order, sheet in enumerate(self.sheets):
            if order == 0:
                found = sheet.clearance[sheet.index(xy)]
            elif (left := found == OUTSIDE).any():
                found[left] = sheet.clearance[sheet.index(xy[left])]
        return found

    def tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return clearance and (3,) corner and size of a cell, of the near grid and of the far one, for loops."""
        told = [(sheet.clearance, np.array([*sheet.grid.origin_m, sheet.grid.resolution_m])) for sheet in self.sheets]
        nothing = (np.full((2, 2), OUTSIDE, np.float32), np.array([0.0, 0.0, 1.0]))
        near, far = (*told, nothing, nothing)[:2]
        return *near, *far

    def cost(self, xy: np.ndarray) -> np.ndarray:
        """Return (...) how hard the ground at (..., 2) places is, 0 to 1; 1 where nothing is known."""
        found, left = np.ones(xy.shape[:-1]), np.ones(xy.shape[:-1], bool)
        for sheet in self.sheets:
            if not left.any():
                break
            inside, (i, j), layers = *self._cells(sheet, xy), sheet.grid.layers
            if 'traversability' in layers:
                hard = np.maximum(1.0 - layers['traversability'][i, j], layers['slope'][i, j] / self.settings.steep_rad)
                hard = np.maximum(hard, layers['roughness'][i, j] / self.settings.rough_m)
                hard = np.where(np.isfinite(hard), np.minimum(hard, 1.0), 1.0)
            else:  # far ground is seen coarsely: neither good nor bad
                hard = np.where(sheet.blocked[i, j], 1.0, 0.3)
            found[inside & left] = hard[left[inside]]
            left &= ~inside
        return found

    def height(self, xy: np.ndarray, otherwise_m: float) -> np.ndarray:
        """Return (T,) elevation at (T, 2); where it is not known that of the place before, at first `otherwise_m`."""
        found = np.full(len(xy), np.nan)
        for sheet in self.sheets:
            inside, (i, j) = self._cells(sheet, xy)
            told = sheet.grid.layers['elevation'][i, j]
            found[inside] = np.where(np.isnan(found[inside]), told, found[inside])
        known = np.isfinite(found)
        last = np.maximum.accumulate(np.where(known, np.arange(len(found)), -1))
        return np.where(last >= 0, found[np.maximum(last, 0)], otherwise_m)

    def why_blocked(self, xy: np.ndarray, radius_m: float) -> str:
        """Return what stands in the way of a disc about a (2,) place: the nearest thing."""
        for sheet in self.sheets:
            i, j = (int(index) for index in sheet.index(xy))
            if sheet.clearance[i, j] == OUTSIDE:
                continue
            reach = int(np.ceil(radius_m / sheet.grid.resolution_m)) + 1
            low_i, low_j = max(i - 1 - reach, 0), max(j - 1 - reach, 0)
            x, y = np.nonzero(sheet.blocked[low_i : i + reach, low_j : j + reach])
            if not len(x):
                return DENIED
            nearest = np.argmin((x + low_i + 1 - i) ** 2 + (y + low_j + 1 - j) ** 2)
            return UNSEEN if sheet.unknown[x[nearest] + low_i, y[nearest] + low_j] else DENIED
        return UNSEEN

    def _cells(self, sheet: Sheet, xy: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return (...) whether (..., 2) places lie in a grid, and the indices of those that do."""
        i, j = sheet.index(xy)
        inside = (i > 0) & (j > 0) & (i < sheet.clearance.shape[0] - 1) & (j < sheet.clearance.shape[1] - 1)
        return inside, (i[inside] - 1, j[inside] - 1)


def read_ground(
    grids: tuple[Grid | None, Grid | None], stands: list[Box], blind: list[Zone], moving: list[Box], height_m: float,
    settings: GroundSettings,
) -> Ground:
    """Return the ground of a step from terrain and far terrain.

    stands: our own bodies: no obstacle is in them. blind: where cells that were never seen are exempt. moving: road
    users that move; where they are now there is ground, and where they will be is for their prediction to say, so their
    cells are free here.
    """
    sheets = (_sheet(grid, stands, blind, moving, height_m, settings) for grid in grids if grid is not None)
    return Ground(tuple(sheets), settings)


def _sheet(
    grid: Grid, stands: list[Box], blind: list[Zone], moving: list[Box], height_m: float, settings: GroundSettings
) -> Sheet:
    layers = grid.layers
    known = (layers['observed'] > settings.observed) & np.isfinite(layers['elevation'])
    hard = layers['occupancy'] > settings.occupancy
    if 'traversability' in layers:
        known &= np.isfinite(layers['traversability'])
        hard |= (layers['traversability'] < settings.traversability) | (layers['class'] >= OBSTACLE)
        hard |= layers['ceiling'] < height_m + settings.headroom_m
    else:
        hard |= layers['obstacle_height'] > settings.obstacle_height_m
    known, hard = np.ascontiguousarray(known), np.ascontiguousarray(hard)  # layers may lie either way
    own, others = _table(stands), _table(moving)
    erase_boxes(hard, grid.origin_m, grid.resolution_m, own, grid.resolution_m / 2.0)  # nothing can stand where we do
    unknown = ~(known | hard)
    for zone in blind:
        erase_boxes(unknown, grid.origin_m, grid.resolution_m, _table([zone.box]), zone.around_m)
    blocked = unknown | hard
    erase_boxes(blocked, grid.origin_m, grid.resolution_m, others, grid.resolution_m)
    clearance = clearance_of(blocked, grid.resolution_m, settings.reach_m)
    rimmed = np.full((clearance.shape[0] + 2, clearance.shape[1] + 2), OUTSIDE, np.float32)
    rimmed[1:-1, 1:-1] = clearance
    return Sheet(grid, rimmed, unknown, blocked)


def clearance_of(blocked: np.ndarray, resolution_m: float, reach_m: float) -> np.ndarray:
    """Return (X, Y) float32 metres from each cell's middle to the edge of the nearest blocked cell, at most `reach_m`.

    Exact Euclidean distance in two passes, cut off at `reach_m` (Meijster et al. 2000); negative in blocked cells.
    """
    reach = max(int(np.ceil(reach_m / resolution_m)), 1)
    kind = np.uint8 if 2 * (reach + 1) ** 2 < 256 else np.int32  # small numbers are fast
    line = np.where(blocked, kind(0), kind((reach + 1) ** 2))
    squared = line.copy()
    for step in range(1, reach + 1):
        further = line + kind(step * step)
        np.minimum(squared[step:], further[:-step], out=squared[step:])
        np.minimum(squared[:-step], further[step:], out=squared[:-step])
    line = squared.copy()
    for step in range(1, reach + 1):
        further = line + kind(step * step)
        np.minimum(squared[:, step:], further[:, :-step], out=squared[:, step:])
        np.minimum(squared[:, :-step], further[:, step:], out=squared[:, :-step])
    metres = np.sqrt(np.arange(2 * (reach + 1) ** 2 + 1)) * resolution_m
    return (np.minimum(metres, reach_m) - resolution_m / 2.0).astype(np.float32)[squared]


def _table(boxes: list[Box]) -> np.ndarray:
    """Return (B, 5) pose and half size of boxes."""
    return np.array([(*box.pose, *box.half) for box in boxes]).reshape(-1, 5)
