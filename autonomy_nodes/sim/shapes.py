"""Recipes for the bodies of road users: (length, width, height) and a style -> mesh.

The origin is the middle of the box, on the ground.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.mesh import Mesh, box, ellipsoid, joined, loft, tube
from autonomy_nodes.sim.plots import users

Dimensions = tuple[float, float, float]

# stations of a body from tail to nose: x as part of length, belt and roof of height, widths of roof and of body
_SALOON = (
    (0.00, 0.52, 0.54, 0.70, 0.88),
    (0.04, 0.60, 0.63, 0.78, 0.98),
    (0.20, 0.64, 0.66, 0.80, 1.00),
    (0.32, 0.64, 0.97, 0.72, 1.00),
    (0.45, 0.63, 1.00, 0.72, 1.00),
    (0.55, 0.62, 0.98, 0.72, 1.00),
    (0.72, 0.60, 0.63, 0.78, 1.00),
    (0.94, 0.52, 0.54, 0.76, 0.96),
    (1.00, 0.40, 0.42, 0.64, 0.82),
)
_HATCHBACK = (
    (0.00, 0.50, 0.60, 0.72, 0.90),
    (0.03, 0.60, 0.80, 0.72, 0.98),
    (0.10, 0.62, 0.95, 0.72, 1.00),
    (0.35, 0.62, 1.00, 0.74, 1.00),
    (0.52, 0.61, 0.98, 0.74, 1.00),
    (0.72, 0.60, 0.64, 0.78, 1.00),
    (0.95, 0.52, 0.55, 0.76, 0.96),
    (1.00, 0.40, 0.43, 0.64, 0.84),
)
_VAN = (
    (0.00, 0.55, 0.97, 0.90, 0.96),
    (0.02, 0.56, 1.00, 0.92, 1.00),
    (0.70, 0.56, 1.00, 0.92, 1.00),
    (0.76, 0.55, 0.97, 0.88, 1.00),
    (0.88, 0.52, 0.58, 0.84, 1.00),
    (0.97, 0.46, 0.50, 0.80, 0.96),
    (1.00, 0.36, 0.40, 0.70, 0.88),
)
_BUS = (
    (0.00, 0.45, 0.98, 0.94, 0.97),
    (0.01, 0.45, 1.00, 0.95, 1.00),
    (0.97, 0.42, 1.00, 0.95, 1.00),
    (1.00, 0.40, 0.94, 0.90, 0.95),
)
_CAB = (
    (0.00, 0.50, 0.96, 0.90, 0.98),
    (0.10, 0.50, 1.00, 0.92, 1.00),
    (0.75, 0.50, 1.00, 0.92, 1.00),
    (0.95, 0.48, 0.92, 0.90, 1.00),
    (1.00, 0.44, 0.80, 0.86, 0.96),
)


def _shell(stations: tuple, dimensions: Dimensions, clearance_m: float) -> Mesh:
    """Return a body lofted through stations, with glass between belt and roof."""
    length, width, height = dimensions
    x, belt, roof, roof_width, body_width = np.array(stations).T
    half, half_roof = body_width * width / 2, roof_width * width / 2
    belt, roof, low = belt * height, roof * height, np.full(len(x), clearance_m)
    y = np.stack([-half * 0.94, -half, -half, -half_roof, half_roof, half, half, half * 0.94], axis=-1)
    middle = 0.5 * (low + np.minimum(belt, 0.6 * height))
    z = np.stack([low, middle, belt, roof, roof, belt, middle, low], axis=-1)
    sections = np.stack([np.broadcast_to(((x - 0.5) * length)[:, None], y.shape), y, z], axis=-1)  # (S, 8, 3)
    materials = np.full((len(x) - 1, 8), Material.BODY)
    tall = (roof - belt)[:-1] + (roof - belt)[1:] > 0.25 * height  # panes between belt and roof
    materials[tall[:, None] & np.isin(np.arange(8), [2, 4])] = Material.GLASS
    steep = np.abs(np.diff(roof)) > 0.12 * height
    steep &= np.maximum(roof[:-1], roof[1:]) > 0.7 * height  # windscreen and rear window, not the nose
    materials[steep, 3] = Material.GLASS
    materials[:, 7] = Material.DARK
    return loft(sections, materials.astype(np.uint8))


def _wheels(axles_m: tuple[float, ...], radius: float, track: float) -> Mesh:
    """Return four or more wheels, standing on the ground."""
    wheels = []
    for x in axles_m:
        for side in (-1.0, 1.0):
            ends = np.array([[x, side * (track / 2 - 0.22), radius], [x, side * track / 2, radius]])
            wheels += [
                tube(ends, radius, Material.RUBBER, 12),
                tube(ends * (1, 1.005, 1), radius * 0.6, Material.METAL, 8),
            ]
    return joined(wheels)


def _car(dimensions: Dimensions, style: int) -> Mesh:
    length, width, _ = dimensions
    stations = _SALOON if style % 2 == 0 else _HATCHBACK
    return joined([_shell(stations, dimensions, 0.18), _wheels((-0.30 * length, 0.31 * length), 0.32, width - 0.04)])


def _van(dimensions: Dimensions, style: int) -> Mesh:
    length, width, _ = dimensions
    return joined([_shell(_VAN, dimensions, 0.25), _wheels((-0.30 * length, 0.33 * length), 0.36, width - 0.04)])


def _bus(dimensions: Dimensions, style: int) -> Mesh:
    length, width, height = dimensions
    pane = box(0.06, 0.88 * width, 0.5 * height, Material.GLASS).shifted(length / 2, 0.0, 0.38 * height)
    wheels = _wheels((-0.22 * length, 0.30 * length), 0.48, width - 0.04)
    return joined([_shell(_BUS, dimensions, 0.30), wheels, pane])


def _cab(length: float, width: float, height: float) -> Mesh:
    """Return the cab of a truck with its windscreen, its middle above the origin."""
    pane = box(0.06, 0.86 * width, 0.33 * height, Material.GLASS).shifted(length / 2 - 0.02, 0.0, 0.46 * height)
    grille = box(0.05, 0.6 * width, 0.16 * height, Material.DARK).shifted(length / 2, 0.0, 0.22 * height)
    return joined([_shell(_CAB, (length, width, height), 0.4), pane, grille])


def _cargo(length: float, width: float, height: float, floor_m: float) -> Mesh:
    frame = box(length, width * 0.35, 0.25, Material.DARK).shifted(z=floor_m - 0.25)
    return joined([box(length, width, height - floor_m, Material.BODY).shifted(z=floor_m), frame])


def _truck(dimensions: Dimensions, style: int) -> Mesh:
    length, width, height = dimensions
    cab_m = 2.2
    cab = _cab(cab_m, width, min(3.0, height)).shifted(x=length / 2 - cab_m / 2)
    cargo = _cargo(length - cab_m - 0.3, width, height, 1.1).shifted(x=-cab_m / 2 - 0.15)
    return joined([cab, cargo, _wheels((-0.28 * length, length / 2 - 1.3), 0.5, width - 0.05)])


def _tractor(dimensions: Dimensions, style: int) -> Mesh:
    length, width, height = dimensions
    cab_m = 2.3
    cab = _cab(cab_m, width, height).shifted(x=length / 2 - cab_m / 2)
    frame = box(length - 0.3, 0.9, 0.3, Material.DARK).shifted(z=0.75)
    return joined([cab, frame, _wheels((-length / 2 + 0.9, length / 2 - 1.35), 0.5, width - 0.05)])


def _trailer(dimensions: Dimensions, style: int) -> Mesh:
    length, width, height = dimensions
    rear = -length / 2
    wheels = _wheels((rear + 2.2, rear + 3.5, rear + 4.8), 0.5, width - 0.05)
    legs = joined([box(0.15, 0.15, 0.9, Material.DARK).shifted(length / 2 - 2.6, side * 0.7, 0.2) for side in (-1, 1)])
    return joined([_cargo(length, width, height, 1.15), wheels, legs])


def _limb(*points: tuple[float, float, float], radius: float, material: Material) -> Mesh:
    return tube(np.array(points), radius, material, 6)


def _person(dimensions: Dimensions, style: int) -> Mesh:
    """Return somebody in mid-stride."""
    _, width, height = dimensions
    h, stride, side = height, 0.13 * height, 0.08 * height
    parts = [
        _limb(
            (stride, side, 0), (0.03 * h, side, 0.27 * h), (0, side, 0.5 * h), radius=0.045 * h, material=Material.DARK
        ),
        _limb((-stride, -side, 0), (0, -side, 0.27 * h), (0, -side, 0.5 * h), radius=0.045 * h, material=Material.DARK),
        ellipsoid((0.08 * h, 0.5 * width * 0.8, 0.2 * h), Material.CLOTH).shifted(z=0.66 * h),
        ellipsoid((0.06 * h, 0.05 * h, 0.075 * h), Material.SKIN).shifted(z=0.925 * h),
    ]
    for way in (-1, 1):
        shoulder, hand = (0.0, way * 0.42 * width, 0.79 * h), (-way * 0.1 * h, way * 0.48 * width, 0.48 * h)
        parts.append(_limb(shoulder, hand, radius=0.028 * h, material=Material.CLOTH))
    return joined(parts)


def _cyclist(dimensions: Dimensions, style: int) -> Mesh:
    """Return somebody on a bicycle."""
    length, width, height = dimensions
    axle = length / 2 - 0.34
    parts = []
    for x in (-axle, axle):
        angle = np.linspace(0, 2 * np.pi, 13)
        rim = np.stack([x + 0.32 * np.cos(angle), np.zeros(13), 0.34 + 0.32 * np.sin(angle)], axis=-1)
        parts.append(tube(rim, 0.025, Material.RUBBER, 4))
    saddle, pedals, bars = (-0.25, 0.0, 0.95), (-0.05, 0.0, 0.32), (0.42, 0.0, 1.0)
    frame = (
        ((-axle, 0, 0.34), saddle),
        (saddle, pedals),
        (pedals, (0.38, 0, 0.8)),
        ((axle, 0, 0.34), bars),
        (saddle, bars),
    )
    parts += [_limb(start, end, radius=0.03, material=Material.METAL) for start, end in frame]
    parts.append(_limb((0.42, -0.26, 1.02), (0.42, 0.26, 1.02), radius=0.02, material=Material.DARK))
    top = height - 0.42
    for way in (-1, 1):
        y, lift = way * 0.1, 0.09 * way
        parts.append(
            _limb((-0.2, y, 0.98), (0.12, y, 0.68 + lift), (0.0, y, 0.24 + lift), radius=0.06, material=Material.DARK)
        )
        parts.append(_limb((0.12, way * 0.2, top), (0.40, way * 0.24, 1.05), radius=0.045, material=Material.CLOTH))
    torso = ellipsoid((0.14, 0.5 * width * 0.75, 0.34), Material.CLOTH).turned(pitch=0.5)
    parts.append(torso.shifted(-0.05, 0, 0.5 * (0.95 + top) + 0.08))
    parts.append(ellipsoid((0.12, 0.09, 0.14), Material.SKIN).shifted(0.2, 0, height - 0.14))
    return joined(parts)


def _of_plots(kind: str) -> Callable[[Dimensions, int], Mesh]:
    """Return a recipe that takes a body of sim/plots/users.py; style is its variant."""

    def recipe(dimensions: Dimensions, style: int) -> Mesh:
        found = users.body(kind, style)
        return Mesh(found.mesh.vertices * (np.array(dimensions) / found.size), found.mesh.faces, found.mesh.materials)

    return recipe


RECIPES: dict[str, Callable[[Dimensions, int], Mesh]] = {
    'car': _car,
    'van': _van,
    'bus': _bus,
    'truck': _truck,
    'tractor': _tractor,
    'trailer': _trailer,
    'pedestrian': _person,
    'cyclist': _cyclist,
    **{kind: _of_plots(kind) for kind in ('motorcyclist', 'digger', 'animal')},
}


@lru_cache(maxsize=256)
def body(shape: str, dimensions_m: Dimensions, style: int = 0) -> Mesh:
    """Return the mesh of a road user; `shape` is a name of RECIPES."""
    if shape not in RECIPES:
        raise ValueError(f'shape={shape!r} must be one of {", ".join(RECIPES)}')
    return RECIPES[shape](dimensions_m, style)
