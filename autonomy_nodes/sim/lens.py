"""From light to a picture: exposure, a lens with drops and dirt on it, a sensor with noise, JPEG. Each by its seed."""

from collections.abc import Callable

import cv2
import numpy as np

BRIGHT = 0.42  # mean of a picture that is exposed well, before gamma
SHARES = {'drops': 0.0, 'dirt': 0.12, 'soft': 0.35, 'streaks': 0.0, 'vignette': 0.5, 'noise': 1.0, 'packed': 0.3}


def taken(light: np.ndarray, depth_m: np.ndarray, rain: float, rng: np.random.Generator) -> np.ndarray:
    """Return (H, W, 3) uint8 of linear light (H, W, 3): what a camera makes of it. rain: 0 to 1."""
    picture = exposed(light, rng)
    shares = SHARES | {'drops': 0.7 * min(3.0 * rain, 1.0), 'streaks': min(2.0 * rain, 1.0)}
    for name, change in CHANGES.items():
        if rng.random() < shares[name]:
            picture = change(picture, rng)
    return np.clip(np.round(picture * 255.0), 0, 255).astype(np.uint8)


def exposed(light: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Return (H, W, 3) float32, 0 to 1, of linear light: exposed by the mean of the lower two thirds, with gamma.

    With rng not always well, and with a white balance that is a little off.
    """
    off, balance, gamma = 0.0, np.ones(3, np.float32), 2.1
    if rng is not None:
        off, balance = rng.normal() * 0.25, np.exp(rng.normal(size=3) * 0.04).astype(np.float32)
        gamma = rng.uniform(1.9, 2.3)
    gain = 0.6 * BRIGHT / max(float(light[light.shape[0] // 3 :].mean()), 0.015) * np.exp(off)
    raw = np.clip(light * np.float32(gain) * balance, 0.0, None)
    flat = raw * (1.0 + raw / 6.0) / (1.0 + raw)  # highlights are not cut at once (Reinhard et al. 2002)
    return np.clip(flat * 1.35, 0.0, 1.0).astype(np.float32) ** np.float32(1.0 / gamma)


def drops(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture through drops of water on the lens, which show it upside down, out of focus."""
    high, wide = picture.shape[:2]
    blurred = cv2.GaussianBlur(picture[::-1], (0, 0), 5.0)
    spots = np.zeros((high, wide), np.float32)
    for _ in range(int(rng.integers(3, 14))):
        at = int(rng.integers(wide)), int(rng.integers(high))
        cv2.circle(spots, at, int(rng.integers(2, max(3, high // 14))), 0.85, -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(spots, (0, 0), 1.2)[..., None]
    return picture * (1.0 - mask) + blurred * mask


def dirt(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture through mud on the lens: brown, out of focus."""
    high, wide = picture.shape[:2]
    spots = np.zeros((high, wide), np.float32)
    for _ in range(int(rng.integers(2, 10))):
        at = int(rng.integers(wide)), int(rng.integers(high))
        cv2.circle(spots, at, int(rng.integers(2, max(3, high // 8))), float(rng.uniform(0.3, 0.9)), -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(spots, (0, 0), high / 40.0)[..., None]
    return picture * (1.0 - mask) + np.array([0.25, 0.20, 0.15], np.float32) * mask


def soft(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture a little out of focus."""
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.1)))


def streaks(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with rain that falls through it."""
    high, wide = picture.shape[:2]
    layer = np.zeros((high, wide), np.float32)
    lean = rng.normal() * 0.15
    for _ in range(int(rng.integers(20, 160))):
        x, y, long = rng.uniform(0, wide), rng.uniform(0, high), rng.uniform(3, high / 7)
        ends = (int(x), int(y)), (int(x + lean * long), int(y + long))
        cv2.line(layer, *ends, float(rng.uniform(0.05, 0.25)), 1, cv2.LINE_AA)
    return picture + layer[..., None] * (0.85 - 0.5 * picture)


def vignette(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture darker towards its corners (cos^4, in part)."""
    high, wide = picture.shape[:2]
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, wide), np.linspace(-1.0, 1.0, high) * high / wide)
    less = 1.0 - rng.uniform(0.05, 0.35) * (x**2 + y**2)
    return picture * less[..., None].astype(np.float32)


def noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture with the noise of a sensor, more of it in the dark, where the gain is high."""
    sigma = rng.uniform(0.004, 0.02) + rng.uniform(0.0, 0.05) * max(0.0, 0.35 - float(picture.mean()))
    return picture + np.float32(sigma) * rng.standard_normal(picture.shape, np.float32)


def packed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the picture through JPEG of a low quality."""
    pixels = np.clip(picture * 255.0, 0, 255).astype(np.uint8)
    bytes_ = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])[1]
    return np.asarray(cv2.imdecode(bytes_, cv2.IMREAD_COLOR), np.float32) / 255.0


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    'streaks': streaks, 'drops': drops, 'dirt': dirt, 'soft': soft, 'vignette': vignette, 'noise': noise,
    'packed': packed,
}  # fmt: skip
