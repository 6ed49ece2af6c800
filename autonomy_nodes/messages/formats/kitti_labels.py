"""Labels of KITTI: boxes in front of the camera, in a table a sequence (tracking) or a file a frame (objects)."""

import gzip
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.common.types import DataError

COLUMNS = (
    'kind', 'truncated', 'occluded', 'alpha', 'left', 'top', 'right', 'bottom', 'height', 'width', 'length',
    'x', 'y', 'z', 'yaw',
)  # fmt: skip


@dataclass(frozen=True)
class KittiLabel:
    """A labelled box in the rectified camera 0: bottom centre, turn about its y axis. track: -1 where not told.

    box_px: left top right bottom in camera 2. truncated, occluded: as the benchmark tells them. NaN where not told.
    """

    kind: str
    track: int
    size_m: tuple[float, float, float]  # length, width, height
    bottom_m: tuple[float, float, float]
    yaw_rad: float
    box_px: tuple[float, float, float, float] = (math.nan,) * 4
    truncated: float = math.nan
    occluded: float = math.nan


def label_table(path: Path, numbers: Iterable[int]) -> tuple[dict[int, list[KittiLabel]], list[str]]:
    """Read the labels of a sequence; a frame before the last labelled one that has no row has no objects."""
    rows: dict[int, list[tuple[int, list[str]]]] = {}
    errors = []
    for row, line in enumerate(text_of(path).splitlines(), start=1):
        words = line.split()
        if len(words) > 2 and words[0].isdigit() and words[1].lstrip('-').isdigit():
            rows.setdefault(int(words[0]), []).append((row, words))
        elif words:
            errors.append(f'{path}:{row}: is no label: {line[:60]!r}')
    labels: dict[int, list[KittiLabel]] = {number: [] for number in numbers if number <= max(rows, default=-1)}
    for number, entries in sorted(rows.items()):
        try:
            found = [_label(path, row, words[2:], int(words[1])) for row, words in entries]
            labels[number] = [label for label in found if label is not None]
        except DataError as error:
            labels.pop(number, None)
            errors.append(str(error))
    return labels, errors


def label_files(paths: Mapping[int, Path]) -> tuple[dict[int, list[KittiLabel]], list[str]]:
    """Read the labels of frames that have a file each."""
    labels, errors = {}, []
    for number, path in paths.items():
        try:
            rows = enumerate(text_of(path).splitlines(), start=1)
            found = [_label(path, row, line.split(), -1) for row, line in rows if line.strip()]
            labels[number] = [label for label in found if label is not None]
        except DataError as error:
            errors.append(str(error))
    return labels, errors


def ignored_regions(text: str, table: bool) -> dict[int, list[tuple[float, ...]]]:
    """Return {frame: left top right bottom of each region that nobody looked at}; {0: ...} of a file a frame."""
    regions: dict[int, list[tuple[float, ...]]] = {}
    for line in text.splitlines():
        words = line.split()
        number, words = (words[0], words[2:]) if table else ('0', words)
        if len(words) > 7 and words[0] == 'DontCare' and number.isdigit():
            regions.setdefault(int(number), []).append(tuple(float(word) for word in words[4:8]))
    return regions


def text_of(path: Path) -> str:
    """Return the text of a file, unpacked where it ends in .gz; raises DataError naming it."""
    try:
        return gzip.decompress(path.read_bytes()).decode() if path.suffix == '.gz' else path.read_text()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f'{path}: cannot be read ({error}); fetch it again') from error


def _label(path: Path, row: int, words: Sequence[str], track: int) -> KittiLabel | None:
    """Return a label, None for a region that nobody looked at."""
    if words[0] == 'DontCare':
        return None
    if words[0].isdigit():
        raise DataError(f'{path}:{row}: is the table of a sequence; give the folder velodyne/{path.stem}')
    try:
        values = dict(zip(COLUMNS[1:], (float(word) for word in words[1 : len(COLUMNS)])))
        size = (values['length'], values['width'], values['height'])
        box = (values['left'], values['top'], values['right'], values['bottom'])
        bottom = (values['x'], values['y'], values['z'])
        label = KittiLabel(
            words[0], track, size, bottom, values['yaw'], box, values['truncated'], values['occluded']
        )
    except (IndexError, KeyError, ValueError) as error:
        raise DataError(f'{path}:{row}: is no label: {" ".join(words)[:60]!r}') from error
    if not all(math.isfinite(value) for value in values.values()) or min(size) <= 0.0:
        raise DataError(f'{path}:{row}: label has size {size}')
    return label
