"""A second look at a recording that was made anonymous: no latitude or longitude of before may stand in its bytes."""

import math
import shutil
import struct
from pathlib import Path

from autonomy_nodes.messages.bags import BagError, Recording

MOST_BYTES = 2**20  # larger messages are sweeps, pictures and rasters, whose types hold no such numbers
DECIMALS = 4  # of a degree, 11 m: so much as text tells the place


class Originals:
    """Remembers some latitudes and longitudes, to look for them: the first, the second, the fourth, and so on."""

    def __init__(self) -> None:
        self._count, self._patterns = 0, dict[bytes, str]()

    def add(self, *degrees: float) -> None:
        """Remember a place as it was."""
        self._count += 1
        if self._count & (self._count - 1):
            return
        for value in degrees:
            told = f'{value:.{DECIMALS}f} degrees'
            cut = f'{math.trunc(value * 10**DECIMALS) / 10**DECIMALS:.{DECIMALS}f}'
            for pattern in (struct.pack('<d', value), struct.pack('>d', value), cut.encode()):
                self._patterns[pattern] = told

    def check(self, path: Path) -> None:
        """Raise BagError, and remove the recording, where one of the places still stands in a message."""
        for name, _, _, data in Recording(path).messages():
            found = next((told for pattern, told in self._patterns.items() if pattern in data), '')
            if found and len(data) <= MOST_BYTES:
                remove(path)
                raise BagError(f'{name} still tells {found}, so {path} was removed; leave it out with --without {name}')


def remove(path: Path) -> None:
    """Remove a recording, be it a folder or a file."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
