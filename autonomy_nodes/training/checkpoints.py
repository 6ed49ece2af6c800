"""What training of either network shares: checkpoints, a log, how the rate goes, and averaged weights.

A checkpoint is whole or not there: a run that is cut while it writes goes on from the one before.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import MANIFEST, WEIGHTS, read_manifest

CHECKPOINT, LOG = 'checkpoint.pt', 'log.jsonl'
GENTLE = 0.5  # of the rate, for a run that begins with learned weights


def state_of(path: Path, network: str) -> dict[str, Any]:
    """Return what lies in a checkpoint, or in a folder of models/, which tells nothing of an optimizer.

    Raises DataError where there is none, or it is not of the preset `network`.
    """
    if (path / MANIFEST).is_file():
        state = _of_model(path)
    elif path.is_file():
        state = torch.load(path, map_location='cpu', weights_only=True)
    else:
        raise DataError(f'{path}: no checkpoint to go on from; leave --resume out')
    if (found := state['settings']['network']) != network:
        raise DataError(f'{path}: is of network {found!r}, not {network!r}; give its --preset')
    return state


def _of_model(folder: Path) -> dict[str, Any]:
    """Return the weights of a model, and what its card tells of how they were learned; `card` is of the far ring."""
    manifest, weights = read_manifest(folder), load_file(folder / WEIGHTS)
    notes = {'name': manifest.name, 'files': dict(manifest.files), **manifest.card.get('training', {})}
    state = {'settings': {'network': manifest.network}, 'network': weights, 'averaged': weights, 'notes': notes}
    return state | ({'far': {'card': manifest.card['far']}} if 'far' in manifest.card else {})


def learned(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the weights of a checkpoint of perception were learned, as its card tells it."""
    settings, seeds = state['settings'], f'seeds {state.get("first", 0)} to {state["seed"] - 1}'
    return {
        **state['notes'], 'settings': settings, 'steps': state['step'],
        'minutes': round(state['spent_s'] / 60.0, 1), 'samples': state['step'] * settings['batch'],
        'data': f'autonomy_nodes.training.places, {seeds}; nothing real, nothing downloaded',
        'licence': 'that of this repository: weights and data are made by its code alone',
    }  # fmt: skip


def origins(
    notes: Mapping[str, Any], before: Mapping[str, Any] | None, first: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what the notes tell of runs before, so that a card names all data, however often a run was cut.

    before: the state that a run goes on from. first: the one whose weights it begins with.
    """
    if first is not None:
        return {'began_with': first['notes']}
    if before is None:
        return {}
    if before['notes'].get('data') != notes.get('data'):  # goes on with other data: of the old it has learned too
        return {'began_with': before['notes']}
    return {key: value for key, value in before['notes'].items() if key == 'began_with'}


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
