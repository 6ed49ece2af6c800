"""The learned channel of prediction: a scene in, six futures of everyone out, in odom; what it says of whom.

It stands beside physics and lanes, which answer for all whom it does not tell of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.scene import SceneBuilder, Surroundings
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.inference import opening
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.prediction.tensors import AGENTS, FROM_SCENE, INPUTS, KNOTS, MODES, OUTPUTS, SPREAD_BOUNDS, fed

NETWORK = 'autonomy_nodes.prediction.network'  # its reference in torch
SIGMA_OF_SCALE = np.sqrt(2.0)  # of Laplace's distribution
STILL_M = 0.3  # who goes less far from knot to knot keeps his direction


@dataclass(frozen=True, eq=False)
class Foretold:
    """Of M road users. rows: (M,) of the tracks. paths: (M, K, 1 + KNOTS, 3) x y direction in odom, the first now.

    odds: (M, K) of each, a row sums to 1. scene: (K,) of the modes of all. sigmas_m: (M, K, KNOTS, 2) along and
    across, where its agent goes now.
    """

    rows: np.ndarray
    paths: np.ndarray
    odds: np.ndarray
    scene: np.ndarray
    sigmas_m: np.ndarray


class LearnedPrediction:
    """Hears tracks as they come and runs one network on the scene they make."""

    def __init__(self, backend: Backend, vehicle: Vehicle) -> None:
        manifest = backend.manifest
        for side, shapes in ((manifest.inputs, INPUTS), (manifest.outputs, OUTPUTS)):
            wanted = {name: (1, *shape) for name, shape in shapes.items()}
            if (found := {name: tensor.shape for name, tensor in side.items()}) != wanted:
                raise SettingsError(f'network {manifest.name!r} has tensors {found}, prediction needs {wanted}')
        self._backend, self._builder = backend, SceneBuilder(vehicle, AGENTS)

    def hear(self, tracks: Objects, ego: EgoState | None) -> None:
        """Remember tracks in odom, and our own vehicle; every step, or the histories have gaps."""
        self._builder.hear(tracks, ego)

    def foretell(self, tracks: Objects, ground: Surroundings) -> Foretold:
        """Return what those will do who were heard last; DataError where the network's answer is no answer."""
        scene = self._builder.scene(ground)
        answer = checked(self._backend.run(fed(scene.tensors(FROM_SCENE))))
        place = {bytes(id_): row for row, id_ in enumerate(tracks.ids if tracks.ids is not None else ())}
        agents = scene.agents
        told = [agent for agent in np.flatnonzero(agents.there).tolist() if bytes(agents.ids[agent]) in place]
        rows = np.array([place[bytes(agents.ids[agent])] for agent in told], np.int64)
        frames, knots = agents.frames[told], answer['knots'][:, told].transpose(1, 0, 2, 3).astype(float)
        spread = answer['spread'][:, told].transpose(1, 0, 2, 3).astype(float)
        return Foretold(
            rows, in_odom(knots, frames), shares(answer['mode'][:, told].T), shares(answer['scene']),
            SIGMA_OF_SCALE * np.exp(np.clip(spread, *SPREAD_BOUNDS)),
        )  # fmt: skip


def checked(answer: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the outputs without the batch; DataError where one is not a number."""
    found = {name: answer[name][0] for name in OUTPUTS}
    if wrong := [name for name, value in found.items() if not np.isfinite(value).all()]:
        raise DataError(f'the network of prediction gives no numbers in {", ".join(wrong)}')
    return found


def in_odom(knots: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return (M, K, 1 + KNOTS, 3) x y direction of (M, K, KNOTS, 2) knots in (M, 4) frames x y heading t."""
    paths = np.zeros((len(knots), MODES, 1 + KNOTS, 3))
    cos, sin = np.cos(frames[:, 2])[:, None, None], np.sin(frames[:, 2])[:, None, None]
    paths[:, :, 1:, 0] = knots[..., 0] * cos - knots[..., 1] * sin
    paths[:, :, 1:, 1] = knots[..., 0] * sin + knots[..., 1] * cos
    gone = np.diff(paths[..., :2], axis=2)
    paths[..., :2] += frames[:, None, None, :2]
    moves = np.hypot(gone[..., 0], gone[..., 1]) > STILL_M
    courses = np.arctan2(gone[..., 1], gone[..., 0])
    paths[:, :, 0, 2] = frames[:, 2, None]
    for step in range(KNOTS):
        paths[:, :, step + 1, 2] = np.where(moves[:, :, step], courses[:, :, step], paths[:, :, step, 2])
    return paths


def shares(logits: np.ndarray) -> np.ndarray:
    """Return probabilities over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True)).astype(float)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def opened(folder: Path, backend: str = 'auto', require: str = '', threads: int = 1) -> Backend:
    """Return the engine that runs the network of a folder of models/ with a network of prediction."""
    return opening.opened(folder, NETWORK, backend, require, threads)
