"""Statistics of the layers told anew on unlabelled sweeps: AdaBN (Li et al. 2016), by count (Schneider et al. 2020).

No weight changes: each batch norm gets mean and variance of what another sensor or place sends through it, pooled with
those of training as if these came from so many sweeps.
"""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import nn

from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.adapt.settings import AdaptSettings
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.samples import inputs_of, sample_of, stacked


def aligned(network: Network, sweeps: Sequence[Example], settings: AdaptSettings, seed: int) -> Network:
    """Return a copy of a network with statistics of sweeps mixed in; `seed` tells which share a batch."""
    adapted = deepcopy(network)
    layers = [layer for layer in adapted.modules() if isinstance(layer, nn.BatchNorm2d)]
    source = [_of(layer) for layer in layers]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # all batches count alike
    order = np.random.default_rng(seed).permutation(len(sweeps))
    adapted.train()
    with torch.no_grad():
        for first in range(0, len(order), settings.learning.batch):
            batch = stacked([sample_of(sweeps[place]) for place in order[first : first + settings.learning.batch]])
            adapted(**inputs_of(batch))
    for layer, (mean, variance), momentum in zip(layers, source, momenta):
        found_mean, found_variance = _of(layer)
        share = len(sweeps) / (len(sweeps) + settings.source_sweeps)
        mixed = pooled(mean, variance, found_mean, found_variance, share)
        assert layer.running_mean is not None and layer.running_var is not None
        layer.running_mean.copy_(mixed[0])
        layer.running_var.copy_(mixed[1])
        layer.momentum = momentum
    return adapted.eval()


def _of(layer: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    assert layer.running_mean is not None and layer.running_var is not None
    return layer.running_mean.clone(), layer.running_var.clone()


def pooled(
    mean: torch.Tensor, variance: torch.Tensor, other_mean: torch.Tensor, other_variance: torch.Tensor, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of two crowds together, of which the other one is such a share."""
    both = variance.lerp(other_variance, share) + share * (1.0 - share) * (other_mean - mean) ** 2
    return mean.lerp(other_mean, share), both
