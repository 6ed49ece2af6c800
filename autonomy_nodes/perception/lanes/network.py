"""The network that finds lines of the road, poles and signs in a sweep, seen from above.

It tells of each cell near a line how far the line is and where it runs, so that lines are finer than cells (as
CenterLine++ and other bottom-up finders of lanes do); what a beam did not meet it completes along the line, by
convolutions that reach 20 m. Only what every engine runs: convolutions, ReLU, nearest resizing, concatenation.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from autonomy_nodes.perception.bev import (
    LANE_INPUTS,
    LANE_OUTPUTS,
    LINE_TOLD,
    MARK_TOLD,
    lane_middles,
)
from autonomy_nodes.perception.convolutions import conv, dilated, larger, normed

_RARE = -3.0  # logit of 5 %: what an untrained network says of a line in a cell


@dataclass(frozen=True)
class LaneNetworkSettings:
    """Channels at 0.4, 0.8 and 1.6 m, and by how many cells the convolutions of the last reach."""

    widths: tuple[int, int, int] = (16, 32, 48)
    dilations: tuple[int, ...] = (1, 2, 4)

    def __post_init__(self) -> None:
        if min(self.widths) < 1 or min(self.dilations) < 1:
            raise ValueError(f'widths={self.widths} and dilations={self.dilations} must be above 0')


PRESETS = {'ci': LaneNetworkSettings((8, 8, 8), (1,)), 'small': LaneNetworkSettings()}


class LaneNetwork(nn.Module):
    """Tensors named as bev.LANE_INPUTS in, (B, channels, X, Y); a dictionary named as bev.LANE_OUTPUTS out."""

    def __init__(self, preset: str) -> None:
        super().__init__()
        settings = PRESETS[preset]
        self.preset = preset
        fine, middle, coarse = settings.widths
        points, prior = LANE_INPUTS['points'][0] + LANE_INPUTS['bright'][0], LANE_INPUTS['prior'][0]
        self.fold = nn.Sequential(nn.Conv2d(points, fine, 4, stride=2, padding=1, bias=False), *normed(fine))
        self.near = conv(fine + prior + 1, fine)
        self.down = nn.Sequential(nn.Conv2d(fine, middle, 2, stride=2, bias=False), *normed(middle))
        self.wide = nn.Sequential(conv(middle, middle), nn.Sequential(dilated(middle, 2), *normed(middle)))
        deep = [nn.Sequential(dilated(coarse, dilation), *normed(coarse)) for dilation in settings.dilations]
        self.deep = nn.Sequential(nn.Conv2d(middle, coarse, 2, stride=2, bias=False), *normed(coarse), *deep)
        self.rise = conv(coarse, middle, kernel=1)
        self.blend = conv(2 * middle, middle)
        self.lift = conv(middle, fine, kernel=1)
        lines, marks, travel = (channels for channels, _ in LANE_OUTPUTS.values())
        self.tell = nn.Sequential(conv(2 * fine, 2 * fine), nn.Conv2d(2 * fine, lines + marks + travel, 1))
        with torch.no_grad():
            for kinds, told in ((slice(0, lines), LINE_TOLD), (slice(lines, lines + marks), MARK_TOLD)):
                self.tell[1].bias[kinds][:: len(told)] = _RARE  # type: ignore[index, operator]
        self.reach: Tensor
        reach = torch.linalg.vector_norm(torch.from_numpy(lane_middles()).float(), dim=-1) / 40.0
        self.register_buffer('reach', reach[None, None], persistent=False)

    def forward(self, points: Tensor, prior: Tensor, bright: Tensor) -> dict[str, Tensor]:
        """Return all of bev.LANE_OUTPUTS."""
        reach = self.reach.expand(points.shape[0], -1, -1, -1)
        near = self.near(torch.cat([self.fold(torch.cat([points, bright], 1)), prior, reach], 1))  # (B, fine, 160, 100)
        wide = self.wide(self.down(near))  # (B, middle, 80, 50)
        wide = self.blend(torch.cat([wide, larger(self.rise(self.deep(wide)))], 1))  # deep: (B, coarse, 40, 25)
        told = self.tell(torch.cat([near, larger(self.lift(wide))], 1))
        parts = torch.split(told, [channels for channels, _ in LANE_OUTPUTS.values()], dim=1)
        return dict(zip(LANE_OUTPUTS, parts))


def empty(batch: int) -> dict[str, Tensor]:
    """Return inputs of a world without points."""
    return {name: torch.zeros(batch, channels, *cells) for name, (channels, cells) in LANE_INPUTS.items()}


def loaded(preset: str, weights: Path) -> LaneNetwork:
    """Return the network of a preset with weights of a file."""
    network = LaneNetwork(preset)
    network.load_state_dict(load_file(weights))
    return network.eval()
