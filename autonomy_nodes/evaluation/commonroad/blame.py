"""Whose fault a contact is, by the rule of nuPlan (docs of its metrics: no at-fault collisions).

Ours where we move and hit what stands; where our front edge hits what moves; and where we are struck at a side while
not wholly inside one lane. Who drives into our back, or into us when we stand, is at fault himself.
"""

from collections.abc import Sequence

import numpy as np

from autonomy_nodes.common.kinematics import Body
from autonomy_nodes.evaluation.commonroad.scenario import Lane, inside

STANDS_MPS = 0.05
FRONT_M = 0.3  # of our body counts as its front edge: a step is long
REAR_M = 0.3


def is_own(ours: np.ndarray, speed_mps: float, theirs: np.ndarray, their_mps: float, lanes: Sequence[Lane]) -> bool:
    """Return whether a contact of two boxes (5,), x y heading length width, is our fault."""
    if abs(speed_mps) <= STANDS_MPS:
        return False
    if abs(np.nan_to_num(their_mps)) <= STANDS_MPS:
        return True
    along = touched(ours, theirs)
    half = 0.5 * ours[3]
    if along.max() > half - FRONT_M:
        return True
    if along.max() < -half + REAR_M:
        return False
    return not in_one_lane(ours, lanes)


def touched(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return (N,) how far ahead of our middle the places lie that both boxes cover, the nearest if they only touch."""
    mine, other = edge(ours), edge(theirs)
    places = np.concatenate([mine, other])
    both = places[_covers(ours, places) & _covers(theirs, places)]
    if not len(both):
        gaps = np.hypot(*(mine[:, None] - other[None]).transpose(2, 0, 1)).min(axis=1)
        both = mine[[int(np.argmin(gaps))]]
    cos, sin = np.cos(ours[2]), np.sin(ours[2])
    return (both - ours[:2]) @ np.array([cos, sin])


def in_one_lane(box: np.ndarray, lanes: Sequence[Lane]) -> bool:
    """Return whether a box (5,) lies wholly inside one lane: a lanelet with those that follow it, one after another."""
    ends = corners(box)
    covered = {lane.id: inside(ends, lane.outline) for lane in lanes}
    for lane in lanes:
        if covered[lane.id].all():
            return True
        for next_ in lane.successors:
            if covered[lane.id].any() and (covered[lane.id] | covered.get(next_, np.zeros(4, bool))).all():
                return True
    return False


def corners(box: np.ndarray) -> np.ndarray:
    """Return (4, 2) corners of a box (5,)."""
    return Body(0.5 * box[3], 0.5 * box[3], box[4]).corners(box[:3])


def edge(box: np.ndarray) -> np.ndarray:
    """Return (200, 2) places along the edge of a box (5,)."""
    ends = corners(box)
    share = np.linspace(0.0, 1.0, 50)[:, None]
    return np.concatenate([one + share * (two - one) for one, two in zip(ends, np.roll(ends, -1, axis=0))])


def _covers(box: np.ndarray, xy: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(box[2]), np.sin(box[2])
    gap = xy - box[:2]
    along, across = gap @ np.array([cos, sin]), gap @ np.array([-sin, cos])
    return (np.abs(along) <= 0.5 * box[3] + 1e-6) & (np.abs(across) <= 0.5 * box[4] + 1e-6)
