"""Camera node: each raw picture becomes a rectified one with the calibration that fits it."""

from collections.abc import Callable
from dataclasses import replace

from autonomy_nodes.common.sensing import Image
from autonomy_nodes.common.status import REMEDIES, Level, remedy_of
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.images import (
    read_camera_info,
    read_compressed,
    read_image,
    write_camera_info,
    write_image,
)
from autonomy_nodes.messages.motion import read_transforms
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sensors.calibration import Calibration
from autonomy_nodes.sensors.camera import CameraConfig, Presence, Rectifier

WATCH_S = 0.15
DOCTOR = 'correct what the text names; `autonomy doctor live` looks at topics, frames and calibration'


class Camera(Stage):
    """A camera whose calibration is missing, changed or empty gives nothing, and the status says so."""

    name = 'camera'
    config_type = CameraConfig

    def build(self, port: Port, config: CameraConfig) -> None:
        """Create a rectifier for each camera and connect it."""
        self.port, self.calibration = port, Calibration(config.vehicle.mounts)
        self.presences = {name: Presence() for name in config.cameras}
        port.each(topics.TF_STATIC, read_transforms, self.calibration.take)
        port.every(WATCH_S, self.watch)
        for name in config.cameras:
            step = self._connected(name, Rectifier(name, config.width_of(name), config.wider))
            for topic, read in ((topics.IMAGE_RAW, read_image), (topics.IMAGE_COMPRESSED, read_compressed)):
                port.trigger(replace(topic.named(name), rate_hz=0.0), read, step)  # one of both stays silent for ever

    def watch(self, now_ns: int) -> None:
        """Name the cameras that have fallen silent."""
        for name, presence in self.presences.items():
            if silent_s := presence.silent_s(now_ns):
                text = f'camera {name} stale: no picture for {silent_s:.1f} s'
                self.port.say(Level.ERROR, text, remedy=REMEDIES['F01'])

    def _connected(self, name: str, rectifier: Rectifier) -> Callable[[Image], None]:
        info = self.port.latest(topics.CAMERA_INFO.named(name), read_camera_info)
        model_out = self.port.publisher(topics.IMAGE_RECT_INFO.named(name))
        image_out = self.port.publisher(topics.IMAGE_RECT.named(name))

        def rectify(image: Image) -> None:
            self.presences[name].arrived(self.port.now_ns())
            try:
                self.calibration.check_frame(name, image.frame)
                self.calibration.base_from(image.frame)
                rectified = rectifier.rectified(image, info())
            except DataError as error:
                self.port.say(Level.ERROR, str(error), remedy=remedy_of(error.fault, DOCTOR))
                raise
            model_out.publish(write_camera_info(rectified.model))
            image_out.publish(write_image(rectified.image))

        return rectify
