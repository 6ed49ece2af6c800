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
from autonomy_nodes.localization.motion import (
    STANDING_SIGMA,
    Hint,
    Motion,
    MotionConfig,
    displacement,
    seconds_between,
    twist_of,
)
from autonomy_nodes.localization.odometry import ANY_STEP, LidarOdometry, OdometryConfig, Registration
from autonomy_nodes.localization.places import Places, Waypoint, pose_in_map
from autonomy_nodes.localization.uncertainty import carried, grown

PAUSE_S = 60.0  # a sweep that comes later than that begins a new drive
NO_INFORMATION = 1e-4 * np.eye(6)
BEGUN = 1e-6 * np.eye(6)  # covariance of a pose against a map that begins with it


@dataclass(frozen=True)
class LocalizationConfig:
    """Settings of localization.

    max_predict_s: how far a state is carried forward. blind_s, blind_m: how long, and how far while wheels tell the
    way, the vehicle may go by prediction alone. strange_sweeps: that many in a row against the prediction prove it
    wrong; fewer are wrong themselves. drift_m, drift_rad: sigma of the odometry after 1 m of way; it grows with the
    root of the way. map_origin_llh: where the origin of map is on the earth; needed for fixes alone.
    """

    max_predict_s: float = 0.5
    blind_s: float = 1.0
    blind_m: float = 50.0
    strange_sweeps: int = 3
    drift_m: float = 0.02
    drift_rad: float = 0.0005
    map_origin_llh: tuple[float, ...] = ()
    publish_calibration: bool = False
    odometry: OdometryConfig = field(default_factory=OdometryConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        for name in ('max_predict_s', 'blind_s', 'blind_m', 'drift_m', 'drift_rad'):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        if self.strange_sweeps < 1:
            raise ValueError(f'strange_sweeps={self.strange_sweeps} must be 1 or more')


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
        self._covariance = np.zeros((6, 6))  # against the origin of odom, along its axes
        self._local = BEGUN  # against the map of voxels, along the axes of base_link
        self._strange = 0  # sweeps in a row that the prediction could not believe

    def sweep(self, cloud: PointCloud, wheels: Sequence[WheelSpeed] = (), imu: Sequence[Imu] = ()) -> Localized:
        """Take one sweep in base_link, and what wheels and IMU (turned to base_link) said since the last one.

        Raises DataError on a stamp that does not follow the one before.
        """
        warnings = []
        if self._timeline.judge(cloud.stamp_ns) is Flow.JUMPED:
            self._restart()
            warnings.append('time jumped: localization starts anew')
        self._motion.hear(wheels, imu)
        points, complaint = self._prepared(cloud.xyz)
        if self._at is None:
            return self._begun(cloud.stamp_ns, points, complaint, warnings)
        before, seconds = self._at, seconds_between(self._at.stamp_ns, cloud.stamp_ns)
        hint = self._motion.hint(before.stamp_ns, cloud.stamp_ns)
        step = displacement(hint.twist, seconds if hint.measured else min(seconds, self.config.max_predict_s))
        guess, prior = before.pose @ step, carried(self._local, step) + hint.covariance(seconds)
        sure = hint.measured or (self._motion.known and self._blindness.state is State.NOMINAL)
        found = None if points is None else self._odometry.laid(points, guess, prior, sure)
        complaint = complaint or (found.complaint if found else '')
        if complaint and not (self._motion.known or hint.measured):
            return self._begun(cloud.stamp_ns, points, complaint, warnings)
        left = self._local
        good, strange = self._believed(None if complaint else found, sure, hint)
        complaint = complaint or ('' if good else strange)
        pose, way = self._settled(guess, prior, hint, seconds, good, strange)
        warnings += [strange] * bool(strange)
        warnings += self._note_motion(cloud.stamp_ns, pose, left, seconds, good)
        self._go_to(cloud.stamp_ns, pose, way, seconds, hint, good)
        self._extend_map(points, good)
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

    def _prepared(self, xyz: np.ndarray) -> tuple[np.ndarray | None, str]:
        try:
            return self._odometry.prepared(xyz), ''
        except DataError as error:
            return None, str(error)

    def _begun(
        self, stamp_ns: int, points: np.ndarray | None, complaint: str, warnings: list[str]
    ) -> Localized:
        """Set the origin of odom here; nothing is given before a second sweep tells the motion."""
        if points is None:
            raise DataError(complaint)
        pose = np.eye(4)
        pose[:3, :3] = self._motion.level(stamp_ns)
        self._at, self._covariance = Waypoint(stamp_ns, pose, 0.0), np.zeros((6, 6))
        self._odometry.begin(points, pose)
        self._local = BEGUN
        integrity = words(stamp_ns, self._blindness, None, None, 0.0, complaint or 'first sweep')
        return Localized(None, None, integrity, warnings)

    def _believed(self, found: Registration | None, sure: bool, hint: Hint) -> tuple[Registration | None, str]:
        """Return the registration if it is to be used, and what is strange about it."""
        if found is None or not (found.free and sure):
            self._strange = 0
            return found, ''
        self._strange += 1
        others = 'wheels' if hint.measured else 'the motion so far'
        if self._strange < self.config.strange_sweeps:
            return None, f'LiDAR disagrees with {others}: not used'
        return found, f'LiDAR disagrees with {others} {self._strange} times in a row: believed'

    def _settled(
        self, guess: np.ndarray, prior: np.ndarray, hint: Hint, seconds: float, good: Registration | None, strange: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pose to go to, and the (6, 6) covariance of the step to it."""
        assert self._at is not None
        step = hint.covariance(seconds)
        if hint.standing and not (good and strange):
            return self._at.pose, np.zeros((6, 6))  # the wheels say rest, and nothing speaks against them
        if good is None:
            self._local = prior
            return guess, step
        step, prior = (ANY_STEP, ANY_STEP) if good.free else (step, prior)
        self._local = np.linalg.inv(np.linalg.inv(prior) + good.information)
        return good.pose, np.linalg.inv(np.linalg.inv(step) + good.information)

    def _note_motion(
        self, stamp_ns: int, pose: np.ndarray, before: np.ndarray, seconds: float, good: Registration | None
    ) -> list[str]:
        """Blend the twist; return what is wrong with wheels. before: (6, 6) covariance of the pose that was left."""
        assert self._at is not None
        self._motion.pass_time(seconds)
        if pose is self._at.pose:
            self._motion.measure(np.zeros(6), np.full(6, STANDING_SIGMA))
            return []
        disproved = good is not None and self._strange > 0
        if disproved:
            self._motion.doubt()
        if good is not None and self._strange != self.config.strange_sweeps:  # then the pose that was left was wrong
            both = np.linalg.inv(good.information + NO_INFORMATION) + before
            self._motion.measure(
                twist_of(inverse(self._at.pose) @ good.alone, seconds), np.sqrt(np.diag(both)) / seconds
            )
        complaint = self._motion.measure_sensors(stamp_ns, checked=good is not None, wheels=not disproved)
        return [complaint] * bool(complaint)

    def _go_to(
        self, stamp_ns: int, pose: np.ndarray, way: np.ndarray, seconds: float, hint: Hint, good: Registration | None
    ) -> None:
        """Settle on a pose: its uncertainty, the way, the state of integrity, and the places seen meanwhile."""
        assert self._at is not None
        before, config = self._at, self.config
        moved_m = float(np.linalg.norm(pose[:3, 3] - before.pose[:3, 3]))
        drift = np.diag([config.drift_m**2 * moved_m] * 3 + [config.drift_rad**2 * moved_m] * 3)
        still = pose is before.pose
        self._covariance = self._covariance if still else grown(self._covariance, before.pose, pose, way + drift)
        self._at = Waypoint(stamp_ns, pose, before.driven_m + moved_m)
        if good is not None:
            self._blindness.seen()
        else:
            self._blindness.missed(seconds, moved_m, wheels=hint.measured)
        self.places.settle(before, self._at)

    def _extend_map(self, points: np.ndarray | None, good: Registration | None) -> None:
        assert self._at is not None
        if self._blindness.state is State.LOST:
            self.places.restart()
            if points is not None:  # what is seen now is all there is to hold on to
                self._odometry.begin(points, self._at.pose)
                self._local = BEGUN
        elif points is not None and good is not None:
            self._odometry.joined(points, self._at.pose, good)

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
