"""A plot: its ground, what stands and parks there, and the tracks along which the rest moves."""

import math
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.sim.materials import REFLECTIVITIES, Material
from autonomy_nodes.sim.mesh import Mesh
from autonomy_nodes.sim.plots import things, users
from autonomy_nodes.sim.plots.relief import Relief
from autonomy_nodes.sim.plots.solids import Thing
from autonomy_nodes.sim.plots.users import User

HALF_S_M, HALF_N_M = 62.0, 50.0  # of every plot but long ones, which have more along s
Mix = tuple[tuple[str, float], ...]  # kinds of users and how often each
TRAFFIC: Mix = (
    ('car', 0.62), ('truck', 0.07), ('bus', 0.03), ('cyclist', 0.18), ('motorcyclist', 0.06), ('trailer', 0.02),
    ('digger', 0.02),
)  # fmt: skip
WALKERS: Mix = (('person', 0.9), ('cyclist', 0.06), ('animal', 0.04))


@dataclass(frozen=True)
class Track:
    """A straight way in s and n along which users come one after the other.

    heading: against the road [rad]. gap_m: mean space between two, inf for none. ego: the vehicle itself may be there.
    """

    s: float
    n: float
    heading: float
    length_m: float
    speeds_mps: tuple[float, float]
    mix: Mix
    gap_m: float
    spread_m: float = 0.2
    ego: bool = False

    def at(self, d: float, aside_m: float = 0.0) -> tuple[float, float, float]:
        """Return s, n and heading after d metres."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return self.s + d * cos - aside_m * sin, self.n + d * sin + aside_m * cos, self.heading


@dataclass(frozen=True, eq=False)
class Placed:
    """A thing where it stands. tint: reflectance of tinted faces."""

    thing: Thing
    map_from_thing: np.ndarray
    tint: float

    def mesh(self) -> Mesh:
        """Return its triangles in map."""
        return self.thing.mesh.placed(self.map_from_thing)

    def reflectances(self) -> np.ndarray:
        """Return (F,) part of the light that each face sends back."""
        materials = self.thing.mesh.materials
        tinted = np.isin(materials, [Material.WALL, Material.BODY, Material.METAL])
        return np.where(tinted, self.tint, REFLECTIVITIES[materials]).astype(np.float32)

    def footprint(self) -> np.ndarray:
        """Return (M, 2) in map."""
        return self.thing.footprint @ self.map_from_thing[:2, :2].T + self.map_from_thing[:2, 3]


class Taken:
    """Which rectangles along s and n are taken."""

    def __init__(self, rows: np.ndarray | None = None) -> None:
        self._rows = np.zeros((64, 4)) if rows is None else rows.copy()
        self._count = 0 if rows is None else len(rows)

    def copy(self) -> 'Taken':
        """Return another with the same rectangles."""
        return Taken(self._rows[: self._count])

    def take(self, s: float, n: float, half_s: float, half_n: float) -> bool:
        """Take a rectangle unless a part of it is taken; return whether it was free."""
        low_s, high_s, low_n, high_n = s - half_s, s + half_s, n - half_n, n + half_n
        rows = self._rows[: self._count]
        overlap = (rows[:, 0] < high_s) & (rows[:, 1] > low_s) & (rows[:, 2] < high_n) & (rows[:, 3] > low_n)
        if overlap.any():
            return False
        self.occupy(s, n, half_s, half_n)
        return True

    def beside(self, rng: np.random.Generator, gap_m: float) -> tuple[float, float]:
        """Return s and n of a place so far from a side of a rectangle that is taken."""
        low_s, high_s, low_n, high_n = self._rows[int(rng.integers(self._count))]
        if rng.random() < 0.5:
            return rng.uniform(low_s, high_s), low_n - gap_m if rng.random() < 0.5 else high_n + gap_m
        return low_s - gap_m if rng.random() < 0.5 else high_s + gap_m, rng.uniform(low_n, high_n)

    def occupy(self, s: float, n: float, half_s: float, half_n: float) -> None:
        """Take a rectangle, whatever a part of it is taken by."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros((max(64, self._count), 4))])
        self._rows[self._count] = s - half_s, s + half_s, n - half_n, n + half_n
        self._count += 1


def spanned(length: float, width: float, heading: float) -> tuple[float, float]:
    """Return half the extents along s and n of a turned rectangle."""
    cos, sin = abs(math.cos(heading)), abs(math.sin(heading))
    return 0.5 * (length * cos + width * sin), 0.5 * (length * sin + width * cos)


@dataclass(eq=False)
class Plot:
    """A place of 124 by 100 m, a long one of 2 * half_s_m by 100 m.

    parked: users that do not move, for all views. taken: where somebody or something is. grass_m: height of the grass.
    """

    family: str
    relief: Relief
    rng: np.random.Generator
    placed: list[Placed] = field(default_factory=list)
    parked: list[User] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    taken: Taken = field(default_factory=Taken)
    grass_m: float = 0.0
    half_s_m: float = HALF_S_M

    def put(self, name: str, s: float, n: float, heading: float = 0.0, free: bool = True, scale: float = 1.0) -> bool:
        """Put a thing there where it is free; `free`: ask at all. Return whether it was put."""
        variant = int(self.rng.integers(things.VARIANTS))
        tint = float(self.rng.uniform(0.08, 0.7))
        if abs(s) > self.half_s_m - 1.0 or abs(n) > HALF_N_M - 1.0:
            return False
        thing = things.thing(name, variant)
        if len(thing.footprint):
            length, width = scale * np.ptp(thing.footprint, axis=0)
            half_s, half_n = spanned(length, width, heading)
        else:
            half_s = half_n = 0.2
        if free and not self.taken.take(s, n, half_s + 0.1, half_n + 0.1):
            return False
        self.placed.append(Placed(thing, self.pose(s, n, heading, scale), tint))
        return True

    def front(self, name: str, s: float, n: float, heading: float = 0.0) -> float:
        """Put a thing with its near side on a line n, beginning at s; return the s at which it ends, or s + 2."""
        variant, tint = int(self.rng.integers(things.VARIANTS)), float(self.rng.uniform(0.08, 0.7))
        thing = things.thing(name, variant)
        length, width = np.ptp(thing.footprint, axis=0)
        half_s, half_n = spanned(length, width, heading)
        at = s + half_s, n + math.copysign(half_n, n)
        inside = at[0] + half_s < self.half_s_m and abs(at[1]) + half_n < HALF_N_M
        if not inside or not self.taken.take(*at, half_s, half_n):
            return s + 2.0
        self.placed.append(Placed(thing, self.pose(*at, heading), tint))
        return s + 2.0 * half_s

    def pose(self, s: float, n: float, heading: float, scale: float = 1.0) -> np.ndarray:
        """Return (4, 4) upright pose in map on the ground."""
        xy = self.relief.to_map(s, n)
        yaw = float(self.relief.heading(np.array([s, n, heading])))
        pose = np.eye(4)
        cos, sin = scale * math.cos(yaw), scale * math.sin(yaw)
        pose[:2, :2] = [[cos, -sin], [sin, cos]]
        pose[2, 2] = scale
        pose[:3, 3] = [*xy, float(self.relief.height(xy))]
        return pose

    def park(self, kind: str, s: float, n: float, heading: float, gap_m: float = 0.15) -> bool:
        """Let somebody stand there where it is free; return whether it was."""
        user = users.drawn(kind, (s, n, heading), self.rng)
        half_s, half_n = spanned(user.size[0], user.size[1], heading)
        if abs(s) + half_s > self.half_s_m or abs(n) + half_n > HALF_N_M:
            return False
        if not self.taken.take(s, n, half_s + gap_m, half_n + 0.05):
            return False
        self.parked.append(user)
        return True

    def row(
        self, name: str, n: float, low: float, high: float, pitch: float, share: float, heading: float = 0.0,
        aside_m: float = 0.3,
    ) -> None:  # fmt: skip
        """Put things along a line of equal n, about `pitch` apart, a `share` of the places."""
        for s in np.arange(low + 0.5 * pitch, high - 0.4 * pitch, pitch):
            if self.rng.random() < share:
                turn = heading + (self.rng.normal() * 0.04 if aside_m else 0.0)
                along = self.rng.normal() * 0.1 * pitch if aside_m else 0.0
                self.put(name, s + along, n + self.rng.normal() * aside_m, turn)

    def traffic(self, rng: np.random.Generator, ego: tuple[float, float, float], taken: Taken) -> list[User]:
        """Return who moves at one moment, clear of each other and of all that stands; ego: its place."""
        taken.occupy(*_ahead(ego), *spanned(7.0, 2.4, ego[2]))
        found = []
        for track in self.tracks:
            d = rng.exponential(track.gap_m) if np.isfinite(track.gap_m) else np.inf
            while d < track.length_m:
                kinds, shares = zip(*track.mix)
                kind = kinds[int(np.searchsorted(np.cumsum(shares) / np.sum(shares), rng.random()))]
                aside, speed = rng.normal() * track.spread_m, rng.uniform(*track.speeds_mps)
                if kind == 'cyclist' and track.spread_m < 0.5:
                    aside -= rng.uniform(0.0, 1.3)  # near the edge
                speed *= 0.0 if rng.random() < 0.25 else {'cyclist': 0.5, 'person': 0.6}.get(kind, 1.0)
                user = users.drawn(kind, track.at(d, aside), rng, speed)
                s, n, heading = user.place
                half_s, half_n = spanned(user.size[0], user.size[1], heading)
                inside = abs(s) + half_s < self.half_s_m and abs(n) + half_n < HALF_N_M
                if inside and taken.take(s, n, half_s + 0.3, half_n + 0.1):
                    found.append(user)
                d += 0.6 * user.size[0] + rng.exponential(track.gap_m) + (0.3 if user.size[0] < 1.0 else 1.5)
        return found


def _ahead(place: tuple[float, float, float]) -> tuple[float, float]:
    """Return the middle of the vehicle whose rear axle is there."""
    return place[0] + 1.3 * math.cos(place[2]), place[1] + 1.3 * math.sin(place[2])
