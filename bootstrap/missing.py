"""Print the version of numpy, then what of our requirements cannot be imported, one a line; for beside a sourced ROS 2.

usage: python bootstrap/missing.py NAMES [EXTRA ...]      (NAMES: JSON {distribution: module}, where they differ)
"""

import importlib.util
import json
import os
import sys
from importlib.metadata import requires, version
from pathlib import Path

from machine import remedy
from pip._vendor.packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Print what is missing; fail, with the apt line, if it is message packages."""
    names, extras = json.loads(sys.argv[1]), ['', *sys.argv[2:]]
    packages = sorted(path.parent.name for path in (ROOT / 'interfaces').glob('*/msg'))
    if lacking := [name for name in packages if importlib.util.find_spec(name) is None]:
        apt = [f'ros-{os.environ["ROS_DISTRO"]}-{name.replace("_", "-")}' for name in lacking]
        print(f'the sourced ROS 2 lacks message packages. {remedy(apt)}')
        return 1
    print(f'numpy=={version("numpy")}')
    for line in requires('autonomy-nodes') or ():
        need = Requirement(line)
        asked = need.marker is None or any(need.marker.evaluate({'extra': extra}) for extra in extras)
        if asked and importlib.util.find_spec(names.get(need.name, need.name.replace('-', '_'))) is None:
            print(f'{need.name}{need.specifier}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
