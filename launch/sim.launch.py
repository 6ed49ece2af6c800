"""Drive in the simulator: `ros2 launch autonomy_nodes sim.launch.py scenario:=road-3 viz:=rviz`.

Takes the arguments of stack.launch.py too. Ends with the scenario. `autonomy drive` does the same without ROS's launch,
judges the drive and writes a report.
"""

import tempfile
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from autonomy_nodes.common.paths import share
from autonomy_nodes.evaluation.drive import Drive, Scenario
from autonomy_nodes.evaluation.live import write_settings
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS
from autonomy_nodes.sim.scenes import chosen


def prepare(context: LaunchContext, folder: Path) -> None:
    """Write the scenario's map and the settings that the stack needs in it, before the stack starts."""
    scenario, duration = (LaunchConfiguration(name).perform(context) for name in ('scenario', 'duration'))
    asked = Scenario(*chosen(scenario, '', 0), float(duration))
    given = {'map_path': LaunchConfiguration('map_path', default='').perform(context)}
    write_settings(folder / 'settings.yaml', Drive(folder, asked, given).prepared().settings)


def start(context: LaunchContext, folder: Path) -> list[Node]:
    """Return the simulator."""
    given = resolved({name: LaunchConfiguration(name).perform(context) for name in LAUNCH_ARGUMENTS})
    sim = Node(
        package='autonomy_nodes',
        executable='stage',
        exec_name='sim',
        name='sim',
        namespace=given['namespace'] or None,
        arguments=['sim'],
        parameters=[*map(str, settings_files(given)), str(folder / 'settings.yaml')],
        ros_arguments=['--log-level', given['log_level']],
        output='screen',
        on_exit=Shutdown(reason='the scenario has ended'),
    )
    return [sim]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the stack with its control node on the simulator's clock, and the simulator."""
    folder = Path(tempfile.mkdtemp(prefix='autonomy_nodes_'))
    source = PythonLaunchDescriptionSource(str(share('launch/stack.launch.py')))
    stack = {'use_sim_time': 'true', 'control': 'true', 'overlay': str(folder / 'settings.yaml')}
    return LaunchDescription(
        [
            DeclareLaunchArgument('scenario', default_value='road', description='FAMILY or FAMILY-SEED of the world'),
            DeclareLaunchArgument('duration', default_value='60.0', description='simulated seconds at most'),
            OpaqueFunction(function=prepare, args=[folder]),
            IncludeLaunchDescription(source, launch_arguments=stack.items()),
            OpaqueFunction(function=start, args=[folder]),
        ]
    )
