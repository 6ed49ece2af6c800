"""Who takes part in traffic: the numbers by which each drives, cycles or walks, drawn for each."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.vehicle import Trailer

INATTENTIVE = 0.2  # share of the drivers
PUSHING = 0.35  # share of the drivers who cut in where traffic is as hard as can be
TRAILER = Trailer(present=True)


class Trait(IntEnum):
    """Columns of (N, 18) traits. reach_s, least_m: how far ahead the way is aimed at."""

    LENGTH_M = 0
    WIDTH_M = 1
    REAR_M = 2  # from the reference point, about the rear axle, to the rear end
    WISH_MPS = 3  # on a free straight; a share of the way's limit has been taken already
    HEADWAY_S = 4
    ACCELERATION = 5
    BRAKING = 6
    LATERAL = 7  # acceleration that is taken in bends
    GAP_S = 8  # the shortest time before somebody with right of way that is taken
    SIDE_M = 9  # kept free beside the body
    POLITENESS = 10  # of MOBIL: what others lose by a change of lane counts so much
    SAFE_BRAKING = 11  # what is asked at most of who is cut in on
    REACH_S = 12
    LEAST_M = 13
    BEND = 14  # tightest curvature
    START_S = 15  # from a free way to the first move
    DODGE_MPS = 16  # how fast it moves sideways
    TOWED_M = 17  # behind the rear end


class Mode(IntEnum):
    """How somebody moves."""

    DRIVES = 0
    RIDES = 1
    WALKS = 2
    STANDS = 3  # parked


@dataclass(frozen=True, eq=False)
class Member:
    """One who takes part. traits: (18,) `Trait`. attention: False where he now and then looks away.

    wander_m: by how much he keeps off his line; tows: a semitrailer follows.
    """

    label: Label
    mode: Mode
    traits: np.ndarray
    attention: bool = True
    wander_m: float = 0.12
    tows: bool = False


SIZES = {  # mean and spread of length, width; m
    'car': (4.6, 0.3, 1.88, 0.07), 'van': (5.6, 0.4, 2.05, 0.06), 'truck': (8.8, 1.1, 2.5, 0.05),
    'bus': (12.0, 0.4, 2.55, 0.02), 'tractor': (6.0, 0.2, 2.55, 0.02), 'cyclist': (1.8, 0.08, 0.65, 0.06),
    'small': (3.9, 0.2, 1.72, 0.05),
}  # fmt: skip
HEAVY = ('truck', 'bus', 'tractor')


def clipped(rng: np.random.Generator, mean: float, spread: float, low: float, high: float) -> float:
    """Return a normal draw within bounds."""
    return float(np.clip(rng.normal(mean, spread), low, high))


def drawn(kind: str, limit_mps: float, difficulty: float, rng: np.random.Generator) -> Member:
    """Return one of a kind of SIZES, or a pedestrian; limit_mps: of the way. Means after Treiber and Kesting (2013)."""
    if kind == 'pedestrian':
        return _on_foot(rng)
    length, width = (clipped(rng, SIZES[kind][i], SIZES[kind][i + 1], 0.4, 14.0) for i in (0, 2))
    if kind == 'cyclist':
        return _on_two_wheels(rng, length, width)
    heavy, pushes = kind in HEAVY, rng.random() < PUSHING * difficulty**2
    t = np.zeros(len(Trait))
    t[:3] = length, width, (0.3 if heavy else 0.22) * length
    if kind == 'tractor':
        t[:3] = 6.0, TRAILER.width_m, 1.8
    wish = limit_mps * clipped(rng, 1.03, 0.11, 0.75, 1.4)
    t[Trait.WISH_MPS] = min(wish, 25.0) if heavy else wish
    t[Trait.HEADWAY_S] = clipped(rng, 1.45 - 0.35 * difficulty, 0.35, 0.6, 2.5) * (0.7 if pushes else 1.0)
    t[Trait.ACCELERATION] = clipped(rng, 1.0 if heavy else 1.7, 0.3, 0.6, 2.8)
    t[Trait.BRAKING] = clipped(rng, 2.0, 0.4, 1.2, 3.2)
    t[Trait.LATERAL] = clipped(rng, 1.3 if heavy else 2.1, 0.5, 0.9, 3.8)
    t[Trait.GAP_S] = clipped(rng, 2.6 - 0.8 * difficulty, 0.6, 1.0, 5.0) + (0.8 if heavy else 0.0)
    t[Trait.SIDE_M] = clipped(rng, 0.45, 0.1, 0.3, 0.7)
    t[Trait.POLITENESS] = 0.0 if pushes else clipped(rng, 0.3, 0.15, 0.0, 0.8)
    t[Trait.SAFE_BRAKING] = clipped(rng, 5.5, 0.5, 4.5, 6.5) if pushes else clipped(rng, 2.2, 0.5, 1.2, 3.5)
    t[Trait.REACH_S] = clipped(rng, 0.85, 0.12, 0.6, 1.2)
    t[Trait.LEAST_M] = 4.5 if heavy else 3.2
    t[Trait.BEND] = 0.12 if heavy else 0.2
    t[Trait.START_S] = float(rng.gamma(4.0, 0.22))
    t[Trait.DODGE_MPS] = clipped(rng, 1.0 + 0.5 * pushes, 0.2, 0.5, 1.9) * (0.75 if heavy else 1.0)
    t[Trait.TOWED_M] = TRAILER.length_m + TRAILER.behind_axle_m - 2.4 if kind == 'tractor' else 0.0
    label = Label.TRUCK if length > 7.5 or heavy else Label.CAR
    wander = clipped(rng, 0.16, 0.06, 0.04, 0.35)
    return Member(label, Mode.DRIVES, t, rng.random() >= INATTENTIVE, wander, kind == 'tractor')


def parked(rng: np.random.Generator) -> Member:
    """Return a car that stands."""
    kind = str(rng.choice(['car', 'small', 'car', 'van']))
    t = np.zeros(len(Trait))
    length, spread, width, wide = SIZES[kind]
    t[:3] = clipped(rng, length, spread, 3.4, 6.8), clipped(rng, width, wide, 1.6, 2.2), 0.0
    t[Trait.REAR_M] = 0.5 * t[Trait.LENGTH_M]
    return Member(Label.CAR, Mode.STANDS, t, wander_m=0.0)


def _on_two_wheels(rng: np.random.Generator, length: float, width: float) -> Member:
    t = np.zeros(len(Trait))
    t[:3] = length, width, 0.4 * length
    t[3:] = (
        clipped(rng, 4.7, 1.6, 2.0, 9.0), clipped(rng, 0.9, 0.2, 0.5, 1.5), clipped(rng, 0.9, 0.2, 0.5, 1.4), 1.8,
        clipped(rng, 1.8, 0.4, 1.0, 3.0), clipped(rng, 2.4, 0.6, 1.2, 4.0), 0.3, 0.5, 2.0,
        clipped(rng, 0.8, 0.1, 0.5, 1.1), 1.6, 0.5, float(rng.gamma(3.0, 0.2)), 0.8, 0.0,
    )  # fmt: skip
    return Member(Label.BICYCLE, Mode.RIDES, t, rng.random() >= 0.1, clipped(rng, 0.2, 0.06, 0.08, 0.4))


def _on_foot(rng: np.random.Generator) -> Member:
    t = np.zeros(len(Trait))
    t[:3] = clipped(rng, 0.6, 0.08, 0.4, 1.0), clipped(rng, 0.65, 0.08, 0.4, 1.0), 0.0
    t[Trait.REAR_M] = 0.5 * t[Trait.LENGTH_M]
    runs = rng.random() < 0.05
    t[3:] = (
        clipped(rng, 2.8, 0.5, 2.0, 4.0) if runs else clipped(rng, 1.33, 0.26, 0.6, 2.4),
        0.3, 1.2, 1.6, 3.0, clipped(rng, 2.0, 0.7, 0.7, 4.0), 0.15, 0.5, 2.0, 0.6,
        1.1, 1.3, float(rng.gamma(2.0, 0.3)), 0.6, 0.0,
    )  # fmt: skip
    return Member(Label.PEDESTRIAN, Mode.WALKS, t, True, clipped(rng, 0.11, 0.05, 0.02, 0.3))
