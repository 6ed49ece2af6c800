"""What stands still on a plot: houses, walls, fences, plants, poles and the small furniture of streets.

Each is made once for a name and a variant, then placed many times.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import Mesh, box, ellipsoid, joined, loft, tube
from autonomy_nodes.sim.plots import plants
from autonomy_nodes.sim.plots.solids import Thing, outline, rod, solid

VARIANTS = 24


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
    return solid(joined(parts))


def _hall(rng: np.random.Generator) -> Thing:
    length, width, height = rng.uniform(20.0, 40.0), rng.uniform(10.0, 18.0), rng.uniform(4.0, 9.0)
    gates = [box(3.5, width + 0.3, 3.5, Material.METAL).shifted(x) for x in np.arange(-length / 2 + 4, length / 2, 7.0)]
    return solid(joined([box(length, width, height, Material.WALL).shifted(z=-0.5), *gates]))


def _shed(rng: np.random.Generator) -> Thing:
    """Return a garage, a shed, a bus shelter or a container: large as a van."""
    size = rng.uniform(2.5, 6.0), rng.uniform(2.0, 3.2), rng.uniform(2.0, 2.8)
    material = Material.METAL if rng.random() < 0.4 else Material.WALL
    return solid(box(*size, material))


def _wall(rng: np.random.Generator) -> Thing:
    """Return 4 m of wall."""
    return solid(box(4.0, rng.uniform(0.15, 0.4), rng.uniform(0.5, 2.3), Material.WALL))


def _barrier(rng: np.random.Generator) -> Thing:
    """Return 4 m of concrete barrier."""
    profile = np.array([[0, -0.3, 0], [0, 0.3, 0], [0, 0.12, 0.35], [0, 0.1, 0.85], [0, -0.1, 0.85], [0, -0.12, 0.35]])
    return solid(loft(np.stack([profile - (2.0, 0, 0), profile + (2.0, 0, 0)]), Material.CONCRETE))


def _rail(rng: np.random.Generator) -> Thing:
    """Return 4 m of guard rail."""
    low = rng.uniform(0.4, 0.55)
    rail = box(4.0, 0.06, 0.31, Material.METAL).shifted(z=low)
    return solid(joined([rail, *(box(0.1, 0.06, low + 0.2, Material.METAL).shifted(x) for x in (-1.5, 0.5))]))


def _fence(rng: np.random.Generator) -> Thing:
    """Return 4 m of fence, through which most beams pass."""
    height, gap = rng.uniform(0.9, 2.0), rng.uniform(0.18, 0.6)
    material = Material.WOOD if rng.random() < 0.6 else Material.METAL
    slats = [box(0.06, 0.03, height, material).shifted(x) for x in np.arange(-1.95, 2.0, gap)]
    rails = [box(4.0, 0.05, 0.07, material).shifted(z=share * height) for share in (0.3, 0.85)]
    return solid(joined([*slats, *rails]))


def _pole(rng: np.random.Generator) -> Thing:
    height = rng.uniform(4.0, 9.0)
    foot = rod(height, rng.uniform(0.05, 0.16), Material.METAL if rng.random() < 0.6 else Material.CONCRETE, 8)
    arm = tube(np.array([[0, 0, height - 0.1], [rng.uniform(0.3, 2.0), 0, height + 0.2]]), 0.04, Material.METAL, 5)
    return Thing(joined([foot, arm]), Semantic.POLE, outline(foot))


def _sign(rng: np.random.Generator) -> Thing:
    height = rng.uniform(1.8, 3.0)
    if rng.random() < 0.5:
        plate = tube(np.array([[-0.05, 0, height], [-0.03, 0, height]]), rng.uniform(0.25, 0.4), Material.SIGN, 10)
    else:
        plate = box(0.03, rng.uniform(0.3, 1.6), rng.uniform(0.3, 1.0), Material.SIGN).shifted(-0.05, 0, height - 0.4)
    foot = rod(height, rng.uniform(0.03, 0.06))
    return Thing(joined([foot, plate]), Semantic.SIGN, outline(foot))


def _signal(rng: np.random.Generator) -> Thing:
    foot = rod(3.2, 0.08)
    housing = box(0.25, 0.32, 0.95, Material.DARK).shifted(-0.12, 0, rng.uniform(1.9, 2.6))
    return Thing(joined([foot, housing]), Semantic.POLE, outline(foot))


def _post(rng: np.random.Generator) -> Thing:
    """Return a post, a bollard, a parking meter, a hydrant: as thick as legs or as somebody."""
    height = rng.uniform(0.5, 1.5)
    foot = rod(height, rng.uniform(0.04, 0.17), Material.METAL if rng.random() < 0.6 else Material.CONCRETE, 7)
    head = ellipsoid((0.12, 0.14, 0.16), Material.METAL, 6, 3).shifted(z=height)
    return Thing(joined([foot, head]) if rng.random() < 0.3 else foot, Semantic.POLE, outline(foot))


def _bin(rng: np.random.Generator) -> Thing:
    """Return a bin, a letter box, a cabinet, a stone trough: as large as somebody sitting or standing."""
    size = rng.uniform(0.35, 1.4), rng.uniform(0.35, 0.8), rng.uniform(0.5, 1.7)
    lid = box(size[0] + 0.06, size[1] + 0.06, 0.08, Material.DARK).shifted(z=size[2])
    return solid(joined([box(*size, Material.BODY if rng.random() < 0.5 else Material.METAL), lid]))


def _cabinet(rng: np.random.Generator) -> Thing:
    """Return a cabinet, a ticket machine, a board on two legs: as large as somebody standing."""
    size = rng.uniform(0.25, 0.9), rng.uniform(0.2, 0.6), rng.uniform(1.2, 2.3)
    lift = 0.0 if rng.random() < 0.6 else rng.uniform(0.2, 0.9)
    plate = box(*size[:2], size[2] - lift, Material.BODY if rng.random() < 0.6 else Material.METAL).shifted(z=lift)
    legs = [box(0.06, 0.06, lift, Material.METAL).shifted(x) for x in (-0.4 * size[0], 0.4 * size[0])] if lift else []
    return solid(joined([plate, *legs]))


def _column(rng: np.random.Generator) -> Thing:
    """Return a pillar, a statue, a stump, a clipped plant: round, and about as thick as somebody."""
    radius, height = rng.uniform(0.15, 0.45), rng.uniform(1.2, 3.2)
    material = Material(int(rng.choice([Material.CONCRETE, Material.BARK, Material.BODY, Material.BUSH])))
    return solid(tube(np.array([[0, 0, -0.1], [0, 0, height]]), (radius, radius * rng.uniform(0.4, 1.1)), material, 9))


def _bench(rng: np.random.Generator) -> Thing:
    length = rng.uniform(1.2, 2.2)
    seat, back = box(length, 0.45, 0.08, Material.WOOD), box(length, 0.06, 0.4, Material.WOOD)
    legs = [box(0.08, 0.4, 0.45, Material.METAL).shifted(x) for x in (-0.4 * length, 0.4 * length)]
    return solid(joined([seat.shifted(z=0.42), back.shifted(0, 0.22, 0.5), *legs]))


def _cone(rng: np.random.Generator) -> Thing:
    height = rng.uniform(0.45, 1.0)
    body = tube(np.array([[0, 0, 0.03], [0, 0, height]]), (0.17, 0.03), Material.SIGN, 8)
    return solid(joined([box(0.4, 0.4, 0.04, Material.DARK), body]))


def _board(rng: np.random.Generator) -> Thing:
    """Return a barrier board or a beacon of road works."""
    width = rng.uniform(0.25, 2.2)
    lift = rng.uniform(0.2, 0.8)
    board = box(0.04, width, 0.25 if width > 0.6 else 0.9, Material.SIGN).shifted(z=lift)
    legs = [box(0.04, 0.05, lift, Material.METAL).shifted(0, y) for y in (-0.35 * width, 0.35 * width)]
    return solid(joined([board, *legs, box(0.5, min(width, 0.8), 0.1, Material.DARK)]))


def _heap(rng: np.random.Generator) -> Thing:
    radius, height = rng.uniform(0.8, 3.2), rng.uniform(0.4, 1.8)
    ball = ellipsoid((radius, radius * rng.uniform(0.6, 1.0), height), Material.GRAVEL, 12, 8)
    bump = rng.normal(1.0, 0.05, (len(ball.vertices), 1))
    return solid(Mesh(ball.vertices * bump, ball.faces, ball.materials), Semantic.RUBBLE)


def _rock(rng: np.random.Generator) -> Thing:
    radius = 0.15 + rng.exponential(0.3)
    ball = ellipsoid((radius, radius * rng.uniform(0.6, 1.0), radius * rng.uniform(0.5, 0.9)), Material.ROCK, 8, 5)
    bump = rng.normal(1.0, 0.14, (len(ball.vertices), 1))
    return solid(Mesh(ball.vertices * bump, ball.faces, ball.materials).shifted(z=0.25 * radius), Semantic.RUBBLE)


def _log(rng: np.random.Generator) -> Thing:
    length, radius = rng.uniform(1.5, 6.0), rng.uniform(0.12, 0.35)
    ends = np.array([[-length / 2, 0, radius], [length / 2, 0, radius]])
    return solid(tube(ends, (radius, 0.8 * radius), Material.BARK, 8), Semantic.RUBBLE)


def _block(rng: np.random.Generator) -> Thing:
    """Return 2 m of the blocks that close a lane: of concrete, or of plastic filled with water."""
    foot, top, height = rng.uniform(0.4, 0.7), rng.uniform(0.15, 0.5), rng.uniform(0.7, 1.2)
    half, foot, top = rng.uniform(0.9, 1.02), 0.5 * foot, 0.5 * top
    profile = np.array([[0, -foot, 0], [0, foot, 0], [0, foot, 0.3 * height], [0, top, height], [0, -top, height],
                        [0, -foot, 0.3 * height]])
    material = Material.CONCRETE if rng.random() < 0.4 else Material.BODY
    return solid(loft(np.stack([profile - (half, 0, 0), profile + (half, 0, 0)]), material))


def _pallets(rng: np.random.Generator) -> Thing:
    layers = []
    for z in np.arange(0.0, rng.uniform(0.3, 1.8), 0.4):
        layer = box(1.2, rng.uniform(0.8, 1.0), rng.uniform(0.2, 0.6), Material.WOOD)
        layers.append(layer.shifted(rng.normal() * 0.05, rng.normal() * 0.05, z))
    return solid(joined(layers))


def _awning(rng: np.random.Generator) -> Thing:
    """Return a roof above heads: an awning, a porch, a stall, a sunshade; nobody hits more of it than a post."""
    length, depth, height = rng.uniform(2.0, 9.0), rng.uniform(1.0, 3.2), rng.uniform(2.2, 4.2)
    material = Material(int(rng.choice([Material.CLOTH, Material.WALL, Material.METAL, Material.LEAVES])))
    fall = rng.uniform(0.0, 0.4)  # of its front edge
    profile = np.array([[0, -depth / 2, height - fall], [0, depth / 2, height], [0, depth / 2, height + 0.1]])
    parts = [loft(np.stack([profile - (length / 2, 0, 0), profile + (length / 2, 0, 0)]), material)]
    if rng.random() < 0.5:
        places = [(x, -depth / 2 + 0.1) for x in np.linspace(-length / 2 + 0.1, length / 2 - 0.1, int(length // 3) + 2)]
        parts += [rod(height - fall, rng.uniform(0.03, 0.08)).shifted(x, y) for x, y in places]
    if rng.random() < 0.3:  # what hangs from it: signs, lamps, goods
        size = rng.uniform(0.3, 1.2), 0.1, rng.uniform(0.2, 0.6)
        parts.append(box(*size, Material.SIGN).shifted(rng.uniform(-0.4, 0.4) * length, 0.0, height - fall - size[2]))
    return Thing(joined(parts), Semantic.STRUCTURE, np.zeros((0, 2)))


RECIPES: dict[str, Callable[[np.random.Generator], Thing]] = {
    'tree': plants.tree, 'conifer': plants.conifer, 'trunk': plants.trunk, 'bush': plants.bush, 'shrub': plants.shrub,
    'thicket': plants.thicket, 'hedge': plants.hedge, 'house': _house, 'hall': _hall, 'shed': _shed, 'wall': _wall,
    'barrier': _barrier, 'rail': _rail, 'fence': _fence, 'pole': _pole, 'sign': _sign, 'signal': _signal,
    'post': _post, 'bin': _bin, 'bench': _bench, 'cone': _cone, 'board': _board, 'heap': _heap, 'rock': _rock,
    'log': _log, 'pallets': _pallets, 'cabinet': _cabinet, 'column': _column, 'block': _block,
    'clipped': plants.clipped, 'awning': _awning,
}  # fmt: skip


@lru_cache(maxsize=1024)
def thing(name: str, variant: int) -> Thing:
    """Return a thing of RECIPES; each of the VARIANTS of a name looks different."""
    return RECIPES[name](np.random.default_rng([71, list(RECIPES).index(name), variant]))
