"""A spinning LiDAR: beams cast into the world, with the noise, the losses and the intensity of a real one."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.sim.materials import REFLECTIVITIES
from autonomy_nodes.sim.raycast import Hits

_DEGREE = math.pi / 180.0
BEAM_TABLES = {
    '16': np.linspace(-15.0, 15.0, 16) * _DEGREE,
    '32': np.linspace(-25.0, 15.0, 32) * _DEGREE,
    # denser towards the horizon, as current sensors of 64 and more beams are
    '64': np.concatenate([np.linspace(-25.0, -8.0, 24, endpoint=False), np.linspace(-8.0, 5.0, 40)]) * _DEGREE,
}


@dataclass(frozen=True)
class LidarSettings:
    """One LiDAR.

    beams: a name of BEAM_TABLES. rolling: points are taken one after the other while it turns; else all at the stamp.
    dropout: share of returns lost at random. half_lost_m: range at which half the returns of a surface that sends
    back a tenth of the light are lost. self_hits: the vehicle's own body is seen.
    """

    beams: str = '32'
    rate_hz: float = 10.0
    columns: int = 1800
    nearest_m: float = 0.9
    farthest_m: float = 120.0
    range_noise_m: float = 0.02
    dropout: float = 0.01
    half_lost_m: float = 90.0
    rolling: bool = True
    self_hits: bool = True

    def __post_init__(self) -> None:
        if self.beams not in BEAM_TABLES:
            raise ValueError(f'beams={self.beams!r} must be one of {", ".join(BEAM_TABLES)}')
        if not 0.0 < self.nearest_m < self.farthest_m:
            raise ValueError(f'nearest_m={self.nearest_m} must lie between 0 and farthest_m={self.farthest_m}')
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f'dropout={self.dropout} must lie between 0 and 1')
        if self.rate_hz <= 0.0 or self.columns < 1 or self.range_noise_m < 0.0 or self.half_lost_m <= 0.0:
            raise ValueError('rate_hz, columns and half_lost_m must be above 0 and range_noise_m not below')


@dataclass(frozen=True, eq=False)
class Beams:
    """The rays of a sweep, column after column.

    directions: (N, 3) unit, in the sensor's frame. rings: (N,) uint16, 0 the lowest. columns: (N,) int. phases: (N,)
    0 to 1 of the turn.
    """

    directions: np.ndarray
    rings: np.ndarray
    columns: np.ndarray
    phases: np.ndarray


def beams_of(settings: LidarSettings) -> Beams:
    """Return the rays of one turn, clockwise seen from above and starting behind, as common sensors do."""
    elevation = BEAM_TABLES[settings.beams]
    azimuth = np.pi - np.arange(settings.columns) * 2.0 * np.pi / settings.columns
    azimuth, elevation = (angle.ravel() for angle in np.meshgrid(azimuth, elevation, indexing='ij'))
    flat = np.cos(elevation)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1)
    count = len(BEAM_TABLES[settings.beams])
    columns = np.repeat(np.arange(settings.columns), count)
    rings = np.tile(np.arange(count, dtype=np.uint16), settings.columns)
    return Beams(directions.astype(np.float32), rings, columns, columns / settings.columns)


@dataclass(frozen=True, eq=False)
class Met:
    """What the points of a sweep lie on, in their order: the truth that labels are made of.

    semantics: (N,) `Semantic`. materials: (N,) `Material`. bodies: (N,) number of the mover, raycast.NOBODY for none.
    """

    semantics: np.ndarray
    materials: np.ndarray
    bodies: np.ndarray


def sweep(
    stamp_ns: int,
    frame: str,
    beams: Beams,
    hits: Hits,
    aims: np.ndarray,
    settings: LidarSettings,
    seed: tuple[int, ...],
) -> tuple[PointCloud, Met]:
    """Return the points that a sweep would report, in the sensor's frame, and what they lie on.

    aims: (N, 3) the rays in map, as cast.
    """
    rng = np.random.default_rng(seed)
    count = len(hits.ranges_m)
    noise = rng.standard_normal(count, np.float32)
    luck, lost = rng.random(count, np.float32), rng.random(count, np.float32)
    facing = np.abs(np.einsum('ij,ij->i', hits.normals, aims))
    returned = REFLECTIVITIES[hits.materials] * (0.25 + 0.75 * facing)
    # light falls with the square of range: half are lost where what returns equals that of a tenth at half_lost_m
    strength = returned / 0.1 * (settings.half_lost_m / np.maximum(hits.ranges_m, 1.0)) ** 2
    seen = luck < 1.0 - np.exp2(-strength)
    kept = seen & (lost >= settings.dropout) & np.isfinite(hits.ranges_m)
    ranges = hits.ranges_m + settings.range_noise_m * noise
    kept &= (ranges >= settings.nearest_m) & (ranges <= settings.farthest_m)
    intensity = np.clip(255.0 * returned[kept] * (1.0 + 0.05 * luck[kept]), 0.0, 255.0)
    offset = np.zeros(kept.sum(), np.int64)
    if settings.rolling:
        offset = np.round(beams.phases[kept] * 1e9 / settings.rate_hz).astype(np.int64)
    xyz = beams.directions[kept] * ranges[kept, None]
    met = Met(hits.semantics[kept], hits.materials[kept], hits.bodies[kept])
    intensity = intensity.astype(np.float32)
    return PointCloud(stamp_ns, frame, xyz.astype(np.float32), intensity, beams.rings[kept], offset), met
