"""What a LiDAR sees of a plot: one scene of all that stands, a small one of those who move, cast with few copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.sim.materials import GROUND_SEMANTICS, REFLECTIVITIES, Material, Semantic
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.plots.plot import Plot
from autonomy_nodes.sim.plots.relief import Relief
from autonomy_nodes.sim.plots.rigs import Rig, behind_body
from autonomy_nodes.sim.plots.users import UPRIGHT, User, body
from autonomy_nodes.sim.texture import sooner
from autonomy_nodes.sim.triangles import Triangles

NOBODY = -1
_THROUGH = 0.75  # share of the rays that glass lets pass
_NEAREST_M = 0.9
GROUND = -2


@dataclass(frozen=True, eq=False)
class Seen:
    """A sweep in base_link. points: (N, 4) float32; semantics: (N,) `Semantic`; bodies: (N,) number or NOBODY.

    first: (C * B,) number of whom each ray met first, whether or not it returned.
    """

    points: np.ndarray
    semantics: np.ndarray
    bodies: np.ndarray
    first: np.ndarray


@dataclass(frozen=True, eq=False)
class Faces:
    """Triangles that rays meet, and what each face is of. users: number, who and pose in map of all who own faces."""

    triangles: Triangles
    reflectances: np.ndarray
    materials: np.ndarray
    semantics: np.ndarray
    owners: np.ndarray
    users: Sequence[tuple[int, User, np.ndarray]] = ()


def poses_of(relief: Relief, users: Sequence[User], before_s: float = 0.0) -> np.ndarray:
    """Return (K, 4, 4) poses in map, so many seconds before; on wheels along the ground, others upright."""
    if not users:
        return np.zeros((0, 4, 4))
    places = np.array([user.place for user in users])
    yaw = relief.heading(places)
    back = np.array([user.speed_mps for user in users]) * before_s
    xy = relief.to_map(places[:, 0], places[:, 1]) - back[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    upright = np.array([user.label in UPRIGHT for user in users])
    return standing(relief, xy, yaw, np.array([user.size for user in users]), upright)


def standing(relief: Relief, xy: np.ndarray, yaw: np.ndarray, sizes: np.ndarray, upright: np.ndarray) -> np.ndarray:
    """Return (K, 4, 4) poses in map of bodies with their middles at (K, 2) xy; sizes: (K, 3)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    ahead, left = np.stack([cos, sin], axis=-1), np.stack([-sin, cos], axis=-1)
    along, across = 0.32 * sizes[:, :1] * ahead, 0.42 * sizes[:, 1:2] * left
    offsets = np.stack([along + across, along - across, across - along, -along - across, 0.0 * along], axis=1)
    z = relief.height(xy[:, None] + offsets)  # (K, 5)
    pitch = np.where(upright, 0.0, (z[:, 0] + z[:, 1] - z[:, 2] - z[:, 3]) / (4.0 * 0.32 * sizes[:, 0]))
    roll = np.where(upright, 0.0, (z[:, 0] + z[:, 2] - z[:, 1] - z[:, 3]) / (4.0 * 0.42 * sizes[:, 1]))
    poses = np.zeros((len(xy), 4, 4))
    first, second = np.column_stack([ahead, pitch]), np.column_stack([left, roll])
    up = np.cross(first, second)
    poses[:, :3, 2] = up / np.linalg.norm(up, axis=1, keepdims=True)
    poses[:, :3, 0] = first / np.linalg.norm(first, axis=1, keepdims=True)
    poses[:, :3, 1] = np.cross(poses[:, :3, 2], poses[:, :3, 0])
    poses[:, :2, 3], poses[:, 2, 3] = xy, np.where(upright, z[:, 4], z[:, :4].mean(axis=1))
    poses[:, 3, 3] = 1.0
    return poses


def bodies_faces(movers: Sequence[tuple[int, User, np.ndarray]]) -> Faces | None:
    """Return the triangles of (number, user, pose in map), None of nobody."""
    if not movers:
        return None
    meshes, counts = [], []
    for _, user, pose in movers:
        mesh = body(user.kind, user.variant).mesh
        meshes.append((mesh.vertices @ (pose[:3, :3] * user.scale).T + pose[:3, 3], mesh.faces, mesh.materials))
        counts.append(len(mesh.faces))
    starts = np.cumsum([0, *(len(vertices) for vertices, _, _ in meshes)])
    faces = np.concatenate([faces + start for (_, faces, _), start in zip(meshes, starts)])
    materials = np.concatenate([kinds for _, _, kinds in meshes])
    shine = np.concatenate([user.reflectances(REFLECTIVITIES) for _, user, _ in movers])
    owners = np.repeat([number for number, _, _ in movers], counts).astype(np.int32)
    semantics = np.full(len(owners), Semantic.ACTOR, np.uint8)
    triangles = Triangles(np.concatenate([v for v, _, _ in meshes]), faces)
    return Faces(triangles, shine, materials, semantics, owners, tuple(movers))


def still_faces(plot: Plot, poses: np.ndarray) -> Faces:
    """Return all triangles that stand still; parked users, with poses (K, 4, 4), have the numbers of their order."""
    ground = plot.relief.mesh()
    things = [placed.mesh() for placed in plot.placed]
    meshes: list[Mesh] = [ground, *things]
    shine = [REFLECTIVITIES[ground.materials], *(placed.reflectances() for placed in plot.placed)]
    semantics = [GROUND_SEMANTICS[ground.materials]]
    semantics += [np.full(len(m.faces), p.thing.semantic, np.uint8) for m, p in zip(things, plot.placed)]
    owners = [np.full(len(ground.faces), GROUND), *(np.full(len(mesh.faces), NOBODY) for mesh in things)]
    for number, (user, pose) in enumerate(zip(plot.parked, poses)):
        mesh = body(user.kind, user.variant).mesh
        meshes.append(Mesh(mesh.vertices @ (pose[:3, :3] * user.scale).T + pose[:3, 3], mesh.faces, mesh.materials))
        shine.append(user.reflectances(REFLECTIVITIES))
        semantics.append(np.full(len(mesh.faces), Semantic.ACTOR, np.uint8))
        owners.append(np.full(len(mesh.faces), number))
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32)
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts)]).astype(np.int32)
    columns = (
        np.concatenate(shine).astype(np.float32), np.concatenate([mesh.materials for mesh in meshes]),
        np.concatenate(semantics).astype(np.uint8), np.concatenate(owners).astype(np.int32),
    )  # fmt: skip
    users = [(number, user, pose) for number, (user, pose) in enumerate(zip(plot.parked, poses))]
    return Faces(Triangles(vertices, faces), *columns, users)


@dataclass(eq=False)
class _Met:
    """What rays met: ranges [m], reflectances times cosine, cosines, materials, semantics, owners; each (N,)."""

    ranges: np.ndarray
    light: np.ndarray
    facing: np.ndarray
    materials: np.ndarray
    semantics: np.ndarray
    owners: np.ndarray


def _cast(faces: Faces, origins: np.ndarray, aims: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return which rays met something, and of these what `_Met` holds, in its order."""
    face, ranges, normal = faces.triangles.first(origins, aims, limits)
    rows = np.flatnonzero(face >= 0)
    face, normal = face[rows], normal[rows]
    facing = np.abs(np.einsum('ij,ij->i', normal, aims[rows]))
    facing /= np.maximum(np.sqrt(np.einsum('ij,ij->i', normal, normal)), 1e-9)
    light = faces.reflectances[face] * (0.25 + 0.75 * facing)
    return rows, ranges[rows], light, facing, faces.materials[face], faces.semantics[face], faces.owners[face]


class Sight:
    """Casts sweeps into one plot. parked: (K, 4, 4) poses in map of who parks there."""

    def __init__(self, plot: Plot) -> None:
        self._relief, self._grass_m = plot.relief, plot.grass_m
        self.parked = poses_of(plot.relief, plot.parked)
        self.everything = still_faces(plot, self.parked)

    def sweep(
        self, rig: Rig, map_from_base: np.ndarray, movers: Faces | None, mask: np.ndarray, rng: np.random.Generator
    ) -> Seen:
        """Return what a LiDAR reports. mask: (C,) the columns in which movers may be met."""
        turn = map_from_base[:3, :3].astype(np.float32)
        origin = (map_from_base[:3, :3] @ rig.at_m + map_from_base[:3, 3]).astype(np.float32)
        behind = behind_body(rig)
        free = np.flatnonzero(~behind)
        aims = np.ascontiguousarray(rig.directions[free] @ turn.T)
        met = self._look(origin, aims, movers, np.flatnonzero(mask[free // rig.shape[1]]), rig.farthest_m)
        first = np.full(len(rig.directions), NOBODY, np.int32)
        first[free] = np.maximum(met.owners, NOBODY)
        self._through(met, origin, aims, movers, rig.farthest_m, rng)
        ground = np.flatnonzero(met.owners == GROUND)
        met.ranges[ground] = sooner(
            met.ranges[ground], met.facing[ground], met.materials[ground], self._grass_m, rng
        )
        seen = _reported(met, rig, free, first, rng)
        return _with_own(seen, rig, behind, rng)

    def _look(
        self, origin: np.ndarray, aims: np.ndarray, movers: Faces | None, rows: np.ndarray, limit_m: float
    ) -> _Met:
        count = len(aims)
        origins = np.ascontiguousarray(np.broadcast_to(origin, aims.shape))
        met = _Met(
            np.full(count, np.inf, np.float32), np.zeros(count, np.float32), np.zeros(count, np.float32),
            np.zeros(count, np.uint8), np.zeros(count, np.uint8), np.full(count, NOBODY, np.int32),
        )  # fmt: skip
        hit, *values = _cast(self.everything, origins, aims, np.full(count, limit_m, np.float32))
        _note(met, hit, values)
        ground = hit[values[5] == GROUND]
        xy = origin[:2] + met.ranges[ground, None] * aims[ground, :2]
        before = met.materials[ground]
        after = self._relief.painted(xy, before)
        met.light[ground] *= REFLECTIVITIES[after] / REFLECTIVITIES[before]
        met.materials[ground] = after
        if movers is not None and len(rows):
            limits = np.minimum(met.ranges[rows], np.float32(limit_m))
            hit, *values = _cast(movers, origins[rows], np.ascontiguousarray(aims[rows]), limits)
            _note(met, rows[hit], values)
        return met

    def _through(
        self, met: _Met, origin: np.ndarray, aims: np.ndarray, movers: Faces | None, limit_m: float,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Let most rays that met glass go on, once, in place."""
        glass = np.flatnonzero((met.materials == Material.GLASS) & np.isfinite(met.ranges))
        glass = glass[rng.random(len(glass)) < _THROUGH]
        if not len(glass):
            return
        done = met.ranges[glass] + np.float32(0.03)
        starts, on = origin + done[:, None] * aims[glass], np.ascontiguousarray(aims[glass])
        met.ranges[glass], met.owners[glass] = np.inf, NOBODY
        for faces in (self.everything, movers):
            if faces is None:
                continue
            limits = np.minimum(met.ranges[glass] - done, np.float32(limit_m))
            hit, ranges, light, *values = _cast(faces, starts, on, limits)
            _note(met, glass[hit], [ranges + done[hit], 0.5 * light, *values])


def _note(met: _Met, rows: np.ndarray, values: Sequence[np.ndarray]) -> None:
    for kept, value in zip(vars(met).values(), values):
        kept[rows] = value


def _reported(met: _Met, rig: Rig, free: np.ndarray, first: np.ndarray, rng: np.random.Generator) -> Seen:
    """Return what comes back of what rays met: noise, losses, mixed points at edges."""
    count, ranges = len(free), met.ranges.copy()
    luck, lost = rng.random(count, np.float32), rng.random(count, np.float32)
    blurred = np.zeros(count, bool)
    if rig.mixed > 0.0:
        whole = np.full(len(rig.directions), np.inf, np.float32)
        whole[free] = met.ranges
        follows = np.roll(whole, -rig.shape[1])[free]
        with np.errstate(invalid='ignore'):
            step = np.abs(follows - met.ranges)
        blurred = (step > 0.4) & (step < 6.0) & (lost < rig.mixed)
        share = lost[blurred] / rig.mixed
        ranges[blurred] += share * (follows[blurred] - ranges[blurred])
    strength = met.light / 0.1 * (rig.half_lost_m / np.maximum(ranges, 1.0)) ** 2
    kept = (luck < 1.0 - np.exp2(-strength)) & (rng.random(count, np.float32) >= rig.dropout)
    kept &= (ranges > _NEAREST_M) & (ranges < rig.farthest_m)
    rows = np.flatnonzero(kept)
    ranges = ranges[rows] + rig.range_noise_m * rng.standard_normal(len(rows), np.float32)
    xyz = rig.directions[free[rows]] * ranges[:, None] + rig.at_m.astype(np.float32)
    light = met.light[rows] * rig.tastes[met.materials[rows]]
    light = light**rig.gamma * (10.0 / np.maximum(ranges, 4.0)) ** rig.fall
    intensity = rig.gain * light * (1.0 + 0.15 * rng.standard_normal(len(rows), np.float32))
    intensity[rng.random(len(rows), np.float32) < rig.blind] = 0.0
    points = np.column_stack([xyz, np.clip(intensity, 0.0, 1.0)]).astype(np.float32)
    semantics = np.where(blurred[rows], np.uint8(Semantic.NOTHING), met.semantics[rows])
    bodies = np.where(blurred[rows], NOBODY, np.maximum(met.owners[rows], NOBODY))
    return Seen(points, semantics, bodies.astype(np.int32), first)


def _with_own(seen: Seen, rig: Rig, behind: np.ndarray, rng: np.random.Generator) -> Seen:
    """Add the few points that lie on the vehicle itself. behind: (C * B,) rays that meet it."""
    rows = np.flatnonzero(behind)
    rows = rows[rng.random(len(rows)) < rig.own]
    if not len(rows):
        return seen
    rays = rig.directions[rows]
    reach = (rig.body[3] - rig.at_m[2]) / rays[:, 2]
    xyz = rays * reach[:, None] + rig.at_m.astype(np.float32) + rng.normal(size=(len(rows), 3)) * 0.05
    points = np.column_stack([xyz, rng.uniform(0.0, 0.6, len(rows))]).astype(np.float32)
    return Seen(
        np.concatenate([seen.points, points]),
        np.concatenate([seen.semantics, np.full(len(rows), Semantic.EGO, seen.semantics.dtype)]),
        np.concatenate([seen.bodies, np.full(len(rows), NOBODY, np.int32)]), seen.first,
    )  # fmt: skip
