"""How the uncertainty of a pose grows along its way, and how far two poses are apart."""

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of, rotation_exp, rotation_log


def cross_of(vector: np.ndarray) -> np.ndarray:
    """Return the (3, 3) matrix that multiplies as the cross product with a (3,) vector."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def grown(covariance: np.ndarray, before: np.ndarray, after: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the (6, 6) covariance of a pose after a step.

    covariance: of x y z [m] and of the rotation [rad], along the axes of odom, before the step. before, after: (4, 4)
    odom_from_base. step: (6, 6) of the step itself, in base_link before it.
    """
    carried = np.eye(6)
    carried[:3, 3:] = -cross_of(after[:3, 3] - before[:3, 3])  # an error of heading bends the way
    axes = np.zeros((6, 6))
    axes[:3, :3] = axes[3:, 3:] = before[:3, :3]
    return carried @ covariance @ carried.T + axes @ step @ axes.T


def carried(covariance: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a (6, 6) covariance along the axes of base_link, as base_link sees it after a (4, 4) step."""
    back = step[:3, :3].T
    move = np.zeros((6, 6))
    move[:3, :3] = move[3:, 3:] = back
    move[:3, 3:] = -back @ cross_of(step[:3, 3])
    return move @ covariance @ move.T


def mismatch(guess: np.ndarray, prior: np.ndarray, measured: np.ndarray, information: np.ndarray) -> float:
    """Return how far a measured pose lies from a guess (4, 4), in squared sigmas of both.

    prior: (6, 6) covariance of the guess. information: (6, 6) of the measurement, zero in directions that it cannot
    tell. All along the axes of base_link at the guess.
    """
    offset = away(guess, measured)
    pull = information @ offset
    return float(offset @ pull - pull @ np.linalg.solve(np.linalg.inv(prior) + information, pull))


def rigid(transform: np.ndarray) -> np.ndarray:
    """Return a (4, 4) transform with its rotation made exact: an inverse by transposing doubles errors each sweep."""
    return matrix_of(transform[:3, 3], quaternion_of(transform[:3, :3]))


def away(guess: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return how far a pose is from a guess: (6,) x y z [m], rotation [rad] along the axes of base_link."""
    offset = inverse(guess) @ measured
    return np.concatenate([offset[:3, 3], rotation_log(offset[:3, :3])])


def shifted(pose: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the (4, 4) pose that is (6,) `offset` away from a pose: the inverse of `away`."""
    correction = np.eye(4)
    correction[:3, :3], correction[:3, 3] = rotation_exp(offset[3:]), offset[:3]
    return rigid(pose @ correction)
