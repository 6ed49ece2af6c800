"""The network that finds objects and tells what the ground is, seen from above: three scales down, and up again.

Points come in cells of 0.2 m and are folded into 0.4 m; the trunk works at 0.4, 0.8 and 1.6 m; all that comes out lies
at 0.4 m. Cameras join in the middle scale, times their flag: what is not given adds nothing. A map is heard at the end,
by a part of its own that only ever takes away (`Chart`). Only convolutions, ReLU, nearest resizing and concatenation,
so that every engine runs it. Heads after CenterPoint (Yin et al. 2021), heads of heights after FlashOcc (Yu et al.
2023). The far ring and the chart share no weight with the rest, so that each learns alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from autonomy_nodes.perception.bev import (
    CAMERA_CHANNELS,
    CLASSES,
    FAR_INPUTS,
    FAR_POINTS,
    FAR_TOLD,
    GROUND_KINDS,
    INPUTS,
    MAP_CHANNELS,
    OUTPUTS,
    POINTS,
    PRIOR,
    TERRAIN,
    far_middles,
    middles,
)
from autonomy_nodes.perception.convolutions import conv, dilated, larger, normed, pairs

OBJECT_HEADS = ('heat', 'box', 'box_spread', 'overlap')
GROUND_HEADS = ('ground', 'terrain', 'top', 'blocked', 'occupied')
FAR_WIDTHS = (16, 32, 32)  # channels of the far ring at 0.8, 1.6 and 3.2 m
FAR_PART, CHART_PART = 'far.', 'chart.'  # what the names of their weights begin with
CHART_WIDTH = 16
JOIN = 'join.0.weight'  # columns of the network's own features, then those of cameras, then of the map
_RARE = -4.6  # logit of 1 %: what an untrained network says of an object in a cell (Lin et al. 2017)


@dataclass(frozen=True)
class NetworkSettings:
    """Size of a network: channels and pairs of convolutions at 0.4, 0.8 and 1.6 m; neck: channels within a head.

    Multiples of 16 run half as long again as fast on processors as others do.
    """

    widths: tuple[int, int, int] = (16, 48, 96)
    depths: tuple[int, int, int] = (0, 1, 1)
    neck: int = 32

    def __post_init__(self) -> None:
        if min(*self.widths, self.neck) < 1 or min(self.depths) < 0:
            raise ValueError(f'widths={self.widths}, neck={self.neck} must be above 0, depths={self.depths} not below')


PRESETS = {
    'ci': NetworkSettings((8, 12, 16), (0, 0, 1), 8),
    'small': NetworkSettings(),
    'orin': NetworkSettings((48, 128, 224), (0, 2, 3), 48),
}


class Network(nn.Module):
    """Tensors named as bev.INPUTS in, (B, channels, X, Y); a dictionary named as bev.OUTPUTS out.

    knows_maps: whether its chart has learned; one that has not is not asked, and a map must not be given.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        fine, middle, coarse = settings.widths
        self.fold = nn.Sequential(nn.Conv2d(len(POINTS), fine, 2, stride=2, bias=False), *normed(fine))
        self.near = nn.Sequential(conv(fine + len(PRIOR) + 1, fine), *pairs(fine, settings.depths[0]))
        self.down = conv(fine, middle, stride=2)
        self.join = conv(middle + CAMERA_CHANNELS + MAP_CHANNELS, middle, kernel=1)
        self.wide = nn.Sequential(*pairs(middle, settings.depths[1]))
        self.deep = nn.Sequential(conv(middle, coarse, stride=2), *pairs(coarse, settings.depths[2], dilation=2))
        self.rise = conv(coarse, middle, kernel=1)
        self.blend = conv(2 * middle, middle, kernel=1)
        self.lift = conv(middle, fine, kernel=1)
        self.neck = conv(2 * fine, fine)
        self.objects = nn.Sequential(conv(fine, settings.neck), nn.Conv2d(settings.neck, _channels(OBJECT_HEADS), 1))
        self.skim = nn.Sequential(nn.Conv2d(len(POINTS), fine, 2, stride=2, bias=False), *normed(fine))
        more = _channels(GROUND_HEADS)
        self.ground = nn.Sequential(*_slim(2 * fine, settings.neck), nn.Conv2d(settings.neck, more, 1))
        with torch.no_grad():
            self.objects[1].bias[: len(CLASSES)] = _RARE  # type: ignore[index, operator]
        # far away points are few: how far is told, since convolutions do not know where they are
        self.reach: Tensor
        self.register_buffer('reach', reach_of_cells()[None], persistent=False)
        with torch.random.fork_rng(devices=[]):  # the draws of all else stay those of a network without it
            self.far = FarRing()
            self.chart = Chart(fine, middle)
        self.knows_maps = False

    def forward(
        self, points: Tensor, prior: Tensor, camera: Tensor, map: Tensor, given: Tensor, far: Tensor | None = None,
        reach: Tensor | None = None,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Return all of bev.OUTPUTS as (B, channels, *CELLS), and of FAR_OUTPUTS where `far` is given.

        reach: in training, of a part of the grid.
        """
        if reach is None:
            reach = self.reach.expand(points.shape[0], -1, -1, -1)
        near = self.near(torch.cat([self.fold(points), prior, reach], 1))  # (B, fine, 240, 200)
        more = [camera * given[:, :1], map * given[:, 1:]]
        wide = self.wide(self.join(torch.cat([self.down(near), *more], 1)))  # (B, middle, 120, 100)
        deep = self.rise(self.deep(wide))  # (B, middle, 60, 50)
        wide = self.blend(torch.cat([wide, larger(deep)], 1))
        shared = self.neck(torch.cat([near, larger(self.lift(wide))], 1))
        objects = self.objects(shared)
        ground = self.ground(torch.cat([shared, self.skim(points)], 1))  # how bright and rough, besides what is where
        found = _parted(objects, OBJECT_HEADS) | _parted(ground, GROUND_HEADS)
        if self.knows_maps:
            found['terrain'] = against(found['terrain'], self.chart(wide, shared, found['terrain'], map), given[:, 1:])
        return found if far is None else found | {'far_told': self.far(far)}


class FarRing(nn.Module):
    """What lies far ahead: (B, len(FAR_POINTS), *FAR) in, (B, len(FAR_TOLD), *FAR) out.

    Few points lie there, far apart, so most is done in coarse cells, by convolutions that reach 60 m.
    """

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = FAR_WIDTHS
        self.near = conv(len(FAR_POINTS) + 1, fine)
        self.down = nn.Sequential(nn.Conv2d(fine, middle, 2, stride=2, bias=False), *normed(middle))
        self.wide = conv(middle, middle)
        deep = [nn.Sequential(dilated(coarse, dilation), *normed(coarse)) for dilation in (1, 2, 4)]
        self.deep = nn.Sequential(nn.Conv2d(middle, coarse, 2, stride=2, bias=False), *normed(coarse), *deep)
        self.rise = conv(coarse, middle, kernel=1)
        self.blend = conv(2 * middle, middle, kernel=1)
        self.lift = conv(middle, fine, kernel=1)
        self.tell = nn.Sequential(conv(2 * fine, fine, kernel=1), nn.Conv2d(fine, len(FAR_TOLD), 1))
        self.reach: Tensor
        reach = torch.linalg.vector_norm(torch.from_numpy(far_middles()).float(), dim=-1) / 100.0
        self.register_buffer('reach', reach[None, None], persistent=False)

    def forward(self, far: Tensor) -> Tensor:
        """Return the channels of bev.FAR_TOLD."""
        near = self.near(torch.cat([far, self.reach.expand(far.shape[0], -1, -1, -1)], 1))  # (B, fine, 192, 80)
        wide = self.wide(self.down(near))  # (B, middle, 96, 40)
        wide = self.blend(torch.cat([wide, larger(self.rise(self.deep(wide)))], 1))  # deep: (B, coarse, 48, 20)
        told: Tensor = self.tell(torch.cat([near, larger(self.lift(wide))], 1))
        return told


class Chart(nn.Module):
    """What a map has to say against classes of the ground: (B, GROUND_KINDS, *CELLS), 0 or more.

    Of cells that the map tells nothing of it says nothing. It sees what the trunk makes of the points about a cell
    beside the map, so that it can tell whether both are of one place: a map may be old, or lie some metres aside.
    """

    def __init__(self, fine: int, middle: int) -> None:
        super().__init__()
        width = CHART_WIDTH
        self.seen = conv(middle, width, kernel=1)
        self.meet = conv(width + MAP_CHANNELS, width)
        self.wide = nn.Sequential(*[nn.Sequential(dilated(width, far), *normed(width)) for far in (2, 4)])
        self.tell = conv(2 * width + fine + len(TERRAIN), width, kernel=1)
        self.word = nn.Conv2d(width, GROUND_KINDS, 1)
        self.taught: Tensor
        self.register_buffer('taught', torch.zeros(()))  # 1 once it has learned, so that weights tell it themselves

    def forward(self, wide: Tensor, shared: Tensor, terrain: Tensor, map: Tensor) -> Tensor:
        """Return what is to be taken from the logits. wide: (B, middle, *MIDDLE), shared, terrain: (B, ..., *CELLS)."""
        near = self.meet(torch.cat([self.seen(wide), map], 1))  # (B, width, *MIDDLE)
        both = larger(torch.cat([near, self.wide(near)], 1))
        word = torch.relu(self.word(self.tell(torch.cat([both, shared, terrain], 1))))
        return word * larger(map[:, :1])  # bev.MAP: how much of the cell is known


def against(terrain: Tensor, word: Tensor, given: Tensor) -> Tensor:
    """Return logits (B, 7, X, Y) less what a map has to say, where it is given (B, 1, 1, 1).

    What bars the way keeps its own, so its chance never falls: no map, however old, makes a cell freer.
    """
    return torch.cat([terrain[:, :GROUND_KINDS] + given * -1.0 * word, terrain[:, GROUND_KINDS:]], 1)


def reach_of_cells() -> Tensor:
    """Return (1, X, Y) how far the cells lie from base_link, about 1 at the rim."""
    return torch.linalg.vector_norm(torch.from_numpy(middles()).float(), dim=-1)[None] / 50.0


def _slim(before: int, after: int) -> list[nn.Module]:
    """Return a convolution by way of half as many channels: much the same for half the work (Jaderberg et al. 2014)."""
    inner = max(after // 2, 1)
    return [nn.Conv2d(before, inner, 3, padding=1, bias=False), nn.Conv2d(inner, after, 1, bias=False), *normed(after)]


def _channels(heads: tuple[str, ...]) -> int:
    return sum(OUTPUTS[name][0] for name in heads)


def _parted(x: Tensor, heads: tuple[str, ...]) -> dict[str, Tensor]:
    parts = torch.split(x, [OUTPUTS[name][0] for name in heads], dim=1)
    return dict(zip(heads, parts))


def flops(network: Network, far: bool = False) -> int:
    """Return the floating point operations of one sweep, a multiplication and an addition being two.

    far: with the far ring.
    """
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d)
        total += 2 * layer.weight[0].numel() * out[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        network.eval()(**empty(1, far))
    for hook in hooks:
        hook.remove()
    return total


def empty(batch: int, far: bool = False) -> dict[str, Tensor]:
    """Return inputs of a world without points, camera and map; far: with that of the far ring."""
    table = INPUTS | FAR_INPUTS if far else INPUTS
    return {name: torch.zeros(batch, channels, *cells) for name, (channels, cells) in table.items()}


def loaded(preset: str, weights: Path) -> Network:
    """Return the network of a preset with weights of a file."""
    return filled(Network(PRESETS[preset]), load_file(weights)).eval()


def filled(network: Network, weights: Mapping[str, Tensor]) -> Network:
    """Return a network with weights, in place; where they lack the far ring or the chart, that keeps its own.

    Raises RuntimeError where others lack, or are too many.
    """
    mine = network.state_dict()
    for part in (FAR_PART, CHART_PART):
        if not any(name.startswith(part) for name in weights):
            weights = {name: value for name, value in mine.items() if name.startswith(part)} | dict(weights)
    network.load_state_dict(weights)
    network.knows_maps = bool(network.chart.taught > 0.5)  # averages of weights come near to 0 and to 1
    return network


def forget_maps(network: Network) -> None:
    """Let a network know no maps, in place: what its chart learned holds no more once the rest learns on."""
    network.chart.taught.zero_()
    network.knows_maps = False


def learned_weights(network: Network, far: bool) -> dict[str, Tensor]:
    """Return the weights of a network without parts that have learned nothing. far: whether the far ring has."""
    parts = (FAR_PART,) * (not far) + (CHART_PART,) * (not network.knows_maps)
    return {name: value for name, value in network.state_dict().items() if not name.startswith(parts)}
