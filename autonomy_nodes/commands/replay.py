"""`autonomy replay`: a recording through the stack."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from autonomy_nodes.commands.options import add_setup, command_line, commit, finished, launch_arguments, overriding
from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.live import LiveRun, run_live
from autonomy_nodes.evaluation.replay import Setup, replay, sensors_of
from autonomy_nodes.evaluation.runlog import Run
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.nodes.launcher import settings_files


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('bag', type=Path, help='a rosbag2 folder, or an MCAP or db3 file')
    parser.add_argument('--ros', action='store_true', help='live: all processes, over the middleware, with /clock')
    parser.add_argument('--rate', type=float, default=1.0, help='with --ros: recorded seconds a second')
    parser.add_argument('--remap', type=Path, help='a yaml of names, where its topics have others; see docs/remap.yaml')
    about = 'processes that share the nodes; the outputs are the same. 1: all in one, without threads'
    parser.add_argument('--jobs', type=int, default=2, help=about)
    add_setup(parser, out='out/replay')


def run(options: argparse.Namespace) -> int:
    """Replay, then make the report."""
    given, more = launch_arguments(options), overriding(options)
    if options.jobs < 1:
        raise SettingsError(f'--jobs {options.jobs} must be at least 1')
    if not options.bag.exists():
        raise DataError(f'{options.bag}: no such bag; `autonomy import` makes one from a data set')
    remap = read_remap(options.remap) if options.remap else None
    told: dict[str, Any] = {'vehicle': given['vehicle'], 'command': command_line(), 'commit': commit()}
    setup = Setup(settings_files(given), more, options.without, **told)
    with Progress(' s', quiet=True) as tell:
        if not options.ros:
            return finished(options.out, partial(replay, options.bag, options.out, setup, options.jobs, remap, tell))
        played = {'player.bag': str(options.bag.resolve()), 'player.rate': options.rate}
        played |= {'player.remap': str(options.remap.resolve())} if options.remap else {}
        settings = {**sensors_of(options.bag, remap), **played, **more}
        run_of = Run(scenario=options.bag.stem, **told)
        live = LiveRun(options.out, given, 'player', settings, (), options.without, run=run_of)
        return finished(options.out, partial(run_live, live, lambda seconds, launcher: tell('', round(seconds), 0)))
