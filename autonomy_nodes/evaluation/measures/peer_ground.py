"""Patchwork++ (Lee et al., IROS 2022) as its Python package gives it: the ground that ours is measured against.

All settings are its own; it is told how high the LiDAR sits and nothing else.
"""

import time
from importlib import import_module, metadata
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.measures.quiet import silenced

NAME = 'pypatchworkpp'


def version() -> str:
    """Return which one is installed, '' for none."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return ''


class Patchwork:
    """Each sweep is the first that it sees: what it would learn from sweep to sweep, single ones do not offer."""

    def __init__(self) -> None:
        self._library: Any = import_module(NAME)

    def ground(self, xyz: np.ndarray, intensity: np.ndarray, sensor_m: np.ndarray) -> tuple[np.ndarray, float]:
        """Return (N,) whether each point of (N, 3), in base_link, is ground, and the CPU time that it took [s]."""
        settings = self._library.Parameters()
        settings.sensor_height = float(sensor_m[2])
        with silenced():
            peer = self._library.patchworkpp(settings)
        rows = (xyz - sensor_m).astype(np.float32)
        if intensity.any():  # without any it cannot tell reflections
            rows = np.column_stack([rows, intensity.astype(np.float32)])
        with silenced():
            start = time.process_time()
            peer.estimateGround(rows)
            found = np.asarray(peer.getGroundIndices())
            spent_s = time.process_time() - start
        ground = np.zeros(len(xyz), bool)
        ground[found.astype(int)] = True
        return ground, spent_s
