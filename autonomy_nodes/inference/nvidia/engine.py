"""An engine from its bytes: read, held against the manifest of its network, and asked what its layers are."""

import ctypes
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.manifest import Manifest
from autonomy_nodes.inference.nvidia.builder import notes

TYPES: Mapping[str, type] = {'FLOAT': np.float32, 'HALF': np.float16}  # as what tensors of a manifest may pass


@dataclass(frozen=True)
class Port:
    """A tensor that goes in or out. dtype: as the engine has it, which is the one that counts."""

    name: str
    is_input: bool
    shape: tuple[int, ...]
    dtype: np.dtype


class Engine:
    """A deserialised engine with its runtime, which must outlive it."""

    def __init__(self, trt: Any, plan: bytes, manifest: Manifest) -> None:
        log = notes(trt)
        log.errors.clear()
        self.trt, self._runtime = trt, trt.Runtime(log)
        self.engine = self._runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            told = '; '.join(log.errors) or 'it does not say why'
            raise SettingsError(f'TensorRT {trt.__version__} does not take the engine: {told}; build it anew')
        self.ports = _ports(trt, self.engine, manifest)

    def context(self) -> Any:
        """Return what runs it; SettingsError where there is no memory for its activations."""
        made = self.engine.create_execution_context()
        if made is None:
            told = '; '.join(notes(self.trt).errors) or 'it does not say why'
            raise SettingsError(f'TensorRT gives no execution context: {told}; is memory of the GPU left?')
        return made

    def layers(self) -> list[Any]:
        """Return what each layer is and computes in, empty where this release does not tell."""
        if not hasattr(self.engine, 'create_engine_inspector') or not hasattr(self.trt, 'LayerInformationFormat'):
            return []
        inspector = self.engine.create_engine_inspector()
        told = json.loads(inspector.get_engine_information(self.trt.LayerInformationFormat.JSON))
        return list(told.get('Layers', []))


def library() -> ModuleType:
    """Return the module `tensorrt`; SettingsError where it cannot be used, with what would mend it."""
    try:
        import tensorrt
    except (ImportError, OSError) as error:  # OSError: a library of JetPack that a container lacks
        raise SettingsError(
            f'TensorRT cannot be imported ({error}): it comes with JetPack, elsewhere pip install autonomy_nodes[gpu]'
        ) from error
    return tensorrt


def version_of(trt: Any) -> str:
    """Return the version of the Python module, and of the library that is loaded where that tells it."""
    major = str(trt.__version__).partition('.')[0]
    for name in (f'libnvinfer.so.{major}', 'libnvinfer.so'):
        try:
            return f'{trt.__version__}, library {ctypes.CDLL(name).getInferLibVersion()}'
        except (OSError, AttributeError):
            continue
    return str(trt.__version__)


def _ports(trt: Any, engine: Any, manifest: Manifest) -> tuple[Port, ...]:
    """Return its tensors; SettingsError unless they are those of the manifest, in name, way, shape and type."""
    kinds = {getattr(trt.DataType, name): np.dtype(kind) for name, kind in TYPES.items()}
    ports = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        kind = engine.get_tensor_dtype(name)
        dtype = kinds.get(kind)
        if dtype is None:
            raise SettingsError(f'engine: tensor {name!r} is {kind}, not of {", ".join(TYPES)}')
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        ports.append(Port(name, is_input, tuple(engine.get_tensor_shape(name)), dtype))
    for side, is_input in ((manifest.inputs, True), (manifest.outputs, False)):
        found = {port.name: port.shape for port in ports if port.is_input == is_input}
        wanted = {name: tensor.shape for name, tensor in side.items()}
        if set(found) != set(wanted) or not all(_fits(found[name], shape) for name, shape in wanted.items()):
            name = 'inputs' if is_input else 'outputs'
            raise SettingsError(f'engine: has {name} {found}, its manifest tells {wanted}')
    return tuple(Port(port.name, port.is_input, _told(manifest, port), port.dtype) for port in ports)


def _fits(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(found) == len(wanted) and all(a in (-1, b) for a, b in zip(found, wanted))  # -1: set when it runs


def _told(manifest: Manifest, port: Port) -> tuple[int, ...]:
    return (manifest.inputs if port.is_input else manifest.outputs)[port.name].shape
