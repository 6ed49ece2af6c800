"""How good the camera networks are on examples they never saw, by pictures alone: what is watched while they learn."""

from collections.abc import Sequence

import numpy as np
import torch

from autonomy_nodes.perception.bev import CELLS, OUTPUTS
from autonomy_nodes.perception.camera.network import CameraNetwork
from autonomy_nodes.perception.camera.places import hushed
from autonomy_nodes.perception.decode import cells_of, checked
from autonomy_nodes.training.camera.samples import as_seen_by, batch_of, camera_sample_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.quality import Watched, figures_of, judged_groups, shared_classes

INPUTS = ('pictures', 'at', 'log_depths', 'seen', 'of')


def camera_quality(
    network: CameraNetwork, examples: Sequence[Example], device: torch.device, with_lidar: bool = False
) -> dict[str, float]:
    """Return average precisions [%], how good the ground is [m] and the cells are (mIoU) on some examples."""
    network.eval()
    found = figures_of([_watched(network, example, device, with_lidar) for example in examples])
    network.train()
    return found


def _watched(network: CameraNetwork, example: Example, device: torch.device, with_lidar: bool) -> Watched:
    sample = camera_sample_of(example, with_lidar=with_lidar)
    batch = {name: value.to(device) for name, value in batch_of([sample]).items()}
    with torch.no_grad():
        _, outputs = network(*(batch[f'eyes.{name}'] for name in INPUTS))
    told = checked({name: outputs[name].float().cpu().numpy() for name in OUTPUTS})
    told['heat'] = hushed(told['heat'], sample['eyes.seen'].numpy())
    base = sample['base'][0].numpy()
    cells = cells_of(told, base)
    asked = sample['ground_weight'][0].numpy() == 1.0
    off = np.abs(cells.ground_m - np.nan_to_num(example.ground_m))[asked].mean() if asked.any() else 0.0
    shared, whole = shared_classes(cells.terrain.argmax(axis=0), sample['terrain'].numpy())
    assert cells.ground_m.shape == CELLS
    return Watched(judged_groups(told, base, as_seen_by(example, example.photos)), float(off), shared, whole)
