"""What cameras take of a plot: rays cast as a LiDAR's are, shaded (shading.py), through a lens (lens.py)."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.sim.lens import taken
from autonomy_nodes.sim.materials import COLOURS, Material, Semantic
from autonomy_nodes.sim.plots.plot import Plot
from autonomy_nodes.sim.plots.sight import Faces, Sight
from autonomy_nodes.sim.shading import shade

FARTHEST_M = 300.0
SHADOWS_M, SHADOW_M = 60.0, 40.0  # shadows farther away are not drawn; how far away what throws one may be
WIDTH, HEIGHT = 416, 160
_AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # of a camera that looks ahead, in base_link
_GROUND = -2  # owner of the ground's faces
_LIFT_M = 0.02
BODIES = np.array([  # paints of vehicles; clothes are drawn from them too
    (0.85, 0.85, 0.86), (0.08, 0.08, 0.09), (0.45, 0.47, 0.50), (0.62, 0.08, 0.07), (0.10, 0.16, 0.42),
    (0.22, 0.24, 0.26), (0.30, 0.34, 0.26), (0.70, 0.62, 0.42), (0.85, 0.55, 0.08), (0.10, 0.34, 0.36),
    (0.72, 0.74, 0.77), (0.36, 0.10, 0.16),
], np.float32)  # fmt: skip
WALLS = np.array([
    (0.72, 0.64, 0.54), (0.55, 0.27, 0.20), (0.80, 0.78, 0.73), (0.62, 0.62, 0.60), (0.66, 0.55, 0.38),
    (0.44, 0.42, 0.40), (0.78, 0.70, 0.52), (0.60, 0.66, 0.68),
], np.float32)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Eye:
    """A camera on a vehicle. matrix: (3, 3); distortion: (5,) plumb_bob k1 k2 p1 p2 k3.

    base_from_camera: (4, 4), optical axes: x right, y down, z ahead.
    """

    width: int
    height: int
    matrix: np.ndarray
    distortion: np.ndarray
    base_from_camera: np.ndarray

    def rays(self) -> np.ndarray:
        """Return (H * W, 3) float32 through the pixels in the camera's frame, 1 along its axis."""
        u, v = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        if self.distortion.any():
            pixels = np.stack([u.ravel(), v.ravel()], axis=-1)[:, None]
            flat = cv2.undistortPoints(pixels, self.matrix, self.distortion)[:, 0]
        else:
            x = (u - self.matrix[0, 2]) / self.matrix[0, 0]
            flat = np.stack([x, (v - self.matrix[1, 2]) / self.matrix[1, 1]], axis=-1).reshape(-1, 2)
        return np.column_stack([flat, np.ones(len(flat))]).astype(np.float32)


@dataclass(frozen=True)
class Air:
    """Weather and light.

    sun: azimuth and elevation [rad] in map. cloudiness, darkness, precipitation, wetness: 0 to 1. visibility_m: where a
    twentieth of the contrast is left.
    """

    sun: tuple[float, float] = (0.6, 0.8)
    cloudiness: float = 0.3
    visibility_m: float = 3000.0
    precipitation: float = 0.0
    wetness: float = 0.0
    darkness: float = 0.0

    def table(self) -> np.ndarray:
        """Return sun direction (3), its strength, that of the sky, clouds, visibility, wetness, strength of lamps."""
        azimuth, elevation = self.sun
        flat, day = math.cos(elevation), 1.0 - self.darkness
        strength = 0.9 * day**2 * (1.0 - self.cloudiness) ** 1.5 * min(1.0, 4.0 * max(math.sin(elevation), 0.0))
        sky = 0.42 * day**2 * (0.75 + 0.25 * self.cloudiness) + 0.004
        sun = flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)
        lamps = min(1.0, 1.5 * self.darkness)
        return np.array([*sun, strength, sky, self.cloudiness, self.visibility_m, self.wetness, lamps], np.float32)


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture and its truth. pixels: (H, W, 3) uint8 RGB. depth_m: (H, W) along the axis of the camera, inf for sky.

    semantics: (H, W) `Semantic`.
    """

    pixels: np.ndarray
    eye: Eye
    depth_m: np.ndarray
    semantics: np.ndarray


def drawn_air(rng: np.random.Generator) -> Air:
    """Return weather and light: three of five times a plain day."""
    sun = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.15, 1.1))
    air = Air(sun, float(rng.beta(0.8, 0.8)), float(np.exp(rng.uniform(np.log(800.0), np.log(6000.0)))))
    kind = rng.random()
    if kind < 0.60:
        return replace(air, wetness=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.08 else 0.0)
    if kind < 0.72:
        return replace(air, darkness=float(rng.uniform(0.75, 0.99)), cloudiness=0.9, wetness=float(rng.random() < 0.2))
    if kind < 0.80:
        return replace(air, sun=(sun[0], float(rng.uniform(0.02, 0.15))), darkness=float(rng.uniform(0.2, 0.65)))
    if kind < 0.88:
        dense = float(np.exp(rng.uniform(np.log(35.0), np.log(300.0))))
        return replace(air, visibility_m=dense, cloudiness=0.97, darkness=float(rng.uniform(0.0, 0.3)))
    wet = float(rng.uniform(0.3, 1.0))
    return replace(
        air, precipitation=wet, wetness=float(rng.uniform(0.6, 1.0)), cloudiness=float(rng.uniform(0.85, 1.0)),
        visibility_m=float(3000.0 * (1.0 - 0.9 * wet)), darkness=float(rng.uniform(0.1, 0.5)),
    )  # fmt: skip


def drawn_eyes(
    rng: np.random.Generator, count: int | None = None, width: int = WIDTH, height: int = HEIGHT,
    distorted: bool = False,
) -> list[Eye]:  # fmt: skip
    """Return 1 to 6 cameras as vehicles carry them, the first one looks ahead; half of the vehicles have one."""
    count = count or int(rng.choice([1, 2, 3, 4, 6], p=[0.5, 0.1, 0.15, 0.15, 0.1]))
    x, z, wide = rng.uniform(0.3, 2.2), rng.uniform(1.2, 2.4), rng.uniform(0.80, 1.9)
    if rng.random() < 0.15:  # a truck
        x, z = rng.uniform(3.5, 5.5), rng.uniform(2.2, 3.1)
    pitch = abs(rng.normal() * 0.06)
    eyes = []
    for number in range(count):
        yaw = 2.0 * math.pi * number / count + rng.normal() * 0.02
        out = 0.5 * rng.uniform(0.6, 1.1) if number else 0.0
        at = np.array([x - (1.0 - math.cos(yaw)) * 0.8, math.sin(yaw) * out + rng.normal() * 0.05, z])
        turn = np.array([rng.normal() * 0.01, pitch + rng.normal() * 0.01, yaw])
        pose = matrix_of_rpy(at, turn)
        pose[:3, :3] = pose[:3, :3] @ _AXES
        focal = 0.5 * width / math.tan(0.5 * (wide if number == 0 else max(wide, 1.0)))
        aside, down = rng.normal() * 0.01 * width, rng.normal() * 0.06 * height
        matrix = np.array([[focal, 0.0, 0.5 * (width - 1) + aside], [0.0, focal, 0.5 * (height - 1) + down], [0, 0, 1]])
        bent = np.array([rng.uniform(-0.35, 0.0), rng.uniform(0.0, 0.1), 0.0, 0.0, 0.0]) if distorted else np.zeros(5)
        eyes.append(Eye(width, height, matrix, bent, pose))
    return eyes


class Photographer:
    """Takes pictures of one plot."""

    def __init__(self, plot: Plot, sight: Sight) -> None:
        self._relief, self._still = plot.relief, sight.everything

    def photo(
        self, eye: Eye, map_from_base: np.ndarray, movers: Faces | None, air: Air, rng: np.random.Generator
    ) -> Photo:
        """Return the picture that a camera takes; map_from_base: (4, 4). The same for the same state of `rng`."""
        map_from_camera = map_from_base @ eye.base_from_camera
        rays = eye.rays()
        long = np.linalg.norm(rays, axis=1)
        aims = np.ascontiguousarray(rays / long[:, None] @ map_from_camera[:3, :3].T.astype(np.float32))
        origin = map_from_camera[:3, 3].astype(np.float32)
        ranges, normals, materials, semantics, tints = self._met(origin, aims, movers)
        hit = np.isfinite(ranges)
        places = origin + aims * np.where(hit, ranges, 0.0)[:, None]
        ground = np.flatnonzero(tints == _GROUND)
        materials[ground] = self._relief.painted(places[ground, :2], materials[ground])
        table = air.table()
        lit = self._lit(places, normals, ranges, table, movers)
        ahead = map_from_base[:3, 0] - 0.06 * map_from_base[:3, 2]
        paints = _paints(materials, tints, places[:, 2])
        light = shade(
            aims, ranges, normals, places, materials, paints, tints % 3 > 0, lit, table, ahead.astype(np.float32)
        )
        shape = eye.height, eye.width
        depth = np.where(hit, ranges / long, np.inf).astype(np.float32).reshape(shape)
        pixels = taken(light.reshape(*shape, 3), depth, air.precipitation, rng)
        return Photo(pixels, eye, depth, np.where(hit, semantics, Semantic.NOTHING).astype(np.uint8).reshape(shape))

    def _met(self, origin: np.ndarray, aims: np.ndarray, movers: Faces | None) -> tuple[np.ndarray, ...]:
        """Return (N,) ranges, (N, 3) normals towards the camera, materials, semantics, and numbers of paints."""
        count = len(aims)
        origins = np.ascontiguousarray(np.broadcast_to(origin, aims.shape))
        ranges, normals = np.full(count, np.inf, np.float32), np.zeros((count, 3), np.float32)
        materials, semantics = np.zeros(count, np.uint8), np.zeros(count, np.uint8)
        tints = np.zeros(count, np.int32)
        for faces in (self._still, movers):
            if faces is None:
                continue
            face, away, normal = faces.triangles.first(origins, aims, np.minimum(ranges, np.float32(FARTHEST_M)))
            rows = np.flatnonzero(face >= 0)
            face = face[rows]
            ranges[rows], normals[rows] = away[rows], normal[rows]
            materials[rows], semantics[rows] = faces.materials[face], faces.semantics[face]
            drawn = (faces.reflectances[face] * 65521.0).astype(np.int32)  # one number a paint
            tints[rows] = np.where(faces.owners[face] == _GROUND, _GROUND, drawn)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        away = np.einsum('ij,ij->i', normals, aims) > 0.0
        normals[away] *= -1.0
        return ranges, normals, materials, semantics, tints

    def _lit(
        self, places: np.ndarray, normals: np.ndarray, ranges: np.ndarray, table: np.ndarray, movers: Faces | None
    ) -> np.ndarray:
        """Return (N,) 1 where the sun reaches a place, 0 in shadow."""
        lit = np.ones(len(places), np.float32)
        sun = np.ascontiguousarray(table[:3])
        if table[3] < 0.02:
            return lit
        asked = np.flatnonzero((ranges < SHADOWS_M) & (normals @ sun > 0.0))
        origins = np.ascontiguousarray(places[asked] + _LIFT_M * normals[asked], np.float32)
        aims = np.ascontiguousarray(np.broadcast_to(sun, origins.shape))
        limits = np.full(len(asked), SHADOW_M, np.float32)
        for faces in (self._still, movers):
            if faces is not None and len(asked):
                lit[asked[faces.triangles.blocked(origins, aims, limits)]] = 0.0
        return lit


def _paints(materials: np.ndarray, tints: np.ndarray, heights_m: np.ndarray) -> np.ndarray:
    """Return (N, 3) colours: of their own where a number is drawn; clothes have another one above the belt."""
    found = COLOURS[materials]
    body, cloth, wall = (materials == kind for kind in (Material.BODY, Material.CLOTH, Material.WALL))
    found[body] = BODIES[tints[body] % len(BODIES)]
    above = np.floor(1.15 * heights_m[cloth] + 0.1 * (tints[cloth] % 7)).astype(np.int64)
    found[cloth] = BODIES[(tints[cloth] + 5 * above) % len(BODIES)]
    found[wall] = WALLS[tints[wall] % len(WALLS)]
    return found
