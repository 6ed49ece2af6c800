"""The fine relief of the ground, too fine for a mesh: grains, clods, blades of grass, in which beams end.

On labelled sweeps of SemanticKITTI heights of grass scatter by 15 to 20 mm within 1.2 m, those of a road by 8, the
noise of the ranges included: without it grass is as smooth as a road, and no perception learns to tell them apart.
"""

import numpy as np

from autonomy_nodes.sim.materials import RELIEFS_M, Material

GRASS_M = (0.03, 0.15)  # how high the grass of a place is, drawn by its logarithm; what is higher is a meadow
_FLATTEST = 0.02  # sine of an angle with the ground
_NEARER = 0.2  # share of its range by which a beam ends sooner, at most


def drawn_grass_m(rng: np.random.Generator) -> float:
    """Return how high the grass of a place is [m]."""
    return float(np.exp(rng.uniform(*np.log(GRASS_M))))


def sooner(
    ranges_m: np.ndarray, facing: np.ndarray, materials: np.ndarray, grass_m: float, rng: np.random.Generator
) -> np.ndarray:
    """Return (N,) ranges at which beams end in the relief of the ground that they would have met at `ranges_m`.

    facing: (N,) sine of their angle with the ground. Most end near it, few at the top: heights are drawn squared.
    """
    tops = np.where(materials == Material.GRASS, np.float32(grass_m), RELIEFS_M[materials])
    lift = tops * rng.random(len(ranges_m), np.float32) ** 2
    return ranges_m - np.minimum(lift / np.maximum(facing, np.float32(_FLATTEST)), _NEARER * ranges_m)
