"""Lines followed from cells: what is laid into cells comes back, once, where it lies."""

import numpy as np
import pytest
from lane_cells import CENTRE, along, arc, line_cells, mark_cells, travel_cells

from autonomy_nodes.evaluation.measures.lane_scores import chamfer
from autonomy_nodes.perception.bev import LANDMARKS, LANE_KINDS, LINE_TOLD
from autonomy_nodes.perception.lanes.lines import LineSettings, lines_of, marks_of

DIVIDER, BOUNDARY, CROSSING = (LANE_KINDS.index(name) for name in ('divider', 'boundary', 'crossing'))
POLE, SIGN = LANDMARKS.index('pole'), LANDMARKS.index('sign')


def told_of(cells, settings, *lines):
    return lines_of(cells, travel_cells(*lines), settings)


def found(*lines):
    return told_of(line_cells(*lines), LineSettings(), *lines)


def assert_same(told, true, within_m):
    """Each true line is told once, by the line that lies on it."""
    assert len(told) == len(true)
    away = np.array([[chamfer(along(*one.points), line) for _, line in true] for one in told])
    mine = away.argmin(axis=1)
    assert sorted(mine.tolist()) == list(range(len(true)))
    assert away.min(axis=1).max() < within_m
    assert [one.kind for one in told] == [true[n][0] for n in mine]


@pytest.mark.parametrize('angle', [0.0, 0.3, np.pi / 4, np.pi / 2, 2.2])
def test_a_straight_line_comes_back_as_one(angle):
    line = along((0.0, 1.0), (0.0, 1.0) + 16.0 * np.array([np.cos(angle), np.sin(angle)]))
    assert_same(found((DIVIDER, line)), [(DIVIDER, line)], 0.1)


@pytest.mark.parametrize('radius_m', [6.0, 12.0, 30.0])
def test_a_bend_comes_back_as_one(radius_m):
    bend = arc(radius_m, -np.pi / 2, -np.pi / 2 + min(1.4, 24.0 / radius_m), (0.0, radius_m - 8.0))
    assert_same(found((BOUNDARY, bend)), [(BOUNDARY, bend)], 0.1)


def test_a_line_that_has_no_begin_is_followed_where_its_told_direction_turns_round():
    """From 50 to 130 degrees: half of the told angle jumps from 90 to -90."""
    bend = arc(12.0, -0.7, 0.7)
    assert_same(found((BOUNDARY, bend)), [(BOUNDARY, bend)], 0.1)


def test_two_lines_that_cross_come_back_as_two():
    lines = [(DIVIDER, along((-10.0, 0.0), (20.0, 0.0))), (DIVIDER, along((5.0, -12.0), (5.0, 12.0)))]
    assert_same(found(*lines), lines, 0.2)


def test_lines_of_two_kinds_in_the_same_place_are_both_told():
    lines = [(DIVIDER, along((-10.0, 3.0), (20.0, 3.0))), (BOUNDARY, along((-10.0, 3.2), (20.0, 3.2)))]
    assert_same(found(*lines), lines, 0.1)


def test_dashes_with_short_gaps_are_one_line_and_those_that_lie_far_apart_are_two():
    """gap_m = 3.2: 2.5 m are gone over, 7 m are not."""
    first = along((-10.0, 2.0), (5.0, 2.0))
    near, far = along((7.5, 2.0), (20.0, 2.0)), along((12.0, 2.0), (25.0, 2.0))
    assert_same(found((DIVIDER, first), (DIVIDER, near)), [(DIVIDER, along((-10.0, 2.0), (20.0, 2.0)))], 0.2)
    assert_same(found((DIVIDER, first), (DIVIDER, far)), [(DIVIDER, first), (DIVIDER, far)], 0.2)


@pytest.mark.parametrize('gap_m', [1.6, 6.4])
def test_a_gap_counts_as_the_setting_says(gap_m):
    parts = [(DIVIDER, along((-10.0, 2.0), (5.0, 2.0))), (DIVIDER, along((9.0, 2.0), (20.0, 2.0)))]  # 4 m apart
    assert len(told_of(line_cells(*parts), LineSettings(gap_m=gap_m))) == (2 if gap_m < 4.0 else 1)


def test_middles_of_lanes_of_opposite_traffic_keep_their_directions():
    lines = [(CENTRE, along((-15.0, -0.8), (30.0, -0.8))), (CENTRE, along((30.0, 0.8), (-15.0, 0.8)))]
    told = found(*lines)
    assert_same(told, lines, 0.1)
    for one in told:
        assert np.sign(one.points[-1, 0] - one.points[0, 0]) == (1.0 if one.points[0, 1] < 0.0 else -1.0)


def test_a_middle_that_bends_by_a_quarter_is_followed_in_the_direction_of_travel():
    bend = arc(10.0, 0.0, np.pi / 2, (0.0, -5.0))[::-1]
    (one,) = found((CENTRE, bend))
    assert chamfer(along(*one.points), bend) < 0.1
    assert np.linalg.norm(one.points[0] - bend[0]) < 1.0 and np.linalg.norm(one.points[-1] - bend[-1]) < 1.0


def test_a_crossing_is_told_once_and_another_one_behind_it_too():
    surer, weaker, other = (along((x, -4.0), (x, 4.0)) for x in (5.0, 6.5, 12.0))
    cells = line_cells((CROSSING, surer), (CROSSING, other))
    row = LANE_KINDS.index('crossing') * len(LINE_TOLD)
    mine = line_cells((CROSSING, weaker), sure=1.0)
    there = mine[row] > 0.0
    cells[row : row + 5, there] = mine[row : row + 5, there]
    assert_same(told_of(cells, LineSettings()), [(CROSSING, surer), (CROSSING, other)], 0.3)
    assert len(told_of(cells, LineSettings(crossing_m=0.5))) == 3


def test_a_lane_ends_where_another_one_leaves_it_and_goes_on_as_another_one():
    """Straight on and a bend to the left from the same lane: three lanes, which meet at the fork."""
    straight, bend = along((-15.0, 0.0), (30.0, 0.0)), arc(12.0, -np.pi / 2, 0.0, (4.0, 12.0))
    told = found((CENTRE, straight), (CENTRE, bend))
    assert len(told) == 3
    first, *others = sorted(told, key=lambda line: line.points[0, 0])
    assert first.points[0] == pytest.approx([-15.0, 0.0], abs=1.0)
    fork = first.points[-1]
    assert 4.0 < fork[0] < 10.0 and abs(fork[1]) < 0.5
    for way, end in zip(sorted(others, key=lambda line: line.points[-1, 1]), ([30.0, 0.0], [16.0, 12.0])):
        assert np.linalg.norm(way.points[0] - fork) < 1.7 and np.linalg.norm(way.points[-1] - end) < 1.2
    assert len(told_of(line_cells((CENTRE, straight), (CENTRE, bend)), LineSettings(fork_m=0.01))) == 2


def test_the_score_is_the_mean_chance_along_the_line_and_the_surest_line_comes_first():
    weak, strong = along((-10.0, -4.0), (20.0, -4.0)), along((-10.0, 4.0), (20.0, 4.0))
    cells = np.maximum(line_cells((DIVIDER, weak), sure=0.4), -1e3)
    mine = line_cells((DIVIDER, strong), sure=2.0)
    there = mine[0] > 0.0
    cells[:5, there] = mine[:5, there]
    told = told_of(cells, LineSettings())
    assert [round(float(one.points[:, 1].mean())) for one in told] == [4, -4]
    assert [one.score for one in told] == pytest.approx([1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(-0.4))], abs=0.02)


def test_what_is_not_sure_or_too_short_is_no_line():
    """A line of less than 2 m is left out."""
    line = along((0.0, 0.0), (20.0, 0.0))
    cells = line_cells((DIVIDER, line), sure=-0.1)  # 0.475
    assert not told_of(cells, LineSettings(sure=0.5)) and len(told_of(cells, LineSettings(sure=0.45))) == 1
    short = line_cells((DIVIDER, along((5.0, 0.0), (5.4, 0.0))))
    assert not told_of(short, LineSettings()) and len(told_of(short, LineSettings(shortest_m=0.5))) == 1


def test_a_line_goes_on_over_cells_that_are_less_sure():
    line = along((-10.0, 0.0), (20.0, 0.0))
    cells = line_cells((DIVIDER, line), sure=-0.8)  # 0.31
    cells[0, 60:64][cells[0, 60:64] > -1.0] = 2.0
    (one,) = told_of(cells, LineSettings(sure=0.5, least=0.25))
    assert np.ptp(one.points[:, 0]) == pytest.approx(30.0, abs=1.6)


def test_lines_at_the_rim_of_the_cells_are_followed_to_the_rim():
    line = along((-24.0, 19.8), (40.0, 19.8))
    assert_same(found((BOUNDARY, line)), [(BOUNDARY, line)], 0.2)


def test_marks_stand_where_they_are_and_the_surer_of_two_neighbours_is_kept():
    cells = mark_cells((POLE, 10.0, 3.0, 3.0), (POLE, 10.0, 5.0, 1.0), (POLE, -6.1, -7.3, 2.0), (POLE, -6.1, -6.5, 3.0))
    told = marks_of(cells, 0.5)
    assert told[:, 0].tolist() == [POLE] * 3
    assert told[:, 1:3] == pytest.approx(np.array([[-6.1, -6.5], [10.0, 3.0], [10.0, 5.0]]), abs=1e-4)
    assert told[:, 3] == pytest.approx(1.0 / (1.0 + np.exp([-3.0, -3.0, -1.0])), abs=1e-6)


def test_a_sign_at_a_pole_is_both_and_what_is_not_sure_is_neither():
    cells = mark_cells((POLE, 10.0, 3.0, 3.0), (SIGN, 10.0, 3.0, 1.0), (SIGN, 20.0, 3.0, -0.1))
    told = marks_of(cells, 0.5)
    assert told[:, 0].tolist() == [POLE, SIGN] and len(marks_of(cells, 0.4)) == 3
    assert marks_of(mark_cells(), 0.5).shape == (0, 4)


@pytest.mark.parametrize('wrong', [{'sure': 0.04}, {'least': 0.0}, {'sure': 1.0}, {'gap_m': 0.0}, {'turn_rad': -1.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LineSettings(**wrong)
