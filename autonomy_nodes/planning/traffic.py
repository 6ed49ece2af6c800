"""Where other road users will be, in each joint mode of the prediction."""

from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.footing import MOVES_MPS
from autonomy_nodes.common.objects import Label, Predictions, SceneModes
from autonomy_nodes.planning.rollout import TIMES_S
from autonomy_nodes.planning.traffic_loops import between_moments, come_near, meet

NO_OBSTACLE = (Label.OVER_DRIVABLE, Label.UNDER_DRIVABLE)
VULNERABLE = (Label.PEDESTRIAN, Label.BICYCLE, Label.ANIMAL)
STANDING_MPS = MOVES_MPS
MEETING_M = 6.0  # who stays further from all drives than this meets none of them

CELL_M = 2.0


@dataclass(frozen=True)
class TrafficSettings:
    """What of the predictions counts.

    mode_probability: a mode below is not looked at. existence: nor an object below. within_s: contact with what moves
    is no veto if it comes later; what stands is sure to stay for the whole horizon. lateral_m, ahead_m: room that our
    body keeps at its sides and in front; lateral_s: more at the sides, for each metre per second. yielded_s: who walks
    or cycles owns the way of this next time, so that we do not pass close before them.
    """

    mode_probability: float = 0.05
    existence: float = 0.2
    within_s: float = 4.0
    lateral_m: float = 0.2
    lateral_s: float = 0.03
    ahead_m: float = 0.5
    yielded_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ('mode_probability', 'existence'):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f'traffic.{name}={getattr(self, name)} must lie in 0 to 1')
        if not 0.0 < self.within_s <= TIMES_S[-1]:
            raise ValueError(f'traffic.within_s={self.within_s} must lie between 0 and {TIMES_S[-1]}')


@dataclass(frozen=True, eq=False)
class Traffic:
    """O road users, and R ways they may go at the T moments of a drive, in odom.

    One who does the same in all K joint modes, such as stand, has one way; others have one a mode that counts.
    names, labels: (O,). half_m: (O, 2). chances: (O, K) of each mode. probabilities: (K,) for all, sum 1.
    of: (R,) whose way it is. modes: (R, K) in which it is gone. poses: (R, T, 3) x y heading of the box's middle.
    speeds_mps: (R, T). claims: (R, T, 3) middles of what must be kept free: the box, or the box and the way before it;
    with claim_half_m (O, 2).
    """

    names: tuple[str, ...]
    labels: np.ndarray
    half_m: np.ndarray
    chances: np.ndarray
    probabilities: np.ndarray
    of: np.ndarray
    modes: np.ndarray
    poses: np.ndarray
    speeds_mps: np.ndarray
    claims: np.ndarray
    claim_half_m: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def said(self, index: int) -> str:
        """Return an object's kind and name in words."""
        return f'{Label(int(self.labels[index])).name.lower()} {self.names[index]}'

    def near(self, places: np.ndarray, reach_m: float) -> 'Traffic':
        """Return those who come within `reach_m` of (M, 2) places at some time, and a few more.

        A look-up in coarse cells: road users who are nowhere near cost nothing in what follows.
        """
        wide = int(np.ceil(reach_m / CELL_M))
        low = places.min(axis=0) - (wide + 1) * CELL_M
        kept = np.zeros(len(self), bool)
        kept[self.of[come_near(np.ascontiguousarray(places), self.poses, low, CELL_M, wide)]] = True
        return self.only(kept)

    def way_in_mode(self) -> np.ndarray:
        """Return (O, K) which of the R ways each road user goes in each mode, -1 where none."""
        found = np.full((len(self), len(self.probabilities)), -1, np.int64)
        way, mode = np.nonzero(self.modes)
        found[self.of[way], mode] = way
        return found

    def meeting(self, poses: np.ndarray) -> 'Traffic':
        """Return those who can meet one of the drives (N, T, 3): at some moment their box is near all of theirs."""
        reach = MEETING_M + np.hypot(self.claim_half_m[:, 0], self.claim_half_m[:, 1])[self.of]
        kept = np.zeros(len(self), bool)
        kept[self.of[meet(poses, self.poses, reach)]] = True
        return self.only(kept)

    def only(self, kept: np.ndarray) -> 'Traffic':
        """Return the road users where (O,) is true."""
        if kept.all():
            return self
        rows = kept[self.of]
        places = np.cumsum(kept) - 1
        return replace(
            self, names=tuple(name for name, keep in zip(self.names, kept) if keep), labels=self.labels[kept],
            half_m=self.half_m[kept], chances=self.chances[kept], of=places[self.of[rows]], modes=self.modes[rows],
            poses=self.poses[rows], speeds_mps=self.speeds_mps[rows], claims=self.claims[rows],
            claim_half_m=self.claim_half_m[kept],
        )  # fmt: skip


def read_traffic(
    predictions: Predictions, modes: SceneModes | None, near: np.ndarray, settings: TrafficSettings
) -> Traffic:
    """Return the road users that matter.

    near: (N,) bool, objects that can meet us at all. Without joint modes each object's own probabilities count.
    """
    objects = predictions.objects
    labels = objects.labels
    kept = (objects.existence >= settings.existence) & ~np.isin(labels, NO_OBSTACLE) & near
    chances = predictions.probabilities[kept]
    if modes is not None and len(modes.probabilities) == predictions.paths.shape[1]:
        chances = np.broadcast_to(modes.probabilities, chances.shape)
    weights = chances.mean(axis=0) if len(chances) else np.ones(max(predictions.paths.shape[1], 1))
    paths = predictions.paths[kept]
    of, member = _ways(paths, chances >= settings.mode_probability)
    poses = resampled(paths[of, member.argmax(axis=1)], predictions.step_s)
    steps = np.diff(poses[..., :2], axis=1) / (TIMES_S[1] - TIMES_S[0])
    speeds = np.hypot(steps[..., 0], steps[..., 1])
    speeds = np.concatenate([speeds, speeds[:, -1:]], axis=1)
    half = objects.dimensions_m[kept, :2] / 2.0
    claims, claim_half = _claims(poses, speeds, half, labels[kept], of, settings.yielded_s)
    names = tuple(name for name, keep in zip(objects.names() or [str(i) for i in range(len(kept))], kept) if keep)
    return Traffic(
        names, labels[kept], half, chances, weights / weights.sum(), of, member, poses, speeds, claims, claim_half
    )


def _ways(paths: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whose (R,) ways there are and (R, K) in which modes, of (O, K, P, 3) paths and (O, K) modes that count."""
    same = (paths == paths[:, :1]).all(axis=(1, 2, 3))
    once, several = np.flatnonzero(same & counts.any(axis=1)), np.argwhere(counts & ~same[:, None])
    of = np.concatenate([once, several[:, 0]])
    member = np.zeros((len(of), counts.shape[1]), bool)
    member[: len(once)] = True
    member[np.arange(len(once), len(of)), several[:, 1]] = True
    return of, member


def axes_of(poses: np.ndarray) -> np.ndarray:
    """Return (..., 2) cosine and sine of the headings of (..., 3) poses."""
    axes = np.empty((*poses.shape[:-1], 2))
    np.cos(poses[..., 2], out=axes[..., 0])
    np.sin(poses[..., 2], out=axes[..., 1])
    return axes


def resampled(paths: np.ndarray, step_s: float) -> np.ndarray:
    """Return (R, T, 3) paths (R, P, 3) at the moments of a drive; after their end as fast as at it."""
    last = paths.shape[1] - 1
    if last < 1:
        return np.repeat(paths[:, :1], len(TIMES_S), axis=1).astype(float)
    return between_moments(np.ascontiguousarray(paths, float), TIMES_S / step_s)


def _claims(
    poses: np.ndarray, speeds: np.ndarray, half: np.ndarray, labels: np.ndarray, of: np.ndarray, ahead_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what must be kept free: the box, and before one that walks or cycles the way of the next `ahead_s`."""
    claims, claim_half = poses.copy(), half.copy()
    soft = np.flatnonzero(np.isin(labels[of], VULNERABLE))
    if not len(soft):
        return claims, claim_half
    steps = np.diff(poses[soft, :, :2], axis=1)
    steps = np.concatenate([steps, steps[:, -1:]], axis=1)
    reach = speeds[soft] * ahead_s
    direction = np.where(reach > 0.1, np.arctan2(steps[..., 1], steps[..., 0]), poses[soft, :, 2])
    forward = np.stack([np.cos(direction), np.sin(direction)], axis=-1)
    claims[soft, :, :2] += 0.5 * reach[..., None] * forward
    claims[soft, :, 2] = direction
    longest = np.zeros(len(half))
    np.maximum.at(longest, of[soft], 0.5 * reach.max(axis=1))
    claim_half[:, 0] += longest
    return claims, claim_half
