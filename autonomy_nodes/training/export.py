"""A trained network as a folder of models/: ONNX for every engine, weights for training on, and its card."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import save_file

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, Tensor, digest, write_manifest
from autonomy_nodes.perception.bev import FAR_INPUTS, FAR_OUTPUTS, HIGH_M, INPUTS, MAP, OUTPUTS
from autonomy_nodes.perception.network import PRESETS, Network, empty, filled, learned_weights
from autonomy_nodes.training.checkpoints import learned
from autonomy_nodes.training.lessons import FAR, FAR_PLACES
from autonomy_nodes.training.samples import HELD_OUT

OPSET = 18
ALLOWED = {'Conv', 'Relu', 'Resize', 'Concat', 'Add', 'Mul', 'Split', 'Slice', 'Constant', 'Expand', 'Identity'}
# what values make sense; beyond them a number is a mistake
RANGES = {
    'points': (-1.0, 12.0), 'prior': (-100.0, 100.0), 'camera': (-100.0, 100.0), 'map': (-1.0, 1.0),
    'given': (0.0, 1.0), 'far': (-100.0, 100.0), 'ground': (-20.0, 20.0), 'top': (-HIGH_M, 2.0 * HIGH_M),
}  # fmt: skip
_ANY = (-1e3, 1e3)
NO_MAPS, NO_CAMERAS = 'cameras and maps were never given', 'cameras were never given'
MAP_LIMIT = (
    'A map speaks of paved, loose and grown ground alone, and only against; maps were drawn from simulated places.'
)
LIMITS = (
    f'Learned from simulated sweeps of one rotating LiDAR alone; {NO_MAPS}.',
    'Sees 56 m ahead, 40 m behind and to the sides; boxes with fewer than 5 points were never asked for.',
    'Buses and trailers come as trucks, motorcycles as bicycles. Which end is the front is not told.',
    'Speeds are not to be used unless their error was measured: decode leaves them unknown.',
    'It adds to the geometric channel and never takes away what that one sees in the way.',
)


def export(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write network.onnx, weights.safetensors and manifest.json of averaged weights; return the manifest.

    A far ring that has learned nothing yet is left out.
    Raises DataError where the ONNX file holds an operation that not every engine runs.
    """
    if not checkpoint.is_file():
        raise DataError(f'{checkpoint}: no checkpoint')
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    preset, far = state['settings']['network'], FAR.name in state
    network = filled(Network(PRESETS[preset]), state['averaged'])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(learned_weights(network, far), folder / WEIGHTS)
    write_onnx(network, folder / ONNX, far)
    manifest = Manifest(
        name, preset, tensors(INPUTS | FAR_INPUTS if far else INPUTS),
        tensors(OUTPUTS | FAR_OUTPUTS if far else OUTPUTS),
        {file: digest(folder / file) for file in (ONNX, WEIGHTS)}, _card(state),
    )  # fmt: skip
    write_manifest(folder, manifest)
    return manifest


def _card(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a network beside its tensors and files."""
    card = {'training': learned(state), 'quality': _quality(state), 'limits': LIMITS}
    if FAR.name in state:
        card['far'] = state[FAR.name].get('card') or _far_card(state[FAR.name])
    return card


def _far_card(state: Mapping[str, Any]) -> dict[str, Any]:
    long = f'places of {2.0 * FAR_PLACES.half_s_m:.0f} m; the rest of the network was left as it was'
    return {'training': {**learned(state), 'places': long}, 'quality': _quality(state)}


def _quality(state: Mapping[str, Any]) -> dict[str, Any]:
    return {'data': f'{state["settings"]["held_out"]} examples of seeds from {HELD_OUT}', **state['quality']}


def export_prior(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write a network that has learned what a map means, whose card is that of before and how it learned this."""
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    of = state['of']
    card, far = of['card'], FAR.name in of['card']
    network = filled(Network(PRESETS[of['network']]), state['charted'])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(learned_weights(network, far), folder / WEIGHTS)
    write_onnx(network, folder / ONNX, far)
    how = {key: state[key] for key in ('notes', 'settings', 'quality', 'step', 'minutes', 'seeds')}
    limits = [*(line.replace(NO_MAPS, NO_CAMERAS) for line in card.get('limits', ())), MAP_LIMIT]
    maps = {**how, 'channels': MAP, 'of': {'name': of['name'], 'files': of['files']}}
    tables = (INPUTS | FAR_INPUTS, OUTPUTS | FAR_OUTPUTS) if far else (INPUTS, OUTPUTS)
    manifest = Manifest(
        name, of['network'], tensors(tables[0]), tensors(tables[1]),
        {file: digest(folder / file) for file in (ONNX, WEIGHTS)}, {**card, 'limits': limits, 'maps': maps},
    )  # fmt: skip
    write_manifest(folder, manifest)
    return manifest


def write_onnx(network: Network, path: Path, far: bool = False) -> None:
    """Write a network as one ONNX file, with its far ring or without; operations that are not ALLOWED are refused."""
    outputs = [*OUTPUTS, *(FAR_OUTPUTS if far else ())]
    save_onnx(network, empty(1, far), outputs, path, ALLOWED)


def save_onnx(
    network: torch.nn.Module, inputs: dict[str, torch.Tensor], outputs: Sequence[str], path: Path, allowed: set[str]
) -> None:
    """Write a network that takes tensors by name as one ONNX file; operations that are not `allowed` are refused."""
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of torch about itself
        program = torch.onnx.export(
            network.eval(), kwargs=inputs, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(inputs), output_names=list(outputs),
        )  # fmt: skip
    assert program is not None
    program.save(path, external_data=False)
    model = onnx.load(path)
    _forget_where(model)
    onnx.save(model, path)
    onnx.checker.check_model(model, full_check=True)
    if others := sorted({node.op_type for node in model.graph.node} - allowed):
        raise DataError(f'{path}: holds {", ".join(others)}, which not every engine runs')


def tensors(table: Mapping[str, tuple[int, tuple[int, int]]]) -> dict[str, Tensor]:
    """Return the tensors of a side of the network, with the values that make sense in them."""
    shapes = {name: (1, channels, *cells) for name, (channels, cells) in table.items()}
    return {name: Tensor(shape, *RANGES.get(name, _ANY)) for name, shape in shapes.items()}


def _forget_where(model: onnx.ModelProto) -> None:
    """Take out, in place, what the exporter notes of files of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ''
        del part.metadata_props[:]


def largest_difference(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]) -> float:
    """Return how far apart the answers of two engines are."""
    return max(float(np.abs(one[name] - two[name]).max()) for name in one)
