"""Plots by name: each recipe makes one of a seed."""

from collections.abc import Callable

import numpy as np

from autonomy_nodes.sim.plots.plot import HALF_S_M, Plot
from autonomy_nodes.sim.plots.rural import country, track, wild
from autonomy_nodes.sim.plots.street import arterial, crossroads, street, suburb
from autonomy_nodes.sim.plots.yards import car_park, works
from autonomy_nodes.sim.texture import drawn_grass_m

RECIPES: dict[str, tuple[Callable[..., Plot], float]] = {  # and how often each is drawn
    'street': (street, 0.30), 'suburb': (suburb, 0.15), 'arterial': (arterial, 0.12), 'crossroads': (crossroads, 0.12),
    'car_park': (car_park, 0.08), 'works': (works, 0.06), 'track': (track, 0.12), 'wild': (wild, 0.12),
    'country': (country, 0.0),  # where it is asked for: what was learned before its time has not seen it
}  # fmt: skip
LONG = {'street': 0.25, 'suburb': 0.15, 'arterial': 0.4, 'track': 0.2}  # those that are made longer, and how often

_LIVED_IN = ('street', 'suburb', 'crossroads', 'car_park')
_PAVED = ('street', 'arterial', 'crossroads', 'car_park', 'works')


def plot(seed: int, name: str = '', half_s_m: float = HALF_S_M) -> Plot:
    """Return the plot of a seed; of a name of RECIPES, or of one that the seed draws.

    half_s_m: half of it along s; where that is more than HALF_S_M, the seed draws of LONG.
    """
    rng, is_long = np.random.default_rng([seed, 79]), half_s_m > HALF_S_M
    table = LONG if is_long else {each: share for each, (_, share) in RECIPES.items()}
    shares = np.array(list(table.values()))
    drawn = list(table)[int(rng.choice(len(table), p=shares / shares.sum()))]
    if is_long and name and name not in LONG:
        raise ValueError(f'recipe={name!r} cannot be long; {", ".join(LONG)} can')
    recipe = RECIPES[name or drawn][0]
    made = recipe(rng, half_s_m) if is_long else recipe(rng)
    made.grass_m = drawn_grass_m(rng) if rng.random() < 0.8 else float(rng.uniform(0.1, 0.45))
    if (name or drawn) in _PAVED and rng.random() < 0.2:
        _closed_off(made, rng)
    if (name or drawn) in _LIVED_IN:
        _bystanders(made, rng, int(rng.integers(0, 20)))
        for _ in range(int(rng.integers(0, 6))):
            _bicycles(made, rng)
        for _ in range(int(rng.integers(0, 5))):
            _sheltered(made, rng)
    return made


def _bystanders(plot: Plot, rng: np.random.Generator, count: int) -> None:
    """Let people stand right beside something: at walls and cars, under trees, among bins."""
    for _ in range(count):
        s, n = _beside(plot, rng, rng.uniform(0.3, 0.9))
        _somebody(plot, rng, s, n)


def _bicycles(plot: Plot, rng: np.random.Generator) -> None:
    """Leave bicycles beside each other in a rack, or one against something."""
    (s, n), wide = _beside(plot, rng, rng.uniform(0.4, 1.2)), rng.uniform(0.55, 0.9)
    heading = rng.choice([-0.5, 0.5]) * np.pi + rng.normal() * 0.08
    for number in range(1 if rng.random() < 0.4 else int(rng.integers(3, 12))):
        plot.park('bicycle', s + number * wide, n, heading + (np.pi if rng.random() < 0.1 else 0.0), gap_m=0.0)


def _sheltered(plot: Plot, rng: np.random.Generator) -> None:
    """Put a roof above heads beside something, and people under it: at shops, stalls, stops."""
    (s, n), way = _beside(plot, rng, rng.uniform(0.6, 1.6)), rng.choice([0.0, 0.5, 1.0, 1.5]) * np.pi
    if not plot.put('awning', s, n, way, free=False):
        return
    for _ in range(int(rng.integers(0, 5))):
        _somebody(plot, rng, s + rng.normal() * 1.2, n + rng.normal() * 0.8)


def _somebody(plot: Plot, rng: np.random.Generator, s: float, n: float) -> None:
    plot.park('person' if rng.random() < 0.85 else 'sitting', s, n, rng.uniform(0.0, 2.0 * np.pi), gap_m=0.0)


def _beside(plot: Plot, rng: np.random.Generator, gap_m: float) -> tuple[float, float]:
    """Return a place right beside something, mostly one that the ways overlook."""
    for _ in range(10):
        s, n = plot.taken.beside(rng, gap_m)
        if abs(s) < 50.0 and abs(n) < 15.0:
            break
    return s, n


def _closed_off(plot: Plot, rng: np.random.Generator) -> None:
    """Lay rows of blocks beside a way, one or two deep, here and there with a gap."""
    first, length = rng.uniform(-45.0, 20.0), rng.uniform(6.0, 50.0)
    n, slant = rng.choice([-1.0, 1.0]) * rng.uniform(3.0, 11.0), rng.normal() * 0.03
    for deep in range(int(rng.integers(1, 3))):
        for s in np.arange(first, min(first + length, 55.0), rng.uniform(2.25, 2.6)):
            if rng.random() < 0.93:
                across = n + np.sign(n) * 1.3 * deep + slant * (s - first) + rng.normal() * 0.03
                plot.put('block', s, float(across), slant + rng.normal() * 0.04)
