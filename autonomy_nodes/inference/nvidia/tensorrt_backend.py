"""Networks by TensorRT on one stream: page-locked arrays and device memory are taken once, a run takes none.

What is given back is a copy: an answer that was handed on is never written over by the next one.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.backend import refuse_others
from autonomy_nodes.inference.manifest import Manifest
from autonomy_nodes.inference.nvidia.device import Device, wait
from autonomy_nodes.inference.nvidia.engine import Engine, Port

FIRST_S = 30.0  # the first run loads kernels, which takes longer than any later one

_ABANDONED: list[Any] = []  # of engines that were lost: the GPU may still write there, so it is not freed


@dataclass(frozen=True, eq=False)
class _Held:
    """Memory of one tensor on both sides."""

    port: Port
    host: np.ndarray
    memory: Any


class TensorrtBackend:
    """Holds an engine and the memory of its tensors; several threads may use it, one after the other.

    lost: why it answers no more, empty while it does. wait: returns when an event has come, see device.wait.
    """

    name = 'tensorrt'

    def __init__(
        self,
        engine: Engine,
        device: Device,
        manifest: Manifest,
        deadline_s: float = 0.2,
        wait: Callable[[Any, float], None] = wait,
    ) -> None:
        self.manifest, self.lost = manifest, ''
        self._engine, self._device, self._deadline_s, self._wait = engine, device, deadline_s, wait
        self._lock, self._held, self._ran = threading.Lock(), list[_Held](), False
        self._outputs = list(manifest.outputs)
        with device.current():
            try:
                self._context = engine.context()
                self._stream, self._done = device.stream(), device.event()
                for port in engine.ports:
                    self._hold(port)
                self._address()
            except Exception as error:
                self._give_back()
                if device.wrong(error):
                    raise SettingsError(f'the GPU does not take network {manifest.name!r}: {error}') from error
                raise

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of one sweep; DataError where there is none, or where one is not finite."""
        refuse_others(inputs, self.manifest.inputs)
        with self._lock:
            if self.lost:
                raise DataError(f'network {self.manifest.name!r} has lost its GPU: {self.lost}')
            with self._device.current():
                try:
                    self._once(inputs)
                except DataError as error:  # it did not come back in time: its memory is still in use
                    self._lose(str(error))
                    raise
                except Exception as error:
                    raise self._told(error) from error
            self._ran = True
            held = {each.port.name: each.host for each in self._held}
            answer = {name: held[name].astype(np.float32) for name in self._outputs}
        if wrong := [name for name, value in answer.items() if not np.isfinite(value).all()]:
            raise DataError(f'network {self.manifest.name!r} gives no numbers in {", ".join(wrong)}')
        return answer

    def close(self) -> None:
        """Give back the memory and the stream; those of a GPU that hangs go with the process."""
        with self._lock:
            if not self.lost:
                with self._device.current():
                    self._give_back()
                self.lost = 'it was closed'

    def _once(self, inputs: Mapping[str, np.ndarray]) -> None:
        for each in self._held:
            if each.port.is_input:
                np.copyto(each.host, inputs[each.port.name], casting='same_kind')
                self._device.upload(each.memory, each.host, self._stream)
        if not self._context.execute_async_v3(self._stream.handle):
            raise _RefusedError('TensorRT refused to run it')
        for each in self._held:
            if not each.port.is_input:
                self._device.download(each.host, each.memory, self._stream)
        self._done.record(self._stream)
        self._wait(self._done, self._deadline_s if self._ran else max(FIRST_S, self._deadline_s))

    def _told(self, error: Exception) -> Exception:
        name = self.manifest.name
        if isinstance(error, _RefusedError):
            return DataError(f'network {name!r} failed: {error}')
        if self._device.is_full(error):
            return DataError(f'network {name!r}: the GPU has no memory left ({error}): stop what else uses it')
        if self._device.wrong(error):
            self._lose(str(error))  # an error of CUDA stays with its context: only another process is rid of it
            return DataError(f'network {name!r} failed: {error}')
        return error

    def _lose(self, why: str) -> None:
        self.lost = why
        _ABANDONED.append((self._engine, self._context, self._stream, self._done, *self._held))

    def _hold(self, port: Port) -> None:
        host = self._device.pinned(port.shape, port.dtype)
        try:
            memory = self._device.memory(host.nbytes)
        except Exception:
            self._device.free(host)
            raise
        self._held.append(_Held(port, host, memory))

    def _address(self) -> None:
        inputs = [each.port for each in self._held if each.port.is_input]
        for port in inputs:
            if not self._context.set_input_shape(port.name, port.shape):
                raise SettingsError(f'engine: input {port.name!r} cannot be {port.shape}')
        for each in self._held:
            if not self._context.set_tensor_address(each.port.name, int(each.memory)):
                raise SettingsError(f'engine: tensor {each.port.name!r} cannot lie in its memory')
            name, shape = each.port.name, each.port.shape
            if (found := tuple(self._context.get_tensor_shape(name))) != shape:
                raise SettingsError(f'engine: tensor {name!r} is {found}, its manifest tells {shape}')

    def _give_back(self) -> None:
        for each in self._held:
            self._device.free(each.host, each.memory)
        self._held.clear()
        self._context = self._stream = self._done = None  # destroyed here, while the context is current


class _RefusedError(Exception):
    """TensorRT said no without an error of CUDA."""
