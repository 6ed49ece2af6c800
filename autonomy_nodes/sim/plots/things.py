"""What stands still on a plot: houses, walls, fences, plants, poles and the small furniture of streets.

Each is made once for a name and a variant, then placed many times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import ConvexHull

from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh, box, ellipsoid, joined, leaves, loft, tube

VARIANTS = 10


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


def _outline(mesh: Mesh) -> np.ndarray:
    points = mesh.vertices[mesh.vertices[:, 2] < 2.0, :2]
    return points[ConvexHull(points).vertices] if len(points) > 2 else np.zeros((0, 2))


def _solid(mesh: Mesh, semantic: Semantic = Semantic.STRUCTURE) -> Thing:
    return Thing(mesh, semantic, _outline(mesh))


def _rod(height: float, radius: float, material: Material = Material.METAL, sides: int = 6) -> Mesh:
    return tube(np.array([[0, 0, -0.2], [0, 0, height]]), (radius, 0.75 * radius), material, sides)


def _tree(rng: np.random.Generator) -> Thing:
    height, girth = rng.uniform(4.0, 12.0), rng.uniform(0.014, 0.028)
    trunk_m = height * rng.uniform(0.2, 0.4)
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
    return Thing(joined([trunk, foliage]), Semantic.HIGH_VEGETATION, _outline(trunk))


def _conifer(rng: np.random.Generator) -> Thing:
    height = rng.uniform(3.0, 12.0)
    trunk = _rod(0.9 * height, 0.02 * height, Material.BARK)
    level = np.sqrt(rng.random(220))
    angle, out = rng.uniform(0, 2 * np.pi, 220), np.sqrt(rng.random(220)) * level * height * rng.uniform(0.12, 0.25)
    points = np.stack([out * np.cos(angle), out * np.sin(angle), height * (1.0 - 0.9 * level)], axis=-1)
    foliage = leaves(points, 0.04 * height + 0.12, Material.LEAVES, rng)
    return Thing(joined([trunk, foliage]), Semantic.HIGH_VEGETATION, _outline(trunk))


def _trunk(rng: np.random.Generator) -> Thing:
    """Return a trunk with a bush about its foot: from afar much like somebody standing."""
    mesh = _rod(rng.uniform(2.0, 7.0), rng.uniform(0.07, 0.25), Material.BARK)
    points = rng.normal(size=(50, 3)) * (0.25, 0.25, 0.3)
    points[:, 2] = np.abs(points[:, 2])
    plant = leaves(points, 0.12, Material.BUSH, rng)
    return Thing(joined([mesh, plant]), Semantic.HIGH_VEGETATION, _outline(mesh))


def _bush(rng: np.random.Generator) -> Thing:
    radius = rng.uniform(0.3, 0.75)
    points = rng.normal(size=(90, 3)) * (0.5, 0.5, 0.33) * radius
    points[:, 2] = np.abs(points[:, 2])
    kept = points[points[:, 2] < 0.9]
    return Thing(leaves(kept, 0.16 * radius + 0.05, Material.BUSH, rng), Semantic.LOW_VEGETATION, np.zeros((0, 2)))


def _shrub(rng: np.random.Generator) -> Thing:
    """Return a bush as high as somebody or as large as a car."""
    size = np.array([rng.uniform(0.5, 2.2), rng.uniform(0.5, 1.1), rng.uniform(0.55, 1.2)])
    core = ellipsoid(tuple(0.75 * size), Material.BUSH, 9, 5).shifted(z=0.8 * size[2])
    core = Mesh(core.vertices * rng.normal(1.0, 0.07, (len(core.vertices), 1)), core.faces, core.materials)
    points = rng.normal(size=(120, 3))
    points *= 0.95 * size / np.linalg.norm(points, axis=1, keepdims=True)
    points[:, 2] = np.abs(points[:, 2] + 0.8 * size[2])
    mesh = joined([core, leaves(points, 0.16, Material.BUSH, rng)])
    return Thing(mesh, Semantic.HIGH_VEGETATION, _outline(core))


def _thicket(rng: np.random.Generator) -> Thing:
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
    return Thing(joined([core, foliage]), Semantic.HIGH_VEGETATION, _outline(core))


def _hedge(rng: np.random.Generator) -> Thing:
    """Return 4 m of hedge."""
    height, width = rng.uniform(0.7, 2.2), rng.uniform(0.5, 1.3)
    x = np.linspace(-2.0, 2.0, 9)
    angle = np.linspace(-0.1, np.pi + 0.1, 8)
    ring = np.stack([np.zeros(8), 0.5 * width * np.cos(angle), height * np.abs(np.sin(angle)) ** 0.4], axis=-1)
    sections = ring + x[:, None, None] * np.array([1.0, 0, 0])
    sections[..., 1:] *= rng.normal(1.0, 0.06, (9, 8, 1))
    core = loft(sections, Material.BUSH)
    return Thing(core, Semantic.HIGH_VEGETATION, _outline(core))


def _house(rng: np.random.Generator) -> Thing:
    length, width, height = rng.uniform(7.0, 18.0), rng.uniform(7.0, 12.0), rng.uniform(2.8, 9.0)
    parts = [box(length, width, height + 1.0, Material.WALL).shifted(z=-1.0)]
    y, ridge = width / 2 + 0.4, height + rng.uniform(0.1, 0.4) * width
    gable = np.array([[0, -y, height - 0.2], [0, y, height - 0.2], [0, 0, ridge]])
    parts.append(loft(np.stack([gable - (length / 2 + 0.3, 0, 0), gable + (length / 2 + 0.3, 0, 0)]), Material.ROOF))
    for z in np.arange(1.0, height - 1.2, 2.9):
        for x in np.arange(-length / 2 + 1.6, length / 2 - 1.0, 3.2):
            parts.append(box(1.3, width + 0.05, 1.3, Material.GLASS).shifted(x, 0.0, z))
    for _ in range(int(rng.integers(1, 5))):  # entrances with steps, bays, porches, balconies, pipes
        piece = box(rng.uniform(0.2, 3.5), rng.uniform(0.3, 1.4), rng.uniform(0.3, height), Material.WALL)
        x, side = rng.uniform(-0.4, 0.4) * length, rng.choice([-1.0, 1.0])
        parts.append(piece.shifted(x, side * width / 2, rng.choice([0.0, 0.0, 2.6])))
    return _solid(joined(parts))


def _hall(rng: np.random.Generator) -> Thing:
    length, width, height = rng.uniform(20.0, 40.0), rng.uniform(10.0, 18.0), rng.uniform(4.0, 9.0)
    gates = [box(3.5, width + 0.3, 3.5, Material.METAL).shifted(x) for x in np.arange(-length / 2 + 4, length / 2, 7.0)]
    return _solid(joined([box(length, width, height, Material.WALL).shifted(z=-0.5), *gates]))


def _shed(rng: np.random.Generator) -> Thing:
    """Return a garage, a shed, a bus shelter or a container: large as a van."""
    size = rng.uniform(2.5, 6.0), rng.uniform(2.0, 3.2), rng.uniform(2.0, 2.8)
    material = Material.METAL if rng.random() < 0.4 else Material.WALL
    return _solid(box(*size, material))


def _wall(rng: np.random.Generator) -> Thing:
    """Return 4 m of wall."""
    return _solid(box(4.0, rng.uniform(0.15, 0.4), rng.uniform(0.5, 2.3), Material.WALL))


def _barrier(rng: np.random.Generator) -> Thing:
    """Return 4 m of concrete barrier."""
    profile = np.array([[0, -0.3, 0], [0, 0.3, 0], [0, 0.12, 0.35], [0, 0.1, 0.85], [0, -0.1, 0.85], [0, -0.12, 0.35]])
    return _solid(loft(np.stack([profile - (2.0, 0, 0), profile + (2.0, 0, 0)]), Material.CONCRETE))


def _rail(rng: np.random.Generator) -> Thing:
    """Return 4 m of guard rail."""
    low = rng.uniform(0.4, 0.55)
    rail = box(4.0, 0.06, 0.31, Material.METAL).shifted(z=low)
    return _solid(joined([rail, *(box(0.1, 0.06, low + 0.2, Material.METAL).shifted(x) for x in (-1.5, 0.5))]))


def _fence(rng: np.random.Generator) -> Thing:
    """Return 4 m of fence, through which most beams pass."""
    height, gap = rng.uniform(0.9, 2.0), rng.uniform(0.18, 0.6)
    material = Material.WOOD if rng.random() < 0.6 else Material.METAL
    slats = [box(0.06, 0.03, height, material).shifted(x) for x in np.arange(-1.95, 2.0, gap)]
    rails = [box(4.0, 0.05, 0.07, material).shifted(z=share * height) for share in (0.3, 0.85)]
    return _solid(joined([*slats, *rails]))


def _pole(rng: np.random.Generator) -> Thing:
    height = rng.uniform(4.0, 9.0)
    foot = _rod(height, rng.uniform(0.05, 0.16), Material.METAL if rng.random() < 0.6 else Material.CONCRETE, 8)
    arm = tube(np.array([[0, 0, height - 0.1], [rng.uniform(0.3, 2.0), 0, height + 0.2]]), 0.04, Material.METAL, 5)
    return Thing(joined([foot, arm]), Semantic.POLE, _outline(foot))


def _sign(rng: np.random.Generator) -> Thing:
    height = rng.uniform(1.8, 3.0)
    if rng.random() < 0.5:
        plate = tube(np.array([[-0.05, 0, height], [-0.03, 0, height]]), rng.uniform(0.25, 0.4), Material.SIGN, 10)
    else:
        plate = box(0.03, rng.uniform(0.3, 1.6), rng.uniform(0.3, 1.0), Material.SIGN).shifted(-0.05, 0, height - 0.4)
    foot = _rod(height, rng.uniform(0.03, 0.06))
    return Thing(joined([foot, plate]), Semantic.SIGN, _outline(foot))


def _signal(rng: np.random.Generator) -> Thing:
    foot = _rod(3.2, 0.08)
    housing = box(0.25, 0.32, 0.95, Material.DARK).shifted(-0.12, 0, rng.uniform(1.9, 2.6))
    return Thing(joined([foot, housing]), Semantic.POLE, _outline(foot))


def _post(rng: np.random.Generator) -> Thing:
    """Return a post, a bollard, a parking meter, a hydrant: as thick as legs or as somebody."""
    height = rng.uniform(0.5, 1.5)
    foot = _rod(height, rng.uniform(0.04, 0.17), Material.METAL if rng.random() < 0.6 else Material.CONCRETE, 7)
    head = ellipsoid((0.12, 0.14, 0.16), Material.METAL, 6, 3).shifted(z=height)
    return Thing(joined([foot, head]) if rng.random() < 0.3 else foot, Semantic.POLE, _outline(foot))


def _bin(rng: np.random.Generator) -> Thing:
    """Return a bin, a letter box, a cabinet, a stone trough: as large as somebody sitting or standing."""
    size = rng.uniform(0.35, 1.4), rng.uniform(0.35, 0.8), rng.uniform(0.5, 1.7)
    lid = box(size[0] + 0.06, size[1] + 0.06, 0.08, Material.DARK).shifted(z=size[2])
    return _solid(joined([box(*size, Material.BODY if rng.random() < 0.5 else Material.METAL), lid]))


def _cabinet(rng: np.random.Generator) -> Thing:
    """Return a cabinet, a ticket machine, a board on two legs: as large as somebody standing."""
    size = rng.uniform(0.25, 0.9), rng.uniform(0.2, 0.6), rng.uniform(1.2, 2.3)
    lift = 0.0 if rng.random() < 0.6 else rng.uniform(0.2, 0.9)
    plate = box(*size[:2], size[2] - lift, Material.BODY if rng.random() < 0.6 else Material.METAL).shifted(z=lift)
    legs = [box(0.06, 0.06, lift, Material.METAL).shifted(x) for x in (-0.4 * size[0], 0.4 * size[0])] if lift else []
    return _solid(joined([plate, *legs]))


def _column(rng: np.random.Generator) -> Thing:
    """Return a pillar, a statue, a stump, a clipped plant: round, and about as thick as somebody."""
    radius, height = rng.uniform(0.15, 0.45), rng.uniform(1.2, 3.2)
    material = Material(int(rng.choice([Material.CONCRETE, Material.BARK, Material.BODY, Material.BUSH])))
    return _solid(tube(np.array([[0, 0, -0.1], [0, 0, height]]), (radius, radius * rng.uniform(0.4, 1.1)), material, 9))


def _bench(rng: np.random.Generator) -> Thing:
    length = rng.uniform(1.2, 2.2)
    seat, back = box(length, 0.45, 0.08, Material.WOOD), box(length, 0.06, 0.4, Material.WOOD)
    legs = [box(0.08, 0.4, 0.45, Material.METAL).shifted(x) for x in (-0.4 * length, 0.4 * length)]
    return _solid(joined([seat.shifted(z=0.42), back.shifted(0, 0.22, 0.5), *legs]))


def _cone(rng: np.random.Generator) -> Thing:
    height = rng.uniform(0.45, 1.0)
    body = tube(np.array([[0, 0, 0.03], [0, 0, height]]), (0.17, 0.03), Material.SIGN, 8)
    return _solid(joined([box(0.4, 0.4, 0.04, Material.DARK), body]))


def _board(rng: np.random.Generator) -> Thing:
    """Return a barrier board or a beacon of road works."""
    width = rng.uniform(0.25, 2.2)
    lift = rng.uniform(0.2, 0.8)
    board = box(0.04, width, 0.25 if width > 0.6 else 0.9, Material.SIGN).shifted(z=lift)
    legs = [box(0.04, 0.05, lift, Material.METAL).shifted(0, y) for y in (-0.35 * width, 0.35 * width)]
    return _solid(joined([board, *legs, box(0.5, min(width, 0.8), 0.1, Material.DARK)]))


def _heap(rng: np.random.Generator) -> Thing:
    radius, height = rng.uniform(0.8, 3.2), rng.uniform(0.4, 1.8)
    ball = ellipsoid((radius, radius * rng.uniform(0.6, 1.0), height), Material.GRAVEL, 12, 8)
    bump = rng.normal(1.0, 0.05, (len(ball.vertices), 1))
    return _solid(Mesh(ball.vertices * bump, ball.faces, ball.materials), Semantic.RUBBLE)


def _rock(rng: np.random.Generator) -> Thing:
    radius = 0.15 + rng.exponential(0.3)
    ball = ellipsoid((radius, radius * rng.uniform(0.6, 1.0), radius * rng.uniform(0.5, 0.9)), Material.ROCK, 8, 5)
    bump = rng.normal(1.0, 0.14, (len(ball.vertices), 1))
    return _solid(Mesh(ball.vertices * bump, ball.faces, ball.materials).shifted(z=0.25 * radius), Semantic.RUBBLE)


def _log(rng: np.random.Generator) -> Thing:
    length, radius = rng.uniform(1.5, 6.0), rng.uniform(0.12, 0.35)
    ends = np.array([[-length / 2, 0, radius], [length / 2, 0, radius]])
    return _solid(tube(ends, (radius, 0.8 * radius), Material.BARK, 8), Semantic.RUBBLE)


def _pallets(rng: np.random.Generator) -> Thing:
    layers = []
    for z in np.arange(0.0, rng.uniform(0.3, 1.8), 0.4):
        layer = box(1.2, rng.uniform(0.8, 1.0), rng.uniform(0.2, 0.6), Material.WOOD)
        layers.append(layer.shifted(rng.normal() * 0.05, rng.normal() * 0.05, z))
    return _solid(joined(layers))


RECIPES: dict[str, Callable[[np.random.Generator], Thing]] = {
    'tree': _tree, 'conifer': _conifer, 'trunk': _trunk, 'bush': _bush, 'shrub': _shrub, 'thicket': _thicket,
    'hedge': _hedge, 'house': _house, 'hall': _hall, 'shed': _shed, 'wall': _wall, 'barrier': _barrier, 'rail': _rail,
    'fence': _fence, 'pole': _pole, 'sign': _sign, 'signal': _signal, 'post': _post, 'bin': _bin, 'bench': _bench,
    'cone': _cone, 'board': _board, 'heap': _heap, 'rock': _rock, 'log': _log, 'pallets': _pallets,
    'cabinet': _cabinet, 'column': _column,
}  # fmt: skip


@lru_cache(maxsize=1024)
def thing(name: str, variant: int) -> Thing:
    """Return a thing of RECIPES; each of the VARIANTS of a name looks different."""
    return RECIPES[name](np.random.default_rng([71, list(RECIPES).index(name), variant]))
