"""Who is believed: down at the first bad answer, up after several good ones, later each time."""

import pytest

from autonomy_nodes.perception.ladder import Channel, Ladder, LadderSettings


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


@pytest.mark.parametrize('wrong', [{'good': 0}, {'good': 9, 'most': 3}, {'latest_s': 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match='ladder'):
        LadderSettings(**wrong)
