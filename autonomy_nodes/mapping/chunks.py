"""Map against sight, in one frame: which chunks of lines should be visible, which were found, what has no line."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import PIECE_POINTS, LaneObservations, LanePieces, Line

PAINT = (Line.DIVIDER, Line.SOLID)
UNPAINTED = (Line.CENTERLINE, Line.STOP_PLACE)
HALVES = ((0, PIECE_POINTS // 2), (PIECE_POINTS // 2 - 1, PIECE_POINTS))  # chunks of about 10 m; they share a point
SECTORS = 72
SAMPLE_M = 0.5
ALONG_RAD = 0.35  # paint that runs along the vehicle tells how far aside the pose is


@dataclass(frozen=True)
class SightConfig:
    """near_m: how far chunks are judged. beyond_m: how much farther than a point ground must be seen for it to count.

    seen_share: of a chunk's points that must be in sight. matched_m: from a point to what was seen. shift_m: largest
    sideways error of the pose that is taken out first. dashed_share, solid_share: of a chunk's points that must be
    matched. new_m: how far from every line of the map something new must lie.
    """

    near_m: float = 15.0
    beyond_m: float = 0.5
    seen_share: float = 0.8
    matched_m: float = 0.5
    shift_m: float = 1.5
    dashed_share: float = 0.15
    solid_share: float = 0.3
    new_m: float = 1.2
    confidence: float = 0.3

    def __post_init__(self) -> None:
        for name in ('near_m', 'matched_m', 'shift_m', 'new_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        for name in ('seen_share', 'dashed_share', 'solid_share'):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f'{name}={getattr(self, name)} must lie above 0 and not above 1')


@dataclass(frozen=True, eq=False)
class Chunks:
    """C chunks of lines in base_link.

    points: (C, 11, 3), NaN beyond a chunk's end. classes, ids: (C,). middles: (C, 3).
    """

    points: np.ndarray
    classes: np.ndarray
    ids: np.ndarray
    middles: np.ndarray


def chunks_of(pieces: LanePieces, classes: tuple[int, ...], reach_m: float) -> Chunks:
    """Return the chunks of these classes whose middle lies within `reach_m`."""
    rows = np.isin(pieces.classes, classes)
    points = pieces.points[rows].astype(float)
    width = HALVES[1][1] - HALVES[1][0]
    halves = np.full((len(points), 2, width, 3), np.nan)
    for half, (first, last) in enumerate(HALVES):
        halves[:, half, : last - first] = points[:, first:last]
    flat = halves.reshape(-1, width, 3)
    counts = np.isfinite(flat[:, :, 0]).sum(axis=1)
    kept = counts > 1
    flat, owner = flat[kept], np.repeat(np.nonzero(rows)[0], 2)[kept]
    middles = np.nanmean(flat, axis=1) if len(flat) else np.zeros((0, 3))
    near = np.hypot(middles[:, 0], middles[:, 1]) <= reach_m
    return Chunks(flat[near], pieces.classes[owner][near], pieces.ids[owner][near], middles[near])


def visible(chunks: Chunks, seen_range_m: np.ndarray, config: SightConfig) -> np.ndarray:
    """Return (C,) whether enough of each chunk lies where ground was seen."""
    known = np.isfinite(chunks.points[:, :, 0])
    points = np.nan_to_num(chunks.points[:, :, :2])
    inside = in_sight(points, seen_range_m, config) & known
    return inside.sum(axis=1) >= config.seen_share * known.sum(axis=1)


def in_sight(points: np.ndarray, seen_range_m: np.ndarray, config: SightConfig) -> np.ndarray:
    """Return (...) whether ground was seen beyond each of (..., 2) places, which must be near too."""
    ranges = np.hypot(points[..., 0], points[..., 1])
    angles = np.arctan2(points[..., 1], points[..., 0])
    sectors = np.floor((angles + np.pi) / (2.0 * np.pi) * SECTORS).astype(int) % SECTORS
    return (ranges <= config.near_m) & (ranges + config.beyond_m <= seen_range_m[sectors])


def samples_of(seen: LaneObservations, config: SightConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return (S, 2) places along what was seen, and (S,) rows of the segments."""
    sure = np.nonzero(seen.confidence >= config.confidence)[0]
    ends = seen.segments[sure, :, :2]
    counts = np.maximum(np.ceil(np.hypot(*(ends[:, 1] - ends[:, 0]).T) / SAMPLE_M).astype(int), 1) + 1
    owner = np.repeat(np.arange(len(sure)), counts)
    share = np.concatenate([np.linspace(0.0, 1.0, count) for count in counts]) if len(sure) else np.zeros(0)
    places = ends[owner, 0] + share[:, None] * (ends[owner, 1] - ends[owner, 0])
    return places, sure[owner]


def common_shift(seen: LaneObservations, chunks: Chunks, config: SightConfig) -> float:
    """Return how far left of the map all paint along the vehicle was seen: the error of the pose, not of the map."""
    lines = chunks.points[np.isin(chunks.classes, PAINT)]
    steps = np.diff(lines[:, :, :2], axis=1)
    starts, ends = lines[:, :-1, :2].reshape(-1, 2), lines[:, 1:, :2].reshape(-1, 2)
    along = np.abs(np.asarray(wrapped(np.arctan2(steps[..., 1], steps[..., 0]) * 2.0))).reshape(-1) < 2.0 * ALONG_RAD
    starts, ends = starts[along], ends[along]
    turn = seen.segments[:, 1, :2] - seen.segments[:, 0, :2]
    rows = np.abs(np.asarray(wrapped(np.arctan2(turn[:, 1], turn[:, 0]) * 2.0))) < 2.0 * ALONG_RAD
    rows &= np.isin(seen.classes, (*PAINT, Line.UNKNOWN)) & (seen.confidence >= config.confidence)
    middles = seen.segments[rows, :, :2].mean(axis=1)
    if not len(starts) or not len(middles):
        return 0.0
    low, high = np.minimum(starts[:, 0], ends[:, 0]), np.maximum(starts[:, 0], ends[:, 0])
    beside = (middles[:, :1] >= low) & (middles[:, :1] <= high)  # (M, L)
    share = (middles[:, :1] - starts[:, 0]) / (ends[:, 0] - starts[:, 0])
    offsets = middles[:, 1:] - (starts[:, 1] + share * (ends[:, 1] - starts[:, 1]))
    offsets = np.where(beside, offsets, np.inf)
    nearest = offsets[np.arange(len(offsets)), np.argmin(np.abs(offsets), axis=1)]
    nearest = nearest[np.abs(nearest) <= config.shift_m]
    return float(np.median(nearest)) if len(nearest) else 0.0


def matched(chunks: Chunks, places: np.ndarray, classes: np.ndarray, config: SightConfig) -> np.ndarray:
    """Return (C,) whether each chunk was found among (S, 2) `places` of (S,) `classes`."""
    if not len(places) or not len(chunks.points):
        return np.zeros(len(chunks.points), bool)
    gaps = np.hypot(*np.moveaxis(chunks.points[:, :, None, :2] - places, 3, 0))  # (C, 11, S)
    fits = compatible(chunks.classes[:, None], classes)[:, None]
    hit = ((gaps <= config.matched_m) & fits).any(axis=2)
    needed = np.where(chunks.classes == Line.DIVIDER, config.dashed_share, config.solid_share)
    return hit.sum(axis=1) >= np.maximum(needed * np.isfinite(chunks.points[:, :, 0]).sum(axis=1), 1.0)


def compatible(mapped: np.ndarray | int, seen: np.ndarray) -> np.ndarray:
    """Return whether a line of the map can look like this: dashes like solid, any paint like unknown."""
    paint = np.isin(mapped, PAINT)
    return (mapped == seen) | (paint & np.isin(seen, PAINT)) | ((mapped != Line.BOUNDARY) & (seen == Line.UNKNOWN))


def unmatched(places: np.ndarray, rows: np.ndarray, count: int, pieces: LanePieces, config: SightConfig) -> np.ndarray:
    """Return rows of the segments of which every place (S, 2) is far from all lines of the map."""
    lines = pieces.points[~np.isin(pieces.classes, UNPAINTED)].reshape(-1, 3)[:, :2].astype(float)
    lines = lines[np.isfinite(lines[:, 0])]
    lines = lines[np.hypot(lines[:, 0], lines[:, 1]) < config.near_m + 5.0]
    near = np.zeros(len(places), bool)
    if len(lines) and len(places):
        near = np.hypot(*np.moveaxis(places[:, None] - lines, 2, 0)).min(axis=1) < config.new_m
    near |= np.hypot(places[:, 0], places[:, 1]) > config.near_m
    old = np.zeros(count, bool)
    old[rows[near]] = True
    present = np.zeros(count, bool)
    present[rows] = True
    return np.nonzero(present & ~old)[0]
