"""The port's shared half, in lockstep: in which order things happen, what is awaited, what is counted."""

from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from autonomy_nodes.common.status import Heartbeat, Level
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.messages.topics import DIAGNOSTICS, HEARTBEAT
from autonomy_nodes.messages.words import read_heartbeat, read_status, write_heartbeat
from autonomy_nodes.nodes.port import Join, Stage

MS = 1_000_000
A, B, C, D = (replace(HEARTBEAT, name=name, rate_hz=10.0, qos='stream') for name in 'abcd')


@dataclass(frozen=True)
class Nothing:
    """No settings."""


class Script(Stage):
    """A stage whose wiring a test writes."""

    config_type = Nothing

    def __init__(self, name, build):
        self.name, self._build, self.freed = name, build, 0

    def build(self, port, config):
        self._build(port)

    def free(self):
        self.freed += 1


class Notes:
    """Keeps what the stages give."""

    def __init__(self):
        self.messages, self.statuses = [], []

    def message(self, topic, now_ns, data):
        if topic not in (DIAGNOSTICS, HEARTBEAT):
            self.messages.append((topic.name, read_heartbeat(data).stamp_ns, now_ns))

    def status(self, status):
        self.statuses.append(status)


def beat(topic, stamp_ms, received_ms=None, text='x'):
    received_ms = stamp_ms if received_ms is None else received_ms
    return Event(topic.name, received_ms * MS, write_heartbeat(Heartbeat(stamp_ms * MS, text)))


def repeat(out):
    return lambda value, *_: out.publish(write_heartbeat(value))


def relay(name, hears, says):
    def build(port):
        outs = [port.publisher(topic) for topic in says]
        port.trigger(hears, read_heartbeat, lambda value: [repeat(out)(value) for out in outs])

    return Script(name, build)


def play(stages, events, until_ms=None):
    notes = Notes()
    with closing(Lockstep(stages, {stage.name: Nothing() for stage in stages}, notes)) as player:
        player.start(0)
        player.play(events)
        player.run_to((until_ms or 0) * MS or player.now_ns)
    return notes


def joining(seen, wait_s=0.02, must=False):
    def build(port):
        def step(value, partner):
            seen.append((value.stamp_ns // MS, partner and partner.stamp_ns // MS, port.now_ns() // MS))

        port.trigger(A, read_heartbeat, step, join=(Join(B, read_heartbeat, wait_s, must),))

    return Script('joining', build)


def test_what_a_step_gives_comes_after_all_that_is_already_there():
    stages = [relay('first', A, says=(B, C)), relay('deep', B, says=(D,)), relay('second', A, says=(C,))]
    notes = play(stages, [beat(A, 5)])
    assert [name for name, *_ in notes.messages] == ['b', 'c', 'c', 'd']
    assert [stage.freed for stage in stages] == [1, 1, 1]


def test_who_only_reads_hears_a_message_before_who_is_triggered_by_it():
    seen = []

    def build(port):
        newest = port.latest(A, read_heartbeat)
        port.trigger(A, read_heartbeat, lambda value: seen.append(newest() == value))

    play([Script('both', build)], [beat(A, 5)])
    assert seen == [True]


def test_a_partner_of_equal_stamp_is_given_and_an_older_one_is_not():
    seen = []
    play([joining(seen)], [beat(B, 5), beat(A, 5), beat(A, 6)], until_ms=100)
    assert seen == [(5, 5, 5), (6, None, 26)]


def test_a_partner_that_comes_late_within_the_wait_is_given():
    seen = []
    play([joining(seen)], [beat(B, 1), beat(A, 5), beat(B, 5, received_ms=24)], until_ms=100)
    assert seen == [(5, 5, 24)]


def test_a_partner_is_no_longer_waited_for_once_a_newer_one_is_there():
    seen = []
    events = [beat(A, 5), beat(B, 6, received_ms=9), beat(A, 6, received_ms=10)]
    play([joining(seen, must=True)], events, until_ms=400)
    assert seen == [(6, 6, 10)]
    play([joining(seen)], [beat(B, 1), beat(A, 5), beat(B, 6, received_ms=9)], until_ms=400)
    assert seen[1:] == [(5, None, 9)]


def test_a_partner_that_was_never_heard_is_not_waited_for():
    seen = []
    play([joining(seen)], [beat(A, 5)])
    assert seen == [(5, None, 5)]


def test_a_partner_that_fell_silent_is_waited_for_five_times_and_said_to_be_missing():
    seen = []
    notes = play([joining(seen)], [beat(B, 1), *(beat(A, 100 * k) for k in range(1, 8))], until_ms=900)
    assert [now - stamp for stamp, _, now in seen] == [20] * 5 + [0, 0]
    assert sum('went on without b' in status.text for status in notes.statuses) == 5


def test_without_a_partner_that_must_come_the_message_is_dropped_and_counted():
    seen = []
    notes = play([joining(seen, must=True)], [beat(A, 5)], until_ms=310)
    told = [status for status in notes.statuses if status.text == 'dropped a: no b with its stamp']
    assert seen == [] and [status.stamp_ns // MS for status in told] == [305]
    assert told[0].dropped == {'a': 1, 'b': 0}


def test_steps_that_wait_run_in_the_order_of_their_triggers():
    seen = []
    play([joining(seen)], [beat(B, 1), beat(A, 5), beat(B, 10), beat(A, 10)], until_ms=100)
    assert [stamp for stamp, *_ in seen] == [5, 10]


def test_silence_is_told_after_one_and_a_half_periods_and_not_before():
    notes = play([relay('first', A, says=())], [beat(A, 140), beat(A, 280)], until_ms=440)
    assert [(s.text, s.stamp_ns // MS) for s in notes.statuses] == [
        ('running', 140), ('running', 280), ('no a for 1.5 periods', 430),
    ]  # fmt: skip


def test_bad_data_is_dropped_counted_and_told_and_the_rest_goes_on():
    notes = play([relay('first', A, says=(B,))], [Event('a', 5 * MS, b'\0\1'), beat(A, 6)])
    assert [s.level for s in notes.statuses] == [Level.WARN, Level.OK]
    assert notes.statuses[0].text.startswith('dropped a: ') and notes.statuses[1].dropped == {'a': 1}
    assert notes.messages == [('b', 6 * MS, 6 * MS)]


def test_a_step_that_cannot_use_its_input_drops_it():
    def refuse(value):
        raise DataError('no transform')

    notes = play([Script('s', lambda port: port.trigger(A, read_heartbeat, refuse))], [beat(A, 5)])
    assert (notes.statuses[0].text, notes.statuses[0].dropped) == ('dropped a: no transform', {'a': 1})


def test_a_bug_is_not_bad_data():
    with pytest.raises(ZeroDivisionError):
        play([Script('s', lambda port: port.trigger(A, read_heartbeat, lambda value: 1 / 0))], [beat(A, 5)])


def test_lineage_tells_what_a_step_really_read():
    def build(port):
        read_one, unread = port.latest(B, read_heartbeat), port.latest(C, read_heartbeat)
        assert unread() is None
        port.trigger(A, read_heartbeat, lambda value: read_one())

    notes = play([Script('s', build)], [beat(B, 3), beat(C, 4), beat(A, 5)])
    assert notes.statuses[-1].lineage == {'a': 5 * MS, 'b': 3 * MS}


def test_all_since_the_last_step_are_given_once_and_oldest_first():
    seen = []

    def build(port):
        gathered = port.since(B, read_heartbeat)
        port.trigger(A, read_heartbeat, lambda value: seen.append([v.stamp_ns // MS for v in gathered()]))

    play([Script('s', build)], [beat(B, 1), beat(B, 2), beat(A, 3), beat(A, 4), beat(B, 5), beat(A, 6)])
    assert seen == [[1, 2], [], [5]]


def test_words_of_a_step_ride_in_its_status_and_the_worst_level_counts():
    def build(port):
        def step(value):
            port.say(Level.OK, 'fine', speed='3')
            port.say(Level.ERROR, 'left sweep stale', left='stale')

        port.trigger(A, read_heartbeat, step)

    status = play([Script('s', build)], [beat(A, 5)]).statuses[-1]
    assert (status.level, status.text) == (Level.ERROR, 'left sweep stale')
    assert status.values == {'speed': '3', 'left': 'stale'}


def test_ticks_come_at_their_time_between_the_events():
    seen = []

    def build(port):
        port.every(0.05, lambda now_ns: seen.append(now_ns // MS))
        port.trigger(A, read_heartbeat, lambda value: seen.append('a'))

    play([Script('s', build)], [beat(A, 120)], until_ms=200)
    assert seen == [50, 100, 'a', 150, 200]


def test_time_that_jumps_back_flushes_what_was_known_but_not_what_lasts():
    seen, goal = [], replace(C, qos='latched')

    def build(port):
        newest, lasting = port.latest(B, read_heartbeat), port.latest(goal, read_heartbeat)
        port.trigger(A, read_heartbeat, lambda value: seen.append((newest() is None, lasting() is None)))

    back = [beat(A, 3999, received_ms=5001), beat(A, 4500, received_ms=5002)]
    notes = play([Script('s', build)], [beat(B, 5000), beat(goal, 5000), beat(A, 5000), *back])
    assert seen == [(False, False), (True, False), (True, False)]
    steps = [status.text for status in notes.statuses if status.duration_ms is not None]
    assert steps == ['running', 'time went back 1.0 s: buffers flushed', 'running']


def test_parts_of_a_step_are_timed_from_its_reading_on_and_the_message_tells_nothing_of_it():
    def build(port):
        def read(data):
            port.lap('reading')
            return read_heartbeat(data)

        port.trigger(A, read, lambda value: port.lap(f'step {value.stamp_ns // MS}'))

    notes, told = Notes(), []
    notes.message = lambda topic, now_ns, data: told.append(data) if topic == DIAGNOSTICS else None
    stage = Script('s', build)
    with closing(Lockstep([stage], {'s': Nothing()}, notes)) as player:
        player.start(0)
        player.play([beat(A, 1), beat(A, 2)])
    steps = [status for status in notes.statuses if status.duration_ms is not None]
    assert [[*status.parts_ms] for status in steps] == [['reading', 'step 1'], ['reading', 'step 2']]
    assert all(0.0 <= sum(status.parts_ms.values()) <= status.duration_ms for status in steps)
    assert [read_status(data).parts_ms for data in told] == [{}, {}]


def test_a_step_back_in_the_time_of_receipt_is_refused():
    with pytest.raises(ValueError, match='at 3000000 comes after 5000000'):
        play([relay('first', A, says=())], [beat(A, 5), beat(A, 3)])


def test_a_switch_can_be_thrown():
    stage = Script('s', lambda port: port.switch('system/engage', lambda wanted: (wanted, 'done')))
    player = Lockstep([stage], {'s': Nothing()}, Notes())
    assert player.seats['s'].switches['system/engage'](True) == (True, 'done')


def test_a_giver_that_finishes_ends_time():
    seen = []

    def build(port):
        port.every(0.1, lambda now_ns: seen.append(now_ns // MS) or (now_ns >= 300 * MS and port.finish()) or None)

    play([Script('s', build)], [], until_ms=1000)
    assert seen == [100, 200, 300]


def test_each_partner_is_waited_for_as_long_as_it_is_worth():
    seen = []

    def build(port):
        join = (Join(B, read_heartbeat, 0.02), Join(C, read_heartbeat, must=True))
        port.trigger(A, read_heartbeat, lambda a, b, c: seen.append((b is None, port.now_ns() // MS)), join=join)

    events = [beat(B, 1), beat(A, 5), beat(C, 5, received_ms=10), beat(A, 100), beat(C, 100, received_ms=180)]
    play([Script('s', build)], events, until_ms=300)
    assert seen == [(True, 25), (True, 180)]
