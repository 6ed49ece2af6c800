"""Which engine runs networks: chosen by name, never silently another; and what each of them offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import Manifest, Tensor

MODULES = {'onnx': 'onnxruntime', 'openvino': 'openvino', 'torch': 'torch', 'tensorrt': 'tensorrt'}
AUTO = ('tensorrt', 'onnx', 'openvino', 'torch')  # the first that is installed
NONE = 'none'


def installed(name: str) -> bool:
    """Return whether the package of an engine is there."""
    return find_spec(MODULES[name]) is not None


def choose(backend: str, require: str, has_network: bool, ready: Callable[[str], bool] = installed) -> str:
    """Return the name of the engine that will run, `none` where there is no network to run.

    ready: whether an engine may be chosen.

    Raises ValueError where `backend` is not known, or where `require` names an engine that will not run.
    """
    if backend not in ('auto', *MODULES):
        raise ValueError(f'backend={backend!r} must be auto or one of {", ".join(MODULES)}')
    if require not in ('', *MODULES):
        raise ValueError(f'require_backend={require!r} must be empty or one of {", ".join(MODULES)}')
    wanted = AUTO if backend == 'auto' else (backend,)
    chosen = next((name for name in wanted if ready(name)), NONE) if has_network else NONE
    if require and chosen != require:
        why = f'{chosen} would run' if has_network else 'this stage has no network yet: the geometric channel runs'
        raise ValueError(f'require_backend={require!r} cannot be met: {why}; install it or leave it empty')
    if has_network and chosen == NONE:
        raise ValueError(f'backend={backend!r} needs the Python package {MODULES[wanted[0]]}: install it')
    return chosen


class Backend(Protocol):
    """An engine that holds one network. manifest: of the network."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """The name of the engine, as in MODULES."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {output: (1, ...) float32} of {input: (1, ...) float32}; DataError where a shape is not the told."""
        ...

    def close(self) -> None:
        """Give back what the engine holds."""
        ...


@dataclass(frozen=True)
class Standing:
    """Which engine serves, and what is to be said of it. degraded: it serves in place of the one that was asked for."""

    engine: str
    text: str = ''
    degraded: bool = False


def standing_of(backend: Backend) -> Standing:
    """Return how a backend stands; one that is an engine and nothing else serves under its name."""
    found: Standing = getattr(backend, 'standing', Standing(backend.name))
    return found


def refuse_others(inputs: Mapping[str, np.ndarray], told: Mapping[str, Tensor]) -> None:
    """Raise DataError unless the inputs are those that are told, in name, shape and type."""
    if set(inputs) != set(told):
        raise DataError(f'network takes {sorted(told)}, not {sorted(inputs)}')
    for name, value in inputs.items():
        if value.shape != told[name].shape or value.dtype != np.float32:
            raise DataError(f'input {name!r} is {value.dtype} {value.shape}, expected float32 {told[name].shape}')
