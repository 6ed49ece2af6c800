"""What is kept of a run: all messages, of the heavy ones every so-many-th."""

from collections import Counter
from pathlib import Path

from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.topics import CLOUD, IMAGE_RECT, Topic



class Keeper:
    """Writes messages to a bag. `heavy_every`: of merged clouds and rectified pictures one of so many is kept."""

    def __init__(self, path: Path, heavy_every: int = 1) -> None:
        if heavy_every < 1:
            raise ValueError(f'heavy_every={heavy_every} must be at least 1')
        self._bag, self._heavy_every = BagWriter(path), heavy_every
        self._counts: Counter[str] = Counter()

    def take(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """Write one message that was received or given now."""
        self._counts[topic.name] += 1
        heavy = topic.name == CLOUD.name or topic.name.endswith(IMAGE_RECT.name.rpartition('}')[2])
        if heavy and (self._counts[topic.name] - 1) % self._heavy_every:
            return
        self._bag.write(topic.name, topic.type, now_ns, data, latched=topic.qos == 'latched')

    def close(self) -> None:
        """Finish the bag."""
        self._bag.close()
