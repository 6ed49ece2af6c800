"""Recipes for what stands still: trees, bushes, buildings, poles, rocks, curbs. Each returns a solid in map."""

import numpy as np
from scipy.spatial import ConvexHull

from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh, box, ellipsoid, joined, leaves, loft, ribbon, tube
from autonomy_nodes.sim.plots import things
from autonomy_nodes.sim.world import Colour, Solid

_HIT_BELOW_M = 2.5  # what hangs higher, no vehicle touches


def _placed(mesh: Mesh, at: np.ndarray, heading: float) -> Mesh:
    return mesh.placed(matrix_of_rpy(np.asarray(at, float), np.array([0.0, 0.0, heading])))


def outline(mesh: Mesh) -> np.ndarray:
    """Return the (M, 2) convex outline of what a vehicle would touch."""
    low = mesh.vertices[:, 2] < mesh.vertices[:, 2].min() + _HIT_BELOW_M
    points = mesh.vertices[low, :2]
    return points[ConvexHull(points).vertices]


def tree(at: np.ndarray, height_m: float, rng: np.random.Generator, conifer: bool = False) -> Solid:
    """Return a tree at (3,); only its trunk is hit."""
    crown = 0.2 * height_m if conifer else 0.32 * height_m
    trunk = tube(
        np.array([[0, 0, -0.3], [0, 0, 0.5 * height_m], [0, 0, 0.9 * height_m]]),
        (0.022 * height_m, 0.016 * height_m, 0.03),
        Material.BARK,
        7,
    )
    count = 420
    if conifer:
        level = np.sqrt(rng.random(count))  # 0 at the top, 1 at the lowest branch
        angle, out = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count)) * level * crown
        points = np.stack([out * np.cos(angle), out * np.sin(angle), height_m * (1.0 - 0.85 * level)], axis=-1)
    else:
        lumps = rng.normal(size=(6, 3)) * (0.5, 0.5, 0.35) * crown + (0, 0, 0.68 * height_m)
        shell = rng.normal(size=(count, 3))
        shell /= np.linalg.norm(shell, axis=1, keepdims=True)
        points = lumps[np.arange(count) % 6] + shell * crown * 0.62 * rng.random((count, 1)) ** 0.33
        points[:, 2] = np.maximum(points[:, 2], 0.22 * height_m)
    foliage = leaves(points, 0.045 * height_m + 0.12, Material.LEAVES, rng)
    trunk = _placed(trunk, at, 0.0)
    return Solid(Semantic.HIGH_VEGETATION, joined([trunk, _placed(foliage, at, 0.0)]), outline(trunk))


def bush(at: np.ndarray, radius_m: float, rng: np.random.Generator) -> Solid:
    """Return a bush at (3,); a vehicle can push through it, so it has no footprint."""
    points = rng.normal(size=(220, 3)) * (0.42, 0.42, 0.3) * radius_m
    points[:, 2] = np.abs(points[:, 2]) + 0.05
    return Solid(Semantic.LOW_VEGETATION, _placed(leaves(points, 0.13 * radius_m + 0.05, Material.BUSH, rng), at, 0.0))


def rock(at: np.ndarray, radius_m: float, rng: np.random.Generator) -> Solid:
    """Return a boulder at (3,), a third of it in the ground."""
    ball = ellipsoid(
        (radius_m, radius_m * rng.uniform(0.7, 1.0), radius_m * rng.uniform(0.6, 0.9)), Material.ROCK, 10, 6
    )
    bumps = 1.0 + 0.16 * rng.normal(size=(len(ball.vertices), 1))
    mesh = _placed(Mesh(ball.vertices * bumps, ball.faces, ball.materials), at, rng.uniform(0, np.pi)).shifted(
        z=radius_m * 0.25
    )
    above = mesh.vertices[:, 2] > at[2]
    points = mesh.vertices[above, :2]
    return Solid(Semantic.RUBBLE, mesh, points[ConvexHull(points).vertices])


def log(at: np.ndarray, heading: float, length_m: float, radius_m: float) -> Solid:
    """Return a fallen trunk at (3,)."""
    ends = np.array([[-length_m / 2, 0, radius_m], [length_m / 2, 0, radius_m]])
    mesh = _placed(tube(ends, (radius_m, 0.8 * radius_m), Material.BARK, 9), at, heading)
    return Solid(Semantic.RUBBLE, mesh, outline(mesh))


def building(at: np.ndarray, heading: float, size_m: tuple[float, float, float], tint: Colour) -> Solid:
    """Return a house with rows of windows and a gabled roof; size: length, width, height of the walls."""
    length, width, height = size_m
    parts = [box(length, width, height + 1.0, Material.WALL).shifted(z=-1.0)]
    y, ridge = width / 2 + 0.4, height + 0.32 * width
    gable = np.array([[0, -y, height - 0.2], [0, y, height - 0.2], [0, 0, ridge]])
    parts.append(loft(np.stack([gable - (length / 2 + 0.3, 0, 0), gable + (length / 2 + 0.3, 0, 0)]), Material.ROOF))
    for floor in range(max(1, int(height // 2.9))):
        z = 1.0 + 2.9 * floor
        for x in np.arange(-length / 2 + 1.6, length / 2 - 1.0, 2.8):
            pane = box(1.2, width + 0.06, 1.4, Material.GLASS).shifted(x, 0.0, z)
            parts.append(pane)
        for y_m in np.arange(-width / 2 + 1.6, width / 2 - 1.0, 2.8):
            parts.append(box(length + 0.06, 1.2, 1.4, Material.GLASS).shifted(0.0, y_m, z))
    mesh = _placed(joined(parts), at, heading)
    return Solid(Semantic.STRUCTURE, mesh, outline(mesh), tint)


def lamp_post(at: np.ndarray, heading: float, height_m: float = 7.0, arm_m: float = 1.8) -> Solid:
    """Return a street lamp whose arm points along `heading`."""
    pole = tube(np.array([[0, 0, -0.2], [0, 0, height_m]]), (0.09, 0.05), Material.METAL)
    arm = tube(np.array([[0, 0, height_m], [arm_m, 0, height_m + 0.25]]), 0.04, Material.METAL, 6)
    lamp = box(0.6, 0.25, 0.12, Material.LAMP).shifted(arm_m, 0, height_m + 0.15)
    foot = _placed(pole, at, heading)
    return Solid(Semantic.POLE, joined([foot, _placed(joined([arm, lamp]), at, heading)]), outline(foot))


def sign_post(at: np.ndarray, heading: float, height_m: float = 2.4) -> Solid:
    """Return a sign whose plate faces against `heading`: those who drive that way read it."""
    pole = tube(np.array([[0, 0, -0.2], [0, 0, height_m]]), 0.035, Material.METAL, 6)
    disc = tube(np.array([[-0.06, 0, height_m - 0.3], [-0.04, 0, height_m - 0.3]]), 0.32, Material.SIGN, 14)
    mesh = _placed(joined([pole, disc]), at, heading)
    return Solid(Semantic.SIGN, mesh, outline(_placed(pole, at, heading)))


def signal_post(at: np.ndarray, heading: float) -> Solid:
    """Return the post of a traffic light for those who drive along `heading`."""
    pole = tube(np.array([[0, 0, -0.2], [0, 0, 3.2]]), 0.07, Material.METAL)
    housing = box(0.25, 0.32, 0.95, Material.DARK).shifted(-0.12, 0, 2.3)
    mesh = _placed(joined([pole, housing]), at, heading)
    return Solid(Semantic.POLE, mesh, outline(_placed(pole, at, heading)))


def sidewalk(edge: np.ndarray, width_m: float = 2.0, height_m: float = 0.12) -> Solid:
    """Return curb and sidewalk to the left of a road's edge (N, 3)."""
    profile = np.array(
        [[0, -0.05], [0.02, height_m], [0.16, height_m], [width_m, height_m + 0.03], [width_m + 0.05, -0.3]]
    )
    kinds = (Material.CONCRETE, Material.CONCRETE, Material.CONCRETE, Material.CONCRETE)
    return Solid(Semantic.CURB, ribbon(edge, profile, kinds))


def guard_rail(edge: np.ndarray) -> Solid:
    """Return a steel rail along (N, 3)."""
    profile = np.array([[0.0, 0.45], [-0.06, 0.52], [0.0, 0.6], [-0.06, 0.68], [0.0, 0.75]])
    rail = ribbon(edge, profile, (Material.METAL,) * 4)
    posts = [box(0.12, 0.06, 0.8, Material.METAL).shifted(*point) for point in edge[::4]]
    return Solid(Semantic.STRUCTURE, joined([rail, *posts]))


def furniture(name: str, variant: int, at: np.ndarray, heading: float, tint: Colour = (0.6, 0.6, 0.6)) -> Solid:
    """Return a thing of sim/plots/things.py at (3,): barriers, beacons, cones, heaps, fences, sheds, hedges."""
    found = things.thing(name, variant)
    mesh = _placed(found.mesh, at, heading)
    cos, sin = np.cos(heading), np.sin(heading)
    footprint = found.footprint @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(at)[:2]
    return Solid(found.semantic, mesh, footprint, tint)
