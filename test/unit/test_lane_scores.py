"""Average precision of lines, worked out by hand; what was not asked for does not count."""

import numpy as np
import pytest
from lane_cells import along

from autonomy_nodes.evaluation.measures.lane_scores import Answer, average_precisions, chamfer, cut, even
from autonomy_nodes.perception.bev import CELL_M, LANES, LANES_ORIGIN_M, lane_middles
from autonomy_nodes.perception.lanes.lines import Told

ALL = np.ones(LANES, bool)


def flat(y, score=1.0, kind=0, x=(0.0, 20.0)):
    return Told(kind, even(along((x[0], y), (x[1], y))), score)


def precision(*answers):
    return average_precisions(answers)['divider']


def test_parallel_lines_are_as_far_apart_as_they_lie():
    assert chamfer(flat(0.0).points, flat(0.4).points) == pytest.approx(0.4)


def test_a_half_of_a_line_is_half_of_what_is_missing_away():
    """0 to 10 m against 0 to 5 m: 0.5, 1, ... 5 m of ten points of 21 from one side, nothing from the other."""
    assert chamfer(flat(0.0, x=(0.0, 10.0)).points, flat(0.0, x=(0.0, 5.0)).points) == pytest.approx(27.5 / 21 / 2)


def test_a_wrong_line_between_two_right_ones_costs_a_sixth():
    """Right, wrong, right: precision 1 up to half of the recall, then 2/3."""
    told = [flat(0.0, 0.9), flat(12.0, 0.8), flat(5.0, 0.7)]
    assert precision(Answer(told, [flat(0.0), flat(5.0)])) == pytest.approx(0.5 + 0.5 * 2 / 3)
    surer_wrong = [flat(12.0, 0.95), flat(0.0, 0.9), flat(5.0, 0.7)]
    assert precision(Answer(surer_wrong, [flat(0.0), flat(5.0)])) == pytest.approx(2 / 3)


def test_a_line_0_7_m_away_is_right_at_two_of_three_distances():
    assert precision(Answer([flat(0.7)], [flat(0.0)])) == pytest.approx(2 / 3)
    assert precision(Answer([flat(1.2)], [flat(0.0)])) == pytest.approx(1 / 3)
    assert precision(Answer([flat(1.6)], [flat(0.0)])) == 0.0


def test_a_line_that_is_told_twice_counts_once():
    """The second is wrong, but comes after all that is true was found; with a third true line it costs."""
    twice = [flat(0.0, 0.9), flat(0.1, 0.8)]
    assert precision(Answer(twice, [flat(0.0)])) == 1.0
    assert precision(Answer([*twice, flat(5.0, 0.7)], [flat(0.0), flat(5.0)])) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_lines_that_are_missed_lower_the_recall_and_kinds_are_told_apart():
    assert precision(Answer([flat(0.0)], [flat(0.0), flat(5.0)])) == 0.5
    assert precision(Answer([flat(0.0, kind=1)], [flat(0.0)])) == 0.0
    found = average_precisions([Answer([flat(0.0, kind=1)], [flat(0.0)])])
    assert np.isnan(found['boundary']) and set(found) == {'divider', 'boundary', 'stop_line', 'crossing', 'centre'}


def test_lines_of_all_frames_are_asked_in_the_order_of_their_scores():
    """Frame one: wrong with 0.6; frame two: right with 0.9, of two that are true in all."""
    one, two = Answer([flat(9.0, 0.6)], [flat(0.0)]), Answer([flat(0.0, 0.9)], [flat(0.0)])
    assert precision(one, two) == precision(two, one) == 0.5
    assert precision(Answer([flat(9.0, 0.95)], [flat(0.0)]), two) == 0.25


def test_a_line_is_cut_where_nobody_asks_and_goes_on_over_a_short_gap():
    x = lane_middles()[..., 0]
    (whole,) = cut([(0, along((0.0, 1.0), (20.0, 1.0)))], ALL & ~((x > 8.0) & (x < 10.0)))
    assert np.ptp(whole.points[:, 0]) == pytest.approx(20.0) and whole.score == 1.0
    parts = cut([flat(1.0, 0.7)], ALL & ~((x > 8.0) & (x < 14.0)))
    assert [one.score for one in parts] == [0.7, 0.7]
    ends = [one.points[end, 0] for one in parts for end in (0, -1)]
    assert ends == pytest.approx([0.0, 7.5, 14.0, 20.0], abs=0.51)


def test_parts_of_less_than_3_m_and_those_beyond_the_cells_are_left_out():
    x = lane_middles()[..., 0]
    assert cut([flat(1.0)], x < 2.0) == [] and len(cut([flat(1.0)], x < 2.0, shortest_m=[1.0] * 5)) == 1
    (one,) = cut([flat(1.0, x=(-60.0, 60.0))], ALL)
    high = LANES_ORIGIN_M + np.array(LANES) * CELL_M
    assert (one.points[0, 0], one.points[-1, 0]) == pytest.approx((LANES_ORIGIN_M[0], high[0]), abs=0.51)
    assert cut([flat(25.0)], ALL) == [] and cut([flat(1.0)], ~ALL) == []


def test_lines_end_at_sharp_corners_and_not_in_bends():
    """A bay in the edge of a road: three straight parts; a circle of 6 m is one line."""
    everywhere = np.ones(LANES, bool)
    bay = np.array([[-10.0, 3.0], [0.0, 3.0], [0.0, 8.0], [12.0, 8.0]])
    parts = cut([(1, bay)], everywhere)
    assert [len(part.points) for part in parts] == pytest.approx([20, 10, 25], abs=2)
    assert all(np.ptp(part.points, axis=0).min() < 0.6 for part in parts)
    angle = np.linspace(0.0, np.pi, 60)
    bend = 6.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    assert len(cut([(4, bend)], everywhere)) == 1
