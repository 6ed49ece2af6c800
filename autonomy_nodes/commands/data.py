"""`autonomy data holdout`: drives of the simulator as a folder, with all that is true of them."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.options import commit
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.messages.formats.simulated import MANIFEST
from autonomy_nodes.training.holdout import write_holdout


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    about = 'scenes of worlds that nothing is trained or tuned on: points, labels, boxes, true ground, poses'
    holdout = kinds.add_parser('holdout', help=about, description=about[0].upper() + about[1:] + '.')
    holdout.add_argument('folder', type=Path, metavar='DIR', help='a new folder')
    holdout.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    holdout.add_argument('--scenes', type=int, default=9, metavar='N')
    holdout.add_argument('--sweeps', type=int, default=20, metavar='N', help='of each scene, ten a second')
    holdout.add_argument('--jobs', type=int, default=1, help='processes; they change no byte')


def run(options: argparse.Namespace) -> None:
    """Write the folder and tell what is in it."""
    if options.seed < 0 or options.scenes < 1 or options.sweeps < 2:
        raise SettingsError('--seed must not be below 0, --scenes not below 1, --sweeps not below 2')
    if options.folder.exists() and any(options.folder.iterdir()):
        raise SettingsError(f'{options.folder} is not empty; give a new folder')

    def tell(line: str) -> None:
        print(line, flush=True)

    told = write_holdout(options.folder, options.seed, options.scenes, options.sweeps, options.jobs, tell, commit())
    print(f'{len(told["files"])} files, told with their hashes in {options.folder / MANIFEST}')
