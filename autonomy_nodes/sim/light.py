"""Light, weather and lens of a picture: as told, as drawn, and as the numbers that shading needs.

Dimming follows from the visibility, at which a twentieth of the contrast is left (Koschmieder). Colours are linear.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

_CONTRAST_LEFT = 0.05
KINDS = {  # what is drawn, and how often
    'day': 0.60, 'low_sun': 0.07, 'dusk': 0.06, 'night': 0.08, 'fog': 0.05, 'rain': 0.08, 'dust': 0.03, 'snow': 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Lens:
    """What a lens and a sensor add; 0 for nothing. Amounts are 0 to 1 but where told.

    blur_px: along the way that the vehicle's own motion draws the near ground. noise: deviation of a grey value of 0
    to 1. quality: of JPEG, 0 for none. warmth: of the white balance, below 0 for blue.
    """

    drops: float = 0.0
    dirt: float = 0.0
    blur_px: float = 0.0
    softness: float = 0.0
    vignette: float = 0.0
    bloom: float = 0.0
    noise: float = 0.0
    quality: int = 0
    warmth: float = 0.0

    def __post_init__(self) -> None:
        for name in ('drops', 'dirt', 'softness', 'vignette', 'bloom', 'noise'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        if self.blur_px < 0.0 or not 0 <= self.quality <= 100 or not -1.0 <= self.warmth <= 1.0:
            raise ValueError(
                f'blur_px={self.blur_px} must not be below 0, quality={self.quality} lie between 0 and 100, '
                f'warmth={self.warmth} between -1 and 1'
            )


@dataclass(frozen=True)
class Air:
    """What the weather and the light are; by default a fine day through a perfect lens.

    sun: (x, y, z) towards it, in map, of any length; at night that of the moon. precipitation: of rain, of snow where
    `frozen`. dust: how brown the haze is. darkness: 0 by day, 1 at night. exposure: factor to what the sensor chooses.
    """

    kind: str = 'day'
    sun: tuple[float, float, float] = (0.5, 0.35, 0.8)
    cloudiness: float = 0.2
    visibility_m: float = 15000.0
    precipitation: float = 0.0
    frozen: bool = False
    wetness: float = 0.0
    dust: float = 0.0
    darkness: float = 0.0
    exposure: float = 1.0
    lens: Lens = field(default_factory=Lens)

    def __post_init__(self) -> None:
        for name in ('cloudiness', 'precipitation', 'wetness', 'dust', 'darkness'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie between 0 and 1')
        if not self.visibility_m > 1.0 or not self.exposure > 0.0 or not math.hypot(*self.sun) > 0.0:
            raise ValueError(
                f'visibility_m={self.visibility_m} must be above 1, exposure={self.exposure} and the length of '
                f'sun={self.sun} above 0'
            )


class Light(NamedTuple):
    """Linear colours and amounts for shading. sun: (3,) unit; *_rgb: (3,); extinction [1/m]."""

    sun: np.ndarray
    sun_rgb: np.ndarray
    zenith_rgb: np.ndarray
    horizon_rgb: np.ndarray
    ambient_rgb: np.ndarray
    haze_rgb: np.ndarray
    extinction: float
    cloudiness: float
    wetness: float
    darkness: float
    seed: float


def light_of(air: Air, seed: int = 0) -> Light:
    """Return the numbers that shading needs; seed: of the clouds."""
    sun = np.array(air.sun) / math.hypot(*air.sun)
    up, clear, day = max(float(sun[2]), 0.0), 1.0 - air.cloudiness, 1.0 - air.darkness
    red = math.exp(-6.0 * up)  # low suns are red
    beam = 3.2 * clear**1.5 * (0.25 + 0.75 * min(1.0, 3.0 * up)) * day**2
    sun_rgb = beam * np.array([1.0, 0.94 - 0.30 * red, 0.84 - 0.55 * red])
    sun_rgb += 0.012 * air.darkness * clear * np.array([0.7, 0.8, 1.0])
    blue, white = np.array([0.16, 0.34, 0.78]), np.array([0.74, 0.84, 0.96])
    grey = np.array([0.72, 0.75, 0.80]) * (1.0 - 0.35 * air.precipitation)
    zenith = (blue * clear + grey * air.cloudiness) * (0.35 + 0.65 * min(1.0, 2.5 * up))
    horizon = white * clear + 0.95 * grey * air.cloudiness
    horizon = horizon * (1.0 - red * clear * np.array([0.0, 0.28, 0.55])) * (0.5 + 0.5 * min(1.0, 4.0 * up))
    dark = np.array([0.006, 0.008, 0.014])
    zenith, horizon = zenith * day**2 + dark * air.darkness, horizon * day**2 + 1.6 * dark * air.darkness
    ambient = 0.62 * zenith + 0.30 * horizon
    brown = np.array([1.0, 0.78, 0.52]) * float(horizon.mean())
    haze = horizon * (1.0 - air.dust) + brown * air.dust
    extinction = -math.log(_CONTRAST_LEFT) / air.visibility_m + 0.004 * air.precipitation
    told = [np.asarray(each, np.float32) for each in (sun, sun_rgb, zenith, horizon, ambient, haze)]
    return Light(
        sun=told[0], sun_rgb=told[1], zenith_rgb=told[2], horizon_rgb=told[3], ambient_rgb=told[4], haze_rgb=told[5],
        extinction=extinction, cloudiness=air.cloudiness, wetness=air.wetness, darkness=air.darkness,
        seed=float(seed % 4096),
    )  # fmt: skip


def drawn_air(rng: np.random.Generator) -> Air:
    """Return weather and lens as drawn: a plain day in six of ten, else one of the other KINDS."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    low = {'low_sun': (0.04, 0.22), 'dusk': (0.02, 0.1)}.get(kind, (0.3, 1.2))
    around, up = rng.uniform(-math.pi, math.pi), rng.uniform(*low)
    sun = (math.cos(around) * math.cos(up), math.sin(around) * math.cos(up), math.sin(up))
    values: dict = {'cloudiness': float(rng.beta(0.7, 1.0)), 'visibility_m': float(rng.uniform(2500.0, 20000.0))}
    values['wetness'] = float(rng.uniform(0.2, 0.8)) if rng.random() < 0.08 else 0.0
    if kind == 'low_sun':
        values['cloudiness'] = float(rng.uniform(0.0, 0.35))
    elif kind in ('dusk', 'night'):
        values['darkness'] = float(rng.uniform(0.55, 0.85) if kind == 'dusk' else rng.uniform(0.93, 1.0))
    elif kind in ('fog', 'dust'):
        values |= {'cloudiness': float(rng.uniform(0.7, 1.0)), 'visibility_m': float(rng.uniform(40.0, 300.0))}
        values['dust'] = float(rng.uniform(0.6, 1.0)) if kind == 'dust' else 0.0
    elif kind in ('rain', 'snow'):
        values |= {'cloudiness': float(rng.uniform(0.8, 1.0)), 'precipitation': float(rng.uniform(0.2, 1.0))}
        values |= {'visibility_m': float(rng.uniform(300.0, 3000.0)), 'frozen': kind == 'snow'}
        values |= {'wetness': float(rng.uniform(0.5, 1.0)) if kind == 'rain' else 0.3}
        values |= {'darkness': float(rng.uniform(0.9, 1.0)) if rng.random() < 0.15 else 0.0}
    return Air(kind, sun, exposure=float(np.exp(0.2 * rng.normal())), lens=drawn_lens(rng, kind == 'rain'), **values)


def drawn_lens(rng: np.random.Generator, wet: bool = False) -> Lens:
    """Return a lens and sensor as drawn; wet: it rains."""
    return Lens(
        drops=float(rng.uniform(0.1, 1.0)) if wet and rng.random() < 0.7 else 0.0,
        dirt=float(rng.uniform(0.1, 1.0)) if rng.random() < 0.15 else 0.0,
        blur_px=float(rng.uniform(0.5, 4.0)) if rng.random() < 0.4 else 0.0,
        softness=float(rng.uniform(0.1, 0.9)) if rng.random() < 0.4 else 0.0,
        vignette=float(rng.uniform(0.0, 0.6)), bloom=float(rng.uniform(0.1, 0.6)),
        noise=float(rng.uniform(0.003, 0.03)), quality=int(rng.integers(55, 97)),
        warmth=float(np.clip(0.25 * rng.normal(), -1.0, 1.0)),
    )  # fmt: skip
