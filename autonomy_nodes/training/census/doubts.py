"""Where perception doubts itself: objects that come and go between two sweeps, and channels that contradict each other.

Both are ways to find what a network does not know without labels (inconsistency as in active learning for detection).
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.clustering import Clusters, clustered
from autonomy_nodes.perception.decode import DecodeSettings
from autonomy_nodes.perception.fusion import fused
from autonomy_nodes.perception.ground import Ground, GroundSplitter
from autonomy_nodes.perception.learned import Earlier, LearnedChannel, LearnedSettings, opened
from autonomy_nodes.perception.perceiver import PerceptionConfig
from autonomy_nodes.training.census.sweeps import Sweep

NEAR_M = 35.0  # what lies farther comes and goes since the sensor sees little of it
SURE, LIKELY = 0.5, 0.2  # existence of who is asked for, and of who answers
_ROOM_M, _ROOM_SHARE, _MOTION_MPS = 0.6, 0.25, 10.0  # by which middles may differ: always, of the length, by motion
_STEADY_GAP_S = 0.35  # sweeps farther apart show another scene
_NONE = np.zeros((0, 5))


@dataclass(frozen=True, eq=False)
class Doubts:
    """Rectangles (N, 5) x y length width heading in base_link, within NEAR_M.

    appeared, vanished: sure objects without any in the other sweep; asked: how many were looked for, 0 where no other
    sweep is given. alone: sure ones of the network where no cluster is. unexplained: clusters that look like a road
    user and that the network says nothing of.
    """

    appeared: np.ndarray = field(default_factory=_NONE.copy)
    vanished: np.ndarray = field(default_factory=_NONE.copy)
    alone: np.ndarray = field(default_factory=_NONE.copy)
    unexplained: np.ndarray = field(default_factory=_NONE.copy)
    asked: int = 0


@dataclass(frozen=True, eq=False)
class Seen:
    """What the channels tell of a sweep. objects: of the network, of clusters that look like somebody without one."""

    ground: Ground
    rays: np.ndarray | None
    clusters: Clusters
    objects: Objects


class Eyes:
    """Looks at sweeps as on the vehicle. model: folder of a network, None for the geometric channel alone."""

    def __init__(self, model: Path | None = None, backend: str = 'auto') -> None:
        self._config = PerceptionConfig()
        self._splitter = GroundSplitter(self._config.ground, self._config.vehicle.height_m)
        settings = LearnedSettings(DecodeSettings(least=LIKELY))
        self._learned = None if model is None else LearnedChannel(opened(model, backend), settings)
        self._last: tuple[str, Objects] | None = None

    def see(self, sweep: Sweep) -> tuple[Seen, Doubts]:
        """Return what is seen in a sweep, and what is doubtful; sweeps of one drive come in order."""
        seen = self._look(sweep)
        doubts, then = Doubts(), self._then(sweep)
        if then is not None:
            doubts = between(seen.objects, then, sweep.gap_s)
        if self._learned is not None:
            alone, unexplained = contradictions(seen.objects, seen.clusters, self._config)
            doubts = replace(doubts, alone=alone, unexplained=unexplained)
        self._last = (sweep.drive, seen.objects)
        return seen, doubts

    def _then(self, sweep: Sweep) -> Objects | None:
        """Return the objects of the sweep before in this one's base_link, None where there is no such sweep."""
        if sweep.before is None or not 0.0 < sweep.gap_s <= _STEADY_GAP_S:
            return None
        if sweep.now_from_last is None or self._last is None or self._last[0] != sweep.drive:
            return self._look(replace(sweep, cloud=sweep.before, before=None)).objects
        then, turn = self._last[1], sweep.now_from_last
        heading = float(np.arctan2(turn[1, 0], turn[0, 0]))
        return replace(
            then, positions_m=moved(then.positions_m, turn), headings_rad=then.headings_rad + heading
        )

    def _look(self, sweep: Sweep) -> Seen:
        cloud = _compact(sweep.cloud)
        ground = self._splitter.split(cloud.xyz)
        passed = None if sweep.sensor_m is None else rays(cloud.xyz, ground.kinds, sweep.sensor_m)
        clusters = clustered(self._config.clusters, cloud.stamp_ns, cloud.xyz, ground)
        if self._learned is None:
            return Seen(ground, passed, clusters, somebody(clusters.objects))
        earlier = None if sweep.before is None else Earlier(sweep.before, np.eye(4), sweep.gap_s)
        told = self._learned.perceive(cloud, ground, passed, sweep.sensor_m, earlier)
        return Seen(ground, passed, clusters, told.objects)


@lru_cache(maxsize=1)
def eyes(model: Path | None, backend: str) -> Eyes:
    """Return those of this process."""
    return Eyes(model, backend)


def somebody(objects: Objects) -> Objects:
    """Return the clusters that may be a road user, as sure as their class is."""
    belief = 1.0 - objects.class_probabilities[:, Label.UNKNOWN]
    return replace(objects, existence=objects.existence * belief).kept(belief >= LIKELY)


def between(now: Objects, then: Objects, gap_s: float) -> Doubts:
    """Return who is there in one of two sweeps alone, both in one base_link."""
    ways = [_unanswered(*pair, gap_s) for pair in ((now, then), (then, now))]
    (appeared, first), (vanished, second) = ways
    return Doubts(appeared, vanished, asked=first + second)


def contradictions(learned: Objects, clusters: Clusters, config: PerceptionConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return alone and unexplained of `Doubts`: what only one of the channels sees."""
    sure = learned.kept(_asked(learned))
    alone = sure.kept(np.zeros(len(sure), bool))
    if len(sure):
        both = fused(sure, clusters, config.fusion).clusters
        held = np.bincount(both.owners[(both.owners >= 0) & (both.owners < len(sure))], minlength=len(sure))
        alone = sure.kept(held == 0)
    looked = somebody(clusters.objects)
    likely = learned.kept(learned.existence >= LIKELY)
    unexplained, _ = _unanswered(looked, likely, 0.0)
    return alone.flat, unexplained


def _asked(objects: Objects) -> np.ndarray:
    return (objects.existence >= SURE) & (np.hypot(*objects.positions_m[:, :2].T) <= NEAR_M)


def _unanswered(some: Objects, others: Objects, gap_s: float) -> tuple[np.ndarray, int]:
    """Return the sure ones of `some` that have nobody near in `others`, and how many sure ones there are."""
    asked = some.kept(_asked(some)).flat
    if not len(asked) or not len(others):
        return asked, len(asked)
    away, _ = cKDTree(others.positions_m[:, :2]).query(asked[:, :2])
    return asked[away > _ROOM_M + _ROOM_SHARE * asked[:, 2] + _MOTION_MPS * gap_s], len(asked)


def _compact(cloud: PointCloud) -> PointCloud:
    return replace(cloud, xyz=np.require(cloud.xyz, np.float32, 'C'))
