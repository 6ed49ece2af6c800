"""A spinning LiDAR: beams cast into the world, with the noise, the losses and the intensity of a real one.

A beam is as wide as its divergence. With two returns it is two rays, drawn within that width: where they meet things
apart from one another, at an edge, in a fence, in leaves, or behind glass, each is an echo of its share of the light,
and air full of water is a third one. A sensor reports the strongest, or the two strongest with the stronger one first.
"""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.sim.air import is_clear
from autonomy_nodes.sim.beams import ELEVATIONS_DEG
from autonomy_nodes.sim.echoes import Beside, Echoes, reported, shared, wisps
from autonomy_nodes.sim.world import Weather

_DEGREE = math.pi / 180.0
BEAM_TABLES = {name: degrees * _DEGREE for name, degrees in ELEVATIONS_DEG.items()}
CLEAR = Weather()


@dataclass(frozen=True)
class LidarSettings:
    """One LiDAR.

    beams: a make or a number of beams, a name of sim/beams.py. rolling: points are taken one after the other while it
    turns; else all at the stamp. dropout: share of returns lost at random. half_lost_m: range at which half the returns
    of a surface that sends back a tenth of the light are lost. self_hits: the vehicle's own body is seen.
    returns: 1 the strongest, or 2 of a beam, one after the other in the cloud. divergence_rad: width of a beam, of two.
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
    returns: int = 1
    divergence_rad: float = 0.003

    def __post_init__(self) -> None:
        if self.beams not in BEAM_TABLES:
            raise ValueError(f'beams={self.beams!r} must be one of {", ".join(BEAM_TABLES)}')
        if not 0.0 < self.nearest_m < self.farthest_m:
            raise ValueError(f'nearest_m={self.nearest_m} must lie between 0 and farthest_m={self.farthest_m}')
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f'dropout={self.dropout} must lie between 0 and 1')
        if self.rate_hz <= 0.0 or self.columns < 1 or self.range_noise_m < 0.0 or self.half_lost_m <= 0.0:
            raise ValueError('rate_hz, columns and half_lost_m must be above 0 and range_noise_m not below')
        if self.returns not in (1, 2):
            raise ValueError(f'returns={self.returns} must be 1 or 2')
        if not 0.0 <= self.divergence_rad <= 0.05:
            raise ValueError(f'divergence_rad={self.divergence_rad} must lie between 0 and 0.05')


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


def aside(beams: Beams, divergence_rad: float, seed: tuple[int, ...]) -> np.ndarray:
    """Return (N, 3) unit rays, each drawn within the width of a beam; always the same of a sensor."""
    rng = np.random.default_rng(seed)
    off, turn = np.sqrt(rng.random(len(beams.rings))), rng.uniform(0.0, 2.0 * np.pi, len(beams.rings))
    flat = np.hypot(beams.directions[:, 0], beams.directions[:, 1])
    left = np.stack([-beams.directions[:, 1], beams.directions[:, 0], 0.0 * flat], axis=-1) / flat[:, None]
    up = np.cross(beams.directions, left)
    off *= 0.5 * divergence_rad
    rays = beams.directions + (off * np.cos(turn))[:, None] * left + (off * np.sin(turn))[:, None] * up
    return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


def sweep(
    stamp_ns: int, frame: str, beams: Beams, met: Echoes, settings: LidarSettings, seed: tuple[int, ...],
    weather: Weather = CLEAR, beside: Beside | None = None,
) -> tuple[PointCloud, Met]:  # fmt: skip
    """Return the points that a sweep would report, in the sensor's frame, and what they lie on.

    met: what the rays met. beside: what a second ray of each beam met, where two returns are asked for.
    """
    rng = np.random.default_rng(seed)
    count = len(met.ranges_m)
    noise = rng.standard_normal(count, np.float32)
    luck, lost = rng.random(count, np.float32), rng.random(count, np.float32)
    fired = np.arange(count)
    if beside is not None or not is_clear(weather):
        things = [met] if beside is None else list(shared(met, beside, rng))
        between = None if is_clear(weather) else wisps(count, settings.half_lost_m, weather, rng)
        met, fired, luck = reported(things, between, settings.returns, rng)
        noise, lost = rng.standard_normal(len(fired), np.float32), lost[fired]
    ranges = met.ranges_m + settings.range_noise_m * noise
    kept = (luck < 1.0 - np.exp2(-met.strengths)) & (lost >= settings.dropout) & np.isfinite(met.ranges_m)
    kept &= (ranges >= settings.nearest_m) & (ranges <= settings.farthest_m)
    fired, met = fired[kept], met.taken(kept)
    intensity = np.clip(255.0 * met.returned * (1.0 + 0.05 * luck[kept]), 0.0, 255.0).astype(np.float32)
    offset = np.zeros(len(fired), np.int64)
    if settings.rolling:
        offset = np.round(beams.phases[fired] * 1e9 / settings.rate_hz).astype(np.int64)
    xyz = (beams.directions[fired] * ranges[kept, None]).astype(np.float32)
    cloud = PointCloud(stamp_ns, frame, xyz, intensity, beams.rings[fired], offset)
    return cloud, Met(met.semantics, met.materials, met.bodies)
