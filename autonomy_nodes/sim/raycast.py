"""What a ray meets first in a world: still things in one scene built once, each mover in its own frame.

A mover's mesh is built once a shape; a frame transforms the rays that may meet it, so nothing is rebuilt and a mover
may move while the rays of a sweep are cast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.sim.ground import CANVAS_CELL_M, Canvas, stripes
from autonomy_nodes.sim.materials import GROUND_SEMANTICS, Material, Semantic
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.triangles import Triangles
from autonomy_nodes.sim.world import Colour, World

NOBODY = -1
_ONE_PLACE_M = 4.0  # origins so near to one another, as those of a sweep, are one place for a first look


@dataclass(frozen=True, eq=False)
class Body:
    """A mover at one moment.

    number: given back in `Hits.body`. map_from_body: (4, 4) at time 0 of the rays; its origin moves with velocity_mps
    (3,) and turns about z with turn_rps. only: indices of the rays that can meet it at all, where that is known.
    """

    number: int
    mesh: Mesh
    map_from_body: np.ndarray
    tint: Colour = (0.5, 0.5, 0.5)
    semantic: Semantic = Semantic.ACTOR
    velocity_mps: np.ndarray = field(default_factory=lambda: np.zeros(3))
    turn_rps: float = 0.0
    only: np.ndarray | None = None


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
    triangles: Triangles
    mesh: Mesh
    centre: np.ndarray
    radius: float


class Rays:
    """Casts rays into one world. weather: the air in it. grass_m: height of its grass."""

    def __init__(self, world: World) -> None:
        self.weather, self.grass_m = world.weather, world.grass_m
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
        self._triangles = Triangles(vertices - self._origin, faces)
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
        flight = _flight(np.asarray(origins, float) - self._origin, directions, times_s)
        hits = self._still(flight, limit_m)
        for body in bodies:
            self._meet(body, flight, hits)
        away = hits.ranges_m >= limit_m
        hits.ranges_m[away], hits.semantics[away] = np.inf, Semantic.NOTHING
        facing = np.einsum('ij,ij->i', hits.normals, flight.aims) > 0.0
        length = np.maximum(np.linalg.norm(hits.normals, axis=1), 1e-12)
        hits.normals[:] /= np.where(facing, -length, length)[:, None]
        return hits

    def blocked(
        self, origins: np.ndarray, directions: np.ndarray, bodies: Sequence[Body], limit_m: float
    ) -> np.ndarray:
        """Return (N,) whether rays from (N, 3) in map along unit (N, 3) meet anything within `limit_m`."""
        flight = _flight(origins - self._origin, directions, None)
        limits = np.full(len(directions), limit_m, np.float32)
        found = self._triangles.blocked(flight.origins, flight.aims, limits)
        for body in bodies:
            shape, middle = self._shape(body.mesh), body.map_from_body[:3, 3] - self._origin
            turn = np.ascontiguousarray(body.map_from_body[:3, :3], np.float32)
            near = _towards(body.map_from_body[:3, :3] @ shape.centre + middle, shape.radius, flight, limits)
            near = near[~found[near]]
            start, aim = (flight.origins[near] - middle.astype(np.float32)) @ turn, flight.aims[near] @ turn
            if len(near):
                found[near] = shape.triangles.blocked(start, aim, limits[near])
        return found

    def _still(self, flight: '_Flight', limit_m: float) -> Hits:
        """Return what the rays meet of what stands still, at most at `limit_m`; normals of any length."""
        count = len(flight.aims)
        limits = np.full(count, limit_m, np.float32)
        face, ranges, normals = self._triangles.first(flight.origins, flight.aims, limits)
        hit = face >= 0
        face, ranges = np.where(hit, face, 0), np.where(hit, ranges, limits)
        materials, owner = self._materials[face], self._owner[face]
        ground = hit & (face < self._ground_faces)
        xy = flight.origins[ground, :2] + ranges[ground, None] * flight.aims[ground, :2] + self._origin[:2]
        materials[ground] = self._canvas.look_up(xy, materials[ground])
        semantics = np.where(ground, GROUND_SEMANTICS[materials], self._semantics[owner])
        return Hits(ranges, normals, materials, semantics, np.full(count, NOBODY, np.int32), self._tints[owner])

    def _meet(self, body: Body, flight: '_Flight', hits: Hits) -> None:
        """Note in `hits` where a mover is nearer than what was met so far."""
        shape, to_map, times = self._shape(body.mesh), body.map_from_body, flight.times_s
        span = 0.0 if times is None else float(np.abs(times).max(initial=0.0))
        reach = shape.radius + span * float(np.linalg.norm(body.velocity_mps) + 1.0)
        turn, middle = np.ascontiguousarray(to_map[:3, :3], np.float32), to_map[:3, 3] - self._origin
        near = body.only
        if near is None:
            near = _towards(to_map[:3, :3] @ shape.centre + middle, reach, flight, hits.ranges_m)
        if not len(near):
            return
        start, aim = flight.origins[near] - middle.astype(np.float32), flight.aims[near]
        if times is not None:
            start -= times[near, None] * body.velocity_mps.astype(np.float32)
            start, aim = (_unturned(vectors, body.turn_rps * times[near]) for vectors in (start, aim))
        start, aim = start @ turn, aim @ turn
        face, ranges, normal = shape.triangles.first(start, aim, hits.ranges_m[near])
        hit = face >= 0
        where, face = near[hit], face[hit]
        normal = normal[hit] @ np.ascontiguousarray(turn.T)
        if times is not None:
            normal = _unturned(normal, -body.turn_rps * times[where])
        hits.ranges_m[where], hits.materials[where] = ranges[hit], body.mesh.materials[face]
        hits.normals[where], hits.tints[where] = normal, body.tint
        hits.semantics[where], hits.bodies[where] = body.semantic, body.number

    def _shape(self, mesh: Mesh) -> _Shape:
        if id(mesh) not in self._shapes:
            low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            centre = 0.5 * (low + high)
            radius = float(np.linalg.norm(mesh.vertices - centre, axis=1).max())
            self._shapes[id(mesh)] = _Shape(Triangles(mesh.vertices, mesh.faces), mesh, centre, radius)
        return self._shapes[id(mesh)]


@dataclass(frozen=True, eq=False)
class _Flight:
    """Rays about the middle of the world. origins, aims: (N, 3) float32; spread_m: how far the origins lie apart."""

    origins: np.ndarray
    aims: np.ndarray
    times_s: np.ndarray | None
    spread_m: float


def _flight(origins: np.ndarray, directions: np.ndarray, times_s: np.ndarray | None) -> _Flight:
    local = np.ascontiguousarray(np.broadcast_to(origins, directions.shape), np.float32)
    spread = max(float(np.ptp(axis)) for axis in local.T) if origins.ndim == 2 and len(local) else 0.0
    times = None if times_s is None else np.asarray(times_s, np.float32)
    return _Flight(local, np.ascontiguousarray(directions, np.float32), times, spread)


def _towards(centre: np.ndarray, reach_m: float, flight: _Flight, ranges: np.ndarray) -> np.ndarray:
    """Return the indices of the rays that may meet a ball before what they met so far."""
    if not len(ranges):
        return np.zeros(0, int)
    if flight.spread_m < _ONE_PLACE_M:
        away, reach_m = (centre - flight.origins[0]).astype(np.float32), reach_m + 2.0 * flight.spread_m
        distance = float(np.linalg.norm(away))
        if distance - reach_m > ranges.max():
            return np.zeros(0, int)
        if distance <= reach_m:
            return np.arange(len(ranges))
        near = np.flatnonzero(flight.aims @ away > 0.9999 * math.sqrt(distance**2 - reach_m**2))
        return near[ranges[near] > distance - reach_m]
    offsets = centre.astype(np.float32) - flight.origins
    along = np.einsum('ij,ij->i', offsets, flight.aims)
    beside = np.einsum('ij,ij->i', offsets, offsets) - along**2
    return np.flatnonzero((beside < reach_m**2 + 0.1) & (along > -reach_m) & (along - reach_m < ranges))


def _unturned(vectors: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return (N, 3) vectors turned about z by -angles (N,)."""
    cos, sin = np.cos(angles), np.sin(angles)
    x, y = vectors[:, 0], vectors[:, 1]
    return np.stack([cos * x + sin * y, cos * y - sin * x, vectors[:, 2]], axis=-1)


def meeting(mesh: Mesh, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the indices of the rays, from (3,) along (N, 3), that meet a mesh, all in its own frame."""
    origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
    limits = np.full(len(directions), np.inf, np.float32)
    aims = np.ascontiguousarray(directions, np.float32)
    return np.flatnonzero(Triangles(mesh.vertices, mesh.faces).blocked(origins, aims, limits))


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
