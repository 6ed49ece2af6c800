"""`autonomy up`: the stack on this machine, without ROS's launch."""

import argparse
import signal
import threading

from autonomy_nodes.common.settings import SettingsError, check_settings
from autonomy_nodes.nodes.launcher import Launcher, given, resolved, settings_files
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, TABLE, make, wanted


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    told = [f'  {name}:={default or "..."}  {about}' for name, (default, about, _) in LAUNCH_ARGUMENTS.items()]
    parser.epilog = 'launch arguments, the same as of `ros2 launch autonomy_nodes stack.launch.py`:\n' + '\n'.join(told)
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help='a launch argument')


def run(options: argparse.Namespace) -> int:
    """Run until told to stop, or until a process ends that is not to be started again."""
    arguments = resolved(given(options.launch))
    if arguments['viz'] in ('rviz', 'foxglove'):
        raise SettingsError(f'viz:={arguments["viz"]} needs a ROS installation: use ros2 launch, or viz:=rerun')
    kinds = {name: make(name).config_type for name in wanted(arguments)}
    check_settings(settings_files(arguments), kinds, TABLE)
    told_to_stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: told_to_stop.set())
    launcher = Launcher(arguments)
    launcher.start()
    try:
        while not told_to_stop.wait(0.2):
            ended = launcher.ended()
            if ended and arguments['respawn'] != 'true':
                name, code = ended[0]
                print(f'{name} ended with exit code {code}')
                return 1
    finally:
        launcher.stop()
    return 0
