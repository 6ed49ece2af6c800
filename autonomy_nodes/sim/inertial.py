"""Inertial unit, wheels and satellite receiver: the truth with the errors of real ones, from a seed."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.sensing import Imu, WheelSpeed
from autonomy_nodes.common.types import Pose
from autonomy_nodes.common.vehicle import Mount
from autonomy_nodes.sim.dynamics import GRAVITY_MPS2, EgoMotion

_UNKNOWN = 1e6


@dataclass(frozen=True)
class InertialSettings:
    """Errors of the inertial unit: white noise of each sample, and a bias that stays for a drive."""

    rate_hz: float = 50.0
    turn_noise_rps: float = 0.002
    turn_bias_rps: float = 0.001
    acceleration_noise_mps2: float = 0.05
    acceleration_bias_mps2: float = 0.03

    def __post_init__(self) -> None:
        _refuse_negative(self)


@dataclass(frozen=True)
class WheelSettings:
    """Errors of the wheels: scale (a worn tyre), noise, and steps of the counter."""

    rate_hz: float = 50.0
    scale: float = 0.003
    noise_mps: float = 0.02
    step_mps: float = 0.01

    def __post_init__(self) -> None:
        _refuse_negative(self)


@dataclass(frozen=True)
class GnssSettings:
    """Errors of the receiver: white noise, and an error that wanders over `wander_s` with `wander_m`.

    knows_heading: two antennas. outages_s: from, to, from, to, ... with no position at all.
    """

    rate_hz: float = 5.0
    noise_m: float = 0.03
    wander_m: float = 0.15
    wander_s: float = 60.0
    heading_noise_rad: float = 0.01
    knows_heading: bool = True
    outages_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _refuse_negative(self)
        if len(self.outages_s) % 2:
            raise ValueError(f'outages_s={self.outages_s} must be pairs: from, to')


def _refuse_negative(settings: object) -> None:
    for name, value in vars(settings).items():
        if isinstance(value, float) and value < 0.0:
            raise ValueError(f'{name}={value} must not be below 0')


class Inertial:
    """One inertial unit on its mount."""

    def __init__(self, settings: InertialSettings, mount: Mount, seed: tuple[int, ...]) -> None:
        self._settings, self._mount = settings, mount
        self._rng = np.random.default_rng(seed)
        self._base_from_unit = mount.base_from_sensor
        self._turn_bias = self._rng.normal(size=3) * settings.turn_bias_rps
        self._acceleration_bias = self._rng.normal(size=3) * settings.acceleration_bias_mps2
        self._spin_before: np.ndarray | None = None

    def sample(self, stamp_ns: int, motion: EgoMotion, dt_s: float) -> Imu:
        """Return the sample of a moment, `dt_s` after the last."""
        turn = self._base_from_unit[:3, :3].T
        arm, spin = self._base_from_unit[:3, 3], motion.twist[3:]
        spin_rate = np.zeros(3) if self._spin_before is None else (spin - self._spin_before) / dt_s
        self._spin_before = spin
        force = motion.map_from_base[:3, :3].T @ (motion.acceleration + (0.0, 0.0, GRAVITY_MPS2))
        force = force + np.cross(spin_rate, arm) + np.cross(spin, np.cross(spin, arm))
        noise = self._rng.normal(size=(2, 3))
        return Imu(
            stamp_ns,
            self._mount.frame,
            turn @ spin + self._turn_bias + self._settings.turn_noise_rps * noise[0],
            turn @ force + self._acceleration_bias + self._settings.acceleration_noise_mps2 * noise[1],
        )


class Wheels:
    """The wheel counters."""

    def __init__(self, settings: WheelSettings, seed: tuple[int, ...]) -> None:
        self._settings, self._rng = settings, np.random.default_rng(seed)
        self._scale = 1.0 + settings.scale * float(self._rng.normal())

    def sample(self, stamp_ns: int, motion: EgoMotion) -> WheelSpeed:
        """Return what the wheels tell of a moment; wheels that stand tell exactly 0."""
        noise = self._rng.normal(size=2) * self._settings.noise_mps
        if abs(motion.speed_mps) < 1e-3:
            return WheelSpeed(stamp_ns, 0.0, 0.0, 0.0)
        speed = motion.speed_mps * self._scale + noise[0]
        if self._settings.step_mps > 0.0:
            speed = round(speed / self._settings.step_mps) * self._settings.step_mps
        return WheelSpeed(stamp_ns, float(speed), 0.0, float(motion.twist[5] + 0.2 * noise[1]))


class Gnss:
    """The satellite receiver, which gives the pose of base_link in map as a fused receiver does."""

    def __init__(self, settings: GnssSettings, seed: tuple[int, ...]) -> None:
        self._settings, self._rng = settings, np.random.default_rng(seed)
        self._wander = self._rng.normal(size=3) * settings.wander_m

    def sample(self, stamp_ns: int, time_s: float, motion: EgoMotion) -> Pose | None:
        """Return the pose of a moment, None in an outage. time_s: since the start of the drive."""
        settings = self._settings
        keep = math.exp(-1.0 / (settings.rate_hz * settings.wander_s)) if settings.wander_s > 0.0 else 0.0
        draw = self._rng.normal(size=(2, 3))
        heading_error = float(self._rng.normal()) * settings.heading_noise_rad
        self._wander = keep * self._wander + math.sqrt(1.0 - keep**2) * settings.wander_m * draw[0]
        if any(start <= time_s < end for start, end in zip(settings.outages_s[::2], settings.outages_s[1::2])):
            return None
        position = motion.map_from_base[:3, 3] + self._wander + settings.noise_m * draw[1]
        variance = settings.noise_m**2 + settings.wander_m**2
        covariance = np.diag([variance, variance, variance, _UNKNOWN, _UNKNOWN, _UNKNOWN])
        if settings.knows_heading:
            covariance[5, 5] = max(settings.heading_noise_rad, 1e-3) ** 2
            orientation = quaternion_of_heading(motion.heading_rad + heading_error)
        else:
            orientation = quaternion_of_heading(0.0)
        return Pose(stamp_ns, 'map', position, orientation, covariance)
