"""Single files of points: PCD, PLY, LAS, LAZ, KITTI's .bin and .npz; one of them, or a folder as a drive.

Fields are taken by the names that drivers use, as in `read_cloud`: intensity, ring, times of points. A name that is a
time (SECONDS.FRACTION, or 13, 16 or 19 digits: milli-, micro-, nanoseconds) is the stamp, any other number counts
frames at 10 Hz. Coordinates of a map are moved to near zero; `Frame.placed` tells by how much. NaN is left out.
"""

import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.files import AGAIN, library
from autonomy_nodes.messages.formats.frames import Drive, Frame
from autonomy_nodes.messages.formats.kitti_files import read_sweep
from autonomy_nodes.messages.point_rows import write_points

LIDAR = 'lidar_top'
ENDINGS = ('.pcd', '.ply', '.las', '.laz', '.bin', '.npz')
TIMES = {13: 1_000_000, 16: 1000, 19: 1}  # digits: nanoseconds a unit
START_NS = SECOND_NS
SECONDS = re.compile(r'(\d{9,10})[._](\d{3,9})')
FAR_M = 1e4  # beyond, float32 keeps no millimetres: these are coordinates of a map
LAS_FIELDS = ('intensity', 'gps_time', 'classification')


def drives(folder: Path) -> list[Drive]:
    """Return one drive: the files of a folder in order of time, or one file."""
    folder = Path(folder)
    if folder.is_file():
        paths = [folder] if folder.suffix in ENDINGS else []
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS) if folder.is_dir() else []
    if not paths:
        raise DataError(f'{folder}: is, or holds, no file of points ({", ".join(ENDINGS)})')
    if len({path.suffix for path in paths}) > 1:
        raise DataError(f'{folder}: holds files of several kinds; give a folder of one kind, or one file')
    stamps = stamps_of([path.stem for path in paths])
    frames, broken = [], []
    for stamp_ns, path in sorted(zip(stamps, paths)):
        try:
            origin = _origin(path)
        except DataError as error:
            broken.append(str(error))
            continue
        placed = np.eye(4)
        placed[:3, 3] = origin
        frames.append(
            Frame(
                path.stem, stamp_ns, {}, clouds={'top': partial(read_file, path, stamp_ns, origin)},
                placed=(LIDAR, placed) if origin.any() else None,
            )
        )  # fmt: skip
    if not frames:
        raise DataError(f'{folder}: not one file can be read; the first: {broken[0]}')
    notes = ['points alone: neither calibration nor where the LiDAR sits is told']
    return [Drive(folder.stem, frames, notes=notes, broken=broken)]


def fits(folder: Path) -> bool:
    """Return whether it is a file of points, or a folder of some."""
    if folder.is_file():
        return folder.suffix in ENDINGS
    return folder.is_dir() and any(path.suffix in ENDINGS for path in folder.iterdir())


def stamps_of(names: list[str]) -> list[int]:
    """Return the stamps of files by their names: times, numbers at 10 Hz, else their order at 10 Hz."""
    told = [_time_of(name) for name in names]
    numbers = [int(name) for name in names if name.isdigit() and len(name) < min(TIMES)]
    if all(stamp_ns is not None for stamp_ns in told):
        return [stamp_ns for stamp_ns in told if stamp_ns is not None]
    counted = numbers if len(numbers) == len(names) else list(range(len(names)))
    return [START_NS + number * (SECOND_NS // 10) for number in counted]


def _time_of(name: str) -> int | None:
    if match := SECONDS.fullmatch(name):
        return int(match[1]) * SECOND_NS + int(f'{match[2]:0<9}')
    return int(name) * TIMES[len(name)] if name.isdigit() and len(name) in TIMES else None


def read_file(path: Path, stamp_ns: int = 0, origin: np.ndarray | None = None) -> PointCloud:
    """Return the points of one file, less `origin` (3,); raises DataError naming the file."""
    if path.suffix in ('.bin', '.npz'):
        xyz, intensity = read_sweep(path)
        return PointCloud(stamp_ns, LIDAR, xyz, intensity)
    rows = _rows(path)
    if missing := [axis for axis in 'xyz' if axis not in (rows.dtype.names or ())]:
        raise DataError(f'{path}: has no field {", ".join(missing)}, only {", ".join(rows.dtype.names or ())}')
    if origin is not None and origin.any():
        rows = rows.copy()
        for axis, shift in zip('xyz', origin):
            rows[axis] -= shift
    try:
        return read_cloud(write_points(stamp_ns, LIDAR, rows))
    except (DataError, KeyError) as error:
        raise DataError(f'{path}: {error}') from error


def _origin(path: Path) -> np.ndarray:
    """Return (3,) what a LAS file's coordinates are moved by: whole metres, zeros where they are near anyway."""
    if path.suffix not in ('.las', '.laz'):
        return np.zeros(3)
    laspy = library('laspy', path)
    try:
        with laspy.open(path) as reader:
            lowest, highest = np.array(reader.header.mins), np.array(reader.header.maxs)
    except Exception as error:  # whatever the library meets in a broken file
        raise DataError(f'{path}: cannot be read ({error}); {AGAIN}') from error
    far = max(np.abs(lowest).max(), np.abs(highest).max()) > FAR_M
    return np.round((lowest + highest) / 2.0) if far else np.zeros(3)


def _rows(path: Path) -> np.ndarray:
    """Return the points as rows of a table."""
    reader = {'.pcd': _pcd, '.ply': _ply, '.las': _las, '.laz': _las}[path.suffix]
    try:
        return reader(path)
    except DataError:
        raise
    except Exception as error:  # whatever a library meets in a broken file
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f'{path}: cannot be read ({words}); {AGAIN}') from error


def _pcd(path: Path) -> np.ndarray:
    if (plain := _plain_pcd(path.read_bytes())) is not None:
        return _packed(plain, list(plain.dtype.names or ()))
    cloud = library('pypcd4', path).PointCloud.from_path(path)
    rows = cloud.pc_data
    if len(rows) != cloud.metadata.points:
        raise DataError(f'{path}: holds {len(rows)} points of {cloud.metadata.points}; {AGAIN}')
    return _packed(rows, [name for name in rows.dtype.names if not name.startswith('#')])  # padding is named so


def _plain_pcd(data: bytes) -> np.ndarray | None:
    """Return the rows of a binary .pcd with single numbers, whole; None for all others, which need the library."""
    head, mark, body = data.partition(b'\nDATA binary\n')
    told = {line.split()[0]: line.split()[1:] for line in head.decode('latin-1').splitlines() if line.strip()}
    names, sizes, kinds = (told.get(key, []) for key in ('FIELDS', 'SIZE', 'TYPE'))
    if not mark or not names or len({len(names), len(sizes), len(kinds)}) != 1 or len(set(names)) != len(names):
        return None
    if any(count != '1' for count in told.get('COUNT', [])) or set(kinds) - set('FIU') or set(sizes) - set('1248'):
        return None
    row = np.dtype([(name, f'<{kind.lower()}{size}') for name, kind, size in zip(names, kinds, sizes)])
    whole = told.get('POINTS') == [str(len(body) // row.itemsize)] and len(body) % row.itemsize == 0
    return np.frombuffer(body, row) if whole else None


def _ply(path: Path) -> np.ndarray:
    try:
        told = library('trimesh', path).load(path, process=False).metadata['_ply_raw']['vertex']['data']
    except KeyError as error:
        raise DataError(f'{path}: has no field {error.args[0]}') from error
    columns = {name: np.ravel(told[name]) for name in (told if isinstance(told, dict) else told.dtype.names)}
    kept = {name: column for name, column in columns.items() if column.dtype.kind in 'fiu'}
    rows = np.zeros(len(kept['x']), [(name, column.dtype) for name, column in kept.items()])
    for name, column in kept.items():
        rows[name] = column
    return _packed(rows, list(kept))


def _las(path: Path) -> np.ndarray:
    laspy = library('laspy', path)
    if path.suffix == '.laz':
        library('lazrs', path)
    points: Any = laspy.read(path)
    names = [name for name in LAS_FIELDS if name in points.point_format.dimension_names]
    columns = {axis: np.asarray(getattr(points, axis)) for axis in 'xyz'}
    columns |= {('time' if name == 'gps_time' else name): np.asarray(points[name]) for name in names}
    rows = np.zeros(len(points), [(name, column.dtype.newbyteorder('<')) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    spread = float(np.ptp(rows['time'])) if 'time' in columns and len(rows) else 0.0
    keep = [name for name in columns if name != 'time' or 0.0 < spread <= 1.0 and math.isfinite(spread)]
    return _packed(rows, keep)  # times of a survey are not those of a sweep


def _packed(rows: np.ndarray, names: list[str]) -> np.ndarray:
    """Return a little-endian copy of some columns."""
    kinds = [(name, rows.dtype[name].newbyteorder('<')) for name in names]
    packed = np.zeros(len(rows), kinds)
    for name in names:
        packed[name] = rows[name]
    return packed
