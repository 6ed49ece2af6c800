"""How wrong the prediction network is, one number a part, and their sum.

The nearest of an agent's futures learns (winner takes all, Lee et al. 2016), and the nearest mode of the whole scene,
each told to be the likely one; distances are Huber's, spreads Laplace's, which never moves the place itself.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

from autonomy_nodes.prediction.tensors import SPREAD_BOUNDS

WEIGHTS = {'own': 1.0, 'joint': 0.1, 'spread': 0.05, 'mode': 0.5, 'scene': 0.2, 'idle': 0.02}
LAST = 0.5  # of what makes a future the nearest: where it ends, beside its mean
HUBER_M = 1.0


def losses(outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return {part: loss} and 'total'.

    outputs: as tensors.OUTPUTS, (B, ...). targets: knots (B, A, T, 2) in the agents' frames, told (B, A, T),
    weight (B, A) how much an agent counts.
    """
    out = {name: value.float() for name, value in outputs.items()}
    told = targets['told'].float()
    count = told.sum(-1)  # (B, A)
    weight = targets['weight'] * (count > 0.0)
    away = torch.linalg.vector_norm(out['knots'] - targets['knots'][:, None], dim=-1) * told[:, None]  # (B, K, A, T)
    last = told * (told.cumsum(-1) == count[..., None])
    nearness = (1.0 - LAST) * away.sum(-1) / count.clamp(min=1.0)[:, None] + LAST * (away * last[:, None]).sum(-1)
    own = nearness.argmin(1)  # (B, A)
    total = weight.sum(-1).clamp(min=1e-6)
    joint = ((nearness * weight[:, None]).sum(-1) / total[:, None]).argmin(1)  # (B,)
    asked = {'told': told, 'count': count, 'weight': weight, 'knots': targets['knots']}
    rows = joint[:, None].expand_as(own)
    found = {
        'own': _off(_chosen(out['knots'], own), asked),
        'joint': _off(_chosen(out['knots'], rows), asked),
        'spread': _spread(_chosen(out['knots'], own).detach(), _chosen(out['spread'], own), asked),
        'mode': _mean(cross_entropy(out['mode'], own, reduction='none'), weight),
        'scene': (cross_entropy(out['scene'], joint, reduction='none') * (weight.sum(-1) > 0.0)).mean(),
        'idle': _mean(nearness.mean(1), weight),
    }
    found['total'] = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
    return found


def _chosen(values: Tensor, mode: Tensor) -> Tensor:
    """Return (B, A, T, C) of (B, K, A, T, C) by the mode of each agent (B, A)."""
    index = mode[:, None, :, None, None].expand(-1, 1, -1, *values.shape[3:])
    return values.gather(1, index)[:, 0]


def _off(knots: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
    away = smooth_l1_loss(knots, asked['knots'], reduction='none', beta=HUBER_M).sum(-1)
    return _mean((away * asked['told']).sum(-1) / asked['count'].clamp(min=1.0), asked['weight'])


def _spread(knots: Tensor, spread: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
    scale = spread.clamp(*SPREAD_BOUNDS)
    cost = ((knots - asked['knots']).abs() * torch.exp(-scale) + scale).sum(-1)
    return _mean((cost * asked['told']).sum(-1) / asked['count'].clamp(min=1.0), asked['weight'])


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)
