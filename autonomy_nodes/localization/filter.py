"""The one error-state Kalman filter of localization: pose, motion, errors of sensors, and place in map, all correlated.

Errors lie apart from the values they belong to, as in Sola 2017 (Quaternion kinematics for the error-state Kalman
filter), in 34 numbers: of the pose in odom (6), of the map of voxels in odom where the vehicle is (6), of the twist
(6), of the biases of gyro and accelerometer (3 + 3), of gravity's direction in odom (2), of the scale of the wheels,
of place and heading in map (3 + 1), and of what satellites are off by for minutes (3).

LiDAR tells the pose against the map of voxels alone. A sweep that joins this map passes the pose's error on to it:
so drift, and what a tunnel leaves, stay told after the next walls have come. Satellites never move odom: its pose is
only considered there (Schmidt 1966), and the place in map, which shares its errors, is what they correct.
"""

import math
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.geometry import inverse, rotation_exp, wrapped
from autonomy_nodes.common.sensing import WheelSpeed
from autonomy_nodes.localization.motion import GRAVITY, STANDING_SIGMA, UNKNOWN, MotionConfig, displacement
from autonomy_nodes.localization.odometry import Registration
from autonomy_nodes.localization.state import (
    COURSE,
    DOWN,
    FORCE,
    GYRO,
    IN_MAP,
    KEPT,
    PLACE,
    POSE,
    SCALE,
    SIZE,
    SPIN,
    TURN,
    TWIST,
    VELOCITY,
    VOXELS,
    WANDER,
    State,
    about,
    at_most,
    axes_of,
    no_state,
    set_diagonal,
)  # fmt: skip
from autonomy_nodes.localization.uncertainty import away, cross_of, rigid

BEGUN = 1e-6  # variance of a pose against a map that begins with it
LEAST = 1e-9 * np.eye(6)
UPDATE_S = 0.1  # steps after which settings of MotionConfig tell how far the twist may have changed
OUTLIER = 16.0  # squared sigmas of one number
WILD = 13.8  # of two numbers: one in a thousand lies outside
REGISTERED_M, REGISTERED_RAD = 0.2, 0.02  # sigmas of a pose: surroundings that tell it no better tell nothing
STILL = KEPT, slice(27, 31)  # what rest leaves as it is
FAR_OFF = np.array([3.0] * 3 + [0.3] * 3)  # sigmas of a pose that proved wrong


class Filter:
    """State and covariance (34, 34); both are replaced, never written to, so that a copy is a reference."""

    def __init__(self, config: MotionConfig) -> None:
        self.config = config
        self.state, self.covariance = no_state(), np.zeros((SIZE, SIZE))
        for part, sigma in ((GYRO, config.gyro_bias_rps), (FORCE, config.force_bias_mps2), (SCALE, config.wheel_scale)):
            set_diagonal(self.covariance, part, sigma**2)
        self.begin(np.eye(4), levelled=False)

    def begin(self, pose: np.ndarray, levelled: bool) -> None:
        """Let odom begin at a pose, whose z points up by an IMU at rest, or not; errors of sensors stay known."""
        old, covariance = self.state, np.zeros((SIZE, SIZE))
        sensors = np.r_[18:24, SCALE]
        covariance[np.ix_(sensors, sensors)] = self.covariance[np.ix_(sensors, sensors)]
        set_diagonal(covariance, POSE, BEGUN)
        set_diagonal(covariance, TWIST, UNKNOWN**2)
        set_diagonal(covariance, DOWN, (self.config.levelled_mps2 if levelled else self.config.not_levelled_mps2) ** 2)
        self.state = replace(
            no_state(), pose=pose, gyro_bias_rps=old.gyro_bias_rps, force_bias_mps2=old.force_bias_mps2, scale=old.scale
        )
        self.covariance = covariance

    @property
    def known(self) -> bool:
        """Whether the forward speed was measured at all."""
        return bool(self.covariance[12, 12] < 4.0)

    def against_voxels(self) -> np.ndarray:
        """Return the (6, 6) covariance of the pose against the map of voxels, along the axes of base_link."""
        axes = axes_of(self.state.pose)
        p = self.covariance
        return axes @ (p[POSE, POSE] - p[POSE, VOXELS] - p[VOXELS, POSE] + p[VOXELS, VOXELS]) @ axes.T + LEAST

    def among_voxels(self) -> np.ndarray:
        """Return the (4, 4) pose of base_link in the map of voxels."""
        return inverse(self.state.odom_from_voxels) @ self.state.pose

    def pass_time(self, seconds: float, force: np.ndarray | None) -> None:
        """Let the twist change, by what the accelerometer says (3,), or by nobody knows how much."""
        config, state, matrix = self.config, self.state, np.eye(SIZE)
        velocity, spin, twist = state.twist[:3], state.twist[3:], state.twist
        change = config.changes**2 * UPDATE_S * seconds
        if force is not None:
            base_from_odom = state.pose[:3, :3].T
            gravity = np.array([*state.down_mps2, GRAVITY])
            rate = force - state.force_bias_mps2 - base_from_odom @ gravity - np.cross(spin, velocity)
            twist = twist + np.concatenate([seconds * rate, np.zeros(3)])
            matrix[VELOCITY, VELOCITY] -= seconds * cross_of(spin)
            matrix[VELOCITY, SPIN] = seconds * cross_of(velocity)
            matrix[VELOCITY, FORCE] = -seconds * np.eye(3)
            matrix[VELOCITY, TURN] = -seconds * base_from_odom @ cross_of(gravity)
            matrix[VELOCITY, DOWN] = -seconds * base_from_odom[:, :2]
            change[:3] = config.force_mps2**2 * UPDATE_S * seconds
        covariance = self.covariance if force is None else matrix @ self.covariance @ matrix.T
        covariance = covariance.copy() if force is None else covariance
        covariance[TWIST, TWIST] += np.diag(change)
        covariance[SCALE, SCALE] += config.wheel_scale_wander**2 * seconds / 60.0
        at_most(covariance, TWIST, UNKNOWN**2)
        self.state, self.covariance = replace(state, twist=twist), covariance

    def move(self, seconds: float) -> None:
        """Move with the twist."""
        state, matrix = self.state, np.eye(SIZE)
        pose = state.pose @ displacement(state.twist, seconds)
        way, odom_from_base = pose[:3, 3] - state.pose[:3, 3], state.pose[:3, :3]
        bend = -cross_of(way)  # an error of heading bends the way
        by_twist = np.zeros((6, 6))
        by_twist[:3, :3] = by_twist[3:, 3:] = seconds * odom_from_base
        by_twist[:3, 3:] = -0.5 * seconds * odom_from_base @ cross_of(seconds * state.twist[:3])
        matrix[PLACE, TURN] = matrix[6:9, 9:12] = bend
        matrix[POSE, TWIST] = by_twist
        turn = state.map_from_odom[:3, :3]
        in_map = -cross_of(turn @ way)
        matrix[IN_MAP, 3:5] = (in_map @ turn)[:, :2]  # roll and pitch are those of odom
        matrix[IN_MAP, COURSE] = in_map[:, 2]
        matrix[IN_MAP, TWIST] = turn @ by_twist[:3]
        matrix[COURSE, SPIN] = by_twist[5, 3:]
        self.state, self.covariance = replace(state, pose=pose), matrix @ self.covariance @ matrix.T

    def gyro(self, rates_rps: np.ndarray, still: bool = False) -> None:
        """Take mean rates (3,) of a few samples; of a vehicle that stands `still` they move no pose."""
        rows = np.zeros((3, SIZE))
        rows[:, SPIN] = rows[:, GYRO] = np.eye(3)
        off = rates_rps - self.state.twist[3:] - self.state.gyro_bias_rps
        self._take(rows, off, np.eye(3) * self.config.gyro_rps**2, STILL if still else ())

    def wheels(self, said: WheelSpeed, checked: bool, still: bool = False) -> str:
        """Take a speed, unless it contradicts what was `checked` by the LiDAR; return the complaint, or nothing."""
        config, twist, scale = self.config, self.state.twist, 1.0 + self.state.scale
        rows = np.zeros((4, SIZE))
        rows[0, 12], rows[0, SCALE], rows[1, 13], rows[2, 17], rows[3, 14] = scale, twist[0], 1.0, 1.0, 1.0
        off = np.array([said.longitudinal_mps, said.lateral_mps, said.heading_rate_rps, 0.0])  # nor do wheels fly
        off -= [scale * twist[0], twist[1], twist[5], twist[2]]
        sigmas = config.wheel_speed_mps, config.wheel_side_mps, config.wheel_heading_rate_rps, config.wheel_side_mps
        noise = np.diag(sigmas) ** 2
        if checked and off[0] ** 2 > OUTLIER * (rows[0] @ self.covariance @ rows[0] + noise[0, 0]):
            return f'wheels say {said.longitudinal_mps:.2f} m/s, LiDAR {twist[0]:.2f} m/s'
        self._take(rows, off, noise, STILL if still else ())
        return ''

    def rest(self) -> None:
        """Stand still: what is left of the twist is error, and where the vehicle is stays as it is."""
        rows = np.zeros((6, SIZE))
        rows[:, TWIST] = np.eye(6)
        self._take(rows, -self.state.twist, np.eye(6) * STANDING_SIGMA**2, STILL)
        self.state = replace(self.state, twist=np.zeros(6))

    def lidar(self, found: Registration) -> None:
        """Take where a sweep lies on the map of voxels; the pose goes there."""
        p, axes, prior = self.covariance, axes_of(self.state.pose), self.against_voxels()
        pulled = np.linalg.solve(np.eye(6) + found.information @ prior, found.information)  # inverse of the sum
        shared = (p[:, POSE] - p[:, VOXELS]) @ axes.T
        self._shift(shared @ pulled @ away(self.among_voxels(), found.alone))
        self.state = replace(self.state, pose=rigid(self.state.odom_from_voxels @ found.pose))
        self._settle(p - shared @ pulled @ shared.T)

    def doubt(self) -> None:
        """Know nothing of the twist any more."""
        covariance = self.covariance.copy()
        covariance[TWIST, :] = covariance[:, TWIST] = 0.0
        covariance[TWIST, TWIST] = np.diag(UNKNOWN**2)
        self.state, self.covariance = replace(self.state, twist=np.zeros(6)), covariance

    def adrift(self, sigmas: np.ndarray) -> None:
        """Let the pose be off by (6,) sigmas more, along the axes of base_link, for which no motion is to blame."""
        axes = axes_of(self.state.pose).T
        self.covariance = self._pushed(axes @ np.diag(sigmas**2) @ axes.T, (POSE,))

    def joined(self, information: np.ndarray, drift: np.ndarray) -> None:
        """Let a sweep join the map of voxels; drift: (6,) sigmas of what that adds.

        information: (6, 6) with which this map told the pose before. Where it told nothing, as along a tunnel, all it
        will ever tell is what the vehicle lays there: in these directions it takes over the error of the pose.
        """
        matrix, axes = np.eye(SIZE), axes_of(self.state.pose).T
        passed_on = np.zeros((6, 6))
        for part, sigma in ((PLACE, REGISTERED_M), (TURN, REGISTERED_RAD)):
            passed_on[part, part] = np.linalg.inv(np.eye(3) + sigma**2 * information[part, part])
        passed_on = axes @ passed_on @ axes.T
        matrix[VOXELS, POSE], matrix[VOXELS, VOXELS] = passed_on, np.eye(6) - passed_on
        self.covariance = matrix @ self.covariance @ matrix.T
        self.covariance = self._pushed(axes @ np.diag(drift**2) @ axes.T, (POSE, VOXELS))

    def _pushed(self, noise: np.ndarray, parts: tuple[slice, ...]) -> np.ndarray:
        """Return the covariance with one error (6, 6) more that is common to parts and to the place in map."""
        into = np.zeros((SIZE, 6))
        for part in parts:
            into[part] = np.eye(6)
        into[IN_MAP, :3], into[COURSE, 5] = self.state.map_from_odom[:3, :3], 1.0
        return self.covariance + into @ noise @ into.T

    def locate(self, map_from_odom: np.ndarray, sigmas: tuple[float, float, float], lasting_m: np.ndarray) -> None:
        """Begin with a place in map; sigmas: of x and y, z, and heading.

        lasting_m: (3,) sigmas of what the satellites that told it are off by, and go on to be.
        """
        covariance, where = self.covariance.copy(), slice(27, SIZE)
        covariance[where, :] = covariance[:, where] = 0.0
        covariance[where, where] = np.diag(np.array([sigmas[0]] * 2 + [sigmas[1], sigmas[2]] + [0.0] * 3) ** 2)
        lasting = np.diag(lasting_m**2)
        covariance[IN_MAP, IN_MAP] += lasting
        covariance[WANDER, WANDER] = lasting
        covariance[IN_MAP, WANDER] = covariance[WANDER, IN_MAP] = -lasting
        self.state = replace(self.state, map_from_odom=map_from_odom, wander_m=np.zeros(3))
        self.covariance = covariance

    def satellite(self, off: np.ndarray, arm: np.ndarray, sigmas_m: np.ndarray, white: float) -> bool:
        """Take a place in map that is (3,) `off` where it should be; return whether it was believed.

        arm: (3,) of the antenna from base_link, along the axes of map. white: the share of sigmas_m (3,) that is new
        each time; the rest lasts.
        """
        rows = np.zeros((3, SIZE))
        rows[:, IN_MAP] = rows[:, WANDER] = np.eye(3)
        rows[:2, COURSE] = -arm[1], arm[0]
        known = np.flatnonzero(sigmas_m < 1e3)
        rows, off, noise = rows[known], (off - self.state.wander_m)[known], np.diag((white * sigmas_m[known]) ** 2)
        spread = rows[:2] @ self.covariance @ rows[:2].T + noise[:2, :2]
        if off[:2] @ np.linalg.solve(spread, off[:2]) > WILD:
            return False
        self._take(rows, off, noise, (KEPT,))
        return True

    def compass(self, off_rad: float, sigma_rad: float) -> None:
        """Take a heading in map that is `off_rad` from where it should be."""
        rows = np.zeros((1, SIZE))
        rows[0, COURSE] = 1.0
        if off_rad**2 < OUTLIER * (self.covariance[COURSE, COURSE] + sigma_rad**2):
            self._take(rows, np.array([off_rad]), np.array([[sigma_rad**2]]), (KEPT,))

    def wander(self, seconds: float, sigmas_m: np.ndarray, wander_s: float) -> None:
        """Let the lasting error of satellites, of (3,) sigmas, change with time (Gauss-Markov)."""
        keep, covariance = math.exp(-seconds / wander_s), self.covariance.copy()
        covariance[WANDER, :] *= keep
        covariance[:, WANDER] *= keep
        covariance[WANDER, WANDER] += np.diag((1.0 - keep**2) * np.minimum(sigmas_m, 1e3) ** 2)
        self.state, self.covariance = replace(self.state, wander_m=keep * self.state.wander_m), covariance

    def _take(
        self, rows: np.ndarray, off: np.ndarray, noise: np.ndarray, considered: tuple[slice, ...] = ()
    ) -> None:
        """Update by a measurement of k numbers; `considered` parts keep their values."""
        p = self.covariance
        shared = p @ rows.T
        pulled = np.linalg.inv(rows @ shared + noise)
        gain = shared.copy()
        for part in considered:
            gain[part] = 0.0
        self._shift(gain @ pulled @ off)
        cross = gain @ pulled @ shared.T
        self._settle(p - cross - cross.T + gain @ pulled @ gain.T)

    def _settle(self, covariance: np.ndarray) -> None:
        self.covariance = 0.5 * (covariance + covariance.T)

    def _shift(self, dx: np.ndarray) -> None:
        """Add errors (34,) to the values."""
        state, pose = self.state, self.state.pose
        in_map = state.map_from_odom[:3, :3] @ pose[:3, 3] + state.map_from_odom[:3, 3] + dx[IN_MAP]
        voxels = state.odom_from_voxels
        if dx[VOXELS].any():
            voxels = about(pose[:3, 3], dx[VOXELS]) @ voxels
        if dx[POSE].any():
            pose = about(pose[:3, 3], dx[POSE]) @ pose
        map_from_odom = np.eye(4)
        angle = math.atan2(state.map_from_odom[1, 0], state.map_from_odom[0, 0]) + dx[COURSE] - dx[5]
        map_from_odom[:3, :3] = rotation_exp(np.array([0.0, 0.0, float(wrapped(angle))]))
        map_from_odom[:3, 3] = in_map - map_from_odom[:3, :3] @ pose[:3, 3]
        self.state = State(
            pose, voxels, map_from_odom, state.twist + dx[TWIST], state.gyro_bias_rps + dx[GYRO],
            state.force_bias_mps2 + dx[FORCE], state.down_mps2 + dx[DOWN], state.scale + float(dx[SCALE]),
            state.wander_m + dx[WANDER],
        )  # fmt: skip
