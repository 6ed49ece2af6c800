"""The rules of the house, checked on every run: who may import whom, what a table promises, how long things grow."""

import ast
import subprocess
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import yaml

from autonomy_nodes.common.vehicle import Trailer, Vehicle
from autonomy_nodes.messages import topics
from autonomy_nodes.nodes.processes import COMPOSITIONS, TABLE, make, processes

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'autonomy_nodes'
FILES = sorted(PACKAGE.rglob('*.py'))

# A room may import itself and every room in a line above its own; stages (the third line) only themselves.
STAGES = ('sensors', 'localization', 'perception', 'prediction', 'planning', 'mapping', 'safety', 'control')
ORDER = (
    ('common',),
    ('messages', 'inference'),
    STAGES,
    ('sim',),
    ('nodes',),
    ('evaluation',),
    ('training',),
    ('commands',),
)
ABOVE = {room: set(chain(*ORDER[:line])) for line, rooms in enumerate(ORDER) for room in rooms}
# Packages from outside that only these rooms and files may import. Message classes are found by name, see ros_type.
SHELL = tuple(f'nodes/{name}.py' for name in ('stage', 'publishing', 'run', 'parameters', 'qos'))
SHELL += ('nodes/listening.py',)  # hears a graph as nobody of the stack, which a stage's port cannot
ONLY_IN = dict.fromkeys(('rclpy', 'tf2_ros', 'message_filters', 'sensor_msgs_py'), SHELL)
ONLY_IN |= {'torch': ('inference', 'perception', 'prediction', 'training'), 'rosbags': ('messages',)}
ONLY_IN |= dict.fromkeys(('trimesh', 'embreex'), ('sim',))
BENCH = tuple(f'evaluation/commonroad/{name}.py' for name in ('clerk', 'rivals', 'sampler'))  # of .venv-benchmark
ONLY_IN |= dict.fromkeys(
    ('commonroad', 'commonroad_dc', 'commonroad_route_planner', 'commonroad_rp', 'vehiclemodels', 'frenetix'), BENCH
)
WHEN_USED = ('tensorrt', 'pycuda', 'cuda')  # a vehicle without them runs all the rest
ONLY_IN |= dict.fromkeys(WHEN_USED, ('inference/nvidia',))
LONGEST_FILE, LONGEST_FUNCTION = 300, 50

each_file = pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


class Wiring:
    """A port that notes what a stage asks for."""

    def __init__(self):
        self.asked = set()

    def trigger(self, topic, read, step, join=(), when=None):
        self.asked |= {('triggers', topic.name), *(('joined', each.topic.name) for each in join)}

    def latest(self, topic, read):
        self.asked.add(('prev', topic.name))
        return lambda: None

    def since(self, topic, read):
        self.asked.add(('since', topic.name))
        return list

    def each(self, topic, read, take):
        self.asked.add(('each', topic.name))

    def publisher(self, topic):
        self.asked.add(('given_by', topic.name))

    def now_ns(self):
        return 0

    def every(self, period_s, tick):
        """Ticks are no topics."""

    def activated(self, start):
        """Nor is activation."""

    def request(self, name):
        """Nor are those of others."""

    def switch(self, name, handle):
        """Nor are services."""

    def lap(self, part):
        """Nor is how long a part took."""


def imports(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


@each_file
def test_imports_point_one_way(path):
    place = path.relative_to(PACKAGE)
    here = place.parts[0]
    for name in imports(ast.walk(ast.parse(path.read_text()))):
        top, *rest = name.split('.')
        if top == 'autonomy_nodes':
            assert rest[0] in {here, *ABOVE[here]}, f'{here} may not import {name}'
        assert any(place.is_relative_to(home) for home in ONLY_IN.get(top, [here])), f'{place} must not need {top}'
        assert not top.endswith(('_msgs', '_interfaces')), f'{here} should find {name} by its name'


def test_every_room_has_its_place_in_the_order():
    assert {path.parent.name for path in PACKAGE.glob('*/__init__.py')} == set(ABOVE)


@each_file
def test_tensorrt_is_imported_in_functions_only(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    later = {inner for node in nodes if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    assert {name.split('.')[0] for name in imports(set(nodes) - later)}.isdisjoint(WHEN_USED)


def test_planning_needs_no_room_but_common_and_no_ros():
    code = 'import sys; import autonomy_nodes.planning.planner; print(*sys.modules)'
    found = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rooms = {name.split('.')[1] for name in found.split() if name.startswith('autonomy_nodes.')}
    assert rooms == {'common', 'planning'} and {'rclpy', 'cv2', 'rosbags'}.isdisjoint(found.split())


def test_replay_needs_no_rclpy():
    code = "import sys; sys.modules['rclpy'] = None; import autonomy_nodes.evaluation.replay; "
    code += 'from autonomy_nodes.nodes import processes; [processes.make(name) for name in processes.TABLE]'
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


OUTSIDE = ('recorder', 'player', 'sim', 'drive_by_wire', 'viewer')  # who hears what it is told, or stands for the world


@pytest.mark.parametrize('name', [name for name in TABLE if name not in OUTSIDE])
def test_the_table_of_topics_tells_the_wiring_as_it_is(name):
    stage, port = make(name), Wiring()
    config = stage.config_type()
    given = {'cameras': ('x',), 'lidars': ('x', 'x2'), 'externals': ('x',)}
    given['vehicle'] = Vehicle(trailer=Trailer(present=True))
    stage.build(port, replace(config, **{key: value for key, value in given.items() if hasattr(config, key)}))
    if name == 'perception':
        stage.start_by_pictures(('x',))  # which only a vehicle with networks for cameras does
    asked = {(role, topic.replace('/x2/', '/x/')) for role, topic in port.asked}
    asked = {(role, topic) for role, topic in asked if topic not in ('/diagnostics', 'system/heartbeat')}
    told = set()
    for topic in (topic.named('x') for topic in topics.TABLE):
        roles = ('triggers', 'joined', 'prev', 'each', 'since')
        told |= {(role, topic.name) for role in roles if name in getattr(topic, role)}
        told |= {('given_by', topic.name)} if topic.given_by == name else set()
    told = {(role, topic) for role, topic in told if topic not in ('/diagnostics', 'system/heartbeat')}
    assert (stage.name, sorted(asked)) == (name, sorted(told))


@each_file
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    if path.name != 'topics.py':  # a table, which reads best in one piece
        assert text.count('\n') <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f'{node.name} is too long'


def test_every_node_is_in_the_table_and_has_settings():
    assert {path.stem.removesuffix('_node') for path in (PACKAGE / 'nodes').glob('*_node.py')} == set(TABLE)
    settings = yaml.safe_load((ROOT / 'config' / 'stack.yaml').read_text())
    assert [name for name in TABLE if name not in settings] == []


@pytest.mark.parametrize('composition, count', [('separate', 10), ('grouped', 4), ('single', 1)])
def test_each_node_is_started_once_in_any_composition(composition, count):
    started = processes(composition)
    assert composition in COMPOSITIONS and len(started) == count
    always = [name for name, entry in TABLE.items() if entry.started == 'always']
    assert sorted(chain(*started.values())) == sorted(always)


def test_stages_do_not_import_one_another():
    for path in FILES:
        here = path.relative_to(PACKAGE).parts[0]
        if here in STAGES:
            names = [name.split('.') for name in imports(ast.walk(ast.parse(path.read_text())))]
            rooms = {parts[1] for parts in names if parts[0] == 'autonomy_nodes' and len(parts) > 1}
            assert rooms & set(STAGES) <= {here}, f'{path} imports {rooms}'
