"""A trained prediction network as a folder of models/: ONNX for every engine, weights for training on, and its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, Tensor, digest, write_manifest
from autonomy_nodes.prediction.network import PRESETS, Network, empty
from autonomy_nodes.prediction.tensors import INPUTS, OUTPUTS
from autonomy_nodes.training.camera.export import export_camera, export_fusion
from autonomy_nodes.training.export import export, export_prior, save_onnx
from autonomy_nodes.training.export_lanes import export_lanes, is_lanes

ALLOWED = {
    'Add', 'Cast', 'Clip', 'Concat', 'Constant', 'Div', 'Expand', 'Gather', 'Greater', 'LayerNormalization', 'MatMul',
    'Mul', 'ReduceMax', 'ReduceSum', 'Relu', 'Reshape', 'Slice', 'Softmax', 'Squeeze', 'Transpose', 'Unsqueeze',
    'Where',
}  # fmt: skip
_ANY = (-1e4, 1e4)
SHIPPING = 'not for shipping unless the licence of every scene allows it: see docs/training.md'
SIMULATED = 'made of simulated scenes alone, by this project: ships with it'
LEARNED_FROM = {
    True: 'Learned from simulated traffic alone: what real road users do that nobody wrote down it does not know.',
    False: 'Learned from recordings of a few places; buses and trucks are long vehicles there.',
}
LIMITS = (
    'Hears two seconds of tracks and at most 32 agents, 256 pieces of lines; of terrain it was shown none.',
    'Who stands was hardly asked for: physics and lanes answer for whom the guard takes its word away.',
)


def export_either(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write a model of a checkpoint of prediction, of cameras, of fusion, of lanes or of perception."""
    if not checkpoint.is_file():
        raise DataError(f'{checkpoint}: no checkpoint')
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    for is_mine, write in WRITERS:
        if is_mine(state):
            return write(checkpoint, folder, name)
    return export(checkpoint, folder, name)


def is_forecast(state: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint is of a prediction network."""
    return 'guise' in state['settings']


def export_forecast(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write network.onnx, weights.safetensors and manifest.json of averaged weights; return the manifest.

    Raises DataError where the ONNX file holds an operation that not every engine runs.
    """
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    network = Network(PRESETS[state['settings']['network']])
    network.load_state_dict(state['averaged'])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / WEIGHTS)
    save_onnx(network, empty(1), list(OUTPUTS), folder / ONNX, ALLOWED)
    simulated = _simulated(state['notes'])
    card = {
        'training': {
            **state['notes'], 'settings': state['settings'], 'steps': state['step'],
            'minutes': round(state['spent_s'] / 60.0, 1), 'licence': SIMULATED if simulated else SHIPPING,
        },
        'quality': state['quality'], 'limits': (*LIMITS, LEARNED_FROM[simulated]),
    }  # fmt: skip
    inputs, outputs = (
        {name: Tensor((1, *shape), *_ANY) for name, shape in side.items()} for side in (INPUTS, OUTPUTS)
    )
    files = {file: digest(folder / file) for file in (ONNX, WEIGHTS)}
    manifest = Manifest(name, state['settings']['network'], inputs, outputs, files, card)
    write_manifest(folder, manifest)
    return manifest


def _simulated(notes: Mapping[str, Any]) -> bool:
    """Return whether nothing but simulated scenes was learned from, in this run and in those that it began with."""
    before = notes.get('began_with')
    return 'simulated' in notes.get('data', {}) and (before is None or _simulated(before))


def _is_camera(state: Mapping[str, Any]) -> bool:
    return any(name.startswith('eyes.') for name in state.get('network', ()))


def _is_fusion(state: Mapping[str, Any]) -> bool:
    return 'camera_state' in state


def _is_prior(state: Mapping[str, Any]) -> bool:
    return 'charted' in state


WRITERS = (
    (is_lanes, export_lanes), (_is_prior, export_prior), (_is_fusion, export_fusion), (is_forecast, export_forecast),
    (_is_camera, export_camera),
)  # fmt: skip
