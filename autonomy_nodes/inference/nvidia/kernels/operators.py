"""The kernels as operators of torch on the CPU: autonomy::splat, autonomy::lift, autonomy::peaks.

A gradient has autonomy::lift alone, of its features and weights, not of its places: those come from the calibration.
What the others give is data. Importing this registers them.
"""

from collections.abc import Sequence

import numpy as np
import torch

from autonomy_nodes.inference.nvidia.kernels import host
from autonomy_nodes.inference.nvidia.kernels.plans import AFTER_SLICES, BEFORE_SLICES, ROW, Cells


@torch.library.custom_op('autonomy::splat', mutates_args=(), device_types='cpu')
def splat(
    points: torch.Tensor,
    heights: torch.Tensor,
    edges: torch.Tensor,
    origin_m: Sequence[float],
    cell_m: float,
    shape: Sequence[int],
) -> torch.Tensor:
    """Return the channels of one sweep, see host.splat."""
    cells = _cells(origin_m, cell_m, shape)
    return torch.from_numpy(host.splat(_array(points), _array(heights), _array(edges), cells))


@splat.register_fake
def _(
    points: torch.Tensor,
    heights: torch.Tensor,
    edges: torch.Tensor,
    origin_m: Sequence[float],
    cell_m: float,
    shape: Sequence[int],
) -> torch.Tensor:
    channels = BEFORE_SLICES + edges.shape[0] - 1 + AFTER_SLICES
    return points.new_empty((channels, *shape), dtype=torch.float32)


@torch.library.custom_op('autonomy::lift', mutates_args=(), device_types='cpu')
def lift(features: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the features of cameras at places, see host.lift; all float32, or all float64."""
    _refuse_mixed(features, places, weights)
    return torch.from_numpy(host.lift(_array(features), _array(places), _array(weights)))


@lift.register_fake
def _(features: torch.Tensor, places: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return features.new_empty((features.shape[1], *weights.shape[1:]))


@torch.library.custom_op('autonomy::lift_gradients', mutates_args=(), device_types='cpu')
def lift_gradients(
    told: torch.Tensor, features: torch.Tensor, lifted: torch.Tensor, places: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of features and weights, see host.lift_gradients."""
    _refuse_mixed(features, places, weights)
    arrays = (_array(tensor) for tensor in (told, features, lifted, places, weights))
    of_features, of_weights = host.lift_gradients(*arrays)
    return torch.from_numpy(of_features), torch.from_numpy(of_weights)


@lift_gradients.register_fake
def _(
    told: torch.Tensor, features: torch.Tensor, lifted: torch.Tensor, places: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return features.new_empty(features.shape), weights.new_empty(weights.shape)


def _keep(ctx, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
    features, places, weights = inputs
    if places.requires_grad:
        raise ValueError('autonomy::lift has no gradient of its places: detach them')
    ctx.save_for_backward(features, output, places, weights)


def _backward(ctx, told: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor]:
    of_features, of_weights = lift_gradients(told, *ctx.saved_tensors)
    return of_features, None, of_weights


lift.register_autograd(_backward, setup_context=_keep)


@torch.library.custom_op('autonomy::peaks', mutates_args=(), device_types='cpu')
def peaks(
    heat: torch.Tensor,
    overlap: torch.Tensor,
    box: torch.Tensor,
    told: torch.Tensor,
    origin_m: Sequence[float],
    cell_m: float,
    fit: float,
    most: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (most, 4) float64 rows of middles and () int64 how many there are, see host.peaks."""
    cells = _cells(origin_m, cell_m, heat.shape[1:])
    rows, count = host.peaks(_array(heat), _array(overlap), _array(box), _array(told), cells, fit, most)
    return torch.from_numpy(rows), torch.tensor(count)


@peaks.register_fake
def _(
    heat: torch.Tensor,
    overlap: torch.Tensor,
    box: torch.Tensor,
    told: torch.Tensor,
    origin_m: Sequence[float],
    cell_m: float,
    fit: float,
    most: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    return heat.new_empty((most, ROW), dtype=torch.float64), heat.new_empty((), dtype=torch.int64)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def _cells(origin_m: Sequence[float], cell_m: float, shape: Sequence[int]) -> Cells:
    return Cells((origin_m[0], origin_m[1]), cell_m, (shape[0], shape[1]))


def _refuse_mixed(*tensors: torch.Tensor) -> None:
    kinds = {tensor.dtype for tensor in tensors}
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        raise ValueError(f'autonomy::lift takes float32 or float64, one of them, not {sorted(map(str, kinds))}')
