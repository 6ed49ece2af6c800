"""How wrong the camera networks are: of the grid as for a LiDAR; of each picture its depth, its surfaces, its air."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from autonomy_nodes.training.losses import laplace, losses

WEIGHTS = {'depth': 1.5, 'kinds': 1.0, 'air': 0.3}


def camera_losses(told: dict[str, Tensor], outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return {head: loss} and 'total'. told: of network.Eyes; outputs: of network.Above; batch: samples.batch_of."""
    found = losses({name: value for name, value in outputs.items() if name != 'camera'}, batch)
    return with_eyes(found, told, batch)


def with_eyes(found: dict[str, Tensor], told: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return losses of the grid with those of the pictures."""
    depth = told['depth'].float()
    off = (depth[:, :1] - batch['eyes.depth']).abs()
    eyes = {
        'depth': laplace(off, depth[:, 1:]).mean(),
        'kinds': cross_entropy(told['kinds'].float(), batch['eyes.kinds']),
        'air': binary_cross_entropy_with_logits(told['air'].float(), batch['eyes.air']),
    }
    total = found['total'] + torch.stack([WEIGHTS[name] * loss for name, loss in eyes.items()]).sum()
    return {**found, **eyes, 'depth_off': off.detach().mean(), 'total': total}
