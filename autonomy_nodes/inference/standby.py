"""The CPU serves at once while the engine of the GPU is made ready, and again when that one is lost.

An engine is built in a process of its own: building takes minutes, holds Python's lock for most of them, takes memory
that only the end of a process surely gives back, and a crash in it must not end the node. What came of it is a file,
which a thread here reads; so all that the node's own threads ever wait for is one answer.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.backend import Backend, Standing
from autonomy_nodes.inference.parity import Tensors, Trial, parity

HEARD = 3  # real inputs on which a new engine must agree, besides the golden one
FAILURES = 3  # answers in a row that may fail before an engine is given up


class StandbyBackend:
    """A backend that begins with the engine of the CPU and goes over to another when that has passed its parity.

    trial: by which the other is judged. make: returns the other engine, which may take minutes; it is called once, in a
    thread of its own. stop: ends what `make` waits for. standing: what serves and why; it may be read from any thread.
    """

    def __init__(
        self, cpu: Backend, name: str, trial: Trial, make: Callable[[], Backend], stop: Callable[[], None]
    ) -> None:
        self.manifest = cpu.manifest
        self._cpu, self._asked, self._trial, self._make, self._stop = cpu, name, trial, make, stop
        self._heard: deque[tuple[Tensors, Tensors]] = deque(maxlen=HEARD)
        self._lock, self._failures, self._closed = threading.Lock(), 0, False
        self._other: Backend | None = None
        self.standing = self._cpu_serves(f'until the {name} engine is built')
        self._thread = threading.Thread(target=self._make_ready, name=f'{name} engine', daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The engine that serves now."""
        return self.standing.engine

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of one sweep, by the engine that serves; DataError where that has none.

        An answer that fails is not asked for again of the CPU, which would be later than the next sweep.
        """
        with self._lock:
            other = self._other
        if other is None:
            return self._by_cpu(inputs)
        try:
            answer = other.run(inputs)
        except DataError as error:
            self._failed(other, str(error))
            raise
        self._failures = 0
        return answer

    def ready(self, timeout_s: float | None = None) -> bool:
        """Wait until it is settled which engine serves from now on, and return whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End what builds, and give back both engines."""
        with self._lock:
            self._closed, other, self._other = True, self._other, None
        self._stop()
        if other is not None:
            other.close()
        self._cpu.close()

    def _by_cpu(self, inputs: Tensors) -> dict[str, np.ndarray]:
        answer = self._cpu.run(inputs)
        if self._thread.is_alive():  # copies, for the caller may write over its own
            kept = {name: value.copy() for name, value in inputs.items()}
            told = {name: value.copy() for name, value in answer.items()}
            with self._lock:
                self._heard.append((kept, told))
        return answer

    def _make_ready(self) -> None:
        try:
            other = self._make()
        except (SettingsError, DataError) as error:
            self._stays(str(error))
            return
        except BaseException as error:
            self._stays(f'{type(error).__name__}: {error}')
            raise  # a bug: its traceback is to be seen, the CPU serves on
        with self._lock:
            heard = list(self._heard)
        try:
            found = parity(other, self._cpu, self._trial, heard)
            told = '' if found.holds else f'it does not agree with the CPU: {found}'
        except (DataError, SettingsError) as error:
            told = str(error)
        if told:
            other.close()
            self._stays(told)
            return
        with self._lock:
            self._heard.clear()
            if not self._closed:
                self._other, self.standing = other, Standing(self._asked)
                return
        other.close()

    def _failed(self, other: Backend, why: str) -> None:
        with self._lock:
            self._failures += 1
            gone = getattr(other, 'lost', '')
            if self._other is other and (gone or self._failures >= FAILURES):
                self._other = None
                self.standing = self._cpu_serves(f'since the {self._asked} engine was lost: {gone or why}')

    def _stays(self, why: str) -> None:
        with self._lock:
            self._heard.clear()
            self.standing = self._cpu_serves(f'for there is no {self._asked} engine: {why}')

    def _cpu_serves(self, why: str) -> Standing:
        return Standing(self._cpu.name, f'the CPU serves {why}', degraded=True)
