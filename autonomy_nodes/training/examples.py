"""What a network learns from: a sweep, the one before, and all that is true of them, in base_link of the sweep."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Example:
    """One sweep with its truth. Cells are those of perception/bev.py at CELL_M.

    points: (N, 4) float32 x y z intensity (0 to 1). before: (M, 4), the sweep 0.1 s earlier, moved into the same
    base_link (empty where there is none). sensor_m: (3,) where the LiDAR sits.
    boxes: (B, 9) middle x y z, length width height, heading, velocity over ground x y. kinds: (B,) place in
    bev.CLASSES. hits: (B,) how many points of the sweep lie on each. shares: (B,) which part of the rays towards it met
    it (1: nothing hides it).
    semantics: (N,) `Semantic` of what each point lies on; bodies: (N,) its row in boxes, -1 for none.
    ground_m: (X, Y) true height of the ground, NaN where none is known. terrain: (X, Y) place in bev.TERRAIN of what
    the cell is of, 255 where not known; what stands on the ground counts before it. top_m: (X, Y) height of the highest
    obstacle up to bev.HIGH_M above the ground, 0 where free. blocked: (X, Y) whether no vehicle may enter: obstacles
    above 0.25 m, moving or not, water, holes and ditches; low plants are not.
    """

    points: np.ndarray
    before: np.ndarray
    sensor_m: np.ndarray
    boxes: np.ndarray
    kinds: np.ndarray
    hits: np.ndarray
    shares: np.ndarray
    semantics: np.ndarray
    bodies: np.ndarray
    ground_m: np.ndarray
    terrain: np.ndarray
    top_m: np.ndarray
    blocked: np.ndarray
