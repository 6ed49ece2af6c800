"""Files that data sets are made of; what is wrong with one is said with its name and a remedy."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from autonomy_nodes.common.geometry import matrix_of
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.formats.kitti_files import FARTHEST_M

Value = TypeVar('Value')
AGAIN = 'fetch it again'


def library(name: str, path: Path) -> Any:
    """Return a library that only some formats need; raises DataError naming the extra where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        remedy = "pip install 'autonomy_nodes[import]'"
        raise DataError(f'{path}: reading {path.suffix} needs {name}, which is not installed: {remedy}') from error


def numbered(place: Path, *endings: str) -> dict[int, Path]:
    """Return {number: path} of the files NUMBER.ENDING in a folder, in order; nothing where there is no folder."""
    found = [path for path in place.iterdir() if path.suffix in endings] if place.is_dir() else []
    paths = [path for path in found if path.stem.isdigit()]
    return {int(path.stem): path for path in sorted(paths, key=lambda path: int(path.stem))}


def only_folder(folder: Path) -> Path:
    """Return the folder; raises DataError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f'{folder}: no such folder')
    return folder


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error


def read_npz(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file, which must have those named."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception as error:  # whatever numpy meets in a broken file
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error
    if missing := [name for name in names if name not in arrays]:
        raise DataError(f'{path}: lacks {", ".join(missing)}; it holds {", ".join(sorted(arrays))}')
    return arrays


def read_rows(path: Path, columns: int) -> np.ndarray:
    """Return (N, columns) of a file of little-endian float32 rows."""
    try:
        values = np.fromfile(path, '<f4')
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error
    if values.size == 0 or size % (4 * columns):
        raise DataError(f'{path}: {size} bytes are no points of {4 * columns} bytes each; {AGAIN}')
    return values.reshape(-1, columns)


def read_numbers(path: Path, columns: int | None = None) -> np.ndarray:
    """Return (N, columns) of a text file of numbers."""
    try:
        rows = [[float(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error
    if not rows:
        raise DataError(f'{path}: is empty; {AGAIN}')
    wanted = columns or len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != wanted or not np.isfinite(row).all():
            raise DataError(f'{path}:{number}: holds {len(row)} numbers, expected {wanted} finite ones')
    return np.array(rows).reshape(-1, wanted)


def read_poses(path: Path) -> np.ndarray:
    """Return (N, 4, 4) of a text file with the upper three rows of a pose a line."""
    rows = read_numbers(path, 12)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = rows.reshape(-1, 3, 4)
    return poses


def read_table(path: Path, *names: str, where: tuple[str, int] | None = None) -> dict[str, np.ndarray]:
    """Return the columns of a .feather or .parquet file, of an .npz or of a .json list of rows; as arrays.

    names: columns that there must be. Of .parquet only these are read, and only rows whose column `where` has a value.
    """
    if path.suffix == '.npz':
        return read_npz(path, *names)
    if path.suffix == '.json':
        rows = read_json(path)
        table = {name: np.array([row.get(name) for row in rows]) for name in (rows[0] if rows else {})}
    else:
        table = _read_arrow(path, names, where)
    if missing := [name for name in names if name not in table]:
        raise DataError(f'{path}: lacks {", ".join(missing)}; it holds {", ".join(sorted(table))}')
    return table


def _read_arrow(path: Path, names: Sequence[str], where: tuple[str, int] | None) -> dict[str, np.ndarray]:
    module = library('pyarrow.feather' if path.suffix == '.feather' else 'pyarrow.parquet', path)
    asked: dict[str, Any] = {}
    if path.suffix == '.parquet':
        asked = {'columns': list(names), 'filters': [(where[0], '=', where[1])] if where else None}
    try:
        table = module.read_table(str(path), **asked)
        return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}
    except Exception as error:  # whatever the library meets in a broken file
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error


def read_depth(path: Path, metres_a_unit: float) -> np.ndarray:
    """Return (H, W) float32 metres of a picture of 16 bits, NaN where it is 0."""
    pixels = cv2.imdecode(_packed(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise DataError(f'{path}: is no depth picture of 16 bits; {AGAIN}')
    return np.where(pixels > 0, pixels * np.float32(metres_a_unit), np.float32(np.nan)).astype(np.float32)


def read_classes(path: Path) -> np.ndarray:
    """Return (H, W) uint8 of a picture whose values are classes; of a coloured one its first channel."""
    pixels = cv2.imdecode(_packed(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint8:
        raise DataError(f'{path}: is no picture of classes; {AGAIN}')
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, 0])


def _packed(path: Path) -> np.ndarray:
    try:
        return np.frombuffer(path.read_bytes() or b'\0', np.uint8)
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error


def cloud_of(
    path: Path, stamp_ns: int, frame: str, xyz: np.ndarray, intensity: np.ndarray | None = None,
    ring: np.ndarray | None = None,
) -> PointCloud:  # fmt: skip
    """Return a sweep of a file; raises DataError naming it where points are no places."""
    xyz = np.ascontiguousarray(xyz, np.float32)
    intensity = np.zeros(len(xyz), np.float32) if intensity is None else np.ascontiguousarray(intensity, np.float32)
    ring = None if ring is None else np.ascontiguousarray(ring).astype(np.uint16)
    if len(xyz) == 0 or not (np.abs(xyz) < FARTHEST_M).all() or not np.isfinite(intensity).all():
        raise DataError(f'{path}: holds no points, or some that are no places; {AGAIN}')
    try:
        return PointCloud(stamp_ns, frame, xyz, intensity, ring)
    except DataError as error:
        raise DataError(f'{path}: {error}') from error


def pose_rows(table: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return (N, 4, 4) of columns qw qx qy qz tx_m ty_m tz_m."""
    turns = np.column_stack([table[name] for name in ('qx', 'qy', 'qz', 'qw')]).astype(float)
    shifts = np.column_stack([table[name] for name in ('tx_m', 'ty_m', 'tz_m')]).astype(float)
    return np.array([matrix_of(shift, turn) for shift, turn in zip(shifts, turns)]).reshape(-1, 4, 4)


def paired(stamps_ns: Sequence[int], taken_ns: Sequence[int], limit_ns: int) -> dict[int, int]:
    """Return {stamp of a sweep: stamp of its picture}: each picture goes to its nearest sweep, which keeps the nearest.

    stamps_ns: of sweeps, sorted. limit_ns: what lies further apart does not belong together.
    """
    found: dict[int, int] = {}
    stamps = np.array(stamps_ns, np.int64)
    for moment_ns in taken_ns:
        nearest = int(stamps[np.argmin(np.abs(stamps - moment_ns))])
        apart_ns = abs(nearest - moment_ns)
        if apart_ns <= limit_ns and apart_ns < abs(found.get(nearest, nearest + limit_ns + 1) - nearest):
            found[nearest] = moment_ns
    return found


def pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Return the (3, 3) matrix of a camera."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], float)


def checked(path: Path, read: Callable[[], Value]) -> Value:
    """Return what `read` makes of a file's entries; raises DataError naming the file where some are none."""
    try:
        return read()
    except DataError:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f'{path}: lacks or misstates an entry ({error!r}); {AGAIN}') from error


def attempt(read: Callable[[], Any], broken: list[str]) -> Any:
    """Return what `read` gives, or None, having noted why not."""
    try:
        return read()
    except (DataError, OSError) as error:
        broken.append(str(error))
        return None
