"""Lanes ahead of each road user, from the map's pieces: where it is in its lane, and the ways the lane goes on."""

from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.prediction.movers import Movers

ALTERNATIVES = 3  # ways a road user
GAP_M = 1.0  # a piece that begins this near to the end of another goes on from there
SMALLEST_COSINE = 0.5
NEAR_M, NEAR_RAD = 4.5, 0.9  # a lane farther off or more askew is not the lane of an object
OFFSET_SIGMA_M, TURN_SIGMA_RAD, TURN_SHARE_RAD = 1.2, 0.35, 0.6
LOOK_AHEAD_S = 1.0  # how far to carry sideways motion on when a lane is chosen
BEYOND_M = 1000.0  # lanes end where the map's pieces do; from there the way is straight
LATERAL_MPS2, BRAKING_MPS2 = 2.5, 1.5
MOST_PIECES = 20
REACH_STEP_M, MOST_REACHES = 40.0, 4
SMALLEST_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class LanePaths:
    """Q ways along lanes, in odom.

    owners: (Q,) rows of the movers. points: (Q, M, 2), of which the last lie far beyond; along_m: (Q, M) distance from
    the first. caps_mps: (Q, M) speeds at which bends are taken. starts_m, offsets_m: (Q,) where the owner is now:
    along, and left of it. shares: (Q,) how likely the owner takes it, before its history is asked.
    stops_m: (Q,) where a stop line crosses it ahead, inf where none does. on_route: (Q,) all of it, up to its end.
    """

    owners: np.ndarray
    points: np.ndarray
    along_m: np.ndarray
    caps_mps: np.ndarray
    starts_m: np.ndarray
    offsets_m: np.ndarray
    shares: np.ndarray
    stops_m: np.ndarray
    on_route: np.ndarray

    def __len__(self) -> int:
        return len(self.owners)

    def at(self, s_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (Q, P, 2) places and (Q, P) directions at (Q, P) distances along; the last segments go on."""
        index = (self.along_m[:, None, 1:-1] <= s_m[..., None]).sum(axis=2)  # (Q, P) segment
        every = np.arange(len(self))[:, None]
        first, second = self.points[every, index], self.points[every, index + 1]
        low = self.along_m[every, index]
        length = np.maximum(self.along_m[every, index + 1] - low, 1e-6)
        step = (second - first) / length[..., None]
        return first + (s_m - low)[..., None] * step, np.arctan2(step[..., 1], step[..., 0])

    def offsets_of(self, xy: np.ndarray) -> np.ndarray:
        """Return (Q,) how far left of each way its (Q, 2) point lies."""
        return _projected(self.points, xy)[1]

    def capped(self, s_m: np.ndarray) -> np.ndarray:
        """Return (Q,) speeds allowed at (Q,) distances along."""
        index = (self.along_m[:, 1:-1] <= s_m[:, None]).sum(axis=1)
        return self.caps_mps[np.arange(len(self)), index]


class LaneField:
    """The centerlines of the pieces around the vehicle, and how they connect."""

    def __init__(self, pieces: LanePieces, odom_from_base: np.ndarray, route: frozenset[int] = frozenset()) -> None:
        counts = np.isfinite(pieces.points[:, :, 0]).sum(axis=1)
        rows = np.nonzero((pieces.classes == Line.CENTERLINE) & (counts > 1))[0]
        self.counts, self.ids = counts[rows], pieces.ids[rows]
        self.points = _in_odom(pieces.points[rows], odom_from_base)  # (R, 20, 2), NaN beyond the ends
        self.on_route = np.isin(self.ids, sorted(route)) if route else np.zeros(len(rows), bool)
        every = np.arange(len(rows))
        starts, ends = self.points[:, 0], self.points[every, self.counts - 1]
        self._inward = _directions(starts, self.points[:, 1])
        self._outward = _directions(self.points[every, self.counts - 2], ends)
        near = np.hypot(*np.moveaxis(ends[:, None] - starts[None], 2, 0)) < GAP_M
        goes_on = np.cos(self._outward[:, None] - self._inward[None]) > SMALLEST_COSINE
        np.fill_diagonal(near, False)
        self._next: list[list[int]] = [[] for _ in every]
        for row, other in np.argwhere(near & goes_on).tolist():
            self._next[row].append(other)
        stops = pieces.points[(pieces.classes == Line.STOP_LINE) & (counts > 1)]
        self._stops = _in_odom(stops, odom_from_base)
        self._ways: dict[tuple[int, int], list[tuple[float, tuple[int, ...]]]] = {}

    def paths(self, movers: Movers, reach_m: np.ndarray) -> LanePaths | None:
        """Return the ways of each mover on wheels, as far as `reach_m` (N,) at least; None where nobody has any."""
        if not len(self.ids) or not len(movers):
            return None
        reaches = np.minimum(np.ceil(reach_m / REACH_STEP_M), MOST_REACHES).astype(int).tolist()
        found: list[tuple[int, float, tuple[int, ...]]] = []
        for owner, options in self._matched(movers).items():
            ways = [(share * part, way) for row, share in options for part, way in self._ahead(row, reaches[owner])]
            ways.sort(key=lambda way: (-way[0], way[1]))
            found += [(owner, share, way) for share, way in ways[:ALTERNATIVES]]
        if not found:
            return None
        owners = np.array([owner for owner, _, _ in found])
        return self._laid_out(owners, np.array([share for _, share, _ in found]), [way for _, _, way in found], movers)

    def _matched(self, movers: Movers) -> dict[int, list[tuple[int, float]]]:
        """Return {mover: pieces that may be its place, with their probability}, one piece a lane."""
        middles = np.nanmean(self.points, axis=1)
        gaps = np.hypot(*np.moveaxis(movers.xy[:, None] - middles[None], 2, 0))
        owners, rows = np.nonzero((gaps < NEAR_M + 10.0) & ~movers.on_foot[:, None])
        s, d, headings, over = _projected(self.points[rows], movers.xy[owners])
        askew = np.asarray(wrapped(movers.directions_rad[owners] - headings))
        sideways = d + movers.speeds_mps[owners] * np.sin(askew) * LOOK_AHEAD_S
        squares = (sideways / OFFSET_SIGMA_M) ** 2 + (askew / TURN_SIGMA_RAD) ** 2
        kept = (np.abs(d) < NEAR_M) & (np.abs(askew) < NEAR_RAD) & (over < GAP_M)
        weights = np.exp(-0.5 * np.minimum(squares, 50.0))
        order = np.lexsort((rows, -weights, owners))
        matched: dict[int, list[tuple[int, float]]] = {}
        for pair in order[kept[order]].tolist():
            options = matched.setdefault(int(owners[pair]), [])
            if len(options) < ALTERNATIVES and all(self.ids[rows[pair]] != self.ids[row] for row, _ in options):
                options.append((int(rows[pair]), float(weights[pair])))
        return matched

    def _ahead(self, piece: int, reach: int) -> list[tuple[float, tuple[int, ...]]]:
        """Return the ways on from a piece: probability and pieces; where lanes part, straight on is likelier."""
        if (piece, reach) in self._ways:
            return self._ways[piece, reach]
        ways: list[tuple[float, tuple[int, ...]]] = []
        open_: list[tuple[float, float, tuple[int, ...]]] = [(1.0, 0.0, (piece,))]
        while open_:
            share, length_m, way = open_.pop()
            following = [row for row in self._next[way[-1]] if row not in way]
            if not following or length_m > reach * REACH_STEP_M or len(way) >= MOST_PIECES:
                ways.append((share, way))
                continue
            turns = np.asarray(wrapped(self._outward[following] - self._outward[way[-1]]))
            weights = np.exp(-np.abs(turns) / TURN_SHARE_RAD)
            for row, part in zip(following, (weights / weights.sum()).tolist()):
                if share * part > SMALLEST_SHARE:
                    open_.append((share * part, length_m + float(self.counts[row] - 1), (*way, row)))
        self._ways[piece, reach] = ways
        return ways

    def _laid_out(
        self, owners: np.ndarray, shares: np.ndarray, ways: list[tuple[int, ...]], movers: Movers
    ) -> LanePaths:
        """Return the ways as arrays, all of one length: each ends far beyond its last point, straight on."""
        lines = [np.concatenate([self.points[row, : self.counts[row] - 1] for row in way]) for way in ways]
        longest = max(map(len, lines)) + 3
        points = np.empty((len(ways), longest, 2))
        for place, (way, line) in enumerate(zip(ways, lines)):
            last = self.points[way[-1], self.counts[way[-1]] - 1]
            direction = self._outward[way[-1]]
            points[place, : len(line)], points[place, len(line)] = line, last
            points[place, len(line) + 1 :] = last + BEYOND_M * np.array([np.cos(direction), np.sin(direction)])
        steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), 2, 0))
        along = np.concatenate([np.zeros((len(ways), 1)), np.cumsum(steps, axis=1)], axis=1)
        first = np.array([way[0] for way in ways])
        s, d, _, _ = _projected(self.points[first], movers.xy[owners])
        return LanePaths(
            owners, points, along, _caps(points, along), s, d, shares, self._crossed(points, along, s),
            np.array([bool(self.on_route[list(way)].all()) for way in ways]),
        )  # fmt: skip

    def _crossed(self, points: np.ndarray, along: np.ndarray, starts_m: np.ndarray) -> np.ndarray:
        """Return (Q,) where the next stop line lies on each way, inf where none does."""
        found = np.full(len(points), np.inf)
        for line in self._stops:
            ends = line[np.isfinite(line[:, 0])][[0, -1]]
            gaps = np.hypot(*np.moveaxis(points - ends.mean(axis=0), 2, 0))  # (Q, M)
            nearest = np.argmin(gaps, axis=1)
            every = np.arange(len(points))
            s, gap = along[every, nearest], gaps[every, nearest]
            hit = (gap < np.hypot(*(ends[1] - ends[0])) / 2.0 + 0.5) & (s > starts_m)
            found = np.where(hit, np.minimum(found, s), found)
        return found


def _in_odom(points: np.ndarray, odom_from_base: np.ndarray) -> np.ndarray:
    """Return (R, 20, 2) of (R, 20, 3) points in base_link."""
    flat = points.reshape(-1, 3).astype(float) @ odom_from_base[:2, :3].T + odom_from_base[:2, 3]
    return flat.reshape(*points.shape[:2], 2)


def _directions(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.arctan2(ends[:, 1] - starts[:, 1], ends[:, 0] - starts[:, 0])


def _projected(lines: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return s, d, direction of the place on each of (R, M, 2) lines nearest to its (R, 2) point.

    The fourth value is how far the point lies beyond the end of the line.
    """
    starts, steps = lines[:, :-1], np.diff(lines, axis=1)
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    units = steps / np.maximum(lengths, 1e-6)[..., None]
    away = xy[:, None] - starts
    ahead = (away * units).sum(axis=2)
    short = np.clip(ahead, 0.0, lengths)
    gaps = away - short[..., None] * units
    squares = (gaps**2).sum(axis=2)
    best = np.argmin(np.where(np.isnan(squares), np.inf, squares), axis=1)
    every = np.arange(len(lines))
    unit, away, ahead, short = units[every, best], away[every, best], ahead[every, best], short[every, best]
    d = unit[:, 0] * away[:, 1] - unit[:, 1] * away[:, 0]
    before = np.cumsum(np.nan_to_num(lengths), axis=1)[every, best] - lengths[every, best]
    return before + ahead, d, np.arctan2(unit[:, 1], unit[:, 0]), np.abs(ahead - short)


def _caps(points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return (Q, M) speeds for bends: by lateral acceleration where the bend is, before it by gentle braking."""
    steps = np.diff(points, axis=1)
    directions = np.arctan2(steps[..., 1], steps[..., 0])
    lengths = np.diff(along, axis=1)
    bend = np.zeros(along.shape)
    spans = np.maximum((lengths[:, 1:] + lengths[:, :-1]) / 2.0, 0.5)
    bend[:, 1:-1] = np.abs(np.asarray(wrapped(np.diff(directions, axis=1)))) / spans
    smooth = (bend[:, :-2] + bend[:, 1:-1] + bend[:, 2:]) / 3.0  # drawn corners are no bends of one metre
    bend[:, 1:-1] = smooth
    squares = LATERAL_MPS2 / np.maximum(bend, 1e-4)
    for place in range(along.shape[1] - 2, -1, -1):
        squares[:, place] = np.minimum(
            squares[:, place], squares[:, place + 1] + 2.0 * BRAKING_MPS2 * lengths[:, place]
        )
    return np.sqrt(squares)
