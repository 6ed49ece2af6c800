"""Build the message packages that pip lacks from `interfaces/` and install them into this Python's environment.

usage: python bootstrap/interfaces.py DISTRO

Run it with the Python of the environment. It needs the ROS 2 wheels of that and a C and a C++ compiler, nothing else.
A built package is kept under build/interfaces/ and built anew only if its texts, rclpy, Python or this builder change.
"""

import hashlib
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

from compile import build
from generate import generate

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(sysconfig.get_path('platlib'))
MARK = '.built_from'  # in an installed package: the key of what it was built from


def read_texts(folder: Path, distro: str) -> dict[str, dict[str, str]]:
    """Return {package: {message: text}}; a text below `folder`/DISTRO replaces the common one of the same name."""
    packages: dict[str, dict[str, str]] = {}
    for root in (folder, folder / distro):
        for path in sorted(root.glob('*/msg/*.msg')):
            packages.setdefault(path.parts[-3], {})[path.stem] = path.read_text()
    return packages


def key_of(texts: dict[str, str]) -> str:
    """Return a name for what a build depends on."""
    parts = [version('ros-rclpy'), version('numpy'), platform.python_version(), platform.machine()]
    parts += [(Path(__file__).parent / f'{module}.py').read_text() for module in ('compile', 'generate')]
    parts += [f'{name}\n{text}' for name, text in sorted(texts.items())]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]


def make(package: str, texts: dict[str, str], kept: Path) -> str:
    """Build a package into the folder `kept`, whole or not at all; return a line that tells the time."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sources = generate(package, texts, work)
        build(sources, work, work / 'out' / package)
        (work / 'out' / package / MARK).write_text(kept.name)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(work / 'out', kept)
    return f'{package}: {len(texts)} messages in {time.perf_counter() - began:.1f} s'


def install(package: str, kept: Path) -> None:
    """Copy a built package into the environment, in place of an older one."""
    shutil.rmtree(SITE / package, ignore_errors=True)
    shutil.copytree(kept / package, SITE / package)


def main() -> None:
    """Bring every package of interfaces/ into the environment."""
    packages = read_texts(ROOT / 'interfaces', sys.argv[1])
    kept = {name: ROOT / 'build' / 'interfaces' / name / key_of(texts) for name, texts in packages.items()}
    old = [name for name in packages if not (kept[name] / name / MARK).exists()]
    old.sort(key=lambda name: -len(packages[name]))  # the longest first, so that both workers end together
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for line in pool.map(make, old, [packages[name] for name in old], [kept[name] for name in old]):
            print(f'  built {line}', flush=True)
    for name, folder in kept.items():
        mark = SITE / name / MARK
        if not mark.exists() or mark.read_text() != folder.name:
            install(name, folder)


if __name__ == '__main__':
    main()
