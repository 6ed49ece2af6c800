"""Where the package's data files lie: in a checkout, below a Python prefix, or in a colcon install space."""

import os
import sys
from pathlib import Path

NAME = 'autonomy_nodes'


def share(relative: str) -> Path:
    """Return the path of a file or folder such as 'config/stack.yaml'; raises FileNotFoundError naming the places."""
    prefixes = [Path(prefix) for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if prefix]
    checkout = Path(__file__).parents[2]
    places = [checkout, *(prefix / 'share' / NAME for prefix in (*prefixes, Path(sys.prefix)))]
    for place in places:
        if (place / relative).exists():
            return place / relative
    raise FileNotFoundError(f'{relative} is in none of {", ".join(map(str, places))}; install the package anew')
