"""A process of the stack: one executor with one thread, and the nodes named on the command line."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from autonomy_nodes.common.settings import check_settings, configured, parsed, read_settings
from autonomy_nodes.nodes.memory import keep_memory
from autonomy_nodes.nodes.port import Stage
from autonomy_nodes.nodes.processes import TABLE, make
from autonomy_nodes.nodes.stage import StageNode

LATER = {'recorder', 'viewer'}  # nodes for which nobody waits: where cores are short, the others go first
LONG_S = 1e6


def run(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> int:
    """Run nodes until told to stop and return the exit code; a bug in one of them is raised and ends them all.

    settings: of each node. They are given as overrides, since rcl would match the sections of a file by namespace.
    """
    return run_stages([make(name) for name in names], settings)


def run_stages(stages: Sequence[Stage], settings: Mapping[str, Mapping[str, Any]]) -> int:
    """Run stages as nodes; see `run`."""
    rclpy.init()
    nodes: list[StageNode] = []
    try:
        executor = single_threaded()
        for stage in stages:
            given = [Parameter(key, value=value) for key, value in settings[stage.name].items()]
            nodes.append(StageNode(stage, parameter_overrides=given))
            executor.add_node(nodes[-1])
        if False in [node.start() for node in nodes]:  # all are tried, so that each says what it lacks
            return 1
        while rclpy.ok():
            executor.spin_until_future_complete(Future(), timeout_sec=LONG_S)
    except Exception:
        if rclpy.ok():
            raise
        # told to stop: rclpy closes its context at once, so that a step under way cannot publish; that is no bug
    finally:
        for node in nodes:
            node.stage.free()
        if rclpy.ok():
            rclpy.shutdown()
        rclpy.try_shutdown()  # one that a stage has closed is put away, so that this may be called again
    return 0


def single_threaded() -> Any:
    """Return an executor that runs all callbacks in the thread that spins it.

    The one driven by events, where rclpy has it, costs a fraction: the other builds its wait set anew for each message.
    Its `spin()` spins in vain where libstdc++ overflows on a wait without end, hence LONG_S.
    """
    if find_spec('rclpy.experimental'):
        return import_module('rclpy.experimental').EventsExecutor()
    return SingleThreadedExecutor()


def step_back() -> None:
    """Let other processes go first, of this session (nice) and, on Linux, of others: each process here has its own."""
    os.nice(19)
    with suppress(OSError):
        Path('/proc/self/autogroup').write_text('19')


def main() -> None:
    """Run the named nodes: `ros2 run autonomy_nodes stage planning safety`."""
    names = remove_ros_args(sys.argv)[1:]
    if not names or not set(names) <= TABLE.keys():
        sys.exit(f'usage: stage NODE [NODE ...] [--ros-args ...]; the nodes are {", ".join(TABLE)}')
    try:  # rcl would ignore a misspelt section or name
        settings = settings_of(sys.argv)
        for name in names:
            configured(make(name).config_type, settings[name])
        files = [Path(after) for word, after in zip(sys.argv, sys.argv[1:]) if word == '--params-file']
        check_settings(files, {name: make(name).config_type for name in names}, TABLE)
    except ValueError as error:
        sys.exit(f'stage: {error}')
    keep_memory()
    if set(names) <= LATER:
        step_back()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rclpy's handler stops us; KeyboardInterrupt would strike anywhere
    sys.exit(run(names, settings))


def settings_of(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {node: its settings} of --params-file FILE and -p [NODE:]NAME:=VALUE; what comes later overrides."""
    found: dict[str, dict[str, Any]] = {name: {} for name in TABLE}
    for word, after in zip(words, words[1:]):
        if word == '--params-file':
            for name, given in read_settings([Path(after)], TABLE).items():
                found[name] |= given
        elif word in ('-p', '--param'):
            key, _, value = after.partition(':=')
            node, _, name = key.rpartition(':')
            for each in [node] if node else TABLE:
                found[each][name] = parsed(value)
    return found


if __name__ == '__main__':
    main()
