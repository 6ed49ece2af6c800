"""The sources of the kernels, and where what was compiled of them is kept."""

import os
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent
SHIM = FOLDER / 'shim.cu'  # included by each of them
NAMES = ('splat', 'lift', 'decode')
_LETTERS = 16  # of a hash in a file's name


def source(name: str) -> Path:
    """Return the file of one of NAMES; ValueError for another."""
    if name not in NAMES:
        raise ValueError(f'kernel source {name!r} must be one of {", ".join(NAMES)}')
    return FOLDER / f'{name}.cu'


def digest(path: Path, *options: str) -> str:
    """Return letters that change with a source, the shim and what the compiler is told."""
    told = '\0'.join(options).encode()
    return sha256(b'\0'.join((path.read_bytes(), SHIM.read_bytes(), told))).hexdigest()[:_LETTERS]


def cache() -> Path:
    """Return the folder of what was compiled on this machine; it need not be there yet."""
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'autonomy_nodes' / 'kernels'


def put(content: bytes, path: Path) -> Path:
    """Write a file that others see whole or not at all, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    part.write_bytes(content)
    return part.replace(path)
