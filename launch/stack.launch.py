"""Start the stack: `ros2 launch autonomy_nodes stack.launch.py vehicle:=car map_path:=town.osm`.

Which processes there are stands in autonomy_nodes/nodes/processes.py; --show-args tells the arguments.
"""

import os
import tempfile
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from autonomy_nodes.common.paths import share
from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.nodes.launcher import environment, overrides, resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, TABLE, make, processes, wanted


def settings_of(given: dict[str, str]) -> str:
    """Write the settings that launch arguments stand for to a file of their own, to come after the others.

    As ros_arguments they would come before the files on the command line, and so be overridden by them.
    """
    sections: dict[str, dict[str, dict]] = {}
    for name, value in overrides(given).items():
        node, _, key = name.partition('.')
        sections.setdefault(node, {'ros__parameters': {}})['ros__parameters'][key] = yaml.safe_load(value)
    with tempfile.NamedTemporaryFile('w', prefix='autonomy_nodes_', suffix='.yaml', delete=False) as file:
        yaml.safe_dump(sections, file)
    return file.name


def process(name: str, nodes: list[str], given: dict[str, str], files: list[str]) -> Node:
    """Return one process with its nodes."""
    return Node(
        package='autonomy_nodes',
        executable='stage',
        exec_name=name,
        namespace=given['namespace'] or None,
        arguments=nodes,
        parameters=[
            *files,
            {'use_sim_time': given['use_sim_time'] == 'true', 'autostart': given['autostart'] == 'true'},
        ],
        ros_arguments=['--log-level', given['log_level']],
        respawn=given['respawn'] == 'true',
        respawn_delay=1.0,
        output='screen',
    )


def start(context: LaunchContext) -> list[Node]:
    """Return the processes that the arguments ask for; settings are checked before the first starts."""
    given = resolved({name: LaunchConfiguration(name).perform(context) for name in LAUNCH_ARGUMENTS})
    nodes = wanted(given)
    files = [*map(str, settings_files(given)), settings_of(given)]
    check_settings(map(Path, files), {name: make(name).config_type for name in nodes}, TABLE)
    chosen = processes(given['composition'], nodes)
    started = [process(name, members, given, files) for name, members in chosen.items()]
    clock = {'use_sim_time': given['use_sim_time'] == 'true'}
    if given['viz'] == 'foxglove':
        started.append(Node(package='foxglove_bridge', executable='foxglove_bridge', parameters=[clock]))
    if given['viz'] == 'rviz':
        rviz = ['-d', str(share('config/stack.rviz'))]
        started.append(Node(package='rviz2', executable='rviz2', arguments=rviz, parameters=[clock]))
    return started


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, what every process needs in its environment, and the processes."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=about, choices=choices or None)
        for name, (default, about, choices) in LAUNCH_ARGUMENTS.items()
    ]
    variables = [SetEnvironmentVariable(*item) for item in environment().items() if item[0] not in os.environ]
    return LaunchDescription([*declared, *variables, OpaqueFunction(function=start)])
