"""Grids as grid_map_msgs/GridMap, whose cells are counted from the corner of the largest x and y.

A layer lies column by column (Eigen's order), as grid_map_ros writes it: dimension 0 is column_index, along y,
dimension 1 is row_index, along x. Start indices tell where a circular buffer begins; ours begin at 0.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.cdr import Cursor, Parts, padding, write_header, write_text

COLUMNS, ROWS = 'column_index', 'row_index'
MAX_LAYERS = 64
SIZE_TOLERANCE = 1e-3  # of a cell: lengths are told as floats
LEAST_LAYER_BYTES = 20  # on the wire, with no cells


@dataclass(frozen=True)
class _Place:
    """Where a map lies: cells along x and y, their size, and the corner of smallest x and y."""

    shape: tuple[int, int]
    resolution_m: float
    origin_m: tuple[float, float]


def write_grid(grid: Grid) -> bytes:
    """Write a grid; the height of the map's pose is zero, since a grid has none."""
    (rows, columns), resolution = grid.shape, grid.resolution_m
    lengths = np.array([rows, columns]) * resolution
    middle = np.asarray(grid.origin_m, float) + lengths / 2.0
    message = Parts(write_header(grid.stamp_ns, grid.frame))
    message.add(struct.pack('<3d', resolution, *lengths), 8)
    message.add(struct.pack('<7d', *middle, 0.0, 0.0, 0.0, 0.0, 1.0), 8)
    message.add_count(len(grid.layers))
    for name in grid.layers:
        message.add(write_text(name), 4)
    message.add_count(0)  # basic layers
    message.add_count(len(grid.layers))
    for layer in grid.layers.values():
        message.add_count(2)
        for label, size, stride in ((COLUMNS, columns, rows * columns), (ROWS, rows, rows)):
            message.add(write_text(label), 4)
            message.add(struct.pack('<II', size, stride), 4)
        message.add(struct.pack('<II', 0, layer.size), 4)  # data_offset, count
        message.add(np.ascontiguousarray(layer[::-1, ::-1].T, '<f4').data.cast('B'), 4)
    message.add(struct.pack('<HH', 0, 0), 2)  # start indices
    return message.joined()


def read_grid(data: bytes) -> Grid:
    """Read a grid of any layers, also a circular one; raises DataError on a turned one and on sizes that disagree."""
    cursor = Cursor(data)
    stamp_ns, frame = cursor.header()
    if not frame:
        raise DataError('grid names no frame')
    place = _read_place(cursor)
    names = list(_texts(cursor))
    for _ in _texts(cursor):  # basic layers tell which must be known for a cell to be known; ours say so themselves
        pass
    count = cursor.count(LEAST_LAYER_BYTES)
    if count != len(names) or len(set(names)) != count or count == 0:
        raise DataError(f'grid has {count} layers named {names}')
    layers, head = [], b''
    for name in names:
        start = cursor.offset + padding(cursor.offset, 4)
        if head and data[start : start + len(head)] == head:  # all layers lie alike
            cursor.offset = start + len(head)
        else:
            head = _read_layer_head(cursor, name, place.shape)
        layers.append(cursor.array('<f4', place.shape[0] * place.shape[1]).reshape(place.shape[1], place.shape[0]))
    start_x, start_y = cursor.unpack('<HH')
    cursor.end()
    if (start_x, start_y) != (0, 0):
        layers = [np.roll(layer, (-start_y, -start_x), axis=(0, 1)) for layer in layers]
    # Views: most cells are looked at by nobody.
    straight = {name: np.asarray(layer.T[::-1, ::-1], np.float32) for name, layer in zip(names, layers)}
    return Grid(stamp_ns, frame, place.resolution_m, np.array(place.origin_m), straight)


def _read_place(cursor: Cursor) -> _Place:
    resolution, length_x, length_y = cursor.array('<f8', 3).tolist()
    x, y, _, *turn = cursor.array('<f8', 7).tolist()
    if not (np.isfinite([x, y, length_x, length_y]).all() and np.isfinite(resolution) and resolution > 0.0):
        raise DataError(f'grid at {x} {y} of {length_x} x {length_y} m has cells of {resolution} m')
    if not np.allclose(np.abs(turn), (0.0, 0.0, 0.0, 1.0), atol=1e-6):
        raise DataError(f'grid is turned by the quaternion {turn}; only grids along the axes of their frame are read')
    cells = np.array([length_x, length_y]) / resolution
    if not ((cells > 0.5) & (cells < 2**16) & (np.abs(cells - np.round(cells)) < SIZE_TOLERANCE)).all():
        raise DataError(f'grid of {length_x} x {length_y} m is no whole number of cells of {resolution} m')
    rows, columns = np.round(cells).astype(int).tolist()
    return _Place((rows, columns), resolution, (x - length_x / 2.0, y - length_y / 2.0))


def _read_layer_head(cursor: Cursor, name: str, shape: tuple[int, int]) -> bytes:
    """Read what tells the shape of a layer, and return it."""
    cursor.align(4)
    start = cursor.offset
    dimensions = []
    for _ in range(min(cursor.count(13), 3)):
        label = cursor.text()
        dimensions.append((label, cursor.unpack('<II')[0]))
    expected = [(COLUMNS, shape[1]), (ROWS, shape[0])]
    if dimensions != expected:
        raise DataError(f'layer {name!r} has dimensions {dimensions}, expected {expected}')
    (data_offset,) = cursor.unpack('<I')
    count = cursor.count(4)
    if data_offset != 0 or count != shape[0] * shape[1]:
        raise DataError(f'layer {name!r} has {count} cells from {data_offset} on, expected those of {shape} from 0')
    return cursor.data[start : cursor.offset]


def _texts(cursor: Cursor) -> Iterator[str]:
    count = cursor.count(5)
    if count > MAX_LAYERS:
        raise DataError(f'{count} layers are more than {MAX_LAYERS}')
    for _ in range(count):
        yield cursor.text()
