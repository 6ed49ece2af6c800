"""Road users from a seed: sizes, colours, and what they want."""

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.sim.plots import users
from autonomy_nodes.sim.world import Actor, Policy

_COLOURS = (
    (0.85, 0.85, 0.87), (0.10, 0.10, 0.12), (0.45, 0.47, 0.50), (0.62, 0.08, 0.08), (0.08, 0.18, 0.45),
    (0.70, 0.70, 0.72), (0.12, 0.30, 0.18), (0.75, 0.55, 0.12),
)  # fmt: skip
# kind: label, mean of length, width, height and their spread
_KINDS = {
    'car': (Label.CAR, (4.4, 1.80, 1.50), (0.25, 0.04, 0.06)),
    'van': (Label.CAR, (5.3, 1.98, 2.30), (0.35, 0.04, 0.20)),
    'truck': (Label.TRUCK, (8.5, 2.50, 3.40), (0.60, 0.02, 0.20)),
    'tractor': (Label.TRUCK, (6.0, 2.50, 3.70), (0.10, 0.02, 0.10)),
    'trailer': (Label.TRAILER, (13.6, 2.55, 3.95), (0.0, 0.0, 0.02)),
    'bus': (Label.BUS, (12.0, 2.55, 3.10), (0.20, 0.0, 0.10)),
    'cyclist': (Label.BICYCLE, (1.80, 0.60, 1.75), (0.05, 0.03, 0.06)),
    'pedestrian': (Label.PEDESTRIAN, (0.60, 0.55, 1.72), (0.05, 0.04, 0.09)),
}
# those whose bodies are of sim/plots: as large as they are there
_OF_PLOTS = {'motorcyclist': Label.MOTORCYCLE, 'digger': Label.TRUCK, 'animal': Label.ANIMAL}


class Cast:
    """Engages actors with fresh ids."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.actors: list[Actor] = []

    def add(
        self, shape: str, policy: Policy, place: tuple[float, float, float] = (0.0, 0.0, 0.0), tows: int = 0
    ) -> Actor:
        """Engage one actor."""
        if shape in _OF_PLOTS:
            label, style = _OF_PLOTS[shape], int(self._rng.integers(users.VARIANTS))
            size = users.body(shape, style).size
        else:
            label, mean, spread = _KINDS[shape]
            size = np.array(mean) + np.clip(self._rng.normal(size=3), -2.0, 2.0) * spread
        length, width, height = (round(float(value), 2) for value in size)
        tint = _COLOURS[int(self._rng.integers(len(_COLOURS)))]
        style = int(self._rng.integers(2)) if shape in _KINDS else style
        number = len(self.actors) + 1
        self.actors.append(Actor(number, label, shape, (length, width, height), policy, place, tint, style, tows))
        return self.actors[-1]
