"""Drive in the simulator: `ros2 launch autonomy_nodes sim.launch.py scenario:=NAME viz:=rviz`.

Takes the arguments of stack.launch.py too. Ends with the scenario. `autonomy drive` does the same without ROS's launch,
judges the drive and writes a report.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from autonomy_nodes.common.paths import share
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS


def start(context: LaunchContext) -> list[Node]:
    """Return the simulator."""
    scenario = LaunchConfiguration('scenario').perform(context)
    given = resolved({name: LaunchConfiguration(name).perform(context) for name in LAUNCH_ARGUMENTS})
    sim = Node(
        package='autonomy_nodes',
        executable='stage',
        exec_name='sim',
        name='sim',
        namespace=given['namespace'] or None,
        arguments=['sim'],
        parameters=[*map(str, settings_files(given)), *([{'scenario': scenario}] if scenario else [])],
        ros_arguments=['--log-level', given['log_level']],
        output='screen',
        on_exit=Shutdown(reason='the scenario has ended'),
    )
    return [sim]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the stack with its control node on the simulator's clock, and the simulator."""
    source = PythonLaunchDescriptionSource(str(share('launch/stack.launch.py')))
    stack = {'use_sim_time': 'true', 'control': 'true', 'publish_calibration': 'true'}
    return LaunchDescription(
        [
            DeclareLaunchArgument('scenario', default_value='', description='which; empty: as the settings say'),
            IncludeLaunchDescription(source, launch_arguments=stack.items()),
            OpaqueFunction(function=start),
        ]
    )
