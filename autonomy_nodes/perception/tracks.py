"""What is kept of each tracked object, and the filters that carry it from sweep to sweep."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.objects import Label, Objects, no_objects

_TURNING_MPS = 1.0  # below this speed a turn rate says nothing about where a thing goes
_MOVING_MPS = 2.0  # from this speed on a vehicle points where it goes
_HIDDEN_M = 0.6  # a place less sure than this is that of a thing of which an unknown part is seen
_HEIGHT_RATE = 0.6  # a vehicle that brakes or takes a bump sees all things rise and sink
_NEVER = 0.02  # least probability of a class in one sweep, so that no sweep rules one out for good

_SPEED_SIGMAS_MPS = np.full(len(Label), 3.0)  # of what is seen for the first time, by class
_SPEED_SIGMAS_MPS[[Label.CAR, Label.TRUCK, Label.BUS, Label.TRAILER, Label.MOTORCYCLE]] = 15.0
_SPEED_SIGMAS_MPS[[Label.BICYCLE, Label.UNKNOWN]] = 5.0, 2.0


@dataclass(frozen=True, eq=False)
class Tracks:
    """N tracks in odom.

    motion: (N, 4) x y vx vy, with covariance (N, 4, 4). turning: (N, 2) heading, its rate, with covariance (N, 2, 2).
    heights_m: (N,) z of the middle. sizes_m: (N, 3). classes: (N, 12) log probabilities, not normalised.
    odds: (N,) log odds that it exists. hits: (N,) sweeps in which it was seen. missed_s: (N,) since it was last seen.
    starts_m: (N, 2) where it was first seen. ids: (N, 16) uint8. sources: (N,) the row of the stack's own detection in
    this sweep, -1 where it was not seen.
    """

    motion: np.ndarray
    motion_covariance: np.ndarray
    turning: np.ndarray
    turning_covariance: np.ndarray
    heights_m: np.ndarray
    sizes_m: np.ndarray
    classes: np.ndarray
    odds: np.ndarray
    hits: np.ndarray
    missed_s: np.ndarray
    starts_m: np.ndarray
    ids: np.ndarray
    sources: np.ndarray

    def __len__(self) -> int:
        return len(self.motion)

    def kept(self, which: np.ndarray) -> 'Tracks':
        """Return the tracks of a mask or of indices."""
        return Tracks(*(getattr(self, each.name)[which] for each in fields(self)))

    def joined(self, others: 'Tracks') -> 'Tracks':
        """Return these tracks and the others behind them."""
        return Tracks(*(np.concatenate([getattr(each, f.name) for each in (self, others)]) for f in fields(self)))

    @property
    def probabilities(self) -> np.ndarray:
        """(N, 12) of the classes."""
        scores = np.exp(self.classes - self.classes.max(axis=1, keepdims=True)) if len(self) else np.exp(self.classes)
        return scores / scores.sum(axis=1, keepdims=True)

    @property
    def existence(self) -> np.ndarray:
        """(N,) probabilities."""
        return 1.0 / (1.0 + np.exp(-self.odds))


def _odds(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability, 0.01, 0.99)
    return np.log(clipped / (1.0 - clipped))


def born(found: Objects, name: Callable[[], np.ndarray], doubt: float) -> Tracks:
    """Return a new track for each object found, in odom; `doubt` is taken from its log odds of existence."""
    count = len(found)
    told = np.isfinite(found.velocities_mps).all(axis=1)
    speeds = (found.class_probabilities @ _SPEED_SIGMAS_MPS**2)[:, None, None] * np.eye(2)
    covariance = np.zeros((count, 4, 4))
    covariance[:, :2, :2] = found.pose_covariances[:, :2, :2]
    covariance[:, 2:, 2:] = np.where(told[:, None, None], found.velocity_covariances, speeds)
    turning_covariance = np.zeros((count, 2, 2))
    turning_covariance[:, 0, 0], turning_covariance[:, 1, 1] = found.pose_covariances[:, 2, 2], 0.3**2
    return Tracks(
        motion=np.column_stack([found.positions_m[:, :2], np.where(told[:, None], found.velocities_mps, 0.0)]),
        motion_covariance=covariance,
        turning=np.column_stack([found.headings_rad, np.zeros(count)]),
        turning_covariance=turning_covariance,
        heights_m=found.positions_m[:, 2].copy(),
        sizes_m=found.dimensions_m.copy(),
        classes=np.log(np.maximum(found.class_probabilities, _NEVER)),
        odds=_odds(found.existence) - doubt,
        hits=np.ones(count, np.int64),
        missed_s=np.zeros(count),
        starts_m=found.positions_m[:, :2].copy(),
        ids=np.array([name() for _ in range(count)], np.uint8).reshape(count, 16),
        sources=np.full(count, -1),
    )


NONE = born(no_objects(0, 'odom', tracked=False), lambda: np.zeros(16), doubt=0.0)


def predicted(tracks: Tracks, passed_s: float, acceleration_mps2: float, turn_rps2: float) -> Tracks:
    """Return the tracks `passed_s` later: constant turn rate and speed, disturbed by white acceleration."""
    motion, turning = tracks.motion.copy(), tracks.turning.copy()
    # people, and what may be a wall's edge, are not given a driver's acceleration
    slow = tracks.probabilities[:, [Label.UNKNOWN, Label.PEDESTRIAN]].sum(axis=1)
    push2 = (acceleration_mps2 * (1.0 - 0.7 * slow)) ** 2
    turn = np.where(np.hypot(motion[:, 2], motion[:, 3]) > _TURNING_MPS, turning[:, 1], 0.0) * passed_s
    chord = _rotated(motion[:, 2:], turn / 2.0)  # along the chord of the arc
    motion[:, :2] += chord * passed_s
    motion[:, 2:] = _rotated(chord, turn / 2.0)
    step = np.eye(4)
    step[[0, 1], [2, 3]] = passed_s
    push = np.array([passed_s**2 / 2.0, passed_s])
    noise = np.kron(np.outer(push, push), np.eye(2)) * push2[:, None, None]
    turn_step = np.array([[1.0, passed_s], [0.0, 1.0]])
    turning[:, 0] = wrapped(turning[:, 0] + turning[:, 1] * passed_s)
    turning[:, 1] *= np.exp(-passed_s)  # nobody turns for ever
    return replace(
        tracks,
        motion=motion,
        motion_covariance=step @ tracks.motion_covariance @ step.T + noise,
        turning=turning,
        turning_covariance=turn_step @ tracks.turning_covariance @ turn_step.T
        + np.outer(push, push) * turn_rps2**2,
        missed_s=tracks.missed_s + passed_s,
        sources=np.full(len(tracks), -1),
    )


def seen(tracks: Tracks, found: Objects, ego_xy: np.ndarray) -> Tracks:
    """Return the tracks after each was seen as the object of the same row, in odom, from ego_xy (2,)."""
    headings, sizes = aligned(tracks.turning[:, 0], found)
    growing = sizes > tracks.sizes_m  # what is hidden makes a thing smaller, nothing makes it larger
    hidden = np.clip(np.sqrt(found.pose_covariances[:, [0, 1], [0, 1]].max(axis=1)) / _HIDDEN_M, 0.0, 1.0)[:, None]
    rates = np.maximum(1.0 / (1.0 + tracks.hits), 0.05)[:, None]  # the mean of what is seen whole
    rates = (1.0 - hidden) * rates + hidden * np.where(growing, 0.3, 0.05)
    grown = tracks.sizes_m + rates * (sizes - tracks.sizes_m)
    known = 1.0 - tracks.probabilities[:, [Label.UNKNOWN]]  # whether it is a thing with a far side, or a part of one
    sides = away(tracks.motion[:, :2], headings, ego_xy)
    before, now = (known * (grown - size)[:, :2] / 2.0 for size in (tracks.sizes_m, sizes))
    motion = tracks.motion.copy()
    motion[:, :2] += np.einsum('nij,ni->nj', sides, before)  # the near side is seen: by it places are compared
    places = found.positions_m[:, :2] + np.einsum('nij,ni->nj', sides, now)
    motion, covariance = _update(motion, tracks.motion_covariance, places, found.pose_covariances[:, :2, :2], first=0)
    told = np.isfinite(found.velocities_mps).all(axis=1)
    if told.any():
        velocities, sigmas = found.velocities_mps[told], found.velocity_covariances[told]
        motion[told], covariance[told] = _update(motion[told], covariance[told], velocities, sigmas, first=2)
    turning, turning_covariance = _turned(tracks, headings, found.pose_covariances[:, 2, 2])
    turning, turning_covariance = _pointing(motion, covariance, turning, turning_covariance, tracks.probabilities)
    return replace(
        tracks,
        motion=motion,
        motion_covariance=covariance,
        turning=turning,
        turning_covariance=turning_covariance,
        heights_m=tracks.heights_m + _HEIGHT_RATE * (found.positions_m[:, 2] - tracks.heights_m),
        sizes_m=grown,
        classes=0.97 * tracks.classes + np.log(np.maximum(found.class_probabilities, _NEVER)),
        odds=np.minimum(tracks.odds + np.maximum(_odds(found.existence), 0.2), 5.0),
        hits=tracks.hits + 1,
        missed_s=np.zeros(len(tracks)),
    )


def missed(tracks: Tracks, visible: np.ndarray) -> Tracks:
    """Return the tracks after a sweep in which none of them was found; `visible`: (N,) chance to find it."""
    return replace(tracks, odds=tracks.odds + np.log(1.0 - visible))


def _rotated(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return (N, 2) vectors turned by (N,) angles."""
    c, s = np.cos(angles), np.sin(angles)
    return np.column_stack([c * vectors[:, 0] - s * vectors[:, 1], s * vectors[:, 0] + c * vectors[:, 1]])


def _update(
    mean: np.ndarray, covariance: np.ndarray, measured: np.ndarray, noise: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kalman update of (N, 4) by a measurement (N, 2) of the two values from `first` on."""
    part = slice(first, first + 2)
    gain = covariance[:, :, part] @ np.linalg.inv(covariance[:, part, part] + noise)  # (N, 4, 2)
    mean = mean + np.einsum('nij,nj->ni', gain, measured - mean[:, part])
    covariance = covariance - gain @ covariance[:, part, :]
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2.0


def aligned(headings_rad: np.ndarray, found: Objects) -> tuple[np.ndarray, np.ndarray]:
    """Return headings and sizes of the objects, turned by what is ambiguous so that they fit headings (N,).

    Front and rear look alike; of a short rectangle so do length and width.
    """
    off = np.asarray(wrapped(found.headings_rad - headings_rad))
    sizes = found.dimensions_m.copy()
    quarters = np.round(off / (np.pi / 2.0))
    short = sizes[:, 0] < 1.5 * sizes[:, 1]
    quarters = np.where(short, quarters, 2.0 * np.round(off / np.pi))
    crossed = quarters % 2 == 1
    sizes[crossed, :2] = sizes[crossed, 1::-1]
    return np.asarray(wrapped(found.headings_rad - quarters * np.pi / 2.0)), sizes


def away(places: np.ndarray, headings: np.ndarray, ego_xy: np.ndarray) -> np.ndarray:
    """Return (N, 2 along and across, 2) directions of a rectangle's axes that point away from ego_xy (2,) or (N, 2)."""
    c, s = np.cos(headings), np.sin(headings)
    axes = np.stack([np.column_stack([c, s]), np.column_stack([-s, c])], axis=1)
    return axes * np.sign(np.einsum('nij,nj->ni', axes, places - ego_xy))[:, :, None]


def _turned(tracks: Tracks, headings: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kalman update of heading and rate by headings (N,) of variance `noise`."""
    covariance = tracks.turning_covariance
    gain = covariance[:, :, 0] / (covariance[:, 0, 0] + noise)[:, None]  # (N, 2)
    off = np.asarray(wrapped(headings - tracks.turning[:, 0]))
    turning = tracks.turning + gain * off[:, None]
    turning[:, 0] = wrapped(turning[:, 0])
    turning[:, 1] = np.clip(turning[:, 1], -1.0, 1.0)
    return turning, covariance - gain[:, :, None] * covariance[:, None, 0, :]


def _pointing(
    motion: np.ndarray,
    covariance: np.ndarray,
    turning: np.ndarray,
    turning_covariance: np.ndarray,
    probabilities: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn around what moves backwards, and let vehicles that move surely point where they go."""
    speed = np.hypot(motion[:, 2], motion[:, 3])
    spread = np.sqrt(covariance[:, 2, 2] + covariance[:, 3, 3])
    sure = (speed > _MOVING_MPS) & (speed > 3.0 * spread)
    course = np.arctan2(motion[:, 3], motion[:, 2])
    turning = turning.copy()
    backwards = sure & (np.cos(course - turning[:, 0]) < -0.3)
    turning[backwards, 0] = wrapped(turning[backwards, 0] + np.pi)
    wheeled = probabilities[:, [Label.CAR, Label.TRUCK, Label.BUS, Label.BICYCLE, Label.MOTORCYCLE]].sum(axis=1) > 0.4
    noise = np.where(sure & wheeled, (spread / np.maximum(speed, 0.1)) ** 2 + 0.1**2, 1e6)
    gain = turning_covariance[:, 0, 0] / (turning_covariance[:, 0, 0] + noise)
    turning[:, 0] = wrapped(turning[:, 0] + gain * wrapped(course - turning[:, 0]))
    result = turning_covariance.copy()
    result[:, 0, :] *= (1.0 - gain)[:, None]
    result[:, 1, 0] = result[:, 0, 1]
    return turning, result
