"""What training of either network shares: checkpoints, a log, how the rate goes, and averaged weights.

A checkpoint is whole or not there: a run that is cut while it writes goes on from the one before.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonomy_nodes.common.types import DataError

CHECKPOINT, LOG = 'checkpoint.pt', 'log.jsonl'


def state_of(path: Path, network: str) -> dict[str, Any]:
    """Return what lies in a checkpoint; DataError where there is none, or it is not of the preset `network`."""
    if not path.is_file():
        raise DataError(f'{path}: no checkpoint to go on from; leave --resume out')
    state: dict[str, Any] = torch.load(path, map_location='cpu', weights_only=True)
    if (found := state['settings']['network']) != network:
        raise DataError(f'{path}: is of network {found!r}, not {network!r}; give its --preset')
    return state


def save(state: Mapping[str, Any], out: Path) -> None:
    """Write the checkpoint of a run in place of the one before."""
    part = out / f'{CHECKPOINT}.part'
    torch.save(state, part)
    part.replace(out / CHECKPOINT)


def report(told: Mapping[str, float], out: Path, tell: Callable[[str], None], style: str = '') -> None:
    """Tell how far a run is and how good it is: a line of the log, and one to read with numbers in a format's style."""
    rounded = {name: round(value, 4) for name, value in told.items()}
    with (out / LOG).open('a') as log:
        log.write(json.dumps(rounded) + '\n')
    tell('  '.join(f'{name} {value:{style}}' for name, value in rounded.items()))


def set_rate(optimizer: torch.optim.Optimizer, highest: float, warm: float, share: float, least: float) -> None:
    """Set the rate of learning: it rises to the highest, then falls along a cosine to its `least` part.

    warm: steps so far as a share of those over which it rises. share: of the run that is over.
    """
    cosine = 0.5 * (1.0 + float(np.cos(np.pi * min(share, 1.0))))
    for group in optimizer.param_groups:
        group['lr'] = highest * min(warm, 1.0) * (least + (1.0 - least) * cosine)


@torch.no_grad()
def average(
    averaged: torch.nn.Module, network: torch.nn.Module, step: int, smooth: float,
    mine: Callable[[str], bool] = lambda _: True,
) -> None:  # fmt: skip
    """Let averaged weights follow (Polyak and Juditsky 1992), at first closely. mine: by name, which of them do.

    step: from 1 on. smooth: share that each step keeps.
    """
    keep, now = min(smooth, step / (step + 10.0)), network.state_dict()
    for name, value in averaged.state_dict().items():
        if not mine(name):
            continue
        if value.dtype.is_floating_point:
            value.lerp_(now[name], 1.0 - keep)
        else:
            value.copy_(now[name])
