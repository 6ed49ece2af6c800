"""From raw sweeps to one clean cloud: in base_link at one moment, cropped, without ourselves, all LiDARs merged."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.sensing import PointCloud, WheelSpeed
from autonomy_nodes.common.timing import Flow, Timeline
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.sensors.calibration import BASE, Calibration
from autonomy_nodes.sensors.levelling import LevelWatch
from autonomy_nodes.sensors.selfhits import self_hits
from autonomy_nodes.sensors.sync import Companions


@dataclass(frozen=True)
class LidarConfig:
    """Settings of the LiDARs.

    lidars: names; the first is the main one, whose sweeps set the pace. The others are merged where their stamp is
    within `within_s` of its own.
    max_twist_age_s: motion older than that, by stamps, is not used to deskew. gap_s: the longest pause in the sweeps
    that is no jump of time. frozen_after: this many sweeps of equal content in a row are a frozen sensor.
    drift_deg, drift_m: the ground near the vehicle may be so tilted, and lie so far off, in base_link.
    """

    lidars: tuple[str, ...] = ('top',)
    max_range_m: float = 100.0
    min_height_m: float = -15.0
    max_height_m: float = 20.0
    within_s: float = 0.06
    max_twist_age_s: float = 0.5
    gap_s: float = 0.5
    frozen_after: int = 2
    min_points: int = 100
    drift_deg: float = 1.5
    drift_m: float = 0.1
    vehicle: Vehicle = field(default_factory=Vehicle)

    def __post_init__(self) -> None:
        for name in ('max_range_m', 'within_s', 'max_twist_age_s', 'gap_s', 'drift_deg', 'drift_m'):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        if self.min_height_m >= self.max_height_m:
            raise ValueError(f'min_height_m={self.min_height_m} must lie below max_height_m={self.max_height_m}')
        if not self.lidars or len(set(self.lidars)) < len(self.lidars):
            raise ValueError(f'lidars={self.lidars} must name one or more, each once')
        if self.frozen_after < 2:
            raise ValueError(f'frozen_after={self.frozen_after} must be 2 or more: one sweep equals itself')


@dataclass(frozen=True, eq=False)
class Merged:
    """A clean cloud in base_link at the main sweep's stamp, how each source fared, and what is amiss."""

    cloud: PointCloud
    sources: Mapping[str, str]
    warnings: Sequence[str]
    level: Mapping[str, str] = field(default_factory=dict)  # how the ground lies in base_link, for the status


class Merger:
    """Makes one clean cloud of each sweep of the main LiDAR."""

    def __init__(self, config: LidarConfig) -> None:
        self.config = config
        self.calibration = Calibration(config.vehicle.mounts)
        self._timeline = Timeline(config.gap_s)
        self._companions: Companions[PointCloud] = Companions(config.lidars[1:])
        self._contents = {name: Content(config.frozen_after) for name in config.lidars}
        self._watch = LevelWatch(math.radians(config.drift_deg), config.drift_m)

    def merge(
        self,
        main: PointCloud,
        others: Mapping[str, PointCloud | None],
        twist: np.ndarray | None,
        joint_rad: Sequence[float] = (),
    ) -> Merged:
        """Return the clean cloud; raises DataError where the main sweep cannot be used.

        others: the newest sweep of each other LiDAR. twist: (6,) of base_link, None where not known.
        """
        config, warnings = self.config, []
        flow = self._timeline.judge(main.stamp_ns)
        if flow is Flow.JUMPED:
            self._companions.flush()
            warnings.append('time jumped: buffers flushed')
        for name, cloud in others.items():
            self._companions.add(name, cloud)
        if twist is None and main.offset_ns is not None:
            warnings.append('motion not known: sweep not deskewed')
        first = config.lidars[0]
        parts, sources = [self._cleaned(first, main, main.stamp_ns, twist, joint_rad)], {first: 'used'}
        for name, other in self._companions.match(main.stamp_ns, config.within_s).items():
            try:
                if other is None:
                    raise DataError(self._absence(name, main.stamp_ns))
                parts.append(self._cleaned(name, other, main.stamp_ns, twist, joint_rad))
                sources[name] = 'used'
            except DataError as error:
                sources[name] = str(error)
                warnings.append(f'LiDAR {name} left out: {error}')
        cloud = joined(parts)
        if len(cloud) < config.min_points:
            raise DataError(f'{len(cloud)} points left of {len(main)}, at least min_points={config.min_points} needed')
        level, drift = self._watch.look(cloud.xyz, 0.0 if twist is None else abs(float(twist[0])))
        return Merged(cloud, sources, warnings + [drift] * bool(drift), level)

    def _cleaned(
        self, name: str, cloud: PointCloud, stamp_ns: int, twist: np.ndarray | None, joint_rad: Sequence[float]
    ) -> PointCloud:
        """Return what is worth keeping of one sweep, in base_link at `stamp_ns`."""
        self._contents[name].check(cloud)
        self.calibration.check_frame(name, cloud.frame)
        base_from_lidar = self.calibration.base_from(cloud.frame)
        if twist is None and cloud.stamp_ns != stamp_ns:
            raise DataError(f'motion not known over {abs(cloud.stamp_ns - stamp_ns) / 1e6:.1f} ms')
        xyz = cloud.xyz @ base_from_lidar[:3, :3].T.astype(np.float32)
        xyz += base_from_lidar[:3, 3].astype(np.float32)
        keep = self._worth(xyz)
        keep[self_hits(xyz, self.config.vehicle, joint_rad)] = False
        kept = np.flatnonzero(keep)
        xyz, intensity = xyz[kept], cloud.intensity[kept]
        ring = None if cloud.ring is None else cloud.ring[kept]
        if twist is not None and (cloud.offset_ns is not None or cloud.stamp_ns != stamp_ns):
            later_ns = cloud.stamp_ns - stamp_ns + (0 if cloud.offset_ns is None else cloud.offset_ns[kept])
            later_s = np.asarray(later_ns, np.float64) / SECOND_NS
            carry(xyz, twist, np.broadcast_to(later_s.astype(np.float32), len(xyz)))
        return PointCloud(stamp_ns, BASE, xyz, intensity, ring)

    def _worth(self, xyz: np.ndarray) -> np.ndarray:
        """Return (N,) whether points in base_link are near enough and at a height that can matter."""
        x, y, z = xyz.T
        config = self.config
        keep = x * x + y * y < np.float32(config.max_range_m) ** 2
        keep &= (z > config.min_height_m) & (z < config.max_height_m)
        return keep

    def _absence(self, name: str, stamp_ns: int) -> str:
        age_s = self._companions.age_s(name, stamp_ns)
        return 'nothing received' if age_s is None else f'newest sweep is {age_s:+.3f} s away'


class Content:
    """Notices a sensor that repeats itself: new stamps on the same bytes. Noise makes equal sweeps impossible."""

    def __init__(self, frozen_after: int) -> None:
        self.frozen_after, self.equal = frozen_after, 1
        self._last: PointCloud | None = None

    def check(self, cloud: PointCloud) -> None:
        """Raise DataError where this sweep and those before it are the same, point for point."""
        if self._last is not None and self._last.stamp_ns != cloud.stamp_ns:
            self.equal = self.equal + 1 if np.array_equal(self._last.xyz, cloud.xyz) else 1
        self._last = cloud
        if self.equal >= self.frozen_after:
            raise DataError(f'frozen: {self.equal} sweeps with the same points and new stamps', fault='F04')


def twist_at(
    stamp_ns: int, ego: EgoState | None, wheels: WheelSpeed | None, max_age_s: float
) -> np.ndarray | None:
    """Return the (6,) twist of base_link from odometry, else from the wheels, None where both are too far in time."""
    for source in (ego, wheels):
        if source is not None and abs(stamp_ns - source.stamp_ns) <= max_age_s * SECOND_NS:
            if isinstance(source, EgoState):
                return source.twist
            rates = (0.0, 0.0, 0.0, source.heading_rate_rps)
            return np.array([source.longitudinal_mps, source.lateral_mps, *rates])
    return None


def carry(xyz: np.ndarray, twist: np.ndarray, later_s: np.ndarray) -> None:
    """Move points (N, 3) float32 in place from base_link `later_s` (N,) after the stamp to base_link at the stamp.

    The twist is constant; the exponential of the motion is taken to the second order, whose error stays below 2 mm
    at 100 m for 0.5 rad/s over 0.1 s.
    """
    x, y, z = twist[3:]
    turn = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], np.float32)
    first = xyz @ turn.T  # (N, 3) velocity of each point as the vehicle's own motion carries it
    first += twist[:3].astype(np.float32)
    second = first @ turn.T
    later = later_s[:, None]
    second *= later * np.float32(0.5)
    first += second
    first *= later
    xyz += first


def joined(parts: Sequence[PointCloud]) -> PointCloud:
    """Return one cloud of several of the same frame and stamp; beams of different sensors have no common number."""
    if len(parts) == 1:
        return parts[0]
    xyz, intensity = (np.concatenate([getattr(part, name) for part in parts]) for name in ('xyz', 'intensity'))
    return PointCloud(parts[0].stamp_ns, parts[0].frame, xyz, intensity)
