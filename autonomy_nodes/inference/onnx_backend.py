"""Networks on the CPU by ONNX Runtime: one thread unless told otherwise, so that a replay repeats to the digit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.backend import refuse_others
from autonomy_nodes.inference.manifest import Manifest, Tensor
from autonomy_nodes.inference.settings import named, onnx_of


class OnnxBackend:
    """Holds a session of a network in a folder whose manifest was read. stored: the precision of the file."""

    def __init__(self, folder: Path, manifest: Manifest, threads: int = 1, stored: str = 'fp32') -> None:
        self.manifest, self.name = manifest, named('onnx', stored)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.use_deterministic_compute = True
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # others need the core between sweeps
        path = str(onnx_of(folder, manifest, stored))
        self._session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
        _refuse_others(self._session.get_inputs(), manifest.inputs, path)
        _refuse_others(self._session.get_outputs(), manifest.outputs, path)
        self._outputs = list(manifest.outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of one sweep."""
        refuse_others(inputs, self.manifest.inputs)
        try:
            found = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # of what the engine can fail at, such as memory, it makes no class of its own
            raise DataError(f'network {self.manifest.name!r} failed: {error}') from error
        return dict(zip(self._outputs, found))

    def close(self) -> None:
        """Give back nothing: the session goes with the object."""


def _refuse_others(found: list, told: Mapping[str, Tensor], path: str) -> None:
    shapes = {one.name: tuple(one.shape) for one in found}
    wanted = {name: one.shape for name, one in told.items()}
    if shapes != wanted:
        raise SettingsError(f'{path}: has tensors {shapes}, its manifest tells {wanted}')
