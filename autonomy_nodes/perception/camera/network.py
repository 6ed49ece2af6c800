"""The networks of the camera channel on one page: one looks at a picture, one at what was lifted from all of them.

`Eyes` sees one picture at a time and tells features, how far away each surface lies and how sure that is, and what air
and light are like. Features are looked up at anchors on each cell (places.py), which count by how near the surface lies
to the anchor: a fixed projection (as in Harley et al. 2023) that depth makes sharp. `Above` sees the grid then, and
tells what bev.OUTPUTS names, and features that join those of a LiDAR. What is irregular lies between the two, outside
of any engine, so that a camera more or less changes no engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from autonomy_nodes.perception.bev import CAMERA_CHANNELS, CLASSES, MIDDLE, MIDDLE_M, OUTPUTS, middles
from autonomy_nodes.perception.camera.places import AIR, EYE_CHANNELS, FEATURES, LIFTED, SHRINK
from autonomy_nodes.perception.convolutions import conv, larger, pairs

KINDS = 13  # of surfaces, `Semantic`: their chances are among the features
OWN = FEATURES - KINDS
PLANE = EYE_CHANNELS.index('plane')
FARTHEST_FLAT_M = 60.0  # beyond it, and above the horizon, depths count from this
_RARE = -4.6  # logit of 1 %: what an untrained network says of an object in a cell
_SUREST = 4.0  # spreads by which a surface may lie before or behind an anchor


@dataclass(frozen=True)
class EyesSettings:
    """Size of the part that sees pictures: channels at a half, a quarter, an eighth, a sixteenth of their size."""

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    depths: tuple[int, int, int] = (1, 2, 1)


@dataclass(frozen=True)
class AboveSettings:
    """Size of the part that sees the grid: channels at 0.8 and 1.6 m, within the heads at 0.4 m."""

    widths: tuple[int, int] = (48, 96)
    deep: int = 1
    neck: int = 32


PRESETS = {
    'ci': (EyesSettings((8, 8, 12, 16), (0, 0, 1)), AboveSettings((12, 16), 1, 8)),
    'small': (EyesSettings(), AboveSettings()),
    'orin': (EyesSettings((32, 64, 128, 256), (2, 2, 2)), AboveSettings((128, 192), 3, 64)),
}


class Eyes(nn.Module):
    """One picture: `picture` (B, 5, HEIGHT, WIDTH) in, features, depth and air out."""

    def __init__(self, settings: EyesSettings) -> None:
        super().__init__()
        half, quarter, eighth, last = settings.widths
        self.stem = nn.Sequential(conv(len(EYE_CHANNELS), half, stride=2), conv(half, quarter, stride=2))
        self.near = nn.Sequential(*pairs(quarter, settings.depths[0]))
        self.down = nn.Sequential(conv(quarter, eighth, stride=2), *pairs(eighth, settings.depths[1]))
        self.deep = nn.Sequential(conv(eighth, last, stride=2), *pairs(last, settings.depths[2], dilation=2))
        self.rise = conv(last, eighth, kernel=1)
        self.blend = conv(2 * eighth, quarter)
        self.neck = conv(2 * quarter, quarter)
        self.told = nn.Conv2d(quarter, OWN + 2, 1)
        self.kinds = nn.Conv2d(quarter, KINDS, 1)
        self.air = nn.Sequential(nn.Linear(last, 32), nn.ReLU(), nn.Linear(32, len(AIR)))

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """Return features (B, FEATURES, H/4, W/4), depth (B, 2, H/4, W/4), kinds (B, KINDS, H/4, W/4), air (B, 4).

        features: the chances of KINDS come last. depth: logarithm [m], counted from that of flat ground along the ray,
        and log spread of it. kinds: logits. air: logits of AIR.
        """
        near = self.near(self.stem(picture))  # (B, quarter, 40, 104)
        down = self.down(near)
        deep = self.deep(down)  # (B, last, 10, 26)
        blend = self.blend(torch.cat([down, larger(self.rise(deep))], 1))
        neck = self.neck(torch.cat([near, larger(blend)], 1))
        own, off, spread = torch.split(self.told(neck), [OWN, 1, 1], 1)
        kinds = self.kinds(neck)
        plane = picture[:, PLANE : PLANE + 1, SHRINK // 2 :: SHRINK, SHRINK // 2 :: SHRINK]  # ten times inverse depth
        flat = -torch.log(plane.clamp(10.0 / FARTHEST_FLAT_M, 10.0) / 10.0)
        features = torch.cat([own, torch.softmax(kinds, 1)], 1)
        depth = torch.cat([flat + off, spread], 1)
        return {'features': features, 'depth': depth, 'kinds': kinds, 'air': self.air(deep.mean((2, 3)))}


class Above(nn.Module):
    """The grid: `lifted` (B, LIFTED, *MIDDLE) in, bev.OUTPUTS and `camera` (B, CAMERA_CHANNELS, *MIDDLE) out."""

    def __init__(self, settings: AboveSettings) -> None:
        super().__init__()
        wide, coarse = settings.widths
        self.join = conv(LIFTED + 1, wide, kernel=1)
        self.wide = nn.Sequential(*pairs(wide, 1))
        self.deep = nn.Sequential(conv(wide, coarse, stride=2), *pairs(coarse, settings.deep, dilation=2))
        self.rise = conv(coarse, wide, kernel=1)
        self.blend = conv(2 * wide, wide)
        self.camera = nn.Conv2d(wide, CAMERA_CHANNELS, 1)
        self.lift = nn.Sequential(nn.Conv2d(wide, 4 * settings.neck, 1, bias=False), nn.PixelShuffle(2))
        self.neck = nn.Sequential(nn.BatchNorm2d(settings.neck), nn.ReLU(), conv(settings.neck, settings.neck))
        self.heads = nn.Conv2d(settings.neck, sum(channels for channels, _ in OUTPUTS.values()), 1)
        assert next(iter(OUTPUTS)) == 'heat' and self.heads.bias is not None
        with torch.no_grad():
            self.heads.bias[: len(CLASSES)] = _RARE
        reach = torch.linalg.vector_norm(torch.from_numpy(middles(MIDDLE_M)).float(), dim=-1) / 50.0
        self.reach: Tensor
        self.register_buffer('reach', reach[None, None], persistent=False)  # (1, 1, *MIDDLE)

    def forward(self, lifted: Tensor) -> dict[str, Tensor]:
        """Return all of bev.OUTPUTS as (B, channels, *CELLS), and `camera`."""
        wide = self.wide_of(lifted)
        told = self.heads(self.neck(self.lift(wide)))
        parts = torch.split(told, [channels for channels, _ in OUTPUTS.values()], 1)
        return dict(zip(OUTPUTS, parts)) | {'camera': self.camera(wide)}

    def wide_of(self, lifted: Tensor) -> Tensor:
        """Return (B, widths[0], *MIDDLE) what all heads look at."""
        wide = self.wide(self.join(torch.cat([lifted, self.reach.expand(lifted.shape[0], -1, -1, -1)], 1)))
        blended: Tensor = self.blend(torch.cat([wide, larger(self.rise(self.deep(wide)))], 1))
        return blended


class CameraNetwork(nn.Module):
    """Both parts with the lift between them, as they learn: pictures of several cameras of one vehicle at a time."""

    def __init__(self, preset: str) -> None:
        super().__init__()
        eyes, above = PRESETS[preset]
        self.preset, self.eyes, self.above = preset, Eyes(eyes), Above(above)

    def forward(
        self, pictures: Tensor, at: Tensor, log_depths: Tensor, seen: Tensor, of: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return what the eyes tell of N pictures, and what is told of the grids of B vehicles.

        at, log_depths, seen: (N, ...) places.Places. of: (N,) which vehicle each picture belongs to, counted from 0.
        """
        told = self.eyes(pictures)
        return told, self.above(grids(told, at, log_depths, seen, of))


def grids(told: Mapping[str, Tensor], at: Tensor, log_depths: Tensor, seen: Tensor, of: Tensor) -> Tensor:
    """Return (B, LIFTED, *MIDDLE) what the eyes told of N pictures, lifted for each of B vehicles. of: (N,) whose."""
    features, depth = told['features'].float(), told['depth'].float()
    vehicles = range(int(of.max()) + 1)
    each = ((features[of == n], depth[of == n], at[of == n], log_depths[of == n], seen[of == n]) for n in vehicles)
    return torch.stack([lifted(*one) for one in each])


def lifted(features: Tensor, depth: Tensor, at: Tensor, log_depths: Tensor, seen: Tensor) -> Tensor:
    """Return (LIFTED, *MIDDLE) what C pictures of one vehicle tell of the anchors, the mean over who sees them.

    Features count by exp(-|d|) where d is how far the surface in that direction lies behind the anchor, in spreads.
    """
    count, anchors, wide, long = seen.shape
    where = at.reshape(count, anchors * wide, long, 2)
    found = grid_sample(torch.cat([features, depth], 1), where, align_corners=False)
    found = found.reshape(count, -1, anchors, wide, long)
    behind = ((found[:, -2] - log_depths) * torch.exp(-found[:, -1].clamp(-4.0, 2.0))).clamp(-_SUREST, _SUREST)
    near = torch.exp(-behind.abs()) * seen
    each = [found[:, :-2] * near[:, None], near[:, None], (behind * seen / _SUREST)[:, None], seen[:, None]]
    total = torch.cat(each, 1).sum(0) / seen.sum(0).clamp(min=1.0)  # (FEATURES + 3, A, X, Y)
    return total.reshape(-1, *MIDDLE)


def eyes(preset: str, weights: Path) -> Eyes:
    """Return the part that sees pictures, with weights of a file."""
    part = Eyes(PRESETS[preset][0])
    part.load_state_dict(load_file(weights))
    return part.eval()


def above(preset: str, weights: Path) -> Above:
    """Return the part that sees the grid, with weights of a file."""
    part = Above(PRESETS[preset][1])
    part.load_state_dict(load_file(weights))
    return part.eval()
