"""What comes back of a beam: of what it met first, of what stood beside or behind that, of fog and rain on its way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.sim import air
from autonomy_nodes.sim.materials import REFLECTIVITIES, Material, Semantic
from autonomy_nodes.sim.raycast import NOBODY, Hits
from autonomy_nodes.sim.world import Weather

APART_M = 1.0  # echoes nearer to one another are one
THROUGH_GLASS = 0.75  # of the light, each way
_LEAST_SHARE = 0.2  # of a beam at an edge that falls on either side
_PATCHY = 1.0  # standard deviation of the logarithm of how thick the air is


@dataclass(frozen=True, eq=False)
class Echoes:
    """One echo a ray, (N,) each; inf far where there is none.

    returned: part of the light that comes back, as a surface near by would send it. strengths: against an echo that is
    lost half the time. semantics, materials, bodies: as in `Hits`.
    """

    ranges_m: np.ndarray
    returned: np.ndarray
    strengths: np.ndarray
    semantics: np.ndarray
    materials: np.ndarray
    bodies: np.ndarray

    def taken(self, rows: np.ndarray) -> 'Echoes':
        """Return those of some rows."""
        return Echoes(*(values[rows] for values in vars(self).values()))

    def weakened(self, factor: np.ndarray) -> 'Echoes':
        """Return the same with a part of the light, (N,)."""
        return replace(self, returned=self.returned * factor, strengths=self.strengths * factor)


@dataclass(frozen=True, eq=False)
class Beside:
    """What a second ray of each beam met. through: (N,) whether it went on through glass that the first one met."""

    echoes: Echoes
    through: np.ndarray


def echoes_of(hits: Hits, aims: np.ndarray, half_lost_m: float, weather: Weather) -> Echoes:
    """Return what comes back of what rays met. aims: (N, 3) in map, as cast."""
    facing = np.abs(np.einsum('ij,ij->i', hits.normals, aims))
    returned = REFLECTIVITIES[hits.materials] * (0.25 + 0.75 * facing)
    if not air.is_clear(weather):
        returned = returned * air.wetted(hits.materials, weather) * air.dimmed(hits.ranges_m, weather)
    # light falls with the square of range: half are lost where what returns equals that of a tenth at half_lost_m
    strengths = returned / 0.1 * (half_lost_m / np.maximum(hits.ranges_m, 1.0)) ** 2
    return Echoes(hits.ranges_m, returned, strengths, hits.semantics, hits.materials, hits.bodies)


def shared(first: Echoes, beside: Beside, rng: np.random.Generator) -> tuple[Echoes, Echoes]:
    """Return both echoes of beams that met two things, each with its share; elsewhere the second has no strength."""
    share = rng.uniform(_LEAST_SHARE, 1.0 - _LEAST_SHARE, len(first.ranges_m)).astype(np.float32)
    second = beside.echoes
    with np.errstate(invalid='ignore'):
        apart = np.abs(second.ranges_m - first.ranges_m) >= APART_M  # inf and inf are not
    edge = apart & ~beside.through
    of_second = np.where(edge, 1.0 - share, np.where(apart, np.float32(THROUGH_GLASS**2), 0.0)).astype(np.float32)
    return first.weakened(np.where(edge, share, np.float32(1.0))), second.weakened(of_second)


def wisps(count: int, half_lost_m: float, weather: Weather, rng: np.random.Generator) -> Echoes:
    """Return what the air itself sends back: of each ray the thickest place, anywhere within air.WISPS_M."""
    ranges = rng.uniform(1.0, air.WISPS_M, count).astype(np.float32)
    thick = np.exp(_PATCHY * rng.standard_normal(count, np.float32) - np.float32(0.5 * _PATCHY**2))
    returned = (air.shine(weather) * thick * air.dimmed(ranges, weather)).astype(np.float32)
    strengths = returned / 0.1 * (half_lost_m / ranges) ** 2 * air.heard(ranges)
    nothing = np.full(count, Semantic.NOTHING, np.uint8), np.full(count, Material.WATER, np.uint8)
    return Echoes(ranges, returned, strengths, *nothing, np.full(count, NOBODY, np.int32))


def reported(
    things: Sequence[Echoes], air_itself: Echoes | None, returns: int, rng: np.random.Generator
) -> tuple[Echoes, np.ndarray, np.ndarray]:
    """Return the strongest of the echoes that are not lost, the rays they are of (rising), and their luck.

    At most `returns` of a ray, the stronger one first. things: echoes of surfaces, which hide the air behind them.
    """
    count = len(things[0].ranges_m)
    ranges = np.stack([echoes.ranges_m for echoes in things])  # (K, N)
    power = np.stack([echoes.strengths * air.heard(echoes.ranges_m) for echoes in things])
    luck = rng.random((len(things) + 1, count), np.float32)
    lost = luck[:-1] >= 1.0 - np.exp2(-np.stack([echoes.strengths for echoes in things]))
    power[lost | ~np.isfinite(ranges)] = 0.0
    every = list(things)
    if air_itself is not None:
        own = air_itself.strengths.copy()
        own[(luck[-1] >= 1.0 - np.exp2(-own)) | (air_itself.ranges_m > things[0].ranges_m - APART_M)] = 0.0
        power, every = np.vstack([power, own]), [*every, air_itself]
    order = np.argsort(-power, axis=0, kind='stable')[:returns].T.ravel()  # ray after ray
    rays = np.repeat(np.arange(count), min(returns, len(every)))
    heard = power[order, rays] > 0.0
    order, rays = order[heard], rays[heard]
    row = order * count + rays
    whole = Echoes(*(np.concatenate(columns) for columns in zip(*(vars(echoes).values() for echoes in every))))
    return whole.taken(row), rays, luck.ravel()[row]
