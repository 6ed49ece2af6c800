"""Triangle meshes and the few solids from which shapes are put together. The outside is where a face turns left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.sim.materials import Material


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles. vertices: (V, 3) [m]; faces: (F, 3) int32 rows of vertices; materials: (F,) uint8 `Material`."""

    vertices: np.ndarray
    faces: np.ndarray
    materials: np.ndarray

    def placed(self, parent_from_mesh: np.ndarray) -> 'Mesh':
        """Return the mesh in another frame; (4, 4)."""
        vertices = self.vertices @ parent_from_mesh[:3, :3].T + parent_from_mesh[:3, 3]
        return Mesh(vertices, self.faces, self.materials)

    def shifted(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> 'Mesh':
        """Return the mesh moved along the axes."""
        return Mesh(self.vertices + (x, y, z), self.faces, self.materials)

    def turned(self, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0) -> 'Mesh':
        """Return the mesh turned about the fixed axes."""
        (cr, cp, cy), (sr, sp, sy) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
        about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return Mesh(self.vertices @ (about_z @ about_y @ about_x).T, self.faces, self.materials)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh of many."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts)]).astype(np.int32),
        np.concatenate([mesh.materials for mesh in meshes]),
    )


def loft(sections: np.ndarray, materials: np.ndarray | Material, closed: bool = True, caps: bool = True) -> Mesh:
    """Return the skin through sections, each a ring of points seen turning left against the direction of the row.

    sections: (S, P, 3). materials: one, or (S - 1, P) a material for each patch between sections.
    closed: whether the last point of a section joins the first. caps: whether the ends are shut.
    """
    count, points = sections.shape[:2]
    sides = points if closed else points - 1
    row, side = (index.ravel() for index in np.meshgrid(np.arange(count - 1), np.arange(sides), indexing='ij'))
    a, b = row * points + side, row * points + (side + 1) % points
    faces = [np.stack([a, b, b + points], axis=-1), np.stack([a, b + points, a + points], axis=-1)]
    patch = np.broadcast_to(np.asarray(materials, np.uint8), (count - 1, sides)).ravel()
    kinds = [patch, patch]
    if caps:
        fan = np.stack([np.zeros(points - 2, int), np.arange(2, points), np.arange(1, points - 1)], axis=-1)
        faces += [fan, fan[:, [0, 2, 1]] + (count - 1) * points]
        kinds += [np.full(points - 2, patch[0]), np.full(points - 2, patch[-sides])]
    return Mesh(sections.reshape(-1, 3), np.concatenate(faces).astype(np.int32), np.concatenate(kinds).astype(np.uint8))


def box(length: float, width: float, height: float, material: Material) -> Mesh:
    """Return a box that stands on z = 0, its middle above the origin."""
    y, z = np.array([-1, 1, 1, -1]) * width / 2, np.array([0, 0, 1, 1]) * height
    ring = np.stack([np.zeros(4), y, z], axis=-1)
    return loft(np.stack([ring - (length / 2, 0, 0), ring + (length / 2, 0, 0)]), material)


def tube(path: np.ndarray, radius: Sequence[float] | float, material: Material, sides: int = 8) -> Mesh:
    """Return a round rod along (S, 3) points, with a radius at each."""
    path = np.asarray(path, float)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    helper = np.where(np.abs(along[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    across = np.cross(helper, along)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(along, across)
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    radii = np.broadcast_to(np.asarray(radius, float), len(path))
    ring = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * up[:, None]  # (S, P, 3)
    return loft(path[:, None] + ring * radii[:, None, None], material)


def ellipsoid(radii: tuple[float, float, float], material: Material, sides: int = 8, rings: int = 5) -> Mesh:
    """Return an ellipsoid about the origin."""
    polar = np.linspace(-0.5 * np.pi, 0.5 * np.pi, rings + 2)
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], axis=-1)
    sections = np.cos(polar)[:, None, None] * ring + np.sin(polar)[:, None, None] * np.array([0.0, 0.0, 1.0])
    return loft(sections * np.array(radii), material, caps=False)


def leaves(points: np.ndarray, size_m: float, material: Material, rng: np.random.Generator) -> Mesh:
    """Return one randomly turned triangle at each of (N, 3) points: foliage that a beam may pass through."""
    corners = rng.normal(size=(len(points), 3, 3))
    corners *= size_m / np.linalg.norm(corners, axis=2, keepdims=True)
    vertices = (points[:, None] + corners).reshape(-1, 3)
    return Mesh(
        vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3), np.full(len(points), material, np.uint8)
    )


def ribbon(path: np.ndarray, profile: np.ndarray, materials: Sequence[Material]) -> Mesh:
    """Return a strip that follows a line: curb, sidewalk, guard rail.

    path: (N, 3). profile: (P, 2) offset to the left of the path and height above it; materials: P - 1.
    """
    along = np.gradient(path[:, :2], axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    left = np.stack([-along[:, 1], along[:, 0], np.zeros(len(path))], axis=-1)
    up = np.array([0.0, 0.0, 1.0])
    sections = path[:, None] + profile[None, :, :1] * left[:, None] + profile[None, :, 1:] * up  # (N, P, 3)
    return loft(sections, np.array([materials], np.uint8), closed=False, caps=False)
