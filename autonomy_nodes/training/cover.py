"""What stands on a plot, seen from above: how high and of what, once for all views; and the cells of one view."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.perception import bev
from autonomy_nodes.sim.materials import BELOW_M, BUMPER_M, GROUND_SEMANTICS, LEAST_M, Semantic
from autonomy_nodes.sim.plots.plot import HALF_N_M, Plot
from autonomy_nodes.sim.plots.sight import Sight
from autonomy_nodes.sim.plots.users import User, body
from autonomy_nodes.sim.triangles import Triangles
from autonomy_nodes.training.examples import Far

FINE_M = 0.2  # cells of the map of what stands still
BLOCKS_M = 0.25  # what stands higher blocks; bushes give way up to a bumper
UNKNOWN = 255
_PROFILE_M = 0.12
_DOWN = np.array([0.0, 0.0, -1.0], np.float32)

_OF_GROUND = {
    Semantic.PAVED: 'paved', Semantic.LOOSE: 'loose', Semantic.LOW_VEGETATION: 'low_vegetation',
    Semantic.HIGH_VEGETATION: 'high_vegetation', Semantic.WET: 'wet', Semantic.RUBBLE: 'rubble',
    Semantic.STRUCTURE: 'obstacle', Semantic.POLE: 'obstacle', Semantic.SIGN: 'obstacle', Semantic.CURB: 'paved',
    Semantic.ACTOR: 'obstacle',
}  # fmt: skip
TERRAIN_OF = np.full(max(Semantic) + 1, UNKNOWN, np.uint8)
for _semantic, _name in _OF_GROUND.items():
    TERRAIN_OF[_semantic] = bev.TERRAIN.index(_name)


@dataclass(frozen=True, eq=False)
class Cover:
    """Cells in map; [i, j] begins at origin_m + (i, j) * FINE_M.

    semantic: (X, Y) `Semantic` of what stands there below BELOW_M, NOTHING where the ground is free; low: (X, Y) how
    high that is [m]; top: (X, Y) height of the highest thing up to bev.HIGH_M.
    """

    origin_m: np.ndarray
    semantic: np.ndarray
    low: np.ndarray
    top: np.ndarray


@dataclass(frozen=True, eq=False)
class Cells:
    """The truth of one view, as `Example` has it."""

    ground_m: np.ndarray
    terrain: np.ndarray
    top_m: np.ndarray
    blocked: np.ndarray


def cover_of(plot: Plot, sight: Sight) -> Cover:
    """Return what stands still on a plot, parked users with it."""
    relief = plot.relief
    along, across = np.meshgrid(np.linspace(-plot.half_s_m, plot.half_s_m, 9), (-HALF_N_M, HALF_N_M))
    outline = relief.to_map(along.ravel(), across.ravel())
    low, high = np.floor(outline.min(axis=0)), np.ceil(outline.max(axis=0))
    shape = tuple(int(value) for value in np.round((high - low) / FINE_M))
    places = np.argwhere(_near(plot, low, shape))
    xy = low + (places + 0.5) * FINE_M
    ground = relief.height(xy)
    top, semantic = _down(sight, xy, ground, bev.HIGH_M)
    under = top > BELOW_M
    low_top, low_semantic = top.copy(), semantic.copy()
    low_top[under], low_semantic[under] = _down(sight, xy[under], ground[under], BELOW_M)
    cover = Cover(low, np.zeros(shape, np.uint8), np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    for grid, values in ((cover.top, top), (cover.low, low_top), (cover.semantic, low_semantic)):
        grid[places[:, 0], places[:, 1]] = values
    _filled(plot, cover)
    return cover


def _near(plot: Plot, low: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (X, Y) where anything may stand: about the boxes of things and of parked users."""
    mask = np.zeros(shape, bool)
    spans = [(placed.map_from_thing, placed.thing.mesh.vertices) for placed in plot.placed]
    boxes = []
    for pose, vertices in spans:
        half = np.abs(vertices[:, :2]).max(axis=0)
        reach = np.abs(pose[:2, :2]) @ half
        boxes.append((pose[:2, 3] - reach, pose[:2, 3] + reach))
    for user in plot.parked:
        middle, reach = plot.relief.to_map(*user.place[:2]), 0.52 * float(np.linalg.norm(user.size[:2]))
        boxes.append((middle - reach, middle + reach))
    for least, most in boxes:
        i, j = np.maximum(((least - low) / FINE_M).astype(int), 0)
        k, m = np.maximum(((most - low) / FINE_M).astype(int) + 1, 0)
        mask[i:k, j:m] = True
    return mask


def _down(sight: Sight, xy: np.ndarray, ground: np.ndarray, from_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) height above ground and semantic of what is met first from a height downwards, 0 for nothing."""
    origins = np.column_stack([xy, ground + from_m]).astype(np.float32)
    aims = np.ascontiguousarray(np.broadcast_to(_DOWN, origins.shape))
    limits = np.full(len(xy), from_m - LEAST_M, np.float32)
    face, ranges, _ = sight.everything.triangles.first(origins, aims, limits)
    hit = face >= 0
    top = np.where(hit, from_m - ranges, 0.0)
    semantics = sight.everything.semantics[np.where(hit, face, 0)]
    return top, np.where(hit, semantics, Semantic.NOTHING)


def _filled(plot: Plot, cover: Cover) -> None:
    """Fill the outlines of things, in place: rays miss what is thin, and from inside a house they meet nothing."""
    for placed in plot.placed:
        if not len(placed.thing.footprint):
            continue
        vertices, pose = placed.thing.mesh.vertices, placed.map_from_thing
        tall = min(float(vertices[:, 2].max()) * pose[2, 2], bev.HIGH_M)
        outline = np.round(((placed.footprint() - cover.origin_m) / FINE_M - 0.5)[:, ::-1] * 16.0).astype(np.int32)
        corner = np.maximum(outline.min(axis=0) // 16 - 1, 0)
        size = outline.max(axis=0) // 16 + 2 - corner
        mask = np.zeros((max(int(size[1]), 1), max(int(size[0]), 1)), np.uint8)
        cv2.fillPoly(mask, [outline - 16 * corner.astype(np.int32)], 1, shift=4)
        part = slice(corner[1], corner[1] + mask.shape[0]), slice(corner[0], corner[0] + mask.shape[1])
        if placed.thing.semantic == Semantic.RUBBLE:
            continue
        inside = mask[: cover.top[part].shape[0], : cover.top[part].shape[1]] == 1
        higher = inside & (cover.low[part] < min(tall, BELOW_M))
        cover.low[part][higher], cover.semantic[part][higher] = min(tall, BELOW_M), placed.thing.semantic
        cover.top[part][inside] = np.maximum(cover.top[part][inside], tall)


@lru_cache(maxsize=2048)
def profile(kind: str, variant: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 2) places on a body about its middle and (N,) its height there [m]."""
    found = body(kind, variant)
    half = found.size[:2] / 2
    steps = [np.arange(-side + _PROFILE_M / 2, side, _PROFILE_M) for side in half]
    xy = np.stack(np.meshgrid(*steps, indexing='ij'), axis=-1).reshape(-1, 2)
    origins = np.column_stack([xy, np.full(len(xy), 10.0)]).astype(np.float32)
    aims = np.ascontiguousarray(np.broadcast_to(_DOWN, origins.shape))
    limits = np.full(len(xy), 10.0, np.float32)
    face, ranges, _ = Triangles(found.mesh.vertices, found.mesh.faces).first(origins, aims, limits)
    hit = face >= 0
    return xy[hit], 10.0 - ranges[hit]


_MIDDLES, _FAR_MIDDLES = bev.middles(), bev.far_middles()
_QUARTERS = np.array([[-0.1, -0.1], [-0.1, 0.1], [0.1, -0.1], [0.1, 0.1]])
_SIXTEENTHS = np.array([[x, y] for x in (-0.3, -0.1, 0.1, 0.3) for y in (-0.3, -0.1, 0.1, 0.3)])


def cells_of(
    plot: Plot, cover: Cover, map_from_base: np.ndarray, movers: Sequence[tuple[int, User, np.ndarray]]
) -> Cells:
    """Return the truth of the cells about a pose (4, 4); movers: (number, user, pose in map)."""
    turn = map_from_base[:3, :3]
    xy, tilt = _met(plot, _MIDDLES, map_from_base)
    z, material, barred, inside = plot.relief.cells(xy)
    ground = (z - tilt) / turn[2, 2]
    low, top, semantic = _sampled(cover, xy, turn, _QUARTERS)
    terrain = TERRAIN_OF[np.where(semantic != Semantic.NOTHING, semantic, GROUND_SEMANTICS[material])]
    blocked = barred | (low > np.where(semantic == Semantic.LOW_VEGETATION, BUMPER_M, BLOCKS_M))
    for there, heights in _bodies(map_from_base, movers):
        cell = np.floor((there - bev.ORIGIN_M) / bev.CELL_M).astype(int)
        on = ((cell >= 0) & (cell < bev.CELLS)).all(axis=1)
        i, j = cell[on, 0], cell[on, 1]
        np.maximum.at(top, (i, j), np.minimum(heights[on], bev.HIGH_M).astype(np.float32))
        terrain[i, j], blocked[i, j] = bev.TERRAIN.index('obstacle'), True
    terrain = np.where(inside, terrain, UNKNOWN).astype(np.uint8)
    ground = np.where(inside, ground, np.nan).astype(np.float32)
    return Cells(ground, terrain, np.where(inside, top, 0.0).astype(np.float32), blocked & inside)


def far_of(
    plot: Plot, cover: Cover, map_from_base: np.ndarray, movers: Sequence[tuple[int, User, np.ndarray]]
) -> Far:
    """Return the truth of the far ring about a pose, as `cells_of` does; what hangs above BELOW_M is not told."""
    turn = map_from_base[:3, :3]
    xy, tilt = _met(plot, _FAR_MIDDLES, map_from_base)
    z, material, barred, inside = plot.relief.cells(xy)
    low, _, semantic = _sampled(cover, xy, turn, _SIXTEENTHS)
    low[semantic == Semantic.LOW_VEGETATION] = 0.0
    for there, heights in _bodies(map_from_base, movers):
        cell = np.floor((there - bev.FAR_ORIGIN_M) / bev.FAR_M).astype(int)
        on = ((cell >= 0) & (cell < bev.FAR)).all(axis=1)
        np.maximum.at(low, (cell[on, 0], cell[on, 1]), heights[on].astype(np.float32))
    dry = GROUND_SEMANTICS[material] != Semantic.WET
    free = inside & ~barred & dry & (low <= BLOCKS_M)
    ground = np.where(inside, (z - tilt) / turn[2, 2], np.nan).astype(np.float32)
    return Far(ground, inside & (low > bev.FAR_STANDS_M), free)


def _met(plot: Plot, middles_m: np.ndarray, map_from_base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (X, Y, 2) where the vehicle's axes through cells meet the ground, in map, and (X, Y) z of the cells."""
    turn, at = map_from_base[:3, :3], map_from_base[:3, 3]
    flat, tilt = middles_m @ turn[:2, :2].T + at[:2], middles_m @ turn[2, :2] + at[2]
    roughly = ((plot.relief.height(flat[::4, ::4]) - tilt[::4, ::4]) / turn[2, 2]).astype(np.float32)
    roughly = cv2.resize(roughly, middles_m.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return flat + roughly[..., None] * turn[:2, 2], tilt


def _bodies(
    map_from_base: np.ndarray, movers: Sequence[tuple[int, User, np.ndarray]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (N, 2) places in base_link on each body, and (N,) its height there."""
    base_from_map = inverse(map_from_base)
    for _, user, pose in movers:
        places, heights = profile(user.kind, user.variant)
        base_from_user = base_from_map @ pose
        yield (places * user.scale[:2]) @ base_from_user[:2, :2].T + base_from_user[:2, 3], heights * user.scale[2]


def _sampled(
    cover: Cover, xy: np.ndarray, turn: np.ndarray, parts_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (X, Y) low, top and semantic: the highest of some places (K, 2) about the middle of each cell."""
    place = ((xy - cover.origin_m) / FINE_M).astype(np.float32)
    low, top = np.zeros(xy.shape[:2], np.float32), np.zeros(xy.shape[:2], np.float32)
    semantic = np.zeros(xy.shape[:2], np.uint8)
    rows, columns = cover.top.shape
    for quarter in (parts_m @ turn[:2, :2].T / FINE_M).astype(np.float32):
        i = np.clip((place[..., 0] + quarter[0]).astype(np.int32), 0, rows - 1)
        cell = i * columns + np.clip((place[..., 1] + quarter[1]).astype(np.int32), 0, columns - 1)
        here = cover.low.take(cell)
        np.copyto(semantic, cover.semantic.take(cell), where=here > low)
        np.maximum(low, here, out=low)
        np.maximum(top, cover.top.take(cell), out=top)
    return low, top, semantic
