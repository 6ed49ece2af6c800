"""What the map tells about the vehicle's surroundings: each pose becomes vectors, lane match, prior, route, health."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.geometry import (
    heading_of,
    inverse,
    matrix_of,
    moved,
    quaternion_of,
    quaternion_of_heading,
    wrapped,
)
from autonomy_nodes.common.grid import PRIOR_CONFIDENCE, Grid
from autonomy_nodes.common.lanes import LaneMatch, LanePieces, Route
from autonomy_nodes.common.status import Level, Words
from autonomy_nodes.common.types import EgoState, Goal, Pose
from autonomy_nodes.mapping.lane_graph import lane_graph
from autonomy_nodes.mapping.lookup import Lookup, LookupConfig, Near
from autonomy_nodes.mapping.model import RoadMap
from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.mapping.raster import Raster, RasterConfig
from autonomy_nodes.mapping.stops import ahead, stops_of


@dataclass(frozen=True)
class GuideConfig:
    """Settings of the look-up; those of its parts are nested.

    goal_off_lane_m: a goal farther than this from every lane is refused. off_route_steps: so many steps in a row
    off the route, and a new one is sought. stops_ahead_m: how far to look for stop lines and lights. wrong_way_rad,
    height_residual_m: beyond these the pose and the map contradict each other. lane_change_m: metres of detour that
    one lane change is worth. sure_m: so far to a side the vehicle's pose may be off for the raster to be of use.
    """

    lookup: LookupConfig = field(default_factory=LookupConfig)
    raster: RasterConfig = field(default_factory=RasterConfig)
    goal_off_lane_m: float = 5.0
    off_route_steps: int = 10
    stops_ahead_m: float = 150.0
    wrong_way_rad: float = 0.52
    height_residual_m: float = 1.5
    lane_change_m: float = 30.0
    sure_m: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.goal_off_lane_m <= self.lookup.match_m:
            told = f'lookup.match_m={self.lookup.match_m}'
            raise ValueError(f'goal_off_lane_m={self.goal_off_lane_m} must lie above 0 and not above {told}')
        if self.off_route_steps < 1:
            raise ValueError(f'off_route_steps={self.off_route_steps} must be 1 or more')
        if not self.sure_m > 0.0:
            raise ValueError(f'sure_m={self.sure_m} must be above 0')


@dataclass(frozen=True, eq=False)
class MapView:
    """What one step gives. Without a pose in map there are only words; `route` is None unless it is new."""

    health: Words
    pieces: LanePieces | None = None
    match: LaneMatch | None = None
    prior: Grid | None = None
    route: Route | None = None


class MapGuide:
    """Knows one map; remembers the goal and the route to it."""

    def __init__(self, road_map: RoadMap, config: GuideConfig) -> None:
        self.config, self.map = config, road_map
        pieces = cut(road_map)
        limits = {id_: road_map.speed_limit_mps(lanelet) for id_, lanelet in road_map.lanelets.items()}
        self._lookup = Lookup(pieces, limits, road_map.is_flat, config.lookup)
        self._raster = Raster(road_map, pieces, config.raster)
        self._graph = lane_graph(road_map)
        self._stops = stops_of(road_map)
        self._goal: Goal | None = None
        self._asked: tuple[Goal, Goal] | None = None  # the goal as it was set in odom, and in map
        self._goal_words = ''
        self._route: tuple[int, ...] = ()
        self._off_route = 0

    def step(self, ego: EgoState, pose: Pose | None, goal: Goal | None = None) -> MapView:
        """Return what the map tells at the vehicle's state; `pose` must be of the same moment."""
        if pose is None:
            return MapView(self._words(ego.stamp_ns, Level.WARN, ['no pose in map'], {}))
        map_from_base = matrix_of(pose.position_m, pose.orientation)
        near = self._lookup.near(map_from_base)
        match = self._lookup.match(ego.stamp_ns, near, _sigmas(pose), frozenset(self._route))
        if goal is not None and goal.frame == 'odom':
            goal = self._in_map(goal, map_from_base @ inverse(ego.odom_from_base))
        route = self._follow(match, goal, pose)
        height = float(near.heights_m[np.argmin(np.abs(near.heights_m))]) if len(near.ids) else 0.0
        pieces = self._lookup.vectors(ego.stamp_ns, map_from_base, self._route, height)
        prior = self._raster.prior(ego.stamp_ns, ego.odom_from_base, map_from_base)
        sure = np.full(prior.shape, self._confidence(pose, match, height), np.float32)
        prior = replace(prior, layers={**prior.layers, PRIOR_CONFIDENCE: sure})
        return MapView(self._health(ego.stamp_ns, near, match, height), pieces, match, prior, route)

    def _in_map(self, goal: Goal, map_from_odom: np.ndarray) -> Goal:
        """Return a goal set in odom as it lies in map; it stays there, though odom drifts."""
        if self._asked is None or replace(goal, stamp_ns=0) != self._asked[0]:
            x, y, z = moved(np.array(goal.position_m), map_from_odom).tolist()
            heading = float(wrapped(goal.heading_rad + heading_of(quaternion_of(map_from_odom[:3, :3]))))
            self._asked = replace(goal, stamp_ns=0), Goal(goal.stamp_ns, 'map', (x, y, z), heading)
        return self._asked[1]

    def _confidence(self, pose: Pose, match: LaneMatch, height_m: float) -> float:
        """Return the chance that the raster lies right: within `sure_m` to a side; 0 where pose and map contradict."""
        turned = len(match.ids) and abs(float(match.heading_errors_rad[0])) > self.config.wrong_way_rad
        if turned or abs(height_m) > self.config.height_residual_m:
            return 0.0
        return math.erf(self.config.sure_m / (math.sqrt(2.0) * max(float(_sigmas(pose)[0]), 1e-6)))

    def _follow(self, match: LaneMatch, goal: Goal | None, pose: Pose) -> Route | None:
        """Return a new route where the goal is new or the vehicle has left the old one, else None."""
        if goal is not None and (self._goal is None or replace(goal, stamp_ns=self._goal.stamp_ns) != self._goal):
            self._goal, self._route, self._off_route = goal, (), self.config.off_route_steps
        if self._goal is None or not len(match.ids):
            return None
        beside = {other for id_ in self._route for other in self._graph.beside(id_)}
        on_route = not {*self._route, *beside}.isdisjoint(match.ids.tolist())
        self._off_route = 0 if on_route else self._off_route + 1
        if self._off_route < self.config.off_route_steps:
            return None
        self._off_route = 0
        found = self._routed(match, self._goal)
        if found == self._route:
            return None
        self._route = found
        start = (*map(float, pose.position_m), heading_of(pose.orientation))
        target = (*self._goal.position_m, self._goal.heading_rad)
        return Route(match.stamp_ns, start, target, found) if found else None  # type: ignore[arg-type]

    def _routed(self, match: LaneMatch, goal: Goal) -> tuple[int, ...]:
        """Return lanelets to the goal; () with the reason in words where the goal is refused."""
        if goal.frame != 'map':
            self._goal_words = f'goal refused: it is in {goal.frame!r}, not in map or odom'
            return ()
        near = self._lookup.near(matrix_of(np.array(goal.position_m), quaternion_of_heading(goal.heading_rad)))
        lanes = list(zip(near.s_m.tolist(), near.d_m.tolist(), near.heading_errors_rad.tolist(), near.ids.tolist()))
        lanes = [lane for lane in lanes if abs(lane[1]) <= self.config.goal_off_lane_m]
        if not lanes:
            self._goal_words = f'goal refused: no lane within {self.config.goal_off_lane_m:g} m of it'
            return ()
        lanes.sort(key=lambda lane: (abs(lane[1]) + 2.0 * (1.0 - np.cos(lane[2])), lane[3]))
        for start, s_m in zip(match.ids.tolist(), match.s_m.tolist()):
            for goal_s, _, _, id_ in lanes:
                if found := self._graph.route(start, id_, self.config.lane_change_m, ahead=goal_s >= s_m):
                    self._goal_words = ''
                    return found
        self._goal_words = f'goal refused: no way from lane {match.ids[0]} to lane {lanes[0][3]}'
        return ()

    def _health(self, stamp_ns: int, near: Near, match: LaneMatch, height_m: float) -> Words:
        """Return how far the map can be trusted here, in words."""
        faults, values = [], {}
        if not len(near.ids):
            faults.append('no lane near')
        values['nearest_lane_m'] = f'{np.abs(near.d_m).min():.2f}' if len(near.ids) else 'none'
        values['height_residual_m'] = f'{height_m:.2f}'
        if abs(height_m) > self.config.height_residual_m:
            faults.append('height differs from the lane')
        if len(match.ids):
            error = float(match.heading_errors_rad[0])
            values |= {'lane': str(match.ids[0]), 'lane_probability': f'{match.probabilities[0]:.3f}'}
            values |= {'heading_error_rad': f'{error:.3f}', 'speed_limit_mps': f'{match.speed_limits_mps[0]:.2f}'}
            if abs(error) > self.config.wrong_way_rad:
                faults.append('heading differs from the lane')
            line_m, light_m, light = ahead(
                self._graph, self._stops, int(match.ids[0]), float(match.s_m[0]), self.config.stops_ahead_m, self._route
            )
            values |= {'stop_line_m': f'{line_m:.1f}', 'light_m': f'{light_m:.1f}', 'light': str(light)}
        elif len(near.ids):
            faults.append('in no lane')
        values['coverage'] = 'inside' if len(near.ids) else 'outside'
        values['route_lanes'] = str(len(self._route))
        return self._words(stamp_ns, Level.WARN if faults else Level.OK, faults, values)

    def _words(self, stamp_ns: int, level: Level, faults: list[str], values: dict[str, str]) -> Words:
        told = [*faults, self._goal_words] if self._goal_words else faults
        level = Level.WARN if self._goal_words else level
        values = {**values, 'projection': self.map.projection.name, 'map_hash': self.map.digest}
        return Words(stamp_ns, 'map', level, '; '.join(told) or 'ok', values)


def _sigmas(pose: Pose) -> np.ndarray:
    """Return (2,) standard deviations of the pose: across the vehicle [m], of its heading [rad]."""
    heading = heading_of(pose.orientation)
    across = np.array([-np.sin(heading), np.cos(heading)])
    variance = across @ pose.covariance[:2, :2] @ across, pose.covariance[5, 5]
    return np.sqrt(np.maximum(variance, 0.0))
