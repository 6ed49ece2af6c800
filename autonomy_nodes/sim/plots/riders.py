"""Bodies of people, of those on two wheels, and of animals, of drawn sizes and poses.

The origin is the middle of the box, on the ground; x ahead.
"""

from collections.abc import Callable

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.mesh import Mesh, box, ellipsoid, joined, tube

Point = tuple[float, float, float]


def _limb(*points: Point, radius: float, material: Material = Material.CLOTH, sides: int = 6) -> Mesh:
    return tube(np.array(points), radius, material, sides)


def _person(rng: np.random.Generator) -> Mesh:
    """Return somebody who walks, stands or waits; one in six is a child."""
    h = rng.uniform(1.0, 1.5) if rng.random() < 0.16 else float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.95))
    girth = rng.uniform(0.85, 1.3)
    stride = 0.0 if rng.random() < 0.3 else h * rng.uniform(0.05, 0.2)
    hip, lean = 0.05 * h * girth, rng.uniform(-0.02, 0.06) * h
    parts = []
    for way in (-1, 1):
        foot = (way * stride, way * hip, 0.0)
        knee = (way * 0.4 * stride + 0.03 * h, way * hip, 0.27 * h)
        parts.append(_limb(foot, knee, (0.0, way * hip, 0.51 * h), radius=0.047 * h * girth))
        shoulder = (lean, way * 0.125 * h * girth, 0.80 * h)
        style = rng.random()
        if style < 0.65:  # arms swing
            elbow = (lean - way * 0.5 * stride, way * 0.15 * h * girth, 0.63 * h)
            hand = (lean - way * 0.9 * stride + 0.04 * h, way * 0.15 * h * girth, 0.48 * h)
        else:  # they hold something ahead
            elbow = (lean, way * 0.15 * h * girth, 0.62 * h)
            hand = (lean + rng.uniform(0.1, 0.2) * h, way * 0.06 * h, rng.uniform(0.55, 0.75) * h)
        parts.append(_limb(shoulder, elbow, hand, radius=0.03 * h, material=Material.CLOTH, sides=5))
    torso = ellipsoid((0.072 * h * girth, 0.125 * h * girth, 0.20 * h), Material.CLOTH, 8, 5)
    parts.append(torso.shifted(0.6 * lean, 0, 0.67 * h))
    parts.append(ellipsoid((0.058 * h, 0.05 * h, 0.07 * h), Material.SKIN, 7, 4).shifted(lean, 0, 0.93 * h))
    parts += _carried(h, lean, rng)
    return joined(parts)


def _carried(h: float, lean: float, rng: np.random.Generator) -> list[Mesh]:
    """Return what somebody wears or carries: a coat, a rucksack, a bag, an umbrella; mostly nothing."""
    style = rng.random()
    if style < 0.2:
        return [tube(np.array([[0, 0, 0.32 * h], [lean, 0, 0.75 * h]]), (0.13 * h, 0.09 * h), Material.CLOTH, 8)]
    if style < 0.32:
        return [box(0.1 * h, 0.17 * h, 0.25 * h, Material.CLOTH).shifted(lean - 0.11 * h, 0, 0.58 * h)]
    if style < 0.45:
        side = 1 if rng.random() < 0.5 else -1
        return [box(0.2 * h, 0.07 * h, 0.2 * h, Material.CLOTH).shifted(0, side * 0.17 * h, 0.25 * h)]
    if style < 0.49:
        stick = _limb((0.1, 0, 0.6 * h), (0.1, 0, 1.18 * h), radius=0.012, material=Material.METAL, sides=4)
        return [stick, tube(np.array([[0.1, 0, 1.1 * h], [0.1, 0, 1.2 * h]]), (0.45, 0.05), Material.CLOTH, 8)]
    return []


def _sitting(rng: np.random.Generator) -> Mesh:
    """Return somebody on a bench, in a wheelchair, or crouching."""
    h = rng.uniform(1.5, 1.85)
    seat = rng.uniform(0.35, 0.5)
    legs = [_limb((0.42, way * 0.1, 0.0), (0.4, way * 0.1, seat), (0.0, way * 0.1, seat + 0.05), radius=0.075)
            for way in (-1, 1)]  # fmt: skip
    torso = ellipsoid((0.13, 0.21, 0.19 * h), Material.CLOTH).shifted(0, 0, seat + 0.18 * h)
    head = ellipsoid((0.1, 0.09, 0.12), Material.SKIN, 7, 4).shifted(0.03, 0, seat + 0.44 * h)
    parts = [*legs, torso, head]
    if rng.random() < 0.4:  # a wheelchair
        parts += [tube(np.array([[0, y, 0.3], [0, y + 0.03, 0.3]]), 0.3, Material.METAL, 10) for y in (-0.3, 0.27)]
    return joined(parts)


def _wheel(x: float, radius: float, thick: float, spokes: bool = True) -> list[Mesh]:
    angle = np.linspace(0, 2 * np.pi, 13)
    rim = np.stack([x + radius * np.cos(angle), np.zeros(13), radius + thick + radius * np.sin(angle)], axis=-1)
    parts = [tube(rim, thick, Material.RUBBER, 4)]
    if spokes:
        half = slice(0, 12, 4)
        hub = (x, 0.0, radius + thick)
        parts += [_limb(hub, tuple(point), radius=0.008, material=Material.METAL, sides=3) for point in rim[half]]
    return parts


def _rider(rng: np.random.Generator, seat: Point, grip: Point, pedal: Point, lean: float, h: float) -> list[Mesh]:
    """Return somebody on a saddle. lean: of the back [rad] from upright. h: his height."""
    hip = np.array(seat) + (0.0, 0.0, 0.07)
    back = 0.31 * h
    shoulder = hip + back * np.array([np.sin(lean), 0, np.cos(lean)])
    girth, wide = rng.uniform(0.9, 1.3), rng.uniform(0.21, 0.32)
    parts = []
    for way in (-1, 1):
        y, turn = way * 0.09, way * rng.uniform(0.05, 0.17)
        foot = np.array(pedal) + (0.0, 0.0, turn)
        knee = 0.5 * (hip + foot) + (0.22 * h * 0.75, 0, 0.06)
        places = [(*point[[0]], y, point[2]) for point in (hip, knee, foot)]
        parts.append(_limb(*places, radius=0.062 * girth))
        at = (shoulder[0], way * 0.19 * girth, shoulder[2] - 0.03)
        elbow = (0.5 * (at[0] + grip[0]), way * wide, 0.5 * (at[2] + grip[2]) - 0.05)
        parts.append(_limb(at, elbow, (grip[0], way * 0.25, grip[2]), radius=0.042, sides=5))
    torso = ellipsoid((0.13 * girth, 0.2 * girth, 0.62 * back), Material.CLOTH, 8, 5).turned(pitch=lean)
    parts.append(torso.shifted(*(0.5 * (hip + shoulder))))
    head = shoulder + (0.06 + 0.1 * np.sin(lean), 0, 0.16)
    parts.append(ellipsoid((0.115, 0.09, 0.13), Material.SKIN, 7, 4).shifted(*head))
    if rng.random() < 0.25:
        parts.append(box(0.18, 0.3, 0.42, Material.CLOTH).shifted(*(0.5 * (hip + shoulder) - (0.22, 0, 0.15))))
    return parts


def _bicycle(rng: np.random.Generator, child: bool) -> list[Mesh]:
    radius, axle = (rng.uniform(0.2, 0.26), 0.38) if child else (rng.uniform(0.29, 0.34), rng.uniform(0.48, 0.56))
    scale = axle / 0.52
    saddle, crank = (-0.2 * scale, 0.0, 0.94 * scale), (-0.06 * scale, 0.0, 0.3)
    head, bars = (0.34 * scale, 0.0, 0.78 * scale), (0.38 * scale, 0.0, rng.uniform(0.95, 1.12) * scale)
    frame = ((-axle, 0, radius), saddle), (saddle, crank), (crank, head), ((axle, 0, radius), bars), (saddle, head)
    parts = _wheel(-axle, radius, 0.022) + _wheel(axle, radius, 0.022)
    parts += [_limb(*ends, radius=0.024, material=Material.METAL, sides=5) for ends in frame]
    half = rng.uniform(0.2, 0.34)
    parts.append(_limb((bars[0], -half, bars[2]), (bars[0], half, bars[2]), radius=0.018, material=Material.DARK))
    if rng.random() < 0.3:  # panniers or a basket
        parts += [box(0.32, 0.14, 0.32, Material.CLOTH).shifted(-axle, side * 0.14, 0.35) for side in (-1, 1)]
    elif rng.random() < 0.2:
        parts.append(box(0.3, 0.35, 0.25, Material.METAL).shifted(axle, 0, 0.8 * scale))
    return parts


def _parked_bicycle(rng: np.random.Generator) -> Mesh:
    return joined(_bicycle(rng, rng.random() < 0.1))


def _cyclist(rng: np.random.Generator) -> Mesh:
    child = rng.random() < 0.1
    parts, scale = _bicycle(rng, child), 0.74 if child else 1.0
    h = rng.uniform(1.1, 1.45) if child else rng.uniform(1.5, 1.88)
    lean = rng.uniform(0.05, 0.45) if rng.random() < 0.65 else rng.uniform(0.45, 1.0)
    seat = (-0.2 * scale, 0.0, (0.9 + rng.uniform(-0.05, 0.06)) * scale)
    parts += _rider(rng, seat, (0.38 * scale, 0, 1.03 * scale), (-0.04, 0, 0.18), lean, h)
    return joined(parts)


def _motorcyclist(rng: np.random.Generator) -> Mesh:
    return joined(_motorcycle_parts(rng, ridden=True))


def _motorcycle(rng: np.random.Generator) -> Mesh:
    return joined(_motorcycle_parts(rng, ridden=False))


def _motorcycle_parts(rng: np.random.Generator, ridden: bool) -> list[Mesh]:
    scooter = rng.random() < 0.45
    radius, axle = (0.2, 0.62) if scooter else (0.29, rng.uniform(0.68, 0.78))
    parts = _wheel(-axle, radius, 0.07, spokes=False) + _wheel(axle, radius, 0.06, spokes=False)
    parts += [
        ellipsoid((0.62, 0.16, 0.24), Material.BODY).shifted(-0.12, 0, 0.56),
        box(0.7, 0.26, 0.1, Material.DARK).shifted(-0.35, 0, 0.74),
        _limb((axle, 0, radius), (0.42, 0, 1.0), radius=0.06, material=Material.METAL),
        _limb((0.42, -0.36, 1.02), (0.42, 0.36, 1.02), radius=0.025, material=Material.DARK),
    ]
    if scooter:
        parts += [box(0.06, 0.42, 0.62, Material.BODY).turned(pitch=-0.25).shifted(0.46, 0, 0.3),
                  box(0.5, 0.34, 0.08, Material.BODY).shifted(0.2, 0, 0.25)]  # fmt: skip
    if rng.random() < 0.3:
        parts.append(box(0.38, 0.42, 0.34, Material.DARK).shifted(-0.72, 0, 0.8))
    if ridden:
        lean = rng.uniform(0.0, 0.3) if scooter else rng.uniform(0.1, 0.6)
        parts += _rider(rng, (-0.25, 0, 0.8), (0.4, 0, 1.03), (0.1, 0, 0.28), lean, rng.uniform(1.6, 1.9))
    return parts


# animal: lengths of the trunk, heights at the shoulder, girth of length
_ANIMALS = {'dog': ((0.5, 0.95), (0.35, 0.7), 0.2), 'sheep': ((0.8, 1.1), (0.65, 0.85), 0.3),
            'boar': ((0.9, 1.4), (0.6, 0.95), 0.25), 'deer': ((1.0, 1.6), (0.75, 1.3), 0.18),
            'cow': ((1.6, 2.2), (1.3, 1.6), 0.22), 'horse': ((1.6, 2.1), (1.4, 1.7), 0.18)}  # fmt: skip


def _animal(rng: np.random.Generator) -> Mesh:
    lengths, heights, girth = list(_ANIMALS.values())[int(rng.integers(len(_ANIMALS)))]
    share = rng.random()
    length, height = (low + share * (high - low) for low, high in (lengths, heights))
    thick = girth * length
    trunk = ellipsoid((0.5 * length, thick * 0.75, thick), Material.CLOTH, 8, 5).shifted(z=height - 0.8 * thick)
    step = rng.uniform(0.0, 0.15) * length
    legs = [
        _limb((x + way * step, way * 0.4 * thick, 0), (x, way * 0.4 * thick, height - thick), radius=0.045 * length)
        for x in (-0.36 * length, 0.36 * length)
        for way in (-1, 1)
    ]
    up = rng.uniform(-0.4, 0.35) * height  # it grazes or looks up
    head = np.array([0.68 * length, 0.0, height + up])
    neck = _limb((0.4 * length, 0, height - 0.5 * thick), tuple(head), radius=0.09 * length)
    skull = ellipsoid((0.14 * length, 0.07 * length, 0.08 * length), Material.CLOTH).shifted(*head)
    return joined([trunk, *legs, neck, skull])


RECIPES: dict[str, Callable[[np.random.Generator], Mesh]] = {
    'person': _person, 'sitting': _sitting, 'cyclist': _cyclist, 'motorcyclist': _motorcyclist,
    'motorcycle': _motorcycle, 'animal': _animal, 'bicycle': _parked_bicycle,
}  # fmt: skip
