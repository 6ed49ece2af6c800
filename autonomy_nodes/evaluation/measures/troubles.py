"""What may befall a recorded sweep: lost beams, a mount that is not as told, thick air, no intensity, nothing at all.

Each is drawn from the name of the sweep and the seed, so that a run repeats. The physics of air is that of the
simulator (sim/air.py): surfaces are dimmed and lost where their echo sinks below what the sensor hears; before dark
ones the air itself is heard first, as points of nothing a few metres away.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy, moved
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.sim.air import EARLY_M, dimmed, shine
from autonomy_nodes.sim.world import Weather

TILT_RAD, BEAM_RAD = np.radians(3.0), np.radians(0.5)
STALE_S = 0.2
VISIBILITY_M, RAIN_MMPH = 100.0, 50.0
WEAKEST, WEAKEST_AT_M = 0.1, 80.0  # of this reflectivity at this range a point is just heard
DARKEST = 0.05  # as dark as anything is, though some sensors tell less of what they clearly saw
PATCHY = 1.0  # standard deviation of the logarithm of how thick the air is from ray to ray


@dataclass(frozen=True, eq=False)
class Struck:
    """A sweep in base_link that something befalls, where its LiDAR is (3,), and how thick fog and rain are to be."""

    cloud: PointCloud
    sensor_m: np.ndarray
    rng: np.random.Generator
    visibility_m: float = VISIBILITY_M
    rain_mmph: float = RAIN_MMPH


def drawn_for(name: str, seed: int) -> np.random.Generator:
    """Return what draws for one sweep."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], 'big')])


def half_the_beams(struck: Struck) -> PointCloud:
    """Return every second beam; where the sweep tells no beams, every second half degree of elevation."""
    cloud = struck.cloud
    if cloud.ring is not None:
        return cloud.kept(cloud.ring % 2 == 0)
    away = cloud.xyz - struck.sensor_m
    up = np.arctan2(away[:, 2], np.hypot(away[:, 0], away[:, 1]))
    return cloud.kept(np.floor(up / BEAM_RAD).astype(int) % 2 == 0)


def tilted(struck: Struck, axis: int) -> PointCloud:
    """Return the sweep as it seems where the mount is told TILT_RAD off, about x (roll) or y (pitch)."""
    angles = np.zeros(3)
    angles[axis] = TILT_RAD if struck.rng.random() < 0.5 else -TILT_RAD
    turn = matrix_of_rpy(np.zeros(3), angles)
    xyz = moved(struck.cloud.xyz - struck.sensor_m, turn) + struck.sensor_m
    return replace(struck.cloud, xyz=np.ascontiguousarray(xyz, np.float32))


def clouded(struck: Struck, weather: Weather) -> PointCloud:
    """Return the sweep in thick air: what is too weak is lost, or the air before it is heard."""
    cloud = struck.cloud
    away = cloud.xyz - struck.sensor_m
    ranges = np.maximum(np.linalg.norm(away, axis=1), 0.1)
    light = np.maximum(cloud.intensity / (255.0 if cloud.intensity.max(initial=0.0) > 1.0 else 1.0), DARKEST)
    surface = light * dimmed(ranges, weather) / ranges**2
    air_m = struck.rng.uniform(1.0, EARLY_M, len(ranges))
    air = shine(weather) * np.exp(PATCHY * struck.rng.normal(size=len(ranges))) * dimmed(air_m, weather) / EARLY_M**2
    least = WEAKEST / WEAKEST_AT_M**2
    instead = (air > np.maximum(surface, least)) & (air_m < ranges)
    xyz = np.where(instead[:, None], struck.sensor_m + away * (air_m / ranges)[:, None], cloud.xyz)
    faint = np.where(instead, shine(weather), light * dimmed(ranges, weather))
    changed = replace(cloud, xyz=xyz.astype(np.float32), intensity=faint.astype(np.float32))
    return changed.kept(instead | (surface >= least))


def dark(struck: Struck) -> PointCloud:
    """Return the sweep of a sensor that tells no intensity."""
    return replace(struck.cloud, intensity=np.zeros_like(struck.cloud.intensity))


TROUBLES: dict[str, Callable[[Struck], PointCloud]] = {
    'clean': lambda struck: struck.cloud,
    'half_beams': half_the_beams,
    'roll_3deg': lambda struck: tilted(struck, 0),
    'pitch_3deg': lambda struck: tilted(struck, 1),
    'rain': lambda struck: clouded(struck, Weather(rain_mmph=struck.rain_mmph)),
    'fog': lambda struck: clouded(struck, Weather(fog_visibility_m=struck.visibility_m)),
    'no_intensity': dark,
}


def impossible(cloud: PointCloud) -> dict[str, Callable[[], PointCloud]]:
    """Return sweeps that must be answered or refused, never end in a fault: none, one point, holes in the numbers."""

    def torn() -> PointCloud:
        xyz = cloud.xyz.copy()
        xyz[::10], xyz[5::10] = np.nan, np.inf
        return replace(cloud, xyz=xyz)

    nobody = np.zeros(len(cloud.xyz), bool)
    return {
        'empty': lambda: cloud.kept(nobody),
        'one_point': lambda: cloud.kept(np.arange(len(nobody)) == 0),
        'torn': torn,
        'far_away': lambda: replace(cloud, xyz=cloud.xyz + np.float32(1e6)),
    }
