"""Nodes say which fault they have found; every code is one of a documented table."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from autonomy_nodes.common.status import FAULTS
from autonomy_nodes.common.timing import Timeline
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.nodes.port import Join, Stage

ROOT = Path(__file__).parents[2]
LIDAR = topics.LIDAR_RAW.named('top')


@dataclass(frozen=True)
class Value:
    """A stand-in for a message."""

    stamp_ns: int


def read(data):
    if data == b'bad':
        raise DataError('cannot be read')
    return Value(int(data))


class Sample(Stage):
    """A node that takes one main input, and odometry where it is told to."""

    name, config_type = 'sample', Value

    def __init__(self, topic, step=lambda *values: None, join=()):
        self.topic, self.step, self.join = topic, step, join

    def build(self, port, config):
        """Connect it."""
        port.trigger(self.topic, read, self.step, join=self.join)


def said(stage, *messages, until_ns=0):
    """Return the faults of each status that the stage gives; messages: (stamp, bytes) of its main input, or events."""
    statuses = []

    class Sink:
        def message(self, topic, now_ns, data):
            """Forget it."""

        def status(self, status):
            statuses.append(status.values.get('fault', ''))

    player = Lockstep([stage], {'sample': None}, Sink())
    player.start(0)
    player.play([m if isinstance(m, Event) else Event(stage.topic.name, *m) for m in messages])
    player.run_to(max(until_ns, player.now_ns))
    return statuses


def test_every_code_in_the_source_is_in_the_table_and_every_one_of_the_table_is_said():
    files = [path for path in (ROOT / 'autonomy_nodes').rglob('*.py') if path.name != 'status.py']
    used = {code for path in files for code in re.findall(r"'(F\d\d)'", path.read_text())}
    assert used == set(FAULTS)


def test_every_code_is_documented_with_its_meaning():
    told = (ROOT / 'docs/interface.md').read_text()
    rows = dict(re.findall(r'^\| (F\d\d) \| (.+) \|$', told, re.MULTILINE))
    assert rows == FAULTS


@pytest.mark.parametrize(
    ('topic', 'fault'),
    [
        (LIDAR, 'F12'),
        (topics.IMAGE_COMPRESSED.named('front'), 'F13'),
        (topics.CLOUD, ''),  # of our own node, which says for itself what was wrong
    ],
)
def test_a_sensors_message_that_cannot_be_read_is_a_fault(topic, fault):
    assert said(Sample(topic), (5, b'bad')) == [fault]


@pytest.mark.parametrize(
    ('topic', 'fault'), [(LIDAR, 'F02'), (topics.IMAGE_RAW.named('front'), 'F01'), (topics.CLOUD, '')]
)
def test_a_sensor_that_is_silent_is_a_fault(topic, fault):
    assert said(Sample(topic), until_ns=160_000_000) == [fault]


def test_what_a_step_finds_wrong_is_a_fault_and_the_next_good_step_has_none():
    def step(value):
        if value.stamp_ns == 7:
            raise DataError('frozen', fault='F04')

    assert said(Sample(LIDAR, step), (7, b'7'), (8, b'8')) == ['F04', '']


def test_odometry_that_does_not_come_is_a_fault():
    stage = Sample(topics.CLOUD, join=(Join(topics.ODOMETRY, read, must=True),))
    assert 'F17' in said(stage, (7, b'7'), until_ns=10 * SECOND_NS)


def test_a_first_sweep_of_which_there_is_no_odometry_yet_is_none():
    stage = Sample(topics.CLOUD, join=(Join(topics.ODOMETRY, read, must=True),))
    assert 'F17' not in said(stage, (7, b'7'), Event(topics.ODOMETRY.name, 8, b'8'), (8, b'8'), until_ns=SECOND_NS)


def test_two_faults_of_one_step_are_both_told():
    def step(value):
        if value.stamp_ns < 5 * SECOND_NS:
            raise DataError('older', fault='F06')

    late = 9 * SECOND_NS
    assert said(Sample(LIDAR, step), (5, b'%d' % late), (6, b'7')) == ['', 'F06,F09']


@pytest.mark.parametrize(
    ('stamps_ns', 'fault'), [([0], 'F07'), ([5, 5], 'F05'), ([9, 8], 'F06'), ([5, SECOND_NS * 9], 'F07')]
)
def test_a_stamp_that_does_not_follow_is_a_fault(stamps_ns, fault):
    timeline = Timeline(1.0)
    with pytest.raises(DataError) as found:
        for stamp_ns in stamps_ns:
            timeline.judge(stamp_ns)
    assert found.value.fault == fault
