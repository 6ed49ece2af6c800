"""A camera: rays through the pixels, shaded by sun, sky and haze. Beside the picture stands its truth."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.sim.air import extinction
from autonomy_nodes.sim.materials import COLOURS, TINTED, Material
from autonomy_nodes.sim.raycast import Hits
from autonomy_nodes.sim.world import Weather

# optical axes (x right, y down, z forward) from those of the mount (x forward, y left, z up)
MOUNT_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_CLEAR_AIR_M = 1500.0  # haze of a fine day
_SKY = np.array([0.42, 0.60, 0.86]), np.array([0.80, 0.86, 0.92])  # zenith, horizon


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


def shaded(aims: np.ndarray, hits: Hits, lit: np.ndarray, places: np.ndarray, weather: Weather) -> np.ndarray:
    """Return (N, 3) colours, 0 to 1.

    aims: (N, 3) rays in map. lit: (N,) the sun reaches the place. places: (N, 3) what was hit, in map.
    """
    colour = COLOURS[hits.materials].copy()
    tinted = TINTED[hits.materials]
    colour[tinted] = hits.tints[tinted]
    colour *= (1.0 + 0.10 * _speckle(places, hits.materials))[:, None]
    sun, clear = sun_of(weather), 1.0 - 0.75 * weather.cloudiness
    direct = np.maximum(hits.normals @ sun, 0.0) * lit * clear
    sky = (0.45 + 0.25 * weather.cloudiness) * (0.6 + 0.4 * hits.normals[:, 2])
    light = direct[:, None] * (1.05, 0.98, 0.88) * 0.85 + sky[:, None] * (0.92, 0.97, 1.08)
    colour *= light.astype(np.float32)
    glass = hits.materials == Material.GLASS
    mirrored = (
        aims[glass] - 2.0 * np.einsum('ij,ij->i', aims[glass], hits.normals[glass])[:, None] * hits.normals[glass]
    )
    colour[glass] = 0.6 * colour[glass] + 0.4 * _sky(mirrored, weather)
    haze = np.exp(-hits.ranges_m / np.float32(_visibility(weather)))[:, None]  # 0 for the sky
    far = np.flatnonzero(haze[:, 0] < 0.98)  # elsewhere the sky shines through nowhere
    colour[far] = colour[far] * haze[far] + _sky(aims[far], weather) * (1.0 - haze[far])
    return np.clip(colour, 0.0, 1.0)


def picture(
    stamp_ns: int, frame: str, settings: CameraSettings, hits: Hits, colours: np.ndarray, seed: tuple[int, ...]
) -> View:
    """Return the view of (H * W, 3) colours, with the noise of the sensor."""
    rng = np.random.default_rng(seed)
    noise = settings.noise * rng.standard_normal((len(colours), 1), np.float32)
    noisy = colours ** np.float32(1.0 / 1.6) + noise  # brighter shadows, as gamma
    shape = (settings.height, settings.width)
    pixels = np.clip(np.round(noisy * 255.0), 0, 255).astype(np.uint8).reshape(*shape, 3)
    maps = (values.reshape(shape) for values in (hits.ranges_m, hits.semantics, hits.bodies))
    return View(Image(stamp_ns, frame, pixels), *maps)


def _visibility(weather: Weather) -> float:
    """Return the range at which a third of the contrast is left."""
    return 1.0 / (1.0 / _CLEAR_AIR_M + extinction(weather))


def _sky(aims: np.ndarray, weather: Weather) -> np.ndarray:
    """Return (N, 3) colours of the sky along rays."""
    up = np.clip(aims[:, 2], 0.0, 1.0)[:, None] ** 0.5
    blue = _SKY[0] * up + _SKY[1] * (1.0 - up)
    grey = np.full(3, 0.78) * (0.85 + 0.15 * up)
    glow = np.clip(aims @ sun_of(weather), 0.0, 1.0)[:, None] ** 60 * (1.0 - weather.cloudiness)
    return blue * (1.0 - weather.cloudiness) + grey * weather.cloudiness + 0.5 * glow


def _speckle(places: np.ndarray, materials: np.ndarray) -> np.ndarray:
    """Return (N,) values of -1 to 1 that belong to a place: grain of the ground, in two sizes."""
    found = np.zeros(len(places), np.float32)
    for size, weight in ((0.12, 0.6), (1.7, 0.4)):
        cell = np.floor(places / size).astype(np.int64)
        mixed = (cell[:, 0] * 73856093) ^ (cell[:, 1] * 19349663) ^ (cell[:, 2] * 83492791)
        mixed = (mixed ^ (mixed >> 13)) * 1274126177
        found += weight * (((mixed >> 7) & 1023) / 511.5 - 1.0)
    return found * np.where(materials <= Material.PAINT_YELLOW, 1.0, 0.5)
