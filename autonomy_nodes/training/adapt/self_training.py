"""Learning from one's own sure words on unlabelled sweeps, beside simulated examples so that nothing is forgotten.

A teacher, the mean of the weights so far (Tarvainen and Valpola 2017), names objects in sweeps as they are; the student
learns from them as they look in other guises. What the teacher doubts is neither asked for nor wrong; of the ground it
tells nothing.
"""

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from autonomy_nodes.perception.bev import STEP_S
from autonomy_nodes.perception.confidence import Confidences
from autonomy_nodes.perception.decode import LABELS, DecodeSettings, checked, objects_of
from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.adapt.settings import AdaptSettings
from autonomy_nodes.training.augmentation import augmented
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import inputs_of, sample_of, stacked, strip
from autonomy_nodes.training.train_perception import Training, learn

_MARGIN_M = 0.1


def self_taught(
    network: Network, confidences: Confidences, sweeps: Sequence[Example], simulated: Sequence[Example],
    settings: AdaptSettings, seed: int, minutes: float = 0.0,
) -> tuple[Network, int]:  # fmt: skip
    """Return the teacher at the end, and after how many steps. minutes: at which it is cut, 0: never."""
    rng, began, learning = np.random.default_rng(seed), time.monotonic(), settings.learning
    student, teacher = deepcopy(network).train(), deepcopy(network).eval()
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
    optimizer = torch.optim.AdamW(student.parameters(), learning.rate, weight_decay=learning.decay)
    training = Training(student, teacher, optimizer)
    a_round, named = -(-settings.steps // settings.rounds), list[Example]()
    while training.step < settings.steps and not 0.0 < minutes * 60.0 < time.monotonic() - began:
        if training.step % a_round == 0:
            drawn = rng.permutation(len(sweeps))[: a_round * settings.real]
            named = [pseudo_labelled(teacher, confidences, sweeps[place], settings) for place in drawn]
        mine = rng.integers(len(named), size=settings.real).tolist()
        others = rng.integers(max(len(simulated), 1), size=learning.batch - settings.real).tolist()
        guised = [augmented(named[place], rng, (), settings.augmentation) for place in mine]
        guised += [augmented(simulated[place], rng, simulated, settings.augmentation) for place in others]
        samples = [sample_of(one, rng, learning.samples) for one in guised]
        batch = stacked([strip(one, rng, learning.samples.across) for one in samples])
        learn(student, training, batch, learning, training.step / settings.steps, torch.device('cpu'))
    return teacher, training.step


def pseudo_labelled(
    teacher: Network, confidences: Confidences, sweep: Example, settings: AdaptSettings
) -> Example:
    """Return a sweep with what the teacher tells of it; what it doubts has no points, so that nobody asks for it."""
    sample = sample_of(sweep)
    with torch.inference_mode():
        outputs = teacher(**inputs_of(stacked([sample])))
    gap_s = STEP_S if len(sweep.before) else 0.0
    told = objects_of(
        checked({name: value.float().numpy() for name, value in outputs.items()}), sample['prior'][0].numpy(), 0, gap_s,
        DecodeSettings(least=settings.doubt, speeds=True), confidences,
    )  # fmt: skip
    boxes = np.column_stack([
        told.positions_m, told.dimensions_m, told.headings_rad, np.nan_to_num(told.velocities_mps)
    ]).astype(np.float32).reshape(-1, 9)  # fmt: skip
    sure = told.existence >= settings.sure
    bodies = np.full(len(sweep.points), -1, np.int32)
    for row in np.flatnonzero(sure)[::-1]:  # the surest last: a point belongs to him
        bodies[_on(sweep.points, boxes[row])] = row
    hits = np.bincount(bodies + 1, minlength=len(boxes) + 1)[1:].astype(np.int32)
    kinds = np.argmax(told.class_probabilities[:, list(LABELS)], axis=1).astype(np.int64)
    return replace(sweep, boxes=boxes, kinds=kinds, hits=hits, shares=sure.astype(np.float32), bodies=bodies)


def _on(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return (N,) which points lie in a box."""
    away, (c, s) = points[:, :3] - box[:3], (np.cos(box[6]), np.sin(box[6]))
    along, across = away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s
    local = np.abs(np.column_stack([along, across, away[:, 2]]))
    return np.asarray((local < box[3:6] / 2.0 + _MARGIN_M).all(axis=1))
