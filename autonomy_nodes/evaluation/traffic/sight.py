"""What a tracker would tell of simulated traffic: who is in view and has been for a while, with its scatter.

In view: within `RANGE_M`, and not wholly behind nearer vehicles, by rays from our roof, seen from above; people and
bicycles hide nobody. Told from the third step in view on, and for half a second after the last. Errors wander
(Ornstein-Uhlenbeck) by the sigmas below; sizes are off by an amount of their own for each. The same seed gives the same
errors whoever drives.
"""

import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.evaluation.recorded import HEIGHT_M, tracked

RANGE_M = 90.0
BINS, LEAST_SEEN = 720, 2  # rays all round, and how many of them must hit somebody
CONFIRMED, KEPT = 3, 5  # steps
DT_S, WANDER_S = 0.1, 0.6
PLACE_M, TURN_RAD, SPEED_MPS = 0.10, 0.02, 0.20  # sigmas: of x and y each, of the heading, of the speed
STANDING_MPS, SIZE_M = 0.1, 0.05  # who stands is known to; of length and width
SLIM_M = 1.2


class Sight:
    """Remembers who was seen when, and by how much each is missed. count: of all who ever take part."""

    def __init__(self, count: int, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 52])
        self._errors = self._rng.standard_normal((count, 4))
        self._sizes = SIZE_M * self._rng.standard_normal((count, 2))
        self._seen, self._unseen = np.zeros(count, np.int64), np.full(count, KEPT + 1)

    def told(
        self, stamp_ns: int, states: np.ndarray, sizes_m: np.ndarray, labels: np.ndarray, place: np.ndarray, row: int
    ) -> Objects:
        """Return the tracks of a step, in odom.

        states: (N, 5) x y of the middle, heading, vx vy, NaN of who is not there. place: (2,) of our roof. row: ours.
        """
        draws = self._rng.standard_normal(self._errors.shape)
        self._errors += -self._errors * DT_S / WANDER_S + np.sqrt(2.0 * DT_S / WANDER_S) * draws
        there = np.isfinite(states[:, 0])
        there[row] = False
        now = np.zeros(len(states), bool)
        rows = np.flatnonzero(there)
        now[rows] = visible(states[rows, :3], sizes_m[rows], place)
        self._seen = np.where(now, self._seen + 1, np.where(self._unseen >= KEPT, 0, self._seen))
        self._unseen = np.where(now, 0, self._unseen + 1)
        told = np.flatnonzero(there & (self._seen >= CONFIRMED) & (self._unseen <= KEPT))
        errors, speeds = self._errors[told], np.hypot(states[told, 3], states[told, 4])
        poses = states[told, :3] + errors[:, :3] * (PLACE_M, PLACE_M, TURN_RAD)
        faster = np.where(speeds > STANDING_MPS, 1.0 + SPEED_MPS * errors[:, 3] / np.maximum(speeds, 1.0), 1.0)
        sizes = np.maximum(sizes_m[told] + self._sizes[told], 0.3)
        variances = (PLACE_M**2, TURN_RAD**2, SPEED_MPS**2)
        return tracked(
            stamp_ns, poses, states[told, 3:] * faster[:, None], (sizes, HEIGHT_M), labels[told], told + 1, variances
        )


def visible(poses: np.ndarray, sizes_m: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return (N,) who is in view from a place: poses (N, 3) x y heading of boxes; wide ones hide what is behind."""
    found = np.zeros(len(poses), bool)
    if not len(poses):
        return found
    corners = 0.5 * sizes_m[:, None] * np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)])
    cos, sin = np.cos(poses[:, 2])[:, None], np.sin(poses[:, 2])[:, None]
    x = poses[:, :1] + corners[..., 0] * cos - corners[..., 1] * sin - place[0]
    y = poses[:, 1:2] + corners[..., 0] * sin + corners[..., 1] * cos - place[1]
    middle = np.arctan2(poses[:, 1] - place[1], poses[:, 0] - place[0])
    turns = np.arctan2(y, x) - middle[:, None]
    turns = (turns + np.pi) % (2.0 * np.pi) - np.pi
    low, high = ((middle + pick) * BINS / (2.0 * np.pi) for pick in (turns.min(axis=1), turns.max(axis=1)))
    first, last = np.floor(low).astype(int), np.ceil(high).astype(int)
    gaps = np.hypot(poses[:, 0] - place[0], poses[:, 1] - place[1])
    taken = np.zeros(BINS, bool)
    for k in np.argsort(gaps, kind='stable').tolist():
        if gaps[k] > RANGE_M:
            break
        rays = np.arange(first[k], max(last[k], first[k] + 1)) % BINS
        found[k] = (~taken[rays]).sum() >= min(LEAST_SEEN, len(rays))
        if sizes_m[k, 1] > SLIM_M:
            taken[rays] = True
    return found
