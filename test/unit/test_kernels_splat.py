"""The kernel that lays a sweep into cells, run on the CPU, against the loops of perception and by hand."""

import shutil

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.nvidia.kernels import host
from autonomy_nodes.inference.nvidia.kernels.plans import Cells, Splat
from autonomy_nodes.perception.bev import FINE, FINE_M, ORIGIN_M, POINTS, SLICES_M
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.raster import rasterised

pytestmark = pytest.mark.skipif(shutil.which('g++') is None, reason='g++ is not here')
CELLS = Cells(tuple(ORIGIN_M), FINE_M, FINE)
SUMMED = ('mean', 'intensity', 'contrast', 'rough')  # the others come out bit by bit as the loops have them
SMALL = Cells((0.0, 0.0), 1.0, (2, 3))
EDGES = (-1.0, 0.0, 0.5, 4.0)


def splat(points, heights):
    return host.splat(points, heights, np.array(SLICES_M), CELLS)


def small(points, heights):
    told = host.splat(np.array(points, np.float32).reshape(-1, 4), np.array(heights, np.float32), EDGES, SMALL)
    names = ('count', 'highest', 'lowest', 'mean', 'intensity', 'slice_0', 'slice_1', 'slice_2', 'before', 'contrast')
    return dict(zip((*names, 'rough'), told, strict=True))


def cloud(seed, count=100_000):
    chance = np.random.default_rng(seed)
    places = chance.normal([8.0, 0.0, 0.0], [25.0, 20.0, 1.0], (count, 3))
    ground = chance.uniform(size=count) < 0.6
    heights = np.where(ground, chance.normal(0.0, 0.05, count), chance.normal(1.0, 1.5, count))
    heights[chance.integers(0, count, count // 50)] = np.nan
    points = np.column_stack([places, chance.uniform(0.0, 1.0, count)]).astype(np.float32)
    return points, heights.astype(np.float32)


def loops(points, heights):
    ground = Ground(np.zeros(len(points), np.uint8), heights, np.zeros(len(points), bool))
    return rasterised(points, np.zeros((0, 4), np.float32), ground)['points']


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_each_channel_of_100_000_points_is_what_the_loops_of_perception_lay(seed):
    points, heights = cloud(seed)
    told, wanted = splat(points, heights), loops(points, heights)
    assert told.shape == wanted.shape and told.dtype == np.float32 and (wanted[0] > 0.0).sum() > 20_000
    for channel, name in enumerate(POINTS):
        if name not in SUMMED:
            assert np.array_equal(told[channel], wanted[channel]), name
        assert np.abs(told[channel] - wanted[channel]).max() <= (5e-5 if name == 'rough' else 1e-6), name


def test_the_order_of_the_points_changes_no_bit():
    points, heights = cloud(3)
    turned = np.random.default_rng(3).permutation(len(points))
    assert np.array_equal(splat(points, heights), splat(points[turned], heights[turned]))


def test_points_on_the_border_of_cells_fall_where_those_of_the_loops_fall():
    steps = np.arange(-2, FINE[0] + 3)
    x = np.concatenate([ORIGIN_M[0] + FINE_M * steps, np.nextafter(np.float32(ORIGIN_M[0] + FINE_M * steps), -99.0)])
    points = np.stack([x, np.tile(ORIGIN_M[1] + FINE_M * steps, 2), 0.0 * x, 0.0 * x + 0.5], axis=1).astype(np.float32)
    heights = np.tile(np.array(SLICES_M, np.float32), len(points))[: len(points)]  # on the border of slices too
    told, wanted = splat(points, heights), loops(points, heights)
    assert (told[0] > 0.0).sum() > 300 and np.array_equal(told[:3], wanted[:3])
    assert np.array_equal(told[5:13], wanted[5:13])


def test_a_cell_tells_what_is_worked_out_by_hand():
    told = small([[0.5, 2.5, 9, 0.2], [0.9, 2.0, 9, 0.4], [1.0, 0.0, 9, 0.9]], [-0.5, 0.5, 3.0])
    assert told['count'] == pytest.approx(np.log([[1, 1, 3], [2, 1, 1]]))
    assert told['highest'].tolist() == [[0, 0, 0.5], [3, 0, 0]] and told['lowest'].tolist() == [[0, 0, -0.5], [3, 0, 0]]
    assert told['mean'] == pytest.approx(np.array([[0, 0, 0.0], [3, 0, 0]]))
    assert told['intensity'] == pytest.approx(np.array([[0, 0, 0.3], [0.9, 0, 0]]))
    assert told['slice_0'].tolist() == [[0, 0, 1], [0, 0, 0]] and told['slice_1'].sum() == 0
    assert told['slice_2'].tolist() == [[0, 0, 1], [1, 0, 0]] and told['before'].sum() == 0
    assert told['contrast'] == pytest.approx(np.array([[0, 0, 0.3], [0.9, 0, 0]]))  # the mean of the three is 0.5
    assert told['rough'].sum() == 0.0  # no three points of the ground


def test_roughness_is_how_the_ground_of_cells_around_scatters():
    told = small([[0.5, 0.5, 0, 0], [0.5, 1.5, 0, 0], [1.5, 2.5, 0, 0], [1.5, 1.5, 0, 0]], [0.02, 0.04, 0.06, 1.0])
    wanted = np.log1p(2.0)  # 2 cm; the fourth point is none of the ground
    assert told['rough'] == pytest.approx(np.array([[wanted, wanted, 0], [0, 0, wanted]]), rel=1e-4)


def test_nothing_is_laid_of_no_points_nor_of_such_as_lie_outside():
    assert not splat(np.zeros((0, 4)), np.zeros(0)).any()
    outside = [[-0.01, 1, 0, 1], [2.0, 1, 0, 1], [1, 3.0, 0, 1], [np.nan, 1, 0, 1], [1, np.inf, 0, 1]]
    assert not any(channel.any() for channel in small(outside, [0.1] * 5).values())
    assert not any(channel.any() for channel in small([[1, 1, 0, 1]] * 4, [np.nan, -1.01, 4.0, np.inf]).values())


def test_all_points_in_one_cell_are_summed_without_loss():
    heights = np.random.default_rng(5).uniform(0.6, 3.9, 100_000).astype(np.float32)
    told = small(np.tile([[1.5, 1.5, 0.0, 0.3]], (100_000, 1)), heights)
    assert told['count'][1, 1] == pytest.approx(np.log(100_001.0), abs=1e-6)
    assert told['mean'][1, 1] == np.float32(heights.astype(np.float64).mean())
    assert told['highest'][1, 1] == heights.max() and told['lowest'][1, 1] == heights.min()
    assert told['intensity'][1, 1] == np.float32(0.3)


def test_an_intensity_that_is_none_makes_its_cell_nan_and_no_other():
    for wrong in (np.nan, -0.1, 1.1, np.inf):
        told = small([[0.5, 0.5, 0, wrong], [0.5, 0.5, 0, 0.5], [1.5, 0.5, 0, 0.5]], [0.1, 0.1, 0.1])
        assert np.isnan(told['intensity']).tolist() == [[True, False, False], [False] * 3], wrong
        assert np.isnan(told['contrast']).sum() == 1 and told['contrast'][1, 0] == 0.5


def test_without_light_each_cell_with_points_is_as_bright_as_the_mean():
    told = small([[0.5, 0.5, 0, 0.0]], [0.1])
    assert told['contrast'].tolist() == [[0.5, 0, 0], [0, 0, 0]]


def test_no_cell_is_more_than_six_times_as_bright_as_the_mean():
    told = small([[0.5, 0.5, 0, 1.0], *[[1.5, 0.5, 0, 0.0]] * 9], [0.1] * 10)  # 0.1 on average
    assert told['contrast'].tolist() == [[3.0, 0, 0], [0, 0, 0]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r'points \(3, 3\)'):
        splat(np.zeros((3, 3)), np.zeros(3))
    with pytest.raises(DataError, match=r'heights \(2,\)'):
        splat(np.zeros((3, 4)), np.zeros(2))
    with pytest.raises(ValueError, match='must rise'):
        host.splat(np.zeros((0, 4)), np.zeros(0), np.array([0.0, 0.0]), CELLS)
    with pytest.raises(ValueError, match='slices=32'):
        Splat(CELLS, 32, 0)
    with pytest.raises(ValueError, match='cell_m=0'):
        Cells((0.0, 0.0), 0.0, (2, 2))
    with pytest.raises(ValueError, match='shape='):
        Cells((0.0, 0.0), 1.0, (2, 0))
