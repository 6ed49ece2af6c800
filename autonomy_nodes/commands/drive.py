"""`autonomy drive`: a scenario of the simulator."""

import argparse
from functools import partial

from autonomy_nodes.commands.options import add_setup, command_line, commit, finished, launch_arguments, overriding
from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.evaluation.drive import Drive, Scenario, drive_in_lockstep, drive_live
from autonomy_nodes.evaluation.runlog import Run


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--scenario', default='road', help='family of worlds: road, junction, rough, works')
    parser.add_argument('--seed', type=int, default=0, help='which world of the family')
    parser.add_argument('--start', type=float, default=0.0, metavar='M', help='along the route, where it begins')
    parser.add_argument('--goal', type=float, default=200.0, metavar='M', help='along the route; 0: at its end')
    parser.add_argument('--duration', type=float, default=90.0, metavar='S', help='simulated seconds at most')
    about = 'through the reference drive by wire: an operator engages, injects faults and disengages (operator.steps)'
    parser.add_argument('--by-wire', action='store_true', help=about)
    parser.add_argument('--lockstep', action='store_true', help='without processes and wall clock: repeats exactly')
    parser.add_argument('--jobs', type=int, default=1, help='with --lockstep: 2 gives writing a thread of its own')
    add_setup(parser, out='out/drive')


def run(options: argparse.Namespace) -> int:
    """Drive, then make the report."""
    given = launch_arguments(options)
    told = Run(vehicle=given['vehicle'], command=command_line(), commit=commit())
    scenario = Scenario(options.scenario, options.seed, options.duration, options.goal, options.start, options.by_wire)
    drive = Drive(options.out, scenario, given, overriding(options), tuple(options.without), told)
    with Progress(' s', quiet=True) as tell:
        lockstep = partial(drive_in_lockstep, drive, options.jobs, tell)
        return finished(options.out, lockstep if options.lockstep else partial(drive_live, drive, tell))
