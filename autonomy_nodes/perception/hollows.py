"""Hollows of the ground, such as ditches and holes, that no vehicle may drive into: negative obstacles.

A cell lies in a hollow where the ground rises on both sides of it, along x, y or a diagonal, higher than a vehicle's
belly and bumpers stand, within about a wheelbase. So the bottom and the far wall of a ditch are told, which may be as
even as a road. The near wall is not seen from afar: it lies in the shadow of the near rim, behind which a LiDAR's
beams leave a gap and go on lower down (Matthies and Rankin, Negative obstacle detection by thermal signature, 2003;
Larson and Trivedi, Lidar based off-road negative obstacle detection and analysis, 2011). Such a gap is bridged by the
straight line between what is seen on both sides of it, and so are those between the rings of few beams.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

_AXES = ((1, 0), (0, 1), (1, 1), (1, -1))
_UNSEEN = np.float32(-np.inf)


@dataclass(frozen=True)
class HollowSettings:
    """What a hollow is that nobody drives into: one of 0.4 m within 3 m, for what heights err and cells are long.

    depth_m: so much higher is the ground on both sides: with a wheel in it a car's belly, 0.2 m above its wheels, or a
    bumper meets the rim. reach_m: how far away that ground may be. gap_m: how much ground beyond may be unseen, where
    that in reach is not seen.
    """

    depth_m: float = 0.35
    reach_m: float = 3.6
    gap_m: float = 5.0

    def __post_init__(self) -> None:
        if not self.depth_m > 0.0:
            raise ValueError(f'hollows.depth_m={self.depth_m} must be above 0')
        if not 0.5 <= self.reach_m <= 10.0:
            raise ValueError(f'hollows.reach_m={self.reach_m} must lie between 0.5 and 10')
        if not 0.0 <= self.gap_m <= 10.0:
            raise ValueError(f'hollows.gap_m={self.gap_m} must lie between 0 and 10')


def hollows(elevation: np.ndarray, stands: np.ndarray, resolution_m: float, settings: HollowSettings) -> np.ndarray:
    """Return (X, Y) bool which cells of (X, Y) float32 `elevation` (NaN: not known) lie in a hollow.

    stands: (X, Y) bool where something stands: heights there and beside it may be those of its foot, and are no rim.
    """
    reach, most = settings.reach_m / resolution_m, (settings.reach_m + settings.gap_m) / resolution_m
    rim, depth = int(most) + 2, np.float32(settings.depth_m)
    seen = np.isfinite(elevation)
    padded = np.full((2, elevation.shape[0] + 2 * rim, elevation.shape[1] + 2 * rim), _UNSEEN, np.float32)
    for layer, where in zip(padded, (seen & ~stands, seen & ~_about(stands))):
        np.copyto(layer[rim:-rim, rim:-rim], elevation, where=where)
    own, heights, width = padded[0].ravel(), padded[1].ravel(), padded.shape[2]
    low, high = rim * width, heights.size - rim * width
    own = own[low:high]
    found, wanted, known = np.zeros(high - low, bool), own + depth, own > _UNSEEN
    for dx, dy in _AXES:
        step, length = dx * width + dy, np.hypot(dx, dy)  # along a line of the grid; rims keep lines apart
        near, far = max(round(reach / length), 1), round(most / length)
        highest = _highest(heights, step, near)
        ahead, behind = (highest[low + by : high + by] >= wanted for by in (step, -near * step))
        ends = (heights[low + by : high + by] == _UNSEEN for by in (near * step, -near * step))
        found |= ahead & behind
        maybe = [rises | unseen for rises, unseen in zip((ahead, behind), ends)]
        asked = np.flatnonzero(maybe[0] & maybe[1] & known & ~found)
        _bridge(heights, own, asked, low, ahead, behind, step, near, far, settings.depth_m, found)
    mine = np.zeros(heights.size, bool)
    mine[low:high] = found & known
    return mine.reshape(padded.shape[1:])[rim:-rim, rim:-rim]


def apart_from_way(hollow: np.ndarray, elevation: np.ndarray, own: np.ndarray, settings: HollowSettings) -> np.ndarray:
    """Return the hollows that are not the way we drive on: who drives between banks is in none.

    own: (N, 2) cells under our body, of which those outside do not count. What lies a hollow's depth below them is one.
    """
    own = own[((own >= 0) & (own < np.array(hollow.shape))).all(axis=1)]
    under = own[:, 0], own[:, 1]
    if 2 * np.count_nonzero(hollow[under]) <= len(own):
        return hollow
    return np.asarray(hollow & (elevation < np.nanmedian(elevation[under]) - settings.depth_m))


def cells_under(body_m: np.ndarray, rotation: np.ndarray, place: np.ndarray, resolution_m: float) -> np.ndarray:
    """Return (N, 2) cells under our body (3,): rear end, front end, half width.

    rotation: (3, 3) odom_from_base. place: (2,) base_link from the grid's corner [m].
    """
    along = np.arange(-body_m[0], body_m[1], resolution_m)
    across = np.arange(-body_m[2], body_m[2], resolution_m)
    points = np.stack(np.meshgrid(along, across, indexing='ij'), axis=-1).reshape(-1, 2)
    return np.floor((points @ rotation[:2, :2].T + place) / resolution_m).astype(np.int64)


def _about(stands: np.ndarray) -> np.ndarray:
    """Return (X, Y) bool cells of `stands`, and the eight about each."""
    wide = stands.copy()
    wide[1:] |= stands[:-1]
    wide[:-1] |= stands[1:]
    about = wide.copy()
    about[:, 1:] |= wide[:, :-1]
    about[:, :-1] |= wide[:, 1:]
    return about


def _highest(heights: np.ndarray, step: int, count: int) -> np.ndarray:
    """Return the highest of `count` values from each on, `step` apart: windows of one, two, four, put together."""
    width = 1
    while width < count:
        more = min(width, count - width)
        heights = np.maximum(heights[: -more * step], heights[more * step :])
        width += more
    return heights


@njit(cache=True)
def _bridge(
    heights: np.ndarray,
    own: np.ndarray,
    asked: np.ndarray,
    low: int,
    ahead: np.ndarray,
    behind: np.ndarray,
    step: int,
    near: int,
    far: int,
    depth: float,
    found: np.ndarray,
) -> None:
    """Set `found` of the cells `asked`, own (N,) high, where the ground rises on both sides, gaps bridged."""
    for k in asked:
        if (ahead[k] or _rises_beyond(heights, low + k, own[k], step, near, far, depth)) and (
            behind[k] or _rises_beyond(heights, low + k, own[k], -step, near, far, depth)
        ):
            found[k] = True


@njit(cache=True)
def _rises_beyond(
    heights: np.ndarray, at: int, here: float, step: int, near: int, far: int, depth: float
) -> bool:
    """Return whether the line to the first seen value after `near` steps has risen by `depth` there."""
    for steps in range(near, far + 1):
        value = heights[at + steps * step]
        if value > -np.inf:
            return (value - here) * near >= depth * steps
    return False
