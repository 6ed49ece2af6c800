"""The `autonomy` command line, and the pages of docs/ that it writes."""

import argparse
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from autonomy_nodes.commands.main import HERE, VERBS, main
from autonomy_nodes.evaluation.tables import parameters_page, settings_rows, topics_page
from autonomy_nodes.messages.topics import TABLE
from autonomy_nodes.nodes import processes

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Inner:
    """Inside.

    reach_m: how far it sees; beyond that
        nothing is known.
    """

    reach_m: float = 3.0


@dataclass(frozen=True)
class Sample:
    """A sample of settings. name: what it is called. sizes:
    of what there is. low_m,
    high_m: ends of the range. Both count.
    """

    name: str
    low_m: float = 1.0  # may be negative
    high_m: float = 2.0
    inner: Inner = field(default_factory=Inner)
    named: dict[str, Inner] = field(default_factory=dict)
    sizes: tuple[float, ...] = (1.0, 2.0)


def test_the_help_lists_every_verb_and_imports_none():
    code = 'import sys; from autonomy_nodes.commands.main import main\ntry: main(["--help"])\nexcept SystemExit: pass\n'
    code += 'print(*[name for name in sys.modules if name.startswith("autonomy_nodes.")])'
    told = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    help_text, modules = told.rstrip('\n').rsplit('\n', 1)
    assert all(f'  {verb:<12}{about}' in help_text for verb, (_, about) in VERBS.items())
    rooms = {name.split('.')[1] for name in modules.split()}
    assert rooms == {'commands', 'common'}


def test_every_file_of_a_verb_is_in_the_table():
    files = {path.stem for path in (ROOT / 'autonomy_nodes/commands').glob('*.py')}
    assert files - {'__init__', 'main', 'options', 'progress'} == {module for module, _ in VERBS.values()}


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_declares_its_options_and_runs(verb):
    module = import_module(f'{HERE}.{VERBS[verb][0]}')
    parser = argparse.ArgumentParser()
    module.arguments(parser)
    assert callable(module.run) and module.__doc__.startswith(f'`autonomy {verb}`')


def test_input_that_cannot_be_used_ends_with_one_line_and_code_2(tmp_path, capsys):
    assert main(['report', str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told == f'autonomy report: {tmp_path / "log.jsonl"} is missing\n'


@pytest.mark.parametrize('line', [['up'], ['drive'], ['replay', 'b'], ['doctor', 'b'], ['calibrate', 'check', 'b']])
def test_a_word_that_is_no_launch_argument_is_named(line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main([*line, 'vehicle=truck']) == 2
    assert capsys.readouterr().err == f"autonomy {line[0]}: 'vehicle=truck' is not NAME:=VALUE\n"


def test_a_bug_shows_itself(monkeypatch):
    def broken(page, out):
        raise ValueError('a bug')

    monkeypatch.setattr('autonomy_nodes.commands.topics.write_page', broken)
    with pytest.raises(ValueError, match='a bug'):
        main(['topics'])


def test_launch_arguments_may_stand_anywhere(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr('autonomy_nodes.commands.replay.run', lambda options: seen.append(options))
    words = ['map_path:=town.osm', 'bag', '--out', str(tmp_path), 'vehicle:=truck']
    assert main(['replay', *words]) == 0
    assert seen[0].launch == ['map_path:=town.osm', 'vehicle:=truck'] and seen[0].bag == Path('bag')


def test_launch_arguments_are_refused_where_nothing_is_launched(capsys):
    with pytest.raises(SystemExit):
        main(['topics', 'vehicle:=truck'])
    assert 'topics takes no launch arguments: vehicle:=truck' in capsys.readouterr().err


def test_an_unknown_verb_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['fly'])
    assert ended.value.code == 2 and "'fly'" in capsys.readouterr().err


def test_the_page_of_topics_can_be_written_and_printed(tmp_path, capsys):
    assert main(['topics', '--out', str(tmp_path / 'topics.md')]) == 0
    assert main(['topics']) == 0
    assert (tmp_path / 'topics.md').read_text() == capsys.readouterr().out == topics_page()


def test_docs_tell_the_topics_as_they_are():
    assert (ROOT / 'docs/topics.md').read_text() == topics_page(), 'run: autonomy topics --out docs/topics.md'


def test_every_topic_stands_in_the_page_once_with_who_reads_it():
    lines = [line for line in topics_page().split('## Tables')[0].splitlines() if line.startswith('| `')]
    givers = list(dict.fromkeys(topic.given_by for topic in TABLE))
    told = sorted(TABLE, key=lambda topic: givers.index(topic.given_by))
    assert [line.split('`')[1] for line in lines] == [topic.name for topic in told]
    odometry = next(line for line in lines if '`localization/kinematic_state`' in line)
    assert 'triggers map; joined by perception' in odometry


def test_docs_tell_the_settings_as_they_are():
    missing = [name for name in processes.TABLE if not (ROOT / f'autonomy_nodes/nodes/{name}_node.py').exists()]
    if missing:
        pytest.skip(f'nodes are missing: {", ".join(missing)}')
    told = (ROOT / 'docs/parameters.md').read_text()
    assert told == parameters_page(), 'run: autonomy parameters --out docs/parameters.md'


def test_a_default_is_the_one_that_nodes_get():
    made = Sample('x', inner=Inner(reach_m=7.0))
    assert [row[2] for row in settings_rows(Sample, made=made)][:4] == ["`'x'`", '`1.0`', '`2.0`', '`7.0`']


def test_a_setting_is_told_with_type_default_and_what_docstring_and_comment_say():
    assert settings_rows(Sample) == [
        ('`name`', 'str', 'must be set', 'what it is called'),
        ('`low_m`', 'float', '`1.0`', 'ends of the range. Both count; may be negative'),
        ('`high_m`', 'float', '`2.0`', 'ends of the range. Both count'),
        ('`inner.reach_m`', 'float', '`3.0`', 'how far it sees; beyond that nothing is known'),
        ('`named.NAME.reach_m`', 'float', '`3.0`', 'how far it sees; beyond that nothing is known'),
        ('`sizes`', 'tuple[float, ...]', '`(1.0, 2.0)`', 'of what there is'),
    ]
