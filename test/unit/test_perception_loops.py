"""The compiled loops of perception, each against the plain way to say the same."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.perception.brightness import sorted_in, top_of
from autonomy_nodes.perception.clustering import _labelled
from autonomy_nodes.perception.environment import _farthest
from autonomy_nodes.perception.polar import bucket, ring_table

RANDOM = np.random.default_rng(5)


def test_points_are_sorted_by_their_cell_and_those_outside_are_left_out():
    xyz = np.array([[50.0, 0.0, 1.0], [1.0, 0.1, 2.0], [500.0, 0.0, 3.0], [50.0, 0.1, 4.0]], np.float32)
    _, ring_of, sectors, first_cell = ring_table(100.0, 0.8, 0.05)
    cells, points, starts = bucket(xyz, ring_of, sectors, first_cell, 100.0)
    assert cells[2] == -1 and cells[0] == cells[3] > cells[1]
    assert points.T.tolist() == xyz[[1, 0, 3]].tolist()
    assert starts[cells[0] + 1] - starts[cells[0]] == 2


@given(st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=3000))
@settings(max_examples=30, deadline=None)
def test_the_top_brightness_is_that_of_a_sorted_list(values):
    intensity = np.array(values, np.float32)
    assert top_of(intensity) == np.sort(intensity)[-max(1, len(values) // 1000)]


def test_one_point_in_a_thousand_is_brighter_than_thetop_of():
    intensity = RANDOM.permutation(5000).astype(np.float32)
    assert top_of(intensity) == 4995.0


def test_ground_is_seen_as_far_in_each_sector_as_its_farthest_point():
    xyz = RANDOM.uniform(-60.0, 60.0, (20_000, 3)).astype(np.float32)
    _, seen = sorted_in(xyz, 32.0)
    sectors = np.floor((np.arctan2(xyz[:, 1], xyz[:, 0]) / (2.0 * np.pi) + 0.5) * 72.0).astype(int) % 72
    ranges = np.hypot(xyz[:, 0], xyz[:, 1])
    for sector in range(72):
        assert abs(seen[sector] - ranges[sectors == sector].max()) < 1e-4


def test_the_range_beyond_which_a_hundredth_lies_is_found_to_the_decimetre():
    xyz = RANDOM.uniform(-60.0, 60.0, (20_000, 3)).astype(np.float32)
    assert abs(_farthest(xyz, 0.01) - np.percentile(np.hypot(xyz[:, 0], xyz[:, 1]), 99.0)) < 0.1


def labelled(cells, tops):
    place = np.full((40, 40), -1, np.int32)
    for number, (i, j) in enumerate(cells):
        place[i, j] = number
    return _labelled(place, np.array(cells), np.array(tops, np.float32), np.full(len(cells), 1.5), 5.0, 2.6).tolist()


def test_a_long_cluster_is_split_by_height_and_a_short_one_is_not():
    wall, car, bush = [(i, 3) for i in range(10)], [(i, 4) for i in range(3)], [(20, 20), (20, 21)]
    cells = [bush[0], *wall, *car, bush[1]]
    tops = [3.0, *[3.0] * 10, *[1.5] * 3, 1.0]
    assert labelled(cells, tops) == [0, *[1] * 10, *[2] * 3, 0]


def test_a_long_low_cluster_stays_one():
    assert labelled([(i, 3) for i in range(10)], [1.0] * 10) == [0] * 10
