"""Build pycuda for a machine without CUDA (no toolkit, driver or GPU), for tests on a driver of the host's memory.

usage: python bootstrap/build_pycuda.py [--target FOLDER]   (the Python that runs it is the one it is built for)

pycuda comes as source only. What its build asks for is given to it: cuda.h and cudaProfiler.h from NVIDIA's wheels,
an empty libcuda made here by the C compiler, and no CURAND. The result needs a libcuda.so.1 to be imported: that of a
driver, or the one that test/native/libcuda.c makes. On a vehicle, where the toolkit is, `pip install pycuda` is right.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from machine import missing_packages, remedy

PYCUDA = 'pycuda==2026.1'
HEADERS = ('nvidia-cuda-runtime==13.5.37', 'nvidia-cuda-profiler-api==13.5.25')  # cuda.h, cudaProfiler.h
NEEDED_BY_IT = ('pytools', 'platformdirs', 'mako')  # told in its setup.py; numpy is ours already


def pip(*words: object) -> None:
    """Run pip of this Python; on failure tell what it said."""
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', *map(str, words)]
    keep = f'{os.environ.get("LDFLAGS", "")} -Wl,--no-as-needed'  # libcuda is wanted, though the empty one has nothing
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, 'LDFLAGS': keep})
    if done.returncode:
        raise SystemExit(f'{" ".join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}')


def headers(work: Path) -> Path:
    """Return the folder of the headers, from NVIDIA's wheels, unpacked below `work`."""
    pip('install', '--no-deps', '--target', work / 'headers', *HEADERS)
    found = next((work / 'headers').rglob('cuda.h'), None)
    if found is None or not (found.parent / 'cudaProfiler.h').is_file():
        raise SystemExit(f'{" and ".join(HEADERS)} hold no cuda.h: set other versions in {Path(__file__).name}')
    return found.parent


def empty_driver(work: Path) -> Path:
    """Return a folder with a libcuda.so that has nothing but its name: enough to link against."""
    folder, source = work / 'driver', work / 'empty.c'
    folder.mkdir()
    source.write_text('/* nothing: the loader finds the real one, or that of the tests, by its name */\n')
    compiler = os.environ.get('CC', 'cc')
    command = [compiler, '-shared', '-fPIC', '-Wl,-soname,libcuda.so.1', '-o', str(folder / 'libcuda.so'), str(source)]
    subprocess.run(command, check=True)
    return folder


def unpacked(work: Path) -> Path:
    """Return the folder of pycuda's source, below `work`."""
    pip('download', '--no-deps', '--no-binary', 'pycuda', '--dest', work, PYCUDA)
    with tarfile.open(next(work.glob('pycuda-*.tar.gz'))) as archive:
        if any(Path(name).is_absolute() or '..' in Path(name).parts for name in archive.getnames()):
            raise SystemExit(f'{PYCUDA}: its archive points outside of its folder')
        archive.extractall(work / 'source')
    return next((work / 'source').iterdir())


def build(work: Path, target: Path | None) -> None:
    """Build it below `work` and install it: into this Python, or into the folder `target`."""
    source, place = unpacked(work), () if target is None else ('--target', target)
    settings = {
        'CUDA_INC_DIR': [str(headers(work))],
        'CUDADRV_LIB_DIR': [str(empty_driver(work))],
        'CUDADRV_LIBNAME': ['cuda'],
        'CUDA_ENABLE_CURAND': False,
        'USE_SHIPPED_BOOST': True,
        'CXXFLAGS': ['-O1', '-w'],
    }
    (source / 'siteconf.py').write_text(''.join(f'{name} = {value!r}\n' for name, value in settings.items()))
    pip('install', '--no-deps', '--upgrade', *place, source)
    pip('install', *place, *NEEDED_BY_IT)


def main() -> int:
    """Build and install."""
    parser = argparse.ArgumentParser(description='Build pycuda for a machine without CUDA.')
    parser.add_argument('--target', type=Path, help='a folder for PYTHONPATH; by default this Python itself')
    target = parser.parse_args().target
    if lacking := missing_packages(compiler=True):
        raise SystemExit(f'this machine lacks {", ".join(lacking)}. {remedy(lacking)}')
    work = Path(tempfile.mkdtemp(prefix='pycuda-'))
    try:
        build(work, target)
    finally:
        shutil.rmtree(work)
    print(f'{PYCUDA} is built; it needs a libcuda.so.1 to be imported')
    return 0


if __name__ == '__main__':
    sys.exit(main())
