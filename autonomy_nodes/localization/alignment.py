"""Where odom lies in map: pairs of places known in both, held together by a robust fit in x, y, yaw and z."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped


@dataclass(frozen=True)
class AlignmentConfig:
    """Settings of the fit.

    drift_share: of the way driven since, by which a pair has become less sure: odometry drifts. spacing_m, spacing_s:
    pairs nearer than both to the last one are left out. max_sigma_*: beyond these the pose in map is not known.
    wander_s: how long the errors of satellites last, but for a share that is `white`. Where of the last `judged`
    sightings less than the share `doubtful` is believed, the place in map is fitted anew.
    """

    pairs: int = 200
    drift_share: float = 0.003
    drift_rad_per_m: float = 0.0002
    spacing_m: float = 0.5
    spacing_s: float = 1.0
    min_sigma_m: float = 0.05
    min_sigma_rad: float = 0.005
    max_sigma_m: float = 5.0
    max_sigma_rad: float = 0.07
    outlier_sigmas: float = 2.5
    wander_s: float = 60.0
    white: float = 0.3
    judged: int = 50
    doubtful: float = 0.4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f'{name}={value} must be above 0')


@dataclass(frozen=True, eq=False)
class Pair:
    """One place known in both frames.

    driven_m: the way up to there. odom, place: (3,) in odom and in map. turn_rad: of map against odom there, NaN where
    the heading in map is not known. sigma_*: 1000 and more where not known.
    """

    stamp_ns: int
    driven_m: float
    odom: np.ndarray
    place: np.ndarray
    sigma_m: float
    sigma_z_m: float
    turn_rad: float = math.nan
    sigma_rad: float = 1e3


@dataclass(frozen=True, eq=False)
class Alignment:
    """map_from_odom (4, 4), how sure it is at the vehicle, and how many pairs agree with it."""

    map_from_odom: np.ndarray
    sigma_m: float
    sigma_z_m: float
    sigma_rad: float
    agreeing: float


class MapAlignment:
    """Collects pairs and fits them anew at each sweep; odom itself is never touched."""

    def __init__(self, config: AlignmentConfig) -> None:
        self.config = config
        self._pairs: deque[Pair] = deque(maxlen=config.pairs)
        self._turn_rad: float | None = None

    def restart(self) -> None:
        """Forget all pairs."""
        self._pairs.clear()
        self._turn_rad = None

    def add(self, pair: Pair) -> None:
        """Keep a pair, unless it tells little more than the one before."""
        last = self._pairs[-1] if self._pairs else None
        near = last is not None and pair.driven_m - last.driven_m < self.config.spacing_m
        if last is None or not near or pair.stamp_ns - last.stamp_ns >= self.config.spacing_s * 1e9:
            self._pairs.append(pair)

    def fitted(self, here: np.ndarray, driven_m: float) -> Alignment | None:
        """Return the fit, sure to what its sigmas say at `here` (3,) in odom; None where x, y or yaw is not known."""
        config, pairs = self.config, list(self._pairs)
        if not pairs:
            return None
        drift = np.array([driven_m - pair.driven_m for pair in pairs])
        sigma = np.hypot([max(pair.sigma_m, config.min_sigma_m) for pair in pairs], config.drift_share * drift)
        turn_sigma = np.hypot([max(p.sigma_rad, config.min_sigma_rad) for p in pairs], config.drift_rad_per_m * drift)
        odom = np.array([pair.odom[:2] - here[:2] for pair in pairs])
        place = np.array([pair.place[:2] for pair in pairs])
        turns = np.array([pair.turn_rad for pair in pairs])
        start_rad = self._turn_rad if self._turn_rad is not None else first_turn(odom, place, turns, sigma, turn_sigma)
        fit = _fit(odom, place, turns, sigma, turn_sigma, start_rad, config.outlier_sigmas)
        if fit is None:
            return None
        shift, turn_rad, covariance, weights = fit
        floor_m = 0.5 * float(np.median(sigma[weights > 0.5])) if (weights > 0.5).any() else math.inf
        sigma_m = max(math.sqrt(np.linalg.eigvalsh(covariance[:2, :2])[-1]), floor_m)  # GNSS errors last: no averaging
        sigma_rad = math.sqrt(covariance[2, 2])
        if sigma_m > config.max_sigma_m or sigma_rad > config.max_sigma_rad:
            return None
        self._turn_rad = turn_rad
        z_sigma = np.hypot([max(p.sigma_z_m, config.min_sigma_m) for p in pairs], config.drift_share * drift)
        lift_m = weighted_median(np.array([pair.place[2] - pair.odom[2] for pair in pairs]), z_sigma**-2.0)
        matrix, (sine, cosine) = np.eye(4), (math.sin(turn_rad), math.cos(turn_rad))
        matrix[:2, :2] = [[cosine, -sine], [sine, cosine]]
        matrix[:3, 3] = *(shift - matrix[:2, :2] @ here[:2]), lift_m
        return Alignment(matrix, sigma_m, 0.5 * float(np.median(z_sigma)), sigma_rad, float((weights > 0.5).mean()))


def first_turn(
    odom: np.ndarray, place: np.ndarray, turns: np.ndarray, sigma: np.ndarray, turn_sigma: np.ndarray
) -> float:
    """Return a first guess of the yaw of map_from_odom: the surest heading, or by how the ways lie if that is surer."""
    weight = sigma**-2.0
    a = odom - np.average(odom, axis=0, weights=weight)
    b = place - np.average(place, axis=0, weights=weight)
    across, along = weight @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]), weight @ (a * b).sum(axis=1)
    spread = float(weight @ (a * a).sum(axis=1))
    best = int(np.argmin(np.where(np.isfinite(turns), turn_sigma, np.inf)))
    if np.isfinite(turns[best]) and turn_sigma[best] ** -2.0 > spread:
        return float(turns[best])
    return math.atan2(across, along)


def _fit(
    odom: np.ndarray, place: np.ndarray, turns: np.ndarray, sigma: np.ndarray, turn_sigma: np.ndarray,
    turn_rad: float, outlier_sigmas: float,
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray] | None:  # fmt: skip
    """Gauss-Newton with Cauchy weights: shift (2,), yaw, covariance (3, 3), weights (N,); None if singular."""
    known = np.isfinite(turns)
    turned = odom @ _rotation(turn_rad).T
    shift = np.array([weighted_median(place[:, axis] - turned[:, axis], sigma**-2.0) for axis in (0, 1)])
    for _ in range(20):
        turned = odom @ _rotation(turn_rad).T
        error = place - turned - shift
        weights = 1.0 / (1.0 + (error**2).sum(axis=1) / (outlier_sigmas * sigma) ** 2)
        strength = weights * sigma**-2.0
        slope = np.stack([-turned[:, 1], turned[:, 0]], axis=1)  # of the place by the yaw
        turn_error = np.where(known, wrapped(turns - turn_rad), 0.0)
        turn_weight = 1.0 / (1.0 + (turn_error / (outlier_sigmas * turn_sigma)) ** 2)
        turn_strength = np.where(known, turn_weight * turn_sigma**-2.0, 0.0)
        normal, right = np.zeros((3, 3)), np.zeros(3)
        normal[0, 0] = normal[1, 1] = strength.sum()
        normal[:2, 2] = normal[2, :2] = strength @ slope
        normal[2, 2] = strength @ (slope**2).sum(axis=1) + turn_strength.sum()
        right[:2] = strength @ error
        right[2] = strength @ (slope * error).sum(axis=1) + turn_strength @ turn_error
        if np.linalg.cond(normal) > 1e12:
            return None
        step = np.linalg.solve(normal, right)
        shift, turn_rad = shift + step[:2], float(wrapped(turn_rad + step[2]))
        if np.abs(step).max() < 1e-6:
            break
    return shift, turn_rad, np.linalg.inv(normal), weights


def _rotation(turn_rad: float) -> np.ndarray:
    sine, cosine = math.sin(turn_rad), math.cos(turn_rad)
    return np.array([[cosine, -sine], [sine, cosine]])


def weighted_median(values: np.ndarray, weights: Sequence[float] | np.ndarray) -> float:
    """Return the value below which half of the weight lies."""
    order = np.argsort(values, kind='stable')
    heaped = np.cumsum(np.asarray(weights)[order])
    return float(values[order][np.searchsorted(heaped, heaped[-1] / 2.0)])
