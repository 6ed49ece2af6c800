"""Lanes ahead of each road user, from the map's pieces: where it is in its lane, and the ways the lane goes on."""

from dataclasses import dataclass, fields

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.scene_ground import in_odom
from autonomy_nodes.prediction.lane_loops import bend_speeds, laid_out, placed, projected, stop_places
from autonomy_nodes.prediction.movers import Movers

ALTERNATIVES = 3  # ways a road user
GAP_M = 1.0  # a piece that begins this near to the end of another goes on from there
SMALLEST_COSINE = 0.5
LONGEST_M = 20.0  # of a piece
NEAR_M, NEAR_RAD = 4.5, 0.9  # a lane farther off or more askew is not the lane of an object
OFFSET_SIGMA_M, TURN_SIGMA_RAD, TURN_SHARE_RAD = 1.2, 0.35, 0.6
LOOK_AHEAD_S = 1.0  # how far to carry sideways motion on when a lane is chosen
BEYOND_M = 1000.0  # lanes end where the map's pieces do; from there the way is straight
MOST_PIECES = 20
REACH_STEP_M, MOST_REACHES = 40.0, 4
MARGIN_MPS = 2.0  # by which a mover may be faster than now
SMALLEST_SHARE = 0.03


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

    def rows(self, rows: np.ndarray) -> 'LanePaths':
        """Return the ways of these rows."""
        return LanePaths(*(getattr(self, field.name)[rows] for field in fields(self)))

    def at(self, s_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (Q, P, 2) places and (Q, P) directions at (Q, P) ascending distances; the last segments go on."""
        return placed(self.points, self.along_m, s_m)

    def offsets_of(self, xy: np.ndarray) -> np.ndarray:
        """Return (Q,) how far left of each way its (Q, 2) point lies."""
        return projected(self.points, xy)[1]


class LaneField:
    """The centerlines of the pieces around the vehicle, and how they connect."""

    def __init__(self, pieces: LanePieces, odom_from_base: np.ndarray, route: frozenset[int] = frozenset()) -> None:
        counts = np.isfinite(pieces.points[:, :, 0]).sum(axis=1)
        rows = np.nonzero((pieces.classes == Line.CENTERLINE) & (counts > 1))[0]
        self.counts, self.ids = counts[rows], pieces.ids[rows]
        self.points = in_odom(pieces.points[rows], odom_from_base)  # (R, 20, 2), NaN beyond the ends
        self._lengths_m = (self.counts - 1).astype(float).tolist()
        self.on_route = np.isin(self.ids, sorted(route)) if route else np.zeros(len(rows), bool)
        every = np.arange(len(rows))
        starts, ends = self.points[:, 0], self.points[every, self.counts - 1]
        self._middles = (starts + ends) / 2.0
        self._inward = _directions(starts, self.points[:, 1])
        self._outward = _directions(self.points[every, self.counts - 2], ends)
        self._next = _successors(starts, ends, self._inward, self._outward)
        stops = pieces.points[(pieces.classes == Line.STOP_LINE) & (counts > 1)]
        self._stops = _middles(in_odom(stops, odom_from_base))  # (S, 3)
        self._ways: dict[tuple[int, int], list[tuple[float, tuple[int, ...]]]] = {}

    def paths(self, movers: Movers, horizon_s: float) -> LanePaths | None:
        """Return the ways of each mover on wheels, as far as it comes by then; None where nobody has any."""
        if not len(self.ids) or not len(movers):
            return None
        reach_m = (movers.speeds_mps + MARGIN_MPS) * horizon_s
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
        near = _close(movers.xy, self._middles, NEAR_M + LONGEST_M / 2.0)
        owners, rows = np.nonzero(near & ~movers.on_foot[:, None])
        s, d, headings, over = projected(self.points[rows], movers.xy[owners])
        askew = np.asarray(wrapped(movers.directions_rad[owners] - headings))
        sideways = d + movers.speeds_mps[owners] * np.sin(askew) * LOOK_AHEAD_S
        squares = (sideways / OFFSET_SIGMA_M) ** 2 + (askew / TURN_SIGMA_RAD) ** 2
        kept = (np.abs(d) < NEAR_M) & (np.abs(askew) < NEAR_RAD) & (over < GAP_M)
        weights = np.exp(-0.5 * np.minimum(squares, 50.0))
        order = np.lexsort((rows, -weights, owners))
        matched: dict[int, list[tuple[int, float]]] = {}
        for pair in order[kept[order]].tolist():
            options = matched.setdefault(int(owners[pair]), [])
            if options and weights[pair] < SMALLEST_SHARE * options[0][1]:
                continue
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
            following = [(row, part) for row, part in self._next[way[-1]] if row not in way]
            if not following or length_m > reach * REACH_STEP_M or len(way) >= MOST_PIECES:
                ways.append((share, way))
                continue
            for row, part in following:
                if share * part > SMALLEST_SHARE:
                    open_.append((share * part, length_m + self._lengths_m[row], (*way, row)))
        self._ways[piece, reach] = ways
        return ways

    def _laid_out(
        self, owners: np.ndarray, shares: np.ndarray, ways: list[tuple[int, ...]], movers: Movers
    ) -> LanePaths:
        """Return the ways as arrays, all of one length: each ends far beyond its last point, straight on."""
        rows = np.array([row for way in ways for row in way])
        firsts = np.concatenate([[0], np.cumsum([len(way) for way in ways])])
        points, along = laid_out(self.points, self.counts, self._outward, rows, firsts, BEYOND_M)
        first = np.array([way[0] for way in ways])
        s, d, _, _ = projected(self.points[first], movers.xy[owners])
        return LanePaths(
            owners, points, along, bend_speeds(points, along), s, d, shares, stop_places(points, along, s, self._stops),
            np.logical_and.reduceat(self.on_route[rows], firsts[:-1]),
        )  # fmt: skip


def _close(first: np.ndarray, second: np.ndarray, reach_m: float) -> np.ndarray:
    """Return (N, R) whether both coordinates of (N, 2) and (R, 2) places differ by less than `reach_m`."""
    aside = np.abs(first[:, :1] - second[:, 0]) < reach_m
    return aside & (np.abs(first[:, 1:] - second[:, 1]) < reach_m)


def _middles(lines: np.ndarray) -> np.ndarray:
    """Return (S, 3) middle and half the width of (S, 20, 2) lines."""
    ends = [line[np.isfinite(line[:, 0])][[0, -1]] for line in lines]
    return np.array([[*end.mean(axis=0), np.hypot(*(end[1] - end[0])) / 2.0] for end in ends]).reshape(-1, 3)


def _directions(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.arctan2(ends[:, 1] - starts[:, 1], ends[:, 0] - starts[:, 0])


def _successors(
    starts: np.ndarray, ends: np.ndarray, inward: np.ndarray, outward: np.ndarray
) -> list[list[tuple[int, float]]]:
    """Return what goes on from each piece and how likely; where lanes part, straight on is likelier."""
    near = _close(ends, starts, GAP_M)
    np.fill_diagonal(near, False)
    rows, others = np.nonzero(near)
    goes_on = np.cos(outward[rows] - inward[others]) > SMALLEST_COSINE
    rows, others = rows[goes_on], others[goes_on]
    weights = np.exp(-np.abs(np.asarray(wrapped(outward[others] - outward[rows]))) / TURN_SHARE_RAD)
    parts = weights / np.bincount(rows, weights, len(starts))[rows]
    found: list[list[tuple[int, float]]] = [[] for _ in starts]
    for row, other, part in zip(rows.tolist(), others.tolist(), parts.tolist()):
        found[row].append((other, part))
    return found
