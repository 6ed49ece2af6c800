"""Localization on one page: each sweep becomes the vehicle's pose and motion in odom, and in map where that is known.

One error-state filter takes IMU, wheels, LiDAR and satellites. Odom is smooth, carried forward where the LiDAR fails;
what satellites or a person say corrects where odom lies in map, and never makes odom jump.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of
from autonomy_nodes.common.sensing import Imu, PointCloud, WheelSpeed
from autonomy_nodes.common.status import Words
from autonomy_nodes.common.timing import Flow, Timeline
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState, Pose
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.localization.alignment import AlignmentConfig
from autonomy_nodes.localization.filter import FAR_OFF, Filter
from autonomy_nodes.localization.integrity import BlindLimits, Blindness, State, words
from autonomy_nodes.localization.motion import MotionConfig, Said, Senses, displacement, seconds_between
from autonomy_nodes.localization.odometry import LidarOdometry, OdometryConfig, Registration
from autonomy_nodes.localization.places import Places, Waypoint, pose_in_map
from autonomy_nodes.localization.state import POSE, TWIST
from autonomy_nodes.localization.state import State as Values
from autonomy_nodes.localization.uncertainty import grown

PAUSE_S = 60.0  # a sweep that comes later than that begins a new drive
USUAL_NS = SECOND_NS // 10  # between sweeps
UNCHECKED_S = 0.25  # without the LiDAR: a prediction so old is not held against it
SLIP_S = 2.0  # a clock that jumps by no more leaves the vehicle near where it was
SLIP_STEP_S, SLIPS = 0.05, 32  # times that are tried after it


@dataclass(frozen=True)
class LocalizationConfig:
    """Settings of localization.

    max_predict_s: how far a state is carried forward. blind_s, blind_m: how long, and how far while wheels tell the
    way, the vehicle may go by prediction alone. strange_sweeps: that many in a row against the prediction prove it
    wrong; fewer are wrong themselves. drift_m, drift_rad: sigma of what the map of voxels is off after 1 m of way, for
    reasons that no registration tells; it grows with the root of the way.
    cameras: where no sweep comes the state is given with the stamps of their pictures, carried forward, so that
    perception by cameras alone knows where it is; blind_s and blind_m end that. silent_s: so long after the last sweep
    that begins; as `ladder.silent_s` of perception.
    map_origin_llh: where the origin of map is on the earth; needed for fixes alone.
    """

    max_predict_s: float = 0.5
    blind_s: float = 1.0
    blind_m: float = 50.0
    strange_sweeps: int = 3
    drift_m: float = 0.008
    drift_rad: float = 0.00005
    map_origin_llh: tuple[float, ...] = ()
    cameras: tuple[str, ...] = ()
    silent_s: float = 0.25
    publish_calibration: bool = False
    odometry: OdometryConfig = field(default_factory=OdometryConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        for name in ('max_predict_s', 'silent_s', 'blind_s', 'blind_m', 'drift_m', 'drift_rad'):
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
        self._senses, self._filter = Senses(config.motion), Filter(config.motion)
        self._odometry = LidarOdometry(config.odometry)
        self._blindness = Blindness(BlindLimits(config.blind_s, config.blind_m))
        self._timeline = Timeline(PAUSE_S)
        self._at: Waypoint | None = None
        self._joined_m = 0.0  # the way driven up to the sweep that last joined the map of voxels
        self._strange = 0  # sweeps in a row that the prediction could not believe
        self._odd, self._last_ns = 0, 0  # sweeps since the last good one whose stamps did not follow; its stamp

    def sweep(self, cloud: PointCloud, wheels: Sequence[WheelSpeed] = (), imu: Sequence[Imu] = ()) -> Localized:
        """Take one sweep in base_link, and what wheels and IMU (turned to base_link) said since the last one.

        Raises DataError on a stamp that does not follow the one before.
        """
        warnings = []
        flow = self._judged(cloud.stamp_ns)
        if flow is Flow.JUMPED and abs(seconds_between(self._last_ns, cloud.stamp_ns)) > SLIP_S:
            self._restart()
            warnings.append('time jumped: localization starts anew')
        self._last_ns = cloud.stamp_ns
        self._senses.hear(wheels, imu)
        points, complaint = self._prepared(cloud.xyz)
        if self._at is None:
            return self._begun(cloud.stamp_ns, points, complaint, warnings)
        before, known = self._at, self._filter.known
        if cloud.stamp_ns <= before.stamp_ns:  # the clock was set back a little
            before = self._at = Waypoint(cloud.stamp_ns - USUAL_NS, before.pose, before.driven_m)
        said = self._senses.between(before.stamp_ns, cloud.stamp_ns, self.config.max_predict_s)
        sure = said.measured or (known and self._blindness.state is State.NOMINAL)
        left = self._filter.state, self._filter.covariance
        resting, slip = self._predict(said)
        found = None
        if points is not None and known and (self._odd or said.silent):
            found = self._slipped(points, left)
            warnings += ['the clock slipped: the LiDAR tells how far the vehicle came'] * (found is not None)
        if points is not None and found is None:
            found = self._odometry.laid(points, self._filter.among_voxels(), self._filter.against_voxels(), sure)
        self._odd = 0
        complaint = complaint or (found.complaint if found else '')
        if complaint and not (known or said.measured):
            return self._begun(cloud.stamp_ns, points, complaint, warnings)
        good, strange = self._believed(None if complaint else found, sure, said)
        complaint = complaint or ('' if good else strange)
        warnings += [each for each in (strange, slip) if each]
        if good is not None and not (resting and not strange):
            self._take(good, left, said, strange)
        self._go_to(cloud.stamp_ns, seconds_between(before.stamp_ns, cloud.stamp_ns), said, good)
        self._extend_map(points, good)
        self.places.settle(before, self._at, self._filter)
        return self._told(found, complaint, warnings)

    def predicted(self, now_ns: int) -> EgoState | None:
        """Return the state carried forward to a moment with its twist; None where that is too far, or none is known."""
        if self.ego is None or self._at is None:
            return None
        ahead_s = seconds_between(self._at.stamp_ns, now_ns)
        if not 0.0 <= ahead_s <= self.config.max_predict_s:
            return None
        pose = self._at.pose @ displacement(self.ego.twist, ahead_s)
        covariance = self._filter.covariance
        step = covariance[TWIST, TWIST] * ahead_s**2
        return self._state(now_ns, pose, grown(covariance[POSE, POSE], self._at.pose, pose, step))

    def _judged(self, stamp_ns: int) -> Flow:
        """Judge a stamp, and count those that do not follow."""
        try:
            return self._timeline.judge(stamp_ns)
        except DataError:
            self._odd += 1
            self._senses.restart()  # its stamps may be of another clock
            raise

    def _slipped(self, points: np.ndarray, left: tuple[Values, np.ndarray]) -> Registration | None:
        """Where stamps do not tell how long it was, try times: the filter goes where the surroundings fit best."""
        predicted = self._filter.state, self._filter.covariance
        best: tuple[Registration, Values, np.ndarray] | None = None
        for number in range(SLIPS):
            self._filter.state, self._filter.covariance = left
            self._filter.pass_time(number * SLIP_STEP_S, None)
            self._filter.move(number * SLIP_STEP_S)
            found = self._odometry.at(points, self._filter.among_voxels(), self._filter.against_voxels())
            if not found.complaint and (best is None or found.upright > best[0].upright):
                best = found, self._filter.state, self._filter.covariance
        if best is None:
            self._filter.state, self._filter.covariance = predicted
            return None
        found, self._filter.state, self._filter.covariance = best
        self._filter.adrift(FAR_OFF)  # nor does the way tell the speed
        return found

    def _restart(self) -> None:
        self._senses.restart()
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
        pose, level = np.eye(4), self._senses.level(stamp_ns)
        pose[:3, :3] = pose[:3, :3] if level is None else level
        self._filter.begin(pose, levelled=level is not None)
        self._at, self._joined_m = Waypoint(stamp_ns, pose, 0.0), 0.0
        self._odometry.begin(points, self._filter.among_voxels())
        integrity = words(stamp_ns, self._blindness, None, None, 0.0, 0.0, complaint or 'first sweep')
        return Localized(None, None, integrity, warnings)

    def _predict(self, said: Said) -> tuple[bool, str]:
        """Carry the filter to the sweep by what wheels and IMU said; return whether it rests, and what is strange."""
        checked = self._blindness.state is State.NOMINAL and self._strange == 0
        complaint, resting = '', said.standing
        for step in said.steps:
            self._filter.pass_time(step.seconds, step.force_mps2)
            if step.rates_rps is not None:
                self._filter.gyro(step.rates_rps, resting)
            if step.wheels is not None:
                slip = self._filter.wheels(step.wheels, checked, resting)
                complaint, resting = complaint or slip, resting and not slip
            if resting:
                self._filter.rest()
            else:
                self._filter.move(step.seconds)
        return resting, complaint

    def _believed(self, found: Registration | None, sure: bool, said: Said) -> tuple[Registration | None, str]:
        """Return the registration if it is to be used, and what is strange about it."""
        if found is None or not (found.free and sure):
            self._strange = 0
            return found, ''
        self._strange += 1
        others = 'wheels' if said.measured else 'the motion so far'
        unchecked = self._blindness.seconds > UNCHECKED_S
        if self._strange < self.config.strange_sweeps and not unchecked:
            return None, f'LiDAR disagrees with {others}: not used'
        return found, f'LiDAR disagrees with {others} {self._strange} times in a row: believed'

    def _take(self, good: Registration, left: tuple[Values, np.ndarray], said: Said, strange: str) -> None:
        """Let the LiDAR tell the pose; where it proved the prediction wrong, from what was `left`, without a guess."""
        if strange:
            wrong = self._blindness.seconds > 0.0  # then the pose that was left was wrong too
            self._filter.state, self._filter.covariance = left
            self._filter.doubt()
            if wrong:
                self._filter.adrift(FAR_OFF)
            else:
                seconds = sum(step.seconds for step in said.steps)
                self._filter.pass_time(seconds, None)
                self._filter.move(seconds)
        self._filter.lidar(good)

    def _go_to(self, stamp_ns: int, seconds: float, said: Said, good: Registration | None) -> None:
        """Settle on the filter's pose: the way, and the state of integrity."""
        assert self._at is not None
        before, pose = self._at, self._filter.state.pose
        moved_m = float(np.linalg.norm(pose[:3, 3] - before.pose[:3, 3]))
        self._at = Waypoint(stamp_ns, pose, before.driven_m + moved_m)
        if good is not None:
            self._blindness.seen()
        else:
            self._blindness.missed(seconds, moved_m, wheels=said.measured)

    def _extend_map(self, points: np.ndarray | None, good: Registration | None) -> None:
        assert self._at is not None
        if self._blindness.state is State.LOST:
            self.places.restart()
            if points is not None:  # what is seen now is all there is to hold on to
                self._odometry.begin(points, self._filter.among_voxels())
                self._join(np.zeros((6, 6)))
        elif (
            points is not None
            and good is not None
            and self._odometry.joined(points, self._filter.among_voxels(), good)
        ):
            self._join(good.information)

    def _join(self, information: np.ndarray) -> None:
        """Note in the filter that this sweep joined the map of voxels, which told (6, 6) of the pose."""
        assert self._at is not None
        way_m, self._joined_m = self._at.driven_m - self._joined_m, self._at.driven_m
        drift = np.array([self.config.drift_m] * 3 + [self.config.drift_rad] * 3)
        self._filter.joined(information, drift * math.sqrt(way_m))

    def _told(self, found: Registration | None, complaint: str, warnings: list[str]) -> Localized:
        assert self._at is not None
        stamp_ns, lost = self._at.stamp_ns, self._blindness.state is State.LOST
        in_map = None if lost else self.places.in_map(self._filter)
        self.map_from_odom = None if in_map is None else self._filter.state.map_from_odom
        covariance = self._filter.covariance[POSE, POSE]
        self.ego = None if lost else self._state(stamp_ns, self._at.pose, covariance)
        pose = None if in_map is None else pose_in_map(stamp_ns, self._filter)
        sigma_m = math.sqrt(float(np.linalg.eigvalsh(covariance[:3, :3])[-1]))
        integrity = words(stamp_ns, self._blindness, found, in_map, sigma_m, self._at.driven_m, complaint)
        return Localized(self.ego, pose, integrity, warnings)

    def _state(self, stamp_ns: int, pose: np.ndarray, covariance: np.ndarray) -> EgoState:
        twist, variances = self._filter.state.twist.copy(), self._filter.covariance[TWIST, TWIST].copy()
        return EgoState(stamp_ns, pose[:3, 3].copy(), quaternion_of(pose[:3, :3]), twist, covariance.copy(), variances)
