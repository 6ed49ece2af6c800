"""Sweeps of LiDARs as sensor_msgs/PointCloud2, in the layouts that drivers really send."""

import math

import numpy as np

from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.point_rows import read_points, write_points

AXES = ('x', 'y', 'z')
INTENSITIES = ('intensity', 'i', 'reflectivity', 'signal')
RINGS = ('ring', 'channel', 'line', 'laser_id')
TIMES_NS = ('t', 'offset_time', 'time_stamp')  # Ouster, Livox, Autoware: as integers these are nanoseconds
TIMES = (*TIMES_NS, 'time', 'timestamp', 'time_offset')
FARTHEST_M = 1e5  # what lies beyond is no return, as little as NaN
LONGEST_S = 10.0  # a sweep
SHORTEST_NS = 1_000_000  # a sweep told in nanoseconds; a shorter one is told in microseconds
EPOCH_NS, EPOCH_US = 1e17, 1e14  # larger numbers are times since 1970, in ns or us


def write_cloud(cloud: PointCloud) -> bytes:
    """Write x, y, z, intensity as float32 (16 bytes a point), and ring (uint16) and t (int32, ns) where known."""
    fields = [(name, '<f4') for name in (*AXES, 'intensity')]
    fields += [('ring', '<u2')] if cloud.ring is not None else []
    fields += [('t', '<i4')] if cloud.offset_ns is not None else []
    rows = np.zeros(len(cloud), np.dtype(fields, align=True))
    for axis, column in zip(AXES, cloud.xyz.T):
        rows[axis] = column
    rows['intensity'] = cloud.intensity
    if cloud.ring is not None:
        rows['ring'] = cloud.ring
    if cloud.offset_ns is not None:
        if np.abs(cloud.offset_ns).max(initial=0) >= 2**31:
            raise ValueError('offset_ns is longer than 2.1 s, which int32 cannot hold')
        rows['t'] = cloud.offset_ns
    return write_points(cloud.stamp_ns, cloud.frame, rows)


def read_cloud(data: bytes) -> PointCloud:
    """Read any cloud with float x, y, z; other fields may lie between, in either byte order, organised or not.

    Points that are no places are left out and counted in `removed`. Raises DataError with the reason on layouts that
    contradict themselves, and where not one place is left. A time field (t, offset_time, time_stamp, time, timestamp,
    time_offset) is taken as `offsets_of` says; an intensity that is no number is 0.
    """
    points = read_points(data)
    if not points.frame:
        raise DataError('cloud names no frame')
    rows = points.rows
    xyz = np.empty((len(rows), 3), np.float32)
    with np.errstate(over='ignore'):  # float64 beyond float32 becomes infinite, and is left out as such
        for number, axis in enumerate(AXES):
            xyz[:, number] = _column(rows, axis, floating=True)
    kept: slice | np.ndarray = slice(None)
    if len(rows) and not (xyz.min() > -FARTHEST_M and xyz.max() < FARTHEST_M):
        near = np.abs(xyz) < FARTHEST_M
        kept = np.flatnonzero(near[:, 0] & near[:, 1] & near[:, 2])
        xyz = xyz.take(kept, axis=0)
        if len(xyz) == 0:
            raise DataError(f'not one of {len(rows)} points is finite')
    intensity, ring, time = (_first(rows, names) for names in (INTENSITIES, RINGS, TIMES))
    return PointCloud(
        stamp_ns=points.stamp_ns,
        frame=points.frame,
        xyz=xyz,
        intensity=np.zeros(len(xyz), np.float32) if intensity is None else _intensity(_column(rows, intensity)[kept]),
        ring=None if ring is None else _ring(_column(rows, ring)[kept]),
        offset_ns=None if time is None else offsets_of(time, _column(rows, time)[kept], points.stamp_ns),
        removed=len(rows) - len(xyz),
    )


def offsets_of(name: str, values: np.ndarray, stamp_ns: int) -> np.ndarray:
    """Return (N,) int64 nanoseconds after the stamp of (N,) times as a driver tells them.

    Integers are nanoseconds in t, offset_time, time_stamp and int32; elsewhere microseconds if they span no more than
    1e6. Floats are seconds if they span no more than 10, else as integers. Times near zero count from the stamp, times
    near the stamp from 1970; those of a clock of their own from the first point, which is then at the stamp.
    """
    if len(values) == 0:
        return np.zeros(0, np.int64)
    if not np.isfinite(values).all():
        raise DataError(f'field {name!r} holds a time that is not finite')
    first = values.min()
    since = (values - first).astype(np.float64)
    span, largest = float(since.max()), float(np.abs(values.astype(np.float64)).max())
    seconds = values.dtype.kind == 'f' and span <= LONGEST_S and largest < EPOCH_US
    told_ns = values.dtype.kind != 'f' and (name in TIMES_NS or values.dtype == np.int32)
    if seconds:
        unit_ns = SECOND_NS
    elif largest >= EPOCH_US:
        unit_ns = 1 if largest >= EPOCH_NS else 1000
    else:
        unit_ns = 1 if told_ns or span > SHORTEST_NS else 1000
    if span * unit_ns > LONGEST_S * SECOND_NS:
        raise DataError(f'field {name!r} tells times that span {span * unit_ns / SECOND_NS} s')
    start_ns = _nanoseconds(first.item(), unit_ns)
    near = [start for start in (start_ns, start_ns - stamp_ns) if abs(start) <= LONGEST_S * SECOND_NS]
    return np.round(since * unit_ns).astype(np.int64) + (near[0] if near else 0)


def _nanoseconds(time: float, unit_ns: int) -> int:
    """Return a time as an integer, without the rounding of a float of that size."""
    whole = math.floor(time)
    return whole * unit_ns + round((time - whole) * unit_ns)


def _first(rows: np.ndarray, names: tuple[str, ...]) -> str | None:
    """Return the first of `names` that the rows have."""
    return next((name for name in names if name in (rows.dtype.names or ())), None)


def _column(rows: np.ndarray, name: str, floating: bool = False) -> np.ndarray:
    """Return one field, still in the byte order of the message; raises DataError where it is absent or no number."""
    if name not in (rows.dtype.names or ()):
        raise DataError(f'cloud has no field {name!r}, only {list(rows.dtype.names or ())}')
    kind = rows.dtype[name]
    if kind.shape:
        raise DataError(f'field {name!r} has count {kind.shape[0]}, expected 1')
    if floating and kind.kind != 'f':
        raise DataError(f'field {name!r} is {kind.name}, expected float32 or float64')
    return rows[name]


def _intensity(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    return values if np.isfinite(values).all() else np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _ring(values: np.ndarray) -> np.ndarray:
    if len(values) and not (values.min() >= 0 and values.max() < 2**16):
        raise DataError('ring numbers lie outside 0 to 65535')
    return values.astype(np.uint16)
