"""The ROS half of settings: each field of a dataclass is a parameter, to be seen with `ros2 param list`."""

from dataclasses import asdict
from typing import Any

from rclpy.node import Node

from autonomy_nodes.common.settings import configured, flat

READ_ONLY = 'is read when the node is configured; set it in the settings file, then configure anew'


def read_config(node: Node, config_type: type) -> Any:
    """Build `config_type` from the node's parameters, declaring the ones that were not given."""
    names = [name for name in node.get_parameters_by_prefix('') if not name.startswith('qos_overrides.')]
    config = configured(config_type, {name: node.get_parameter(name).value for name in names})
    for name, default in flat(asdict(config)):
        if not node.has_parameter(name):
            node.declare_parameter(name, default)
    return config
