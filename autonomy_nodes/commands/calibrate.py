"""`autonomy calibrate`: whether the mounts of LiDARs and cameras fit what they see, and which would."""

import argparse
import json
from pathlib import Path

from autonomy_nodes.evaluation.calibrating import DRIFT, judged, lines, mended
from autonomy_nodes.evaluation.rig import of_recording
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.nodes.launcher import given, resolved, settings_files
from autonomy_nodes.nodes.processes import vehicle_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('what', choices=('check', 'estimate'), help='check: exit code 1 where a mount has drifted')
    parser.add_argument('bag', type=Path, help='a rosbag2 folder, or an MCAP or db3 file')
    parser.add_argument('--remap', type=Path, help='a yaml of names, where its topics have others; see docs/remap.yaml')
    parser.add_argument('--json', type=Path, metavar='FILE', help='for what was found')
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help='such as vehicle:=truck, as for `autonomy up`')


def run(options: argparse.Namespace) -> int:
    """Judge each mount; with `estimate` print the ones that fit, for the vehicle's yaml."""
    files = settings_files(resolved(given(options.launch)))
    vehicle = vehicle_of('lidar', files)
    remap = read_remap(options.remap) if options.remap else None
    moments = of_recording(options.bag, vehicle, remap)
    found = judged(moments)
    print('\n'.join(lines(found)))
    if options.what == 'estimate':
        print('\n'.join(['', *mended(moments, found)]))
    if options.json:
        options.json.write_text(json.dumps([each.told() for each in found], indent=1) + '\n')
    return 1 if options.what == 'check' and any(each.verdict == DRIFT for each in found) else 0
