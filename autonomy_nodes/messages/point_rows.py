"""sensor_msgs/PointCloud2 as rows of a numpy table, whatever fields it has, in whatever order."""

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.cdr import Cursor, Parts, write_header, write_text

# sensor_msgs/PointField: 1 to 8 are in every distribution, 64-bit integers and booleans in newer ones
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8', 9: 'i8', 10: 'u8', 11: 'u1'}
NUMBERS = {name: number for number, name in TYPES.items() if number != 11}
MAX_FIELDS, MAX_STEP = 256, 65536


@dataclass(frozen=True)
class Field:
    """One sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


@dataclass(frozen=True, eq=False)
class Points:
    """A message as it came. rows: (height * width,) with the fields of the message, not copied where possible."""

    stamp_ns: int
    frame: str
    height: int
    width: int
    rows: np.ndarray


def read_points(data: bytes) -> Points:
    """Read any PointCloud2; raises DataError with the reason on a layout that contradicts itself."""
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    height, width = cursor.unpack('<II')
    count = cursor.count(18)  # a field takes at least an empty name, offset, datatype and count
    if count > MAX_FIELDS:
        raise DataError(f'{count} fields are more than {MAX_FIELDS}')
    fields = tuple(Field(cursor.text(), *_place(cursor)) for _ in range(count))
    bigendian, step, row_step, length = *cursor.unpack('<B'), *cursor.unpack('<II'), cursor.count(1)
    row = layout_of(fields, step, bigendian != 0)
    if height * width == 0:
        return Points(stamp_ns, frame, height, width, np.zeros(0, row))
    if row_step < width * step:
        raise DataError(f'row_step {row_step} is less than width {width} times point_step {step}')
    if length < row_step * height:
        raise DataError(f'data of {length} bytes is shorter than row_step {row_step} times height {height}')
    start = cursor.take(length)
    cursor.take(1)  # is_dense: every value is looked at in any case
    cursor.end()
    if height == 1 or row_step == width * step:
        return Points(stamp_ns, frame, height, width, np.frombuffer(data, row, height * width, start))
    lines = np.frombuffer(data, np.uint8, height * row_step, start).reshape(height, row_step)[:, : width * step]
    return Points(stamp_ns, frame, height, width, np.ascontiguousarray(lines).reshape(-1).view(row))


def _place(cursor: Cursor) -> tuple[int, int, int]:
    (offset,), (datatype,), (count,) = cursor.unpack('<I'), cursor.unpack('<B'), cursor.unpack('<I')
    return offset, datatype, count


@lru_cache(maxsize=64)  # a sensor sends the same layout with each sweep
def layout_of(fields: tuple[Field, ...], step: int, bigendian: bool) -> np.dtype:
    """Return the numpy type of a row; raises DataError on fields that no row of `step` bytes can have."""
    if not 0 < step <= MAX_STEP:
        raise DataError(f'point_step is {step}, expected 1 to {MAX_STEP}')
    names = [field.name for field in fields]
    if len(set(names)) != len(names) or '' in names:
        raise DataError(f'fields {names} are not named apart')
    formats = []
    for field in fields:
        if field.datatype not in TYPES:
            raise DataError(f'field {field.name!r} has datatype {field.datatype}, which is none of PointField')
        if field.count == 0:
            raise DataError(f'field {field.name!r} has count 0')
        kind = np.dtype('<>'[bigendian] + TYPES[field.datatype])
        if field.offset + field.count * kind.itemsize > step:
            raise DataError(f'field {field.name!r} at offset {field.offset} lies beyond point_step {step}')
        formats.append(kind if field.count == 1 else np.dtype((kind, (field.count,))))
    offsets = [field.offset for field in fields]
    return np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': step})


def write_points(stamp_ns: int, frame: str, rows: np.ndarray, height: int = 1) -> bytes:
    """Write (height * width,) rows of little-endian numbers as PointCloud2; all values count as finite."""
    if height and len(rows) % height:
        raise ValueError(f'{len(rows)} rows do not make {height} equal lines')
    width, step = (len(rows) // height if height else 0), rows.dtype.itemsize
    assert rows.dtype.fields is not None
    message = Parts(write_header(stamp_ns, frame))
    message.add(struct.pack('<III', height, width, len(rows.dtype.fields)), 4)
    for name, (kind, offset, *_) in rows.dtype.fields.items():
        message.add(write_text(name), 4)
        message.add(struct.pack('<IB', offset, NUMBERS[kind.str[1:]]), 4)
        message.add_count(1)
    message.add(b'\0', 1)  # little endian
    message.add(struct.pack('<III', step, width * step, len(rows) * step), 4)
    message.add(np.ascontiguousarray(rows).view(np.uint8).data, 1)
    message.add(b'\1', 1)  # is_dense
    return message.joined()
