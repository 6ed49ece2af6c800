"""What the filter of localization estimates, and where each error stands among its 34 numbers."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import rotation_exp

POSE, VOXELS = slice(0, 6), slice(6, 12)  # place [m] and turn [rad], along the axes of odom
PLACE, TURN = slice(0, 3), slice(3, 6)  # of the pose
TWIST, VELOCITY, SPIN = slice(12, 18), slice(12, 15), slice(15, 18)  # along the axes of base_link
GYRO, FORCE, DOWN, SCALE = slice(18, 21), slice(21, 24), slice(24, 26), 26
IN_MAP, COURSE, WANDER = slice(27, 30), 30, slice(31, 34)  # along the axes of map
SIZE = 34
KEPT = slice(0, 12)  # what satellites leave as it is


@dataclass(frozen=True, eq=False)
class State:
    """The values: poses (4, 4) of base_link and of the map of voxels in odom, map_from_odom (level), and the rest."""

    pose: np.ndarray
    odom_from_voxels: np.ndarray
    map_from_odom: np.ndarray
    twist: np.ndarray
    gyro_bias_rps: np.ndarray
    force_bias_mps2: np.ndarray
    down_mps2: np.ndarray
    scale: float
    wander_m: np.ndarray


def no_state() -> State:
    """Return a state at rest, of which nothing is known."""
    return State(np.eye(4), np.eye(4), np.eye(4), np.zeros(6), np.zeros(3), np.zeros(3), np.zeros(2), 0.0, np.zeros(3))


def axes_of(pose: np.ndarray) -> np.ndarray:
    """Return (6, 6): from the axes of odom to those of base_link."""
    axes = np.zeros((6, 6))
    axes[:3, :3] = axes[3:, 3:] = pose[:3, :3].T
    return axes


def about(place: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the (4, 4) that turns about a place and then moves, by (6,) along the axes of odom."""
    change = np.eye(4)
    change[:3, :3] = rotation_exp(shift[3:])
    change[:3, 3] = place + shift[:3] - change[:3, :3] @ place
    return change


def set_diagonal(covariance: np.ndarray, part: slice | int, variances: np.ndarray | float) -> None:
    """Write variances (K,) of a part, in place."""
    numbers = np.arange(SIZE)[part]
    covariance[numbers, numbers] = variances


def at_most(covariance: np.ndarray, part: slice, variances: np.ndarray) -> None:
    """Shrink rows and columns whose variance is more than it can be."""
    numbers = np.arange(SIZE)[part]
    shrink = np.sqrt(np.minimum(1.0, variances / np.maximum(covariance[numbers, numbers], 1e-12)))
    covariance[numbers, :] *= shrink[:, None]
    covariance[:, numbers] *= shrink
