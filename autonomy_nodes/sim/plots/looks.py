"""How road users look: paint, lamps and plates of vehicles, clothes, hair and skin of people."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.users import ANIMAL, TRUCK, VEHICLE, User
from autonomy_nodes.sim.surfaces import CLOTHES, PAINTS

_SHARES = np.array([0.16, 0.08, 0.16, 0.13, 0.12, 0.10, 0.06, 0.05, 0.04, 0.04, 0.01, 0.02, 0.01, 0.01, 0.01])
_SKINS = np.array([(0.86, 0.66, 0.54), (0.72, 0.52, 0.40), (0.48, 0.32, 0.24), (0.30, 0.20, 0.15)]) ** 1.9
_FURS = np.array([(0.45, 0.32, 0.2), (0.2, 0.15, 0.12), (0.7, 0.6, 0.48), (0.08, 0.08, 0.08)]) ** 1.9
_BODY, _CLOTH, _SKIN, _METAL = (int(m) for m in (Material.BODY, Material.CLOTH, Material.SKIN, Material.METAL))
_ON_WHEELS = (VEHICLE, TRUCK)


class Looks(NamedTuple):
    """Of K numbers of users. local: (K, 3, 4) from map to parts of their size. colours: (K, 3, 3) linear.

    Of vehicles only the first of the colours counts; of people jacket, trousers and skin. driven: lamps are on.
    """

    local: np.ndarray
    colours: np.ndarray
    wheels: np.ndarray
    driven: np.ndarray


def looks_of(users: Sequence[tuple[int, User, np.ndarray]], first: int = 0) -> Looks:
    """Return how (number, user, pose in map) look, by number less `first`; all in the same colours every time."""
    count = 1 + max((number - first for number, _, _ in users), default=-1)
    local = np.zeros((count, 3, 4), np.float32)
    colours = np.zeros((count, 3, 3), np.float32)
    wheels, driven = np.zeros(count, bool), np.zeros(count, bool)
    for number, user, pose in users:
        row = number - first
        local[row] = inverse(pose)[:3] / user.size[:, None]
        wheels[row], driven[row] = user.label in _ON_WHEELS, user.speed_mps > 0.1
        rng = np.random.default_rng([number, user.variant, round(1e6 * user.tint)])
        if user.label in _ON_WHEELS:
            colours[row] = PAINTS[int(rng.choice(len(PAINTS), p=_SHARES / _SHARES.sum()))] * rng.uniform(0.8, 1.15)
        elif user.label == ANIMAL:
            colours[row] = _FURS[int(rng.integers(len(_FURS)))]
        else:
            upper, lower = CLOTHES[int(rng.integers(len(CLOTHES)))], CLOTHES[int(rng.choice([0, 1, 2, 2, 3, 8]))]
            colours[row] = [upper, lower, _SKINS[int(rng.integers(len(_SKINS)))]]
    return Looks(local, colours, wheels, driven)


@njit(cache=True)
def dressed(
    places: np.ndarray, materials: np.ndarray, owners: np.ndarray, looks: Looks, dark: float, owned: np.ndarray,
    glows: np.ndarray,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Put the colour and own light of (N, 3) places on users into `owned` and `glows` (N, 3); owners: (N,) rows."""
    for i in range(len(places)):
        row = owners[i]
        if row < 0 or row >= len(looks.local):
            continue
        m = looks.local[row]
        x = m[0, 0] * places[i, 0] + m[0, 1] * places[i, 1] + m[0, 2] * places[i, 2] + m[0, 3]
        y = abs(m[1, 0] * places[i, 0] + m[1, 1] * places[i, 1] + m[1, 2] * places[i, 2] + m[1, 3])
        z = m[2, 0] * places[i, 0] + m[2, 1] * places[i, 1] + m[2, 2] * places[i, 2] + m[2, 3]
        material = materials[i]
        if looks.wheels[row]:
            if material == _BODY:
                _vehicle(x, y, z, looks.colours[row, 0], dark if looks.driven[row] else 0.0, owned[i], glows[i])
        elif material == _BODY:
            owned[i] = looks.colours[row, 1] if looks.colours[row, 1, 0] > 0.1 else looks.colours[row, 0]
        elif material == _CLOTH:
            owned[i] = looks.colours[row, 0] if z > 0.5 else looks.colours[row, 1]
        elif material == _SKIN:
            hair = z > 0.965 or (x < -0.02 and z > 0.9)
            owned[i] = looks.colours[row, 2] * (0.12 if hair else 1.0)


@njit(cache=True)
def _vehicle(
    x: float, y: float, z: float, paint: np.ndarray, dark: float, owned: np.ndarray, glow: np.ndarray
) -> None:  # pragma: no cover - compiled
    """Put paint, or that of a lamp, a plate, a seam or a bumper there, of parts of length, width and height."""
    for c in range(3):
        owned[c] = paint[c]
    seam = min(abs(x + 0.16), abs(x - 0.10), abs(x - 0.34))
    if z < 0.22 or (seam < 0.0012 and y > 0.4 and z < 0.62):
        for c in range(3):
            owned[c] = 0.012 + 0.15 * paint[c]
    if x < -0.44 and 0.31 < y < 0.48 and 0.40 < z < 0.58:
        owned[0], owned[1], owned[2] = 0.42, 0.02, 0.02
        glow[0], glow[1] = 0.9 * dark, 0.03 * dark
    elif x > 0.41 and 0.27 < y < 0.46 and 0.35 < z < 0.47:
        owned[0], owned[1], owned[2] = 0.75, 0.77, 0.80
        glow[0], glow[1], glow[2] = 7.0 * dark, 6.6 * dark, 5.6 * dark
    elif abs(x) > 0.46 and y < 0.14 and 0.26 < z < 0.35:
        owned[0], owned[1], owned[2] = 0.70, 0.70, 0.62
    elif x > 0.46 and y < 0.26 and 0.35 < z < 0.43:
        owned[0], owned[1], owned[2] = 0.015, 0.015, 0.016
