"""What stands between light and picture: rain in the air, drops and dirt on the lens, blur, exposure, noise, JPEG.

Effects are named, in the order in which light meets them; each takes linear light and leaves the truth alone.
"""

from collections.abc import Callable

import cv2
import numpy as np

from autonomy_nodes.sim.light import Air, Lens

Effect = Callable[[np.ndarray, Air, np.random.Generator], np.ndarray]
_GREY = 0.17  # to which the mean of what is seen is exposed
_HELD = 0.75  # how far the sensor goes towards that
_MOST_GAIN = 9.0
_NIGHT = 0.6  # share of its gain that a sensor gives up at night, not to make a day of it
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def streaked(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light with streaks of falling rain, or with flakes."""
    height, width = light.shape[:2]
    veil = np.zeros((height, width), np.float32)
    slant = rng.normal() * 0.15
    for _ in range(round(air.precipitation * width * (0.9 if air.frozen else 0.45))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        strength = float(rng.uniform(0.05, 0.3))
        if air.frozen:
            radius = int(16 * rng.uniform(0.4, 1.6))
            cv2.circle(veil, (int(16 * x), int(16 * y)), radius, 2 * strength, -1, cv2.LINE_AA, 4)
            continue
        length = rng.uniform(0.03, 0.14) * height
        high, low = ((int(16 * (x + slant * down)), int(16 * (y + down))) for down in (0.0, length))
        cv2.line(veil, high, low, strength, 1, cv2.LINE_AA, 4)
    bright = 1.5 * float(light.mean()) if not air.frozen else 2.5 * float(light.mean())
    share = cv2.GaussianBlur(veil, (0, 0), 0.5)[..., None]
    return light * (1.0 - share) + np.float32(bright) * share


def bloomed(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light with a glow about what is much brighter than the rest."""
    small = cv2.resize(np.minimum(light, 20.0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    above = np.maximum(small - 4.0 * np.float32(small.mean()), 0.0)
    glow = cv2.GaussianBlur(above, (0, 0), 2.0) + 0.5 * cv2.GaussianBlur(above, (0, 0), 8.0)
    glow = cv2.resize(glow, light.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return light + np.float32(0.35 * air.lens.bloom) * glow


def dragged(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light that is blurred towards the lower edge, away from the middle, as the vehicle's own way does."""
    height, width = light.shape[:2]
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    away = np.stack([column - 0.5 * width, row - 0.42 * height]) / np.float32(0.6 * height)
    total = light.copy()
    for step in (-0.5, 0.5):
        shift = np.float32(step * air.lens.blur_px) * away
        total += cv2.remap(light, column + shift[0], row + shift[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / np.float32(3.0)


def softened(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light through a lens that is not quite sharp."""
    return cv2.GaussianBlur(light, (0, 0), 0.3 + 0.9 * air.lens.softness)


def dropped(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light through drops on the lens: round spots that show it blurred and upside down."""
    return _spotted(light, rng, round(3 + 14 * air.lens.drops), (0.012, 0.05), turned=True)


def dirtied(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light through dirt on the lens: a few blurred, dimmed spots, and a thin film that scatters."""
    veil = np.float32(0.06 * air.lens.dirt)
    spots = _spotted(light, rng, round(2 + 10 * air.lens.dirt), (0.02, 0.09), dim=0.45)
    return spots * (1.0 - veil) + veil * spots.mean(axis=(0, 1))


def _spotted(
    light: np.ndarray, rng: np.random.Generator, count: int, sizes: tuple[float, float], turned: bool = False,
    dim: float = 0.0,
) -> np.ndarray:  # fmt: skip
    height, width = light.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for _ in range(count):
        radius = rng.uniform(*sizes) * width * 0.5
        at = int(16 * rng.uniform(0, width)), int(16 * rng.uniform(0, height))
        axes = int(16 * radius), int(16 * radius * rng.uniform(0.6, 1.2))
        cv2.ellipse(mask, at, axes, rng.uniform(0, 180), 0, 360, float(rng.uniform(0.5, 1.0)), -1, cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(mask, (0, 0), 1.2 if turned else 4.0)[..., None]
    seen = cv2.GaussianBlur(light, (0, 0), 5.0)
    seen = 0.5 * seen + 0.5 * cv2.flip(seen, 0) if turned else seen
    return light * (1.0 - share) + seen * np.float32(1.0 - dim) * share


def vignetted(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return light that falls off towards the corners, with the fourth power of the cosine at most."""
    height, width = light.shape[:2]
    column, row = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height) * height / width)
    cosine = 1.0 / np.sqrt(1.0 + 0.6 * (column**2 + row**2))
    return light * (1.0 - air.lens.vignette * (1.0 - cosine**4)).astype(np.float32)[..., None]


EFFECTS: dict[str, tuple[Callable[[Air], float], Effect]] = {  # how much there is of it, and what it does
    'precipitation': (lambda air: air.precipitation, streaked),
    'bloom': (lambda air: air.lens.bloom, bloomed),
    'blur': (lambda air: air.lens.blur_px, dragged),
    'drops': (lambda air: air.lens.drops, dropped),
    'dirt': (lambda air: air.lens.dirt, dirtied),
    'softness': (lambda air: air.lens.softness, softened),
    'vignette': (lambda air: air.lens.vignette, vignetted),
}


def exposed(light: np.ndarray, air: Air) -> np.ndarray:
    """Return (H, W, 3) values of 0 to 1 of linear light: exposure, white balance, a shoulder, gamma.

    The sensor exposes towards grey by the mean of what it sees, less so the darker it is. The shoulder is the fit of
    Narkowicz (2015) to that of film; the curve that of sRGB (IEC 61966-2-1), its straight foot left out.
    """
    mean = float(np.exp(np.log(light[::4, ::4] @ _LUMA + 1e-3).mean()))
    gain = min((_GREY / mean) ** _HELD, _MOST_GAIN) * (1.0 - _NIGHT * air.darkness**2) * air.exposure
    white = np.array([1.0 + 0.22 * air.lens.warmth, 1.0, 1.0 - 0.22 * air.lens.warmth], np.float32)
    seen = light * (np.float32(0.85 * gain) * white)
    seen = seen * (2.51 * seen + 0.03) / (seen * (2.43 * seen + 0.59) + 0.14)
    return np.clip(seen, 0.0, 1.0) ** np.float32(1.0 / 2.2)


def recorded(values: np.ndarray, lens: Lens, rng: np.random.Generator) -> np.ndarray:
    """Return (H, W, 3) uint8 of values of 0 to 1: noise of the sensor, more in the dark, and JPEG."""
    if lens.noise > 0.0:
        grain = rng.standard_normal(values.shape[:2], np.float32)[..., None]
        colour = rng.standard_normal(values.shape, np.float32)
        values = values + np.float32(lens.noise) * (1.4 - values) * (0.7 * grain + 0.4 * colour)
    pixels = np.clip(np.round(values * 255.0), 0, 255).astype(np.uint8)
    if lens.quality:
        written = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, lens.quality])[1]
        return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)
    return pixels


def developed(light: np.ndarray, air: Air, rng: np.random.Generator) -> np.ndarray:
    """Return (H, W, 3) uint8 of (H, W, 3) float32 linear light, through all EFFECTS of which there is something."""
    for amount, effect in EFFECTS.values():
        if amount(air) > 0.0:
            light = effect(light, air, rng)
    return recorded(exposed(light, air), air.lens, rng)
