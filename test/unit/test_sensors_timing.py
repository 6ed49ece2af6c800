from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomy_nodes.common.timing import Flow, StampBuffer, Timeline
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.sensors.sync import Companions

START = 1_000 * SECOND_NS
PERIOD = SECOND_NS // 10
stamps = st.integers(1, 10**12)


def judged(timeline, *stamps_ns):
    """What becomes of each: a Flow, or the first words of the reason."""
    found = []
    for stamp_ns in stamps_ns:
        try:
            found.append(timeline.judge(stamp_ns))
        except DataError as error:
            found.append(' '.join(str(error).split()[:2]))
    return found


def at(*tenths):
    return [START + tenth * PERIOD for tenth in tenths]


def test_a_stream_in_order_goes_on():
    assert judged(Timeline(), *at(0, 1, 2, 5)) == [Flow.FIRST, Flow.NEXT, Flow.NEXT, Flow.NEXT]


def test_zero_and_duplicate_stamps_are_refused_for_ever():
    assert judged(Timeline(), 0, *at(0, 0, 0, 0, 0, 1))[2:] == ['duplicate stamp'] * 4 + [Flow.NEXT]
    assert judged(Timeline(), 0) == ['zero stamp:']


def test_one_stamp_out_of_order_is_refused_and_harms_nothing():
    assert judged(Timeline(), *at(10, 8, 11)) == [Flow.FIRST, 'stamp out', Flow.NEXT]


def test_one_stamp_in_the_future_is_refused_and_harms_nothing():
    assert judged(Timeline(), *at(10, 610, 11)) == [Flow.FIRST, 'stamp in', Flow.NEXT]


@pytest.mark.parametrize('jump', [-100, -6, 600])
def test_time_that_jumped_is_believed_at_the_third_stamp(jump):
    found = judged(Timeline(), *at(200, *(200 + jump + step for step in range(4))))
    assert found[3:] == [Flow.JUMPED, Flow.NEXT]
    assert Flow.JUMPED not in found[:3]


def test_odd_stamps_that_do_not_follow_one_another_are_never_believed():
    assert Flow.JUMPED not in judged(Timeline(), *at(100, 50, 30, 70, 10, 60, 101))


@given(st.lists(st.integers(1, 30), max_size=60))
def test_what_is_accepted_between_jumps_always_increases(tenths):
    timeline, last = Timeline(), 0
    for stamp_ns in at(*tenths):
        try:
            flow = timeline.judge(stamp_ns)
        except DataError:
            continue
        assert flow is Flow.JUMPED or stamp_ns > last
        last = stamp_ns


@given(st.lists(stamps), st.integers(1, 8), stamps, st.floats(0.0, 10.0))
def test_a_buffer_finds_what_a_plain_search_finds(given_ns, size, wanted_ns, within_s):
    buffer, kept = StampBuffer(size, back_s=1e6), []
    for stamp_ns in given_ns:
        buffer.add(stamp_ns, stamp_ns)
        kept = sorted({*kept, stamp_ns})[-size:] if stamp_ns not in kept else kept
    near = [each for each in kept if abs(each - wanted_ns) <= within_s * SECOND_NS]
    nearest = min(near, key=lambda each: (abs(each - wanted_ns), each), default=None)
    assert buffer.nearest(wanted_ns, within_s) == nearest
    assert buffer.at(wanted_ns) == (wanted_ns if wanted_ns in kept else None)
    assert buffer.between(wanted_ns, 10**12) == [each for each in kept if each > wanted_ns]


@given(st.lists(stamps), st.integers(1, 8))
def test_a_buffer_is_bounded_and_counts_every_value_it_lost(given_ns, size):
    buffer = StampBuffer(size, back_s=1.0)
    for stamp_ns in given_ns:
        buffer.add(stamp_ns, stamp_ns)
        assert len(buffer) <= size
        assert buffer.newest_ns >= stamp_ns
    assert len(buffer) + sum(buffer.counts.values()) == len(given_ns)


def test_a_jump_back_empties_a_buffer_and_a_jump_forward_leaves_old_values_out_of_reach():
    buffer = StampBuffer(8, back_s=1.0)
    for stamp_ns in at(0, 1, 600):
        buffer.add(stamp_ns, stamp_ns)
    assert buffer.nearest(START + 601 * PERIOD, within_s=0.2) == START + 600 * PERIOD
    assert buffer.nearest(START + 300 * PERIOD, within_s=0.2) is None
    buffer.add(START + 2 * PERIOD, 2)
    assert len(buffer) == 1
    assert buffer.counts == Counter(flushed=3)


def test_interpolation_blends_by_time_and_refuses_gaps_and_the_outside():
    def blend(before, after, share):
        return before + share * (after - before)

    buffer = StampBuffer(8)
    buffer.add(START, 10.0)
    buffer.add(START + PERIOD, 20.0)
    assert buffer.interpolated(START + PERIOD // 4, blend, gap_s=0.2) == pytest.approx(12.5)
    assert buffer.interpolated(START, blend, gap_s=0.2) == 10.0
    assert buffer.interpolated(START + PERIOD // 4, blend, gap_s=0.05) is None
    assert buffer.interpolated(START - 1, blend, gap_s=0.2) is None
    assert buffer.interpolated(START + PERIOD + 1, blend, gap_s=0.2) is None


def test_a_companion_that_is_offered_again_is_no_duplicate():
    companions = Companions(('left',))
    sweep = SimpleNamespace(stamp_ns=START)
    for _ in range(3):
        companions.add('left', sweep)
    companions.add('left', None)
    assert companions.match(START + PERIOD // 2, within_s=0.06) == {'left': sweep}
    assert companions.match(START + PERIOD, within_s=0.06) == {'left': None}
    assert companions.age_s('left', START + PERIOD) == pytest.approx(0.1)
    assert companions.buffers['left'].counts == Counter()


def test_a_buffer_of_no_size_is_refused():
    with pytest.raises(ValueError, match='size=0'):
        StampBuffer(0)
