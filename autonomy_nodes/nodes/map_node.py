"""Map node: each odometry of a sweep becomes the map around the vehicle; a goal becomes a route."""

from dataclasses import dataclass

from autonomy_nodes.common.status import Level, Words
from autonomy_nodes.common.types import EgoState, Pose
from autonomy_nodes.mapping.guide import GuideConfig, MapGuide
from autonomy_nodes.mapping.lanelet2_osm import read_osm
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.grids import write_grid
from autonomy_nodes.messages.motion import read_ego, read_goal, read_pose
from autonomy_nodes.messages.roads import write_route
from autonomy_nodes.messages.tables import write_lane_match, write_lane_pieces
from autonomy_nodes.messages.words import write_words
from autonomy_nodes.nodes.port import Join, Port, Stage


@dataclass(frozen=True)
class MapConfig(GuideConfig):
    """Settings of the map node.

    map_path: a Lanelet2 .osm file, empty for no map. origin_deg: latitude and longitude of map's zero for maps
    without local_x and local_y; empty: the first node of the map.
    """

    map_path: str = ''
    origin_deg: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.origin_deg) not in (0, 2):
            raise ValueError(f'origin_deg={self.origin_deg} must hold latitude and longitude, or nothing')


class Map(Stage):
    """Without a map it only says so; a map that cannot be read refuses to configure."""

    name = 'map'
    config_type = MapConfig

    def build(self, port: Port, config: MapConfig) -> None:
        """Read the map and connect it."""
        self.port = port
        self.guide = MapGuide(read_osm(config.map_path, config.origin_deg), config) if config.map_path else None
        self.goal = port.latest(topics.GOAL, read_goal)
        self.health_out = port.publisher(topics.MAP_HEALTH)
        self.prior_out = port.publisher(topics.MAP_PRIOR)
        self.match_out = port.publisher(topics.LANE_MATCH)
        self.vectors_out = port.publisher(topics.LOCAL_VECTORS)
        self.route_out = port.publisher(topics.ROUTE)
        port.trigger(topics.ODOMETRY, read_ego, self.look, [Join(topics.POSE, read_pose)])

    def look(self, ego: EgoState, pose: Pose | None) -> None:
        """Publish the map around one state of the vehicle."""
        if self.guide is None:
            self.health_out.publish(write_words(Words(ego.stamp_ns, 'map', Level.OK, 'no map')))
            return
        view = self.guide.step(ego, pose, self.goal())
        self.port.say(view.health.level, view.health.text)
        self.health_out.publish(write_words(view.health))
        if view.route is not None:
            self.route_out.publish(write_route(view.route))
        if view.pieces is not None and view.match is not None and view.prior is not None:
            self.prior_out.publish(write_grid(view.prior))
            self.match_out.publish(write_lane_match(view.match))
            self.vectors_out.publish(write_lane_pieces(view.pieces))
