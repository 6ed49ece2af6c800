"""What perception makes of one sweep of a folder, the vehicle at rest: with a network, and without."""

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.evaluation.measures.labelled_ground import Sweep
from autonomy_nodes.evaluation.measures.task import Task, timed
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.perception.learned import Learned, LearnedChannel, opened
from autonomy_nodes.perception.perceived import Perceived, Segmented
from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

ROUNDS = 3  # of which the quickest counts; the first one is compiled
AT_REST = EgoState(SECOND_NS, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))  # in the origin of odom

Network = tuple[Path, str]  # a folder of models/, and the engine that runs it


def network_of(task: Task) -> Network | None:
    """Return the network that a task names, None where it names none."""
    return None if task.model == 'none' else (folder_of(task.model), task.backend)


def perceived(sweep: Sweep, network: Network | None = None) -> tuple[Grid, float]:
    """Return the terrain that perception makes of this sweep alone, in base_link, and its CPU time [s]."""
    learned, spent = None if network is None else _opened(network), []
    for _ in range(ROUNDS):
        perceiver = Perceiver(PerceptionConfig(), learned)
        found, spent_s = timed(partial(perceiver.perceive, _segmented(perceiver, sweep), AT_REST))
        spent.append(spent_s)
    return found.terrain, min(spent)


def mapped(sweep: Sweep, network: Network, prior: Grid | None) -> Perceived:
    """Return all that perception makes of this sweep alone; prior: the map in odom, None for no map.

    Raises SettingsError where the network knows no maps.
    """
    learned = _opened(network)
    if not learned.knows_maps:
        told = f'{network[0]}: the network knows no maps'
        raise SettingsError(f'{told}; teach it by autonomy train prior')
    perceiver = Perceiver(PerceptionConfig(), learned)
    return perceiver.perceive(_segmented(perceiver, sweep), AT_REST, prior)


def told(sweep: Sweep, network: Network) -> tuple[Segmented, Learned, float]:
    """Return what the geometric channel and a network tell of this sweep alone, and the network's CPU time [s]."""
    channel, seen = _opened(network), _segmented(_plain(), sweep)
    asked = partial(channel.perceive, seen.cloud, seen.ground, seen.rays, seen.sensor_m)
    learned, spent_s = timed(asked)
    return seen, learned, spent_s


def _segmented(perceiver: Perceiver, sweep: Sweep) -> Segmented:
    cloud = PointCloud(0, 'base_link', sweep.xyz, sweep.intensity)
    return replace(perceiver.segment(cloud, sweep.sensor_m), sensor_m=sweep.sensor_m)


@lru_cache(maxsize=1)
def _plain() -> Perceiver:
    return Perceiver(PerceptionConfig())


@lru_cache(maxsize=1)
def _opened(network: Network) -> LearnedChannel:
    return LearnedChannel(opened(*network))
