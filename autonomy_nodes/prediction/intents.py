"""What a road user is about to do, in one word a future: read off where it leads, whoever foretold it.

The words are common/objects.INTENTS, of the next HORIZON_S. The first that holds counts: cross: who walks or cycles
comes to the middle of a lane; stop: who moves stands at the end; turn, left, right: the course at the end is another,
or the same so far to a side; yield: he slows down markedly and goes on; keep: none of these.
"""

import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.objects import INTENTS
from autonomy_nodes.common.scene_ground import in_odom

KEEP, LEFT, RIGHT, TURN, YIELD, STOP, CROSS = range(len(INTENTS))
HORIZON_S = 6.0
TURN_RAD, SHIFT_M = 0.5, 2.5
MOVES_MPS, STANDS_MPS = 1.0, 0.5
SLOWS_FROM_MPS, SLOWS_TO = 2.0, 0.6  # yield: from this speed on, to so many parts of it
IN_LANE_M = 1.0  # of its middle
STEP_M = 0.2  # a shorter step from time to time has no direction


def intents_of(
    paths: np.ndarray, told: np.ndarray, step_s: float, speeds_mps: np.ndarray, slow: np.ndarray,
    lanes: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """Return (N, K) places in INTENTS of futures.

    paths: (N, K, P, 3) x y [m] and direction [rad], the first now; told: (N, K, P) up to where each is known, at least
    the first. speeds_mps: (N,) now; slow: (N,) who walks or cycles; lanes: (M, 2) points of the middles of lanes, at
    most a metre or two apart, None where none is known.
    """
    if not paths.shape[0] * paths.shape[1]:
        return np.zeros(paths.shape[:2], np.int64)
    last = np.maximum(told.sum(axis=-1) - 1, 0)[..., None]
    xy, first = paths[..., :2], paths[..., 0, 2]
    steps = np.where(told[..., 1:, None], np.diff(xy, axis=2), 0.0)
    gone = np.hypot(steps[..., 0], steps[..., 1])
    speeds = gone / step_s
    speed_last = np.take_along_axis(speeds, np.maximum(last - 1, 0), axis=-1)[..., 0]
    slowest = np.where(told[..., 1:], speeds, np.inf).min(axis=-1)
    turned = np.abs(wrapped(_course(steps, gone, first) - first))
    end = np.take_along_axis(xy, last[..., None], axis=2)[..., 0, :] - xy[..., 0, :]
    aside = end[..., 1] * np.cos(first) - end[..., 0] * np.sin(first)
    now = speeds_mps[:, None]
    found = np.full(paths.shape[:2], KEEP)
    found[(now >= SLOWS_FROM_MPS) & (slowest < SLOWS_TO * now)] = YIELD
    found[aside > SHIFT_M] = LEFT
    found[aside < -SHIFT_M] = RIGHT
    found[turned > TURN_RAD] = TURN
    found[(now >= MOVES_MPS) & (speed_last < STANDS_MPS)] = STOP
    if lanes is not None and len(lanes) and slow.any():
        away, _ = cKDTree(lanes).query(xy[slow], distance_upper_bound=IN_LANE_M)
        comes = ((away < IN_LANE_M) & told[slow])[..., 1:].any(axis=-1) & ~(away[..., 0] < IN_LANE_M)
        found[slow] = np.where(comes, CROSS, found[slow])
    found[last[..., 0] == 0] = KEEP
    return found


def middles_of(pieces: LanePieces | None, odom_from_base: np.ndarray) -> np.ndarray | None:
    """Return (M, 2) points in odom of the middles of lanes, None where no map is."""
    if pieces is None:
        return None
    points = in_odom(pieces.points[pieces.classes == Line.CENTERLINE], odom_from_base).reshape(-1, 2)
    return np.asarray(points[np.isfinite(points[:, 0])])


def chances_of(intents: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Return (N, len(INTENTS)) how likely each is, by intents (N, K) and odds (N, K) of an agent's futures."""
    found = np.zeros((len(intents), len(INTENTS)))
    for intent in range(len(INTENTS)):
        found[:, intent] = (odds * (intents == intent)).sum(axis=1)
    return found


def _course(steps: np.ndarray, gone: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return (N, K) the direction of the last step that is long enough to have one."""
    moving = gone > STEP_M
    last = np.where(moving, np.arange(gone.shape[-1]), -1).max(axis=-1)
    step = np.take_along_axis(steps, np.maximum(last, 0)[..., None, None], axis=2)[..., 0, :]
    return np.where(last >= 0, np.arctan2(step[..., 1], step[..., 0]), first)
