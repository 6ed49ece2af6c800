"""Launch arguments without ROS's launch: what they stand for, and what is refused."""

import argparse
import sys

import pytest
import yaml

from autonomy_nodes.commands.options import add_setup, overriding
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.nodes.launcher import Launcher, overrides, resolved, settings_files
from autonomy_nodes.nodes.pacing import Pace
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, TABLE, processes, wanted

SECOND_NS = 1_000_000_000


def test_every_argument_has_a_default_that_is_one_of_its_choices_and_a_description():
    for name, (default, about, choices) in LAUNCH_ARGUMENTS.items():
        assert about, name
        assert not choices or default in choices, name


@pytest.mark.parametrize(
    'given, told',
    [
        ({'compositon': 'single'}, "unknown arguments .'compositon'"),
        ({'composition': 'both'}, 'composition:=both must be one of separate, grouped, single'),
        ({'use_sim_time': 'yes'}, 'use_sim_time:=yes must be one of true, false'),
    ],
)
def test_unknown_arguments_and_values_are_refused(given, told):
    with pytest.raises(SettingsError, match=told):
        resolved(given)


def test_an_unknown_vehicle_names_those_there_are():
    with pytest.raises(SettingsError, match="'tank' is none of .*car.*truck"):
        settings_files(resolved({'vehicle': 'tank'}))


def test_the_vehicle_comes_first_so_that_the_settings_of_the_stack_override_it(tmp_path):
    mine = tmp_path / 'mine.yaml'
    files = settings_files(resolved({'vehicle': str(mine), 'params_file': 'stack.yaml'}))
    assert [path.name for path in files] == ['mine.yaml', 'stack.yaml']


def test_arguments_stand_for_settings():
    told = overrides(resolved({'map_path': 'town.osm', 'require_backend': 'onnx'}))
    assert told == {'map.map_path': 'town.osm', 'perception.require_backend': 'onnx'}


@pytest.mark.parametrize('given, told', [('', {}), ('mine', {'model': 'mine'}), ('none', {'model': ''})])
def test_a_network_can_be_given_taken_away_or_left_to_the_settings(given, told, tmp_path):
    for name, value in overrides(resolved({'model': given})).items():
        node, _, key = name.partition('.')
        assert (node, {key: yaml.safe_load(value)}) == ('perception', told)
    parser = argparse.ArgumentParser()
    add_setup(parser, out=str(tmp_path))
    more = overriding(parser.parse_args([f'model:={given}']))
    assert more == {f'perception.{key}': value for key, value in told.items()}


def test_control_and_recorder_run_when_asked_for_and_givers_of_time_only_by_hand():
    assert {'control', 'recorder', 'sim', 'player'}.isdisjoint(wanted({}))
    assert {'control', 'recorder'} <= set(wanted({'control': 'true', 'record': 'true'}))
    assert 'recorder' in wanted({'record': 'clips'}) and 'recorder' not in wanted({'record': 'false'})
    assert overrides(resolved({'record': 'clips'})) == {'recorder.whole': 'false', 'recorder.clips.folder': 'clips'}
    assert overrides(resolved({'record': 'true'})) == {}
    with pytest.raises(ValueError, match='composition'):
        processes('both')


def test_a_process_gets_the_settings_of_its_nodes_and_the_clock_of_its_kind(tmp_path, monkeypatch):
    spawned = []
    monkeypatch.setattr(Launcher, '_spawn', lambda self, member: spawned.append(member))
    arguments = resolved({'use_sim_time': 'true', 'map_path': 'town.osm', 'namespace': '/truck/'})
    Launcher(arguments, tmp_path, extra_nodes=['sim'], without=['camera']).start()
    commands = {member.name: ' '.join(member.command) for member in spawned}
    assert set(commands) == {'perceiving', 'placing', 'foresight', 'safety', 'sim'}
    assert commands['perceiving'].startswith(f'{sys.executable} -m autonomy_nodes.nodes.run lidar perception --ros-')
    assert '-p map:map_path:=town.osm' in commands['placing'] and 'map_path' not in commands['safety']
    assert 'use_sim_time:=true' in commands['safety'] and 'use_sim_time:=false' in commands['sim']
    assert '-r __ns:=/truck' in commands['safety']


def test_time_waits_for_a_stack_that_lags_and_goes_on_when_it_has_caught_up():
    pace = Pace(lag_s=0.15, hold_s=2.0)
    assert pace.advance(0.1, sweep_ns=None, trajectory_ns=None) == SECOND_NS // 10
    assert pace.advance(0.1, SECOND_NS // 2, None) == SECOND_NS // 10
    assert pace.advance(0.1, SECOND_NS, None) == 0  # the first plan is waited for too
    assert pace.advance(0.1, SECOND_NS, SECOND_NS - 150_000_001) == 0
    assert pace.advance(0.1, SECOND_NS, SECOND_NS - 150_000_000) == SECOND_NS // 10


def test_time_waits_no_longer_than_it_is_told_to():
    pace = Pace(hold_s=0.2)
    assert [pace.advance(0.1, SECOND_NS, 0) for _ in range(4)] == [0, 0, SECOND_NS // 10, SECOND_NS // 10]
    assert pace.advance(0.1, SECOND_NS, 1) == 0  # a new plan: slow, but alive


def test_every_node_of_the_table_belongs_to_a_group():
    assert all(entry.group for entry in TABLE.values())
