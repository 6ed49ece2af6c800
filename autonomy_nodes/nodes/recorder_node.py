"""Recorder node: writes what passes on the topics to a bag."""

from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.common.status import Level
from autonomy_nodes.messages.recording import Keeper, unused
from autonomy_nodes.messages.topics import CLOCK, HEARTBEAT, TABLE, Topic
from autonomy_nodes.nodes.port import Port, Stage


@dataclass(frozen=True)
class RecorderSettings:
    """What to record. path: the bag, a new folder (PATH-1 and so on where there is one).

    lidars, cameras: sensors whose topics are recorded.

    raw_sensors: false leaves out the raw sweeps and pictures, which are most of a bag.
    heavy_every: of merged clouds and rectified pictures one of so many is kept.
    """

    path: str = 'recording'
    lidars: tuple[str, ...] = ('top',)
    cameras: tuple[str, ...] = ('front',)
    raw_sensors: bool = True
    heavy_every: int = 1


TOLD_S = 1.0
NOT_RECORDED = (CLOCK, HEARTBEAT)  # a bag has times of its own, and a sign of life says nothing afterwards


class Recorder(Stage):
    """Hears every topic of the table that says something afterwards."""

    name = 'recorder'
    config_type = RecorderSettings

    def build(self, port: Port, config: RecorderSettings) -> None:
        """Open the bag and listen."""
        self.port, self.asked, self.path = port, Path(config.path), unused(Path(config.path))
        self.keeper = Keeper(self.path, config.heavy_every)
        port.every(TOLD_S, self.tell)
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

    def tell(self, now_ns: int) -> None:
        """Say where the recording lies; where one lay there already, as after a restart, it is not the asked place."""
        moved = f'{self.asked} exists already: this recording is {self.path}' if self.path != self.asked else ''
        self.port.say(Level.WARN if moved else Level.OK, moved, path=str(self.path))

    def free(self) -> None:
        """Finish the bag."""
        if keeper := self.__dict__.pop('keeper', None):
            keeper.close()
