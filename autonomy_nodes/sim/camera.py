"""A camera: rays through the pixels, shaded by sun, sky and haze. Beside the picture stands its truth."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.sim.air import extinction
from autonomy_nodes.sim.lens import exposed
from autonomy_nodes.sim.light import Air, Light
from autonomy_nodes.sim.materials import TINTED
from autonomy_nodes.sim.raycast import Hits
from autonomy_nodes.sim.shading import shade
from autonomy_nodes.sim.surfaces import SCREEN
from autonomy_nodes.sim.world import Weather

# optical axes (x right, y down, z forward) from those of the mount (x forward, y left, z up)
MOUNT_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_FINE_DAY_M, _SOAKED_MMPH, _KOSCHMIEDER = 12000.0, 4.0, 3.0  # visibility; rain that wets all; ln(20)


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


def air_of(weather: Weather) -> Air:
    """Return what the shading needs of the weather; a fine day's haze is there always."""
    fog = extinction(weather)
    wet = min(1.0, weather.rain_mmph / _SOAKED_MMPH)
    return Air(
        sun=tuple(sun_of(weather)), cloudiness=weather.cloudiness, wetness=wet, precipitation=0.0,
        visibility_m=1.0 / (1.0 / _FINE_DAY_M + fog / _KOSCHMIEDER),
    )  # fmt: skip


def shaded(
    origin: np.ndarray, aims: np.ndarray, hits: Hits, lit: np.ndarray, light: Light, pixel_rad: float,
    map_from_base: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return (N, 3) linear light.

    origin: (3,) of the rays, aims: (N, 3), in map. lit: (N,) the sun reaches the place. pixel_rad: what a pixel spans.
    """
    count, tinted = len(aims), TINTED[hits.materials]
    owned = np.full((count, 3), -1.0, np.float32)
    owned[tinted] = hits.tints[tinted] ** np.float32(SCREEN)
    lamp = map_from_base @ [3.4, 0.0, 0.75, 1.0]
    ego = np.array([lamp[:3], map_from_base[:3, 0]], np.float32)
    return np.asarray(shade(
        origin.astype(np.float32), np.ascontiguousarray(aims, np.float32), hits.ranges_m.astype(np.float32),
        hits.normals.astype(np.float32), hits.materials, np.zeros(count, np.float32), owned,
        np.zeros((count, 3), np.float32), lit.astype(np.float32), np.ones(count, np.float32), pixel_rad, light,
        np.zeros((0, 3), np.float32), ego,
    ))  # fmt: skip


def picture(
    stamp_ns: int, frame: str, settings: CameraSettings, hits: Hits, light: np.ndarray, air: Air,
    seed: tuple[int, ...],
) -> View:
    """Return the view of (H * W, 3) linear light, exposed as its mean asks, with the noise of the sensor."""
    shape = (settings.height, settings.width)
    rng = np.random.default_rng(seed)
    noise = np.float32(settings.noise) * rng.standard_normal((*shape, 1), np.float32)
    seen = exposed(light.reshape(*shape, 3), air) + noise
    pixels = np.clip(np.round(seen * 255.0), 0, 255).astype(np.uint8)
    maps = (values.reshape(shape) for values in (hits.ranges_m, hits.semantics, hits.bodies))
    return View(Image(stamp_ns, frame, pixels), *maps)
