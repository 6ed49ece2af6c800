"""Every node of the stack in one table, and which nodes share a process: launch files and `autonomy up` read it.

Sharing saves memory and, on a GPU, a CUDA context; not sharing keeps a crash to one node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.common.vehicle import Vehicle


@dataclass(frozen=True)
class Entry:
    """A node: the class of its stage, imported only by the process that runs it, and the group it shares one with."""

    stage: str
    group: str
    started: str = 'always'  # 'always', or the launch argument that asks for it, as NAME or NAME:=VALUE, or 'by hand'

    def asked_for(self, arguments: Mapping[str, str]) -> bool:
        """Return whether these launch arguments ask for the node."""
        name, _, value = self.started.partition(':=')
        given = arguments.get(name, 'false')
        return name == 'always' or (given == value if value else given not in ('false', ''))


_HERE = 'autonomy_nodes.nodes'
TABLE = {
    'camera': Entry(f'{_HERE}.camera_node.Camera', 'perceiving'),
    'lidar': Entry(f'{_HERE}.lidar_node.Lidar', 'perceiving'),
    'perception': Entry(f'{_HERE}.perception_node.Perception', 'perceiving'),
    'localization': Entry(f'{_HERE}.localization_node.Localization', 'placing'),
    'map': Entry(f'{_HERE}.map_node.Map', 'placing'),
    'map_update': Entry(f'{_HERE}.map_update_node.MapUpdate', 'placing'),
    'tracking': Entry(f'{_HERE}.tracking_node.Tracking', 'foresight'),
    'prediction': Entry(f'{_HERE}.prediction_node.Prediction', 'foresight'),
    'planning': Entry(f'{_HERE}.planning_node.Planning', 'foresight'),
    'safety': Entry(f'{_HERE}.safety_node.Safety', 'safety'),
    'control': Entry(f'{_HERE}.control_node.Control', 'control', started='control'),
    'recorder': Entry(f'{_HERE}.recorder_node.Recorder', 'recorder', started='record'),
    'viewer': Entry(f'{_HERE}.viewer_node.Viewer', 'viewer', started='viz:=rerun'),
    'sim': Entry(f'{_HERE}.sim_node.Sim', 'sim', started='by hand'),
    'drive_by_wire': Entry(f'{_HERE}.drive_by_wire_node.DriveByWire', 'drive_by_wire', started='by hand'),
    'operator': Entry(f'{_HERE}.operator_node.Operator', 'operator', started='by hand'),
    'player': Entry(f'{_HERE}.player_node.Player', 'player', started='by hand'),
}
COMPOSITIONS = {
    'separate': lambda node: node,
    'grouped': lambda node: TABLE[node].group,
    'single': lambda node: 'stack',  # for development only
}

_VIEWERS = ('none', 'rerun', 'rviz', 'foxglove')
_BACKENDS = ('auto', 'onnx', 'openvino', 'torch', 'tensorrt')
# name: (default, what it does, choices)
LAUNCH_ARGUMENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    'params_file': ('', 'settings of all nodes; empty: config/stack.yaml of this package', ()),
    'overlay': ('', 'one more settings file, which overrides the others, such as config/orin.yaml', ()),
    'vehicle': ('car', 'a name in config/vehicles/ or the path of a vehicle yaml', ()),
    'map_path': ('', 'a Lanelet2 .osm file; empty: drive without a map', ()),
    'namespace': ('', 'put before every relative topic and node name', ()),
    'use_sim_time': ('false', 'take time from /clock: true in a simulation or a replay', ('true', 'false')),
    'log_level': ('info', 'how much the nodes log', ('debug', 'info', 'warn', 'error', 'fatal')),
    'autostart': ('true', 'configure and activate the nodes; false: a lifecycle manager does', ('true', 'false')),
    'respawn': ('true', 'start a process again a second after it ends with an error', ('true', 'false')),
    'model': ('', 'network of perception: a name in models/, a folder, or none; empty: as the settings tell', ()),
    'backend': ('auto', 'which engine runs networks', _BACKENDS),
    'require_backend': ('', 'refuse to start unless networks run on this backend; empty: any', _BACKENDS[1:] + ('',)),
    'composition': ('grouped', 'which nodes share a process', tuple(COMPOSITIONS)),
    'publish_calibration': ('false', 'publish /tf_static from the vehicle yaml', ('true', 'false')),
    'control': ('false', 'start the control node, which follows the trajectory', ('true', 'false')),
    'record': (
        'false', 'start the recorder: true writes all topics to an MCAP bag, clips only the seconds around events',
        ('true', 'clips', 'false'),
    ),
    'viz': ('none', 'look on: rerun, or with ROS rviz, foxglove (layout: config/foxglove.json)', _VIEWERS),
}


def wanted(arguments: dict[str, str]) -> list[str]:
    """Return the nodes that these launch arguments ask for, in the order of the table."""
    return [name for name, entry in TABLE.items() if entry.asked_for(arguments)]


def processes(composition: str, nodes: list[str] | None = None) -> dict[str, list[str]]:
    """Return {process: its nodes}; each node is in exactly one. `nodes`: by default those always started."""
    if composition not in COMPOSITIONS:
        raise ValueError(f'composition={composition!r} must be one of {", ".join(COMPOSITIONS)}')
    found: dict[str, list[str]] = {}
    for node in wanted({}) if nodes is None else nodes:
        found.setdefault(COMPOSITIONS[composition](node), []).append(node)
    return found


def vehicle_of(node: str, files: Iterable[Path], more: Mapping[str, Any] | None = None) -> Vehicle:
    """Return the vehicle as settings files tell it to a node, with `more` over them; see `check_settings`."""
    return check_settings(files, {node: make(node).config_type}, TABLE, more)[node].vehicle


def make(name: str) -> Any:
    """Make a stage of the table; only now is its module imported, with all that it needs."""
    module, _, kind = TABLE[name].stage.rpartition('.')
    return getattr(import_module(module), kind)()
