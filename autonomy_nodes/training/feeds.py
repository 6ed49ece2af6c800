"""What the stack feeds a network, made of seeds or read from the data engine: to calibrate on, and to compare engines.

Perception: every second place is a long one, which tells the far ring as well; lanes are fed the same places.
Prediction: moments of simulated traffic, family by family. Seeds are those of training, never those that are reported.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import Manifest
from autonomy_nodes.messages.formats.trajectories import in_folds, read_scene
from autonomy_nodes.perception.bev import INPUTS as SWEEP_INPUTS
from autonomy_nodes.perception.bev import LANE_INPUTS
from autonomy_nodes.perception.far_raster import far_rasterised
from autonomy_nodes.perception.lanes.channel import NETWORK as LANES
from autonomy_nodes.perception.lanes.raster import lane_rasterised
from autonomy_nodes.perception.learned import NETWORK as PERCEPTION
from autonomy_nodes.perception.raster import rasterised
from autonomy_nodes.prediction import tensors
from autonomy_nodes.prediction.learned import NETWORK as PREDICTION
from autonomy_nodes.sim.flow.families import FAMILIES, played
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.forecast_samples import Arrays, Prepared, SamplesConfig, fed, samples
from autonomy_nodes.training.lessons import far_examples
from autonomy_nodes.training.places import examples
from autonomy_nodes.training.samples import grounded
from autonomy_nodes.training.shards import read_shard
from autonomy_nodes.training.traffic import difficulty_of

Feed = dict[str, np.ndarray]  # {input: (1, ...) float32}
A_PLACE, A_SCENE = 2, 2  # examples of a place, moments of a scene
EVERY = SamplesConfig(each=20)


def network_of(manifest: Manifest) -> str:
    """Return the module whose network a model is, by what it takes; DataError where it is none of them."""
    if set(LANE_INPUTS) == set(manifest.inputs):
        return LANES
    if set(SWEEP_INPUTS) <= set(manifest.inputs):
        return PERCEPTION
    if set(tensors.INPUTS) == set(manifest.inputs):
        return PREDICTION
    raise DataError(f'network {manifest.name!r} takes {sorted(manifest.inputs)}: no network of ours')


def seeded(manifest: Manifest, seed: int, count: int) -> Iterator[Feed]:
    """Yield `count` feeds of places or scenes from a seed on; the same for the same seed."""
    if network_of(manifest) == PREDICTION:
        return islice(_of_scenes(seed), count)
    return islice((_fed(manifest, one) for one in _of_places(seed)), count)


def stored(manifest: Manifest, folder: Path, count: int) -> Iterator[Feed]:
    """Yield at most `count` feeds of what the data engine wrote: shards of examples, or scenes of traffic."""
    if network_of(manifest) != PREDICTION:
        shards = sorted(folder.glob('examples-*.tar'))
        if not shards:
            raise DataError(f'{folder}: holds no examples-*.tar; `autonomy data` writes them')
        every = (one for shard in shards for one in read_shard(shard))
        return islice((_fed(manifest, one) for one in every), count)
    return islice(_of_folder(folder), count)


def hash_of(feeds: Sequence[Feed]) -> str:
    """Return one sha256 of feeds: names, shapes and every number."""
    told = hashlib.sha256()
    for feed in feeds:
        for name in sorted(feed):
            told.update(f'{name} {feed[name].shape}\n'.encode() + np.ascontiguousarray(feed[name]).tobytes())
    return told.hexdigest()


def _fed(manifest: Manifest, example: Example) -> Feed:
    if network_of(manifest) == PERCEPTION:
        return swept(example, 'far' in manifest.inputs)
    ground, passed = grounded(example)
    told = lane_rasterised(example.points, ground, passed, np.asarray(example.sensor_m, np.float64))
    return {name: np.ascontiguousarray(value, np.float32)[None] for name, value in told.items()}


def swept(example: Example, has_far: bool) -> Feed:
    """Return what perception feeds its network of a sweep; camera and map are not given."""
    ground, passed = grounded(example)
    sensor_m = np.asarray(example.sensor_m, np.float64)
    told = rasterised(example.points, example.before, ground, passed, sensor_m)
    if has_far:
        told['far'] = far_rasterised(example.points, ground, passed, sensor_m)
    nothing = {name: np.zeros((channels, *cells)) for name, (channels, cells) in SWEEP_INPUTS.items()}
    return {name: np.ascontiguousarray(value, np.float32)[None] for name, value in (nothing | told).items()}


def _of_places(seed: int) -> Iterator[Example]:
    while True:
        yield from islice((far_examples if seed % 2 else examples)(seed), A_PLACE)
        seed += 1


def _of_scenes(seed: int) -> Iterator[Feed]:
    families = sorted(FAMILIES)
    while True:
        scene = played(families[seed % len(families)], seed, difficulty_of(seed, 1.0)).scene
        yield from islice((_moment(row) for row in samples(scene, EVERY)), A_SCENE)
        seed += 1


def _of_folder(folder: Path) -> Iterator[Feed]:
    for name, path, _ in in_folds(folder, ()):
        yield from islice((_moment(row) for row in samples(read_scene(path, name), EVERY)), A_SCENE)


def _moment(row: Arrays) -> Feed:
    moment = Prepared({key: np.asarray(value)[None] for key, value in row.items()}, [''], [''])
    empty = {name: np.zeros(shape, np.float32) for name, shape in tensors.INPUTS.items()}
    told = {key.replace('.', '_'): value for key, value in fed(moment, 0).items()}
    found = empty | {name: value for name, value in told.items() if name in empty}  # recordings tell no terrain
    return {name: np.ascontiguousarray(value, np.float32)[None] for name, value in found.items()}
