"""Perception node: each clean sweep, with the odometry of its stamp, becomes terrain, objects, lanes and visibility.

Where no sweep comes, pictures do, if there are networks that see them: the ladder in perception/ladder.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from autonomy_nodes.common.sensing import Image
from autonomy_nodes.common.status import REMEDIES, RUNG, SPEED_CAP, Level
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.inference.opening import wanted
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.grids import read_grid, write_grid
from autonomy_nodes.messages.images import read_camera_info, read_image
from autonomy_nodes.messages.motion import read_ego, read_transforms
from autonomy_nodes.messages.objects import write_detected
from autonomy_nodes.messages.tables import write_lane_observations
from autonomy_nodes.messages.words import write_words
from autonomy_nodes.nodes.engines import say_engine
from autonomy_nodes.nodes.port import Join, Port, Stage
from autonomy_nodes.perception.camera.channel import NETWORK as CAMERAS
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.ladder import Channel
from autonomy_nodes.perception.lanes.channel import NETWORK as LANES
from autonomy_nodes.perception.lanes.channel import LaneChannel
from autonomy_nodes.perception.learned import NETWORK, LearnedChannel
from autonomy_nodes.perception.perceived import Perceived, Segmented
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig
from autonomy_nodes.perception.warmup import warm
from autonomy_nodes.sensors.calibration import Calibration

ODOMETRY = Join(topics.ODOMETRY, read_ego, must=True)  # localization works on the same sweep meanwhile


class Perception(Stage):
    """What needs no odometry is done while localization still works on the sweep."""

    name = 'perception'
    config_type = PerceptionConfig
    backend: Backend | None = None
    camera_backends: Sequence[Backend] = ()
    lane_backend: Backend | None = None

    def build(self, port: Port, config: PerceptionConfig) -> None:
        """Create the perceiver and connect it."""
        self.port, self.config = port, config
        asked = config.model, NETWORK, config.backend, config.require_backend, config.threads, config.engines
        _, self.backend = wanted(*asked)
        backend = self.backend
        learned = None if backend is None else LearnedChannel(backend, config.learned)
        self.has_far = learned is not None and learned.has_far
        self.knows_maps = learned is not None and learned.knows_maps
        self.camera_backends = _cameras_of(config)
        cameras = CameraChannel(self.camera_backends[0], self.camera_backends[1]) if self.camera_backends else None
        self.lane_backend = wanted(config.lane_model, LANES, *asked[2:])[1] if config.lane_model else None
        lanes = None if self.lane_backend is None else LaneChannel(self.lane_backend, config.lanes)
        self.calibration = Calibration(config.vehicle.mounts)
        self.perceiver = Perceiver(config, learned, port.lap, cameras, lanes)
        warm(config, learned, cameras, lanes)
        self.far_out, self.terrain_out = port.publisher(topics.TERRAIN_FAR), port.publisher(topics.TERRAIN)
        self.ring_out = port.publisher(topics.FAR_RING)
        self.clusters_out, self.obstacles_out = port.publisher(topics.CLUSTERS), port.publisher(topics.OBSTACLES)
        self.lanes_out = port.publisher(topics.LANE_OBSERVATIONS)
        self.environment_out = port.publisher(topics.ENVIRONMENT)
        self.objects_out = port.publisher(topics.OBJECTS)
        self.prior = port.latest(topics.MAP_PRIOR, read_grid)
        self.pictures = {name: port.latest(topics.IMAGE_RECT.named(name), read_image) for name in config.cameras}
        infos = {name: topics.IMAGE_RECT_INFO.named(name) for name in config.cameras}
        self.models = {name: port.latest(topic, read_camera_info) for name, topic in infos.items()}
        port.each(topics.TF_STATIC, read_transforms, self.calibration.take)
        if config.lidars:
            port.trigger(topics.CLOUD, self.segment, self.perceive, join=(ODOMETRY,))
        if cameras is not None:
            self.start_by_pictures(config.cameras)

    def start_by_pictures(self, cameras: Sequence[str]) -> None:
        """Have pictures start a step where no sweep comes."""
        for name in cameras:
            topic = replace(topics.IMAGE_RECT.named(name), rate_hz=0.0)  # the camera node watches for silence
            self.port.trigger(topic, read_image, self.look, join=(ODOMETRY,), when=self.alone)

    def segment(self, data: bytes) -> Segmented:
        """Read a sweep and do what needs no odometry."""
        cloud = read_cloud(data)
        self.perceiver.sweeps.came(self.port.now_ns())
        return self.perceiver.segment(cloud, self._sensor_m())

    def alone(self, picture: Image) -> bool:
        """Return whether a picture is perceived by itself, since no sweep comes."""
        return self.perceiver.sweeps.alone(picture.stamp_ns, self.port.now_ns())

    def look(self, picture: Image, ego: EgoState) -> None:
        """Publish what the pictures of one moment tell by themselves."""
        pictures = self._newest()
        shots = self._shots(picture.stamp_ns, pictures)
        self.tell(self.perceiver.look(picture.stamp_ns, shots, ego, self.prior(), pictures))

    def perceive(self, seen: Segmented, ego: EgoState) -> None:
        """Publish what one sweep tells; the objects go last, since they start tracking."""
        pictures = self._newest()
        late = self.port.now_ns() - seen.stamp_ns > self.config.ladder.latest_s * SECOND_NS
        shots = self._shots(seen.stamp_ns, pictures) if self.config.camera_model else []
        self.tell(self.perceiver.perceive(seen, ego, self.prior(), pictures, late, shots))
        if seen.lane_trouble:
            self.port.say(Level.WARN, f'the network of lanes tells nothing: {seen.lane_trouble}')

    def tell(self, found: Perceived) -> None:
        """Say how it went, and publish it."""
        values = {'objects': str(len(found.objects)), 'environment': found.environment.text}
        values |= {key: found.environment.values[key] for key in (RUNG, SPEED_CAP) if key in found.environment.values}
        if self.backend is not None:
            values |= {'channel': found.channel.value, 'unexplained': str(found.unexplained)}
            values |= {'disagreement': f'{found.disagreement:.3f}', 'far_ring': str(self.has_far).lower()}
            values |= {'map': found.unheard or 'given'} if self.knows_maps else {}
            values |= {f'air.{name}': f'{value:.2f}' for name, value in found.air.items()}
            values |= {} if found.ring is None else {'known_drivable_m': f'{found.known_m:.1f}'}
        say_engine(self.port, self.backend, values)
        if found.channel is Channel.CAMERAS:
            text = f'no sweep: perception by cameras alone, no faster than {found.cap_mps:.1f} m/s'
            self.port.say(Level.ERROR, text, remedy=REMEDIES['F02'])
        elif not self.perceiver.sweeps.believed:
            self.port.say(Level.WARN, f'sweeps are back for a moment only: no faster than {found.cap_mps:.1f} m/s')
        if found.trouble:
            self.port.say(Level.WARN, f'the network tells nothing: {found.trouble}')
        if found.blind:
            self.port.say(Level.WARN, f'the cameras tell nothing: {found.blind}')
        if found.alarmed:
            text = 'both channels disagree: this may be unlike all that the network learned'
            self.port.say(Level.WARN, text, alarmed='true')
        self.publish(found)

    def free(self) -> None:
        """Give back what the engines hold."""
        for engine in (self.backend, self.lane_backend, *self.camera_backends):
            if engine is not None:
                engine.close()

    def publish(self, found: Perceived) -> None:
        """Send all of it."""
        self.far_out.publish(write_grid(found.terrain_far))
        if found.ring is not None:
            self.ring_out.publish(write_grid(found.ring))
        self.terrain_out.publish(write_grid(found.terrain))
        clusters = write_detected(found.clusters)
        self.clusters_out.publish(clusters)
        self.obstacles_out.publish(write_cloud(found.obstacles))
        self.lanes_out.publish(write_lane_observations(found.lanes))
        self.environment_out.publish(write_words(found.environment))
        alone = found.objects is found.clusters  # no network told of others
        self.objects_out.publish(clusters if alone else write_detected(found.objects))
        self.port.lap('writing')

    def _newest(self) -> dict[str, Image]:
        taken = {name: newest() for name, newest in self.pictures.items()}
        return {name: picture for name, picture in taken.items() if picture is not None}

    def _shots(self, stamp_ns: int, pictures: Mapping[str, Image]) -> list[Shot]:
        """Return the pictures of this moment whose calibration and mounting are told."""
        shots = []
        for name, picture in pictures.items():
            model = self.models[name]()
            if model is None or abs(picture.stamp_ns - stamp_ns) > self.config.camera_age_s * SECOND_NS:
                continue
            with suppress(DataError):  # nobody says where it sits: the camera node names that
                shots.append(Shot(picture.pixels, model.matrix, self.calibration.base_from(picture.frame)))
        return shots

    def _sensor_m(self) -> np.ndarray | None:
        """Return where the only LiDAR sits; None where there are several or nobody says, then less is concluded."""
        frames = [self.calibration.frame_of.get(name, name) for name in self.config.lidars]
        try:
            return self.calibration.base_from(frames[0])[:3, 3] if len(frames) == 1 else None
        except DataError:
            return None


def _cameras_of(config: PerceptionConfig) -> list[Backend]:
    """Return the engines of both networks that see pictures, none where none are named."""
    if not config.camera_model:
        return []
    folder = folder_of(f'{config.camera_model}/above').parent
    engines = config.backend, config.require_backend, config.threads, config.engines
    found = [wanted(str(folder / part), f'{CAMERAS}:{part}', *engines)[1] for part in ('eyes', 'above')]
    return [engine for engine in found if engine is not None]
