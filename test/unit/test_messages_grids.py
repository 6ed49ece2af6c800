"""Grids: our cells and those of grid_map are the same places."""

import numpy as np
import pytest
import samples

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages import store
from autonomy_nodes.messages.grids import read_grid, write_grid

GRID_MAP = 'grid_map_msgs/msg/GridMap'


def message(grid=None):
    return store.decode(GRID_MAP, write_grid(grid or samples.grid()))


def encode(found):
    return store.encode(GRID_MAP, found)


def grid_map_place(found, row, column):
    """Where grid_map has the middle of a cell: counted from the largest x and y (grid_map_core, GridMapMath)."""
    info = found.info
    x = info.pose.position.x + info.length_x / 2 - (row + 0.5) * info.resolution
    y = info.pose.position.y + info.length_y / 2 - (column + 0.5) * info.resolution
    return x, y


def test_a_cell_is_where_grid_map_has_it():
    grid = samples.grid(shape=(3, 5))  # 1.2 m along x, 2 m along y
    found = message(grid)
    assert (found.info.length_x, found.info.length_y) == pytest.approx((1.2, 2.0))
    assert (found.info.pose.position.x, found.info.pose.position.y) == pytest.approx((-9.4, 5.0))
    cells = found.data[0].data.reshape(5, 3).T  # column by column, as Eigen keeps them
    for row in range(3):
        for column in range(5):
            expected = grid.at('elevation', np.array(grid_map_place(found, row, column)))
            np.testing.assert_equal(float(cells[row, column]), float(expected))


def test_the_layout_is_that_of_grid_map_ros():
    layout = message().data[0].layout
    assert [(item.label, item.size, item.stride) for item in layout.dim] == [
        ('column_index', 5, 15),
        ('row_index', 3, 3),
    ]
    assert layout.data_offset == 0


def test_a_circular_grid_is_the_same_grid():
    found, plain = message(), samples.grid()
    for layer in found.data:
        cells = layer.data.reshape(5, 3).T
        layer.data = np.roll(cells, (2, 4), axis=(0, 1)).T.ravel()  # buffer index = index + start
    found.outer_start_index, found.inner_start_index = 2, 4
    again = read_grid(encode(found))
    for name, layer in plain.layers.items():
        np.testing.assert_array_equal(again.layers[name], layer)


def test_unknown_cells_stay_unknown():
    assert np.isnan(read_grid(write_grid(samples.grid())).layers['elevation'][0, 0])


def turn(found):
    found.info.pose.orientation.z, found.info.pose.orientation.w = 0.5**0.5, 0.5**0.5


def shrink(found):
    found.data[1].data = found.data[1].data[:-1]


def relabel(found):
    found.data[0].layout.dim.reverse()


def add_name(found):
    found.layers.append('more')


def same_names(found):
    found.layers[1] = found.layers[0]


@pytest.mark.parametrize(
    'change, reason',
    [
        (turn, 'is turned'),
        (shrink, "'observed' has 14 cells"),
        (relabel, "'elevation' has dimensions"),
        (add_name, '2 layers named'),
        (same_names, '2 layers named'),
        (lambda found: setattr(found.info, 'resolution', 0.0), 'cells of 0.0 m'),
        (lambda found: setattr(found.info, 'resolution', np.nan), 'cells of nan m'),
        (lambda found: setattr(found.info, 'length_x', 1.3), 'no whole number of cells'),
        (lambda found: setattr(found.info, 'length_x', 1e9), 'no whole number of cells'),
        (lambda found: setattr(found.info.pose.position, 'x', np.inf), 'grid at inf'),
        (lambda found: setattr(found.header, 'frame_id', ''), 'names no frame'),
    ],
)
def test_a_grid_that_contradicts_itself_is_refused(change, reason):
    found = message()
    change(found)
    with pytest.raises(DataError, match=reason):
        read_grid(encode(found))
