"""Families of worlds, by name: each makes a World of a seed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from autonomy_nodes.sim.scenes.junction import junction
from autonomy_nodes.sim.scenes.road import road
from autonomy_nodes.sim.scenes.rough import rough
from autonomy_nodes.sim.scenes.works import works
from autonomy_nodes.sim.texture import drawn_grass_m
from autonomy_nodes.sim.world import World

FAMILIES: dict[str, Callable[[int], World]] = {'road': road, 'junction': junction, 'rough': rough, 'works': works}


def made(family: str, seed: int) -> World:
    """Return the world of a family and a seed: the same for the same two."""
    world = FAMILIES[chosen('', family, seed)[0]](seed)
    return replace(world, grass_m=drawn_grass_m(np.random.default_rng([seed, 101])))


def chosen(scenario: str, family: str, seed: int) -> tuple[str, int]:
    """Return family and seed of 'FAMILY' or 'FAMILY-SEED'; those given where the scenario is empty."""
    if scenario:
        family, _, number = scenario.partition('-')
        if number and not number.isdecimal():
            raise ValueError(f'scenario={scenario!r} must be FAMILY or FAMILY-SEED, such as road-3')
        seed = int(number) if number else seed
    if family not in FAMILIES:
        raise ValueError(f'family={family!r} must be one of {", ".join(FAMILIES)}')
    return family, seed
