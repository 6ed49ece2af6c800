"""A grid of the ground and of what stands on it, kept from sweep to sweep while the vehicle drives over it.

Heights are filtered cell by cell; a cell not seen for a while grows uncertain. Evidence for obstacles rises with
returns from them, falls where the ground is seen or where rays pass, and fades towards not known, so that what
has moved leaves no trace and what is merely hidden never becomes free.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.perception import cells as columns
from autonomy_nodes.perception.cells import gathered, seen_through, turned
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.surface import shape_of, steps_of
from autonomy_nodes.perception.traversability import judged

_ELEVATION, _VARIANCE, _EVIDENCE, _TOP, _CEILING, _SCATTER, _SEEN, _HELD = range(8)  # what is kept of a cell
_NEW = np.array([np.nan, np.nan, 0.0, np.nan, np.inf, 0.0, 0.0, 0.0], np.float32)
_ONCE_FREE = -0.4  # what was seen free fades to a guess, not to unknown: the vehicle does not see what is close to it
_BACK_NS = SECOND_NS  # a step back in time further than this means that time jumped


@dataclass(frozen=True)
class TerrainConfig:
    """Size of a grid and how its cells change.

    ahead_m: from base_link to the grid's middle. low_m: what is lower than this is rough ground, no obstacle.
    fade_s: in which evidence that is not renewed falls to a third. growth_m2ps: variance that a cell gains a second.
    fill_cells: how far from seen ground a hole may be filled. Slope, step and roughness: from easy to impassable.
    """

    resolution_m: float = 0.4
    cells: int = 256
    ahead_m: float = 25.6
    low_m: float = 0.25
    height_sigma_m: float = 0.03
    growth_m2ps: float = 0.0004
    fade_s: float = 6.0
    fill_cells: int = 3
    steepest_rad: float = 0.45
    highest_step_m: float = 0.25
    roughest_m: float = 0.15
    hole_m: float = 0.4

    def __post_init__(self) -> None:
        for name in ('resolution_m', 'low_m', 'height_sigma_m', 'fade_s', 'steepest_rad', 'highest_step_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'terrain.{name}={getattr(self, name)} must be above 0')
        if not 8 <= self.cells <= 1024:
            raise ValueError(f'terrain.cells={self.cells} must lie between 8 and 1024')


def far_terrain() -> TerrainConfig:
    """Return the settings of the far grid: in any heading it reaches 150 m ahead."""
    return TerrainConfig(resolution_m=0.8, cells=224, ahead_m=62.0, low_m=0.4, height_sigma_m=0.06)


class Terrain:
    """One grid; its cells lie at multiples of the resolution in odom, so that they stay what they are."""

    def __init__(self, config: TerrainConfig, far: bool = False) -> None:
        self.config, self._far = config, far
        self._corner = np.zeros(2, np.int64)  # in cells from the origin of odom
        self._state = np.tile(_NEW, (config.cells, config.cells, 1))
        self._stamp_ns: int | None = None

    def update(
        self,
        xyz: np.ndarray,
        ground: Ground,
        rays: np.ndarray | None,
        sensor_m: np.ndarray,
        body_m: np.ndarray,
        ego: EgoState,
    ) -> Grid:
        """Take in one sweep (in base_link) and return the grid.

        rays: what `cells.rays` gives for a sensor at sensor_m (3,); None where it is not known.
        body_m: (3,) rear end, front end and half width of the vehicle, which stands on ground.
        """
        passed_s = self._passed_s(ego.stamp_ns)
        self._move(ego)
        config, odom_from_base = self.config, ego.odom_from_base
        shift = ego.position_m[:2] - self._corner * config.resolution_m
        sums = gathered(
            turned(xyz, odom_from_base[:3, :3]), ground.kinds, ground.heights_m, shift,
            config.resolution_m, config.cells, config.low_m,
        )  # fmt: skip
        limits = np.array([config.height_sigma_m, config.growth_m2ps, config.fade_s, config.resolution_m])
        table = np.zeros((0, 0), np.float32) if rays is None else rays
        place = np.array([*shift, ego.position_m[2]])
        _renew(self._state, sums, table, sensor_m, odom_from_base[:3, :3], place, passed_s, limits)
        _stand(self._state, body_m, odom_from_base[:3, :3], place, config.resolution_m)
        return self._grid(ego)

    def held_s(self, xy: np.ndarray) -> np.ndarray:
        """Return (N,) for how long something has stood at places (N, 2) in odom; NaN outside."""
        index = np.floor(xy / self.config.resolution_m).astype(np.int64) - self._corner
        inside = ((index >= 0) & (index < self.config.cells)).all(axis=1)
        index[~inside] = 0
        return np.where(inside, self._state[index[:, 0], index[:, 1], _HELD], np.nan)

    def _passed_s(self, stamp_ns: int) -> float:
        """Return the time since the last sweep; forget everything where time jumped back."""
        last_ns, self._stamp_ns = self._stamp_ns, stamp_ns
        if last_ns is None or stamp_ns < last_ns - _BACK_NS:
            self._state[:] = _NEW
            return 0.0
        if stamp_ns <= last_ns:
            self._stamp_ns = last_ns
            raise DataError(f'sweep of {stamp_ns} ns is not newer than {last_ns} ns')
        return (stamp_ns - last_ns) / SECOND_NS

    def _move(self, ego: EgoState) -> None:
        """Move the window with the vehicle; cells that stay inside keep what is known."""
        config = self.config
        ahead = np.array([np.cos(ego.heading_rad), np.sin(ego.heading_rad)]) * config.ahead_m
        corner = np.floor((ego.position_m[:2] + ahead) / config.resolution_m).astype(np.int64) - config.cells // 2
        by = corner - self._corner
        self._corner = corner
        if not by.any():
            return
        old, self._state = self._state, np.tile(_NEW, (config.cells, config.cells, 1))
        if (abs(by) < config.cells).all():
            (i0, j0), (i1, j1) = np.maximum(by, 0), config.cells + np.minimum(by, 0)
            self._state[i0 - by[0] : i1 - by[0], j0 - by[1] : j1 - by[1]] = old[i0:i1, j0:j1]

    def _grid(self, ego: EgoState) -> Grid:
        """Return the layers of what is known now."""
        config, state = self.config, self._state
        elevation, seen = state[..., _ELEVATION].copy(), state[..., _SEEN] > 0.0
        slope, roughness, filled = shape_of(elevation, config.fill_cells, config.resolution_m)
        layers = {
            'elevation': elevation,
            'variance': np.where(filled, np.float32(0.04), state[..., _VARIANCE]),
            'observed': np.where(seen, np.float32(1.0), np.where(filled, np.float32(0.5), np.float32(0.0))),
            'occupancy': _occupancy(state[..., _EVIDENCE], filled),
        }
        occupied = layers['occupancy'] > 0.5
        none = np.where(elevation == elevation, np.float32(0.0), np.float32(np.nan))  # no obstacle, where that is known
        layers['obstacle_height'] = np.where(occupied, state[..., _TOP], none)
        if not self._far:
            layers |= {'slope': slope, 'step': steps_of(elevation), 'ceiling': state[..., _CEILING].copy()}
            layers['roughness'] = np.maximum(roughness, state[..., _SCATTER])
            fall = np.tan(config.steepest_rad) * config.resolution_m
            limits = np.array([config.steepest_rad, config.highest_step_m, config.roughest_m, config.hole_m, fall])
            layers['traversability'], layers['class'] = judged(
                elevation, slope, layers['step'], layers['roughness'], layers['occupancy'], filled, limits
            )
        origin = self._corner * config.resolution_m
        names = FAR_LAYERS if self._far else TERRAIN_LAYERS
        return Grid(ego.stamp_ns, 'odom', config.resolution_m, origin, {name: layers[name] for name in names})


def _occupancy(evidence: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Return (X, Y) probabilities; NaN where nothing is known, 0.3 in a small hole between cells that were seen."""
    known = np.where(abs(evidence) > 0.1, 1.0 / (1.0 + np.exp(-evidence)), np.nan)
    return np.where(filled & ~(evidence > 0.1), 0.3, known).astype(np.float32)


@njit(cache=True)
def _renew(
    state: np.ndarray,
    sums: np.ndarray,
    rays: np.ndarray,
    sensor: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    passed_s: float,
    limits: np.ndarray,
) -> None:
    """Change (X, Y, 8) `state` by the sums of one sweep. place: (3,) base_link from the grid's corner, its height.

    limits: sigma of a height, growth of variance, time of fading, resolution.
    """
    fading = np.exp(-passed_s / limits[2])
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            cell, sum_ = state[i, j], sums[i, j]
            cell[_VARIANCE] = min(cell[_VARIANCE] + limits[1] * passed_s, 1.0) if cell[_SEEN] > 0.0 else np.nan
            if cell[_EVIDENCE] > 0.0 or cell[_EVIDENCE] < _ONCE_FREE:
                cell[_EVIDENCE] *= fading
            if sum_[columns.GROUND_COUNT] > 0:
                _see_ground(cell, sum_[:3], place[2], limits[0])
            elif sum_[columns.BELOW_COUNT] > 3 and cell[_SEEN] == 0.0:  # the bottom beside an edge; else a reflection
                _see_ground(cell, sum_[3:6], place[2], limits[0])
            hits = sum_[columns.OBSTACLE_COUNT]
            if hits > 0:
                cell[_EVIDENCE] = min(cell[_EVIDENCE] + (1.2 if hits > 1 else 0.5), 3.5)
                top = sum_[columns.OBSTACLE_TOP]
                cell[_TOP] = top if not cell[_TOP] > top else 0.5 * (top + cell[_TOP])
            elif sum_[columns.GROUND_COUNT] > 0:
                cell[_EVIDENCE] = max(cell[_EVIDENCE] - 1.2, -2.5)
            elif cell[_EVIDENCE] > 0.1 and len(rays) > 0:
                x, y = (i + 0.5) * limits[3] - place[0], (j + 0.5) * limits[3] - place[1]
                ground = cell[_ELEVATION] - place[2] if cell[_SEEN] > 0.0 else 0.0
                ahead = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * ground
                left = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * ground
                up = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * ground
                if seen_through(rays, ahead, left, up + 0.5 * cell[_TOP], sensor):
                    cell[_EVIDENCE] = max(cell[_EVIDENCE] - 1.2, 0.0)  # no obstacle there, but no ground seen either
            cell[_HELD] = cell[_HELD] + passed_s if cell[_EVIDENCE] > 0.0 else 0.0
            # a ceiling stays: it is above the vehicle, and what hangs there seldom moves
            cell[_CEILING] = min(cell[_CEILING], sum_[columns.OVERHEAD_LOW])


@njit(cache=True)
def _see_ground(cell: np.ndarray, sums: np.ndarray, height: float, sigma: float) -> None:
    """Filter the elevation of one cell; a surface that changed by more than errors explain starts anew."""
    count, mean = sums[0], sums[1] / sums[0]
    spread2 = max(0.0, sums[2] / count - mean * mean)
    measured, variance = mean + height, (sigma**2 + spread2) / min(count, 4.0) + 0.25 * sigma**2
    cell[_SCATTER] = np.sqrt(spread2) if cell[_SEEN] == 0.0 else 0.7 * cell[_SCATTER] + 0.3 * np.sqrt(spread2)
    off = measured - cell[_ELEVATION]
    if cell[_SEEN] == 0.0 or off * off > 16.0 * (cell[_VARIANCE] + variance):
        cell[_ELEVATION], cell[_VARIANCE], cell[_SEEN] = measured, variance, 1.0
        return
    gain = cell[_VARIANCE] / (cell[_VARIANCE] + variance)
    cell[_ELEVATION] += gain * off
    cell[_VARIANCE] *= 1.0 - gain


@njit(cache=True)
def _stand(state: np.ndarray, body: np.ndarray, rotation: np.ndarray, place: np.ndarray, resolution: float) -> None:
    """Note ground under the vehicle, which stands on it, where no sweep has seen it.

    Its height is that of the wheels, moved by what the ground seen around differs from that: springs give way.
    """
    reach = int((max(body[1], body[0]) + 4.0) / resolution)
    rows = range(max(int(place[0] / resolution) - reach, 0), min(int(place[0] / resolution) + reach, state.shape[0]))
    lines = range(max(int(place[1] / resolution) - reach, 0), min(int(place[1] / resolution) + reach, state.shape[1]))
    total = count = 0.0
    for under in (False, True):
        for i in rows:
            for j in lines:
                x, y = (i + 0.5) * resolution - place[0], (j + 0.5) * resolution - place[1]
                ahead = rotation[0, 0] * x + rotation[1, 0] * y
                left = rotation[0, 1] * x + rotation[1, 1] * y
                wheels = place[2] + rotation[2, 0] * ahead + rotation[2, 1] * left
                cell = state[i, j]
                if not under and cell[_SEEN] > 0.0 and abs(cell[_ELEVATION] - wheels) < 0.3:
                    total, count = total + cell[_ELEVATION] - wheels, count + 1.0
                elif under and -body[0] <= ahead <= body[1] and abs(left) <= body[2]:
                    cell[_EVIDENCE] = min(cell[_EVIDENCE], -1.0)
                    if cell[_SEEN] == 0.0:
                        cell[_ELEVATION] = wheels + total / max(count, 1.0)
                        cell[_VARIANCE], cell[_SEEN] = 0.01, 1.0
