"""Features of cameras into cells: what each place of the grid looks like, over all cameras that see it.

Each camera shows its features at the pixel onto which the calibration puts the place, between pixels bilinearly (as
torch's grid_sample without align_corners), and the mean over cameras is taken by weights. How far along its ray a thing
stands is not asked: heights lie beside one another, and what follows chooses.
"""

import numpy as np
from numba import njit

from autonomy_nodes.common.types import DataError


def lifted(features: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (C, A, X, Y) float32 the mean by weights over the cameras; 0 where no weight is above 0.

    features: (N, C, h, w). places: (N, A, X, Y, 2) x y in the picture, from -1, its left or upper border, to 1; outside
    and where one is NaN a camera shows 0. weights: (N, A, X, Y), from 0; 0: the camera does not count there.
    """
    features, places, weights = (np.require(array, np.float32, 'C') for array in (features, places, weights))
    fits = features.ndim == 4 and weights.ndim == 4 and places.shape == (*weights.shape, 2)
    if not fits or len(features) != len(weights) or min(features.shape) < 1:
        shapes = (features.shape, places.shape, weights.shape)
        raise DataError(f'features, places and weights {shapes} must be (N, C, h, w), (N, A, X, Y, 2), (N, A, X, Y)')
    cameras, channels = features.shape[:2]
    pictures = np.ascontiguousarray(features.transpose(0, 2, 3, 1))  # (N, h, w, C): all of a pixel side by side
    out = np.zeros((weights[0].size, channels), np.float32)
    _lift(pictures, places.reshape(cameras, -1, 2), weights.reshape(cameras, -1), out)
    return np.ascontiguousarray(out.T).reshape(channels, *weights.shape[1:])


@njit(cache=True, nogil=True)
def _lift(pictures: np.ndarray, places: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    """Set the features (P, C) of the places (N, P, 2) from pictures (N, h, w, C); out is 0 before."""
    cameras, high, wide, channels = pictures.shape
    for p in range(len(out)):
        total = np.float32(0.0)
        for n in range(cameras):
            weight = weights[n, p]
            if not weight > 0.0:
                continue
            total += weight
            x, y = ((places[n, p, 0] + 1.0) * wide - 1.0) / 2.0, ((places[n, p, 1] + 1.0) * high - 1.0) / 2.0
            if not (-1.0 < x < wide and -1.0 < y < high):
                continue  # NaN too
            left, upper = int(np.floor(x)), int(np.floor(y))
            for i in range(max(upper, 0), min(upper + 2, high)):
                for j in range(max(left, 0), min(left + 2, wide)):
                    part = np.float32(weight * (1.0 - abs(x - j)) * (1.0 - abs(y - i)))
                    for c in range(channels):
                        out[p, c] += part * pictures[n, i, j, c]
        if total > 0.0:
            for c in range(channels):
                out[p, c] /= total
