"""`autonomy doctor`: what is wrong with the inputs, a line each with what mends it."""

import argparse
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.doctor import diagnose, lines
from autonomy_nodes.evaluation.findings import MEND
from autonomy_nodes.evaluation.survey import Survey, of_recording, of_running
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.messages.remap_draft import write_draft
from autonomy_nodes.nodes.launcher import given, resolved, settings_files

LIVE = 'live'


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('source', help='a rosbag2 folder, an MCAP or db3 file, or `live`: what runs on this machine')
    parser.add_argument('--remap', type=Path, help='a yaml of names, where a recording has others; see docs/remap.yaml')
    parser.add_argument('--draft', type=Path, metavar='FILE', help='where names are others: write a first --remap file')
    parser.add_argument('--seconds', type=float, default=0.0, help='so much of it; live 10 unless told')
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help='such as vehicle:=truck, as for `autonomy up`')


def run(options: argparse.Namespace) -> int:
    """Look, print a line a finding; 1 where something must be mended."""
    files = settings_files(resolved(given(options.launch)))
    survey = _heard(options)
    found = diagnose(survey, files)
    if options.draft:
        frames = {name for told in survey.mounts for pair in told.matrices for name in pair}
        write_draft(options.draft, survey.types, frames)
        print(f'drafted {options.draft}: look it through, then --remap {options.draft}')
    print('\n'.join(lines(found, survey)))
    count = sum(finding.level == MEND for finding in found)
    print(f'{count} to mend, {len(found) - count} notes' if found else 'all is well')
    return 1 if count else 0


def _heard(options: argparse.Namespace) -> Survey:
    if options.source == LIVE:
        if options.remap:
            raise DataError('--remap is for recordings; live topics are remapped where their nodes are started')
        return of_running(options.seconds or 10.0)
    return of_recording(Path(options.source), read_remap(options.remap) if options.remap else None, options.seconds)
