"""The ground of a scene: pieces of lines of the map, cells of terrain where there is none; each in its own frame."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import PIECE_POINTS, LanePieces, Light, Line, Rule, TrafficLights
from autonomy_nodes.common.scene_loops import ALIKE_M, reaches

LANES, ROUTE, CELLS = 256, 32, 256
CELL_M = 4.0  # cells lie at its multiples in odom, so that they stay what they are
POINT = ('x_m', 'y_m', 'direction_cos', 'direction_sin')
LANE_TRAITS = (
    *(f'is_{line.name.lower()}' for line in Line), *(f'rule_{rule.name.lower()}' for rule in Rule), 'light_not_told',
    *(f'light_{light.name.lower()}' for light in Light), 'confidence', 'length_m', 'limit_mps', 'limit_told',
)  # fmt: skip
CELL = ('height_step_m', 'slope_rad', 'roughness_m', 'traversable_share', 'unknown_share')
OTHER_LINES = 2.0  # a line that is no lane counts as so many times as far away
PASSABLE = 0.5  # of the traversability
OFF_MAP_M = 6.0  # cells nearer to the middle of a lane are the map's


@dataclass(frozen=True, eq=False)
class Lines:
    """L pieces of lines. points: (L, 20, 4) float32 POINT in the frame of each; told: (L, 20).

    frames: (L, 4) x y of the middle between both ends, heading from end to end, t = 0; in odom. traits: (L, 22)
    float32 LANE_TRAITS. there: (L,). starts, ends: (L, 3) x y direction in odom, NaN of what is no lane.
    """

    points: np.ndarray
    told: np.ndarray
    frames: np.ndarray
    traits: np.ndarray
    there: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


@dataclass(frozen=True, eq=False)
class Cells:
    """C cells of 4 m. values: (C, 5) float32 CELL; told: (C, 5): of a cell nobody saw only the last. there: (C,).

    frames: (C, 4) x y of the middle in odom; a cell has no heading.
    """

    values: np.ndarray
    told: np.ndarray
    frames: np.ndarray
    there: np.ndarray


def in_odom(points: np.ndarray, odom_from_base: np.ndarray) -> np.ndarray:
    """Return (..., 2) places of (..., 3) in base_link."""
    flat = points.reshape(-1, 3).astype(float) @ odom_from_base[:2, :3].T + odom_from_base[:2, 3]
    return flat.reshape(*points.shape[:-1], 2)


def frames_of(first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (N, 4) frames of pieces between (N, 2) ends."""
    along, middle = end - first, (first + end) / 2.0
    return np.column_stack([middle, np.arctan2(along[:, 1], along[:, 0]), np.zeros(len(first))])


def lines_of(
    pieces: LanePieces | None, odom_from_base: np.ndarray, lights: TrafficLights | None,
    limits_mps: Mapping[int, float], about: tuple[np.ndarray, np.ndarray], count: int = LANES,
) -> Lines:  # fmt: skip
    """Return the `count` pieces nearest to the ways ahead: `about` frames (A, 4), for (A,) metres each.

    limits_mps: speed limits by the id of a lane. Pieces of one point are none.
    """
    if pieces is None or not len(pieces.points):
        return _filled(np.zeros((0, PIECE_POINTS, 2)), np.zeros((0, len(LANE_TRAITS))), np.zeros(0, bool), count)
    last = np.isfinite(pieces.points[:, :, 0]).sum(axis=1) - 1
    ends = (pieces.points[:, 0] + pieces.points[np.arange(len(last)), last]) / 2.0
    gaps = reaches(*about, in_odom(ends, odom_from_base)).min(axis=0, initial=np.inf)
    gaps = np.where(pieces.classes == Line.CENTERLINE, gaps, OTHER_LINES * gaps)
    gaps[last < 1] = np.nan
    order = np.argsort(np.round(gaps / ALIKE_M), kind='stable')[: min(count, int(np.isfinite(gaps).sum()))]
    traits, is_lane = _traits(pieces, order, lights, limits_mps), pieces.classes[order] == Line.CENTERLINE
    return _filled(in_odom(pieces.points[order], odom_from_base), traits, is_lane, count)


def route_of(
    pieces: LanePieces | None, odom_from_base: np.ndarray, lanes: tuple[int, ...], count: int = ROUTE
) -> Lines:
    """Return the pieces of the lanes of a route, in the order in which they are driven."""
    if pieces is None or not lanes:
        return lines_of(None, odom_from_base, None, {}, (np.zeros((0, 4)), np.zeros(0)), count)
    rank = {id_: place for place, id_ in enumerate(lanes)}
    rows = np.flatnonzero((pieces.classes == Line.CENTERLINE) & np.isin(pieces.ids, lanes))
    rows = rows[np.isfinite(pieces.points[rows, 1, 0])]
    order = rows[np.argsort([rank[id_] for id_ in pieces.ids[rows].tolist()], kind='stable')][:count]
    traits = _traits(pieces, order, None, {})
    return _filled(in_odom(pieces.points[order], odom_from_base), traits, np.ones(len(order), bool), count)


def _traits(
    pieces: LanePieces, rows: np.ndarray, lights: TrafficLights | None, limits_mps: Mapping[int, float]
) -> np.ndarray:
    """Return (R, 22) LANE_TRAITS."""
    states = lights.states if lights is not None else {}
    lit = [int(states[id_]) + 1 if id_ in states else 0 for id_ in pieces.rule_ids[rows].tolist()]
    limits = np.array([limits_mps.get(id_, np.nan) for id_ in pieces.ids[rows].tolist()], float)
    limits[pieces.classes[rows] != Line.CENTERLINE] = np.nan
    return np.column_stack([
        np.eye(len(Line))[pieces.classes[rows]], np.eye(len(Rule))[pieces.rules[rows]],
        np.eye(len(Light) + 1)[np.array(lit, int)], pieces.confidence[rows], pieces.valid_lengths_m[rows],
        np.nan_to_num(limits), np.isfinite(limits),
    ])  # fmt: skip


def _filled(points: np.ndarray, traits: np.ndarray, is_lane: np.ndarray, count: int) -> Lines:
    """Return lines of (R, 20, 2) points in odom, filled up to `count`."""
    rows = len(points)
    frames, local = np.zeros((count, 4)), np.zeros((count, PIECE_POINTS, len(POINT)), np.float32)
    told, all_traits = np.zeros((count, PIECE_POINTS), bool), np.zeros((count, len(LANE_TRAITS)), np.float32)
    starts, ends = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
    if rows:
        told[:rows], all_traits[:rows] = np.isfinite(points[:, :, 0]), traits
        last, every = told[:rows].sum(axis=1) - 1, np.arange(rows)
        frames[:rows] = frames_of(points[:, 0], points[every, last])
        steps = np.diff(points, axis=1)
        directions = np.concatenate([np.arctan2(steps[..., 1], steps[..., 0]), np.zeros((rows, 1))], axis=1)  # (R, 20)
        directions[every, last] = directions[every, last - 1]
        gone, heading = points - frames[:rows, None, :2], frames[:rows, 2, None]
        cos, sin, turned = np.cos(heading), np.sin(heading), directions - heading
        x, y = gone[..., 0] * cos + gone[..., 1] * sin, gone[..., 1] * cos - gone[..., 0] * sin
        local[:rows] = np.nan_to_num(np.stack([x, y, np.cos(turned), np.sin(turned)], axis=2))
        local[~told] = 0.0
        starts[:rows] = np.column_stack([points[:, 0], directions[:, 0]])
        ends[:rows] = np.column_stack([points[every, last], directions[every, last]])
        starts[:rows][~is_lane] = ends[:rows][~is_lane] = np.nan
    return Lines(local, told, frames, all_traits, np.arange(count) < rows, starts, ends)


def cells_of(
    terrain: Grid | None, lanes: Lines, about: tuple[np.ndarray, np.ndarray], count: int = CELLS
) -> Cells:
    """Return the `count` cells nearest to the ways ahead, `about` as for lines, of which no lane tells."""
    values, told = np.zeros((count, len(CELL)), np.float32), np.zeros((count, len(CELL)), bool)
    frames = np.zeros((count, 4))
    if terrain is None:
        return Cells(values, told, frames, np.zeros(count, bool))
    middles, found = _pooled(terrain)
    gaps = reaches(*about, middles).min(axis=0, initial=np.inf)
    is_lane = np.isfinite(lanes.starts[:, 0])
    if is_lane.any():
        cos, sin = np.cos(lanes.frames[is_lane, 2, None]), np.sin(lanes.frames[is_lane, 2, None])
        x, y = lanes.points[is_lane, ::4, 0], lanes.points[is_lane, ::4, 1]
        spots = lanes.frames[is_lane, None, :2] + np.stack([x * cos - y * sin, x * sin + y * cos], axis=2)
        spots = spots[lanes.told[is_lane, ::4]]
        still = np.zeros((len(spots), 4))
        still[:, :2] = spots
        gaps[reaches(still, np.zeros(len(spots)), middles).min(axis=0) < OFF_MAP_M] = np.nan
    order = np.argsort(np.round(gaps / ALIKE_M), kind='stable')[: min(count, int(np.isfinite(gaps).sum()))]
    values[: len(order)], told[: len(order)] = np.nan_to_num(found[order]), np.isfinite(found[order])
    frames[: len(order), :2] = middles[order]
    return Cells(values, told, frames, np.arange(count) < len(order))


def _pooled(terrain: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return (M, 2) middles in odom of whole cells of 4 m, and their (M, 5) CELL; NaN where nobody saw the ground."""
    side = round(CELL_M / terrain.resolution_m)
    skip = np.ceil(terrain.origin_m / CELL_M - 1e-6) * CELL_M - terrain.origin_m
    first = np.round(skip / terrain.resolution_m).astype(int)
    shape = (np.array(terrain.shape) - first) // side

    def blocks(name: str) -> np.ndarray:
        layer = terrain.layers[name][first[0] : first[0] + shape[0] * side, first[1] : first[1] + shape[1] * side]
        parts = layer.reshape(shape[0], side, shape[1], side).transpose(0, 2, 1, 3)
        return parts.reshape(shape[0] * shape[1], side * side).astype(float)

    if (shape < 1).any():
        return np.zeros((0, 2)), np.zeros((0, len(CELL)))
    seen = blocks('observed') > 0.0
    some = seen.any(axis=1)
    share = seen.mean(axis=1)

    def over(name: str) -> np.ndarray:
        values = np.where(seen, blocks(name), np.nan)
        known = np.isfinite(values)
        return np.nansum(values, axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)

    heights = np.where(seen, blocks('elevation'), np.nan)
    steps = np.fmax.reduce(heights, axis=1) - np.fmin.reduce(heights, axis=1)
    passable = (np.where(seen, blocks('traversability'), 0.0) > PASSABLE).sum(axis=1)
    easy = np.where(some, passable / np.maximum(seen.sum(axis=1), 1), np.nan)
    corner = terrain.origin_m + first * terrain.resolution_m
    i, j = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    middles = corner + (np.column_stack([i, j]) + 0.5) * CELL_M
    return middles, np.column_stack([steps, over('slope'), over('roughness'), easy, 1.0 - share])
