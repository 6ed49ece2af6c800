"""Poses, twists and covariances as columns of rows: how geometry_msgs lie inside larger messages."""

import numpy as np

from autonomy_nodes.common.types import DataError

POSE = [('position', '<f8', 3), ('orientation', '<f8', 4)]
UNKNOWN_VARIANCE = 1e6  # says on the wire that a value is not known
XYH = (0, 1, 5)  # of x y z roll pitch yaw


def orientations_of(headings_rad: np.ndarray) -> np.ndarray:
    """Return (..., 4) quaternions of turns about z by (...) angles."""
    half = np.asarray(headings_rad, float) / 2.0
    zero = np.zeros_like(half)
    return np.stack([zero, zero, np.sin(half), np.cos(half)], axis=-1)


def headings_of(orientations: np.ndarray) -> np.ndarray:
    """Return (...) directions of the x axis seen from above; raises DataError unless (..., 4) are unit quaternions."""
    x, y, z, w = np.moveaxis(orientations, -1, 0)
    with np.errstate(over='ignore', invalid='ignore'):
        norms = x * x + y * y + z * z + w * w
    if not (np.abs(norms - 1.0) < 2e-3).all():  # 0 0 0 0 is a message that nobody filled in
        bad = orientations.reshape(-1, 4)[int(np.argmax(~(np.abs(norms.ravel() - 1.0) < 2e-3)))]
        raise DataError(f'orientation {bad.tolist()} is not a unit quaternion')
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def turned(vectors: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    """Return (N, 2) vectors turned left by (N,) angles."""
    cosine, sine = np.cos(angles_rad), np.sin(angles_rad)
    x, y = vectors.T
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)


def turned_covariances(covariances: np.ndarray, angles_rad: np.ndarray) -> np.ndarray:
    """Return (N, 2, 2) covariances of vectors turned left by (N,) angles."""
    cosine, sine = np.cos(angles_rad), np.sin(angles_rad)
    turns = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
    return turns @ covariances @ turns.transpose(0, 2, 1)
