"""Plots by name: each recipe makes one of a seed."""

from collections.abc import Callable

import numpy as np

from autonomy_nodes.sim.plots.plot import HALF_S_M, Plot
from autonomy_nodes.sim.plots.rural import track, wild
from autonomy_nodes.sim.plots.street import arterial, crossroads, street, suburb
from autonomy_nodes.sim.plots.yards import car_park, works
from autonomy_nodes.sim.texture import drawn_grass_m

RECIPES: dict[str, tuple[Callable[..., Plot], float]] = {  # and how often each is drawn
    'street': (street, 0.30), 'suburb': (suburb, 0.15), 'arterial': (arterial, 0.12), 'crossroads': (crossroads, 0.12),
    'car_park': (car_park, 0.08), 'works': (works, 0.06), 'track': (track, 0.09), 'wild': (wild, 0.08),
}  # fmt: skip
LONG = {'street': 0.25, 'suburb': 0.15, 'arterial': 0.4, 'track': 0.2}  # those that are made longer, and how often


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
    return made
