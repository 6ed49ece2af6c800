"""The ground of plots with a road: lanes, kerbs, sidewalks, ditches, and the paint on them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.lanes import Line
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.plots.plot import HALF_N_M, HALF_S_M
from autonomy_nodes.sim.plots.relief import BARE, SKIN_M, Relief, bumps, hill, lines, patches, ramp, swell

FAR = 999.0


@dataclass(frozen=True)
class Section:
    """What a road is like across.

    half_m: from its middle to the kerb. kerb_m: height of it, 0 for none. walk_m: width of the sidewalk. ditch_m: depth
    of a ditch behind it, 0 for none. crossing_m: s and half width of a road across, FAR for none.
    """

    half_m: float
    kerb_m: float = 0.12
    walk_m: float = 2.0
    ditch_m: float = 0.0
    crossing_m: tuple[float, float] = (FAR, 0.0)
    road: Material = Material.ASPHALT
    walk: Material = Material.CONCRETE
    beyond: tuple[Material, ...] = (Material.GRASS,)
    bend: float = 0.0
    grade: tuple[float, float] = (0.0, 0.0)
    skew: float = 0.0
    swell_m: float = 0.2
    rough_m: float = 0.02


@dataclass(eq=False)
class Skin:
    """Paint and patches while they are drawn. lines: what of it a map of the road holds, as Relief has them."""

    rng: np.random.Generator
    half_m: float
    half_s_m: float = HALF_S_M
    lines: list[tuple[Line, np.ndarray]] = field(default_factory=list)
    cells: np.ndarray = field(init=False)
    at: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.at = np.array([-self.half_s_m, -self.half_m])
        self.cells = np.full((int(2 * self.half_s_m / SKIN_M[0]), int(2 * self.half_m / SKIN_M[1])), BARE, np.uint8)

    def fill(
        self, s: tuple[float, float], n: tuple[float, float], material: Material = Material.PAINT_WHITE,
        wear: float = 0.0,
    ) -> None:  # fmt: skip
        """Fill a rectangle. wear: share of it that is gone."""
        rows = slice(*(max(0, int((value - self.at[0]) / SKIN_M[0])) for value in s))
        columns = slice(*(max(0, int(round((value - self.at[1]) / SKIN_M[1]))) for value in n))
        part = self.cells[rows, columns]
        part[self.rng.random(part.shape, np.float32) >= wear] = material

    def stripe(self, n: float, on_m: float = 0.0, off_m: float = 0.0, width_m: float = 0.15, wear: float = 0.2) -> None:
        """Paint a line along the road, dashed where off_m > 0."""
        edges = (n - width_m / 2, n + width_m / 2)
        self.drawn(Line.DIVIDER, (-self.half_s_m, n), (self.half_s_m, n))
        if off_m <= 0.0:
            self.fill((-self.half_s_m, self.half_s_m), edges, wear=wear)
            return
        for s in np.arange(-self.half_s_m + self.rng.uniform(0, off_m), self.half_s_m, on_m + off_m):
            self.fill((s, s + on_m), edges, wear=wear)

    def zebra(self, s: float, half_m: float, wear: float = 0.2) -> None:
        """Paint a crossing for people across the road."""
        self.drawn(Line.CROSSWALK, (s, -half_m), (s, half_m))
        for n in np.arange(-half_m + 0.4, half_m - 0.4, 1.0):
            self.fill((s - 1.5, s + 1.5), (n, n + 0.5), wear=wear)

    def stop_line(self, s: float, half_m: float, side: float, wear: float = 0.2) -> None:
        """Paint a line before which vehicles stop, 0.4 m wide, over the half of a road with n of the sign of `side`."""
        low, high = sorted((0.1 * side, side * half_m))
        self.drawn(Line.STOP_LINE, (s, low), (s, high))
        self.fill((s - 0.2, s + 0.2), (low, high), wear=wear)

    def drawn(self, kind: Line, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Note a line from place to place, each s and n."""
        count = max(2, int(np.hypot(end[0] - start[0], end[1] - start[1])) + 1)
        self.lines.append((kind, np.linspace(start, end, count)))

    def mended(self, count: int) -> None:
        """Draw patches of another asphalt."""
        for _ in range(count):
            s, n = self.rng.uniform(-self.half_s_m, self.half_s_m), self.rng.uniform(-self.half_m, self.half_m - 1.0)
            size = self.rng.uniform(0.4, 9.0), self.rng.uniform(0.4, 3.0)
            material = Material.DARK if self.rng.random() < 0.6 else Material.CONCRETE
            self.fill((s, s + size[0]), (n, min(n + size[1], self.half_m)), material)


def paved(section: Section, skin: Skin, rng: np.random.Generator) -> Relief:
    """Return the ground of a road with all that is beside it."""
    half, walk_end = section.half_m, section.half_m + section.walk_m
    extra = [side * edge for edge in (half, half + 0.03, walk_end, walk_end + 0.03) for side in (-1.0, 1.0)]
    if section.ditch_m:
        extra += [side * (walk_end + far) for far in (0.9, 1.7, 2.5) for side in (-1.0, 1.0)]
    middle, half_across = section.crossing_m
    extra_s = [middle + side * edge for edge in (half_across, half_across + 0.03) for side in (-1.0, 1.0)]
    s = lines(-skin.half_s_m, skin.half_s_m, 2.0, extra_s if half_across else [])
    n = lines(-HALF_N_M, HALF_N_M, 1.6, extra)
    heights = section.grade[0] * s[:, None] + section.grade[1] * n[None, :] + swell(s, n, rng, section.swell_m)
    if skin.half_s_m > HALF_S_M:
        heights += hill(s, rng)[:, None]
    away = np.abs(n)[None, :]
    heights = heights - 0.02 * np.minimum(away, half)  # rain runs off
    outside = np.minimum(ramp(away - half), ramp(np.abs(s - middle) - half_across)[:, None])
    heights += section.kerb_m * outside
    beside = np.clip(away - walk_end - 1.0, 0.0, None)
    banks = rng.normal(size=2) * 0.06  # the land rises or falls to both sides
    heights += np.where(n[None, :] > 0, banks[0], banks[1]) * np.minimum(beside, 12.0)
    rough = bumps(s, n, rng, 3.0, section.rough_m)
    heights += rough * (0.15 + 0.85 * np.clip(beside, 0, 1))
    if section.ditch_m:
        shape = np.interp(away - walk_end, [0.0, 0.9, 1.7, 2.5], [0.0, section.ditch_m, section.ditch_m, 0.0])
        heights -= shape * outside
    materials, barred = _covered(section, s, n, rng)
    told = (*_uncrossed(section, skin), *_edges(section, skin))
    return Relief(s, n, heights, materials, barred, section.bend, skin.cells, skin.at, section.skew, told)


def _uncrossed(section: Section, skin: Skin) -> Iterator[tuple[Line, np.ndarray]]:
    """Yield what was painted; lines along the road end where another one crosses it."""
    middle, half_across = section.crossing_m
    for kind, line in skin.lines:
        if kind != Line.DIVIDER or not half_across:
            yield kind, line
            continue
        for part in (line[line[:, 0] < middle - half_across], line[line[:, 0] > middle + half_across]):
            if len(part) > 1:
                yield kind, part


def _edges(section: Section, skin: Skin) -> Iterator[tuple[Line, np.ndarray]]:
    """Yield the edges of what is driven on."""
    middle, half_across = section.crossing_m
    ends = [(-skin.half_s_m, skin.half_s_m)]
    if half_across:
        ends = [(-skin.half_s_m, middle - half_across), (middle + half_across, skin.half_s_m)]
    for side in (-1.0, 1.0):
        n = side * section.half_m
        for low, high in ends:
            if high - low > 1.0:
                yield Line.BOUNDARY, np.stack([along := np.arange(low, high + 0.5), np.full(len(along), n)], axis=-1)
        if half_across:
            for s in (middle - half_across, middle + half_across):
                out = np.arange(section.half_m, HALF_N_M, 1.0)
                yield Line.BOUNDARY, np.stack([np.full(len(out), s), side * out], axis=-1)


def _covered(section: Section, s: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return of what the cells are, and which are barred."""
    middle_s, away = 0.5 * (s[1:] + s[:-1])[:, None], np.abs(0.5 * (n[1:] + n[:-1]))[None, :]
    walk_end = section.half_m + section.walk_m
    materials = np.full((len(s) - 1, len(n) - 1), int(section.beyond[0]), np.uint8)
    for other in section.beyond[1:]:
        materials[patches(s, n, rng, rng.uniform(4.0, 15.0), rng.uniform(0.15, 0.5))] = other
    across = np.abs(middle_s - section.crossing_m[0])
    walked = (away < walk_end) | (across < section.crossing_m[1] + section.walk_m)
    materials[walked] = section.walk
    driven = (away < section.half_m) | (across < section.crossing_m[1])
    materials[driven] = section.road
    barred = np.zeros(materials.shape, bool)
    if section.ditch_m >= 0.3:
        barred |= (away > walk_end + 0.3) & (away < walk_end + 2.4) & ~driven
    return materials, barred
