"""Recorder node: writes what passes on the topics to a bag."""

from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.messages.recording import Keeper
from autonomy_nodes.messages.topics import CLOCK, HEARTBEAT, TABLE, Topic
from autonomy_nodes.nodes.port import Port, Stage


@dataclass(frozen=True)
class RecorderSettings:
    """What to record. path: the bag, a new folder; lidars, cameras: sensors whose topics are recorded.

    raw_sensors: false leaves out the raw sweeps and pictures, which are most of a bag.
    heavy_every: of merged clouds and rectified pictures one of so many is kept.
    """

    path: str = 'recording'
    lidars: tuple[str, ...] = ('top',)
    cameras: tuple[str, ...] = ('front',)
    raw_sensors: bool = True
    heavy_every: int = 1


NOT_RECORDED = (CLOCK, HEARTBEAT)  # a bag has times of its own, and a sign of life says nothing afterwards


class Recorder(Stage):
    """Hears every topic of the table that says something afterwards."""

    name = 'recorder'
    config_type = RecorderSettings

    def build(self, port: Port, config: RecorderSettings) -> None:
        """Open the bag and listen."""
        self.port, self.keeper = port, Keeper(Path(config.path), config.heavy_every)
        for topic in TABLE:
            raw = topic.given_by == 'vehicle' and 'image_raw' in topic.name or 'pointcloud_raw' in topic.name
            if raw and not config.raw_sensors or topic in NOT_RECORDED:
                continue
            sensors = config.lidars if 'sensing/lidar' in topic.name else config.cameras
            for name in sensors if '{name}' in topic.name else ('',):
                self.record(topic.named(name))

    def record(self, topic: Topic) -> None:
        """Write each message of one topic."""
        self.port.each(topic, bytes, lambda data: self.keeper.take(topic, self.port.now_ns(), data))

    def free(self) -> None:
        """Finish the bag."""
        if keeper := self.__dict__.pop('keeper', None):
            keeper.close()
