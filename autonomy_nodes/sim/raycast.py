"""What a ray meets first in a world: still things in one scene built once, each mover in its own frame.

A mover's mesh is built once a shape; a frame transforms the rays that may meet it, so nothing is rebuilt and a mover
may move while the rays of a sweep are cast. Embree (through embreex) finds the triangles, in single precision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from autonomy_nodes.sim.ground import CANVAS_CELL_M, Canvas, stripes
from autonomy_nodes.sim.materials import GROUND_SEMANTICS, Material, Semantic
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.world import Colour, World

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Body:
    """A mover at one moment.

    number: given back in `Hits.body`. map_from_body: (4, 4) at time 0 of the rays; its origin moves with velocity_mps
    (3,) and turns about z with turn_rps.
    """

    number: int
    mesh: Mesh
    map_from_body: np.ndarray
    tint: Colour = (0.5, 0.5, 0.5)
    semantic: Semantic = Semantic.ACTOR
    velocity_mps: np.ndarray = field(default_factory=lambda: np.zeros(3))
    turn_rps: float = 0.0


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays met.

    ranges_m: (N,) inf where nothing. normals: (N, 3) unit, towards the ray's origin. materials: (N,) `Material`.
    semantics: (N,) `Semantic`. bodies: (N,) number of the mover, or NOBODY. tints: (N, 3) colour of tinted materials.
    """

    ranges_m: np.ndarray
    normals: np.ndarray
    materials: np.ndarray
    semantics: np.ndarray
    bodies: np.ndarray
    tints: np.ndarray


@dataclass(frozen=True, eq=False)
class _Shape:
    scene: EmbreeScene
    mesh: Mesh
    centre: np.ndarray
    radius: float


def _scene_of(mesh: Mesh) -> EmbreeScene:
    scene = EmbreeScene()
    TriangleMesh(scene, mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    return scene


class Rays:
    """Casts rays into one world."""

    def __init__(self, world: World) -> None:
        ground = world.ground.mesh()
        meshes = [ground, *(solid.mesh for solid in world.solids)]
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        vertices = np.concatenate([mesh.vertices for mesh in meshes])
        faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts)])
        self._materials = np.concatenate([mesh.materials for mesh in meshes])
        self._ground_faces = len(ground.faces)
        owner = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
        self._owner = owner.astype(np.int32)
        self._semantics = np.array([Semantic.NOTHING, *(solid.semantic for solid in world.solids)], np.uint8)
        self._tints = np.array([(0.5, 0.5, 0.5), *(solid.tint for solid in world.solids)], np.float32)
        # about the middle of the world, where single precision is finest
        self._origin = np.array(
            [*(world.ground.origin_m + world.ground.size_m / 2), float(ground.vertices[:, 2].mean())]
        )
        self._scene = _scene_of(Mesh(vertices - self._origin, faces, self._materials))
        self._canvas = canvas_of(world)
        self._shapes: dict[int, _Shape] = {}

    def cast(
        self,
        origins: np.ndarray,
        directions: np.ndarray,
        bodies: Sequence[Body] = (),
        limit_m: float = 200.0,
        times_s: np.ndarray | None = None,
    ) -> Hits:
        """Return what rays from (N, 3) or (3,) in map along unit (N, 3) meet within `limit_m`.

        times_s: (N,) when each ray is sent, for bodies that move; None: all at 0.
        """
        local = np.broadcast_to(np.asarray(origins, float) - self._origin, directions.shape).astype(np.float32)
        aims = np.ascontiguousarray(directions, np.float32)
        limits = np.full(len(aims), limit_m, np.float32)
        found = self._scene.run(np.ascontiguousarray(local), aims, limits, output=1)
        hit = found['primID'] >= 0
        face = np.where(hit, found['primID'], 0)
        ranges = np.where(hit, found['tfar'], np.float32(limit_m))
        normals, materials = found['Ng'], self._materials[face]
        ground = hit & (face < self._ground_faces)
        owner = self._owner[face]
        xy = local[ground, :2] + ranges[ground, None] * aims[ground, :2] + self._origin[:2]
        materials[ground] = self._canvas.look_up(xy, materials[ground])
        semantics = np.where(ground, GROUND_SEMANTICS[materials], self._semantics[owner])
        tints, owners = self._tints[owner], np.full(len(aims), NOBODY, np.int32)
        for body in bodies:
            self._meet(body, local, aims, times_s, ranges, normals, materials, semantics, owners, tints)
        away = ranges >= limit_m
        ranges[away], semantics[away] = np.inf, Semantic.NOTHING
        facing = np.einsum('ij,ij->i', normals, aims) > 0.0
        length = np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
        normals = normals / np.where(facing, -length, length)[:, None]
        return Hits(ranges, normals, materials, semantics, owners, tints)

    def _meet(
        self,
        body: Body,
        origins: np.ndarray,
        aims: np.ndarray,
        times_s: np.ndarray | None,
        ranges: np.ndarray,
        normals: np.ndarray,
        materials: np.ndarray,
        semantics: np.ndarray,
        owners: np.ndarray,
        tints: np.ndarray,
    ) -> None:
        """Note, in the arrays, where a mover is nearer than what was met so far."""
        shape = self._shape(body.mesh)
        to_map = body.map_from_body
        span = 0.0 if times_s is None else float(np.abs(times_s).max(initial=0.0))
        reach = shape.radius + span * float(np.linalg.norm(body.velocity_mps) + 1.0)
        away = to_map[:3, :3] @ shape.centre + to_map[:3, 3] - self._origin - origins[0]
        distance = float(np.linalg.norm(away))
        if distance - reach > ranges.max(initial=0.0):
            return
        near = np.arange(len(aims))
        if distance > reach:
            near = np.flatnonzero(aims @ away.astype(np.float32) > np.sqrt(distance**2 - reach**2) * 0.9999)
            near = near[ranges[near] > distance - reach]
        if not len(near):
            return
        start, aim, turn = origins[near].astype(float), aims[near].astype(float), to_map[:3, :3]
        start = start + self._origin - to_map[:3, 3]
        if times_s is not None:
            start = start - times_s[near, None] * body.velocity_mps
            start, aim = (_unturned(vectors, body.turn_rps * times_s[near]) for vectors in (start, aim))
        found = shape.scene.run(
            (start @ turn).astype(np.float32),
            (aim @ turn).astype(np.float32),
            ranges[near].astype(np.float32),
            output=1,
        )
        hit = found['primID'] >= 0
        where, face = near[hit], found['primID'][hit]
        ranges[where], materials[where] = found['tfar'][hit], body.mesh.materials[face]
        normal = found['Ng'][hit] @ turn.T
        if times_s is not None:
            normal = _unturned(normal, -body.turn_rps * times_s[where])
        normals[where], semantics[where], owners[where], tints[where] = normal, body.semantic, body.number, body.tint

    def _shape(self, mesh: Mesh) -> _Shape:
        if id(mesh) not in self._shapes:
            low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            centre = 0.5 * (low + high)
            radius = float(np.linalg.norm(mesh.vertices - centre, axis=1).max())
            self._shapes[id(mesh)] = _Shape(_scene_of(mesh), mesh, centre, radius)
        return self._shapes[id(mesh)]


def _unturned(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return (N, 3) vectors turned about z by -angles (N,)."""
    cos, sin = np.cos(angles), np.sin(angles)
    x, y = vectors[:, 0], vectors[:, 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x, vectors[:, 2]], axis=-1)


def canvas_of(world: World) -> Canvas:
    """Return the areas and the paint of a world, drawn."""
    canvas = Canvas(world.ground.origin_m, world.ground.size_m)
    for area in world.areas:
        canvas.draw(area.polygon, Material(area.material))
    for number, paint in enumerate(world.paint):
        narrowed = max(paint.width_m - CANVAS_CELL_M, 0.01)  # filling covers the cells of the rim too
        for polygon in stripes(paint.line, narrowed, paint.on_m, paint.off_m):
            canvas.draw(polygon, paint.material, paint.wear, seed=world.seed * 1009 + number)
    return canvas
