"""Localization on one page: each sweep becomes the vehicle's pose and motion in odom, and in map where that is known.

Odom is smooth: LiDAR odometry with wheels and gyro, carried forward where the LiDAR fails. Where odom lies in map is
estimated apart, so that a correction from satellites or from a person never makes odom jump.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import inverse, quaternion_of
from autonomy_nodes.common.sensing import Imu, PointCloud, WheelSpeed
from autonomy_nodes.common.status import Words
from autonomy_nodes.common.timing import Flow, Timeline
from autonomy_nodes.common.types import DataError, EgoState, Pose
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.localization.alignment import Alignment, AlignmentConfig
from autonomy_nodes.localization.integrity import BlindLimits, Blindness, State, words
from autonomy_nodes.localization.motion import Hint, Motion, MotionConfig, displacement, seconds_between, twist_of
from autonomy_nodes.localization.odometry import LidarOdometry, OdometryConfig, Registration, Scan
from autonomy_nodes.localization.places import Places, Waypoint, pose_in_map
from autonomy_nodes.localization.uncertainty import grown

PAUSE_S = 60.0  # a sweep that comes later than that begins a new drive
STANDING_SIGMA = 1e-3  # of the twist while the wheels stand, m/s and rad/s


@dataclass(frozen=True)
class LocalizationConfig:
    """Settings of localization.

    max_predict_s: how far a state is carried forward. blind_s, blind_m: how long, and how far while wheels tell the
    way, the vehicle may go by prediction alone. standing_jump_m: LiDAR motion that disproves wheels at rest.
    drift_m, drift_rad: sigma of the odometry after 1 m of way; it grows with the root of the way.
    map_origin_llh: where the origin of map is on the earth; needed for fixes alone.
    """

    max_predict_s: float = 0.5
    blind_s: float = 1.0
    blind_m: float = 50.0
    standing_jump_m: float = 0.08
    drift_m: float = 0.02
    drift_rad: float = 0.0005
    map_origin_llh: tuple[float, ...] = ()
    publish_calibration: bool = False
    odometry: OdometryConfig = field(default_factory=OdometryConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        for name in ('max_predict_s', 'blind_s', 'blind_m', 'standing_jump_m', 'drift_m', 'drift_rad'):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')


@dataclass(frozen=True, eq=False)
class Localized:
    """What one sweep gives. ego: None at the start and while lost. pose: in map, None while it is not known."""

    ego: EgoState | None
    pose: Pose | None
    integrity: Words
    warnings: Sequence[str] = ()


class Localizer:
    """Where the vehicle is, step by step. `places` takes what satellites and people say."""

    def __init__(self, config: LocalizationConfig) -> None:
        self.config = config
        self.places = Places(config.alignment, config.map_origin_llh)
        self.map_from_odom: np.ndarray | None = None
        self.ego: EgoState | None = None
        self._motion, self._odometry = Motion(config.motion), LidarOdometry(config.odometry)
        self._blindness = Blindness(BlindLimits(config.blind_s, config.blind_m))
        self._timeline = Timeline(PAUSE_S)
        self._at: Waypoint | None = None
        self._covariance = np.zeros((6, 6))

    def sweep(self, cloud: PointCloud, wheels: Sequence[WheelSpeed] = (), imu: Sequence[Imu] = ()) -> Localized:
        """Take one sweep in base_link, and what wheels and IMU (turned to base_link) said since the last one.

        Raises DataError on a stamp that does not follow the one before.
        """
        warnings = []
        if self._timeline.judge(cloud.stamp_ns) is Flow.JUMPED:
            self._restart()
            warnings.append('time jumped: localization starts anew')
        self._motion.hear(wheels, imu)
        scan, complaint = self._prepared(cloud.xyz)
        if self._at is None:
            return self._begun(cloud.stamp_ns, scan, complaint, warnings)
        before, seconds = self._at, seconds_between(self._at.stamp_ns, cloud.stamp_ns)
        hint = self._motion.hint(before.stamp_ns, cloud.stamp_ns)
        reach_s = seconds if hint.measured else min(seconds, self.config.max_predict_s)
        guess = before.pose @ displacement(hint.twist, reach_s)
        found = None if scan is None else self._odometry.laid(scan, guess, sure=self._is_sure(hint))
        complaint = complaint or (found.complaint if found else '')
        if complaint and not (self._motion.known or hint.measured):
            return self._begun(cloud.stamp_ns, scan, complaint, warnings)
        pose = guess if found is None or complaint else found.pose
        if hint.standing and np.linalg.norm(pose[:3, 3] - before.pose[:3, 3]) < self.config.standing_jump_m:
            pose = before.pose  # the wheels say rest, and nothing speaks against them
        elif hint.standing:
            warnings.append('wheels say rest, LiDAR says motion: LiDAR believed')
        warnings += self._note_motion(cloud.stamp_ns, pose, seconds, hint, None if complaint else found)
        self._go_to(cloud.stamp_ns, pose, seconds, None if complaint else found, hint)
        self._extend_map(scan, complaint)
        return self._told(found, complaint, warnings)

    def predicted(self, now_ns: int) -> EgoState | None:
        """Return the state carried forward to a moment with its twist; None where that is too far, or none is known."""
        if self.ego is None or self._at is None:
            return None
        ahead_s = seconds_between(self._at.stamp_ns, now_ns)
        if not 0.0 <= ahead_s <= self.config.max_predict_s:
            return None
        pose = self._at.pose @ displacement(self.ego.twist, ahead_s)
        step = np.diag(self._motion.variance) * ahead_s**2
        return self._state(now_ns, pose, grown(self._covariance, self._at.pose, pose, step))

    def _restart(self) -> None:
        self._motion.restart()
        self._blindness.restart()
        self.places.restart()
        self._at = self.ego = self.map_from_odom = None

    def _prepared(self, xyz: np.ndarray) -> tuple[Scan | None, str]:
        try:
            return self._odometry.prepared(xyz), ''
        except DataError as error:
            return None, str(error)

    def _is_sure(self, hint: Hint) -> bool:
        return hint.measured or (self._motion.known and self._blindness.state is State.NOMINAL)

    def _begun(self, stamp_ns: int, scan: Scan | None, complaint: str, warnings: list[str]) -> Localized:
        """Set the origin of odom here; nothing is given before a second sweep tells the motion."""
        if scan is None:
            raise DataError(complaint)
        pose = np.eye(4)
        pose[:3, :3] = self._motion.level(stamp_ns)
        self._at, self._covariance = Waypoint(stamp_ns, pose, 0.0), np.zeros((6, 6))
        self._odometry.begin(scan, pose)
        integrity = words(stamp_ns, self._blindness, None, None, 0.0, complaint or 'first sweep')
        return Localized(None, None, integrity, warnings)

    def _note_motion(
        self, stamp_ns: int, pose: np.ndarray, seconds: float, hint: Hint, found: Registration | None
    ) -> list[str]:
        """Blend the twist; return what is wrong with wheels."""
        assert self._at is not None
        self._motion.pass_time(seconds)
        if hint.standing and pose is self._at.pose:
            self._motion.measure(np.zeros(6), np.full(6, STANDING_SIGMA))
            return []
        if found is not None:
            sigmas = np.sqrt(np.diag(found.covariance)) / seconds
            self._motion.measure(twist_of(inverse(self._at.pose) @ pose, seconds), sigmas)
        complaint = self._motion.measure_sensors(stamp_ns, checked=found is not None)
        return [complaint] if complaint else []

    def _go_to(self, stamp_ns: int, pose: np.ndarray, seconds: float, found: Registration | None, hint: Hint) -> None:
        """Settle on a pose: its uncertainty, the way, the state of integrity, and the places seen meanwhile."""
        assert self._at is not None
        before, config = self._at, self.config
        moved_m = float(np.linalg.norm(pose[:3, 3] - before.pose[:3, 3]))
        drift = np.diag([config.drift_m**2 * moved_m] * 3 + [config.drift_rad**2 * moved_m] * 3)
        blind = np.diag(self._motion.variance) * seconds**2
        still = pose is before.pose
        step = np.zeros((6, 6)) if still else drift + (blind if found is None else found.covariance)
        self._covariance = grown(self._covariance, before.pose, pose, step)
        self._at = Waypoint(stamp_ns, pose, before.driven_m + moved_m)
        if found is None and not still:
            self._blindness.missed(seconds, moved_m, wheels=hint.measured)
        elif found is not None:
            self._blindness.seen()
        self.places.settle(before, self._at)

    def _extend_map(self, scan: Scan | None, complaint: str) -> None:
        assert self._at is not None
        if self._blindness.state is State.LOST:
            self.places.restart()
            if scan is not None:  # what is seen now is all there is to hold on to
                self._odometry.begin(scan, self._at.pose)
        elif scan is not None and not complaint:
            self._odometry.joined(scan, self._at.pose)

    def _told(self, found: Registration | None, complaint: str, warnings: list[str]) -> Localized:
        assert self._at is not None
        stamp_ns, lost = self._at.stamp_ns, self._blindness.state is State.LOST
        alignment: Alignment | None = None if lost else self.places.fitted(self._at)
        self.map_from_odom = None if alignment is None else alignment.map_from_odom
        self.ego = None if lost else self._state(stamp_ns, self._at.pose, self._covariance)
        pose = None if alignment is None else pose_in_map(stamp_ns, alignment, self._at.pose, self._covariance)
        sigma_m = math.sqrt(float(np.linalg.eigvalsh(self._covariance[:3, :3])[-1]))
        integrity = words(stamp_ns, self._blindness, found, alignment, sigma_m, complaint)
        return Localized(self.ego, pose, integrity, warnings)

    def _state(self, stamp_ns: int, pose: np.ndarray, covariance: np.ndarray) -> EgoState:
        twist, variances = self._motion.twist.copy(), np.diag(self._motion.variance)
        return EgoState(stamp_ns, pose[:3, 3].copy(), quaternion_of(pose[:3, :3]), twist, covariance, variances)
