"""How wrong the network is, one number a head, and their sum.

Focal loss with fewer penalties near a middle (Law and Deng 2018); absolute differences of boxes; Laplace likelihood
where a spread is told (Kendall and Gal 2017), which never moves the value itself: an unsure cell still has to learn.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from autonomy_nodes.perception.bev import BOX, STEP_S, TERRAIN
from autonomy_nodes.training.targets import NOT_TOLD

WEIGHTS = {
    'heat': 1.0, 'box': 2.0, 'heading': 2.0, 'velocity': 0.3, 'box_spread': 0.1, 'overlap': 0.5, 'ground': 2.0,
    'ground_spread': 0.2, 'terrain': 1.2, 'top': 0.5, 'blocked': 1.0, 'occupied': 0.5,
}  # fmt: skip
CLASS_WEIGHTS = dict.fromkeys(TERRAIN, 1.0) | {'high_vegetation': 2.0, 'wet': 4.0, 'rubble': 4.0, 'obstacle': 1.5}
BLOCKED_WEIGHT = 3.0  # an obstacle that is missed is worse than one that is not there
RARE_WEIGHT = 4.0  # of 'blocked' in wet cells and in tall bushes: it alone tells water from mud, these from low ones
MOVING_MPS, STANDING_WEIGHT = 0.3, 0.3  # most stand, and to say so of all would be cheap
DIRECTION_WEIGHT = 0.4  # where is the front, beside how the box lies
_SIZE, _HEADING, _MOVED = slice(0, 6), slice(6, 8), slice(8, 10)
assert BOX[_HEADING] == ('sin', 'cos') and BOX[_MOVED] == ('moved_x', 'moved_y')


def losses(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return {head: loss} and 'total'. outputs: as bev.OUTPUTS, (B, ...); targets: as targets.targets_of, stacked."""
    out = {name: value.float() for name, value in outputs.items()}
    seen = targets['seen']
    found = _boxes(out, targets) | {
        'heat': focal(out['heat'], targets['heat'], targets['heat_weight']),
        'terrain': terrain_loss(out['terrain'], targets['terrain'], targets['no_obstacle'][:, 0]),
        'blocked': _mean(_binary(out['blocked'], targets['blocked'], BLOCKED_WEIGHT), seen * _rare(targets)),
        'occupied': _mean(_binary(out['occupied'], targets['occupied'], 1.0).mean(1, keepdim=True), seen),
        'top': _mean((out['top'] - targets['top']).abs(), seen * (0.2 + (targets['top'] > 0.0).float())),
    }
    off = (out['ground'][:, :1] - targets['ground']).abs()
    found['ground'] = _mean(off, targets['ground_weight'])
    found['ground_spread'] = _mean(laplace(off.detach(), out['ground'][:, 1:]), targets['ground_weight'])
    found['total'] = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
    return found


def focal(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Return the focal loss of bells a middle: alpha 2, beta 4. logits, wanted: (B, 5, X, Y), weight: (B, 1, X, Y)."""
    chance = torch.sigmoid(logits)
    middle = (wanted == 1.0).float()
    miss = middle * (1.0 - chance) ** 2 * torch.nn.functional.softplus(-logits)
    false = (1.0 - wanted) ** 4 * chance**2 * torch.nn.functional.softplus(logits) * (1.0 - middle)
    return ((miss + false) * weight).sum() / middle.sum().clamp(min=1.0)


def laplace(off: Tensor, log_variance: Tensor) -> Tensor:
    """Return the negative log likelihood of distances `off` under a Laplace distribution, less a constant."""
    s = log_variance.clamp(-10.0, 6.0)
    return off * torch.exp(-s / 2.0) * 2.0**0.5 + s / 2.0


def fit(box: Tensor, wanted: Tensor) -> Tensor:
    """Return (B, 1, X, Y) about how much boxes overlap those that are wanted, 0 to 1; as if they were turned alike."""
    sin, cos = _unit(wanted)
    dx, dy = box[:, 0:1] - wanted[:, 0:1], box[:, 1:2] - wanted[:, 1:2]
    shared = one = two = torch.ones_like(dx)
    for channel, away in ((3, dx * cos + dy * sin), (4, dy * cos - dx * sin)):
        a, b = torch.exp(box[:, channel : channel + 1].clamp(-3.0, 4.0)), torch.exp(wanted[:, channel : channel + 1])
        shared = shared * torch.minimum(torch.minimum(a, b), (a + b) / 2.0 - away.abs()).clamp(min=0.0)
        one, two = one * a, two * b
    their_sin, their_cos = _unit(box)
    alike = (their_cos * cos + their_sin * sin).abs()
    return shared / (one + two - shared).clamp(min=1e-6) * alike


def _boxes(out: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
    box, wanted, weight = out['box'], targets['box'], targets['box_weight']
    off = (box[:, _SIZE] - wanted[:, _SIZE]).abs()
    turned = (box[:, _HEADING] - wanted[:, _HEADING]).abs().sum(1, keepdim=True)
    back = (box[:, _HEADING] + wanted[:, _HEADING]).abs().sum(1, keepdim=True)
    lies = torch.minimum(turned, back)  # front and rear look alike: half a turn costs less than not to decide
    speed = (box[:, _MOVED] - wanted[:, _MOVED]).abs().sum(1, keepdim=True) / STEP_S
    moves = torch.linalg.vector_norm(wanted[:, _MOVED], dim=1, keepdim=True) > MOVING_MPS * STEP_S
    speed_weight = weight * targets['told_before'] * torch.where(moves, 1.0, STANDING_WEIGHT)
    (sin, cos), (their_sin, their_cos) = _unit(wanted), _unit(box)
    heading_off = torch.asin((their_sin * cos - their_cos * sin).abs().clamp(max=1.0))
    spread = laplace(torch.cat([off[:, :2], heading_off], 1).detach(), out['box_spread']).sum(1, keepdim=True)
    return {
        'box': _mean(off.sum(1, keepdim=True), weight),
        'heading': _mean(lies + DIRECTION_WEIGHT * turned, weight),
        'velocity': _mean(speed, speed_weight),
        'box_spread': _mean(spread, weight),
        'overlap': _mean(_binary(out['overlap'], fit(box, wanted).detach(), 1.0), weight),
    }


def _unit(box: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, 1, X, Y) sine and cosine of the headings."""
    sin, cos = box[:, 6:7], box[:, 7:8]
    length = torch.sqrt(sin**2 + cos**2 + 1e-6)
    return sin / length, cos / length


def terrain_loss(logits: Tensor, wanted: Tensor, no_obstacle: Tensor) -> Tensor:
    """Return how wrong the classes (B, X, Y) are; no_obstacle: (B, X, Y) where each but one would be right."""
    weight = torch.tensor([CLASS_WEIGHTS[name] for name in TERRAIN], device=logits.device)
    loss = cross_entropy(logits, wanted, weight, ignore_index=NOT_TOLD, reduction='sum')
    told = wanted != NOT_TOLD
    others = [place for place, name in enumerate(TERRAIN) if name != 'obstacle']
    free = torch.logsumexp(logits, 1) - torch.logsumexp(logits[:, others], 1)
    asked = weight[wanted[told]].sum() + no_obstacle.sum()
    return (loss + (free * no_obstacle).sum()) / asked.clamp(min=1.0)


def _rare(targets: dict[str, Tensor]) -> Tensor:
    """Return (B, 1, X, Y) how much a cell counts."""
    terrain = targets['terrain'][:, None]
    bush = (terrain == TERRAIN.index('low_vegetation')) & (targets['blocked'] > 0.0)
    return 1.0 + (RARE_WEIGHT - 1.0) * ((terrain == TERRAIN.index('wet')) | bush).float()


def _binary(logits: Tensor, wanted: Tensor, positive: float) -> Tensor:
    weight = torch.tensor(positive, device=logits.device)
    return binary_cross_entropy_with_logits(logits, wanted, pos_weight=weight, reduction='none')


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1.0)
