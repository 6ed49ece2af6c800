"""Triangles into which rays are cast. Embree (through embreex) finds what they meet, in single precision."""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

Met = tuple[np.ndarray, np.ndarray, np.ndarray]


class Triangles:
    """One set of triangles; rays are told in its frame, (N, 3) float32 each, contiguous."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._scene = EmbreeScene()
        vertices, faces = np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32)
        self._mesh = TriangleMesh(self._scene, vertices, faces)

    def first(self, origins: np.ndarray, aims: np.ndarray, limits_m: np.ndarray) -> Met:
        """Return the face that each ray meets first within its limit (N,), -1 for none, its range, the face's normal.

        Normals (N, 3) are of any length and to either side. Range and normal mean nothing where nothing is met.
        """
        found = self._scene.run(origins, aims, limits_m, output=1)
        return found['primID'], found['tfar'], found['Ng']

    def blocked(self, origins: np.ndarray, aims: np.ndarray, limits_m: np.ndarray) -> np.ndarray:
        """Return (N,) whether rays meet anything within their limit (N,)."""
        return np.asarray(self._scene.run(origins, aims, limits_m, query='OCCLUDED') >= 0)
