"""What pictures alone tell of the ground, as the terrain takes it: heights, chances, and which cells a picture shows.

A picture shows the ground of a cell where the surface that its network sees in that direction is no nearer than that
ground. Else something stands before it: the cell is hidden, whatever is told of it. Cells farther than `reach_m`, or in
a direction of which the network does not know how far away the surface is, count as hidden too.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.perception.bev import CELLS, MIDDLE, MIDDLE_M, middles
from autonomy_nodes.perception.camera.channel import Sighted
from autonomy_nodes.perception.camera.places import projected
from autonomy_nodes.perception.decode import spread_of
from autonomy_nodes.perception.evidence import HIDDEN, SHOWN
from autonomy_nodes.perception.learned import Learned


@dataclass(frozen=True)
class SightSettings:
    """What of the word of pictures alone counts.

    reach_m: of cells farther from base_link nothing is taken. nearer: by which share a surface is nearer than the
    ground of a cell that it hides. unsure: spread of the logarithm of a distance from which it is not known. surest:
    log odds of a cell, of one picture and of many. rises, falls: share of the way that evidence for an obstacle goes
    with a picture towards what that tells, up and down. sigma_m: of heights, beside the spread that the network tells.
    """

    reach_m: float = 40.0
    nearer: float = 0.2
    unsure: float = 0.5
    surest: float = 2.0
    rises: float = 0.5
    falls: float = 0.2
    sigma_m: float = 0.1

    def __post_init__(self) -> None:
        for name in ('reach_m', 'nearer', 'unsure', 'surest', 'sigma_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'sight.{name}={getattr(self, name)} must be above 0')
        for name in ('rises', 'falls'):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f'sight.{name}={getattr(self, name)} must lie above 0, at most at 1')


@dataclass(frozen=True, eq=False)
class Sight:
    """What is told of the cells of bev.CELLS, in base_link.

    told: (4, X, Y) float32 height of the ground [m], its variance [m^2], log odds that no vehicle may enter, height of
    what stands there above the ground [m]. shown: (X, Y) uint8 evidence.SHOWN, HIDDEN, or 0 in no picture. shares: by
    which evidence rises and falls.
    """

    told: np.ndarray
    shown: np.ndarray
    shares: tuple[float, float]

    @property
    def ranges_m(self) -> np.ndarray:
        """(N,) how far from base_link the cells lie whose ground a picture shows."""
        return np.asarray(np.linalg.norm(middles()[self.shown == SHOWN], axis=-1))


def sight_of(sighted: Sighted, settings: SightSettings) -> Sight:
    """Return what pictures tell of the ground, and of which cells."""
    outputs = sighted.outputs
    ground = sighted.ground_m + outputs['ground'][0]
    variance = spread_of(outputs['ground'][1]) + settings.sigma_m**2
    odds = np.clip(outputs['blocked'][0], -settings.surest, settings.surest)
    told = np.stack([ground, variance, odds, np.maximum(outputs['top'][0], 0.0)]).astype(np.float32)
    coarse = cv2.resize(ground.astype(np.float32), (MIDDLE[1], MIDDLE[0]), interpolation=cv2.INTER_AREA)
    shown = _shown(sighted, coarse, settings).repeat(2, axis=0).repeat(2, axis=1)
    assert shown.shape == CELLS
    return Sight(told, shown, (settings.rises, settings.falls))


def as_learned(sighted: Sighted, sight: Sight) -> Learned:
    """Return the same as a network for sweeps tells it, which was asked for the cells that a picture shows."""
    asked = np.stack([sighted.ground_m, sight.shown == SHOWN, np.zeros_like(sighted.ground_m)]).astype(np.float32)
    return Learned(sighted.objects, asked, sighted.outputs)


def standing(sight: Sight, stamp_ns: int) -> PointCloud:
    """Return a point of base_link in each cell that is shown and told to be blocked, at half its height."""
    height, _, odds, top = sight.told
    rows = (sight.shown == SHOWN) & (odds > 0.0)
    xyz = np.column_stack([middles()[rows], (height + 0.5 * top)[rows]]).astype(np.float32)
    return PointCloud(stamp_ns, 'base_link', xyz, np.zeros(len(xyz), np.float32))


def _shown(sighted: Sighted, ground_m: np.ndarray, settings: SightSettings) -> np.ndarray:
    """Return (*MIDDLE) uint8 how cells lie in the pictures, of which one that shows a cell is enough."""
    flat = middles(MIDDLE_M)
    xyz = np.concatenate([flat, ground_m[..., None]], axis=-1)
    near = np.hypot(flat[..., 0], flat[..., 1]) < settings.reach_m
    found = np.zeros(MIDDLE, np.uint8)
    for view, (depth, spread) in zip(sighted.views, sighted.depths):
        at, depths, inside = projected(view.matrix, view.base_from_camera, xyz)
        # from -1 to 1 across the picture to the middles of its small pixels
        u, v = (((at[..., axis] + 1.0) * size - 1.0) / 2.0 for axis, size in ((0, depth.shape[1]), (1, depth.shape[0])))
        surface, doubt = (_looked_up(layer, u, v) for layer in (depth, spread))
        meets = surface > np.log(np.maximum(depths, 1e-3)) + np.log1p(-settings.nearer)
        open_view = meets & (doubt < np.log(settings.unsure)) & near
        found = np.maximum(found, np.where(inside > 0.0, np.where(open_view, SHOWN, HIDDEN), 0)).astype(np.uint8)
    return found


def _looked_up(layer: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the values of a (h, w) layer at pixels, between its middles as a plane through them, beyond as its rim."""
    u, v = u.astype(np.float32), v.astype(np.float32)
    return np.asarray(cv2.remap(np.ascontiguousarray(layer), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
