"""How far the sensors see, in words: by where returns come from, what hangs in the air, and the light in pictures.

Without returns: by how far pictures show the ground, and what their network tells of the air.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit

from autonomy_nodes.common.sensing import Image
from autonomy_nodes.common.status import Level, Words

_FEW = 500  # returns of a sweep; a LiDAR of 16 beams gives some 20 000
_FAR_M, _NEAR_M = 50.0, 25.0
_THIN, _THICK = 0.01, 0.05  # shares of returns that hang in the air near by
_AHEAD = slice(34, 38)  # sectors of 5 degrees around straight ahead
_FEW_CELLS, _THICK_AIR = 50, 0.5  # of ground in pictures; darkness, fog or rain as the network of pictures tells it
_DARK, _BLINDING, _FLAT = 30.0, 235.0, 5.0  # of 255


def described(
    stamp_ns: int, xyz: np.ndarray, clutter: int, seen_range_m: np.ndarray, pictures: Mapping[str, Image]
) -> Words:
    """Return the environment of one sweep.

    xyz: (N, 3) in base_link. clutter: returns near by that belong to nothing. seen_range_m: (72,) of ground.
    A short view alone is no fog: walls end it too. Returns that hang in the air tell the two apart.
    """
    far_m = _farthest(xyz, share=0.01) if len(xyz) else 0.0
    share = clutter / max(len(xyz), 1)
    visibility, level = 'good', Level.OK
    if len(xyz) < _FEW or (far_m < _NEAR_M and share > _THICK):
        visibility, level = 'poor', Level.WARN
    elif far_m < _FAR_M and share > _THIN:
        visibility, level = 'reduced', Level.WARN
    values = {
        'visibility': visibility,
        'visibility_m': f'{far_m:.0f}',
        'ground_ahead_m': f'{seen_range_m[_AHEAD].max():.0f}',
        'clutter_share': f'{share:.4f}',
        'returns': str(len(xyz)),
    }
    return _worded(stamp_ns, level, visibility, values, pictures)


def seen_by_cameras(
    stamp_ns: int, ranges_m: np.ndarray, air: Mapping[str, float], pictures: Mapping[str, Image]
) -> Words:
    """Return the environment of pictures alone, which never is good: nobody measures how far they see.

    ranges_m: (N,) of cells whose ground they show. air: {name: 0 to 1} as the network of pictures tells it.
    """
    poor = len(ranges_m) < _FEW_CELLS or max(air.values(), default=0.0) > _THICK_AIR
    visibility = 'poor' if poor else 'reduced'
    far_m = float(np.percentile(ranges_m, 99.0)) if len(ranges_m) else 0.0
    values = {'visibility': visibility, 'visibility_m': f'{far_m:.0f}', 'returns': '0'}
    return _worded(stamp_ns, Level.WARN, visibility, values, pictures)


def _worded(
    stamp_ns: int, level: Level, visibility: str, values: Mapping[str, str], pictures: Mapping[str, Image]
) -> Words:
    lights = {f'light.{name}': _light(picture) for name, picture in pictures.items()}
    texts = [f'visibility {visibility}', *(f'camera {name[6:]} {light}' for name, light in lights.items())]
    return Words(stamp_ns, 'environment', level, '; '.join(texts), {**values, **lights})


@njit(cache=True)
def _farthest(xyz: np.ndarray, share: float) -> float:
    """Return the range beyond which this share of (N, 3) points lies, to the decimetre; 1 km if farther."""
    counts = np.zeros(10_001, np.int64)
    for n in range(len(xyz)):
        x, y = xyz[n, 0], xyz[n, 1]
        counts[int(min(np.sqrt(x * x + y * y) * 10.0, 10_000.0))] += 1
    left = int(share * len(xyz))
    for step in range(10_000, -1, -1):
        left -= counts[step]
        if left < 0:
            return (step + 0.5) / 10.0
    return 0.0


def _light(picture: Image) -> str:
    """Return what the brightness of a picture tells: dark, blinded, covered (nothing stands out), or lit."""
    sample = picture.pixels[::16, ::16].astype(np.float32).mean(axis=2)
    mean, spread = float(sample.mean()), float(sample.std())
    if mean < _DARK:
        return 'dark'
    if mean > _BLINDING:
        return 'blinded'
    return 'covered' if spread < _FLAT else 'lit'
