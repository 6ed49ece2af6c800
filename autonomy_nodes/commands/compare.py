"""`autonomy compare`: two runs over the same recording side by side, such as one live and one in lockstep."""

import argparse
from pathlib import Path

from autonomy_nodes.evaluation.compare import compare


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('one', type=Path, help='what a run left: outputs.mcap and log.jsonl')
    parser.add_argument('other', type=Path, help='what another run over the same recording left')
    parser.add_argument('--share', type=float, default=0.95, help='equal stamps below which the exit code is 1')


def run(options: argparse.Namespace) -> int:
    """Print on how many stamps ids, modes, objects and trajectories are the same, and the others with their cause."""
    found = compare(options.one, options.other)
    for one in found.differences:
        print(f'{one.stamp_ns}: {one.what} ({one.cause})')
    print(f'{found.equal} of {found.stamps} stamps equal')
    return 0 if found.share >= options.share else 1
