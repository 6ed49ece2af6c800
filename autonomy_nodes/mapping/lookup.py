"""The map around the vehicle: pieces of lines in base_link, and in which lane it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import inverse, wrapped
from autonomy_nodes.common.lanes import PIECE_POINTS, LaneMatch, LanePieces, Line
from autonomy_nodes.mapping.pieces import CONFIDENCE, Pieces


@dataclass(frozen=True)
class LookupConfig:
    """How far to look, and how to weigh in which lane the vehicle is.

    aside_m: lines to both sides. off_map_deviations: a vehicle this many standard deviations from the middle of a
    lane is as probably off the map as in that lane. route_factor: how much more probable a lane on the route is.
    """

    ahead_m: float = 100.0
    behind_m: float = 30.0
    aside_m: float = 50.0
    match_m: float = 8.0
    lane_sigma_m: float = 0.9
    heading_sigma_rad: float = 0.35
    height_sigma_m: float = 2.0
    off_map_deviations: float = 3.5
    route_factor: float = 2.0
    hypotheses: int = 5
    smallest_probability: float = 0.01
    height_gap_m: float = 4.0
    steepest: float = 0.12

    def __post_init__(self) -> None:
        for name in ('ahead_m', 'aside_m', 'match_m', 'lane_sigma_m', 'heading_sigma_rad', 'height_sigma_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')
        if self.hypotheses < 1:
            raise ValueError(f'hypotheses={self.hypotheses} must be 1 or more')


@dataclass(frozen=True, eq=False)
class Near:
    """Lanes near a pose, one row each: ids, s, d, heading error, height above the lane; nearest segment of each."""

    ids: np.ndarray
    s_m: np.ndarray
    d_m: np.ndarray
    heading_errors_rad: np.ndarray
    heights_m: np.ndarray


class Lookup:
    """Answers for one map; holds nothing else."""

    def __init__(self, pieces: Pieces, speed_limits_mps: dict[int, float], is_flat: bool, config: LookupConfig) -> None:
        self.pieces, self.config, self.is_flat = pieces, config, is_flat
        self._limits = speed_limits_mps

    def vectors(
        self, stamp_ns: int, map_from_base: np.ndarray, route: Sequence[int] = (), height_m: float = 0.0
    ) -> LanePieces:
        """Return the pieces that reach into the box around the vehicle, those of route lanelets first.

        height_m: of the vehicle above its lane; lines of other levels than that are left out.
        """
        config, pieces = self.config, self.pieces
        front_rear, sides = (config.ahead_m, -config.behind_m), (config.aside_m, -config.aside_m)
        corners = np.array([[x, y] for x in front_rear for y in sides])
        spots = corners @ map_from_base[:2, :2].T + map_from_base[:2, 3]
        rows = pieces.near(spots.min(axis=0), spots.max(axis=0))
        base_from_map = inverse(map_from_base)
        points = pieces.points[rows].reshape(-1, 3)
        if self.is_flat:  # a map without heights lies on the ground wherever that is
            points[:, 2] += map_from_base[2, 3]
        points = (points @ base_from_map[:3, :3].T + base_from_map[:3, 3]).reshape(-1, PIECE_POINTS, 3)  # (N, 20, 3)
        x, y, z = np.moveaxis(points, 2, 0)
        inside = (x >= -config.behind_m) & (x <= config.ahead_m) & (np.abs(y) <= config.aside_m)
        inside &= np.abs(z + height_m) <= config.height_gap_m + config.steepest * np.hypot(x, y)
        kept = inside.any(axis=1)  # NaN compares false
        rows, points = rows[kept], points[kept]
        order = self._order(rows, route)
        rows = rows[order]
        classes = pieces.classes[rows]
        confidence = np.where(classes == Line.UNKNOWN, CONFIDENCE[Line.UNKNOWN], 1.0)
        return LanePieces(
            stamp_ns, 'base_link', points[order].astype(np.float32), classes, pieces.ids[rows],
            confidence, pieces.lengths_m[rows], pieces.rules[rows], pieces.rule_ids[rows],
        )  # fmt: skip

    def _order(self, rows: np.ndarray, route: Sequence[int]) -> np.ndarray:
        """Return the order of rows: route lanelets as they follow, then the others as they stand in the map."""
        if not route:
            return np.arange(len(rows))
        rank = {id_: place for place, id_ in enumerate(reversed(route))}  # of two visits the first counts
        centre = self.pieces.classes[rows] == Line.CENTERLINE
        last = len(route)
        keys = [
            last - 1 - rank[id_] if is_centre and id_ in rank else last
            for id_, is_centre in zip(self.pieces.ids[rows].tolist(), centre.tolist())
        ]
        return np.argsort(keys, kind='stable')

    def near(self, map_from_base: np.ndarray) -> Near:
        """Return the lanes within reach of the vehicle, by their nearest point; lanes of other levels too."""
        pieces, here = self.pieces, map_from_base[:2, 3]
        rows = pieces.near(here - self.config.match_m, here + self.config.match_m)
        rows = rows[pieces.classes[rows] == Line.CENTERLINE]
        if not len(rows):
            return Near(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(4)))
        starts, steps = pieces.points[rows, :-1], np.diff(pieces.points[rows], axis=1)  # (N, 19, 3)
        away = here - starts[..., :2]
        squares = (steps[..., :2] ** 2).sum(axis=2)
        share = np.clip((away * steps[..., :2]).sum(axis=2) / squares, 0.0, 1.0)  # (N, 19)
        gaps = away - share[..., None] * steps[..., :2]
        distances = np.where(np.isnan(share), np.inf, np.hypot(gaps[..., 0], gaps[..., 1]))
        best = np.argmin(distances, axis=1)
        every = np.arange(len(rows))
        step, share, gap = steps[every, best], share[every, best], gaps[every, best]
        side = np.where(step[:, 0] * gap[:, 1] - step[:, 1] * gap[:, 0] < 0.0, -1.0, 1.0)
        d_m = side * distances[every, best]
        s_m = pieces.starts_m[rows] + (best + share) * np.sqrt(squares[every, best])
        heading = np.arctan2(map_from_base[1, 0], map_from_base[0, 0])
        errors = np.asarray(wrapped(heading - np.arctan2(step[:, 1], step[:, 0])))
        heights = map_from_base[2, 3] - (starts[every, best, 2] + share * step[:, 2])
        if self.is_flat:
            heights = np.zeros(len(rows))
        _, first = np.unique(pieces.ids[rows][order := np.argsort(np.abs(d_m), kind='stable')], return_index=True)
        keep = order[np.sort(first)]  # the nearest piece of each lane, nearest lane first
        keep = keep[np.abs(d_m[keep]) <= self.config.match_m]
        return Near(pieces.ids[rows][keep], s_m[keep], d_m[keep], errors[keep], heights[keep])

    def match(self, stamp_ns: int, near: Near, sigmas: np.ndarray, route: frozenset[int] = frozenset()) -> LaneMatch:
        """Return in which lane the vehicle is. sigmas: (2,) of the pose, across the vehicle [m], of heading [rad]."""
        config = self.config
        across = np.hypot(config.lane_sigma_m, sigmas[0])
        turn = np.hypot(config.heading_sigma_rad, sigmas[1])
        squares = (near.d_m / across) ** 2 + (near.heading_errors_rad / turn) ** 2
        squares += (near.heights_m / config.height_sigma_m) ** 2
        on_route = np.isin(near.ids, list(route)) if route else np.zeros(len(near.ids), bool)
        weights = np.exp(-0.5 * squares) * np.where(on_route, config.route_factor, 1.0)
        probabilities = weights / (weights.sum() + np.exp(-0.5 * config.off_map_deviations**2))
        best = np.argsort(-probabilities, kind='stable')[: config.hypotheses]
        best = best[probabilities[best] >= config.smallest_probability]
        return LaneMatch(
            stamp_ns, near.ids[best], near.s_m[best], near.d_m[best], near.heading_errors_rad[best],
            probabilities[best], np.full(len(best), sigmas[0]),
            np.array([self._limits.get(id_, np.nan) for id_ in near.ids[best].tolist()]),
        )  # fmt: skip
