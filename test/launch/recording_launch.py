"""A double of launch and launch_ros that records what a launch file starts, and refuses what the real ones refuse.

It knows the arguments of the few actions that our files use, as launch_ros of Humble takes them. An action, a keyword
or a launch argument that it does not know fails, so that a launch file cannot pass here by a typing error.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType

PROCESS = {
    'respawn', 'respawn_delay', 'output', 'on_exit', 'additional_env', 'env', 'cwd', 'prefix', 'emulate_tty',
    'sigterm_timeout', 'sigkill_timeout', 'condition',
}  # fmt: skip
NODE = {
    'package', 'executable', 'name', 'namespace', 'exec_name', 'parameters', 'remappings', 'ros_arguments', 'arguments',
}  # fmt: skip


class Context:
    """What a launch knows while it runs."""

    def __init__(self, given):
        self.configurations, self.variables, self.nodes, self.declared = dict(given), {}, [], {}


class LaunchDescription:
    def __init__(self, actions):
        self.actions = list(actions)

    def visit(self, context):
        for action in self.actions:
            action.visit(context)


class DeclareLaunchArgument:
    def __init__(self, name, *, default_value=None, description=None, choices=None):
        assert choices is None or len(choices) > 0, f'{name}: real launch refuses an empty list of choices'
        assert choices is None or default_value in choices, f'{name}: {default_value!r} is not one of {choices}'
        self.name, self.default, self.description, self.choices = name, default_value, description, choices

    def visit(self, context):
        context.declared[self.name] = self
        if self.name not in context.configurations:
            assert self.default is not None, f'required launch argument {self.name} was not provided'
            context.configurations[self.name] = self.default
        value = context.configurations[self.name]
        assert self.choices is None or value in self.choices, f'{self.name}:={value} is not one of {self.choices}'


class LaunchConfiguration:
    def __init__(self, name, *, default=None):
        self.name, self.default = name, default

    def perform(self, context):
        assert self.name in context.configurations or self.default is not None, f'{self.name} was not declared before'
        return context.configurations.get(self.name, self.default)


class SetEnvironmentVariable:
    def __init__(self, name, value):
        self.item = name, value

    def visit(self, context):
        context.variables.update([self.item])


class OpaqueFunction:
    def __init__(self, *, function, args=(), kwargs=None):
        self.function, self.args, self.kwargs = function, args, kwargs or {}

    def visit(self, context):
        for action in self.function(context, *self.args, **self.kwargs) or ():
            action.visit(context)


class Shutdown:
    def __init__(self, *, reason=''):
        self.reason = reason


class Node:
    def __init__(self, *, package, executable, **more):
        assert not more.keys() - NODE - PROCESS, f'Node does not take {sorted(more.keys() - NODE - PROCESS)}'
        for kind, words in (('arguments', str), ('ros_arguments', str), ('parameters', (str, dict))):
            assert isinstance(more.get(kind, []), list), f'{kind} must be a list: launch_ros adds to it'
            assert all(isinstance(word, words) for word in more.get(kind, [])), f'{kind}={more[kind]}'
        self.package, self.executable, self.more = package, executable, more

    def visit(self, context):
        context.nodes.append(self)


class PythonLaunchDescriptionSource:
    def __init__(self, path):
        self.path = path


class IncludeLaunchDescription:
    def __init__(self, source, *, launch_arguments=()):
        self.source, self.given = source, dict(launch_arguments)

    def visit(self, context):
        context.configurations.update(self.given)
        before = set(context.declared)
        runpy.run_path(self.source.path)['generate_launch_description']().visit(context)
        unknown = self.given.keys() - (context.declared.keys() - before)
        assert not unknown, f'{self.source.path} has no launch arguments {sorted(unknown)}'


MODULES = {
    'launch': {'LaunchContext': Context, 'LaunchDescription': LaunchDescription},
    'launch.actions': {
        'DeclareLaunchArgument': DeclareLaunchArgument,
        'IncludeLaunchDescription': IncludeLaunchDescription,
        'OpaqueFunction': OpaqueFunction,
        'SetEnvironmentVariable': SetEnvironmentVariable,
        'Shutdown': Shutdown,
    },
    'launch.launch_description_sources': {'PythonLaunchDescriptionSource': PythonLaunchDescriptionSource},
    'launch.substitutions': {'LaunchConfiguration': LaunchConfiguration},
    'launch_ros': {},
    'launch_ros.actions': {'Node': Node},
}


def run(path: Path, monkeypatch, **given: str) -> Context:
    """Return what `ros2 launch PATH name:=value ...` would start."""
    for name, members in MODULES.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    context = Context(given)
    runpy.run_path(str(path))['generate_launch_description']().visit(context)
    unknown = given.keys() - context.declared.keys()
    assert not unknown, f'{path.name} has no launch arguments {sorted(unknown)}'
    return context
