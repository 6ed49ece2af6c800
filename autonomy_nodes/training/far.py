"""What the far ring learns from and how wrong it is: samples, targets, losses, and what it is worth meanwhile.

It is asked only where a LiDAR can know: with a point in a cell or beside it, or a ray that passed low above. Chances
are learned by plain cross entropy, so that they mean what they say; heights as those of near cells are (losses.py).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.far_counts import FarAnswer, FarTruth, counted, shares
from autonomy_nodes.perception.bev import FAR_TOLD, far_middles
from autonomy_nodes.perception.confidence import chance
from autonomy_nodes.perception.far_raster import GROUND, far_asked, far_rasterised
from autonomy_nodes.perception.network import Network
from autonomy_nodes.training.examples import Example
from autonomy_nodes.training.losses import laplace
from autonomy_nodes.training.samples import Sample, SampleSettings, grounded, stacked

WEIGHTS = {'far.ground': 1.0, 'far.spread': 0.2, 'far.obstacle': 1.0, 'far.free': 1.0}
FARTHEST_RESIDUAL_M = 6.0  # heights of the ground that lie farther from the prior are beyond what can be told
NEAR_M, NEAR_WEIGHT = 40.0, 0.3  # the near cells tell more of what is nearer
SURE = 0.5
_GROUND, _SPREAD, _OBSTACLE, _FREE = (slice(k, k + 1) for k in range(len(FAR_TOLD)))
_WEIGHT = np.where(np.linalg.norm(far_middles(), axis=-1) < NEAR_M, NEAR_WEIGHT, 1.0).astype(np.float32)


def far_sample_of(
    example: Example, rng: np.random.Generator | None = None, settings: SampleSettings | None = None
) -> Sample:
    """Return input and targets of an example; with rng, now and then nobody knows where the LiDAR is.

    far: as far_rasterised gives it. ground: (1, *FAR) to be added to the prior, ground_weight. obstacle, free:
    (1, *FAR) 0 or 1; asked: (1, *FAR) how much they count, 0 where not asked.
    """
    if example.far is None:
        raise DataError('the example tells nothing of what is far; it must be of a long place')
    passed: np.ndarray | None
    ground, passed = grounded(example)
    if rng is not None and settings is not None and rng.random() < settings.without_rays:
        passed = None
    far = far_rasterised(example.points, ground, passed, example.sensor_m)
    residual = np.nan_to_num(example.far.ground_m - far[GROUND], nan=np.inf)
    asked = (far_asked(far) & np.isfinite(example.far.ground_m)) * _WEIGHT
    told = np.abs(residual) < FARTHEST_RESIDUAL_M
    sample = {
        'far': far, 'ground': np.where(told, residual, 0.0)[None], 'ground_weight': (asked * told)[None],
        'obstacle': example.far.obstacle[None], 'free': example.far.free[None], 'asked': asked[None],
    }  # fmt: skip
    return {name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in sample.items()}


def far_inputs_of(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what FarRing takes of a batch of samples."""
    return {'far': batch['far']}


def far_losses(outputs: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return {what: loss} and 'total'. outputs: (B, len(FAR_TOLD), *FAR); targets: of far_sample_of, stacked."""
    out = outputs.float()
    off = (out[:, _GROUND] - targets['ground']).abs()
    found = {
        'far.ground': _mean(off, targets['ground_weight']),
        'far.spread': _mean(laplace(off.detach(), out[:, _SPREAD]), targets['ground_weight']),
    }
    for name, place in (('obstacle', _OBSTACLE), ('free', _FREE)):
        wrong = binary_cross_entropy_with_logits(out[:, place], targets[name], reduction='none')
        found[f'far.{name}'] = _mean(wrong, targets['asked'])
    found['total'] = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
    return found


def far_quality(network: Network, examples: Sequence[Example], device: torch.device) -> dict[str, float]:
    """Return the figures of far_counts on some examples, over all of them."""
    network.eval()
    found = [_counted(network, example, device) for example in examples]
    network.train()
    return {f'far.{name}': value for name, value in shares(found).items()}


def _counted(network: Network, example: Example, device: torch.device) -> dict[str, tuple[float, float]]:
    sample = far_sample_of(example)
    with torch.no_grad():
        told = network.far(stacked([sample])['far'].to(device)).float().cpu().numpy()[0]
    obstacle, free = (chance(told[FAR_TOLD.index(name)]) > SURE for name in ('obstacle', 'free'))
    assert example.far is not None
    true = FarTruth(example.far.ground_m, example.far.obstacle, example.far.free)
    far = sample['far'].numpy()
    return counted(FarAnswer(obstacle, free, far[GROUND] + told[FAR_TOLD.index('ground')]), true, far_asked(far))


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)
