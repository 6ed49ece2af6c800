"""`autonomy train`: networks, from examples that are made on the spot."""

import argparse
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from autonomy_nodes.common.settings import SettingsError

SIZES = ('ci', 'small', 'orin')


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('what', choices=('perception',), help='the network that finds objects and tells the ground')
    about = 'ci: a minute, to see that it learns; small: runs on a CPU; orin: for an accelerator'
    parser.add_argument('--preset', choices=SIZES, default='small', help=about)
    parser.add_argument('--minutes', type=float, default=60.0, metavar='M', help='of training in all')
    parser.add_argument('--slice', type=float, default=0.0, metavar='M', help='of these now; go on with --resume')
    parser.add_argument('--steps', type=int, default=0, metavar='N', help='in place of --minutes: repeats to the digit')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='for checkpoint.pt and log.jsonl')
    parser.add_argument('--resume', action='store_true', help='go on from the checkpoint in DIR')
    parser.add_argument('--seed', type=int, default=0, help='of the first place; each place takes the next')
    parser.add_argument('--threads', type=int, default=1, help='of the CPU, a process')


def run(options: argparse.Namespace) -> None:
    """Train, and print the losses and what the network is worth at each checkpoint."""
    if find_spec('torch') is None:
        raise SettingsError('training needs torch: pip install autonomy_nodes[torch,sim]')
    if not options.minutes > 0.0 or options.slice < 0.0 or options.steps < 0 or options.seed < 0 or options.threads < 1:
        raise SettingsError('--minutes and --threads must be above 0; --slice, --steps and --seed not below')

    from autonomy_nodes.training.augmentation import AugmentationSettings, augmented
    from autonomy_nodes.training.places import examples
    from autonomy_nodes.training.train_perception import train

    path = train(
        options.preset, options.minutes, options.out, examples, partial(augmented, settings=AugmentationSettings()),
        options.seed, options.resume, options.slice, options.steps, options.threads,
        partial(print, file=sys.stdout, flush=True),
    )  # fmt: skip
    print(path)
