"""Trained camera networks as two folders, eyes/ and above/: ONNX for every engine, weights, and their card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from autonomy_nodes.inference.decisions import CARD
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, Tensor, digest, write_manifest
from autonomy_nodes.perception.bev import FAR_INPUTS, FAR_OUTPUTS, INPUTS, OUTPUTS
from autonomy_nodes.perception.camera.channel import GRID, PICTURE, SIGHT, TOLD
from autonomy_nodes.perception.camera.network import CameraNetwork
from autonomy_nodes.perception.network import PRESETS as NETWORKS
from autonomy_nodes.perception.network import Network, filled, learned_weights
from autonomy_nodes.training.checkpoints import learned
from autonomy_nodes.training.export import ALLOWED, save_onnx, tensors, write_onnx
from autonomy_nodes.training.samples import HELD_OUT

CAMERA_ALLOWED = ALLOWED | {
    'DepthToSpace', 'ReduceMean', 'Gemm', 'BatchNormalization', 'Clip', 'Div', 'Log', 'Neg', 'Softmax',
}  # fmt: skip
LIMITS = (
    'Learned from simulated pictures alone; no real picture was ever seen.',
    'Pictures without distortion, 416 x 160, of 45 to 110 degrees; less than 6 pixels high, nothing was asked for.',
    'A single picture tells of no speed. Which end of a box is the front is a guess.',
    'Beyond 40 m depths are too rough for planning.',
)


class _Picture(torch.nn.Module):
    """Eyes without what only learning needs."""

    def __init__(self, network: CameraNetwork) -> None:
        super().__init__()
        self.eyes = network.eyes

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        told = self.eyes(picture)
        return {name: told[name] for name in SIGHT}


def export_camera(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write the two parts of averaged weights into folder/eyes and folder/above; return the manifest of the latter.

    Raises DataError where an ONNX file holds an operation that not every engine runs.
    """
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    network = CameraNetwork(state['settings']['network'])
    network.load_state_dict(state['averaged'])
    return write_camera(network, folder, name, _card(state))


def export_fusion(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write a network for LiDAR that hears cameras, and theirs in eyes/, above/; return the manifest of the first."""
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    camera = CameraNetwork(state['preset'])
    camera.load_state_dict(state['camera'])
    write_camera(camera, folder, name, _card(state['camera_state']))
    of, far = state['of'], 'far' in state['of']['card']
    network = filled(Network(NETWORKS[of['network']]), state['lidar'])
    save_file(learned_weights(network, far), folder / WEIGHTS)
    write_onnx(network, folder / ONNX, far)
    learned_more = {key: state[key] for key in ('notes', 'settings', 'quality', 'step', 'minutes', 'seeds')}
    kept = {key: value for key, value in of['card'].items() if key != CARD}
    card = {**kept, 'fusion': {**learned_more, 'of': {'name': of['name'], 'files': of['files']}}}
    files = {file: digest(folder / file) for file in (ONNX, WEIGHTS)}
    tables = (INPUTS | FAR_INPUTS, OUTPUTS | FAR_OUTPUTS) if far else (INPUTS, OUTPUTS)
    manifest = Manifest(name, of['network'], tensors(tables[0]), tensors(tables[1]), files, card)
    write_manifest(folder, manifest)
    return manifest


def write_camera(network: CameraNetwork, folder: Path, name: str, card: Mapping[str, Any]) -> Manifest:
    """Write both parts of a network; return the manifest of the second one."""
    network.eval()
    picture = {key: Tensor(shape, -10.0, 10.0) for key, shape in PICTURE.items()}
    eyes, grid = ({key: Tensor(shape, -1e3, 1e3) for key, shape in side.items()} for side in (SIGHT, GRID))
    camera = Tensor(TOLD['camera'], -100.0, 100.0)
    _written(
        folder / 'eyes', f'{name}/eyes', network.preset, (_Picture(network), network.eyes),
        picture, eyes, card,
    )  # fmt: skip
    return _written(
        folder / 'above', f'{name}/above', network.preset, (network.above, network.above),
        grid, tensors(OUTPUTS) | {'camera': camera}, card,
    )  # fmt: skip


def _card(state: Mapping[str, Any]) -> dict[str, Any]:
    data = f'{state["settings"]["held_out"]} examples of seeds from {HELD_OUT}, pictures alone'
    return {'training': learned(state), 'quality': {'data': data, **state['quality']}, 'limits': LIMITS}


def _written(
    folder: Path, name: str, preset: str, parts: tuple[torch.nn.Module, torch.nn.Module],
    inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], card: Mapping[str, Any],
) -> Manifest:  # fmt: skip
    """Write a part as it runs, and its weights."""
    network, weights = parts
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights.state_dict(), folder / WEIGHTS)
    empty = {key: torch.zeros(one.shape) for key, one in inputs.items()}
    save_onnx(network, empty, list(outputs), folder / ONNX, CAMERA_ALLOWED)
    files = {file: digest(folder / file) for file in (ONNX, WEIGHTS)}
    manifest = Manifest(name, preset, inputs, outputs, files, card)
    write_manifest(folder, manifest)
    return manifest
