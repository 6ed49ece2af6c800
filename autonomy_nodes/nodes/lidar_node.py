"""LiDAR node: each sweep of the main LiDAR becomes one clean cloud in base_link."""

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.status import Level
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud, write_cloud
from autonomy_nodes.messages.driving import read_articulation, read_velocity
from autonomy_nodes.messages.motion import read_ego, read_transforms
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sensors.lidar import LidarConfig, Merger, twist_at


class Lidar(Stage):
    """It waits for no other LiDAR: one that is late is left out, and the status says so."""

    name = 'lidar'
    config_type = LidarConfig

    def build(self, port: Port, config: LidarConfig) -> None:
        """Create the merger and connect it."""
        self.port, self.config, self.merger = port, config, Merger(config)
        self.cloud_out = port.publisher(topics.CLOUD)
        self.others = {name: port.latest(topics.LIDAR_RAW.named(name), read_cloud) for name in config.lidars[1:]}
        self.ego = port.latest(topics.ODOMETRY, read_ego)
        self.wheels = port.latest(topics.VELOCITY, read_velocity)
        if config.vehicle.trailer.present:
            self.joints = port.latest(topics.ARTICULATION, read_articulation)
        port.each(topics.TF_STATIC, read_transforms, self.merger.calibration.take)
        port.trigger(topics.LIDAR_RAW.named(config.lidars[0]), read_cloud, self.merge)

    def merge(self, main: PointCloud) -> None:
        """Publish the cloud of one sweep."""
        twist = twist_at(main.stamp_ns, self.ego(), self.wheels(), self.config.max_twist_age_s)
        others = {name: newest() for name, newest in self.others.items()}
        merged = self.merger.merge(main, others, twist, self._joint_angles())
        for text in merged.warnings:
            self.port.say(Level.WARN, text)
        counts = {'points': str(len(merged.cloud)), 'removed': str(main.removed)}
        self.port.say(Level.OK, '', **counts, **merged.level, **merged.sources)
        self.cloud_out.publish(write_cloud(merged.cloud))

    def _joint_angles(self) -> tuple[float, ...]:
        if not self.config.vehicle.trailer.present:
            return ()
        articulation = self.joints()
        if articulation is None:
            self.port.say(Level.WARN, 'articulation not known: trailer taken as straight')
            return ()
        return articulation.angles_rad
