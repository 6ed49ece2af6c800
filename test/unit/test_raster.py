"""What points become before the network sees them, cell by cell, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.perception.bev import CELLS, FINE, ORIGIN_M, POINTS, PRIOR, middles
from autonomy_nodes.perception.cells import rays
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, OUTSIDE, Ground
from autonomy_nodes.perception.raster import rasterised

NOTHING = np.zeros((0, 4), np.float32)


def ground_of(kinds, heights):
    kinds = np.array(kinds, np.uint8)
    return Ground(kinds, np.array(heights, np.float32), kinds == GROUND)


def at(name, raster, x, y, cell_m=0.2):
    place = np.floor((np.array([x, y]) - ORIGIN_M) / cell_m).astype(int)
    channel = (POINTS if cell_m == 0.2 else PRIOR).index(name)
    return raster['points' if cell_m == 0.2 else 'prior'][channel, place[0], place[1]]


def test_a_cell_tells_count_heights_intensity_and_slices_of_its_points():
    points = np.array([[5.05, 2.1, 0.5, 0.2], [5.1, 2.1, 1.6, 0.4], [5.15, 2.15, 1.9, 0.9]], np.float32)
    told = rasterised(points, NOTHING, ground_of([OBSTACLE] * 3, [0.3, 1.4, 1.7]))
    assert told['points'].shape == (len(POINTS), *FINE) and told['points'].dtype == np.float32
    assert at('count', told, 5.1, 2.1) == pytest.approx(np.log(4.0))
    assert at('highest', told, 5.1, 2.1) == pytest.approx(1.7)
    assert at('lowest', told, 5.1, 2.1) == pytest.approx(0.3)
    assert at('mean', told, 5.1, 2.1) == pytest.approx(3.4 / 3.0)
    assert at('intensity', told, 5.1, 2.1) == pytest.approx(0.5)
    assert at('contrast', told, 5.1, 2.1) == pytest.approx(0.5)  # as bright as all there is
    slices = [at(f'slice_{level}', told, 5.1, 2.1) for level in range(8)]  # 0.15-0.4, 1.2-1.7 and from 1.7 on
    assert slices == [0, 0, 1, 0, 0, 1, 1, 0]
    assert (told['points'][0] > 0).sum() == 1


@given(st.floats(0.05, 1.0))
@settings(max_examples=10, deadline=None)
def test_contrast_is_that_against_the_mean_point_whatever_the_gain_of_the_sensor(gain):
    points = np.array([[5.1, 2.1, 0, 0.2], [5.1, 2.1, 0, 0.4], [9.1, 2.1, 0, 0.9], [9.1, 6.1, 0, 0.1]], np.float32)
    told = rasterised(points * [1, 1, 1, gain], NOTHING, ground_of([GROUND] * 4, [0.0] * 4))  # 0.4 on average
    assert at('contrast', told, 5.1, 2.1) == pytest.approx(0.5 * 0.3 / 0.4, rel=1e-5)
    assert at('contrast', told, 9.1, 2.1) == pytest.approx(0.5 * 0.9 / 0.4, rel=1e-5)
    assert at('contrast', told, 9.1, 6.1) == pytest.approx(0.5 * 0.1 / 0.4, rel=1e-5)
    dark = rasterised(points * [1, 1, 1, 0], NOTHING, ground_of([GROUND] * 4, [0.0] * 4))
    met = dark['points'][POINTS.index('count')] > 0.0  # without light every point is as bright as the mean
    assert (dark['points'][POINTS.index('contrast')] == np.where(met, 0.5, 0.0)).all()


def test_roughness_is_how_the_heights_of_the_ground_scatter_within_half_a_metre():
    points = np.array([[5.1, 2.1, 0, 0], [5.3, 2.1, 0, 0], [5.5, 2.5, 0, 0], [5.1, 3.3, 0, 0]], np.float32)
    kinds, heights = [GROUND] * 5, [0.02, 0.04, 0.06, 0.3, 1.2]  # the fourth lies too far away, the fifth is no ground
    points = np.concatenate([points, points[:1]])
    told = rasterised(points, NOTHING, ground_of(kinds, heights))
    assert at('rough', told, 5.1, 2.1) == pytest.approx(np.log1p(2.0), rel=1e-4)  # 0.02, 0.04, 0.06: 2 cm
    assert at('rough', told, 5.3, 2.3) == 0.0  # no point in it
    assert at('rough', told, 5.1, 3.3) == 0.0  # one is too few
    level = rasterised(points, NOTHING, ground_of(kinds, [0.1] * 5))
    assert at('rough', level, 5.1, 2.1) == pytest.approx(0.0, abs=0.02)


def test_the_ground_is_the_mean_below_the_points_of_a_cell_and_spreads_to_where_none_fell():
    points = np.array([[5.25, 2.1, 0.5, 0], [5.35, 2.3, 0.3, 0], [20.0, -9.0, -1.0, 0]], np.float32)
    told = rasterised(points, NOTHING, ground_of([OBSTACLE, GROUND, GROUND], [0.3, 0.0, 0.0]))
    assert at('ground', told, 5.3, 2.1, 0.4) == pytest.approx(0.25)
    assert at('known', told, 5.3, 2.1, 0.4) == 1.0
    assert told['prior'][1].sum() == 2.0
    assert at('ground', told, 5.3, 4.1, 0.4) == pytest.approx(0.25)
    assert at('ground', told, 50.0, -30.0, 0.4) == pytest.approx(-1.0)
    assert set(np.unique(told['prior'][0]).tolist()) == {-1.0, 0.25}


def test_what_lies_outside_range_or_heights_is_not_looked_at():
    points = np.array([[5.1, 2.1, 9.0, 0], [5.1, 2.1, -3.0, 0], [300.0, 0.0, 0.5, 0], [5.1, 2.1, 0.0, 0]], np.float32)
    told = rasterised(points, NOTHING, ground_of([OBSTACLE, OBSTACLE, OUTSIDE, OUTSIDE], [9.0, -3.0, np.nan, np.nan]))
    assert told['points'].sum() == 0.0


def test_the_earlier_sweep_counts_where_it_stood_above_the_ground_of_now():
    points = np.array([[5.1, 2.1, 0.25, 0]], np.float32)
    before = np.array([[5.1, 2.1, 0.35, 0], [5.1, 2.1, 0.41, 0], [5.1, 2.1, 1.0, 0]], np.float32)
    told = rasterised(points, before, ground_of([GROUND], [0.0]))  # the first stands 0.1 m high: too low
    assert at('before', told, 5.1, 2.1) == pytest.approx(np.log(3.0))


def test_rays_that_went_on_over_a_cell_are_told_by_how_low_they_were():
    sensor = np.array([0.0, 0.0, 2.0])
    points = np.array([[40.4, 0.4, 0.0, 0]], np.float32)  # 1 m high half way
    grounds = ground_of([GROUND], [0.0])
    told = rasterised(points, NOTHING, grounds, rays(points[:, :3], grounds.kinds, sensor), sensor)
    assert at('passed', told, 20.2, 0.2, 0.4) == pytest.approx(1.0 - 1.0 / 4.0, abs=0.01)
    assert at('passed', told, 50.2, 0.2, 0.4) == 0.0
    assert at('passed', told, 20.0, -9.0, 0.4) == 0.0
    assert rasterised(points, NOTHING, grounds)['prior'][2].sum() == 0.0


def test_the_nearest_known_ground_is_carried_outward():
    xy = np.array([[-20.1, 10.1], [30.1, -12.1], [3.3, 30.1]])
    points = np.column_stack([xy, [1.0, 2.0, 3.0], np.zeros(3)]).astype(np.float32)
    height = rasterised(points, NOTHING, ground_of([GROUND] * 3, [0.0] * 3))['prior'][0]
    away = np.linalg.norm(middles()[:, :, None] - xy, axis=-1)
    nearest, second = np.sort(away, axis=-1)[..., 0], np.sort(away, axis=-1)[..., 1]
    sure = second > 1.1 * nearest + 1.0  # the sweeps measure along eight directions
    assert (height == 1.0 + away.argmin(axis=-1))[sure].all() and sure.mean() > 0.7


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_whatever_comes_the_raster_is_finite_and_repeats(seed, count):
    rng = np.random.default_rng(seed)
    points = rng.normal(0.0, 40.0, (count, 4)).astype(np.float32) * [1.0, 1.0, 0.05, 0.01]
    heights = np.where(rng.random(count) < 0.1, np.nan, points[:, 2])
    grounds = ground_of(np.where(np.isnan(heights), OUTSIDE, rng.integers(0, 4, count)), heights)
    one, two = (rasterised(points, points[:, :4], grounds) for _ in range(2))
    for name in one:
        assert np.isfinite(one[name]).all()
        assert (one[name] == two[name]).all()
    assert one['prior'].shape == (3, *CELLS)
