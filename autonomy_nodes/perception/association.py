"""Which detection belongs to which track, and which tracks could not be seen."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.perception.tracks import Tracks

_GATE = 13.8  # of chi square with two degrees of freedom: one in a thousand lies outside
_NONE = 1e6
_BEHIND_M = 1.0
_UNKNOWN_FARTHEST_M = 1.0
_PEOPLE = 0.2


def assigned(tracks: Tracks, found: Objects, farthest_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return indices (K,) of tracks and (K,) of the objects found, in odom, that belong together, each once.

    Nearest by Mahalanobis distance of the middles, with a penalty where sizes or classes differ, all pairs at once.
    """
    there, here = tracks.motion[:, :2], found.positions_m[:, :2]
    close = abs(here[None, :, 0] - there[:, None, 0]) < farthest_m
    close &= abs(here[None, :, 1] - there[:, None, 1]) < farthest_m
    n, m = np.nonzero(close)  # the few pairs worth a closer look
    x, y = (here[m] - there[n]).T
    spread = tracks.motion_covariance[n, :2, :2] + found.pose_covariances[m, :2, :2]
    longest = np.maximum(tracks.sizes_m[n, 0], found.dimensions_m[m, 0])
    room = 0.25 * (0.2 * longest) ** 2 + 0.01  # a rectangle's middle wanders as more or less of it is seen
    a, b, d = spread[:, 0, 0] + room, spread[:, 0, 1], spread[:, 1, 1] + room
    area = a * d - b * b
    distance2 = (d * x * x - 2.0 * b * x * y + a * y * y) / area
    sizes = np.log(np.maximum(found.dimensions_m[m], 0.1) / np.maximum(tracks.sizes_m[n], 0.1))
    classes, told = tracks.probabilities[n], found.class_probabilities[m]
    same = (classes * told).sum(axis=1)
    unknown = classes[:, Label.UNKNOWN] * told[:, Label.UNKNOWN]
    farthest = farthest_m - (farthest_m - _UNKNOWN_FARTHEST_M) * unknown  # parts of something do not jump
    good = (distance2 < _GATE) & (x * x + y * y < farthest**2)
    costs = distance2 + np.log(area) + (sizes**2).sum(axis=1) - np.log(same + 0.05)
    return _solved(n[good], m[good], costs[good])


def _solved(n: np.ndarray, m: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of least total cost among pairs (P,), each index once, as many as can be."""
    some_n, row = np.unique(n, return_inverse=True)
    some_m, column = np.unique(m, return_inverse=True)
    table = np.full((len(some_n), len(some_m)), _NONE)
    table[row, column] = costs
    rows, columns = linear_sum_assignment(table)
    good = table[rows, columns] < _NONE
    return some_n[rows[good]], some_m[columns[good]]


def hidden(tracks: Tracks, found: Objects, ego_xy: np.ndarray) -> np.ndarray:
    """Return (N,) whether something found stands between ego_xy (2,) and the middle of each track."""
    if not len(tracks) or not len(found):
        return np.zeros(len(tracks), bool)
    there, front = tracks.motion[:, :2] - ego_xy, found.positions_m[:, :2] - ego_xy
    far, near = np.hypot(*there.T), np.maximum(np.hypot(*front.T), 0.5)
    sideways = abs(there[:, None, 0] * front[None, :, 1] - there[:, None, 1] * front[None, :, 0])  # (N, M)
    off = sideways / np.maximum(far, 0.5)[:, None]  # of the object's middle from the line of sight
    ahead = there @ front.T > 0.0
    half = found.dimensions_m[:, :2].max(axis=1) / 2.0
    return (ahead & (off < half) & (near + _BEHIND_M < far[:, None])).any(axis=1)


def overrun(tracks: Tracks) -> np.ndarray:
    """Return (N,) which tracks are only remembered, while something that is seen stands where their middle should be.

    Never people: a box that hides them may be taken for larger than it is.
    """
    people = tracks.probabilities[:, [Label.PEDESTRIAN, Label.BICYCLE, Label.MOTORCYCLE]].sum(axis=1) > _PEOPLE
    remembered = (tracks.missed_s > 0.0) & ~people
    old, seen = tracks.kept(remembered), tracks.kept(tracks.missed_s == 0.0)
    off = old.motion[:, None, :2] - seen.motion[None, :, :2]
    c, s = np.cos(seen.turning[:, 0]), np.sin(seen.turning[:, 0])
    along, across = abs(c * off[..., 0] + s * off[..., 1]), abs(c * off[..., 1] - s * off[..., 0])
    inside = (along < seen.sizes_m[:, 0] / 2.0) & (across < seen.sizes_m[:, 1] / 2.0)
    result = np.zeros(len(tracks), bool)
    result[remembered] = inside.any(axis=1)
    return result
