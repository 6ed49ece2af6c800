"""`autonomy preflight`: whether this computer is ready to drive, a line each with what mends it."""

import argparse
import os
import shutil
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.findings import MEND
from autonomy_nodes.evaluation.preflight import is_jetson, lines, preflight


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--root', type=Path, default=Path('/'), help='look at the tree of files below this one instead')
    parser.add_argument('--disk', type=Path, default=Path(), help='where recordings go')


def run(options: argparse.Namespace) -> int:
    """Look, print a line a finding; 1 where something must be mended."""
    if not options.root.is_dir():
        raise DataError(f'--root {options.root} is no folder')
    found = preflight(options.root, os.environ, shutil.disk_usage(options.disk).free)
    print('\n'.join(lines(found, is_jetson(options.root))))
    return 1 if any(finding.level == MEND for finding in found) else 0
