"""What perception makes of a sweep: before it knows where the vehicle is, and all that it gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LaneObservations
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.status import Words
from autonomy_nodes.perception.clustering import Clusters
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.ladder import Channel


@dataclass(frozen=True, eq=False)
class Segmented:
    """What one sweep tells without knowing where the vehicle is. sensor_m: (3,) in base_link, None if not known.

    lane_trouble: why a network of lanes told nothing, or empty.
    """

    cloud: PointCloud
    sensor_m: np.ndarray | None
    ground: Ground
    rays: np.ndarray | None
    clusters: Clusters
    lanes: LaneObservations
    lane_trouble: str = ''

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
    without; known_m: how far straight ahead that says all is free, NaN without. cap_mps: how fast one may drive by what
    is left of the sensors, inf for no limit; environment tells it too. unheard: why the network was given no map, empty
    where it was, or knows none.
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
    cap_mps: float
    unheard: str
