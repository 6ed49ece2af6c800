"""Play a bag into the stack: `ros2 launch autonomy_nodes replay.launch.py bag:=drive.mcap`, then look at it in RViz.

Takes the arguments of stack.launch.py too. Ends with the bag. For a verdict that is the same every time use
`autonomy replay`, which needs no middleware and no clock.
"""

import tempfile
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from autonomy_nodes.common.paths import share
from autonomy_nodes.evaluation.live import write_settings
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS


def start(context: LaunchContext) -> list[Node]:
    """Return the player."""
    bag, rate = (LaunchConfiguration(name).perform(context) for name in ('bag', 'rate'))
    given = resolved({name: LaunchConfiguration(name).perform(context) for name in LAUNCH_ARGUMENTS})
    player = Node(
        package='autonomy_nodes',
        executable='stage',
        exec_name='player',
        name='player',
        namespace=given['namespace'] or None,
        arguments=['player'],
        parameters=[*map(str, settings_files(given)), {'bag': bag, 'rate': float(rate)}],
        ros_arguments=['--log-level', given['log_level']],
        output='screen',
        on_exit=Shutdown(reason='the bag has ended'),
    )
    return [player]


def generate_launch_description() -> LaunchDescription:
    """Return the arguments, the stack on the bag's clock, and the player."""
    overlay = Path(tempfile.mkdtemp(prefix='autonomy_nodes_')) / 'settings.yaml'
    write_settings(overlay, {'safety.engaged_at_start': True})  # nobody is there to engage
    source = PythonLaunchDescriptionSource(str(share('launch/stack.launch.py')))
    stack = {'use_sim_time': 'true', 'overlay': str(overlay)}
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='a rosbag2 folder or an MCAP file'),
            DeclareLaunchArgument('rate', default_value='1.0', description='recorded seconds a second'),
            IncludeLaunchDescription(source, launch_arguments=stack.items()),
            OpaqueFunction(function=start),
        ]
    )
