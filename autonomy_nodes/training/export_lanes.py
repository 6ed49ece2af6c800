"""A trained network of lanes as a folder of models/: ONNX for every engine, weights for training on, and its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, Manifest, digest, write_manifest
from autonomy_nodes.perception.bev import LANE_INPUTS, LANE_OUTPUTS
from autonomy_nodes.perception.lanes.network import LaneNetwork, empty
from autonomy_nodes.training.checkpoints import learned
from autonomy_nodes.training.export import ALLOWED, save_onnx, tensors
from autonomy_nodes.training.samples import HELD_OUT
from autonomy_nodes.training.train_lanes import WHAT

LIMITS = (
    'Learned from simulated sweeps of one rotating LiDAR alone; no real road was ever seen.',
    'Sees 40 m ahead, 24 m behind, 20 m to the sides; paint that returns no more light than the road is not seen.',
    'Dashed and solid lines are not told apart. Parking lines along a road count as dividers.',
)


def is_lanes(state: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint is of a network of lanes."""
    return state.get('what') == WHAT


def export_lanes(checkpoint: Path, folder: Path, name: str) -> Manifest:
    """Write network.onnx, weights.safetensors and manifest.json of averaged weights; return the manifest.

    Raises DataError where the ONNX file holds an operation that not every engine runs.
    """
    state = torch.load(checkpoint, map_location='cpu', weights_only=True)
    network = LaneNetwork(state['settings']['network'])
    network.load_state_dict(state['averaged'])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / WEIGHTS)
    save_onnx(network, empty(1), list(LANE_OUTPUTS), folder / ONNX, ALLOWED)
    quality = {'data': f'{state["settings"]["held_out"]} examples of seeds from {HELD_OUT}', **state['quality']}
    card = {'training': learned(state), 'quality': quality, 'limits': LIMITS}
    files = {file: digest(folder / file) for file in (ONNX, WEIGHTS)}
    manifest = Manifest(name, network.preset, tensors(LANE_INPUTS), tensors(LANE_OUTPUTS), files, card)
    write_manifest(folder, manifest)
    return manifest
