"""Trained camera networks as two folders, eyes/ and above/: ONNX for every engine, weights, and their card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, Tensor, digest, write_manifest
from autonomy_nodes.perception.bev import CAMERA_CHANNELS, MIDDLE, OUTPUTS
from autonomy_nodes.perception.camera.network import CameraNetwork
from autonomy_nodes.perception.camera.places import AIR, EYE_CHANNELS, FEATURES, HEIGHT, LIFTED, SHRINK, WIDTH
from autonomy_nodes.training.checkpoints import learned
from autonomy_nodes.training.export import ALLOWED, save_onnx, tensors
from autonomy_nodes.training.samples import HELD_OUT

CAMERA_ALLOWED = ALLOWED | {'DepthToSpace', 'ReduceMean', 'Gemm', 'Reshape', 'Transpose', 'MatMul'}
SMALL = HEIGHT // SHRINK, WIDTH // SHRINK
EYES_OUT = {'features': (1, FEATURES, *SMALL), 'depth': (1, 2, *SMALL), 'air': (1, len(AIR))}
LIMITS = (
    'Learned from simulated pictures alone; no real picture was ever seen.',
    'Pictures without distortion, 416 x 160, of 45 to 110 degrees; objects less than 6 pixels high were never asked for.',
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
        return {name: told[name] for name in EYES_OUT}


def export_camera(checkpoint: Path, folder: Path, name: str) -> tuple[Manifest, Manifest]:
    """Write the two parts of averaged weights into folder/eyes and folder/above; return their manifests.

    Raises DataError where there is no checkpoint, or an ONNX file holds an operation that not every engine runs.
    """
    if not checkpoint.is_file():
        raise DataError(f'{checkpoint}: no checkpoint')
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    preset = state['settings']['network']
    network = CameraNetwork(preset)
    network.load_state_dict(state['averaged'])
    network.eval()
    data = f'{state["settings"]["held_out"]} examples of seeds from {HELD_OUT}, pictures alone'
    card = {'training': learned(state), 'quality': {'data': data, **state['quality']}, 'limits': LIMITS}
    picture, grid = (1, len(EYE_CHANNELS), HEIGHT, WIDTH), (1, LIFTED, *MIDDLE)
    camera = Tensor((1, CAMERA_CHANNELS, *MIDDLE), -100.0, 100.0)
    eyes = {key: Tensor(shape, -1e3, 1e3) for key, shape in EYES_OUT.items()}
    return (
        _written(folder / 'eyes', f'{name}/eyes', preset, _Picture(network), network.eyes,
                 {'picture': Tensor(picture, -10.0, 10.0)}, eyes, card),
        _written(folder / 'above', f'{name}/above', preset, network.above, network.above,
                 {'lifted': Tensor(grid, -1e3, 1e3)}, tensors(OUTPUTS) | {'camera': camera}, card),
    )  # fmt: skip


def _written(
    folder: Path, name: str, preset: str, network: torch.nn.Module, weights: torch.nn.Module,
    inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], card: Mapping[str, Any],
) -> Manifest:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights.state_dict(), folder / WEIGHTS)
    empty = {key: torch.zeros(one.shape) for key, one in inputs.items()}
    save_onnx(network, empty, list(outputs), folder / ONNX, CAMERA_ALLOWED)
    files = {file: digest(folder / file) for file in (ONNX, WEIGHTS)}
    manifest = Manifest(name, preset, inputs, outputs, files, card)
    write_manifest(folder, manifest)
    return manifest
