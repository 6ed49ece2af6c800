"""How good the camera networks are on examples they never saw, by pictures alone: what is watched while they learn."""

from collections.abc import Sequence

import torch

from autonomy_nodes.perception.bev import OUTPUTS
from autonomy_nodes.perception.camera.network import CameraNetwork
from autonomy_nodes.perception.camera.places import hushed
from autonomy_nodes.perception.decode import checked
from autonomy_nodes.training.camera.samples import INPUTS, as_seen_by, batch_of, camera_sample_of
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.quality import Watched, figures_of, worth


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
    return worth(told, sample['base'][0].numpy(), sample, as_seen_by(example, example.photos))
