"""How good a network is on examples it never saw: what is watched while it learns, not what is reported."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from autonomy_nodes.evaluation.measures.precision import Judged, Scene, average_precision, judged, within
from autonomy_nodes.perception.bev import TERRAIN
from autonomy_nodes.perception.decode import LABELS, DecodeSettings, cells_of, checked, objects_of
from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import Sample, inputs_of, sample_of, stacked
from autonomy_nodes.training.targets import LEAST_HITS, LEAST_SHARE, NOT_TOLD

GROUPS = {'vehicle': ((0, 1), 2.0), 'vru': ((2, 3), 1.0)}  # classes, and how near is near enough [m]
REACH_M = 38.0


@dataclass(frozen=True, eq=False)
class Watched:
    """What a network was worth on one example.

    judged: {group: what was found}. off_m: mean error of the ground where some was seen. shared, whole: (7,) cells of
    each class of terrain that were told and were so, and that were told or were so.
    """

    judged: dict[str, Judged]
    off_m: float
    shared: np.ndarray
    whole: np.ndarray


def quality(network: Network, examples: Sequence[Example], device: torch.device) -> dict[str, float]:
    """Return average precisions [%], how good the ground is [m] and the cells are (mIoU) on some examples."""
    network.eval()
    found = figures_of([watched(network, example, device) for example in examples])
    network.train()
    return found


def figures_of(found: Sequence[Watched]) -> dict[str, float]:
    """Return the figures of examples together."""
    shared, whole = (np.sum([getattr(one, name) for one in found], axis=0) for name in ('shared', 'whole'))
    met = whole > 0
    return {f'{name}.ap': average_precision([one.judged[name] for one in found]) for name in GROUPS} | {
        'ground.mae_m': float(np.mean([one.off_m for one in found])),
        'terrain.miou': float((shared[met] / whole[met]).mean()),
    }


def watched(network: Network, example: Example, device: torch.device) -> Watched:
    """Return what a network that does not learn now is worth on one example."""
    sample = sample_of(example)
    inputs = {name: value.to(device) for name, value in inputs_of(stacked([sample])).items()}
    with torch.no_grad():
        told = checked({name: value.float().cpu().numpy() for name, value in network(**inputs).items()})
    return worth(told, sample['prior'][0].numpy(), sample, example)


def worth(told: dict[str, np.ndarray], prior: np.ndarray, sample: Sample, example: Example) -> Watched:
    """Return what an answer is worth. prior: (X, Y) the ground that its heights count from; sample: its targets."""
    cells = cells_of(told, prior)
    asked = sample['ground_weight'][0].numpy() == 1.0
    off = np.abs(cells.ground_m - np.nan_to_num(example.ground_m))[asked].mean() if asked.any() else 0.0
    shared, whole = shared_classes(cells.terrain.argmax(axis=0), sample['terrain'].numpy())
    scenes = scenes_of(told, prior, example)
    found = {name: judged(scene, within(GROUPS[name][1])) for name, scene in scenes.items()}
    return Watched(found, float(off), shared, whole)


def shared_classes(best: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (7,) cells of each class that were told and are so, and that were told or are so; (X, Y) both."""
    shared, whole = np.zeros(len(TERRAIN)), np.zeros(len(TERRAIN))
    for place in range(len(TERRAIN)):
        mine, theirs = (best == place) & (wanted != NOT_TOLD), wanted == place
        shared[place], whole[place] = (mine & theirs).sum(), (mine | theirs).sum()
    return shared, whole


def scenes_of(told: dict[str, np.ndarray], prior: np.ndarray, example: Example) -> dict[str, Scene]:
    """Return {group: truth and what was found} of one example."""
    objects = objects_of(told, prior, 0, 0.1, DecodeSettings(least=0.05))
    flat = objects.flat
    hidden = (example.hits < LEAST_HITS) | (example.shares < LEAST_SHARE)
    found = {}
    for name, (classes, _) in GROUPS.items():
        mine = np.isin(example.kinds, classes)
        labels = example.boxes[mine][:, [0, 1, 3, 4, 6]]
        out = hidden[mine] | (np.hypot(*labels[:, :2].T) > REACH_M)
        named = np.isin(np.argmax(objects.class_probabilities, axis=1), [LABELS[kind] for kind in classes])
        far = np.hypot(*flat[named][:, :2].T) > REACH_M
        found[name] = Scene(labels, out, flat[named], objects.existence[named], far)
    return found
