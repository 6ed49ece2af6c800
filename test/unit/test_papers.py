"""The papers say what is so: quoted messages stand in the source, settings and commands exist, the map is true."""

import ast
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from autonomy_nodes.commands.main import VERBS
from autonomy_nodes.common.settings import flat
from autonomy_nodes.common.status import REMEDIES
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, TABLE, make

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'autonomy_nodes'
ANY = '…'
PAPERS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'QUALITY_DECLARATION.md', ROOT / 'SECURITY.md']
PAPERS += [ROOT / 'docs' / f'{name}.md' for name in ('start', 'tuning', 'troubleshooting', 'deployment', 'interface')]
PAPERS.append(ROOT / 'docs' / 'compatibility.md')
STATES = {'ran', 'built', 'linted', 'double', 'only written'}

each_paper = pytest.mark.parametrize('path', PAPERS, ids=lambda path: path.stem)


@cache
def templates():
    """Return every text of the source but docstrings, with … where a value goes."""
    found = set()
    for path in [*PACKAGE.rglob('*.py'), *(ROOT / 'bootstrap').glob('*.py')]:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in told:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else ANY for part in node.values)
                found.add(''.join(parts))
    return frozenset(found)


def stands(quoted):
    """Return whether a quoted message is part of one text of the source; each … fits anything in it."""
    pattern = re.compile('.*'.join(re.escape(part) for part in quoted.split(ANY)), re.DOTALL)
    return any(pattern.search(text) for text in templates())


def rows(path, heading):
    """Return the cells of the tables below a heading, up to the next."""
    below = path.read_text().split(f'## {heading}\n', 1)[1].split('\n## ')[0]
    return [row for row in cells(below) if row[0] not in ('message', 'code', 'room')]


def cells(text):
    """Return the cells of all tables in a text, without the lines between head and body."""
    lines = [line for line in text.splitlines() if line.startswith('|')]
    table = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    return [row for row in table if not set(row[0]) <= {'-'}]


TROUBLE = ROOT / 'docs' / 'troubleshooting.md'
HEADINGS = ('Set-up', 'Recordings', 'Settings', 'Running')
QUOTED = [row[0].strip('`') for heading in HEADINGS for row in rows(TROUBLE, heading)]


@pytest.mark.parametrize('quoted', QUOTED)
def test_a_quoted_message_stands_in_the_source(quoted):
    literal = ''.join(quoted.split(ANY)).strip()
    assert len(literal) > 5, f'{quoted!r} says too little to be held'
    assert stands(quoted)


def test_a_message_that_nobody_prints_is_noticed():
    assert stands('no … for … periods') and not stands('no … during … periods')
    assert len(QUOTED) > 25


def test_the_table_of_remedies_is_that_of_the_code():
    assert dict(rows(TROUBLE, 'Faults')) == REMEDIES


@cache
def settings():
    """Return every setting as node.name, and the groups that they lie in."""
    names = {f'{node}.{name}' for node in TABLE for name, _ in flat(asdict(make(node).config_type()))}
    groups = {name.rsplit('.', depth)[0] for name in names for depth in (1, 2)}
    return names | groups


@each_paper
def test_settings_that_a_paper_names_are_there(path):
    named = re.findall(rf'`((?:{"|".join(TABLE)})\.[a-z]\w*(?:\.\w+)*)`', path.read_text())
    named = [name for name in named if not name.endswith(('.py', '.md', '.yaml'))]
    assert [name for name in named if name not in settings()] == []


@each_paper
def test_commands_that_a_paper_names_are_there(path):
    text = path.read_text()
    verbs = set(re.findall(r'(?:`|/bin/|^ {4})autonomy ([a-z]+)', text, re.MULTILINE))
    assert verbs <= VERBS.keys()
    arguments = set(re.findall(r'\b([a-z_]+):=', text)) - {'bag'}
    assert arguments <= LAUNCH_ARGUMENTS.keys()


@each_paper
def test_links_lead_somewhere(path):
    for link in re.findall(r'\]\(([^)]+)\)', path.read_text()):
        place, _, heading = link.partition('#')
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link
        if heading:
            headings = re.findall(r'^#+ (.*)$', target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}, link


def test_the_map_of_the_house_names_each_room_in_the_order_of_imports():
    from test_architecture import ORDER

    told = [re.findall(r'`(\w+)`', row[0]) for row in rows(ROOT / 'CONTRIBUTING.md', 'The map of the house')]
    rooms = [tuple(names) for names in told if set(names) & {room for line in ORDER for room in line}]
    assert rooms == [tuple(line) for line in ORDER]


def test_files_that_contributing_names_are_there():
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    for name in re.findall(r'`((?:[\w.-]+/)+[\w.-]*)`', text):
        known = name.replace('PACKAGE/', '')  # stands for the name of one
        assert (ROOT / known).exists() or (PACKAGE / known).exists() or known != name, name


def test_compatibility_tells_one_known_state_of_each_place_and_of_each_distribution_that_is_pinned():
    table = cells((ROOT / 'docs' / 'compatibility.md').read_text())
    states = {row[0] for row in table if len(row) == 2} - {'state'}
    places = {row[0]: row[1] for row in table if len(row) == 3 and row[0] != 'where'}
    assert states == STATES and set(places.values()) <= STATES and len(places) > 12
    for path in (ROOT / 'constraints').glob('*.txt'):
        if path.stem in ('jazzy', 'kilted'):
            assert any(f'ROS 2 {path.stem.capitalize()} from pip' in place for place in places)
    for name in ('JetPack 6', 'JetPack 7', 'ROS 2 Humble'):
        assert any(name in place for place in places)


def test_the_change_log_is_one_that_ros_reads():
    text = (ROOT / 'CHANGELOG.rst').read_text()
    head = text.splitlines()[:3]
    assert head[1] == 'Changelog for package autonomy_nodes' and set(head[0]) == set(head[2]) == {'^'}
    version, underline = re.search(r'^(\d+\.\d+\.\d+ \(.+\))\n(-+)$', text, re.MULTILINE).groups()
    assert len(version) == len(underline)
    entries = text.split(underline)[1].strip().split('\n')
    assert all(line.startswith(('* ', '  ')) for line in entries)
