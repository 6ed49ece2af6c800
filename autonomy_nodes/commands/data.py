"""`autonomy data`: drives of the simulator as a folder, with all that is true of them, to measure and to train on."""

import argparse
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.messages.formats.simulated import MANIFEST
from autonomy_nodes.training.holdout import write_holdout


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = 'holdout: worlds on which nothing is trained or tuned; points, labels, boxes, poses, the true ground'
    parser.add_argument('what', choices=('holdout',), help=about)
    parser.add_argument('folder', type=Path, metavar='DIR', help='a new folder; docs/evaluation.md tells its layout')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    parser.add_argument('--scenes', type=int, default=9, metavar='N')
    parser.add_argument('--sweeps', type=int, default=20, metavar='N', help='of each scene, ten a second')
    parser.add_argument('--jobs', type=int, default=1, help='processes; they change no byte')


def run(options: argparse.Namespace) -> None:
    """Write the folder and tell what is in it."""
    if options.seed < 0 or options.scenes < 1 or options.sweeps < 2:
        raise SettingsError('--seed must not be below 0, --scenes not below 1, --sweeps not below 2')
    if options.folder.exists() and any(options.folder.iterdir()):
        raise SettingsError(f'{options.folder} is not empty; give a new folder')

    def tell(line: str) -> None:
        print(line, flush=True)

    told = write_holdout(options.folder, options.seed, options.scenes, options.sweeps, options.jobs, tell)
    print(f'{len(told["files"])} files, told with their hashes in {options.folder / MANIFEST}')
