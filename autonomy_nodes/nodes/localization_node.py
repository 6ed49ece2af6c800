"""Localization node: each clean sweep becomes the vehicle's state; 50 times a second it is carried forward to now."""

from dataclasses import replace

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, Fix, Imu, PointCloud, Transforms
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.localization.localizer import LocalizationConfig, Localizer
from autonomy_nodes.localization.warmup import warm
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.driving import read_velocity
from autonomy_nodes.messages.images import read_camera_info
from autonomy_nodes.messages.motion import (
    read_fix,
    read_imu,
    read_pose,
    read_transforms,
    write_ego,
    write_pose,
    write_transforms,
)  # fmt: skip
from autonomy_nodes.messages.words import write_words
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sensors.calibration import BASE, Calibration, stated_transforms

TICK_S = 0.02


class Localization(Stage):
    """Odom is smooth; where it lies in map is told apart, by /tf and by the pose."""

    name = 'localization'
    config_type = LocalizationConfig

    def build(self, port: Port, config: LocalizationConfig) -> None:
        """Create the localizer and connect it."""
        self.port, self.config = port, config
        warm()
        self.localizer, self.calibration = Localizer(config), Calibration(config.vehicle.mounts)
        self.ego_out, self.pose_out = port.publisher(topics.ODOMETRY), port.publisher(topics.POSE)
        self.integrity_out, self.tf_out = port.publisher(topics.INTEGRITY), port.publisher(topics.TF)
        self.predicted_out, self.told_ns = port.publisher(topics.ODOMETRY_PREDICTED), -1
        self.came_ns, self.carried_ns = -1, -1  # when the last sweep came; the stamp of the last picture instead
        self.wheels = port.since(topics.VELOCITY, read_velocity)
        self.imu = port.since(topics.IMU, read_imu)
        port.each(topics.TF_STATIC, read_transforms, self.calibration.take)
        port.each(topics.GNSS_POSE, read_pose, self.localizer.places.hear_pose)
        port.each(topics.GNSS_FIX, read_fix, self.hear_fix)
        port.each(topics.INITIAL_POSE, read_pose, self.localizer.places.hear_person)
        port.every(TICK_S, self.predict)
        port.trigger(topics.CLOUD, self.take, self.localize)
        for name in config.cameras:
            info = replace(topics.IMAGE_RECT_INFO.named(name), rate_hz=0.0)  # as light as a stamp
            port.trigger(info, read_camera_info, self.carry, when=self.alone)
        if config.publish_calibration:
            self.calibration_out = port.publisher(topics.TF_STATIC)
            port.activated(self.publish_calibration)

    def take(self, data: bytes) -> PointCloud:
        """Read a sweep, and note that there was one."""
        cloud = read_cloud(data)
        self.came_ns = self.port.now_ns()
        return cloud

    def alone(self, camera: CameraModel) -> bool:
        """Return whether a picture came and no sweep does; the first sweep must have come."""
        silent_s = (self.port.now_ns() - self.came_ns) / SECOND_NS
        return self.came_ns >= 0 and silent_s > self.config.silent_s and camera.stamp_ns > self.carried_ns

    def carry(self, camera: CameraModel) -> None:
        """Carry the state forward to a picture, as if it were a sweep that met nothing."""
        self.port.say(Level.WARN, 'no sweep: the state is carried forward to pictures')
        self.carried_ns = camera.stamp_ns
        self.localize(PointCloud(camera.stamp_ns, BASE, np.zeros((0, 3), np.float32), np.zeros(0, np.float32)))

    def localize(self, cloud: PointCloud) -> None:
        """Take one sweep; odometry goes last, since the map node starts with it."""
        if self.carried_ns - SECOND_NS < cloud.stamp_ns <= self.carried_ns and len(cloud):
            raise DataError('the sweep is no newer than a picture that stood in for it')
        localized = self.localizer.sweep(cloud, self.wheels(), self._imu_in_base())
        integrity = localized.integrity
        for text in localized.warnings:
            self.port.say(Level.WARN, text)
        self.port.say(integrity.level, integrity.text, **integrity.values)
        self.integrity_out.publish(write_words(integrity))
        if localized.pose is not None:
            self.pose_out.publish(write_pose(localized.pose))
        if localized.ego is not None:
            self._tell(self.localizer.predicted(self.port.now_ns()))  # better than at the last tick
            self.ego_out.publish(write_ego(localized.ego))

    def predict(self, now_ns: int) -> None:
        """Publish the state at this moment, and the frames."""
        ego = self.localizer.predicted(now_ns)
        if ego is not None:
            self._tell(ego)
            self.tf_out.publish(write_transforms(self._frames(ego)))

    def _tell(self, predicted: EgoState | None) -> None:
        """Publish a predicted state, one of each moment."""
        if predicted is not None and predicted.stamp_ns != self.told_ns:
            self.told_ns = predicted.stamp_ns
            self.predicted_out.publish(write_ego(predicted))

    def hear_fix(self, fix: Fix) -> None:
        """Pass on a satellite position with the place of its antenna."""
        self.localizer.places.hear_fix(fix, self.calibration.base_from(fix.frame))

    def publish_calibration(self) -> None:
        """Publish how the sensors are mounted, from the vehicle yaml."""
        transforms = stated_transforms(self.config.vehicle.mounts, self.port.now_ns())
        self.calibration_out.publish(write_transforms(transforms))

    def _imu_in_base(self) -> list[Imu]:
        """Return the samples since the last sweep in base_link; without a known mount none, and the status says so."""
        turned, samples = [], self.imu()
        try:
            for sample in samples:
                turn = np.eye(3) if sample.frame == BASE else self.calibration.base_from(sample.frame)[:3, :3]
                rates, acceleration = turn @ sample.angular_rps, turn @ sample.acceleration_mps2
                turned.append(Imu(sample.stamp_ns, BASE, rates, acceleration))
        except DataError as error:
            self.port.say(Level.WARN, f'IMU not used: {error}')
        return turned

    def _frames(self, ego: EgoState) -> Transforms:
        frames = {('odom', BASE): ego.odom_from_base}
        if self.localizer.map_from_odom is not None:
            frames['map', 'odom'] = self.localizer.map_from_odom
        return Transforms(ego.stamp_ns, frames)
