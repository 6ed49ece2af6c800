"""One lockstep in several processes: the same outputs, told in the same order, as in one."""

import socket
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lockstep import MS, A, B, C, D, Notes, Nothing, Script, beat, relay

from autonomy_nodes.common.status import Heartbeat
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.evaluation.relay import Downstream, StandIn, Upstream, divided
from autonomy_nodes.messages.topics import TABLE
from autonomy_nodes.messages.words import read_heartbeat, write_heartbeat
from autonomy_nodes.nodes.port import Join
from autonomy_nodes.nodes.processes import wanted

LONG = 'x' * 20_000  # longer than what is copied together with others


class Order(Notes):
    """Keeps everything in the order in which it came."""

    def message(self, topic, now_ns, data):
        self.messages.append((topic.name, now_ns, bytes(data)))

    def status(self, status):
        self.statuses.append(replace(status, duration_ms=None, parts_ms={}))


def ticking(name, period_s, out):
    def build(port):
        sends = port.publisher(out)
        port.every(period_s, lambda now_ns: sends.publish(write_heartbeat(Heartbeat(now_ns, name))))

    return Script(name, build)


def joining(name, out, wait_s=0.02):
    def build(port):
        sends = port.publisher(out)
        newest = port.latest(C, read_heartbeat)

        def step(value, partner):
            texts = [LONG if partner else 'alone', newest().node if newest() else '']
            sends.publish(write_heartbeat(Heartbeat(value.stamp_ns, ' '.join(texts))))

        port.trigger(A, read_heartbeat, step, join=(Join(B, read_heartbeat, wait_s),))

    return Script(name, build)


def graph():
    """Stages of which none hears a later one; the last but one listens to the first as well."""
    return [
        relay('first', A, says=(B, C)), ticking('ticks', 0.03, C), joining('joins', D), relay('last', D, says=()),
        relay('other', B, says=()),
    ]  # fmt: skip


def run(player, events, until_ms, order):
    with closing(player):
        player.start(0)
        player.play(events)
        player.run_to(until_ms * MS)
    return order.messages, order.statuses


def alone(events, until_ms=500):
    order, stages = Order(), graph()
    return run(Lockstep(stages, {stage.name: Nothing() for stage in stages}, order), events, until_ms, order)


def shared(events, cuts, until_ms=500):
    """Run the graph in len(cuts) + 1 locksteps in line, each in a thread of its own."""
    stages, line, before = graph(), None, []
    bounds = [0, *cuts, len(stages)]

    def work(own, before, line, out):
        downstream, order = Downstream(out), Order()
        upstream = Upstream(line, before) if line else None
        known = [*(StandIn(name, upstream) for name in before), *own]
        try:
            player = Lockstep(known, {stage.name: Nothing() for stage in own}, order, downstream)
            downstream.introduce(player, upstream)
            run(player, downstream.passing(upstream.events() if upstream else events), until_ms, order)
            downstream.flush()
        except Exception as error:
            downstream.failed(error)

    threads, ends = [], []
    for first, last in zip(bounds[:-2], bounds[1:-1]):
        out, following = socket.socketpair()
        threads.append(threading.Thread(target=work, args=(stages[first:last], tuple(before), line, out)))
        threads[-1].start()
        before += [stage.name for stage in stages[first:last]]
        line = following
        ends += [out, following]
    upstream, order, own = Upstream(line, before), Order(), stages[bounds[-2] :]
    player = Lockstep(
        [*(StandIn(name, upstream) for name in before), *own], {stage.name: Nothing() for stage in own}, order
    )
    found = run(player, upstream.events(), until_ms, order)
    for thread in threads:
        thread.join()
    for end in ends:
        end.close()
    return found


EVENTS = st.lists(
    st.tuples(st.sampled_from([A, B, C]), st.integers(0, 400)), max_size=25
).map(lambda drawn: [beat(topic, stamp) for topic, stamp in sorted(drawn, key=lambda each: each[1])])


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))
def test_the_last_of_several_gives_what_one_alone_gives(events, cuts):
    assert shared(events, sorted(cuts)) == alone(events)


def test_long_messages_timers_and_partners_pass_from_one_to_the_next():
    events = [beat(A, 100 * k) for k in range(1, 5)]
    messages, statuses = shared(events, [1, 3])
    assert sum(LONG.encode() in data for _, _, data in messages) == 3  # of the first A nobody knew that a B comes
    assert {status.node for status in statuses} == {'first', 'joins', 'last', 'other'}


def test_what_goes_wrong_in_an_earlier_process_is_raised_in_the_last():
    line, out = socket.socketpair()
    Downstream(out).failed(DataError('no such bag'))
    with pytest.raises(DataError, match='no such bag'):
        Upstream(line, ['first']).take('ways')


def test_an_error_that_cannot_be_sent_is_told_by_its_text():
    class OddError(Exception):
        def __init__(self, one, two):
            super().__init__(f'{one} and {two}')

    line, out = socket.socketpair()
    Downstream(out).failed(OddError(1, 2))
    with pytest.raises(RuntimeError, match='OddError: 1 and 2'):
        Upstream(line, []).take('ways')


def test_a_process_that_ends_is_noticed():
    line, out = socket.socketpair()
    out.close()
    with pytest.raises(RuntimeError, match='has ended'):
        Upstream(line, []).take('ways')


@pytest.mark.parametrize('parts', [1, 2, 3, 4, 7, 50])
def test_no_node_hears_one_of_a_later_process_and_each_runs_once(parts):
    nodes = wanted({})
    shares = divided(nodes, parts)
    assert sorted(sum(shares, ())) == sorted(nodes) and 1 <= len(shares) <= parts
    where = {name: place for place, share in enumerate(shares) for name in share}
    for topic in TABLE:
        givers = nodes if topic.given_by == 'all' else [topic.given_by]
        for giver in {*givers} & where.keys():
            assert all(where[giver] <= where[reader] for reader in topic.readers & where.keys()), topic.name


def test_two_processes_share_the_cost_about_equally():
    front, back = divided(wanted({}), 2)
    assert {'lidar', 'perception'} <= {*front} and {'planning', 'safety'} <= {*back}
