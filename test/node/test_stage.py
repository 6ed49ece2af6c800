"""The ROS node around every stage: lifecycle, subscriptions, what is reported, how it fails."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

pytest.importorskip('rclpy')
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.time import Time

from autonomy_nodes.common.status import Heartbeat, Level
from autonomy_nodes.messages.topics import HEARTBEAT
from autonomy_nodes.messages.words import read_heartbeat, write_heartbeat
from autonomy_nodes.nodes.port import Join, Stage
from autonomy_nodes.nodes.publishing import ros_type

OK, REFUSED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
A, B, C = (replace(HEARTBEAT, name=name, rate_hz=10.0, qos='stream') for name in ('a', 'b', 'c'))


@dataclass(frozen=True)
class Weights:
    comfort: float = 2.0


@dataclass(frozen=True)
class Config:
    horizon_s: float = 5.0
    names: tuple[str, ...] = ('front',)
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self):
        if self.horizon_s <= 0:
            raise ValueError(f'horizon_s={self.horizon_s} must be above 0')


class Relay(Stage):
    """Repeats `a` on `b`; joins `c`."""

    name, config_type = 'relay', Config

    def __init__(self, join=(), step=None):
        self.join, self.given = join, step
        self.freed, self.seen = 0, []

    def build(self, port, config):
        self.config, self.out = config, port.publisher(B)
        port.trigger(A, read_heartbeat, self.given or self.step, join=self.join)

    def step(self, value, *partners):
        self.seen.append((value.stamp_ns, *(partner and partner.stamp_ns for partner in partners)))
        self.out.publish(write_heartbeat(value))

    def free(self):
        self.freed += 1


def beat(stamp_ns):
    return write_heartbeat(Heartbeat(stamp_ns, 'x'))


def test_each_message_triggers_one_step_with_its_stamp(bench):
    heard = []
    bench.listen(B, lambda data: heard.append(read_heartbeat(data).stamp_ns))
    assert bench.node(Relay()).start()
    for count, stamp_ns in enumerate((5, 7, 12), start=1):
        bench.send(A, beat(stamp_ns))
        bench.until(lambda count=count: len(heard) == count and len(bench.statuses) == count)
    assert heard == [5, 7, 12]
    status = bench.statuses[-1]
    assert (status.node, status.stamp_ns, status.text, status.lineage) == ('relay', 12, 'running', {'a': 12})
    assert status.dropped == {'a': 0} and status.duration_ms > 0.0 and 'latency_ms' in status.values


def test_silence_is_reported_after_one_and_a_half_periods_and_not_before(bench):
    node = bench.node(Relay())
    clock = node.get_clock()

    def at(time_s):
        clock.set_ros_time_override(Time(seconds=time_s, clock_type=clock.clock_type))

    at(10.0)
    assert node.start()
    for count, time_s in enumerate((10.14, 10.28), start=1):  # 1.4 periods each
        at(time_s)
        bench.send(A, beat(5))
        bench.until(lambda count=count: len(bench.statuses) == count)
    at(10.44)
    bench.until(lambda: len(bench.statuses) == 3)
    assert bench.texts() == ['running', 'running', 'no a for 1.5 periods']


def test_bad_data_is_dropped_counted_and_shown(bench):
    stage = Relay()
    assert bench.node(stage).start()
    for count in (1, 2):
        bench.send(A, b'\0\1\0\0')
        bench.until(lambda count=count: len(bench.statuses) == count)
        assert bench.statuses[-1].dropped == {'a': count} and bench.statuses[-1].level is Level.WARN
    bench.send(A, beat(5))
    bench.until(lambda: stage.seen == [(5,)])


def test_a_partner_is_joined_by_stamp_or_given_up(bench):
    stage = Relay(join=(Join(C, read_heartbeat),))
    assert bench.node(stage).start()
    bench.send(C, beat(5))
    bench.until(lambda: True)
    bench.send(A, beat(5))
    bench.until(lambda: stage.seen == [(5, 5)])
    bench.send(A, beat(6))
    bench.until(lambda: stage.seen == [(5, 5), (6, None)])
    bench.until(lambda: 'went on without c' in bench.texts())


def test_an_inactive_node_hears_nothing_and_says_nothing(bench):
    node = bench.node(Relay())
    out = bench.peer.create_publisher(ros_type(A.type), A.name, 1)
    for step, ears in ((node.trigger_configure, 0), (node.trigger_activate, 1), (node.trigger_deactivate, 0)):
        assert step() == OK
        bench.until(lambda ears=ears: out.get_subscription_count() == ears)


def test_a_node_gives_signs_of_life_only_while_active(bench):
    heard = []
    bench.listen(HEARTBEAT, lambda data: heard.append(read_heartbeat(data).node))
    node = bench.node(Relay())
    node.trigger_configure()
    node.trigger_activate()
    bench.until(lambda: len(heard) >= 3)
    assert set(heard) == {'relay'}


def test_signs_of_life_begin_when_the_peers_that_read_from_it_are_connected(bench):
    heard = []
    bench.listen(HEARTBEAT, lambda data: heard.append(read_heartbeat(data).node))
    told = replace(B, triggers=('peer',), prev=('elsewhere',))

    class Teller(Relay):
        def build(self, port, config):
            self.out = port.publisher(told)

    node = bench.node(Teller(), peers=['relay', 'peer', 'third'])
    node.trigger_configure()
    node.trigger_activate()
    turns = []
    bench.until(lambda: len(turns) > 20, lambda: turns.append(1))
    assert heard == []
    bench.listen(told, lambda data: None)  # the bench's own node is called peer
    bench.until(lambda: heard)


def test_the_whole_cycle_can_repeat_and_frees_each_time(bench):
    stage = Relay()
    node = bench.node(stage)
    for count in range(1, 4):
        for step in (node.trigger_configure, node.trigger_activate, node.trigger_deactivate, node.trigger_cleanup):
            assert step() == OK
        assert stage.freed == count


def test_a_node_that_was_not_configured_cannot_be_activated(bench):
    stage = Relay()
    node = bench.node(stage)
    with suppress(Exception):  # Jazzy raises, Kilted does not
        node.trigger_activate()
    out = bench.peer.create_publisher(ros_type(A.type), A.name, 1)
    for _ in range(5):
        bench.executor.spin_once(timeout_sec=0.05)
    assert not hasattr(stage, 'config') and out.get_subscription_count() == 0


@pytest.mark.parametrize(
    'wrong', [{'horizon': 5.0}, {'horizon_s': 'long'}, {'horizon_s': -1.0}, {'weights.comfrt': 1.0}]
)
def test_wrong_settings_refuse_to_configure_and_say_why(bench, wrong):
    assert bench.node(Relay(), **wrong).trigger_configure() == REFUSED
    bench.until(lambda: bench.statuses)
    assert bench.statuses[0].level is Level.ERROR and next(iter(wrong)) in bench.statuses[0].text


def test_settings_reach_the_stage_and_can_be_seen_as_parameters(bench):
    stage = Relay()
    node = bench.node(stage, **{'weights.comfort': 3, 'names': ['left', 'right']})
    assert node.trigger_configure() == OK
    assert stage.config == Config(5.0, ('left', 'right'), Weights(3.0))
    assert node.get_parameter('horizon_s').value == 5.0


def test_a_bug_is_shown_and_raised(bench):
    def fail(value):
        raise ZeroDivisionError('in a step')

    assert bench.node(Relay(step=fail)).start()
    with pytest.raises(ZeroDivisionError):
        bench.send(A, beat(5))
        bench.until(lambda: False)
    bench.until(lambda: bench.statuses)
    assert bench.statuses[0].text == "bug on a: ZeroDivisionError('in a step')"


def test_a_publisher_knows_whether_somebody_listens(bench):
    stage = Relay()
    assert bench.node(stage).start()
    assert not stage.out.wanted()
    bench.listen(B, lambda data: None)
    bench.until(stage.out.wanted)


def test_who_steps_back_lets_all_others_go_first():
    code = 'import os; from autonomy_nodes.nodes.run import step_back; step_back(); print(os.nice(0))'
    told = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert int(told) == 19


class Offering(Stage):
    """Offers a switch."""

    name, config_type = 'offering', Config

    def build(self, port, config):
        port.switch('lamp', lambda wanted: (wanted, 'on' if wanted else 'it stays on'))


class Asker(Stage):
    """Asks another node's switch."""

    name, config_type = 'asker', Config

    def build(self, port, config):
        self.ask = port.request('lamp')


def test_a_stage_asks_the_switch_of_another_node_and_hears_its_answer(bench):
    asker, answers = Asker(), []
    node = bench.node(asker)
    assert node.start()
    assert not asker.ask(True, answers.append)  # nobody offers it
    assert bench.node(Offering()).start()
    for wanted, answer in ((True, (True, 'on')), (False, (False, 'it stays on'))):
        answers.clear()
        bench.until(lambda wanted=wanted: asker.ask(wanted, lambda *told: answers.append(told)))
        bench.until(lambda: answers)
        assert answers == [answer]
    assert node.trigger_deactivate() == OK
    assert not asker.ask(True, answers.append)
