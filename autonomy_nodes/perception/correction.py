"""What the network mends of the geometric ground, where it is asked to: points told wrongly, heights known better.

Both channels look at the same points, so their errors are alike: the network's variance counts a few times.
"""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.perception.bev import CELL_M, ORIGIN_M, TERRAIN
from autonomy_nodes.perception.decode import spread_of
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.learned import Learned
from autonomy_nodes.perception.semantics import asked_of

_STANDS = np.array([name in ('high_vegetation', 'rubble', 'obstacle') for name in TERRAIN])


@dataclass(frozen=True)
class CorrectionSettings:
    """How far the network's word on the ground counts.

    points: whether ground points that it takes for things become obstacle points. heights: whether its height of the
    ground is fused with the terrain's. sure: log odds between things and ground from which a cell counts as either.
    standing_m: above the network's ground what lies in a cell of things stands. lying_m: so near to it, in a cell of
    ground, a point is of the ground. doubt: by which its variance is multiplied.
    """

    points: bool = False
    heights: bool = False
    sure: float = 0.85
    standing_m: float = 0.2
    lying_m: float = 0.15
    doubt: float = 4.0

    def __post_init__(self) -> None:
        for name in ('sure', 'standing_m', 'lying_m'):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f'correction.{name}={getattr(self, name)} must not be negative')
        if not self.doubt >= 1.0:
            raise ValueError(f'correction.doubt={self.doubt} must be 1 at least')


def ground_points(xyz: np.ndarray, ground: Ground, learned: Learned, settings: CorrectionSettings) -> np.ndarray:
    """Return (N,) which points (N, 3) in base_link both channels together take for ground."""
    outputs, limits = learned.outputs, np.array([settings.sure, settings.standing_m, settings.lying_m])
    height = learned.prior[0] + outputs['ground'][0]
    return _told(xyz, ground.firm, _things(outputs['terrain'], asked_of(learned.prior)), height, limits)


def heights(grid: Grid, ego: EgoState, learned: Learned, settings: CorrectionSettings) -> Grid:
    """Return a terrain whose heights are fused with the network's, by the variances of both; unknown ones stay so."""
    rotation = np.ascontiguousarray(ego.odom_from_base[:3, :3])
    place = np.array([*(ego.position_m[:2] - grid.origin_m), ego.position_m[2]])
    elevation, variance = grid.layers['elevation'].copy(), grid.layers['variance'].copy()
    residual, spread = learned.outputs['ground'][0], settings.doubt * spread_of(learned.outputs['ground'][1])
    _fuse(elevation, variance, learned.prior[0] + residual, spread, rotation, place, grid.resolution_m)
    return replace(grid, layers={**grid.layers, 'elevation': elevation, 'variance': variance})


@njit(cache=True)
def _things(terrain: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return (X, Y) log odds that a cell holds a thing and not ground, of the likeliest of both; NaN if not asked."""
    odds = np.full(asked.shape, np.nan, np.float32)
    for i in range(asked.shape[0]):
        for j in range(asked.shape[1]):
            if asked[i, j]:
                thing = lying = np.float32(-np.inf)
                for k in range(len(terrain)):
                    if _STANDS[k]:
                        thing = max(thing, terrain[k, i, j])
                    else:
                        lying = max(lying, terrain[k, i, j])
                odds[i, j] = thing - lying
    return odds


@njit(cache=True)
def _told(xyz: np.ndarray, firm: np.ndarray, odds: np.ndarray, height: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return (N,) `firm` without what stands, and with what lies: limits of the odds, and of heights above ground."""
    told = firm.copy()
    for n in range(len(xyz)):
        i, j = int(np.floor((xyz[n, 0] - ORIGIN_M[0]) / CELL_M)), int(np.floor((xyz[n, 1] - ORIGIN_M[1]) / CELL_M))
        if 0 <= i < odds.shape[0] and 0 <= j < odds.shape[1]:
            up = xyz[n, 2] - height[i, j]
            if odds[i, j] > limits[0] and up > limits[1]:
                told[n] = False
            elif odds[i, j] < -limits[0] and abs(up) < limits[2]:
                told[n] = True
    return told


@njit(cache=True)
def _fuse(
    elevation: np.ndarray,
    variance: np.ndarray,
    height: np.ndarray,
    spread: np.ndarray,
    rotation: np.ndarray,
    place: np.ndarray,
    resolution: float,
) -> None:
    """Change (X, Y) elevation and variance in odom by heights (A, B) in base_link and their variances, as Kalman does.

    place: (3,) base_link from the grid's corner, its height.
    """
    for i in range(elevation.shape[0]):
        for j in range(elevation.shape[1]):
            up = elevation[i, j] - place[2]
            if not np.isfinite(up):
                continue
            x, y = (i + 0.5) * resolution - place[0], (j + 0.5) * resolution - place[1]
            ahead = rotation[0, 0] * x + rotation[1, 0] * y + rotation[2, 0] * up
            left = rotation[0, 1] * x + rotation[1, 1] * y + rotation[2, 1] * up
            a, b = int(np.floor((ahead - ORIGIN_M[0]) / CELL_M)), int(np.floor((left - ORIGIN_M[1]) / CELL_M))
            if 0 <= a < height.shape[0] and 0 <= b < height.shape[1]:
                told = rotation[2, 0] * ahead + rotation[2, 1] * left + rotation[2, 2] * height[a, b]
                gain = variance[i, j] / (variance[i, j] + spread[a, b])
                elevation[i, j] += gain * (told - up)
                variance[i, j] *= 1.0 - gain
