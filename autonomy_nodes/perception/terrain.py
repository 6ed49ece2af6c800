"""A grid of the ground and of what stands on it, kept from sweep to sweep while the vehicle drives over it.

Heights are filtered cell by cell; a cell not seen for a while grows uncertain. Evidence for obstacles rises with
returns from them, falls where the ground is seen or where rays pass, and fades towards not known, so that what
has moved leaves no trace and what is merely hidden never becomes free.
"""

from dataclasses import dataclass, field

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import FAR_LAYERS, TERRAIN_LAYERS, Grid
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.perception.camera.sight import Sight
from autonomy_nodes.perception.cells import gathered, shifted
from autonomy_nodes.perception.evidence import (
    CEILING,
    ELEVATION,
    EVIDENCE,
    FAINT,
    HELD,
    NEW,
    SCATTER,
    SEEN,
    TOP,
    VARIANCE,
    look,
    renew,
    stand,
)
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.hollows import HollowSettings, apart_from_way, cells_under, hollows
from autonomy_nodes.perception.surface import shape_of, steps_of
from autonomy_nodes.perception.traversability import judged

_KNOWN = ('variance', 'observed', 'occupancy', 'obstacle_height')
_BACK_NS = SECOND_NS  # a step back in time further than this means that time jumped


@dataclass(frozen=True)
class TerrainConfig:
    """Size of a grid and how its cells change.

    ahead_m: from base_link to the grid's middle. low_m: what is lower than this is rough ground, no obstacle.
    level_rad: lean of the vehicle against the road (standard deviation in KITTI tracking 0000, sweeps 0-61). fade_s: in
    which evidence that is not renewed falls to a third. growth_m2ps: variance that a cell gains a second. fill_cells:
    how far from seen ground a hole may be filled. Slope, step and roughness: from easy to impassable. hole_m: fall over
    an edge that nobody drives down. guessed: how easy filled ground is at best: less than any but the roughest seen.
    """

    resolution_m: float = 0.4
    cells: int = 256
    ahead_m: float = 25.6
    low_m: float = 0.25
    height_sigma_m: float = 0.03
    level_rad: float = 0.007
    growth_m2ps: float = 0.0004
    fade_s: float = 6.0
    fill_cells: int = 3
    steepest_rad: float = 0.45
    highest_step_m: float = 0.25
    roughest_m: float = 0.15
    hole_m: float = 0.4
    guessed: float = 0.4
    hollows: HollowSettings = field(default_factory=HollowSettings)

    def __post_init__(self) -> None:
        lengths = ('resolution_m', 'low_m', 'height_sigma_m', 'highest_step_m', 'roughest_m', 'hole_m')
        for name in (*lengths, 'fade_s', 'steepest_rad'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'terrain.{name}={getattr(self, name)} must be above 0')
        if not 8 <= self.cells <= 1024:
            raise ValueError(f'terrain.cells={self.cells} must lie between 8 and 1024')
        if not 0.0 < self.guessed <= 1.0:
            raise ValueError(f'terrain.guessed={self.guessed} must lie above 0, at most at 1')


def far_terrain() -> TerrainConfig:
    """Return the settings of the far grid: in any heading it reaches 150 m ahead."""
    return TerrainConfig(resolution_m=0.8, cells=224, ahead_m=62.0, low_m=0.4, height_sigma_m=0.06)


class Terrain:
    """One grid; its cells lie at multiples of the resolution in odom, so that they stay what they are."""

    def __init__(self, config: TerrainConfig, far: bool = False) -> None:
        self.config, self._far = config, far
        self._corner = np.zeros(2, np.int64)  # in cells from the origin of odom
        self._state = np.tile(NEW, (config.cells, config.cells, 1))
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
        sums, rows = gathered(
            xyz, ground.kinds, ground.heights_m, odom_from_base[:3, :3], shift,
            config.resolution_m, config.cells, config.low_m,
        )  # fmt: skip
        limits = np.array([config.height_sigma_m, config.growth_m2ps, config.fade_s, config.resolution_m, config.low_m])
        table = np.zeros((0, 0), np.float32) if rays is None else rays
        place = np.array([*shift, ego.position_m[2]])
        renew(self._state, sums, rows, table, sensor_m, odom_from_base[:3, :3], place, passed_s, limits)
        stand(self._state, body_m, odom_from_base[:3, :3], place, config.resolution_m)
        return self._grid(ego, body_m)

    def look(self, sight: Sight, body_m: np.ndarray, ego: EgoState) -> Grid:
        """Take in what pictures alone tell, and return the grid. What they hide is not filled in."""
        passed_s = self._passed_s(ego.stamp_ns)
        self._move(ego)
        config, rotation = self.config, np.ascontiguousarray(ego.odom_from_base[:3, :3])
        place = np.array([*(ego.position_m[:2] - self._corner * config.resolution_m), ego.position_m[2]])
        limits = np.array([config.growth_m2ps, config.fade_s, config.resolution_m, *sight.shares])
        hidden = look(self._state, sight.told, sight.shown, rotation, place, passed_s, limits)
        stand(self._state, body_m, rotation, place, config.resolution_m)
        return self._grid(ego, body_m, hidden)

    def held_s(self, xy: np.ndarray) -> np.ndarray:
        """Return (N,) for how long something has stood at places (N, 2) in odom; NaN outside."""
        index = np.floor(xy / self.config.resolution_m).astype(np.int64) - self._corner
        inside = ((index >= 0) & (index < self.config.cells)).all(axis=1)
        index[~inside] = 0
        return np.where(inside, self._state[index[:, 0], index[:, 1], HELD], np.nan)

    def _passed_s(self, stamp_ns: int) -> float:
        """Return the time since the last sweep; forget everything where time jumped back."""
        last_ns, self._stamp_ns = self._stamp_ns, stamp_ns
        if last_ns is None or stamp_ns < last_ns - _BACK_NS:
            self._state[:] = NEW
            return 0.0
        if stamp_ns <= last_ns:
            self._stamp_ns = last_ns
            raise DataError(f'sweep of {stamp_ns} ns is not newer than {last_ns} ns', fault='F06')
        return (stamp_ns - last_ns) / SECOND_NS

    def _move(self, ego: EgoState) -> None:
        """Move the window with the vehicle; cells that stay inside keep what is known."""
        config = self.config
        ahead = np.array([np.cos(ego.heading_rad), np.sin(ego.heading_rad)]) * config.ahead_m
        corner = np.floor((ego.position_m[:2] + ahead) / config.resolution_m).astype(np.int64) - config.cells // 2
        by = corner - self._corner
        self._corner = corner
        if by.any():
            self._state = shifted(self._state, by, NEW)

    def _grid(self, ego: EgoState, body_m: np.ndarray, hidden: np.ndarray | None = None) -> Grid:
        """Return the layers of what is known now. hidden: (X, Y) cells that are not to be filled in."""
        config, state = self.config, self._state
        elevation = state[..., ELEVATION].copy()
        slope, roughness, filled = shape_of(elevation, config.fill_cells, config.resolution_m, self._far)
        if hidden is not None:
            for layer in (elevation, slope, roughness):
                layer[filled & hidden] = np.nan
            filled &= ~hidden
        middle, lean = ego.position_m[:2] / config.resolution_m - self._corner - 0.5, config.level_rad
        shared = np.array([*middle, (lean * config.resolution_m) ** 2, config.height_sigma_m**2])
        known = _known(state, elevation, filled, 1.0 / (1.0 + np.exp(-state[..., EVIDENCE])), shared)
        layers = {'elevation': elevation, **dict(zip(_KNOWN, known))}
        if not self._far:
            layers |= {'slope': slope, 'step': steps_of(elevation), 'ceiling': state[..., CEILING].copy()}
            layers['roughness'] = np.maximum(roughness, state[..., SCATTER])
            place = (middle + 0.5) * config.resolution_m
            own = cells_under(body_m, ego.odom_from_base[:3, :3], place, config.resolution_m)
            hollow = hollows(elevation, layers['occupancy'] > 0.5, config.resolution_m, config.hollows)
            hollow = apart_from_way(hollow, elevation, own, config.hollows)
            fall = np.tan(config.steepest_rad) * config.resolution_m
            largest = config.steepest_rad, config.highest_step_m, config.roughest_m, config.hole_m
            limits = np.array([*largest, fall, config.guessed])
            layers['traversability'], layers['class'] = judged(
                elevation, slope, layers['step'], layers['roughness'], layers['occupancy'], filled, hollow,
                limits,
            )  # fmt: skip
        origin = self._corner * config.resolution_m
        names = FAR_LAYERS if self._far else TERRAIN_LAYERS
        return Grid(ego.stamp_ns, 'odom', config.resolution_m, origin, {name: layers[name] for name in names})


@njit(cache=True)
def _known(
    state: np.ndarray, elevation: np.ndarray, filled: np.ndarray, likely: np.ndarray, leaning: np.ndarray
) -> np.ndarray:
    """Return the (4, X, Y) layers of `_KNOWN`. likely: (X, Y) what the evidence of a cell makes of an obstacle.

    Occupancy is NaN where nothing is known, 0.3 in a small hole between cells that were seen. obstacle_height is 0
    where it is known that there is none. leaning: (4,) base_link's cell, and variance a cell from it and everywhere,
    which all heights share: seeing a cell again makes it no surer.
    """
    layers = np.full((4, *elevation.shape), np.nan, np.float32)
    variance, observed, occupancy, height = layers[0], layers[1], layers[2], layers[3]
    for i in range(elevation.shape[0]):
        for j in range(elevation.shape[1]):
            evidence = state[i, j, EVIDENCE]
            lean2 = ((i - leaning[0]) ** 2 + (j - leaning[1]) ** 2) * leaning[2] + leaning[3]
            variance[i, j] = np.float32(0.04) if filled[i, j] else state[i, j, VARIANCE] + lean2
            observed[i, j] = 1.0 if state[i, j, SEEN] > 0.0 else 0.5 if filled[i, j] else 0.0
            if filled[i, j] and not evidence > FAINT:
                occupancy[i, j] = 0.3
            elif abs(evidence) > FAINT:
                occupancy[i, j] = likely[i, j]
            if occupancy[i, j] > 0.5:
                height[i, j] = state[i, j, TOP]
            elif elevation[i, j] == elevation[i, j]:
                height[i, j] = 0.0
    return layers
