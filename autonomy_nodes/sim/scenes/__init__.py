"""Families of worlds, by name: each makes a World of a seed."""

from collections.abc import Callable

from autonomy_nodes.sim.scenes.road import road
from autonomy_nodes.sim.world import World

FAMILIES: dict[str, Callable[[int], World]] = {'road': road}


def made(family: str, seed: int) -> World:
    """Return the world of a family and a seed: the same for the same two."""
    if family not in FAMILIES:
        raise ValueError(f'family={family!r} must be one of {", ".join(FAMILIES)}')
    return FAMILIES[family](seed)
