"""Diagnostics say what to do: each ERROR of the code has a remedy, and the aggregator knows each node by its name."""

import ast
from itertools import chain
from pathlib import Path

import pytest
import yaml

from autonomy_nodes.common.status import FAULTS, REMEDIES, Level, Manoeuvre, Mode, Status, remedy_of
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.localization.integrity import LEVELS, BlindLimits, Blindness, State, words
from autonomy_nodes.messages.words import GROUP, read_status, write_status
from autonomy_nodes.nodes.port import Stage
from autonomy_nodes.nodes.processes import TABLE, make
from autonomy_nodes.nodes.safety_node import Safety
from autonomy_nodes.safety.supervisor import SafetySettings, Verdict

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / 'autonomy_nodes').rglob('*.py'))
BY_TABLE = {  # where a level is looked up; tests below drive each of them
    'nodes/safety_node.py': 'test_safety_says_what_to_do_in_each_mode_that_is_an_error',
    'localization/integrity.py': 'test_localization_that_is_lost_says_what_to_do',
}


def is_error(node):
    return isinstance(node, ast.Attribute) and node.attr == 'ERROR' and ast.unparse(node.value) == 'Level'


def errors(path):
    """Return (line, how) of each use of Level.ERROR: 'said' with a remedy, 'unsaid' without, 'asked', or 'table'."""
    tree = ast.parse(path.read_text())
    said, asked = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            asked |= {id(each) for each in [node.left, *node.comparators] if is_error(each)}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ('say', 'tell'):
            has = any(keyword.arg == 'remedy' for keyword in node.keywords)
            said |= {id(each): 'said' if has else 'unsaid' for each in node.args if is_error(each)}
    uses = [node for node in ast.walk(tree) if is_error(node)]
    return [(node.lineno, 'asked' if id(node) in asked else said.get(id(node), 'table')) for node in uses]


USES = {path.relative_to(ROOT / 'autonomy_nodes').as_posix(): errors(path) for path in SOURCES}


def test_every_error_that_is_said_has_a_remedy():
    assert {name: found for name, uses in USES.items() if (found := [use for use in uses if use[1] == 'unsaid'])} == {}
    assert sum(how == 'said' for _, how in chain(*USES.values())) >= 7  # the walk finds them


def test_levels_that_are_looked_up_are_those_that_tests_drive():
    assert {name for name, uses in USES.items() if any(how == 'table' for _, how in uses)} == set(BY_TABLE)
    assert all(test in globals() for test in BY_TABLE.values())


def test_the_walk_sees_an_error_without_a_remedy(tmp_path):
    path = tmp_path / 'x.py'
    path.write_text("port.say(Level.ERROR, 'x')\nport.say(Level.ERROR, 'x', remedy='y')\nif a is Level.ERROR: pass\n")
    assert sorted(errors(path)) == [(1, 'unsaid'), (2, 'said'), (3, 'asked')]


def test_each_fault_has_a_remedy():
    assert REMEDIES.keys() == FAULTS.keys() and all(len(text) > 20 for text in REMEDIES.values())
    assert remedy_of('F01,F22', 'x') == f'{REMEDIES["F01"]}; {REMEDIES["F22"]}'
    assert remedy_of('', 'x') == remedy_of('F99', 'x') == 'x'


class Sink:
    """Keeps statuses."""

    def __init__(self):
        self.statuses = []

    def message(self, topic, now_ns, data):
        """Forget it."""

    def status(self, status):
        self.statuses.append(status)


def told_by(stage, config, act):
    """Return what a stage tells in the tick in which `act` is done."""
    sink = Sink()
    player = Lockstep([stage], {stage.name: config}, sink)
    player.seats[stage.name].ticked(lambda now_ns: act(stage))
    return sink.statuses[-1]


@pytest.mark.parametrize('mode', Mode)
@pytest.mark.parametrize('faults', [(), ('F22',), ('F22', 'F27')])
def test_safety_says_what_to_do_in_each_mode_that_is_an_error(mode, faults):
    verdict = Verdict(mode, Manoeuvre.NONE, ('a reason',), None, faults)
    status = told_by(Safety(), SafetySettings(), lambda stage: stage.carry(verdict))
    assert (status.level is Level.ERROR) == (mode in (Mode.MRM, Mode.EMERGENCY))
    if status.level is Level.ERROR:
        assert all(REMEDIES[fault] in status.values['remedy'] for fault in faults)
        assert faults or 'planning' in status.values['remedy']
    else:
        assert 'remedy' not in status.values


def test_localization_that_is_lost_says_what_to_do():
    blindness = Blindness(BlindLimits(seconds=1.0, metres=1.0))
    for state in State:
        blindness.state = state
        told = words(1, blindness, None, None, 0.1, 0.0, '')
        assert (told.level is Level.ERROR) == ('remedy' in told.values) and told.level is LEVELS[state]


class Talker(Stage):
    """Says nothing by itself."""

    name = 'talker'
    config_type = SafetySettings

    def build(self, port, config):
        self.port = port


def test_remedies_of_one_step_are_joined_each_once():
    def act(stage):
        for text, remedy in (('a', 'do this'), ('b', 'do that'), ('c', 'do this')):
            stage.port.say(Level.ERROR, text, remedy=remedy)

    status = told_by(Talker(), SafetySettings(), act)
    assert (status.text, status.values['remedy']) == ('a; b; c', 'do this; do that')
    assert read_status(write_status(status)).values['remedy'] == 'do this; do that'


def analyzers():
    sections = yaml.safe_load((ROOT / 'config' / 'diagnostics.yaml').read_text())['/**']['ros__parameters']
    return {name: each for name, each in sections.items() if isinstance(each, dict)}


def test_the_aggregator_finds_each_node_once_under_the_name_that_it_tells():
    names = list(chain(*(each['name'] for each in analyzers().values())))
    assert sorted(names) == sorted(GROUP + node for node in TABLE)
    assert all(GROUP + make(node).name in names for node in TABLE if node != 'sim')
    told = read_status(write_status(Status(1, 'planning', Level.OK, 'running')))
    assert GROUP + told.node in names
    for each in analyzers().values():
        assert each['type'] == 'diagnostic_aggregator/GenericAnalyzer' and each['find_and_remove_prefix'] == [GROUP]


def test_the_aggregator_expects_only_nodes_that_always_run_and_always_tell():
    expected = set(chain(*(each.get('expected', ()) for each in analyzers().values())))
    always = {GROUP + name for name, entry in TABLE.items() if entry.started == 'always'}
    assert expected <= always
    assert {GROUP + name for name in SafetySettings().health.path} | {f'{GROUP}safety'} == expected
