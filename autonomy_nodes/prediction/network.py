"""The network that tells what everyone will do: one scene in; six futures out, in each of which all move together.

Agents, pieces of lines and cells of terrain are encoded each in its own frame; how two of them stand to one another
enters attention as a relative pose, so that nothing depends on where the scene lies or who looks (query-centric, Zhou
et al. 2023). Who looks at whom was sought outside. Six queries an agent are decoded together: each looks at the lines,
at the agents about it in the same mode, and at its agent's other modes (Ngiam et al. 2022). Only products, gathering,
softmax, layer norms and Where, in fixed sizes, so that every engine runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from autonomy_nodes.common.scene_ground import CELL, LANE_TRAITS, POINT
from autonomy_nodes.common.scene_loops import RELATIONS
from autonomy_nodes.common.scene_tracks import STATE, TRAITS
from autonomy_nodes.prediction.tensors import INPUTS, KNOT_S, KNOTS, MODES, SPREAD

EVERY_POINT = 2  # of a piece of a line one in so many is looked at
_FAR = -1e4  # in place of minus infinity, which half precision turns into NaN
_REACH_M, _SPEED_MPS = 10.0, 10.0  # what numbers about 1 stand for
_VX, _TOLD = STATE.index('vx_mps'), STATE.index('velocity_told')
_SCALES = {
    'x_m': _REACH_M, 'y_m': _REACH_M, 'vx_mps': _SPEED_MPS, 'vy_mps': _SPEED_MPS, 'length_m': 10.0, 'width_m': 3.0,
    'limit_mps': 20.0, 'distance_m': 20.0,
}  # fmt: skip


@dataclass(frozen=True)
class NetworkSettings:
    """Size. width: numbers of a token; heads: of attention; encoders, decoders: layers.

    dropped: share of what a layer adds that is left out while learning (dropout, Srivastava et al. 2014).
    """

    width: int = 96
    heads: int = 4
    encoders: int = 2
    decoders: int = 2
    dropped: float = 0.1

    def __post_init__(self) -> None:
        if min(self.width, self.heads) < 1 or self.width % self.heads:
            raise ValueError(f'width={self.width} must be a multiple of heads={self.heads}')
        if min(self.encoders, self.decoders) < 1:
            raise ValueError(f'encoders={self.encoders} and decoders={self.decoders} must be 1 at least')
        if not 0.0 <= self.dropped < 1.0:
            raise ValueError(f'dropped={self.dropped} must lie between 0 and 1')


PRESETS = {
    'ci': NetworkSettings(16, 2, 1, 1, dropped=0.0),
    'small': NetworkSettings(),
    'orin': NetworkSettings(128, 8, 3, 3),
}


class Network(nn.Module):
    """Tensors named as tensors.INPUTS in, (B, ...); a dictionary named as tensors.OUTPUTS out."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.states, self.traits = _Points(STATE, width), _Scaled(TRAITS, width)
        self.points, self.lane_traits = _Points(POINT, width), _Scaled(LANE_TRAITS, width)
        self.cells = nn.Sequential(nn.Linear(2 * len(CELL), width), nn.ReLU(), nn.Linear(width, width))
        self.poses = nn.ModuleDict({name: _pose(width) for name in ('agents', 'lanes', 'cells')})
        self.over_ground = _Look(settings)
        nn.init.zeros_(self.over_ground.out.weight)  # who never learned from cells leaves them out
        self.encoders = nn.ModuleList(_Encoder(settings) for _ in range(settings.encoders))
        self.modes = nn.Parameter(0.5 * torch.randn(MODES, width))
        self.decoders = nn.ModuleList(_Decoder(settings) for _ in range(settings.decoders))
        self.knots, self.mode, self.scene = (_mlp(width, count) for count in (KNOTS * (2 + len(SPREAD)), 1, 1))
        self.times: Tensor
        self.register_buffer('times', KNOT_S * torch.arange(1, KNOTS + 1), persistent=False)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Return all of tensors.OUTPUTS, (B, ...)."""
        near = {name: self._near(name, inputs) for name in ('agents', 'lanes', 'cells')}
        states = inputs['agents_states']
        agents = self.states(states, inputs['agents_told']) + self.traits(inputs['agents_traits'])
        points, told = (inputs[f'lanes_{name}'][:, :, ::EVERY_POINT] for name in ('points', 'told'))
        lanes = torch.relu(self.points(points, told) + self.lane_traits(inputs['lanes_traits']))
        cells = self.cells(torch.cat([inputs['cells_values'], inputs['cells_told']], -1))
        agents = self.over_ground(agents[:, :, None], cells, near['cells'])
        for encoder in self.encoders:
            agents = encoder(agents, lanes, near)
        x = agents + self.modes  # (B, A, K, width)
        for decoder in self.decoders:
            x = decoder(x, lanes, near)
        knots = self.knots(x).unflatten(-1, (KNOTS, 2 + len(SPREAD)))
        on = (states[:, :, -1, _VX] * states[:, :, -1, _TOLD])[:, :, None, None] * self.times
        aside = torch.zeros_like(on)
        reach = (1.0 + 2.0 * self.times)[:, None]
        there = (inputs['agents_told'].amax(-1) > 0.5)[:, :, None, None]
        among = torch.where(there, x, torch.zeros_like(x)).sum(1) / there.float().sum(1).clamp(min=1.0)
        return {
            'knots': (torch.stack([on, aside], -1) + reach * knots[..., :2]).transpose(1, 2),
            'spread': knots[..., 2:].transpose(1, 2),
            'mode': self.mode(x)[..., 0].transpose(1, 2),
            'scene': self.scene(among)[..., 0],
        }

    def _near(self, others: str, inputs: Mapping[str, Tensor]) -> '_Near':
        index, there, relations = (inputs[f'agents_{others}_{name}'] for name in ('index', 'there', 'relations'))
        return _Near(index.long(), there > 0.5, self.poses[others](relations))


class _Near:
    """Neighbours. index: (B, A, J) rows of what is looked at; there: (B, A, J); poses: (B, A, J, width)."""

    def __init__(self, index: Tensor, there: Tensor, poses: Tensor) -> None:
        self.index, self.there, self.poses = index, there, poses

    def in_modes(self) -> '_Near':
        """Return the same for each mode, (B * K, A, J)."""
        index, there, poses = (x[:, None].repeat_interleave(MODES, 1).flatten(0, 1) for x in vars(self).values())
        return _Near(index, there, poses)


class _Scaled(nn.Module):
    """Numbers of known names as a token."""

    def __init__(self, names: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.scale: Tensor
        scale = torch.tensor([1.0 / _SCALES.get(name, 1.0) for name in names])
        self.register_buffer('scale', scale, persistent=False)
        self.inner = nn.Linear(len(names), width)

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.inner(x * self.scale)
        return told


class _Points(nn.Module):
    """Points in order as a token: the highest over all that are told (Qi et al. 2017), beside the last one."""

    def __init__(self, names: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.each = nn.Sequential(_Scaled(names, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.all = _mlp(2 * width, width)

    def forward(self, points: Tensor, told: Tensor) -> Tensor:
        each = torch.where(told[..., None] > 0.5, self.each(points), torch.zeros_like(points[..., :1]))
        found: Tensor = self.all(torch.cat([each.amax(-2), each[..., -1, :]], -1))
        return found


class _Look(nn.Module):
    """Attention of R queries an agent, (B, A, R, width), to what lies about the agent, with its relative pose."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.norm, self.ask = nn.LayerNorm(width), nn.Linear(width, width)
        self.tell, self.from_pose = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.out, self.drop = nn.Linear(width, width), nn.Dropout(settings.dropped)

    def forward(self, x: Tensor, others: Tensor, near: _Near) -> Tensor:
        told = self.tell(others)
        rows = near.index + others.shape[1] * torch.arange(others.shape[0], device=x.device)[:, None, None]
        found = told.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape) + self.from_pose(near.poses)
        keys, values = found.unflatten(-1, (2, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)  # (B, A, heads, J, width)
        ask = self.ask(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        odds = ask @ keys.transpose(-1, -2) * keys.shape[-1] ** -0.5
        there = near.there[:, :, None, None]
        shares = torch.softmax(torch.where(there, odds, torch.full_like(odds, _FAR)), -1)
        shares = torch.where(there, shares, torch.zeros_like(shares))  # with nobody about, nothing is added
        return x + self.drop(self.out((shares @ values).transpose(2, 3).flatten(3)))


class _Among(nn.Module):
    """Attention among the modes of one agent, (B, A, K, width)."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width, self.heads = settings.width, settings.heads
        self.norm, self.all, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(settings.dropped)

    def forward(self, x: Tensor) -> Tensor:
        ask, keys, values = self.all(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        shares = torch.softmax(ask @ keys.transpose(-1, -2) * keys.shape[-1] ** -0.5, -1)
        return x + self.drop(self.out((shares @ values).transpose(2, 3).flatten(3)))


class _Onwards(nn.Module):
    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        width = settings.width
        self.norm, self.inner = nn.LayerNorm(width), _mlp(width, width, 2 * width)
        self.drop = nn.Dropout(settings.dropped)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x + self.drop(self.inner(self.norm(x)))
        return found


class _Encoder(nn.Module):
    """Each agent looks at the lines, then at the others: (B, A, 1, width)."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.lanes, self.others, self.onwards = _Look(settings), _Look(settings), _Onwards(settings)

    def forward(self, agents: Tensor, lanes: Tensor, near: Mapping[str, _Near]) -> Tensor:
        agents = self.lanes(agents, lanes, near['lanes'])
        found: Tensor = self.onwards(self.others(agents, agents[:, :, 0], near['agents']))
        return found


class _Decoder(nn.Module):
    """Each mode of an agent looks at the lines, at the others in the same mode, at the agent's other modes."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.lanes, self.others = _Look(settings), _Look(settings)
        self.modes, self.onwards = _Among(settings), _Onwards(settings)

    def forward(self, x: Tensor, lanes: Tensor, near: Mapping[str, _Near]) -> Tensor:
        x = self.lanes(x, lanes, near['lanes'])
        each = x.transpose(1, 2).flatten(0, 1)  # (B * K, A, width)
        each = self.others(each[:, :, None], each, near['agents'].in_modes())[:, :, 0]
        x = each.unflatten(0, (-1, MODES)).transpose(1, 2)
        found: Tensor = self.onwards(self.modes(x))
        return found


def _mlp(before: int, after: int, inner: int = 0) -> nn.Sequential:
    inner = inner or before
    return nn.Sequential(nn.Linear(before, inner), nn.ReLU(), nn.Linear(inner, after))


def _pose(width: int) -> nn.Sequential:
    return nn.Sequential(_Scaled(RELATIONS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


def empty(batch: int) -> dict[str, Tensor]:
    """Return the inputs of a world in which there is nobody and nothing."""
    return {name: torch.zeros(batch, *shape) for name, shape in INPUTS.items()}


def loaded(preset: str, weights: Path) -> Network:
    """Return the network of a preset with weights of a file."""
    network = Network(PRESETS[preset])
    network.load_state_dict(load_file(weights))
    return network.eval()
