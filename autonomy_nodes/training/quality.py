"""How good a network is on examples it never saw: what is watched while it learns, not what is reported."""

from collections.abc import Sequence

import numpy as np
import torch

from autonomy_nodes.evaluation.measures.precision import Judged, Scene, average_precision, judged, within
from autonomy_nodes.perception.bev import TERRAIN
from autonomy_nodes.perception.decode import LABELS, DecodeSettings, cells_of, checked, objects_of
from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import inputs_of, sample_of
from autonomy_nodes.training.targets import LEAST_HITS, LEAST_SHARE, NOT_TOLD

GROUPS = {'vehicle': ((0, 1), 2.0), 'vru': ((2, 3), 1.0)}  # classes, and how near is near enough [m]
REACH_M = 38.0


def quality(network: Network, examples: Sequence[Example], device: torch.device) -> dict[str, float]:
    """Return average precisions [%], how good the ground is [m] and the cells are (mIoU) on some examples."""
    network.eval()
    scenes: dict[str, list[Judged]] = {name: [] for name in GROUPS}
    off, shared, whole = [], np.zeros(len(TERRAIN)), np.zeros(len(TERRAIN))
    for example in examples:
        sample = sample_of(example)
        inputs = {name: value.to(device) for name, value in inputs_of(_batched(sample)).items()}
        with torch.no_grad():
            told = checked({name: value.float().cpu().numpy() for name, value in network(**inputs).items()})
        prior = sample['prior'][0].numpy()
        for name, scene in scenes_of(told, prior, example).items():
            scenes[name].append(judged(scene, within(GROUPS[name][1])))
        cells = cells_of(told, prior)
        asked = sample['ground_weight'][0].numpy() == 1.0
        off.append(np.abs(cells.ground_m - np.nan_to_num(example.ground_m))[asked].mean())
        wanted, best = sample['terrain'].numpy(), cells.terrain.argmax(axis=0)
        for place in range(len(TERRAIN)):
            mine, theirs = (best == place) & (wanted != NOT_TOLD), wanted == place
            shared[place] += (mine & theirs).sum()
            whole[place] += (mine | theirs).sum()
    network.train()
    met = whole > 0
    return {f'{name}.ap': average_precision(found) for name, found in scenes.items()} | {
        'ground.mae_m': float(np.mean(off)),
        'terrain.miou': float((shared[met] / whole[met]).mean()),
    }


def scenes_of(told: dict[str, np.ndarray], prior: np.ndarray, example: Example) -> dict[str, Scene]:
    """Return {group: truth and what was found} of one example."""
    objects = objects_of(told, prior, 0, 0.1, DecodeSettings(least=0.05))
    flat = np.column_stack([objects.positions_m[:, :2], objects.dimensions_m[:, :2], objects.headings_rad])
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


def _batched(sample: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value[None] for name, value in sample.items()}
