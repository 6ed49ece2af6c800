"""Networks by torch, as they were trained: the reference that every other engine is held against."""

from collections.abc import Mapping

import numpy as np
import torch

from autonomy_nodes.inference.backend import refuse_others
from autonomy_nodes.inference.manifest import Manifest


class TorchBackend:
    """Holds a module whose forward takes and gives tensors by the names of its manifest."""

    name = 'torch'

    def __init__(self, module: torch.nn.Module, manifest: Manifest) -> None:
        self.manifest = manifest
        self._module = module.eval()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of one sweep."""
        refuse_others(inputs, self.manifest.inputs)
        with torch.inference_mode():
            found = self._module(**{name: torch.from_numpy(value) for name, value in inputs.items()})
        return {name: found[name].numpy() for name in self.manifest.outputs}

    def close(self) -> None:
        """Give back nothing: the module goes with the object."""
