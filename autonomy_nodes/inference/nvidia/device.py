"""One CUDA device by pycuda: memory, copies and waiting, behind as little as an engine needs.

The primary context is retained, which TensorRT and torch use as well, and pushed only around each use: contexts of
one's own (pycuda.autoinit, make_context) clash with them. pycuda has no CUDA graphs, so none are used.
"""

import atexit
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError

NAP_S = 5e-5  # between two looks at whether a stream is done: a core is not burnt, an answer is hardly later


class Device(Protocol):
    """What holds memory and a stream. Everything but `current` is to be called inside of `current`."""

    name: str
    capability: str
    sms: int
    cuda: str

    def current(self) -> Any:
        """Return a context manager in which the calling thread uses the device."""

    def pinned(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return a page-locked array of the host; SettingsError where there is no memory."""

    def memory(self, size: int) -> Any:
        """Return device memory, whose int() is its address; SettingsError where there is none."""

    def stream(self) -> Any:
        """Return a stream, with `handle`."""

    def event(self) -> Any:
        """Return an event, with `record(stream)` and `query()`."""

    def upload(self, memory: Any, host: np.ndarray, stream: Any) -> None:
        """Copy to the device when the stream comes to it."""

    def download(self, host: np.ndarray, memory: Any, stream: Any) -> None:
        """Copy from the device when the stream comes to it."""

    def free(self, *held: Any) -> None:
        """Give back memory of the device and of the host."""

    def wrong(self, error: Exception) -> bool:
        """Return whether an exception is one of CUDA."""

    def is_full(self, error: Exception) -> bool:
        """Return whether an exception tells that there is no memory."""


class CudaDevice:
    """A device by pycuda. driver: the module pycuda.driver, or one that does as it does."""

    def __init__(self, driver: Any, ordinal: int = 0) -> None:
        self._driver = driver
        try:
            driver.init()
            if driver.Device.count() <= ordinal:
                raise SettingsError(f'there is no CUDA device {ordinal}: {driver.Device.count()} answer')
            device = driver.Device(ordinal)
            self.name = str(device.name())
            self.capability = '.'.join(map(str, device.compute_capability()))
            self.sms = int(device.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT))
            self.cuda = f'{".".join(map(str, driver.get_version()))}, driver {driver.get_driver_version()}'
            self._context = device.retain_primary_context()
        except driver.Error as error:
            raise SettingsError(f'no CUDA device answers: {error}') from error

    @contextmanager
    def current(self) -> Iterator[None]:
        """See `Device`."""
        self._context.push()
        try:
            yield
        finally:
            self._driver.Context.pop()

    def pinned(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """See `Device`."""
        with self._enough(f'page-locked memory for {shape}'):
            array: np.ndarray = self._driver.pagelocked_empty(shape, dtype)
        return array

    def memory(self, size: int) -> Any:
        """See `Device`."""
        with self._enough(f'{size} bytes of its memory'):
            return self._driver.mem_alloc(size)

    def stream(self) -> Any:
        """See `Device`."""
        return self._driver.Stream()

    def event(self) -> Any:
        """See `Device`."""
        return self._driver.Event(self._driver.event_flags.DISABLE_TIMING)

    def upload(self, memory: Any, host: np.ndarray, stream: Any) -> None:
        """See `Device`."""
        self._driver.memcpy_htod_async(memory, host, stream)

    def download(self, host: np.ndarray, memory: Any, stream: Any) -> None:
        """See `Device`."""
        self._driver.memcpy_dtoh_async(host, memory, stream)

    def free(self, *held: Any) -> None:
        """See `Device`."""
        for each in held:
            owner: Any = each.base if isinstance(each, np.ndarray) else each
            owner.free()

    def close(self) -> None:
        """Let go of the device for good: what is destroyed later does not reach for it any more.

        Left to its destructor, pycuda would detach a primary context as if it were one of its own.
        """
        self._context.push()
        self._context.detach()

    def wrong(self, error: Exception) -> bool:
        """See `Device`."""
        return isinstance(error, self._driver.Error)

    def is_full(self, error: Exception) -> bool:
        """See `Device`."""
        return isinstance(error, self._driver.MemoryError)

    @contextmanager
    def _enough(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._driver.MemoryError as error:
            raise SettingsError(
                f'{self.name} has no {what} left ({error}): stop what else uses the GPU, or take a smaller precision'
            ) from error


@cache
def opened() -> CudaDevice:
    """Return the first device, one for the process; SettingsError where pycuda or a device is missing."""
    try:
        from pycuda import driver
    except ImportError as error:
        raise SettingsError(f'pycuda cannot be imported ({error}): pip install autonomy_nodes[gpu]') from error
    device = CudaDevice(driver)
    atexit.register(device.close)
    return device


def wait(
    event: Any,
    deadline_s: float,
    now_s: Callable[[], float] = time.monotonic,
    nap: Callable[[float], None] = time.sleep,
) -> None:
    """Return when an event has come; DataError where it has not `deadline_s` from now."""
    end_s = now_s() + deadline_s
    while not event.query():
        if now_s() > end_s:
            raise DataError(f'the GPU gave no answer within {deadline_s} s: it hangs')
        nap(NAP_S)
