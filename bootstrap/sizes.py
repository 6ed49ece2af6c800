"""Print what the environment holds in megabytes: the vehicle's part, and what each extra adds to it.

usage: python bootstrap/sizes.py [EXTRA ...]      (the Python of the environment)
"""

import re
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement  # what pip itself reads requirements with

ROOT = Path(__file__).resolve().parents[1]
LIMIT_MB = 1000  # of the vehicle's part


def found(name: str) -> Distribution | None:
    """Return an installed distribution if it is there and lies in this environment."""
    try:
        it = distribution(name)
    except PackageNotFoundError:
        return None
    return it if Path(str(it.locate_file(''))).is_relative_to(sys.prefix) else None


def closure(names: Iterable[str], extra: str = '') -> set[str]:
    """Return the installed distributions that `names` need, themselves included; `extra` of the first level only."""
    todo, seen = [(name, extra) for name in names], set()
    while todo:
        name, extra = todo.pop()
        name = re.sub(r'[-_.]+', '-', name).lower()
        it = found(name)
        if it is None or (name in seen and not extra):
            continue
        seen.add(name)
        for line in it.requires or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({'extra': extra}):
                todo += [(need.name, each) for each in (need.extras or {''})]
    return seen


def megabytes(names: Iterable[str]) -> float:
    """Return the size of the files of distributions."""
    paths = {Path(str(file.locate())) for name in names for file in (distribution(name).files or ())}
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def messages_megabytes() -> float:
    """Return the size of the message packages that were built here."""
    packages = Path(sysconfig.get_path('platlib')).glob('*/.built_from')
    return sum(file.stat().st_size for mark in packages for file in mark.parent.rglob('*') if file.is_file()) / 1e6


def main() -> int:
    """Print the sizes; fail if the vehicle's part is too large."""
    lines = (ROOT / 'constraints' / 'ros-requirements.txt').read_text().splitlines()
    ros = closure(line.split()[0] for line in lines if line and not line.startswith('#'))
    vehicle = ros | closure(['autonomy-nodes', 'pip', 'setuptools'])
    total = megabytes(vehicle) + messages_megabytes()
    print(f'installed: vehicle {total:.0f} MB (of them ROS 2 {megabytes(ros) + messages_megabytes():.0f} MB)', end='')
    for extra in sys.argv[1:]:
        print(f', {extra} {megabytes(closure(["autonomy-nodes"], extra) - vehicle):.0f} MB', end='')
    print()
    if total > LIMIT_MB:
        print(f'the part for the vehicle is larger than {LIMIT_MB} MB')
    return int(total > LIMIT_MB)


if __name__ == '__main__':
    sys.exit(main())
