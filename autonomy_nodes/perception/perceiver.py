"""See what is around the vehicle, on one page: ground, obstacles, terrain, objects, paint, visibility.

The geometric channel needs no training and no GPU and always runs. A network, where there is one, tells of objects
while it answers well; what stands up and the network says nothing of stays an obstacle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LaneObservations
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import Image, PointCloud
from autonomy_nodes.common.status import Lap, Words, untimed
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.inference.settings import EngineSettings
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.camera.hearing import Hearing
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.clustering import ClusterConfig, Clusters, clustered
from autonomy_nodes.perception.correction import CorrectionSettings, ground_points, heights
from autonomy_nodes.perception.disagreement import Disagreement, DisagreementSettings
from autonomy_nodes.perception.environment import described
from autonomy_nodes.perception.far import known_m
from autonomy_nodes.perception.fusion import FusionSettings, fused
from autonomy_nodes.perception.ground import OBSTACLE, Ground, GroundConfig, GroundSplitter
from autonomy_nodes.perception.ladder import Channel, Ladder, LadderSettings
from autonomy_nodes.perception.learned import Earlier, Hear, Learned, LearnedChannel, LearnedSettings
from autonomy_nodes.perception.map_prior import MapPrior, MapPriorSettings, weighed
from autonomy_nodes.perception.paint import PaintConfig, painted
from autonomy_nodes.perception.semantics import Semantics, SemanticSettings
from autonomy_nodes.perception.terrain import Terrain, TerrainConfig, far_terrain

_HELD_S, _STANDING, _STANDING_SIGMA_MPS = 1.0, 0.4, 0.3
_NO_ROAD_USER, _SURELY_STANDING_MPS = 0.7, 0.8
_PART_M, _CAR_LENGTH_M, _CAR_HEIGHT_M = 0.8, 5.6, 2.3  # what is so long, and no longer and taller, may be seen of a car


@dataclass(frozen=True)
class PerceptionConfig:
    """Settings of perception.

    lidars: with exactly one, and its mounting known, rays that pass clear the terrain of what has moved away.
    cameras: tell how light it is. model: a network's name in models/ or its folder, empty for none. backend,
    require_backend: which engine runs it, on how many threads. engines: of those that are built on the vehicle.
    camera_model: networks that see the pictures of `cameras`, which `model` hears; empty for none. camera_age_s: so
    much older or newer than a sweep a picture may be. map_prior: when the map is given to a `model` that knows maps.
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
    vehicle: Vehicle = field(default_factory=Vehicle)
    ground: GroundConfig = field(default_factory=GroundConfig)
    terrain: TerrainConfig = field(default_factory=TerrainConfig)
    terrain_far: TerrainConfig = field(default_factory=far_terrain)
    clusters: ClusterConfig = field(default_factory=ClusterConfig)
    paint: PaintConfig = field(default_factory=PaintConfig)
    learned: LearnedSettings = field(default_factory=LearnedSettings)
    semantics: SemanticSettings = field(default_factory=SemanticSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    disagreement: DisagreementSettings = field(default_factory=DisagreementSettings)
    ladder: LadderSettings = field(default_factory=LadderSettings)
    map_prior: MapPriorSettings = field(default_factory=MapPriorSettings)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f'threads={self.threads} must be at least 1')
        if self.camera_model and not (self.model and self.cameras):
            raise ValueError(f'camera_model={self.camera_model!r} needs a model that hears it, and cameras')
        if not self.camera_age_s > 0.0:
            raise ValueError(f'camera_age_s={self.camera_age_s} must be above 0')


@dataclass(frozen=True, eq=False)
class Segmented:
    """What one sweep tells without knowing where the vehicle is. sensor_m: (3,) in base_link, None if not known."""

    cloud: PointCloud
    sensor_m: np.ndarray | None
    ground: Ground
    rays: np.ndarray | None
    clusters: Clusters
    lanes: LaneObservations

    @property
    def stamp_ns(self) -> int:
        """The stamp of the sweep."""
        return self.cloud.stamp_ns


@dataclass(frozen=True, eq=False)
class Perceived:
    """All that perception gives of one sweep.

    clusters: of the geometric channel alone; obstacles: its points. objects: what may be a road user, or moves.
    channel: who told of the objects. unexplained: how many of them the network says nothing of. disagreement: share of
    what is near on which both channels do not agree, alarmed: whether that is too much; as last known where the network
    did not answer. trouble: why it did not, empty where it did. blind: why cameras tell nothing, empty where they do or
    none is asked. air: what they tell of air and light. ring: the network's far ring, in base_link, None
    without; known_m: how far straight ahead that says all is free, NaN without. unheard: why the network was given no
    map, empty where it was, or knows none.
    """

    terrain: Grid
    terrain_far: Grid
    clusters: Objects
    objects: Objects
    obstacles: PointCloud
    lanes: LaneObservations
    environment: Words
    channel: Channel
    unexplained: int
    disagreement: float
    alarmed: bool
    trouble: str
    blind: str
    air: Mapping[str, float]
    ring: Grid | None
    known_m: float
    unheard: str


class Perceiver:
    """Cloud in, surroundings out; from sweep to sweep it keeps the terrain, and the sweep before for the network."""

    def __init__(
        self, config: PerceptionConfig, learned: LearnedChannel | None = None, lap: Lap = untimed,
        cameras: CameraChannel | None = None,
    ) -> None:  # fmt: skip
        self.config, self._learned, self._lap = config, learned, lap
        self._ladder, self._hearing = Ladder(config.ladder, learned is not None), Hearing(cameras, config.ladder)
        self._before: tuple[PointCloud, EgoState] | None = None
        self._splitter = GroundSplitter(config.ground, config.vehicle.height_m)
        self._terrain, self._terrain_far = Terrain(config.terrain), Terrain(config.terrain_far, far=True)
        self._semantics = Semantics(config.semantics, config.terrain) if learned is not None else None
        self._disagreement, self._map = Disagreement(config.disagreement), MapPrior(config.map_prior)

    def segment(self, cloud: PointCloud, sensor_m: np.ndarray | None = None) -> Segmented:
        """Return what needs no odometry."""
        if cloud.frame != 'base_link':
            raise DataError(f'cloud is in frame {cloud.frame!r}, expected base_link', fault='F11')
        # one layout: compiled loops exist once
        cloud = replace(cloud, xyz=np.require(cloud.xyz, np.float32, ('C', 'W')))
        sensor_m = None if sensor_m is None else np.ascontiguousarray(sensor_m, float)
        config, xyz = self.config, cloud.xyz
        ground = self._splitter.split(xyz)
        passed = None if sensor_m is None else rays(xyz, ground.kinds, sensor_m)
        self._lap('ground')
        clusters = clustered(config.clusters, cloud.stamp_ns, xyz, ground)
        self._lap('clusters')
        lanes = painted(config.paint, cloud.stamp_ns, xyz, cloud.intensity, ground.firm)
        self._lap('lanes')
        return Segmented(cloud, sensor_m, ground, passed, clusters, lanes)

    def perceive(
        self, seen: Segmented, ego: EgoState, prior: Grid | None = None, pictures: Mapping[str, Image] | None = None,
        late: bool = False, shots: Sequence[Shot] = (),
    ) -> Perceived:  # fmt: skip
        """Return all that is published of one sweep.

        prior: the map as a raster, in odom, where there is one. late: there is no time left for the network. shots:
        pictures of this moment.
        """
        cloud, ground, vehicle = seen.cloud, seen.ground, self.config.vehicle
        body_m = np.array([vehicle.rear_m, vehicle.front_m, vehicle.width_m / 2.0])
        sensor_m = np.zeros(3) if seen.sensor_m is None else seen.sensor_m
        grids = (self._terrain, self._terrain_far)
        near, far = (grid.update(cloud.xyz, ground, seen.rays, sensor_m, body_m, ego) for grid in grids)
        clusters = weighed(_stood(seen.clusters, ego, *grids), ego, prior)
        self._lap('terrain')
        knows_maps = self._learned is not None and self._learned.knows_maps
        chart, unheard = self._map.channels(prior, ego) if knows_maps else (None, '')
        told, trouble = self._ask(seen, ego, late, self._hearing.of(cloud, shots, self._lap), chart)
        in_the_way = (ground.kinds == OBSTACLE) & (ground.heights_m > self.config.terrain.low_m)
        channel, objects, unexplained = self._ladder.channel, clusters, 0
        believed = told if channel is Channel.LEARNED else None
        if believed is not None:
            both = fused(believed.objects, seen.clusters, self.config.fusion, believed.support)
            objects, unexplained = weighed(_stood(both.clusters, ego, *grids), ego, prior), both.unexplained
            if self.config.correction.points:
                in_the_way |= ground.firm & ~ground_points(cloud.xyz, ground, believed, self.config.correction)
        near = self._mended(near, ego, believed, objects)
        self._lap('fusion')
        return Perceived(
            terrain=near,
            terrain_far=far,
            clusters=clusters,
            objects=_apart(objects),
            obstacles=cloud.kept(in_the_way),
            lanes=seen.lanes,
            environment=described(
                cloud.stamp_ns, cloud.xyz, seen.clusters.clutter, seen.lanes.seen_range_m, pictures or {}
            ),
            channel=Channel.FUSED if believed is not None and believed.heard else channel,
            unexplained=unexplained,
            disagreement=self._disagreement.share,
            alarmed=self._disagreement.alarmed,
            trouble=trouble,
            blind=self._hearing.trouble,
            air=self._hearing.air,
            ring=None if believed is None else believed.far,
            known_m=self._known_m(believed),
            unheard=unheard,
        )

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


def _stood(clusters: Clusters, ego: EgoState, near: Terrain, far: Terrain) -> Objects:
    """Return the objects with what the terrain tells of their speed: what stands stands where something stood before.

    Of a thing of length L that drives at v, all but v * 1 s / L stands where it stood a second ago. A side of what is
    half hidden wanders with our own motion, and would be taken for motion by who sees no more than boxes.
    """
    objects = clusters.objects
    mine = clusters.owners >= 0
    places = clusters.places_m[mine] @ ego.odom_from_base[:2, :2].T + ego.position_m[:2]
    held = near.held_s(places)
    held = np.where(np.isnan(held), far.held_s(places), held) > _HELD_S  # false beyond both
    cells = np.bincount(clusters.owners[mine], minlength=len(objects))
    share = np.bincount(clusters.owners[mine], weights=held, minlength=len(objects)) / np.maximum(cells, 1)
    sigmas = _STANDING_SIGMA_MPS + (1.0 - share) * objects.dimensions_m[:, 0] / _HELD_S
    told = share > _STANDING
    velocities, covariances = objects.velocities_mps.copy(), objects.velocity_covariances.copy()
    velocities[told], covariances[told] = 0.0, (sigmas[told] ** 2)[:, None, None] * np.eye(2)
    return replace(objects, velocities_mps=velocities, velocity_covariances=covariances)


def _apart(clusters: Objects) -> Objects:
    """Return the objects without what by its size is no road user and surely stands, of which the terrain tells.

    Plants, poles and bits of walls are most of what stands around a road; as soon as one moves it is an object again.
    What may be a part of a car stays: of one that stands behind another, no more than a part is seen.
    """
    unknown = clusters.class_probabilities[:, Label.UNKNOWN] > _NO_ROAD_USER
    longest = clusters.dimensions_m[:, :2].max(axis=1, initial=0.0)
    unknown &= ~((longest > _PART_M) & (longest < _CAR_LENGTH_M) & (clusters.dimensions_m[:, 2] < _CAR_HEIGHT_M))
    told = np.isfinite(clusters.velocities_mps).all(axis=1)  # only of what stands where something stood before
    spread = np.sqrt(clusters.velocity_covariances[:, [0, 1], [0, 1]].max(axis=1, initial=0.0))
    ground = unknown & told & (spread < _SURELY_STANDING_MPS)
    return clusters.kept(~ground) if ground.any() else clusters
