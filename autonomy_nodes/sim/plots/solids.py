"""What a thing on a plot is, and what most of them are made of."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh, tube


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing about the origin, standing on z = 0. footprint: (M, 2) convex outline of what is hit; empty for none."""

    mesh: Mesh
    semantic: Semantic
    footprint: np.ndarray

    @property
    def reach_m(self) -> float:
        """Radius about the origin in which it stands."""
        return float(np.linalg.norm(self.footprint, axis=1).max()) if len(self.footprint) else 0.6


def outline(mesh: Mesh) -> np.ndarray:
    """Return the convex outline of what stands below 2 m, seen from above."""
    points = mesh.vertices[mesh.vertices[:, 2] < 2.0, :2]
    return points[ConvexHull(points).vertices] if len(points) > 2 else np.zeros((0, 2))


def solid(mesh: Mesh, semantic: Semantic = Semantic.STRUCTURE) -> Thing:
    """Return a thing of a mesh that is hit."""
    return Thing(mesh, semantic, outline(mesh))


def rod(height: float, radius: float, material: Material = Material.METAL, sides: int = 6) -> Mesh:
    """Return an upright rod that is thinner above."""
    return tube(np.array([[0, 0, -0.2], [0, 0, height]]), (radius, 0.75 * radius), material, sides)
