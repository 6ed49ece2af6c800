"""Who is believed: down at the first bad answer, up after several good ones, later each time."""

import math

import pytest

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.perception.ladder import CapSettings, Channel, Ladder, LadderSettings, Sweeps, cap_mps


def told(ladder, answers):
    return ''.join('L' if ladder.heard(answer == '+') is Channel.LEARNED else 'g' for answer in answers)


def test_without_a_network_the_geometric_channel_is_believed_whatever_comes():
    assert told(Ladder(LadderSettings(), False), '+++-++') == 'gggggg'


def test_one_bad_answer_leads_down_and_several_good_ones_up():
    assert told(Ladder(LadderSettings(good=3), True), '++-++++') == 'LLgggLL'


def test_a_bad_answer_among_the_good_ones_begins_the_count_anew_and_makes_it_longer():
    assert told(Ladder(LadderSettings(good=2), True), '-+-++++') == 'gggggg' + 'L'


def test_the_wait_is_bounded_and_forgotten_after_long_good_service():
    ladder = Ladder(LadderSettings(good=2, most=4), True)
    assert told(ladder, '-+-+-+-++++') == 'g' * 10 + 'L'
    told(ladder, '+' * 40)
    assert told(ladder, '-++') == 'ggL'


@pytest.mark.parametrize('wrong', [{'good': 0}, {'good': 9, 'most': 3}, {'latest_s': 0.0}, {'silent_s': 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match='ladder'):
        LadderSettings(**wrong)


TENTH = SECOND_NS // 10


def sweeps(has_lidar=True, has_cameras=True, **more):
    return Sweeps(LadderSettings(good=3, most=12, **more), has_lidar, has_cameras)


def come(watched, tenths):
    """Let sweeps come at these tenths of a second; return at which of them they are believed."""
    found = []
    for n in tenths:
        watched.came(n * TENTH)
        found += [n] * watched.believed
    return found


def alone(watched, tenths):
    """Let pictures come; return those that are perceived by themselves."""
    found = []
    for n in tenths:
        if watched.alone(n * TENTH, n * TENTH):
            watched.looked(n * TENTH)
            found.append(n)
    return found


def test_pictures_stand_in_a_quarter_of_a_second_after_the_last_sweep():
    watched = sweeps()
    come(watched, range(1, 6))
    assert alone(watched, range(5, 12)) == [8, 9, 10, 11]
    assert not watched.believed


def test_sweeps_are_believed_again_after_good_ones_in_a_row_and_later_where_they_fail_in_between():
    """good=3: the first comes late, three more in time; a gap after two good ones doubles that."""
    watched = sweeps()
    come(watched, range(1, 6))
    alone(watched, range(6, 12))
    assert come(watched, range(12, 18)) == [15, 16, 17]
    assert alone(watched, [21]) == [21]
    assert come(watched, [22, 23, 24, 30, *range(31, 38)]) == [36, 37]


def test_a_gap_that_no_picture_had_to_fill_costs_nothing():
    assert come(sweeps(), [1, 2, 9, 10]) == [1, 2, 9, 10]


def test_pictures_of_one_moment_or_of_a_slower_camera_are_perceived_once():
    watched = sweeps(has_lidar=False)
    first = 10 * TENTH
    assert watched.alone(first, first)
    watched.looked(first)
    for late_ms, wanted in ((0, False), (-80, False), (49, False), (51, True)):
        assert watched.alone(first + late_ms * 1_000_000, first + TENTH) is wanted
    assert watched.alone(first - 2 * SECOND_NS, first)  # time jumped back


def test_before_the_first_sweep_and_without_networks_for_cameras_no_picture_stands_in():
    assert alone(sweeps(), range(20)) == []
    for watched in (sweeps(has_cameras=False), sweeps(by_cameras=False)):
        come(watched, range(1, 6))
        assert alone(watched, range(6, 30)) == [] and watched.believed


def test_without_a_lidar_every_picture_is_perceived_and_no_sweep_is_believed():
    watched = sweeps(has_lidar=False)
    assert alone(watched, range(5)) == [0, 1, 2, 3, 4] and not watched.believed


@pytest.mark.parametrize(
    ('rung', 'best', 'believed', 'limit'),
    [
        (Channel.FUSED, Channel.FUSED, True, math.inf),
        (Channel.LEARNED, Channel.FUSED, True, 20.0),
        (Channel.LEARNED, Channel.LEARNED, True, math.inf),  # it never had cameras
        (Channel.GEOMETRIC, Channel.LEARNED, True, 12.0),
        (Channel.GEOMETRIC, Channel.GEOMETRIC, True, math.inf),
        (Channel.CAMERAS, Channel.FUSED, False, 4.0),
        (Channel.FUSED, Channel.FUSED, False, 4.0),  # sweeps are back, for how long nobody knows
    ],
)
def test_a_rung_below_the_best_has_a_cap(rung, best, believed, limit):
    assert cap_mps(rung, best, believed, CapSettings(20.0, 12.0, 4.0)) == limit


def test_a_cap_must_let_the_vehicle_move():
    with pytest.raises(ValueError, match='cameras_mps'):
        CapSettings(cameras_mps=0.0)
