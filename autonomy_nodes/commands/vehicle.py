"""`autonomy vehicle`: a vehicle's yaml made of a URDF, a recording and answers, and drawn with its blind zones."""

import argparse
import sys
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.vehicles.made import Dialogue, Sources, gathered, lines, make_vehicle
from autonomy_nodes.evaluation.vehicles.picture import drawn
from autonomy_nodes.evaluation.vehicles.questions import ALL, checked_options
from autonomy_nodes.evaluation.vehicles.sensor_words import KEYS, of_option
from autonomy_nodes.evaluation.vehicles.sight import ground_seen
from autonomy_nodes.evaluation.vehicles.sight import lines as sight_lines
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.nodes.launcher import given, resolved, settings_files
from autonomy_nodes.nodes.processes import vehicle_of

NEW, SHOW = 'new', 'show'


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = 'what a sensor may tell, such as --lidar "top frame=lidar_top xyz_m=1.3,0,1.95 rpy_deg=0,0,0":\n'
    parser.epilog += '\n'.join(
        f'  --{kind:<7} {key}={",".join("N" * what.count) or "WORD"} [{what.unit}] {what.about}'
        for kind, keys in KEYS.items() for key, what in keys.items()
    )  # fmt: skip
    parser.add_argument('what', choices=(NEW, SHOW), help='new: ask, and write a yaml; show: draw one')
    parser.add_argument('vehicle', help='new: the yaml to write; show: a name of config/vehicles, or a yaml')
    parser.add_argument('--out', type=Path, metavar='PNG', help='of show: the picture')
    group = parser.add_argument_group('of new')
    group.add_argument('--urdf', type=Path, metavar='FILE', help='a .urdf or .xacro')
    group.add_argument('--bag', type=Path, metavar='DIR', help='a recording of its sensors')
    group.add_argument('--remap', type=Path, help='a yaml of names, where its topics have others; see docs/remap.yaml')
    group.add_argument('--defaults', action='store_true', help='numbers of a car where nobody tells, noted beside them')
    group.add_argument('--force', action='store_true', help='write over a yaml that is there')
    group.add_argument('--wheel-radius-m', type=float, metavar='m', help='where the wheels of the URDF are meshes')
    for question in ALL:
        group.add_argument(question.option, metavar=question.unit, help=question.about)
    for kind in KEYS:
        group.add_argument(f'--{kind}', action='append', default=[], metavar='"NAME KEY=..."', help='see below')
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help='arguments of a .xacro')


def run(options: argparse.Namespace) -> int:
    """Write or draw; 1 where a written yaml lacks something."""
    if options.what == SHOW:
        return _show(options)
    sources = Sources(
        values=checked_options(vars(options)),
        sensors=[of_option(kind, text) for kind in KEYS for text in getattr(options, kind)],
        bag=options.bag, remap=read_remap(options.remap) if options.remap else None, urdf=options.urdf,
        xacro=given(options.launch), wheel_radius_m=options.wheel_radius_m, defaults=options.defaults,
    )  # fmt: skip
    out = Path(options.vehicle)
    facts = gathered(sources, Dialogue(input, print) if sys.stdin.isatty() and not options.defaults else None)
    make_vehicle(facts, out, options.force)
    print('\n'.join(lines(facts, out, options.remap)))
    return 1 if facts.missing else 0


def _show(options: argparse.Namespace) -> int:
    if options.out is None:
        raise DataError('show needs --out PNG')
    vehicle = vehicle_of('lidar', settings_files(resolved({'vehicle': options.vehicle})))
    ground = ground_seen(vehicle)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(drawn(vehicle, ground, Path(options.vehicle).stem))
    print('\n'.join([*sight_lines(vehicle, ground), f'drawn: {options.out}']))
    return 0
