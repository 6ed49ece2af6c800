"""Recorded scenes as arrays from which a network learns to foretell: what it is fed, and what then happened.

Scenes are those of common/scene.py, made by the code that runs on board. Relations of pairs are not kept, they follow
from frames: see `related`. Recordings tell no route and no terrain: those tables would be empty and are left out.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from autonomy_nodes.common.scene import Scene, SceneBuilder, Surroundings
from autonomy_nodes.common.scene_loops import relations
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.measures.forecast_windows import (
    FASTEST_MPS,
    MOVES_M,
    MOVES_MPS,
    OTHERS,
    VEHICLES,
    truth_of,
    windows,
)
from autonomy_nodes.evaluation.measures.forecasts import LONGEST, PAST, REACH_M
from autonomy_nodes.evaluation.measures.task import in_processes
from autonomy_nodes.evaluation.recorded import RecordedMap, objects_at, standing
from autonomy_nodes.messages.formats.trajectories import STEP_S, RecordedScene, in_folds, read_scene
from autonomy_nodes.prediction.tensors import KNOT_S

VALUES = {'agents': 'states', 'lanes': 'points'}
TABLES = {name: (values, 'told', 'traits', 'there', 'frames') for name, values in VALUES.items()}
PAIRS = {'agents_agents': ('agents', 'agents'), 'agents_lanes': ('agents', 'lanes'), 'lanes_lanes': ('lanes', 'lanes')}
HISTORY_STEP = 2  # of 0.1 s
KNOT = round(KNOT_S / STEP_S)
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class SamplesConfig:
    """Which moments are learned from.

    each: steps of 0.1 s from moment to moment. agents: rows of a scene, a size that the network is made for.
    least: steps of the future that an agent must be told to be learned from.
    """

    each: int = 10
    agents: int = 32
    least: int = 20

    def __post_init__(self) -> None:
        for name in ('each', 'agents', 'least'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} must be 1 or more')


@dataclass(frozen=True, eq=False)
class Prepared:
    """W moments. arrays: by name, each (W, ...). scenes, groups: (W,) names of the scene and of its group.

    What is fed, by the names of `Scene.tensors`: agents.* and lanes.*, with `frames` (W, N, 4) float64 in the scene,
    and of each pair of tables `index`, `there`; lane_links; environment. What happened, of each row of the agents:
    truth.path (W, A, 80, 4) float32: x y [m], cos and sin of the heading after 0.1 ... 8 s in its frame; truth.told
    (W, A, 80); learned (W, A): who moves and is told long enough; scored (W, A): who is a target of the benchmark;
    kind (W, A) int8: place in forecast_windows.KINDS, -1 where not scored; agent (W, A) int32: row of the recording,
    -1 where nobody is; t0 (W,) int32 step.
    """

    arrays: Arrays
    scenes: list[str]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.scenes)


def prepared(
    folder: Path, folds: Sequence[int], config: SamplesConfig, without: Collection[str] = (), jobs: int = 1
) -> Prepared:
    """Return all moments of the scenes of some folds, but of none of the groups `without`."""
    sources = [(name, path, group) for name, path, group in in_folds(folder, folds) if group not in without]
    work = partial(_of_scene, config=config)
    found = list(in_processes(jobs, work, [(name, path) for name, path, _ in sources]))
    rows = [(name, group, row) for (name, _, group), rows in zip(sources, found) for row in rows]
    if not rows:
        raise DataError(f'{folder}: holds no moment to learn from in folds {",".join(map(str, folds)) or "all"}')
    arrays = {key: np.stack([row[key] for _, _, row in rows]) for key in rows[0][2]}
    return Prepared(arrays, [name for name, _, _ in rows], [group for _, group, _ in rows])


def _of_scene(source: tuple[str, Path], config: SamplesConfig) -> list[Arrays]:
    return list(samples(read_scene(source[1], source[0]), config))


def samples(scene: RecordedScene, config: SamplesConfig) -> Iterator[Arrays]:
    """Yield the arrays of every moment of a scene from which anything can be learned."""
    road = RecordedMap(scene)
    targets = {window.now: window for window in windows(scene, config.each)}
    for now in range(PAST, scene.steps - config.least, config.each):
        rows = learnable(scene, now, config.least)
        if not len(rows):
            continue
        told, agents = scene_at(scene, road, now, rows, config.agents)
        happened = truth_of(scene, now, np.maximum(agents, 0))
        truth = _in_frames(happened, told.agents.frames)
        known = (agents >= 0)[:, None] & np.isfinite(truth[:, :, 0])
        kinds = np.full(config.agents, -1, np.int8)
        if now in targets:
            window = targets[now]
            cars, kinds_of = window.agents[window.vehicles], window.kinds[window.vehicles]
            at = np.flatnonzero(np.isin(agents, cars))
            kinds[at] = kinds_of[np.searchsorted(cars, agents[at])]
        yield _stored(told) | {
            'truth.path': np.where(known[..., None], truth, 0.0).astype(np.float32), 'truth.told': known,
            'learned': np.isin(agents, rows), 'scored': kinds >= 0, 'kind': kinds, 'agent': agents.astype(np.int32),
            't0': np.int32(now),
        }  # fmt: skip


def learnable(scene: RecordedScene, now: int, least: int) -> np.ndarray:
    """Return the rows of those who move, are told for `least` steps from now on, and are no swapped tracks."""
    states = scene.states[:, now : now + LONGEST + 1]
    told = np.isfinite(states[:, :, 0]).cumprod(axis=1).sum(axis=1)
    speeds = np.hypot(states[:, :, 3], states[:, :, 4])
    rows = np.flatnonzero((told > least) & np.isin(scene.labels, [*VEHICLES, *OTHERS]))
    moved = np.hypot(*(states[rows, told[rows] - 1, :2] - states[rows, 0, :2]).T)
    moves = (speeds[rows, 0] >= MOVES_MPS) | (moved >= MOVES_M)
    return rows[moves & ~(speeds[rows] > FASTEST_MPS).any(axis=1)]


def scene_at(
    scene: RecordedScene, road: RecordedMap, now: int, wanted: np.ndarray, agents: int
) -> tuple[Scene, np.ndarray]:
    """Return the scene at a step with the `wanted` rows first, and (A,) which row of the recording each agent is."""
    builder = SceneBuilder(Vehicle(), agents)
    for step in range(now - PAST, now + 1, HISTORY_STEP):
        objects, rows = objects_at(scene, step)
        builder.hear(objects)
    pieces = road.pieces(now, scene.states[wanted, now, :2], REACH_M)
    ground = Surroundings(standing(now).odom_from_base, pieces, None, road.lights(now))
    told = builder.scene(ground, np.searchsorted(rows, wanted))
    ids = objects.ids if objects.ids is not None else ()
    place = {bytes(id_): row for id_, row in zip(ids, rows.tolist())}
    agents_of = [place[bytes(id_)] if there else -1 for id_, there in zip(told.agents.ids, told.agents.there)]
    return told, np.array(agents_of)


def fed(prepared: Prepared, row: int) -> Arrays:
    """Return what a network is fed at one moment, with the relations of pairs; names as in `Scene.tensors`."""
    found = {key: values[row] for key, values in prepared.arrays.items()}
    return found | {f'{pair}.relations': related(prepared.arrays, pair, row) for pair in PAIRS}


def related(arrays: Arrays, pair: str, row: int) -> np.ndarray:
    """Return (N, 32, 6) float32 relations of a pair of tables at one moment; they follow from frames."""
    frames, others = (arrays[f'{table}.frames'][row] for table in PAIRS[pair])
    return relations(frames, others, arrays[f'{pair}.index'][row], arrays[f'{pair}.there'][row], True)


def _stored(told: Scene) -> Arrays:
    found = {'environment': told.environment, 'lane_links': told.lane_links.astype(bool)}
    for name, keys in TABLES.items():
        found |= {f'{name}.{key}': getattr(getattr(told, name), key) for key in keys}
    for name in PAIRS:
        found |= {f'{name}.{key}': getattr(getattr(told, name), key) for key in ('index', 'there')}
    return found


def _in_frames(truth: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return (A, 80, 4) of (A, 81, 3) poses in odom: x y, cos and sin of the heading in each agent's frame."""
    gone, turned = truth[:, 1:, :2] - frames[:, None, :2], truth[:, 1:, 2] - frames[:, None, 2]
    cos, sin = np.cos(frames[:, 2, None]), np.sin(frames[:, 2, None])
    x, y = gone[..., 0] * cos + gone[..., 1] * sin, gone[..., 1] * cos - gone[..., 0] * sin
    return np.stack([x, y, np.cos(turned), np.sin(turned)], axis=2)
