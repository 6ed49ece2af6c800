"""Rotations and rigid transforms. Quaternions are x y z w; a transform `a_from_b` takes points in b to a."""

import math

import numpy as np


def heading_of(orientation: np.ndarray) -> float:
    """Return the direction of the x axis seen from above, in radians."""
    x, y, z, w = orientation
    return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def quaternion_of_heading(heading_rad: float) -> np.ndarray:
    """Return the (4,) quaternion of a turn about z."""
    return np.array([0.0, 0.0, math.sin(heading_rad / 2.0), math.cos(heading_rad / 2.0)])


def rotation_of(orientation: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation matrix of a unit quaternion."""
    x, y, z, w = np.asarray(orientation, float) / np.linalg.norm(orientation)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """Return the (4,) unit quaternion of a (3, 3) rotation matrix, with w >= 0 (Shepperd's method)."""
    m = rotation
    parts = np.array([m[0, 0] - m[1, 1] - m[2, 2], m[1, 1] - m[0, 0] - m[2, 2], m[2, 2] - m[0, 0] - m[1, 1]])
    largest = int(np.argmax([*parts, np.trace(m)]))
    if largest == 3:
        quaternion = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], 1.0 + np.trace(m)])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        quaternion = np.zeros(4)
        quaternion[[i, j, k]] = 1.0 + parts[i], m[i, j] + m[j, i], m[i, k] + m[k, i]
        quaternion[3] = m[k, j] - m[j, k]
    quaternion /= np.linalg.norm(quaternion)
    return -quaternion if quaternion[3] < 0.0 else quaternion


def matrix_of(position_m: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform of a position and a quaternion."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation_of(orientation), position_m
    return matrix


def matrix_of_rpy(position_m: np.ndarray, rpy_rad: np.ndarray) -> np.ndarray:
    """Return the (4, 4) transform of a position and of roll, pitch, yaw about fixed axes (as in URDF)."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy_rad), np.sin(rpy_rad)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    matrix[:3, 3] = position_m
    return matrix


def rpy_of(rotation: np.ndarray) -> tuple[float, float, float]:
    """Return roll, pitch, yaw in radians of a (3, 3) rotation or (4, 4) transform: what `matrix_of_rpy` takes."""
    roll = math.atan2(rotation[2, 1], rotation[2, 2])
    pitch = math.asin(max(-1.0, min(1.0, -rotation[2, 0])))
    return roll, pitch, math.atan2(rotation[1, 0], rotation[0, 0])


def inverse(transform: np.ndarray) -> np.ndarray:
    """Return b_from_a of a (4, 4) rigid a_from_b."""
    result = np.eye(4)
    result[:3, :3] = transform[:3, :3].T
    result[:3, 3] = -transform[:3, :3].T @ transform[:3, 3]
    return result


def moved(points: np.ndarray, a_from_b: np.ndarray) -> np.ndarray:
    """Return (..., 3) points of b in a, in the dtype of `points`."""
    turn, shift = a_from_b[:3, :3].astype(points.dtype), a_from_b[:3, 3].astype(points.dtype)
    return points @ turn.T + shift


def wrapped(angle_rad: np.ndarray | float) -> np.ndarray | float:
    """Return angles in [-pi, pi)."""
    return (angle_rad + np.pi) % (2.0 * np.pi) - np.pi


def unwrapped(angles_rad: np.ndarray) -> np.ndarray:
    """Return (..., M) angles without jumps of a turn along the last axis; most have none, which is found faster."""
    if (np.abs(np.diff(angles_rad)) < np.pi).all():
        return angles_rad
    return np.unwrap(angles_rad)


def rotation_exp(rotation_vector: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation by a rotation vector in radians (Rodrigues)."""
    angle = float(np.linalg.norm(rotation_vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = rotation_vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)


def rotation_log(rotation: np.ndarray) -> np.ndarray:
    """Return the (3,) rotation vector of a (3, 3) rotation, of length at most pi."""
    quaternion = quaternion_of(rotation)
    sine = float(np.linalg.norm(quaternion[:3]))
    if sine < 1e-12:
        return np.zeros(3)
    return quaternion[:3] / sine * 2.0 * math.atan2(sine, quaternion[3])
