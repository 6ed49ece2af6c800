"""How the uncertainty of a pose grows along its way."""

import numpy as np


def grown(covariance: np.ndarray, before: np.ndarray, after: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the (6, 6) covariance of a pose after a step.

    covariance: of x y z [m] and of the rotation [rad], along the axes of odom, before the step. before, after: (4, 4)
    odom_from_base. step: (6, 6) of the step itself, in base_link before it.
    """
    x, y, z = after[:3, 3] - before[:3, 3]
    carried = np.eye(6)
    carried[:3, 3:] = -np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])  # an error of heading bends the way
    axes = np.zeros((6, 6))
    axes[:3, :3] = axes[3:, 3:] = before[:3, :3]
    return carried @ covariance @ carried.T + axes @ step @ axes.T
