"""The launch files, run with a recording double of launch, which is not to be had from pip.

The double fails on a launch argument that was not declared and on a keyword that launch_ros's Node does not take. These
tests fail on an executable that setup.py does not install, on a node that does not exist and on a parameter that no
node has. Whether the real launch starts the processes is tried by hand before a release; see CONTRIBUTING.md.
"""

import ast
from itertools import chain
from pathlib import Path

import pytest
import yaml
from recording_launch import Node, run

from autonomy_nodes.common.settings import SettingsError, check_settings
from autonomy_nodes.nodes.launcher import MALLOC
from autonomy_nodes.nodes.processes import COMPOSITIONS, LAUNCH_ARGUMENTS, TABLE, make, processes, wanted

ROOT = Path(__file__).parents[2]
FILES = {path.name.removesuffix('.launch.py'): path for path in (ROOT / 'launch').glob('*.launch.py')}
EXTRA = {'stack': {}, 'replay': {'bag': 'some.mcap'}, 'sim': {}}

each_file = pytest.mark.parametrize('name', sorted(FILES))


@pytest.fixture
def launched(monkeypatch):
    """Give a function that runs a launch file and returns what it starts."""
    monkeypatch.chdir(ROOT)
    for variable in (*MALLOC, 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(variable, raising=False)
    return lambda name, **given: run(FILES[name], monkeypatch, **EXTRA[name], **given)


def executables():
    """Return the console scripts of setup.py."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    texts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    return {text.split("'")[1].split(' ')[0] for text in texts if ' = {' in text}


def settings_of(node):
    """Return the configuration of each stage in a process, as its command line sets it; fails on unknown names."""
    stages, files, own = node.more['arguments'], [], {}
    for given in node.more['parameters']:
        if isinstance(given, str):
            files.append(Path(given))
        else:
            own |= {f'{stage}.{name}': value for stage in stages for name, value in given.items()}
    return check_settings(files, {stage: make(stage).config_type for stage in stages}, TABLE, own)


def ours(context):
    return [node for node in context.nodes if node.package == 'autonomy_nodes']


def test_there_are_three_launch_files():
    assert FILES.keys() == EXTRA.keys()


@each_file
@pytest.mark.parametrize('composition', COMPOSITIONS)
def test_every_started_process_exists_and_knows_its_parameters(launched, name, composition):
    context = launched(name, composition=composition)
    assert {node.executable for node in ours(context)} <= executables()
    started = list(chain(*(node.more['arguments'] for node in ours(context))))
    assert set(started) <= TABLE.keys() and len(set(started)) == len(started)
    for node in ours(context):
        assert settings_of(node).keys() == set(node.more['arguments'])


@pytest.mark.parametrize('composition', COMPOSITIONS)
def test_the_stack_starts_the_processes_of_the_table(launched, composition):
    nodes = ours(launched('stack', composition=composition))
    assert {node.more['exec_name']: node.more['arguments'] for node in nodes} == processes(composition, wanted({}))


@each_file
def test_every_argument_is_declared_with_a_description(launched, name):
    declared = launched(name).declared
    assert LAUNCH_ARGUMENTS.keys() <= declared.keys()
    assert all(argument.description for argument in declared.values())


@each_file
def test_every_process_gets_the_profile_and_the_memory_settings(launched, name):
    variables = launched(name).variables
    profiles = {variables['FASTRTPS_DEFAULT_PROFILES_FILE'], variables['FASTDDS_DEFAULT_PROFILES_FILE']}
    assert profiles == {str(ROOT / 'config' / 'fastdds.xml')}
    assert variables.items() >= MALLOC.items()


def test_arguments_reach_the_nodes(launched, tmp_path):
    given = {'map_path': str(tmp_path / 'town.osm'), 'backend': 'onnx', 'publish_calibration': 'true'}
    nodes = ours(launched('stack', use_sim_time='true', respawn='false', log_level='debug', namespace='one', **given))
    for node in nodes:
        assert node.more['parameters'][-1] == {'use_sim_time': True, 'autostart': True}
        assert node.more['namespace'] == 'one'
        assert not node.more['respawn']
        assert node.more['ros_arguments'] == ['--log-level', 'debug']
        told = yaml.safe_load(Path(node.more['parameters'][-2]).read_text())
        assert told['map'] == {'ros__parameters': {'map_path': given['map_path']}}
        assert told['perception'] == {'ros__parameters': {'backend': 'onnx'}}
        assert told['localization'] == {'ros__parameters': {'publish_calibration': True}}


def test_control_and_the_recorder_start_when_asked(launched):
    started = chain(*(node.more['arguments'] for node in ours(launched('stack', control='true', record='true'))))
    assert {'control', 'recorder'} <= set(started)


def test_replay_plays_the_bag_on_its_own_clock_and_ends_with_it(launched):
    context = launched('replay', rate='2')
    player = next(node for node in ours(context) if node.more['arguments'] == ['player'])
    assert player.more['parameters'][-1] == {'bag': 'some.mcap', 'rate': 2.0}
    assert player.more['on_exit'].reason
    assert context.configurations['use_sim_time'] == 'true'


def test_sim_drives_the_control_node_on_its_own_clock_with_its_own_map(launched):
    context = launched('sim', scenario='road-3', duration='20')
    started = {name: settings_of(node)[name] for node in ours(context) for name in node.more['arguments']}
    assert {'sim', 'control'} <= started.keys()
    assert context.configurations['use_sim_time'] == 'true'
    assert (started['sim'].family, started['sim'].seed, started['sim'].simulation.duration_s) == ('road', 3, 20.0)
    assert Path(started['map'].map_path).exists()
    assert started['safety'].engaged_at_start


def test_sim_lets_a_map_be_given(launched, tmp_path):
    context = launched('sim', map_path=str(tmp_path / 'town.osm'))
    maps = [settings_of(node)['map'] for node in ours(context) if 'map' in node.more['arguments']]
    assert [each.map_path for each in maps] == [str(tmp_path / 'town.osm')]


def test_an_overlay_overrides_the_settings_file(launched, tmp_path):
    overlay = tmp_path / 'overlay.yaml'
    overlay.write_text('safety:\n  ros__parameters:\n    engaged_at_start: true\n')
    nodes = ours(launched('stack', overlay=str(overlay)))
    found = [settings_of(node)['safety'] for node in nodes if 'safety' in node.more['arguments']]
    assert [each.engaged_at_start for each in found] == [True]


def test_replay_needs_a_bag(monkeypatch):
    with pytest.raises(AssertionError, match='bag was not provided'):
        run(FILES['replay'], monkeypatch)


@pytest.mark.parametrize('given', [{'vehicel': 'car'}, {'composition': 'grupped'}])
def test_a_misspelt_argument_or_value_is_refused(launched, given):
    with pytest.raises(AssertionError, match='|'.join([*given, *given.values()])):
        launched('stack', **given)


def test_an_unknown_vehicle_is_refused_before_anything_starts(launched):
    with pytest.raises(SettingsError, match='tank'):
        launched('stack', vehicle='tank')


def test_a_settings_file_with_a_misspelt_name_is_refused_before_anything_starts(launched, tmp_path):
    wrong = tmp_path / 'wrong.yaml'
    wrong.write_text('safety:\n  ros__parameters:\n    no_such_setting: 1\n')
    with pytest.raises(SettingsError, match='no_such_setting'):
        launched('stack', params_file=str(wrong))


def test_the_double_refuses_keywords_that_launch_ros_does_not_take():
    with pytest.raises(AssertionError, match='node_name'):
        Node(package='autonomy_nodes', executable='stage', node_name='x')


@pytest.mark.parametrize(('viewer', 'package'), [('rviz', 'rviz2'), ('foxglove', 'foxglove_bridge')])
def test_a_viewer_starts_when_asked(launched, viewer, package):
    assert package in {node.package for node in launched('stack', viz=viewer).nodes}
    assert package not in {node.package for node in launched('stack').nodes}
