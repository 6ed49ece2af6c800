"""The kernels for a GPU: each source compiled for one SM, by nvcc or by NVRTC, whichever is here.

An Orin is 87, a Thor 110. No fused multiplications: so that a GPU computes what the CPU computes.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.nvidia.kernels import sources

OPTIONS = ('--std=c++17', '--fmad=false')
_PATIENCE_S = 300
_REPORT = re.compile(
    r"Compiling entry function '(?P<kernel>\w+)'.*?(?P<stack>\d+) bytes stack frame, "
    r'(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers',
    re.DOTALL,
)


@dataclass(frozen=True)
class Use:
    """What one thread of a kernel takes of a GPU; the bytes are of slow memory."""

    registers: int
    stack_bytes: int
    spilled_bytes: int


def path_of(name: str, sm: int, folder: Path) -> Path:
    """Return where the compiled source, one of sources.NAMES, lies or would lie: named by SM and source."""
    if not 50 <= sm <= 999:
        raise ValueError(f'sm={sm} must be a compute capability without its point, such as 87')
    return folder / f'{name}-sm_{sm}-{sources.digest(sources.source(name), *OPTIONS)}.cubin'


def compiled(name: str, sm: int, folder: Path) -> Path:
    """Return the compiled source in the folder, compiled now unless it lies there.

    Raises SettingsError where there is neither nvcc nor NVRTC, and where what is there refuses the source or the SM.
    """
    path = path_of(name, sm, folder)
    return path if path.is_file() else sources.put(compile_now(name, sm)[0], path)


def compile_now(name: str, sm: int, compiler: str = '') -> tuple[bytes, dict[str, Use]]:
    """Return the cubin of a source and what its kernels take. compiler: one of available(); empty: its first."""
    source, here = sources.source(name), available()
    found = compiler or (here[0] if here else '')
    if found not in here:
        raise SettingsError(
            'CUDA kernels are compiled by nvcc or NVRTC, and neither is here: install the CUDA toolkit, or '
            'pip install cuda-bindings nvidia-cuda-nvrtc'
        )
    cubin, report = (_by_nvcc if found == 'nvcc' else _by_nvrtc)(source, sm)
    return cubin, used(report)


def available() -> tuple[str, ...]:
    """Return which compilers are here, of nvcc and nvrtc."""
    found = ('nvcc',) if shutil.which('nvcc') else ()
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except (ImportError, RuntimeError):  # the second where the bindings find no library
        return found
    return (*found, 'nvrtc')


def used(report: str) -> dict[str, Use]:
    """Return what each kernel takes, from what ptxas says when it is asked for more words."""
    return {
        match['kernel']: Use(int(match['registers']), int(match['stack']), int(match['stores']) + int(match['loads']))
        for match in _REPORT.finditer(report)
    }


def _by_nvcc(source: Path, sm: int) -> tuple[bytes, str]:
    with TemporaryDirectory() as place:
        made = Path(place) / 'made.cubin'
        command = ['nvcc', '-cubin', f'-arch=sm_{sm}', *OPTIONS, '-Xptxas', '-v', '-o', str(made), str(source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SettingsError(f'nvcc did not compile {source.name} for sm_{sm}: {error}') from error
        if done.returncode:
            raise SettingsError(f'nvcc refused {source.name} for sm_{sm}: {(done.stderr or done.stdout)[-2000:]}')
        return made.read_bytes(), done.stdout + done.stderr


def _by_nvrtc(source: Path, sm: int) -> tuple[bytes, str]:
    from cuda.bindings import nvrtc

    def asked(answer: tuple[Any, ...]) -> Any:
        if int(answer[0]):
            raise SettingsError(f'NVRTC gave {answer[0].name} on {source.name} for sm_{sm}')
        return answer[1] if len(answer) == 2 else None

    include = (sources.SHIM.read_bytes(), sources.SHIM.name.encode())
    text = source.read_bytes()
    program = asked(nvrtc.nvrtcCreateProgram(text, source.name.encode(), 1, [include[0]], [include[1]]))
    try:
        options = [word.encode() for word in (f'--gpu-architecture=sm_{sm}', *OPTIONS, '--ptxas-options=-v')]
        code = nvrtc.nvrtcCompileProgram(program, len(options), options)[0]
        log = b' ' * asked(nvrtc.nvrtcGetProgramLogSize(program))
        asked(nvrtc.nvrtcGetProgramLog(program, log))
        report = log.decode(errors='replace').strip('\0 ')
        if int(code):
            raise SettingsError(f'NVRTC refused {source.name} for sm_{sm}: {code.name} {report[-2000:]}')
        cubin = b' ' * asked(nvrtc.nvrtcGetCUBINSize(program))
        asked(nvrtc.nvrtcGetCUBIN(program, cubin))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return cubin, report
