"""What networks of perception are made of: convolutions and what comes after them, pairs of them beside a shortcut."""

import torch
from torch import Tensor, nn


class Pair(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016); the second may look farther."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(dilated(width, dilation), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return as many channels as came in, (B, width, X, Y)."""
        return torch.relu(x + self.second(self.first(x)))


def pairs(width: int, count: int, dilation: int = 1) -> list[nn.Module]:
    """Return so many pairs."""
    return [Pair(width, dilation) for _ in range(count)]


def conv(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, with what comes after it."""
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), *normed(after))


def dilated(width: int, dilation: int) -> nn.Conv2d:
    """Return a convolution alone, of cells so far apart."""
    return nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)


def normed(width: int) -> tuple[nn.Module, nn.Module]:
    """Return what comes after a convolution."""
    return nn.BatchNorm2d(width), nn.ReLU(inplace=True)


def larger(x: Tensor) -> Tensor:
    """Return (B, C, 2 X, 2 Y), each cell four times."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode='nearest')
