"""The kernels on the CPU: the same source compiled by g++ at first use, thread after thread.

Neither fused multiplications nor the processor's own instructions: so it computes what numpy computes, on any machine.
"""

import ctypes
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.nvidia.kernels import sources
from autonomy_nodes.inference.nvidia.kernels.plans import THREADS, Clear, Launch, Plan

OPTIONS = ('-std=c++17', '-x', 'c++', '-O2', '-ffp-contract=off', '-fPIC', '-shared')
REALS = ('float', 'double')  # in which lift computes
_PATIENCE_S = 120


class Library:
    """Runs the plans of one compiled source, on addresses of this process."""

    def __init__(self, path: Path, source: str) -> None:
        self.source = source
        self._loaded = ctypes.CDLL(str(path))

    def run(self, plan: Plan) -> None:
        """Run all steps; ValueError where a plan is of another source or its arguments do not fit the kernel's."""
        if plan.source != self.source:
            raise ValueError(f'a plan of {plan.source!r} cannot run on the kernels of {self.source!r}')
        for step in plan.steps:
            if isinstance(step, Clear):
                ctypes.memset(step.address, 0, step.size)
            else:
                self._launch(step)

    def _launch(self, step: Launch) -> None:
        self.launch(step.kernel, step.blocks, THREADS, [np.asarray(value).tobytes() for value in step.arguments])

    def launch(self, kernel: str, blocks: int, threads: int, arguments: list[bytes]) -> None:
        """Run one kernel; ValueError where it does not exist or takes arguments of other sizes."""
        try:
            function = getattr(self._loaded, f'{kernel}_on_cpu')
        except AttributeError as error:
            raise ValueError(f'{self.source!r} has no kernel {kernel!r}') from error
        count = len(arguments)
        held = [ctypes.create_string_buffer(value, len(value)) for value in arguments]
        sizes = (ctypes.c_uint * count)(*(len(value) for value in arguments))
        addresses = (ctypes.c_void_p * count)(*(ctypes.addressof(value) for value in held))
        if not function(ctypes.c_uint(blocks), ctypes.c_uint(threads), ctypes.c_uint(count), sizes, addresses):
            raise ValueError(f'{kernel} takes other arguments than {[len(value) for value in arguments]} bytes')


@cache
def library(name: str, real: str = 'float', folder: Path | None = None) -> Library:
    """Return the compiled source, one of sources.NAMES; compiled where no file for it lies in the folder or the cache.

    Raises SettingsError where there is no g++ or it refuses the source.
    """
    if real not in REALS:
        raise ValueError(f'real={real!r} must be one of {", ".join(REALS)}')
    return Library(built(sources.source(name), real, folder or sources.cache()), name)


def built(source: Path, real: str, folder: Path) -> Path:
    """Return the shared library of a source, compiled unless it lies there."""
    compiler = shutil.which('g++')
    if compiler is None:
        raise SettingsError('kernels on the CPU are compiled by g++, which is not here: install it (apt install g++)')
    version = _said([compiler, '-dumpfullversion'])
    options = (*OPTIONS, f'-DREAL={real}', f'-I{sources.FOLDER}')
    letters = sources.digest(source, *options[:-1], version, platform.machine())
    path = folder / f'{source.stem}-{real}-{letters}.so'
    if not path.is_file():
        with TemporaryDirectory() as place:
            made = Path(place) / 'made.so'
            _said([compiler, *options, '-o', str(made), str(source)])
            sources.put(made.read_bytes(), path)
    return path


def _said(command: list[str]) -> str:
    """Return what a compiler prints; SettingsError with its complaint where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f'{command[0]} did not compile {command[-1]}: {error}') from error
    if done.returncode:
        raise SettingsError(f'{command[0]} refused {command[-1]}: {done.stderr.strip()[-2000:]}')
    return done.stdout.strip()
