"""The kernels on a GPU: plans run by pycuda, on device memory and a stream that the caller holds.

Nothing is allocated and nothing waited for: whoever needs the answer waits for the stream.
"""

from pathlib import Path
from typing import Any

from autonomy_nodes.inference.nvidia.kernels import cubins, sources
from autonomy_nodes.inference.nvidia.kernels.plans import THREADS, Clear, Plan


class Launcher:
    """Holds the compiled sources in the context that is current when it is made, and is used in that one alone."""

    def __init__(self, images: dict[str, bytes]) -> None:
        """Load the cubins. images: by sources.NAMES."""
        from pycuda import driver

        self._driver = driver
        self._modules = {name: driver.module_from_buffer(image) for name, image in images.items()}
        self._functions: dict[str, Any] = {}

    def run(self, plan: Plan, stream: Any) -> None:
        """Put all steps into a stream of pycuda; ValueError where the plan is of a source that was not loaded."""
        if plan.source not in self._modules:
            raise ValueError(f'kernels of {plan.source!r} were not loaded, only {", ".join(self._modules) or "none"}')
        for step in plan.steps:
            if isinstance(step, Clear):
                self._driver.memset_d8_async(step.address, 0, step.size, stream)
                continue
            function = self._function(plan.source, step.kernel)
            function(*step.arguments, block=(THREADS, 1, 1), grid=(step.blocks, 1), stream=stream)

    def _function(self, source: str, kernel: str) -> Any:
        if kernel not in self._functions:
            self._functions[kernel] = self._modules[source].get_function(kernel)
        return self._functions[kernel]


def launcher(device: Any, names: tuple[str, ...] = sources.NAMES, folder: Path | None = None) -> Launcher:
    """Return the sources loaded for a pycuda device whose context is current, compiled first where they never were.

    folder: of the cubins, the cache where none is named. Raises SettingsError as cubins.compiled does.
    """
    major, minor = device.compute_capability()
    paths = {name: cubins.compiled(name, 10 * major + minor, folder or sources.cache()) for name in names}
    return Launcher({name: path.read_bytes() for name, path in paths.items()})
