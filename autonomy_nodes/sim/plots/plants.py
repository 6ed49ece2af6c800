"""Trees, bushes and hedges of plots: made of a trunk or a core, and of many leaves."""

import numpy as np

from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh, ellipsoid, joined, leaves, loft, tube
from autonomy_nodes.sim.plots.solids import Thing, outline, rod


def tree(rng: np.random.Generator) -> Thing:
    """Return a tree with a crown of leaves."""
    height, girth = rng.uniform(4.0, 13.0), rng.uniform(0.014, 0.034)
    trunk_m = height * rng.uniform(0.2, 0.45)
    lean = rng.normal(size=2) * 0.03 * height
    path = np.array([[0, 0, -0.2], [*(0.4 * lean), trunk_m], [*lean, 0.85 * height]])
    trunk = tube(path, (girth * height, 0.8 * girth * height, 0.03), Material.BARK, 7)
    crown = height * rng.uniform(0.16, 0.32)
    lumps = rng.normal(size=(6, 3)) * (0.5, 0.5, 0.4) * crown + (*lean, 0.5 * (trunk_m + height))
    shell = rng.normal(size=(230, 3))
    shell /= np.linalg.norm(shell, axis=1, keepdims=True)
    points = lumps[np.arange(230) % 6] + shell * crown * 0.65 * rng.random((230, 1)) ** 0.33
    points[:, 2] = np.maximum(points[:, 2], 0.8 * trunk_m)
    foliage = leaves(points, 0.05 * height + 0.14, Material.LEAVES, rng)
    return Thing(joined([trunk, foliage]), Semantic.HIGH_VEGETATION, outline(trunk))


def conifer(rng: np.random.Generator) -> Thing:
    """Return a tree that is widest near the ground."""
    height = rng.uniform(3.0, 12.0)
    trunk = rod(0.9 * height, 0.02 * height, Material.BARK)
    level = np.sqrt(rng.random(220))
    angle, out = rng.uniform(0, 2 * np.pi, 220), np.sqrt(rng.random(220)) * level * height * rng.uniform(0.12, 0.25)
    points = np.stack([out * np.cos(angle), out * np.sin(angle), height * (1.0 - 0.9 * level)], axis=-1)
    foliage = leaves(points, 0.04 * height + 0.12, Material.LEAVES, rng)
    return Thing(joined([trunk, foliage]), Semantic.HIGH_VEGETATION, outline(trunk))


def trunk(rng: np.random.Generator) -> Thing:
    """Return a trunk whose foot is wider, or with a bush about it: from afar much like somebody standing."""
    height, radius = rng.uniform(2.0, 8.0), rng.uniform(0.07, 0.42)
    path = np.array([[0, 0, -0.1], [0, 0, 0.12 * height], [*(0.02 * height * rng.normal(size=2)), height]])
    mesh = tube(path, (radius * rng.uniform(1.0, 1.6), radius, 0.85 * radius), Material.BARK, 9)
    if rng.random() < 0.5:
        return Thing(mesh, Semantic.HIGH_VEGETATION, outline(mesh))
    points = rng.normal(size=(50, 3)) * (0.25, 0.25, 0.3)
    points[:, 2] = np.abs(points[:, 2])
    plant = leaves(points, 0.12, Material.BUSH, rng)
    return Thing(joined([mesh, plant]), Semantic.HIGH_VEGETATION, outline(mesh))


def bush(rng: np.random.Generator) -> Thing:
    """Return a low bush, through which beams pass."""
    radius = rng.uniform(0.3, 0.75)
    points = rng.normal(size=(90, 3)) * (0.5, 0.5, 0.33) * radius
    points[:, 2] = np.abs(points[:, 2])
    kept = points[points[:, 2] < 0.9]
    return Thing(leaves(kept, 0.16 * radius + 0.05, Material.BUSH, rng), Semantic.LOW_VEGETATION, np.zeros((0, 2)))


def shrub(rng: np.random.Generator) -> Thing:
    """Return a bush as high as somebody or as large as a car."""
    size = np.array([rng.uniform(0.5, 2.2), rng.uniform(0.5, 1.1), rng.uniform(0.55, 1.2)])
    core = ellipsoid(tuple(0.75 * size), Material.BUSH, 9, 5).shifted(z=0.8 * size[2])
    core = Mesh(core.vertices * rng.normal(1.0, 0.07, (len(core.vertices), 1)), core.faces, core.materials)
    points = rng.normal(size=(120, 3))
    points *= 0.95 * size / np.linalg.norm(points, axis=1, keepdims=True)
    points[:, 2] = np.abs(points[:, 2] + 0.8 * size[2])
    mesh = joined([core, leaves(points, 0.16, Material.BUSH, rng)])
    return Thing(mesh, Semantic.HIGH_VEGETATION, outline(core))


def thicket(rng: np.random.Generator) -> Thing:
    """Return shrubs that have grown together, into which beams get some way."""
    reach = np.array([rng.uniform(1.5, 4.0), rng.uniform(0.8, 2.0), rng.uniform(0.4, 0.9)])
    cores, points = [], []
    for middle in rng.uniform(-1.0, 1.0, (int(rng.integers(3, 7)), 3)) * (*reach[:2], 0.2):
        size = rng.uniform(0.4, 0.9, 3) * (1.0, 1.0, reach[2] + 0.3)
        core = ellipsoid((size[0], size[1], size[2]), Material.BUSH, 7, 4)
        cores.append(core.shifted(middle[0], middle[1], 0.7 * size[2]))
        shell = rng.normal(size=(45, 3))
        shell *= rng.uniform(0.9, 1.7, (45, 1)) * size / np.linalg.norm(shell, axis=1, keepdims=True)
        points.append(shell + (*middle[:2], 0.7 * size[2]))
    places = np.concatenate(points)
    foliage = leaves(places[places[:, 2] > 0.0], 0.2, Material.BUSH, rng)
    core = joined(cores)
    return Thing(joined([core, foliage]), Semantic.HIGH_VEGETATION, outline(core))


def hedge(rng: np.random.Generator) -> Thing:
    """Return 4 m of hedge."""
    height, width = rng.uniform(0.7, 2.2), rng.uniform(0.5, 1.3)
    x = np.linspace(-2.0, 2.0, 9)
    angle = np.linspace(-0.1, np.pi + 0.1, 8)
    ring = np.stack([np.zeros(8), 0.5 * width * np.cos(angle), height * np.abs(np.sin(angle)) ** 0.4], axis=-1)
    sections = ring + x[:, None, None] * np.array([1.0, 0, 0])
    sections[..., 1:] *= rng.normal(1.0, 0.06, (9, 8, 1))
    core = loft(sections, Material.BUSH)
    return Thing(core, Semantic.HIGH_VEGETATION, outline(core))


def clipped(rng: np.random.Generator) -> Thing:
    """Return a clipped hedge that stands alone, a box as large as a car."""
    size = np.array([rng.uniform(0.8, 3.0), rng.uniform(0.4, 1.1), rng.uniform(0.7, 2.1)])  # half, half, whole
    turn = np.linspace(0.0, 2.0 * np.pi, 17)[:-1]
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    ring = np.sign(ring) * np.abs(ring) ** rng.uniform(0.2, 0.5) * size[:2]  # a rectangle with round corners
    heights, shrinks = (0.0, 0.5, 0.85, 1.0), (1.0, 1.0, 0.97, 0.8)
    rings = [np.column_stack([ring * shrink, np.full(16, size[2] * up)]) for up, shrink in zip(heights, shrinks)]
    sections = np.stack(rings) * rng.normal(1.0, 0.03, (4, 16, 1))
    core = loft(sections, Material.BUSH)
    points = np.concatenate([sections[1], sections[2], sections[3]])
    mesh = joined([core, leaves(points, 0.14, Material.BUSH, rng)])
    return Thing(mesh, Semantic.HIGH_VEGETATION, outline(core))
