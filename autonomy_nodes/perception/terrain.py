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
from autonomy_nodes.perception import cells as columns
from autonomy_nodes.perception.cells import gathered, seen_through, shifted
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.hollows import HollowSettings, apart_from_way, cells_under, hollows
from autonomy_nodes.perception.surface import shape_of, steps_of
from autonomy_nodes.perception.traversability import judged

_ELEVATION, _VARIANCE, _EVIDENCE, _TOP, _CEILING, _SCATTER, _SEEN, _HELD = range(8)  # what is kept of a cell
_NEW = np.array([np.nan, np.nan, 0.0, np.nan, np.inf, 0.0, 0.0, 0.0], np.float32)
_DOUBT = 0.003  # of the squared difference: some twenty sweeps that contradict known ground convince
_ONCE_FREE = -0.4  # what was seen free fades to a guess, not to unknown: the vehicle does not see what is close to it
_KNOWN = ('variance', 'observed', 'occupancy', 'obstacle_height')
_FAINT = 0.1  # evidence that says nothing
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
        sums, rows = gathered(
            xyz, ground.kinds, ground.heights_m, odom_from_base[:3, :3], shift,
            config.resolution_m, config.cells, config.low_m,
        )  # fmt: skip
        limits = np.array(
            [config.height_sigma_m, config.growth_m2ps, config.fade_s, config.resolution_m, config.low_m]
        )
        table = np.zeros((0, 0), np.float32) if rays is None else rays
        place = np.array([*shift, ego.position_m[2]])
        _renew(self._state, sums, rows, table, sensor_m, odom_from_base[:3, :3], place, passed_s, limits)
        _stand(self._state, body_m, odom_from_base[:3, :3], place, config.resolution_m)
        return self._grid(ego, body_m)

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
            self._state = shifted(self._state, by, _NEW)

    def _grid(self, ego: EgoState, body_m: np.ndarray) -> Grid:
        """Return the layers of what is known now."""
        config, state = self.config, self._state
        elevation = state[..., _ELEVATION].copy()
        slope, roughness, filled = shape_of(elevation, config.fill_cells, config.resolution_m, self._far)
        middle, lean = ego.position_m[:2] / config.resolution_m - self._corner - 0.5, config.level_rad
        shared = np.array([*middle, (lean * config.resolution_m) ** 2, config.height_sigma_m**2])
        known = _known(state, elevation, filled, 1.0 / (1.0 + np.exp(-state[..., _EVIDENCE])), shared)
        layers = {'elevation': elevation, **dict(zip(_KNOWN, known))}
        if not self._far:
            layers |= {'slope': slope, 'step': steps_of(elevation), 'ceiling': state[..., _CEILING].copy()}
            layers['roughness'] = np.maximum(roughness, state[..., _SCATTER])
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
            evidence = state[i, j, _EVIDENCE]
            lean2 = ((i - leaning[0]) ** 2 + (j - leaning[1]) ** 2) * leaning[2] + leaning[3]
            variance[i, j] = np.float32(0.04) if filled[i, j] else state[i, j, _VARIANCE] + lean2
            observed[i, j] = 1.0 if state[i, j, _SEEN] > 0.0 else 0.5 if filled[i, j] else 0.0
            if filled[i, j] and not evidence > _FAINT:
                occupancy[i, j] = 0.3
            elif abs(evidence) > _FAINT:
                occupancy[i, j] = likely[i, j]
            if occupancy[i, j] > 0.5:
                height[i, j] = state[i, j, _TOP]
            elif elevation[i, j] == elevation[i, j]:
                height[i, j] = 0.0
    return layers


@njit(cache=True)
def _renew(
    state: np.ndarray,
    sums: np.ndarray,
    rows: np.ndarray,
    rays: np.ndarray,
    sensor: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    passed_s: float,
    limits: np.ndarray,
) -> None:
    """Change (X, Y, 8) `state` by the sums of one sweep, as `gathered` gives them.

    place: (3,) base_link from the grid's corner, its height.
    limits: sigma of a height, growth of variance, time of fading, resolution, height of an obstacle.
    """
    fading = np.exp(-passed_s / limits[2])
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            row = rows[i, j]
            grown = min(state[i, j, _VARIANCE] + limits[1] * passed_s, 1.0)
            state[i, j, _VARIANCE] = grown if state[i, j, _SEEN] > 0.0 else np.nan
            if state[i, j, _EVIDENCE] > 0.0 or state[i, j, _EVIDENCE] < _ONCE_FREE:
                state[i, j, _EVIDENCE] *= fading
            above = 0.0
            if sums[row, columns.GROUND_COUNT] > 0 and sums[row, columns.OBSTACLE_COUNT] == 0:  # no foot of a thing
                above = _see_ground(state[i, j], sums[row, :3], place[2], limits[0])
            elif sums[row, columns.BELOW_COUNT] > 3 and state[i, j, _SEEN] == 0.0:  # the bottom beside an edge
                _see_ground(state[i, j], sums[row, 3:6], place[2], limits[0])
            hits, top = sums[row, columns.OBSTACLE_COUNT], sums[row, columns.OBSTACLE_TOP]
            if above > limits[4]:
                hits, top = hits + sums[row, columns.GROUND_COUNT], max(above, top)
            if hits > 0:
                state[i, j, _EVIDENCE] = min(state[i, j, _EVIDENCE] + (1.2 if hits > 1 else 0.5), 3.5)
                state[i, j, _TOP] = top if not state[i, j, _TOP] > top else 0.5 * (top + state[i, j, _TOP])
            elif sums[row, columns.GROUND_COUNT] > 0:
                state[i, j, _EVIDENCE] = max(state[i, j, _EVIDENCE] - 1.2, -2.5)
            elif state[i, j, _EVIDENCE] > 0.1 and len(rays) > 0:
                x, y = (i + 0.5) * limits[3] - place[0], (j + 0.5) * limits[3] - place[1]
                ground = state[i, j, _ELEVATION] - place[2] if state[i, j, _SEEN] > 0.0 else 0.0
                ahead = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * ground
                left = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * ground
                up = rotation[0, 2] * x + rotation[1, 2] * y + rotation[2, 2] * ground
                if seen_through(rays, ahead, left, up + 0.5 * state[i, j, _TOP], sensor):
                    # no obstacle there, but no ground seen either
                    state[i, j, _EVIDENCE] = max(state[i, j, _EVIDENCE] - 1.2, 0.0)
            state[i, j, _HELD] = state[i, j, _HELD] + passed_s if state[i, j, _EVIDENCE] > 0.0 else 0.0
            # a ceiling stays: it is above the vehicle, and what hangs there seldom moves
            state[i, j, _CEILING] = min(state[i, j, _CEILING], sums[row, columns.OVERHEAD_LOW])


@njit(cache=True)
def _see_ground(cell: np.ndarray, sums: np.ndarray, height: float, sigma: float) -> float:
    """Filter the elevation of one cell; return how far above known ground the new height lies if it contradicts it.

    A lower surface than was known starts anew: something stood on it. A higher one stands on what was known, such as
    the bonnet of who passes by; only if it is seen again and again is it the ground.
    """
    count, mean = sums[0], sums[1] / sums[0]
    spread2 = max(0.0, sums[2] / count - mean * mean)
    measured, variance = mean + height, (sigma**2 + spread2) / min(count, 4.0) + 0.25 * sigma**2
    off = measured - cell[_ELEVATION]
    contradicts = off * off > 16.0 * (cell[_VARIANCE] + variance)
    if cell[_SEEN] > 0.0 and contradicts and off > 0.0:
        cell[_VARIANCE] += _DOUBT * off * off
        return off
    if cell[_SEEN] == 0.0 or contradicts:
        cell[_ELEVATION], cell[_VARIANCE], cell[_SEEN], cell[_SCATTER] = measured, variance, 1.0, np.sqrt(spread2)
        return 0.0
    cell[_SCATTER] = 0.7 * cell[_SCATTER] + 0.3 * np.sqrt(spread2)
    gain = cell[_VARIANCE] / (cell[_VARIANCE] + variance)
    cell[_ELEVATION] += gain * off
    cell[_VARIANCE] *= 1.0 - gain
    return 0.0


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
