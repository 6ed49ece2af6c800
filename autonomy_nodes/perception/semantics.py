"""What the ground is of and where nobody may drive, as a network tells it, kept from sweep to sweep.

Of each cell, fixed in odom, the logarithms of the network's chances are averaged. Neighbouring sweeps are hardly
independent, so n of them count as n / (1 + (n - 1) r) (r: how alike their errors are; Kish 1965), and only the last few
are remembered: what has moved away is forgotten. What is not told any more fades to not known. The network takes
freedom from the geometric channel's terrain; unknown ground stays unknown or becomes forbidden. It gives freedom back
in one case alone: grass and loose ground look uneven to geometry, and where the network tells that one may enter, steps
between such cells are soft. Obstacles, holes, slopes and steps twice as high as may be driven stay what geometry says,
and ground that nobody saw is never easier than `terrain.guessed`.
Of its classes vegetation as tall as a bumper and things bar the way; mud does not, and water is told by 'blocked',
which is learned of what no vehicle may enter. Either is a reason of its own: their odds add up.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import SEMANTICS, Grid
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M, PRIOR, TERRAIN
from autonomy_nodes.perception.cells import met, shifted
from autonomy_nodes.perception.learned import Learned
from autonomy_nodes.perception.terrain import TerrainConfig
from autonomy_nodes.perception.traversability import ROUGH

assert SEMANTICS[1:] == TERRAIN
_GRAZING = 0.95  # of the channel 'passed': a ray went on within 0.2 m, and would have met what stands there
_KNOWN, _PASSED = PRIOR.index('known'), PRIOR.index('passed')
_CLASSES = len(TERRAIN)
_NEVER, _COUNT = _CLASSES, _CLASSES + 1  # what is kept of a cell: a mean a class, one of 'forbidden', how many
_NEW = np.zeros(_COUNT + 1, np.float32)
_BARRED = np.array([name in ('high_vegetation', 'obstacle') for name in TERRAIN])  # 'wet' is of mud and of water
_RARE = -2.2  # log odds of 'forbidden' where nobody tells
_SUREST = np.float32(7.0)  # log odds: a single sweep is never surer
_PASSING = np.float32(0.12)  # sweeps that are remembered of cells under road users: about a second long
_FAINT = 0.1  # sweeps: less than this tell nothing
_SOFT_STEPS = 2.0  # highest steps: what rises more from cell to cell is not soft


@dataclass(frozen=True)
class SemanticSettings:
    """How the network's word on cells counts.

    forbidden: chance that no vehicle may enter from which a cell is impassable; below, it is no easier than the rest.
    soft: how easy rough ground is at least where the network tells that one may enter; 0: as geometry tells. alike: how
    alike the errors of two sweeps are: of neighbouring ones of simulated drives 0.9 at least. sweeps: that are
    remembered. fade_s: in which what is not told any more falls to a third. margin_m: about boxes of road users, whose
    cells are not free.
    """

    forbidden: float = 0.43
    soft: float = 0.5
    alike: float = 0.95
    sweeps: float = 8.0
    fade_s: float = 6.0
    margin_m: float = 0.4

    def __post_init__(self) -> None:
        for name in ('forbidden', 'alike'):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f'semantics.{name}={getattr(self, name)} must lie between 0 and 1')
        if not 0.0 <= self.soft <= 1.0:
            raise ValueError(f'semantics.soft={self.soft} must lie between 0 and 1')
        if not self.sweeps >= 1.0:
            raise ValueError(f'semantics.sweeps={self.sweeps} must be 1 at least')
        if not self.fade_s > 0.0:
            raise ValueError(f'semantics.fade_s={self.fade_s} must be above 0')
        if not self.margin_m >= 0.0:
            raise ValueError(f'semantics.margin_m={self.margin_m} must not be negative')


class Semantics:
    """Evidence of one grid's cells; it moves with the grid that it is given."""

    def __init__(self, settings: SemanticSettings, terrain: TerrainConfig | None = None) -> None:
        terrain = terrain or TerrainConfig()
        self.settings = settings
        self._limits = np.array(
            [settings.alike, settings.forbidden, settings.soft, terrain.steepest_rad,
             _SOFT_STEPS * terrain.highest_step_m, terrain.guessed]
        )  # fmt: skip
        self._state = np.zeros((0, 0, len(_NEW)), np.float32)
        self._corner = np.zeros(2, np.int64)
        self._stamp_ns = 0

    def told(self, grid: Grid, ego: EgoState, learned: Learned | None, users: np.ndarray) -> Grid:
        """Return the terrain of a sweep with what the network says: less of it free, and layers of its own.

        learned: None where the network told nothing of this sweep, or is not believed: then what is known fades.
        users: (B, 5) x y length width heading of road users, in base_link.
        """
        settings, rotation = self.settings, np.ascontiguousarray(ego.odom_from_base[:3, :3])
        place = np.array([*(ego.position_m[:2] - grid.origin_m), ego.position_m[2]])
        self._fade(self._follow(grid))
        under = _under(grid.shape, users, rotation, place, grid.resolution_m, settings.margin_m)
        if learned is not None:
            _taken(
                self._state, learned.outputs['terrain'], learned.outputs['blocked'][0], met_of(learned.prior), under,
                grid.layers['elevation'], rotation, place, grid.resolution_m, settings.sweeps,
            )  # fmt: skip
        easy = grid.layers['traversability'].copy()
        shape, slope, step, observed = (grid.layers[name] for name in ('class', 'slope', 'step', 'observed'))
        kind, certainty, forbidden = _judged(self._state, easy, shape, slope, step, observed, self._limits)
        easy[under], forbidden[under] = 0.0, 1.0
        told = {'traversability': easy, 'semantic': kind, 'certainty': certainty, 'forbidden': forbidden}
        return replace(grid, layers={**grid.layers, **told})

    def _follow(self, grid: Grid) -> float:
        """Lay the cells as the grid has them, and return the time since the last sweep [s]."""
        corner = np.round(grid.origin_m / grid.resolution_m).astype(np.int64)
        by, passed_ns = corner - self._corner, grid.stamp_ns - self._stamp_ns
        self._corner, self._stamp_ns = corner, grid.stamp_ns
        if self._state.shape[:2] != grid.shape or passed_ns <= 0:  # time jumped: nothing that was told holds
            self._state = np.zeros((*grid.shape, len(_NEW)), np.float32)
            return 0.0
        if by.any():
            self._state = shifted(self._state, by, _NEW)
        return passed_ns / SECOND_NS

    def _fade(self, passed_s: float) -> None:
        self._state[..., _COUNT] *= np.float32(np.exp(-passed_s / self.settings.fade_s))


def asked_of(prior: np.ndarray) -> np.ndarray:
    """Return (X, Y) of which cells training asks: with a point in them or beside them, or grazed by a ray.

    prior: (3, X, Y) bev.PRIOR.
    """
    return met(prior[_KNOWN], prior[_PASSED], _GRAZING)


def met_of(prior: np.ndarray) -> np.ndarray:
    """Return (X, Y) of which cells the network is believed on board: with a point in them, or grazed by a ray.

    Right about the vehicle no ray comes near the ground, which then looks as water does, up to the first points.
    """
    return np.asarray((prior[_KNOWN] > 0.0) | (prior[_PASSED] > _GRAZING))


@njit(cache=True)
def _taken(
    state: np.ndarray,
    terrain: np.ndarray,
    blocked: np.ndarray,
    asked: np.ndarray,
    under: np.ndarray,
    elevation: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    resolution: float,
    most: float,
) -> None:
    """Average (X, Y, 9) `state` with what one sweep tells of the cells that the network was asked for.

    terrain: (7, A, B) logits, blocked: (A, B) log odds, asked: (A, B) see `met_of`; under: (X, Y) where road users are,
    who leave no trail: what is told there is soon forgotten. elevation: (X, Y) in odom. place: (3,) base_link from the
    grid's corner, its height. most: sweeps that count.
    """
    one = np.float32(1.0)
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            x, y = (i + 0.5) * resolution - place[0], (j + 0.5) * resolution - place[1]
            up = elevation[i, j] - place[2]
            z = up if up == up else 0.0
            a = int(np.floor((rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * z - ORIGIN_M[0]) / CELL_M))
            b = int(np.floor((rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * z - ORIGIN_M[1]) / CELL_M))
            if a < 0 or b < 0 or a >= blocked.shape[0] or b >= blocked.shape[1] or not asked[a, b]:
                continue
            never, shift = _told(terrain, blocked, a, b)
            # no view of a cell: to count who holds one costs more than the sums
            count = min(state[i, j, _COUNT], np.float32(most) - one) + one
            share = one / count
            for k in range(_CLASSES):
                state[i, j, k] += share * (max(terrain[k, a, b] - shift, -_SUREST) - state[i, j, k])
            state[i, j, _NEVER] += share * (never - state[i, j, _NEVER])
            state[i, j, _COUNT] = _PASSING if under[i, j] else count


@njit(cache=True)
def _told(terrain: np.ndarray, blocked: np.ndarray, a: int, b: int) -> tuple[float, float]:
    """Return the log odds of 'forbidden' of one cell, and by how much its logits are above its log chances."""
    highest = terrain[0, a, b]
    for k in range(1, _CLASSES):
        highest = max(highest, terrain[k, a, b])
    free = barred = np.float32(1e-4)
    total = np.float32(2e-4)
    for k in range(_CLASSES):
        chance = np.exp(terrain[k, a, b] - highest)
        total += chance
        if _BARRED[k]:
            barred += chance
        else:
            free += chance
    odds = np.exp(min(blocked[a, b], _SUREST)) + barred / free
    return min(max(np.log(odds), -_SUREST), _SUREST), highest + np.log(total)


@njit(cache=True)
def _judged(
    state: np.ndarray,
    easy: np.ndarray,
    shape: np.ndarray,
    slope: np.ndarray,
    step: np.ndarray,
    observed: np.ndarray,
    limits: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower `easy` where no vehicle may enter, raise it where rough ground is soft, in place.

    shape: the geometric channel's class. observed: 1 where it saw the ground. limits: alike, forbidden, soft, largest
    slope and step of what may be soft, how easy ground that nobody saw is at best.
    Returns class, how sure it is, the chance of 'forbidden'.
    """
    alike, limit, soft = np.float32(limits[0]), np.float32(limits[1]), np.float32(limits[2])
    one = np.float32(1.0)
    unseen = min(soft, np.float32(limits[5]))
    kind = np.zeros(easy.shape, np.float32)
    certainty, forbidden = np.full(easy.shape, np.nan, np.float32), np.full(easy.shape, np.nan, np.float32)
    for i in range(easy.shape[0]):
        for j in range(easy.shape[1]):
            count = state[i, j, _COUNT]
            if count < _FAINT:
                continue
            weight = count / (one + (count - one) * alike)
            best = 0
            for k in range(1, _CLASSES):
                if state[i, j, k] > state[i, j, best]:
                    best = k
            total = np.float32(0.0)
            for k in range(_CLASSES):
                total += np.exp(weight * (state[i, j, k] - state[i, j, best]))
            kind[i, j], certainty[i, j] = best + 1.0, one / total
            odds = np.float32(_RARE) + weight * (state[i, j, _NEVER] - np.float32(_RARE))
            chance = one / (one + np.exp(-odds))
            forbidden[i, j] = chance
            if chance >= limit:
                easy[i, j] = 0.0
            elif easy[i, j] == easy[i, j]:
                if shape[i, j] == ROUGH and not slope[i, j] > limits[3] and not step[i, j] > limits[4]:
                    easy[i, j] = max(easy[i, j], soft if observed[i, j] == one else unseen)
                easy[i, j] = min(easy[i, j], one - chance)
    return kind, certainty, forbidden


@njit(cache=True)
def _under(
    shape: tuple[int, int], boxes: np.ndarray, rotation: np.ndarray, place: np.ndarray, resolution: float, margin: float
) -> np.ndarray:
    """Return (X, Y) the cells whose middles lie in boxes (B, 5) of base_link, or so near to them."""
    found = np.zeros(shape, np.bool_)
    for n in range(len(boxes)):
        x, y = boxes[n, 0], boxes[n, 1]
        c, s = np.cos(boxes[n, 4]), np.sin(boxes[n, 4])
        half, side = boxes[n, 2] / 2.0 + margin, boxes[n, 3] / 2.0 + margin
        reach = np.sqrt(half * half + side * side)
        middle_i = rotation[0, 0] * x + rotation[0, 1] * y + place[0]
        middle_j = rotation[1, 0] * x + rotation[1, 1] * y + place[1]
        low_i, high_i = max(int((middle_i - reach) / resolution), 0), int((middle_i + reach) / resolution) + 1
        low_j, high_j = max(int((middle_j - reach) / resolution), 0), int((middle_j + reach) / resolution) + 1
        for i in range(low_i, min(high_i, shape[0])):
            for j in range(low_j, min(high_j, shape[1])):
                off_i, off_j = (i + 0.5) * resolution - place[0], (j + 0.5) * resolution - place[1]
                ahead = rotation[0, 0] * off_i + rotation[1, 0] * off_j - x
                left = rotation[0, 1] * off_i + rotation[1, 1] * off_j - y
                if abs(ahead * c + left * s) <= half and abs(left * c - ahead * s) <= side:
                    found[i, j] = True
    return found
