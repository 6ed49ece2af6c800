"""Each node is taken away in turn, in the middle of a drive: which output stops, and what the stack does then."""

from collections import defaultdict

import pytest

pytest.importorskip('embreex', reason='the simulator needs the extra sim')

from autonomy_nodes.common.status import Mode
from autonomy_nodes.evaluation.drive import Drive, Scenario
from autonomy_nodes.evaluation.replay import Setup, lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import read_command
from autonomy_nodes.messages.topics import TABLE as TOPICS
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import TABLE

BEFORE_S, AFTER_S = 5.0, 2.0
PATH = ('lidar', 'localization', 'perception', 'tracking', 'prediction', 'planning')
OUTPUTS = {name: [topic for topic in TOPICS if topic.given_by == name and topic.rate_hz >= 1.0] for name in TABLE}
# The output by which the loss shows to others: (topic that stops, stages whose output stops with it)
SHOWS = {
    'camera': (topics.IMAGE_RECT.named('front'), ()),
    'lidar': (topics.CLOUD, ('localization', 'perception', 'tracking', 'prediction', 'planning')),
    'localization': (topics.ODOMETRY, ('map', 'perception', 'tracking', 'prediction', 'planning')),
    'map': (topics.LOCAL_VECTORS, ()),
    'perception': (topics.TERRAIN, ('tracking', 'prediction', 'planning', 'map_update')),
    'tracking': (topics.TRACKS, ('prediction', 'planning')),
    'prediction': (topics.PREDICTIONS, ('planning',)),
    'planning': (topics.PLANNED, ()),
    'map_update': (topics.CHANGES, ()),
    'safety': (topics.TRAJECTORY, ()),
    'control': (topics.CONTROL, ()),
}


class Counts:
    """Counts messages by topic and notes what safety and the simulator say."""

    def __init__(self):
        self.messages, self.modes, self.told, self.command = defaultdict(int), [], {}, None

    def message(self, topic, now_ns, data):
        self.messages[topic.name] += 1
        if topic is topics.CONTROL:
            self.command = read_command(data)

    def status(self, status):
        if status.node == 'safety' and 'mode' in status.values:  # not so where it only misses its input
            self.modes.append((status.values['mode'], status.text))
        self.told[status.node] = status


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Give a drive of a moving vehicle on a road with a map, seen by half as many columns as usual."""
    out = tmp_path_factory.mktemp('drive')
    quick = {'sim.simulation.lidar.columns': 900, 'sim.simulation.camera.rate_hz': 2.5}
    return Drive(out, Scenario('road', 0, 60.0), resolved({}), quick).prepared()


@pytest.mark.parametrize('name', SHOWS)
def test_a_node_that_is_lost_is_missed(drive, name):
    counts = Counts()
    more = {**drive.settings, 'sim.wait_for_stack_s': 0.0}
    player = lockstep(Setup(settings_files(drive.arguments), more, extra=('sim', 'control')), counts)
    try:
        start_ns = player.stages[-1].start_ns
        player.start(start_ns)
        player.run_to(start_ns + round(BEFORE_S * 1e9))
        before, driven_by = dict(counts.messages), counts.told['sim'].values['driven_by']
        assert counts.modes[-1][0] in ('NOMINAL', 'DEGRADED'), counts.modes[-1]
        assert driven_by == 'control'
        player.seats[name].silent = True
        counts.modes.clear()
        player.run_to(start_ns + round((BEFORE_S + 0.3) * 1e9))  # a step that was under way may still give something
        settled = dict(counts.messages)
        player.run_to(start_ns + round((BEFORE_S + AFTER_S) * 1e9))
    finally:
        player.close()
    shown, others = SHOWS[name]
    assert before[shown.name] > 0
    assert counts.messages[shown.name] == settled[shown.name], f'{shown.name} goes on without {name}'
    for other in others:
        assert any(counts.messages[topic.name] == settled[topic.name] for topic in OUTPUTS[other]), other
    modes = {mode for mode, _ in counts.modes}
    if name in PATH:
        assert modes & {Mode.MRM.value, Mode.EMERGENCY.value}, modes
        assert any(f'{name} lost' in text for _, text in counts.modes)
    elif name in ('camera', 'map', 'map_update', 'control'):
        assert Mode.DEGRADED.value in modes and any(f'{name} lost' in text for _, text in counts.modes)
    if name == 'control':
        assert counts.told['sim'].values['driven_by'] == 'trajectory'
    if name == 'safety':
        assert counts.command.acceleration_mps2 < -1.0  # control brakes where no trajectory is valid
    if name == 'map':
        assert counts.messages[topics.PLANNED.name] > settled[topics.PLANNED.name]  # a map is a help, never a must
