"""See what is around the vehicle, on one page: ground, obstacles, terrain, objects, paint, visibility.

The geometric channel needs no training and no GPU and always runs. A network, where there is one, tells of objects
while it answers well; what stands up and the network says nothing of stays an obstacle.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LaneObservations
from autonomy_nodes.common.objects import Label, Objects, no_objects
from autonomy_nodes.common.sensing import Image, PointCloud
from autonomy_nodes.common.status import Lap, capped, untimed
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.inference.settings import EngineSettings
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.camera.hearing import Hearing
from autonomy_nodes.perception.camera.sight import SightSettings, as_learned, sight_of, standing
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.clustering import ClusterConfig, clustered
from autonomy_nodes.perception.correction import CorrectionSettings, ground_points, heights
from autonomy_nodes.perception.disagreement import Disagreement, DisagreementSettings
from autonomy_nodes.perception.environment import described, seen_by_cameras
from autonomy_nodes.perception.far import known_m
from autonomy_nodes.perception.fusion import FusionSettings, fused
from autonomy_nodes.perception.ground import OBSTACLE, GroundConfig, GroundSplitter
from autonomy_nodes.perception.ladder import Channel, Ladder, LadderSettings, Sweeps, cap_mps
from autonomy_nodes.perception.lanes.channel import LaneChannel, LaneSettings
from autonomy_nodes.perception.learned import Earlier, Hear, Learned, LearnedChannel, LearnedSettings
from autonomy_nodes.perception.map_prior import MapPrior, MapPriorSettings, weighed
from autonomy_nodes.perception.paint import PaintConfig, painted
from autonomy_nodes.perception.perceived import Perceived, Segmented
from autonomy_nodes.perception.semantics import Semantics, SemanticSettings
from autonomy_nodes.perception.standing import apart, stood
from autonomy_nodes.perception.terrain import Terrain, TerrainConfig, far_terrain


@dataclass(frozen=True)
class PerceptionConfig:
    """Settings of perception.

    lidars: with exactly one, and its mounting known, rays that pass clear the terrain of what has moved away.
    cameras: tell how light it is. model: a network's name in models/ or its folder, empty for none. backend,
    require_backend: which engine runs it, on how many threads. engines: of those that are built on the vehicle.
    camera_model: networks that see the pictures of `cameras`, which `model` hears, and which tell alone where no sweep
    comes; empty for none. A vehicle without `lidars` has them alone; then odometry must come with the stamps of
    pictures. camera_age_s: so much older or newer than a sweep a picture may be. lane_model: finds lines of the road,
    empty for paint alone. map_prior: when the map is given to a `model` that knows maps.
    """

    lidars: tuple[str, ...] = ('top',)
    cameras: tuple[str, ...] = ()
    model: str = ''
    backend: str = 'auto'
    require_backend: str = ''
    threads: int = 1
    engines: EngineSettings = field(default_factory=EngineSettings)
    camera_model: str = ''
    camera_age_s: float = 0.12
    lane_model: str = ''
    vehicle: Vehicle = field(default_factory=Vehicle)
    ground: GroundConfig = field(default_factory=GroundConfig)
    terrain: TerrainConfig = field(default_factory=TerrainConfig)
    terrain_far: TerrainConfig = field(default_factory=far_terrain)
    clusters: ClusterConfig = field(default_factory=ClusterConfig)
    paint: PaintConfig = field(default_factory=PaintConfig)
    lanes: LaneSettings = field(default_factory=LaneSettings)
    learned: LearnedSettings = field(default_factory=LearnedSettings)
    semantics: SemanticSettings = field(default_factory=SemanticSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    disagreement: DisagreementSettings = field(default_factory=DisagreementSettings)
    ladder: LadderSettings = field(default_factory=LadderSettings)
    sight: SightSettings = field(default_factory=SightSettings)
    map_prior: MapPriorSettings = field(default_factory=MapPriorSettings)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f'threads={self.threads} must be at least 1')
        if self.camera_model and not (self.cameras and (self.model or not self.lidars)):
            raise ValueError(f'camera_model={self.camera_model!r} needs a model that hears it, and cameras')
        if not (self.lidars or self.camera_model):
            raise ValueError('lidars=[] needs a camera_model: nothing else would be perceived')
        if not self.camera_age_s > 0.0:
            raise ValueError(f'camera_age_s={self.camera_age_s} must be above 0')


class Perceiver:
    """Cloud in, surroundings out; from sweep to sweep it keeps the terrain, and the sweep before for the network."""

    def __init__(
        self, config: PerceptionConfig, learned: LearnedChannel | None = None, lap: Lap = untimed,
        cameras: CameraChannel | None = None, lanes: LaneChannel | None = None,
    ) -> None:  # fmt: skip
        self.config, self._learned, self._lap, self._lanes = config, learned, lap, lanes
        self._ladder, self._hearing = Ladder(config.ladder, learned is not None), Hearing(cameras, config.ladder)
        self.sweeps, self._cameras = Sweeps(config.ladder, bool(config.lidars), cameras is not None), cameras
        self._before: tuple[PointCloud, EgoState] | None = None
        self._splitter = GroundSplitter(config.ground, config.vehicle.height_m)
        self._terrain, self._terrain_far = Terrain(config.terrain), Terrain(config.terrain_far, far=True)
        taught = learned is not None or cameras is not None
        self._semantics = Semantics(config.semantics, config.terrain) if taught else None
        self._by_sight: Semantics | None = None  # the same while pictures stand in, whose word no sweep could mend
        self._disagreement, self._map = Disagreement(config.disagreement), MapPrior(config.map_prior)

    def segment(self, cloud: PointCloud, sensor_m: np.ndarray | None = None) -> Segmented:
        """Return what needs no odometry."""
        if cloud.frame != 'base_link':
            raise DataError(f'cloud is in frame {cloud.frame!r}, expected base_link', fault='F11')
        cloud = replace(cloud, xyz=np.require(cloud.xyz, np.float32, ('C', 'W')))  # loops are compiled for one layout
        sensor_m = None if sensor_m is None else np.ascontiguousarray(sensor_m, float)
        config, xyz = self.config, cloud.xyz
        ground = self._splitter.split(xyz)
        passed = None if sensor_m is None else rays(xyz, ground.kinds, sensor_m)
        self._lap('ground')
        clusters = clustered(config.clusters, cloud.stamp_ns, xyz, ground)
        self._lap('clusters')
        paint = painted(config.paint, cloud.stamp_ns, xyz, cloud.intensity, ground.firm)
        lanes = (paint, '') if self._lanes is None else self._lanes.observe(cloud, ground, passed, sensor_m, paint)
        self._lap('lanes')
        return Segmented(cloud, sensor_m, ground, passed, clusters, *lanes)

    def perceive(
        self, seen: Segmented, ego: EgoState, prior: Grid | None = None, pictures: Mapping[str, Image] | None = None,
        late: bool = False, shots: Sequence[Shot] = (),
    ) -> Perceived:  # fmt: skip
        """Return all that is published of one sweep.

        prior: the map as a raster, in odom, where there is one. late: there is no time left for the network. shots:
        pictures of this moment.
        """
        cloud, ground, body_m, self._by_sight = seen.cloud, seen.ground, self._body_m, None
        sensor_m = np.zeros(3) if seen.sensor_m is None else seen.sensor_m
        grids = (self._terrain, self._terrain_far)
        near, far = (grid.update(cloud.xyz, ground, seen.rays, sensor_m, body_m, ego) for grid in grids)
        clusters = weighed(stood(seen.clusters, ego, *grids), ego, prior)
        self._lap('terrain')
        chart, unheard = self._chart(prior, ego)
        told, trouble = self._ask(seen, ego, late, self._hearing.of(cloud, shots, self._lap), chart)
        in_the_way = (ground.kinds == OBSTACLE) & (ground.heights_m > self.config.terrain.low_m)
        channel, objects, unexplained = self._ladder.channel, clusters, 0
        believed = told if channel is Channel.LEARNED else None
        if believed is not None:
            both = fused(believed.objects, seen.clusters, self.config.fusion, believed.support)
            objects, unexplained = weighed(stood(both.clusters, ego, *grids), ego, prior), both.unexplained
            if self.config.correction.points:
                in_the_way |= ground.firm & ~ground_points(cloud.xyz, ground, believed, self.config.correction)
        near = self._mended(near, ego, believed, objects)
        self._lap('fusion')
        rung = Channel.FUSED if believed is not None and believed.heard else channel
        cap, ranges_m = self._cap_mps(rung), seen.lanes.seen_range_m
        environment = described(cloud.stamp_ns, cloud.xyz, seen.clusters.clutter, ranges_m, pictures or {})
        return Perceived(
            terrain=near,
            terrain_far=far,
            clusters=clusters,
            objects=apart(objects),
            obstacles=cloud.kept(in_the_way),
            lanes=seen.lanes,
            environment=capped(environment, rung.value, cap),
            channel=rung,
            unexplained=unexplained,
            disagreement=self._disagreement.share,
            alarmed=self._disagreement.alarmed,
            trouble=trouble,
            blind=self._hearing.trouble,
            air=self._hearing.air,
            ring=None if believed is None else believed.far,
            known_m=self._known_m(believed),
            cap_mps=cap,
            unheard=unheard,
        )

    def look(
        self, stamp_ns: int, shots: Sequence[Shot], ego: EgoState, prior: Grid | None = None,
        pictures: Mapping[str, Image] | None = None,
    ) -> Perceived:  # fmt: skip
        """Return all that is published of pictures alone, where no sweep comes; see `perceive`.

        What they do not show stays as it was known before, and fades, as later does what they told and no sweep sees.
        Raises DataError where they tell nothing.
        """
        if self._cameras is None:
            raise DataError('no network that sees pictures: set camera_model')
        sighted = self._cameras.perceive(stamp_ns, shots, lap=self._lap)
        self.sweeps.looked(stamp_ns)
        sight = sight_of(sighted, self.config.sight)
        near, far = (grid.look(sight, self._body_m, ego) for grid in (self._terrain, self._terrain_far))
        self._lap('terrain')
        objects, cap = weighed(sighted.objects, ego, prior), self._cap_mps(Channel.CAMERAS)
        self._by_sight = self._by_sight or deepcopy(self._semantics)
        if self._by_sight is not None:
            near = self._by_sight.told(near, ego, as_learned(sighted, sight), objects.flat)
        environment = seen_by_cameras(stamp_ns, sight.ranges_m, sighted.air, pictures or {})
        self._lap('fusion')
        return Perceived(
            terrain=near,
            terrain_far=far,
            clusters=no_objects(stamp_ns, 'base_link', tracked=False),
            objects=objects,
            obstacles=standing(sight, stamp_ns),
            lanes=LaneObservations(stamp_ns, np.zeros((0, 2, 3)), np.zeros(0, np.uint8), np.zeros(0), np.zeros(72)),
            environment=capped(environment, Channel.CAMERAS.value, cap),
            channel=Channel.CAMERAS,
            unexplained=0,
            disagreement=self._disagreement.share,
            alarmed=False,
            trouble='',
            blind='',
            air=sighted.air,
            ring=None,
            known_m=np.nan,
            cap_mps=cap,
            unheard='',
        )

    @property
    def _body_m(self) -> np.ndarray:
        vehicle = self.config.vehicle
        return np.array([vehicle.rear_m, vehicle.front_m, vehicle.width_m / 2.0])

    def _cap_mps(self, rung: Channel) -> float:
        """Return how fast one may drive on a rung."""
        best = Channel.GEOMETRIC
        if self._learned is not None:
            best = Channel.LEARNED if self._cameras is None else Channel.FUSED
        return cap_mps(rung, best, self.sweeps.believed, self.config.ladder.caps)

    def _chart(self, prior: Grid | None, ego: EgoState) -> tuple[np.ndarray | None, str]:
        """Return the map for a network that knows maps, and why it is given none."""
        knows_maps = self._learned is not None and self._learned.knows_maps
        return self._map.channels(prior, ego) if knows_maps else (None, '')

    def _known_m(self, believed: Learned | None) -> float:
        if believed is None or believed.far is None:
            return np.nan
        return known_m(believed.far, self.config.vehicle.width_m / 2.0, self.config.learned.far)

    def _mended(self, near: Grid, ego: EgoState, believed: Learned | None, objects: Objects) -> Grid:
        """Return the terrain with what the network says of it; without a network as it was."""
        if self._semantics is None:
            return near
        if believed is None:
            return self._semantics.told(near, ego, None, np.zeros((0, 5)))
        if self.config.correction.heights:
            near = heights(near, ego, believed, self.config.correction)
        users = objects.kept(objects.class_probabilities[:, Label.UNKNOWN] < 1.0)
        return self._semantics.told(near, ego, believed, users.flat)

    def _ask(
        self, seen: Segmented, ego: EgoState, late: bool, hear: Hear | None, chart: np.ndarray | None
    ) -> tuple[Learned | None, str]:
        """Return what the network tells, or None and why it tells nothing."""
        if self._learned is None:
            return None, ''
        cloud, before, self._before = seen.cloud, self._before, (seen.cloud, ego)
        earlier = None
        if before is not None:
            now_from_then = inverse(ego.odom_from_base) @ before[1].odom_from_base
            earlier = Earlier(before[0], now_from_then, (cloud.stamp_ns - before[0].stamp_ns) / SECOND_NS)
        told, trouble = None, 'the sweep came too late' if late else ''
        if not late:
            try:
                told = self._learned.perceive(
                    cloud, seen.ground, seen.rays, seen.sensor_m, earlier, self._lap, hear, chart
                )
                self._disagreement.heard(told, seen.clusters)
                self._map.compare(told.outputs['terrain'], told.prior)
            except DataError as error:
                trouble = str(error)
        self._ladder.heard(told is not None)
        return told, trouble
