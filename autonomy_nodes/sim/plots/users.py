"""Road users of a plot: their bodies by kind and variant, and who stands or moves where."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.plots import cars, riders

VEHICLE, TRUCK, PEDESTRIAN, TWO_WHEELER, ANIMAL = range(5)  # places in perception/bev.py CLASSES
VARIANTS = 32
RECIPES = cars.RECIPES | riders.RECIPES
CLASS_OF = {
    'small': VEHICLE, 'saloon': VEHICLE, 'estate': VEHICLE, 'suv': VEHICLE, 'mpv': VEHICLE, 'pickup': VEHICLE,
    'van': VEHICLE, 'truck': TRUCK, 'tractor': TRUCK, 'trailer': TRUCK, 'bus': TRUCK, 'digger': TRUCK,
    'person': PEDESTRIAN, 'sitting': PEDESTRIAN, 'cyclist': TWO_WHEELER, 'motorcyclist': TWO_WHEELER,
    'motorcycle': TWO_WHEELER, 'bicycle': TWO_WHEELER, 'animal': ANIMAL,
}  # fmt: skip
CARS = ('small', 'saloon', 'estate', 'suv', 'mpv', 'pickup', 'van')
_CAR_SHARES = (0.25, 0.15, 0.22, 0.12, 0.09, 0.02, 0.15)
UPRIGHT = (PEDESTRIAN, TWO_WHEELER, ANIMAL)


@dataclass(frozen=True, eq=False)
class Body:
    """A body about the middle of its box on the ground. size: (3,) length, width, height of that box."""

    mesh: Mesh
    size: np.ndarray


@lru_cache(maxsize=1024)
def body(kind: str, variant: int) -> Body:
    """Return a body of RECIPES; each of the VARIANTS of a kind looks different."""
    mesh = RECIPES[kind](np.random.default_rng([73, list(RECIPES).index(kind), variant]))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    vertices = mesh.vertices - (*(0.5 * (low + high))[:2], low[2])
    return Body(Mesh(vertices.astype(np.float32), mesh.faces, mesh.materials), high - low)


@dataclass(frozen=True, eq=False)
class User:
    """Somebody at a place. place: s, n and heading against the road [rad] where it runs; scale: (3,) of the body.

    tint: part of the light that painted or woven surfaces send back. speed_mps: along the heading.
    """

    kind: str
    variant: int
    place: tuple[float, float, float]
    tint: float
    scale: np.ndarray = field(default_factory=lambda: np.ones(3))
    speed_mps: float = 0.0

    @property
    def size(self) -> np.ndarray:
        """(3,) length, width, height."""
        return body(self.kind, self.variant).size * self.scale

    @property
    def label(self) -> int:
        """Place in perception/bev.py CLASSES."""
        return CLASS_OF[self.kind]

    def reflectances(self, of_material: np.ndarray) -> np.ndarray:
        """Return (F,) part of the light that each face sends back."""
        materials = body(self.kind, self.variant).mesh.materials
        tinted = (materials == Material.BODY) | (materials == Material.CLOTH)
        return np.where(tinted, self.tint, of_material[materials]).astype(np.float32)


def drawn(
    kind: str, place: tuple[float, float, float], rng: np.random.Generator, speed_mps: float = 0.0
) -> User:
    """Return somebody of a kind; 'car' stands for any of CARS."""
    if kind == 'car':
        kind = CARS[int(rng.choice(len(CARS), p=_CAR_SHARES))]
    scale = np.round(1.0 + np.clip(0.015 * rng.normal(size=3), -0.03, 0.03), 3)
    tint = float(rng.choice([0.06, 0.12, 0.25, 0.45, 0.75], p=[0.2, 0.15, 0.2, 0.25, 0.2]) * rng.uniform(0.7, 1.3))
    return User(kind, int(rng.integers(VARIANTS)), place, tint, scale, speed_mps)
