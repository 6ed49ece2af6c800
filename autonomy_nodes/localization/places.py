"""What satellites and people say of the place in map, brought together with odom at the same moment."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import heading_of, inverse, quaternion_of
from autonomy_nodes.common.sensing import Fix
from autonomy_nodes.common.types import SECOND_NS, DataError, Pose
from autonomy_nodes.localization.alignment import Alignment, AlignmentConfig, MapAlignment, Pair
from autonomy_nodes.localization.geodesy import LocalPlane
from autonomy_nodes.localization.motion import displacement, twist_of

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


class Places:
    """Turns sightings into pairs of places in odom and map, and gives the alignment that fits them."""

    def __init__(self, config: AlignmentConfig, origin_llh: tuple[float, ...]) -> None:
        self.alignment = MapAlignment(config)
        self.plane = LocalPlane(origin_llh) if origin_llh else None
        self.late = 0
        self._waiting: deque[Sighting] = deque(maxlen=WAITING)
        self._said: Sighting | None = None

    def restart(self) -> None:
        """Forget all: odom has a new origin."""
        self.alignment.restart()
        self._waiting.clear()

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

    def settle(self, before: Waypoint, now: Waypoint) -> None:
        """Pair the sightings up to now with odom between the last two sweeps."""
        if self._said is not None:
            said, self._said = self._said, None
            self.restart()
            self.alignment.add(self._pair(said, now))
        waiting, self._waiting = self._waiting, deque(maxlen=WAITING)
        step = twist_of(inverse(before.pose) @ now.pose, 1.0)
        for sighting in waiting:
            if sighting.stamp_ns > now.stamp_ns:
                self._waiting.append(sighting)
            elif sighting.stamp_ns < before.stamp_ns - LATE_S * SECOND_NS:
                self.late += 1
            else:
                share = (sighting.stamp_ns - before.stamp_ns) / (now.stamp_ns - before.stamp_ns)
                driven_m = before.driven_m + share * (now.driven_m - before.driven_m)
                pose = before.pose @ displacement(step, share)
                self.alignment.add(self._pair(sighting, Waypoint(sighting.stamp_ns, pose, driven_m)))

    def fitted(self, now: Waypoint) -> Alignment | None:
        """Return how odom lies in map, sure to what it says at the vehicle; None where not known."""
        return self.alignment.fitted(now.pose[:3, 3], now.driven_m)

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
        raise DataError(f'pose is in frame {pose.frame!r}, expected map')
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


def pose_in_map(stamp_ns: int, alignment: Alignment, odom_from_base: np.ndarray, covariance: np.ndarray) -> Pose:
    """Return base_link in map; roll and pitch are as sure as odom's (6, 6) covariance says."""
    map_from_base = alignment.map_from_odom @ odom_from_base
    variances = np.diag(covariance).copy()
    variances[:3] = alignment.sigma_m**2, alignment.sigma_m**2, alignment.sigma_z_m**2
    variances[5] = alignment.sigma_rad**2
    return Pose(stamp_ns, 'map', map_from_base[:3, 3], quaternion_of(map_from_base[:3, :3]), np.diag(variances))
