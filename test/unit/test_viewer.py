"""The live viewer: what it draws of each message, what it passes over, how it is asked for."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from report_sample import MODEL, OPTICAL, START_NS, sweep_messages

from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.motion import write_transforms
from autonomy_nodes.messages.words import write_status
from autonomy_nodes.nodes import viewer_node, window
from autonomy_nodes.nodes.launcher import resolved
from autonomy_nodes.nodes.processes import processes, wanted
from autonomy_nodes.nodes.viewer_node import SCENE, Viewer, ViewerSettings
from autonomy_nodes.nodes.viewing import BASE, GROUND, Pen

NEEDS_RERUN = pytest.mark.skipif(
    importlib.util.find_spec('rerun') is None, reason="needs rerun-sdk: make setup WITH='sim test viz'"
)


class Names:
    """Stands for Rerun's module: each archetype becomes what it was made of."""

    def __getattr__(self, kind):
        if kind == 'ViewCoordinates':
            return SimpleNamespace(RIGHT_HAND_Z_UP='z up')
        return lambda *values, **named: SimpleNamespace(kind=kind, values=values, **named)


class Page:
    """A stream that keeps what is drawn."""

    def __init__(self):
        self.drawn, self.at_ns = [], 0

    def set_time(self, timeline, timestamp):
        self.at_ns = int(timestamp.astype(np.int64))

    def log(self, path, archetype, static):
        self.drawn.append((path, archetype, static, self.at_ns))

    def paths(self):
        return [path for path, _, _, _ in self.drawn]


class Ears:
    """A port that is fed by hand."""

    def __init__(self):
        self.takes, self.ticks, self.newest, self.said = {}, {}, {}, []

    def latest(self, topic, read):
        self.takes[topic.name] = lambda data: self.newest.update({topic.name: read(data)})
        return lambda: self.newest.get(topic.name)

    def each(self, topic, read, take):
        self.takes[topic.name] = lambda data: take(read(data))

    def every(self, period_s, tick):
        self.ticks[period_s] = tick

    def say(self, level, text, **values):
        self.said.append((level, text, values))

    def hear(self, topic, data):
        if topic.name in self.takes:
            self.takes[topic.name](data)


@pytest.fixture
def viewer(monkeypatch):
    page = Page()
    monkeypatch.setattr(viewer_node, 'opened', lambda *given: (Names(), page, 'here'))
    stage, port = Viewer(), Ears()
    stage.build(port, ViewerSettings())
    page.drawn.clear()
    return SimpleNamespace(stage=stage, port=port, page=page, tick=port.ticks[ViewerSettings().period_s])


def sweep(viewer, sweep=0):
    for topic, data in sweep_messages(START_NS + sweep, sweep, 0.0, 50):
        viewer.port.hear(topic, data)


def test_every_topic_that_came_is_drawn_once_at_its_own_stamp(viewer):
    sweep(viewer)
    viewer.tick(0)
    there = set(viewer.page.paths())
    ours = ['sweep', 'obstacles', 'map']
    assert {f'{BASE}/{name}' for name in ours} | {BASE, f'{BASE}/camera/front', 'why'} <= there
    assert {f'odom/{name}' for name in ['terrain', 'objects', 'predictions', 'candidates', 'planned', 'stop']} <= there
    assert {at for _, _, _, at in viewer.page.drawn} == {START_NS}
    count = len(viewer.page.drawn)
    viewer.stage.rests_until_s = 0.0
    viewer.tick(0)
    assert len(viewer.page.drawn) == count


def test_what_is_replaced_before_it_is_drawn_is_never_read(viewer, monkeypatch):
    monkeypatch.setattr(viewer.stage.shown[0], 'read', lambda data: pytest.fail('read although it was replaced'))
    newest = viewer.stage.shown[1]
    sweeps = []
    monkeypatch.setattr(newest, 'read', lambda data: sweeps.append(data))
    monkeypatch.setattr(newest, 'draw', lambda value: [])
    for number in (0, 10, 20):
        for topic, data in sweep_messages(START_NS + number, number, 0.0, 50):
            if topic is topics.CLOUD:
                viewer.port.hear(topic, data)
    viewer.tick(0)
    assert len(sweeps) == 1 and viewer.stage.came - viewer.stage.drawn == 2
    viewer.port.ticks[viewer_node.TOLD_S](0)
    assert viewer.port.said[-1][1:] == ('seen at here', {'drawn': '1', 'passed_over': '2'})


def test_after_drawing_it_rests_so_that_it_takes_no_more_than_its_share(viewer, monkeypatch):
    clock = SimpleNamespace(perf_counter=lambda: 100.0, process_time=iter([1.0, 1.3]).__next__)
    monkeypatch.setattr(viewer_node, 'time', clock)
    viewer.tick(0)
    assert viewer.stage.rests_until_s == pytest.approx(100.0 + 0.3 * (1.0 / ViewerSettings().share - 1.0))
    sweep(viewer)
    viewer.tick(0)  # the clock stands: it still rests
    assert not viewer.page.drawn


def test_it_draws_when_a_plan_has_been_judged_and_by_the_clock_only_where_none_is(viewer, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(viewer_node, 'time', SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: 1.0))
    judged = write_status(Status(START_NS, 'safety', Level.OK, 'NOMINAL', {'a/b': START_NS}, {}, {}))
    viewer.port.hear(topics.DIAGNOSTICS, judged)
    sweep(viewer)
    now[0] += 0.1
    viewer.tick(0)
    assert f'{BASE}/sweep' not in viewer.page.paths()
    viewer.port.hear(topics.DIAGNOSTICS, judged)
    assert f'{BASE}/sweep' in viewer.page.paths()
    viewer.page.drawn.clear()
    sweep(viewer, 10)
    now[0] += viewer_node.PATIENT_S
    viewer.tick(0)
    assert f'{BASE}/sweep' in viewer.page.paths()


def test_a_message_that_cannot_be_read_is_told_and_the_others_are_drawn(viewer):
    sweep(viewer)
    held = viewer.port.newest[topics.TERRAIN.name]
    viewer.port.newest[topics.TERRAIN.name] = viewer_node.Held(held.stamp_ns, held.data[: len(held.data) // 2])
    viewer.tick(0)
    assert 'odom/terrain' not in viewer.page.paths() and 'odom/objects' in viewer.page.paths()
    assert viewer.port.said[0][0] is Level.OK and 'not drawn' in viewer.port.said[0][1]


def test_the_mode_stands_above_the_reason_and_latency_is_plotted_by_stage(viewer):
    values = {'mode': 'DEGRADED', 'latency_ms': '120.5'}
    status = Status(START_NS, 'safety', Level.WARN, 'DEGRADED: camera lost', {'a/b': START_NS}, {}, values)
    sweep(viewer)
    viewer.port.hear(topics.DIAGNOSTICS, write_status(status))  # a plan was judged: now it draws
    drawn = {path: archetype for path, archetype, _, _ in viewer.page.drawn}
    assert drawn['latency_ms/safety'].values == (120.5,)
    assert drawn['log'].values == ('safety: DEGRADED: camera lost',) and drawn['log'].level == 'WARN'
    text = drawn['why'].values[0]
    assert text.startswith('### DEGRADED: camera lost\n') and 'Keeps lane behind car 1111' in text


def test_a_camera_is_placed_once_its_mount_is_known(viewer):
    tell = viewer.port.ticks[viewer_node.TOLD_S]
    sweep(viewer)
    tell(0)
    assert viewer.port.said[0][0] is Level.OK and MODEL.frame in viewer.port.said[0][1]
    viewer.port.hear(topics.TF_STATIC, write_transforms(Transforms(START_NS, {('base_link', MODEL.frame): OPTICAL})))
    tell(0)
    tell(0)
    lenses = [archetype for _, archetype, static, _ in viewer.page.drawn if archetype.kind == 'Pinhole' and static]
    assert len(lenses) == 1 and lenses[0].resolution == [480, 288]


def test_ground_that_was_not_seen_is_not_drawn():
    cells = {topic: draw for topic, _, draw in SCENE}[topics.TERRAIN]
    read = {topic: read for topic, read, _ in SCENE}[topics.TERRAIN]
    grid = next(read(data) for topic, data in sweep_messages(START_NS, 0, 0.0, 50) if topic is topics.TERRAIN)
    grid = replace(grid, layers={**grid.layers, 'elevation': np.ones(grid.shape, np.float32)})
    drawn = cells(Pen(Names(), Vehicle(), 100, 100), grid)[0].archetype
    assert len(drawn.values[0]) == int((grid.layers['observed'] > 0.0).sum()) > 0
    assert not (drawn.colors == GROUND[0]).all(axis=1).any()


def test_viz_rerun_starts_the_viewer_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(window, 'find_spec', lambda name: object())
    arguments = resolved({'viz': 'rerun'})
    assert processes('single', wanted(arguments))['stack'][-1] == 'viewer'
    assert processes('grouped', wanted(arguments))['viewer'] == ['viewer']
    assert 'viewer' not in wanted(resolved({'viz': 'foxglove'}))


def test_without_rerun_the_remedy_is_told_before_anything_starts(monkeypatch):
    monkeypatch.setattr(window, 'find_spec', lambda name: None)
    with pytest.raises(SettingsError, match="make setup WITH='sim viz'"):
        resolved({'viz': 'rerun'})


@NEEDS_RERUN
def test_rerun_takes_what_is_drawn_and_tells_nobody(tmp_path):
    code = '''
import os, sys
sys.path[:0] = sys.argv[2:]
from test_viewer import Ears, START_NS, sweep_messages, Viewer, ViewerSettings
stage, port = Viewer(), Ears()
stage.build(port, ViewerSettings(show='file', path=sys.argv[1]))
for topic, data in sweep_messages(START_NS, 0, 0.0, 50):
    port.hear(topic, data)
port.ticks[0.1](0)
stage.free()
print(open(os.environ['XDG_CONFIG_HOME'] + '/rerun/analytics.json').read())
'''
    here = str(tmp_path / 'view.rrd')
    paths = [path for path in sys.path if path]
    done = subprocess.run([sys.executable, '-c', code, here, *paths], capture_output=True, text=True, check=True)
    assert '"analytics_enabled": false' in done.stdout
    told = subprocess.run([sys.executable, '-m', 'rerun', 'rrd', 'print', here], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    for path in ('/odom/objects', '/odom/predictions', '/odom/base_link/camera/front', '/why', '/speed/measured'):
        assert path in told.stdout
