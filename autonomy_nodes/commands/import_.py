"""`autonomy import`: a data set, or a recording with other names, as a bag."""

import argparse
from pathlib import Path

import numpy as np

from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.bags import import_bag
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import FORMATS, drives
from autonomy_nodes.messages.formats.frames import BASE, Drive
from autonomy_nodes.messages.remap import read_remap

AUTO, BAG = 'auto', 'bag'


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    told = [f'  {entry.name:<16} {entry.about}' for entry in FORMATS.values()]
    told += [f'  {AUTO:<16} the first of these that it looks like', f'  {BAG:<16} a recording, with --remap']
    parser.epilog = '\n'.join(['formats:', *told])
    parser.add_argument('format', choices=[*FORMATS, AUTO, BAG], metavar='FORMAT', help='see below')
    parser.add_argument('folder', type=Path, help='the data set, one drive of it, or a file')
    parser.add_argument('bag', type=Path, help='a new rosbag2 folder, or a new .mcap or .db3 file')
    parser.add_argument('--drive', default='', help='which drive, where the folder holds several')
    parser.add_argument(
        '--mount', action='append', default=[], metavar='FRAME=X,Y,Z,ROLL,PITCH,YAW',
        help='where a sensor sits in base_link (m, rad), where the data set does not tell',
    )  # fmt: skip
    parser.add_argument('--remap', type=Path, help='a yaml of names, for format bag; docs/remap.yaml is an example')


def run(options: argparse.Namespace) -> None:
    """Write the bag; tell what is in it, what is missing and what was left out."""
    if (options.format == BAG) != (options.remap is not None):
        raise DataError('--remap FILE and the format bag go together')
    if options.format == BAG:
        print('\n'.join(import_bag(options.folder, options.bag, read_remap(options.remap))))
        return
    drive = chosen(drives(options.folder, '' if options.format == AUTO else options.format), options.drive)
    if options.mount:
        drive = drive.mounted({(BASE, frame): matrix for frame, matrix in map(mount, options.mount)})
    with Progress(' frames', quiet=True) as tell:
        summary = write_drive(drive, options.bag, tell)
    print('\n'.join(summary.lines()))


def chosen(found: list[Drive], name: str) -> Drive:
    """Return the drive of that name, or the only one."""
    named = [drive for drive in found if name in ('', drive.name)]
    if len(named) != 1:
        names = ', '.join(drive.name for drive in found)
        raise DataError(f'there are {len(found)} drives: {names}; choose one with --drive NAME')
    return named[0]


def mount(word: str) -> tuple[str, np.ndarray]:
    """Return frame and (4, 4) base_link from it, as --mount tells them."""
    frame, _, numbers = word.partition('=')
    try:
        values = np.array([float(number) for number in numbers.split(',')])
    except ValueError as error:
        raise DataError(f'--mount {word!r} is not FRAME=X,Y,Z,ROLL,PITCH,YAW') from error
    if not frame or values.size != 6 or not np.isfinite(values).all():
        raise DataError(f'--mount {word!r} is not FRAME=X,Y,Z,ROLL,PITCH,YAW')
    return frame, matrix_of_rpy(values[:3], values[3:])
