"""`autonomy data`: drives of the simulator as a folder, with all that is true of them, to measure and to train on."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.options import commit
from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.messages.formats.simulated import MANIFEST
from autonomy_nodes.sim import scenes as sim
from autonomy_nodes.training.holdout import write_holdout
from autonomy_nodes.training.places import PlaceSettings
from autonomy_nodes.training.scenes import FAMILIES, FIRST_SEED, WEATHERS, Choice
from autonomy_nodes.training.shards import Order, write_shards


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = 'holdout: worlds on which nothing is trained or tuned; points, labels, boxes, poses, the true ground. '
    about += 'examples: sweeps of small places to train perception on, in tar files'
    parser.add_argument('what', choices=('holdout', 'examples'), help=about)
    folder = 'a new folder, or one that was begun: it goes on; docs/evaluation.md tells the layout of holdout'
    parser.add_argument('folder', type=Path, metavar='DIR', help=folder)
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same bytes')
    parser.add_argument('--scenes', type=int, default=9, metavar='N', help='of holdout')
    parser.add_argument('--sweeps', type=int, default=20, metavar='N', help='of each scene of holdout, ten a second')
    parser.add_argument('--families', default='', metavar='A,B', help=f'of holdout, of {", ".join(sim.FAMILIES)}')
    told = 'of holdout: one for all, mixed: clear, rain and fog in turn; how dense is drawn of the seed'
    parser.add_argument('--weather', default='', choices=WEATHERS[1:], help=told)
    parser.add_argument('--count', type=int, default=1000, metavar='N', help='of examples')
    parser.add_argument('--jobs', type=int, default=1, help='processes; they change no byte')


def run(options: argparse.Namespace) -> None:
    """Write the folder and tell what is in it."""
    {'holdout': _holdout, 'examples': _examples}[options.what](options)


def _holdout(options: argparse.Namespace) -> None:
    if options.seed < 0 or options.scenes < 1 or options.sweeps < 2:
        raise SettingsError('--seed must not be below 0, --scenes not below 1, --sweeps not below 2')
    families = tuple(options.families.split(',')) if options.families else FAMILIES
    try:
        choice = Choice(options.seed, options.scenes, options.sweeps, families, options.weather)
    except ValueError as error:
        raise SettingsError(f'--{error}') from error
    with Progress(' scenes') as progress:
        told = write_holdout(options.folder, choice, options.jobs, progress)
    print(f'{len(told["files"])} files, told with their hashes in {options.folder / MANIFEST}')


def _examples(options: argparse.Namespace) -> None:
    order = Order(options.seed, options.count, PlaceSettings())
    last = options.seed + options.count // order.settings.views + 1
    if options.seed < 0 or options.count < 1 or last >= FIRST_SEED:
        raise SettingsError(f'--seed must not be below 0, --count not below 1, and places end before {FIRST_SEED}')
    with Progress(' files') as progress:
        told = write_shards(options.folder, order, commit(), options.jobs, progress)
    files = f'{options.count} examples in {len(told["files"])} files'
    print(f'{files}, told with their hashes in {options.folder / MANIFEST}')
