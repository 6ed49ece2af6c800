"""Bodies of cars, vans, trucks, trailers and buses, of drawn proportions, made once for a kind and a variant.

The origin is the middle of the box, on the ground; x ahead. Typical sizes are those that makers publish.
"""

from collections.abc import Callable

import numpy as np

from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.mesh import Mesh, box, joined, loft, tube

# x of length, belt and roof of height, widths of roof and of body, from tail to nose; drawn ones vary about these
_TAILS = {
    'small': ((0.0, 0.50, 0.58, 0.70, 0.90), (0.03, 0.60, 0.80, 0.74, 0.98), (0.10, 0.62, 0.96, 0.74, 1.0)),
    'saloon': (
        (0.0, 0.50, 0.53, 0.70, 0.88), (0.04, 0.62, 0.66, 0.78, 0.97), (0.17, 0.65, 0.68, 0.80, 1.0),
        (0.30, 0.64, 0.97, 0.72, 1.0),
    ),
    'estate': ((0.0, 0.46, 0.56, 0.76, 0.92), (0.02, 0.58, 0.74, 0.78, 0.98), (0.08, 0.62, 0.96, 0.76, 1.0)),
    'suv': ((0.0, 0.50, 0.62, 0.78, 0.93), (0.02, 0.58, 0.78, 0.78, 1.0), (0.07, 0.60, 0.96, 0.78, 1.0)),
    'mpv': ((0.0, 0.48, 0.60, 0.80, 0.95), (0.02, 0.56, 0.84, 0.82, 1.0), (0.06, 0.56, 0.98, 0.80, 1.0)),
}  # fmt: skip
# kind: lengths, widths, heights, end of the roof and foot of the windscreen in parts of length from the tail, nose
_CARS = {
    'small': ((3.4, 4.0), (1.56, 1.72), (1.42, 1.56), (0.54, 0.62), (0.74, 0.80), 0.44),
    'saloon': ((4.2, 4.9), (1.70, 1.90), (1.38, 1.50), (0.52, 0.58), (0.70, 0.76), 0.40),
    'estate': ((4.1, 4.85), (1.68, 1.87), (1.42, 1.56), (0.52, 0.58), (0.70, 0.76), 0.41),
    'suv': ((4.1, 4.95), (1.75, 1.98), (1.58, 1.86), (0.54, 0.60), (0.71, 0.77), 0.48),
    'mpv': ((4.0, 4.85), (1.70, 1.90), (1.58, 1.85), (0.60, 0.66), (0.80, 0.87), 0.44),
}


def shell(stations: np.ndarray, size: tuple[float, float, float], clearance_m: float, glazed: np.ndarray) -> Mesh:
    """Return a body lofted through stations; glazed: (S - 1,) whether there are side windows."""
    length, width, height = size
    x, belt, roof, roof_width, body_width = stations.T
    half, half_roof = body_width * width / 2, roof_width * width / 2
    belt, roof = belt * height, roof * height
    low = np.full(len(x), clearance_m)
    low[[0, -1]] += 0.08
    sill = np.minimum(low + 0.18, 0.8 * belt)
    crown = np.minimum(roof + 0.015 * height, height)
    y = np.stack(
        [-0.86 * half, -half, -half, -half_roof, 0 * half, half_roof, half, half, 0.86 * half], axis=-1
    )  # the ninth closes the ring along the floor
    z = np.stack([low, sill, belt, roof, crown, roof, belt, sill, low], axis=-1)
    sections = np.stack([np.broadcast_to(((x - 0.5) * length)[:, None], y.shape), y, z], axis=-1)  # (S, 9, 3)
    materials = np.full((len(x) - 1, 9), Material.BODY)
    materials[glazed[:, None] & np.isin(np.arange(9), [2, 5])] = Material.GLASS
    steep = np.abs(np.diff(roof)) > 0.1 * height
    steep &= np.maximum(roof[:-1], roof[1:]) > 0.8 * height  # windscreen and rear window, not the nose
    materials[steep, 3:5] = Material.GLASS
    materials[:, 8] = Material.DARK
    return loft(sections, materials.astype(np.uint8))


def wheels(axles_m: tuple[float, ...], radius: float, track: float) -> Mesh:
    """Return a wheel on each side of each axle, standing on the ground."""
    parts = []
    for x in axles_m:
        for side in (-1.0, 1.0):
            ends = np.array([[x, side * (track / 2 - 0.2), radius], [x, side * track / 2, radius]])
            parts.append(tube(ends, radius, Material.RUBBER, 10))
            parts.append(tube(ends * (1, 1.004, 1), 0.6 * radius, Material.METAL, 6))
    return joined(parts)


def _inside(size: tuple[float, float, float], front: float) -> list[Mesh]:
    """Return seats and dashboard, which beams meet through the windows."""
    length, width, height = size
    seats = [
        box(0.18, 0.27 * width, 0.46 * height, Material.CLOTH).turned(pitch=-0.2).shifted(x, side, 0.32 * height)
        for x in ((front - 0.68) * length, (front - 0.90) * length)
        for side in (-0.2 * width, 0.2 * width)
        if x > -0.36 * length
    ]
    board = box(0.3, 0.78 * width, 0.25 * height, Material.DARK).shifted((front - 0.54) * length, 0, 0.33 * height)
    return [board, *seats]


def _car(kind: str, rng: np.random.Generator) -> Mesh:
    lengths, widths, heights, roof_end, screen, nose = _CARS[kind]
    share = rng.random()
    length = lengths[0] + share * (lengths[1] - lengths[0])
    width = widths[0] + np.clip(share + rng.normal() * 0.2, 0, 1) * (widths[1] - widths[0])
    size = (length, width, rng.uniform(*heights))
    end, foot = rng.uniform(*roof_end), rng.uniform(*screen)
    belt = rng.uniform(0.58, 0.65)
    rows = [*_TAILS[kind], (0.42, belt, 1.0, 0.73, 1.0), (end, belt, 0.97, 0.73, 1.0)]
    rows += [(foot, belt - 0.01, belt + 0.04, 0.80, 1.0), (0.93, nose + 0.09, nose + 0.11, 0.78, 0.97)]
    rows += [(1.0, nose - 0.04, nose, 0.66, rng.uniform(0.78, 0.9))]
    stations = np.array(rows)
    inner = slice(1, -1)
    stations[inner, 1:3] *= rng.normal(1.0, 0.012, (len(rows) - 2, 2))
    stations[:, 1:3] = np.minimum(stations[:, 1:3], 1.0)
    stations[:, 3] *= rng.uniform(0.94, 1.04)
    tall = np.minimum(stations[:-1, 2] - stations[:-1, 1], stations[1:, 2] - stations[1:, 1]) > 0.15
    radius = 0.30 + 0.05 * (size[2] > 1.6) + rng.uniform(-0.01, 0.02)
    axles = (-length / 2 + rng.uniform(0.16, 0.20) * length, length / 2 - rng.uniform(0.18, 0.22) * length)
    body = shell(stations, size, rng.uniform(0.14, 0.24), tall)
    return joined([body, wheels(axles, radius, width - 0.02), *_inside(size, foot)])


def _pickup(rng: np.random.Generator) -> Mesh:
    size = length, width, height = rng.uniform(4.9, 5.5), rng.uniform(1.78, 2.0), rng.uniform(1.7, 1.9)
    rows = np.array([
        (0.0, 0.50, 0.52, 0.9, 0.96), (0.02, 0.56, 0.57, 0.96, 1.0), (0.38, 0.57, 0.58, 0.96, 1.0),
        (0.41, 0.60, 0.96, 0.76, 1.0), (0.58, 0.60, 0.98, 0.76, 1.0), (0.70, 0.58, 0.62, 0.8, 1.0),
        (0.95, 0.52, 0.54, 0.8, 0.97), (1.0, 0.42, 0.46, 0.7, 0.88),
    ])  # fmt: skip
    glazed = np.array([0, 0, 0, 1, 1, 0, 0], bool)
    parts = [shell(rows, size, 0.3, glazed), wheels((-0.3 * length, 0.32 * length), 0.38, width - 0.02)]
    if rng.random() < 0.3:  # a cover on the bed
        cover = box(0.36 * length, 0.9 * width, 0.4 * height, Material.BODY)
        parts.append(cover.shifted(-0.3 * length, 0, 0.5 * height))
    return joined(parts)


def _van(rng: np.random.Generator) -> Mesh:
    """Return a van between a small one for parcels and a long, high one."""
    share = rng.random()
    length, width = 4.2 + 2.2 * share + rng.normal() * 0.15, 1.78 + 0.26 * share + rng.normal() * 0.03
    size = length, width, height = length, width, float(np.clip(1.82 + 0.8 * share + rng.normal() * 0.12, 1.78, 2.8))
    screen, belt = 1.0 - rng.uniform(0.85, 1.3) / length, 1.02 / height + rng.uniform(0.0, 0.08)
    top = screen - rng.uniform(0.5, 0.9) / length
    bonnet = min(belt, 1.05 / height)
    rows = np.array([
        (0.0, belt - 0.03, 0.96, 0.88, 0.96), (0.012, belt, 1.0, 0.90, 1.0), (0.3, belt, 1.0, 0.91, 1.0),
        (top - 0.16, belt, 1.0, 0.91, 1.0), (top, belt, 0.97, 0.86, 1.0), (screen, bonnet, bonnet + 0.03, 0.84, 1.0),
        (0.97, bonnet * 0.84, bonnet * 0.86, 0.80, 0.97), (1.0, bonnet * 0.62, bonnet * 0.68, 0.70, 0.88),
    ])  # fmt: skip
    windows = rng.random() < 0.45
    glazed = np.array([0, windows, windows, 1, 1, 0, 0], bool)
    axles = (-length / 2 + rng.uniform(0.17, 0.22) * length, length / 2 - rng.uniform(0.85, 1.0))
    parts = [shell(rows, size, rng.uniform(0.18, 0.28), glazed), wheels(axles, 0.34, width - 0.03)]
    if windows:
        parts += _inside(size, screen)
    else:
        bulkhead = box(0.05, 0.85 * width, 0.7 * height, Material.DARK)
        parts.append(bulkhead.shifted((top - 0.6) * length, 0, 0.25 * height))
    return joined(parts)


def _cab(length: float, width: float, height: float, rng: np.random.Generator) -> Mesh:
    slope = rng.uniform(0.84, 0.97)
    rows = np.array([
        (0.0, 0.5, 0.96, 0.9, 0.98), (0.1, 0.5, 1.0, 0.92, 1.0), (0.7, 0.5, 1.0, 0.92, 1.0),
        (slope, 0.48, 0.93, 0.9, 1.0), (1.0, 0.44, 0.72, 0.86, 0.96),
    ])  # fmt: skip
    pane = box(0.06, 0.84 * width, 0.28 * height, Material.GLASS).shifted(length / 2 - 0.02, 0.0, 0.46 * height)
    return joined([shell(rows, (length, width, height), 0.42, np.array([0, 0, 1, 0], bool)), pane])


def _load(length: float, width: float, height: float, floor: float, rng: np.random.Generator) -> list[Mesh]:
    """Return what a truck carries: a box, a tipper, a flat bed with goods, a tank."""
    frame = box(length, 0.35 * width, 0.25, Material.DARK).shifted(z=floor - 0.25)
    style = rng.random()
    if style < 0.6:
        return [frame, box(length, width, height - floor, Material.BODY).shifted(z=floor)]
    deck = box(length, width, 0.12, Material.METAL).shifted(z=floor)
    if style < 0.78:  # boards on all sides, open above
        tall = rng.uniform(0.5, 0.6 * (height - floor) + 0.1)
        side, end = box(length, 0.06, tall, Material.BODY), box(0.06, width, tall, Material.BODY)
        sides = [side.shifted(0, way * (width / 2 - 0.03), floor) for way in (-1, 1)]
        ends = [end.shifted(way * (length / 2 - 0.03), 0, floor) for way in (-1, 1)]
        return [frame, deck, *sides, *ends]
    if style < 0.88:
        radius = min(0.48 * width, (height - floor) / 2)
        ends_m = np.array([[-length / 2, 0, floor + radius], [length / 2, 0, floor + radius]])
        return [frame, tube(ends_m, radius, Material.METAL, 12)]
    goods = []
    for x in np.linspace(-0.3, 0.3, 3) * length:
        size = rng.uniform(0.8, 0.3 * length), rng.uniform(0.5, 0.9) * width, rng.uniform(0.3, 1.5)
        goods.append(box(*size, Material.WOOD).shifted(x, 0, floor + 0.12))
    return [frame, deck, *goods]


def _truck(rng: np.random.Generator) -> Mesh:
    length, width, height = rng.uniform(6.0, 11.5), rng.uniform(2.2, 2.55), rng.uniform(2.8, 3.95)
    cab_m = rng.uniform(1.7, 2.4)
    cab = _cab(cab_m, width * 0.97, min(rng.uniform(2.5, 3.3), height), rng).shifted(x=(length - cab_m) / 2)
    load = _load(length - cab_m - 0.2, width, height, rng.uniform(0.95, 1.2), rng)
    axles = (-0.26 * length, length / 2 - 1.25) if length < 9.0 else (-0.30 * length, -0.17 * length, length / 2 - 1.3)
    return joined([cab, *(part.shifted(x=-cab_m / 2 - 0.1) for part in load), wheels(axles, 0.48, width - 0.05)])


def _tractor(rng: np.random.Generator) -> Mesh:
    length, width, height = rng.uniform(5.6, 6.2), 2.5, rng.uniform(3.2, 3.9)
    cab = _cab(2.3, width, height, rng).shifted(x=length / 2 - 1.15)
    frame = box(length - 0.3, 0.9, 0.3, Material.DARK).shifted(z=0.75)
    return joined([cab, frame, wheels((-length / 2 + 0.9, length / 2 - 1.35), 0.5, width - 0.05)])


def _trailer(rng: np.random.Generator) -> Mesh:
    long = rng.random() < 0.6
    length, width = (13.6, 2.55) if long else (rng.uniform(3.0, 8.0), rng.uniform(1.8, 2.5))
    height = rng.uniform(3.6, 4.0) if long else rng.uniform(1.5, 3.6)
    floor = 1.15 if long else 0.6
    rear = -length / 2
    axles = (rear + 2.2, rear + 3.5, rear + 4.8) if long else (0.0,)
    legs = [box(0.15, 0.15, floor, Material.DARK).shifted(length / 2 - 0.2 * length, side * 0.7) for side in (-1, 1)]
    below = wheels(axles, 0.5 if long else 0.33, width - 0.05)
    return joined([*_load(length, width, height, floor, rng), *legs, below])


def _bus(rng: np.random.Generator) -> Mesh:
    length, width, height = rng.uniform(7.5, 13.5), rng.uniform(2.3, 2.55), rng.uniform(2.8, 3.3)
    rows = np.array([(0.0, 0.42, 0.96, 0.93, 0.97), (0.01, 0.42, 1.0, 0.95, 1.0), (0.97, 0.42, 1.0, 0.95, 1.0),
                     (1.0, 0.4, 0.93, 0.9, 0.95)])  # fmt: skip
    body = shell(rows, (length, width, height), 0.3, np.array([0, 1, 0], bool))
    pane = box(0.06, 0.86 * width, 0.5 * height, Material.GLASS).shifted(length / 2 - 0.01, 0.0, 0.38 * height)
    seats = [box(0.3, 0.35 * width, 1.1, Material.CLOTH).shifted(x, side * 0.25 * width, 0.5)
             for x in np.linspace(-0.4, 0.35, 6) * length for side in (-1, 1)]  # fmt: skip
    return joined([body, pane, *seats, wheels((-0.24 * length, 0.30 * length), 0.48, width - 0.05)])


def _digger(rng: np.random.Generator) -> Mesh:
    """Return an excavator or a wheel loader."""
    length, width = rng.uniform(2.8, 4.2), rng.uniform(1.8, 2.6)
    tracks = [box(length, 0.5, 0.8, Material.DARK).shifted(0, side * (width / 2 - 0.25)) for side in (-1, 1)]
    cab = box(0.45 * length, 0.55 * width, 1.5, Material.BODY).shifted(0.1, 0.15 * width, 1.3)
    deck = box(0.9 * length, 0.9 * width, 0.6, Material.BODY).shifted(-0.2, 0, 0.8)
    reach = rng.uniform(2.0, 4.0)
    elbow, hand = (length / 2 + 0.5 * reach, -0.2, rng.uniform(2.5, 4.0)), (length / 2 + reach, -0.2, 0.8)
    arm = tube(np.array([(length / 2 - 0.8, -0.2, 1.4), elbow, hand]), 0.2, Material.BODY, 6)
    return joined([*tracks, cab, deck, arm, box(0.8, 1.1, 0.8, Material.METAL).shifted(hand[0], hand[1], 0.2)])


RECIPES: dict[str, Callable[[np.random.Generator], Mesh]] = {
    'small': lambda rng: _car('small', rng), 'saloon': lambda rng: _car('saloon', rng),
    'estate': lambda rng: _car('estate', rng), 'suv': lambda rng: _car('suv', rng), 'mpv': lambda rng: _car('mpv', rng),
    'pickup': _pickup, 'van': _van, 'truck': _truck, 'tractor': _tractor, 'trailer': _trailer, 'bus': _bus,
    'digger': _digger,
}  # fmt: skip
