"""Nothing of rclpy is used that ROS 2 Humble lacks: every name and keyword against a stored list, without ROS.

Found by syntax: what is imported from rclpy, attributes of those names, keywords of calls to them, and, since the type
of an object is not known here, any attribute or method keyword that only a newer rclpy has.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / 'test' / 'data' / 'humble_rclpy.txt').read_text().splitlines()


def split(line):
    """Return the dotted name and the keywords of a line of the list."""
    name, _, keywords = line.removesuffix(')').partition('(')
    return name, set(filter(None, keywords.split(',')))


HUMBLE = dict(split(line) for line in LINES if not line.startswith(('#', 'newer ')))
NEWER = [split(line.removeprefix('newer ')) for line in LINES if line.startswith('newer ')]
LAST = {name.rpartition('.')[2] for name in HUMBLE}
NEWER_ATTRIBUTES = {name.rpartition('.')[2] for name, _ in NEWER} - LAST
NEWER_KEYWORDS = {(name.rpartition('.')[2], word) for name, words in NEWER if name in HUMBLE for word in words}
FREE = {'QoSProfile', 'Clock', 'LifecycleNode'}  # take keywords that their signature does not name: **kwargs, __new__


def imports(tree):
    """Yield (local name, dotted name) of everything imported from rclpy."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            whole = (alias for alias in node.names if alias.name.split('.')[0] == 'rclpy')
            yield from ((alias.asname or alias.name, alias.name) for alias in whole)
        elif isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'rclpy':
            yield from ((alias.asname or alias.name, f'{node.module}.{alias.name}') for alias in node.names)


def definition(name):
    """Return the entry of a name that a package exports, such as rclpy.lifecycle.LifecycleNode."""
    if HUMBLE.get(name):
        return HUMBLE[name]
    package, _, last = name.rpartition('.')
    found = [words for other, words in HUMBLE.items() if re.fullmatch(rf'{re.escape(package)}\.\w+\.{last}', other)]
    return found[0] if found else set()


def complaints(text):
    """Yield what a source uses of rclpy that Humble lacks."""
    tree = ast.parse(text)
    known = dict(imports(tree))
    yield from (f'{name} is not in Humble' for name in known.values() if name not in HUMBLE)
    if not known:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = ast.unparse(node.value)
            if base in known and known[base] in HUMBLE and not known[base].startswith('rclpy.lifecycle.Transition'):
                inside = f'{known[base]}.{node.attr}'
                has_members = any(name.startswith(f'{known[base]}.') for name in HUMBLE)
                if has_members and inside not in HUMBLE and '_rclpy' not in inside:
                    yield f'{inside} is not in Humble'
            elif node.attr in NEWER_ATTRIBUTES and not looked_for(base, text):
                yield f'.{node.attr} is newer than Humble'
        elif isinstance(node, ast.Call):
            yield from call_complaints(node, known)
        elif isinstance(node, ast.With):
            made = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            ours = [call for call in made if ast.unparse(call.func).split('.')[0] in known]
            yield from (f'with {ast.unparse(call)}: is newer than Humble' for call in ours)


def looked_for(base, text):
    """Return whether an object comes from a module that is imported only where it was found."""
    return base.startswith('import_module(') and base.replace('import_module', 'if find_spec', 1) in text


def call_complaints(call, known):
    """Yield the keywords of a call that Humble does not take."""
    text = ast.unparse(call.func)
    head, _, rest = text.partition('.')
    name = '.'.join(filter(None, (known.get(text) or known.get(head), '' if text in known else rest)))
    given = {word.arg for word in call.keywords if word.arg}
    if name in HUMBLE and name.rpartition('.')[2] not in FREE:
        yield from (f'{name}({word}=) is not in Humble' for word in sorted(given - definition(name)))
    method = text.rpartition('.')[2]
    yield from (f'{method}({word}=) is newer than Humble' for word in sorted(given) if (method, word) in NEWER_KEYWORDS)


SOURCES = sorted(path for path in (ROOT / 'autonomy_nodes').rglob('*.py') if 'rclpy' in path.read_text())


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_names_of_humble_are_used(path):
    assert list(complaints(path.read_text())) == []


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('import rclpy\nwith rclpy.init():\n    pass', 'with rclpy.init'),
        ('from rclpy.event_handler import PublisherEventCallbacks', 'event_handler.PublisherEventCallbacks'),
        ('from rclpy.node import Node\nnode = Node("a", enable_logger_service=True)', 'enable_logger_service'),
        ('import rclpy\nnode.create_timer(1.0, call, autostart=False)', 'autostart'),
        ('import rclpy\nnode.wait_for_node("a", 1.0)', 'wait_for_node'),
        ('from rclpy.qos import ReliabilityPolicy\nReliabilityPolicy.BEST_AVAILABLE', 'BEST_AVAILABLE'),
        ('import rclpy\nrclpy.get_loger("a")', 'get_loger'),
        ('import rclpy\nimport_module("rclpy.experimental").EventsExecutor()', 'EventsExecutor'),
        ('from rclpy.duration import Duration\nDuration(secs=1)', 'secs'),
    ],
)
def test_what_humble_lacks_is_found(text, complaint):
    assert any(complaint in found for found in complaints(text))


def test_what_humble_has_is_let_through():
    text = 'import rclpy\nfrom rclpy.qos import QoSProfile\nfrom rclpy.duration import Duration\n'
    text += 'rclpy.init(args=[], domain_id=3)\nQoSProfile(depth=1, deadline=Duration(seconds=1))\n'
    text += 'node.create_timer(1.0, call, clock=None)\nnode.create_subscription(a, b, c, d, raw=True)'
    assert list(complaints(text)) == []


def test_the_installed_rclpy_still_has_the_names():
    rclpy = pytest.importorskip('rclpy')
    import importlib

    modules = {name for name in HUMBLE if name.count('.') <= 1 and name.islower()}
    for name in ('rclpy.node', 'rclpy.executors', 'rclpy.qos', 'rclpy.lifecycle', 'rclpy.duration', 'rclpy.clock'):
        assert name in modules
        module = importlib.import_module(name)
        members = {other.split('.')[2] for other in HUMBLE if other.startswith(f'{name}.')}
        assert [member for member in members if not hasattr(module, member)] == []
    assert rclpy.ok() in (True, False)
