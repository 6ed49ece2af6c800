"""Who looks at a sweep: the channel that needs no training, a network, or what the stack makes of both.

Each tells twice: `shipped` is what the vehicle would be told, with the thresholds of the stack and of the network's
card; `every` goes down to what nobody would believe, for curves of precision over recall.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.task import Task, timed
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.clustering import Clusters, clustered
from autonomy_nodes.perception.decode import DecodeSettings
from autonomy_nodes.perception.fusion import fused
from autonomy_nodes.perception.ground import Ground, GroundSplitter
from autonomy_nodes.perception.learned import Learned, LearnedChannel, opened
from autonomy_nodes.perception.perceiver import PerceptionConfig
from autonomy_nodes.perception.warmup import warm

KINDS = ('geometric', 'learned', 'fused')
LEAST_SCORE = 0.02
EVERY = DecodeSettings(least=LEAST_SCORE)


@dataclass(frozen=True)
class Channel:
    """Who looks: one of KINDS. model: a folder with a network. backend: the engine that runs it."""

    kind: str = 'geometric'
    model: Path | None = None
    backend: str = 'auto'


GEOMETRIC = Channel()


@dataclass(frozen=True, eq=False)
class Told:
    """What is told of one sweep, in base_link, see above. seconds: CPU time of what the vehicle would compute."""

    shipped: Objects
    every: Objects
    seconds: float


def asked_of(task: Task, usual: str = 'learned') -> Channel:
    """Return the channel that is to be measured: `--set channel=`, else `usual` where there is a network."""
    has_network = task.model != 'none'
    kind = task.options.get('channel', usual if has_network else GEOMETRIC.kind)
    if kind not in KINDS:
        raise SettingsError(f'channel={kind!r} must be one of {", ".join(KINDS)}')
    if not has_network and kind != GEOMETRIC.kind:
        raise SettingsError(f'channel={kind!r} needs --model')
    return of_kind(task, kind)


def of_kind(task: Task, kind: str) -> Channel:
    """Return one of KINDS with the network of a task."""
    return GEOMETRIC if kind == GEOMETRIC.kind else Channel(kind, folder_of(task.model), task.backend)


def look(channel: Channel, cloud: PointCloud, sensor_m: np.ndarray) -> Told:
    """Return what a channel tells of one sweep alone. cloud: in base_link; sensor_m: (3,) where its rays began."""
    return _LOOKS[channel.kind](channel, cloud, sensor_m)


def _geometric(_: Channel, cloud: PointCloud, sensor_m: np.ndarray) -> Told:
    clusters, seconds = timed(lambda: _segmented(cloud)[1])
    return Told(clusters.objects, clusters.objects, seconds)


def _learned(channel: Channel, cloud: PointCloud, sensor_m: np.ndarray) -> Told:
    network = _network(channel)
    said, seconds = timed(lambda: _asked(network, cloud, _ground(cloud), sensor_m))
    return Told(said.objects, network.again(said, EVERY), seconds)


def _fused(channel: Channel, cloud: PointCloud, sensor_m: np.ndarray) -> Told:
    network, settings = _network(channel), PerceptionConfig().fusion

    def work() -> tuple[Clusters, Learned, Objects]:
        ground, clusters = _segmented(cloud)
        said = _asked(network, cloud, ground, sensor_m)
        return clusters, said, fused(said.objects, clusters, settings, said.support).clusters.objects

    (clusters, said, shipped), seconds = timed(work)
    every = fused(network.again(said, EVERY), clusters, settings, replace(said.support, least=0.0))
    return Told(shipped, every.clusters.objects, seconds)


_LOOKS = {'geometric': _geometric, 'learned': _learned, 'fused': _fused}
assert set(_LOOKS) == set(KINDS)


def _segmented(cloud: PointCloud) -> tuple[Ground, Clusters]:
    ground = _ground(cloud)
    return ground, clustered(PerceptionConfig().clusters, cloud.stamp_ns, cloud.xyz, ground)


def _asked(network: LearnedChannel, cloud: PointCloud, ground: Ground, sensor_m: np.ndarray) -> Learned:
    return network.perceive(cloud, ground, rays(cloud.xyz, ground.kinds, sensor_m), sensor_m)


def _ground(cloud: PointCloud) -> Ground:
    return _splitter().split(cloud.xyz)


@lru_cache(maxsize=1)
def _splitter() -> GroundSplitter:
    config = PerceptionConfig()
    warm(config)
    return GroundSplitter(config.ground, config.vehicle.height_m)


@lru_cache(maxsize=1)
def _network(channel: Channel) -> LearnedChannel:
    assert channel.model is not None
    return LearnedChannel(opened(channel.model, channel.backend))
