"""Networks on the CPU by OpenVINO: one thread and one stream unless told otherwise, so that a replay repeats.

Single precision unless asked for another: of its own accord it would take bfloat16 on processors that have it, which
is faster and another network than the one that was measured.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.backend import refuse_others
from autonomy_nodes.inference.manifest import Manifest, Tensor
from autonomy_nodes.inference.settings import named, onnx_of

PRECISIONS = ('f32', 'bf16', 'f16')


class OpenVinoBackend:
    """Holds a network of a folder whose manifest was read, compiled for the CPU.

    precision: of PRECISIONS, in which what is float32 in the file is computed. stored: the precision of the file.
    Raises SettingsError where the package lacks, the file cannot be compiled or its tensors are not those of the
    manifest.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, threads: int = 1, precision: str = 'f32', stored: str = 'fp32'
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f'precision={precision!r} must be one of {", ".join(PRECISIONS)}')
        try:
            import openvino
        except ImportError as error:
            raise SettingsError(f'backend=openvino needs its package: pip install openvino ({error})') from error
        self.manifest, self.name = manifest, named('openvino', stored)
        path = str(onnx_of(folder, manifest, stored))
        options = {
            'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': '1', 'INFERENCE_NUM_THREADS': str(threads),
            'INFERENCE_PRECISION_HINT': precision, 'ENABLE_CPU_PINNING': False,
        }  # fmt: skip
        try:
            network = openvino.Core().compile_model(path, 'CPU', options)
        except RuntimeError as error:
            raise SettingsError(f'{path}: OpenVINO {openvino.__version__} cannot compile it: {error}') from error
        _refuse_others(network.inputs, manifest.inputs, path)
        _refuse_others(network.outputs, manifest.outputs, path)
        self._request: Any = network.create_infer_request()
        self._network, self._outputs = network, list(manifest.outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of one sweep."""
        refuse_others(inputs, self.manifest.inputs)
        try:
            # inputs are shared, outputs copied: what was given must not change with the next sweep
            self._request.infer(dict(inputs), share_inputs=True, share_outputs=False)
        except RuntimeError as error:
            raise DataError(f'network {self.manifest.name!r} failed: {error}') from error
        return {name: np.array(self._request.get_tensor(name).data) for name in self._outputs}

    def close(self) -> None:
        """Give back nothing: the network goes with the object."""


def _refuse_others(found: list, told: Mapping[str, Tensor], path: str) -> None:
    shapes = {_name(one, told): tuple(one.get_partial_shape().get_min_shape()) for one in found}
    wanted = {name: one.shape for name, one in told.items()}
    if shapes != wanted or not all(one.get_partial_shape().is_static for one in found):
        raise SettingsError(f'{path}: has tensors {shapes}, its manifest tells {wanted}')


def _name(found: Any, told: Mapping[str, Tensor]) -> str:
    """Return which of its names, one tensor having several, a manifest tells; else any."""
    return next((name for name in sorted(found.get_names()) if name in told), found.get_any_name())
