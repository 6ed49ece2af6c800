"""A camera: rays through the pixels, shaded by sun, sky and haze. Beside the picture stands its truth."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.sim.air import extinction
from autonomy_nodes.sim.lens import exposed
from autonomy_nodes.sim.materials import COLOURS, TINTED
from autonomy_nodes.sim.raycast import Hits
from autonomy_nodes.sim.shading import shade
from autonomy_nodes.sim.world import Weather

# optical axes (x right, y down, z forward) from those of the mount (x forward, y left, z up)
MOUNT_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_FINE_DAY_M = 4500.0  # visibility of a fine day


@dataclass(frozen=True)
class CameraSettings:
    """A pinhole camera.

    optical_mount: the mount is that of the picture (z forward, REP 103), else x is forward. sees_itself: the vehicle's
    own body is in the picture; not so for a camera behind the windscreen.
    """

    width: int = 480
    height: int = 300
    field_of_view_rad: float = 1.4
    rate_hz: float = 5.0
    noise: float = 0.015
    quality: int = 90
    optical_mount: bool = True
    sees_itself: bool = False

    def __post_init__(self) -> None:
        if not 0.1 <= self.field_of_view_rad <= 2.8:
            raise ValueError(f'field_of_view_rad={self.field_of_view_rad} must lie between 0.1 and 2.8')
        if self.width < 8 or self.height < 8:
            raise ValueError(f'width={self.width} and height={self.height} must be 8 or more')
        if self.rate_hz <= 0.0 or self.noise < 0.0 or not 1 <= self.quality <= 100:
            raise ValueError('rate_hz must be above 0, noise not below, quality between 1 and 100')

    @property
    def focal_px(self) -> float:
        """Focal length."""
        return 0.5 * self.width / math.tan(0.5 * self.field_of_view_rad)


@dataclass(frozen=True, eq=False)
class View:
    """A picture with its truth: depth_m (H, W) along the ray, inf for sky; semantics (H, W); bodies (H, W)."""

    image: Image
    depth_m: np.ndarray
    semantics: np.ndarray
    bodies: np.ndarray


def model_of(stamp_ns: int, frame: str, settings: CameraSettings) -> CameraModel:
    """Return the calibration."""
    focal, cx, cy = settings.focal_px, (settings.width - 1) / 2.0, (settings.height - 1) / 2.0
    matrix = np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]])
    projection = np.hstack([matrix, np.zeros((3, 1))])
    return CameraModel(
        stamp_ns, frame, settings.width, settings.height, matrix, 'plumb_bob', np.zeros(5), np.eye(3), projection
    )


def pixel_rays(settings: CameraSettings) -> np.ndarray:
    """Return (H * W, 3) unit rays in the frame of the picture."""
    x = (np.arange(settings.width) - (settings.width - 1) / 2.0) / settings.focal_px
    y = (np.arange(settings.height) - (settings.height - 1) / 2.0) / settings.focal_px
    rays = np.stack([*np.meshgrid(x, y), np.ones((settings.height, settings.width))], axis=-1).reshape(-1, 3)
    return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


def sun_of(weather: Weather) -> np.ndarray:
    """Return the (3,) unit direction towards the sun, in map."""
    flat = math.cos(weather.sun_elevation_rad)
    azimuth = weather.sun_azimuth_rad
    return np.array([flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(weather.sun_elevation_rad)])


def shaded(
    aims: np.ndarray, hits: Hits, lit: np.ndarray, places: np.ndarray, weather: Weather, ahead: np.ndarray
) -> np.ndarray:
    """Return (N, 3) linear light.

    aims: (N, 3) rays in map. lit: (N,) the sun reaches the place. places: (N, 3) what was hit, in map. ahead: (3,) of
    the vehicle.
    """
    paints = COLOURS[hits.materials].copy()
    tinted = TINTED[hits.materials]
    paints[tinted] = hits.tints[tinted]
    clear = 1.0 - weather.cloudiness
    strength = 0.9 * clear**1.5 * min(1.0, 4.0 * max(math.sin(weather.sun_elevation_rad), 0.0))
    sky, sight_m = 0.42 * (0.75 + 0.25 * weather.cloudiness), 3.0 / extinction(weather) if extinction(weather) else 1e9
    seen_m = 1.0 / (1.0 / sight_m + 1.0 / _FINE_DAY_M)
    wet = min(1.0, weather.rain_mmph / 4.0)
    table = np.array([*sun_of(weather), strength, sky, weather.cloudiness, seen_m, wet, 0.0], np.float32)
    return shade(
        np.ascontiguousarray(aims, np.float32), hits.ranges_m.astype(np.float32), hits.normals.astype(np.float32),
        places.astype(np.float32), hits.materials, paints.astype(np.float32), np.zeros(len(aims), bool),
        lit.astype(np.float32), table, ahead.astype(np.float32),
    )  # fmt: skip


def picture(
    stamp_ns: int, frame: str, settings: CameraSettings, hits: Hits, light: np.ndarray, seed: tuple[int, ...]
) -> View:
    """Return the view of (H * W, 3) linear light, exposed by its mean, with the noise of the sensor."""
    shape = (settings.height, settings.width)
    rng = np.random.default_rng(seed)
    seen = exposed(light.reshape(*shape, 3)) + np.float32(settings.noise) * rng.standard_normal((*shape, 1), np.float32)
    pixels = np.clip(np.round(seen * 255.0), 0, 255).astype(np.uint8)
    maps = (values.reshape(shape) for values in (hits.ranges_m, hits.semantics, hits.bodies))
    return View(Image(stamp_ns, frame, pixels), *maps)
