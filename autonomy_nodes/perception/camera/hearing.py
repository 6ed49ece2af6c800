"""What the network for LiDAR hears of the cameras: their features, while they have answered well for a while."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.status import Lap
from autonomy_nodes.common.types import DataError
from autonomy_nodes.perception.camera.channel import CameraChannel, Shot
from autonomy_nodes.perception.ladder import Channel, Ladder, LadderSettings
from autonomy_nodes.perception.learned import Hear


class Hearing:
    """Asks the cameras once a sweep. trouble: why they told nothing; air: what they tell of air and light."""

    def __init__(self, cameras: CameraChannel | None, settings: LadderSettings) -> None:
        self._cameras, self._ladder = cameras, Ladder(settings, cameras is not None)
        self.trouble = ''
        self.air: Mapping[str, float] = {}

    def of(self, cloud: PointCloud, shots: Sequence[Shot], lap: Lap) -> Hear | None:
        """Return what the network may ask about one sweep; None without cameras."""
        self.trouble, self.air = '', {}
        return None if self._cameras is None else partial(self._told, cloud, shots, lap)

    def _told(self, cloud: PointCloud, shots: Sequence[Shot], lap: Lap, ground_m: np.ndarray) -> np.ndarray | None:
        assert self._cameras is not None
        try:
            sighted = self._cameras.perceive(cloud.stamp_ns, shots, ground_m, cloud.xyz, lap)
        except DataError as error:
            self.trouble = str(error)
            self._ladder.heard(False)
            return None
        self.air = sighted.air
        return sighted.camera if self._ladder.heard(True) is Channel.LEARNED else None
