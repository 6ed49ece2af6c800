"""What is kept of a run: all messages, of the heavy ones every so-many-th, and a digest of all of them."""

import hashlib
from collections import Counter
from pathlib import Path

from autonomy_nodes.messages.bags import UNFINISHED, BagError, BagWriter
from autonomy_nodes.messages.topics import CLOUD, FAR_RING, IMAGE_RECT, MAP_PRIOR, TERRAIN, TERRAIN_FAR, Topic

HEAVY = {topic.name for topic in (CLOUD, TERRAIN, TERRAIN_FAR, FAR_RING, MAP_PRIOR)}
MOST_PIECES = 1000
PICTURE = IMAGE_RECT.name.rpartition('}')[2]


def unused(path: Path) -> Path:
    """Return `path`, or PATH-1, PATH-2 ... where a recording lies there already, finished or broken off."""
    names = [path, *(path.with_name(f'{path.stem}-{number}{path.suffix}') for number in range(1, MOST_PIECES))]
    for name in names:
        if not name.exists() and not name.with_name(name.name + UNFINISHED).exists():
            return name
    raise BagError(f'{path}: {MOST_PIECES} recordings lie there already; move them away')


class Keeper:
    """Writes messages to a bag.

    heavy_every: of clouds, rasters and rectified pictures one of so many is kept. digested: whether `digest` is kept,
    which costs where much is not written.
    """

    def __init__(self, path: Path, heavy_every: int = 1, digested: bool = False) -> None:
        if heavy_every < 1:
            raise ValueError(f'heavy_every={heavy_every} must be at least 1')
        self._bag, self._heavy_every = BagWriter(path, compress=True), heavy_every
        self._counts: Counter[str] = Counter()
        self._digest = hashlib.sha256() if digested else None

    def take(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """Write one message that was received or given now."""
        if self._digest is not None:
            self._digest.update(f'{topic.name} {now_ns} {len(data)} '.encode())
            self._digest.update(data)
        self._counts[topic.name] += 1
        heavy = topic.name in HEAVY or topic.name.endswith(PICTURE)
        if heavy and (self._counts[topic.name] - 1) % self._heavy_every:
            return
        self._bag.write(topic.name, topic.type, now_ns, data, latched=topic.qos == 'latched')

    def digest(self) -> str:
        """Return the SHA-256 of all messages taken, kept or not, with their topics and times, in order; '' without."""
        return '' if self._digest is None else self._digest.hexdigest()

    def close(self) -> None:
        """Finish the bag."""
        self._bag.close()
