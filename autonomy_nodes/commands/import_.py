"""`autonomy import`: a data set as a bag."""

import argparse
from pathlib import Path

from autonomy_nodes.messages.kitti import import_kitti

FORMATS = {'kitti': import_kitti}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('format', choices=list(FORMATS), help='how the data set lies on disk')
    parser.add_argument('folder', type=Path, help='one drive of it')
    parser.add_argument('bag', type=Path, help='a new rosbag2 folder, or a new .mcap or .db3 file')


def run(options: argparse.Namespace) -> None:
    """Write the bag; tell what is in it, what is missing and what was left out."""
    summary = FORMATS[options.format](options.folder, options.bag)
    print('\n'.join(summary.lines()))
