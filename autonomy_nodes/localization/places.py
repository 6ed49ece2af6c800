"""What satellites and people say of the place in map, brought together with odom at the same moment."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import heading_of, inverse, quaternion_of, wrapped
from autonomy_nodes.common.sensing import Fix
from autonomy_nodes.common.types import SECOND_NS, DataError, Pose
from autonomy_nodes.localization.alignment import AlignmentConfig, MapAlignment, Pair
from autonomy_nodes.localization.filter import Filter
from autonomy_nodes.localization.geodesy import LocalPlane
from autonomy_nodes.localization.motion import displacement, twist_of
from autonomy_nodes.localization.state import COURSE, IN_MAP, POSE

NOT_KNOWN = 1e6  # a variance of that much or more
WAITING = 64  # sightings whose sweep has not come yet
LATE_S = 0.5  # a sighting so much older than the last two sweeps still finds its place


@dataclass(frozen=True, eq=False)
class Sighting:
    """A place in map at a moment. lever: (3,) in base_link of what was located. heading_rad: NaN where not told."""

    stamp_ns: int
    place: np.ndarray
    lever: np.ndarray
    sigma_m: float
    sigma_z_m: float
    heading_rad: float
    sigma_rad: float


@dataclass(frozen=True, eq=False)
class Waypoint:
    """Where odometry was: (4, 4) odom_from_base, and the way driven up to there."""

    stamp_ns: int
    pose: np.ndarray
    driven_m: float


@dataclass(frozen=True, eq=False)
class InMap:
    """How the place in map stands: sigmas of x and y, z, heading, and the share of the last sightings believed."""

    sigma_m: float
    sigma_z_m: float
    sigma_rad: float
    agreeing: float


class Places:
    """Brings sightings to the filter; where the filter knows no place in map, a robust fit of them gives the first."""

    def __init__(self, config: AlignmentConfig, origin_llh: tuple[float, ...]) -> None:
        self.alignment = MapAlignment(config)
        self.plane = LocalPlane(origin_llh) if origin_llh else None
        self.late = 0
        self.located = False
        self._waiting: deque[Sighting] = deque(maxlen=WAITING)
        self._said: Sighting | None = None
        self._believed: deque[bool] = deque(maxlen=config.judged)
        self._last_ns = 0
        self._told_m: np.ndarray | None = None  # sigmas of the last satellite position

    def restart(self) -> None:
        """Forget all: odom has a new origin."""
        self.alignment.restart()
        self._waiting.clear()
        self._believed.clear()
        self.located = False

    def hear_pose(self, pose: Pose) -> None:
        """Keep a pose of base_link from a satellite receiver."""
        self._waiting.append(sighting_of(pose))

    def hear_fix(self, fix: Fix, base_from_antenna: np.ndarray) -> None:
        """Keep a satellite position of the antenna; raises DataError where map has no place on the earth."""
        if self.plane is None:
            raise DataError('a satellite fix says nothing without map_origin_llh: set it to the map origin')
        variances = np.diag(fix.covariance)
        sigmas = math.sqrt(max(variances[0], variances[1])), math.sqrt(variances[2])
        place = self.plane.place(fix.llh)
        self._waiting.append(Sighting(fix.stamp_ns, place, base_from_antenna[:3, 3], *sigmas, math.nan, 1e3))

    def hear_person(self, pose: Pose) -> None:
        """Take a person's word for where the vehicle is now; it replaces all that was known."""
        self._said = sighting_of(pose)

    def settle(self, before: Waypoint, now: Waypoint, state: Filter) -> None:
        """Bring the sightings up to now to the filter, each where odometry was between the last two sweeps."""
        if self._said is not None:
            said, self._said = self._said, None
            self.restart()
            self._told_m = None
            self.alignment.add(self._pair(said, now))
        waiting, self._waiting = self._waiting, deque(maxlen=WAITING)
        seconds = (now.stamp_ns - before.stamp_ns) / SECOND_NS
        step = twist_of(inverse(before.pose) @ now.pose, 1.0) if waiting else np.zeros(6)
        for sighting in waiting:
            if sighting.stamp_ns > now.stamp_ns:
                self._waiting.append(sighting)
            elif sighting.stamp_ns < before.stamp_ns - LATE_S * SECOND_NS:
                self.late += 1
            else:
                share = (sighting.stamp_ns - before.stamp_ns) / SECOND_NS / seconds
                driven_m = before.driven_m + share * (now.driven_m - before.driven_m)
                at = Waypoint(sighting.stamp_ns, before.pose @ displacement(step, share), driven_m)
                self.alignment.add(self._pair(sighting, at))
                self._told_m = np.array([sighting.sigma_m, sighting.sigma_m, sighting.sigma_z_m])
                if self.located:
                    self._take(sighting, at, state)
        self._find(now, state)

    def in_map(self, state: Filter) -> InMap | None:
        """Return how sure the place in map is; None where it is not known well enough to be told."""
        config, p = self.alignment.config, state.covariance
        if not self.located:
            return None
        sigma_m = math.sqrt(float(np.linalg.eigvalsh(p[IN_MAP, IN_MAP][:2, :2])[-1]))
        sigma_rad = math.sqrt(p[COURSE, COURSE])
        if sigma_m > config.max_sigma_m or sigma_rad > config.max_sigma_rad:
            return None
        agreeing = sum(self._believed) / len(self._believed) if self._believed else 1.0
        return InMap(sigma_m, math.sqrt(p[IN_MAP, IN_MAP][2, 2]), sigma_rad, agreeing)

    def _take(self, sighting: Sighting, at: Waypoint, state: Filter) -> None:
        config, there = self.alignment.config, state.state.map_from_odom @ at.pose
        sigmas_m = np.array([sighting.sigma_m, sighting.sigma_m, sighting.sigma_z_m])
        sigmas_m = np.maximum(sigmas_m, config.min_sigma_m)
        passed_s = max(0.0, (sighting.stamp_ns - self._last_ns) / SECOND_NS)
        state.wander(passed_s, sigmas_m, config.wander_s)
        self._last_ns = sighting.stamp_ns
        arm = there[:3, :3] @ sighting.lever
        believed = state.satellite(sighting.place - there[:3, 3] - arm, arm, sigmas_m, config.white)
        self._believed.append(believed)
        if believed and math.isfinite(sighting.heading_rad):
            off_rad = wrapped(sighting.heading_rad - heading_of(quaternion_of(there[:3, :3])))
            state.compass(float(off_rad), max(sighting.sigma_rad, config.min_sigma_rad))

    def _find(self, now: Waypoint, state: Filter) -> None:
        """Fit the place in map where there is none, or where most sightings contradict it."""
        config, judged = self.alignment.config, self._believed
        doubtful = len(judged) == config.judged and sum(judged) < config.doubtful * config.judged
        if self.located and not doubtful:
            return
        fit = self.alignment.fitted(now.pose[:3, 3], now.driven_m)
        if fit is not None:
            told = self._told_m if self._told_m is not None else np.zeros(3)
            state.locate(fit.map_from_odom, (fit.sigma_m, fit.sigma_z_m, fit.sigma_rad), np.minimum(told, 1e3))
            self.located, self._last_ns = True, 0 if self._told_m is None else now.stamp_ns
            judged.clear()

    def _pair(self, sighting: Sighting, at: Waypoint) -> Pair:
        odom = at.pose[:3, 3] + at.pose[:3, :3] @ sighting.lever
        turn_rad = sighting.heading_rad - heading_of(quaternion_of(at.pose[:3, :3]))
        return Pair(
            at.stamp_ns, at.driven_m, odom, sighting.place, sighting.sigma_m, sighting.sigma_z_m,
            turn_rad, sighting.sigma_rad,
        )  # fmt: skip


def sighting_of(pose: Pose) -> Sighting:
    """Return what a pose in map tells; raises DataError in another frame, or where x and y are not known."""
    if pose.frame != 'map':
        remedy = 'set the fixed frame of RViz, the display frame of Foxglove, to map'
        raise DataError(f'pose is in frame {pose.frame!r}, expected map: {remedy}')
    variances = np.diag(pose.covariance)
    flat = float(variances[:2].max())
    if flat >= NOT_KNOWN:
        raise DataError('pose says that its x or y is not known')
    known = variances[5] < NOT_KNOWN
    heading_rad = heading_of(pose.orientation) if known else math.nan
    return Sighting(
        pose.stamp_ns, pose.position_m, np.zeros(3), math.sqrt(flat), math.sqrt(variances[2]),
        heading_rad, math.sqrt(variances[5]) if known else 1e3,
    )  # fmt: skip


def pose_in_map(stamp_ns: int, state: Filter) -> Pose:
    """Return base_link in map; roll and pitch are as sure as those of odom."""
    map_from_base, covariance = state.state.map_from_odom @ state.state.pose, np.zeros((6, 6))
    covariance[:3, :3] = state.covariance[IN_MAP, IN_MAP]
    covariance[3:5, 3:5] = state.covariance[POSE, POSE][3:5, 3:5]
    covariance[5, 5] = state.covariance[COURSE, COURSE]
    return Pose(stamp_ns, 'map', map_from_base[:3, 3], quaternion_of(map_from_base[:3, :3]), covariance)
