"""`autonomy compare`: two runs over the same recording side by side, such as one live and one in lockstep."""

import argparse
from pathlib import Path

from autonomy_nodes.evaluation.compare import compare
from autonomy_nodes.evaluation.compare_page import write_comparison


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('one', type=Path, help='what a run left: outputs.mcap and log.jsonl')
    parser.add_argument('other', type=Path, help='what another run over the same recording left')
    parser.add_argument('--out', type=Path, default=Path('out/compare.html'), metavar='FILE', help='for the page')
    parser.add_argument('--share', type=float, default=0.95, help='equal stamps below which the exit code is 1')


def run(options: argparse.Namespace) -> int:
    """Print on how many stamps both say the same, and the others with their cause; write a page that shows both."""
    found = compare(options.one, options.other)
    for one in found.differences:
        print(f'{one.stamp_ns}: {one.what} ({one.cause})')
    print(f'{found.equal} of {found.stamps} stamps equal')
    print(f'page: {write_comparison(options.one, options.other, found, options.out)}')
    return 0 if found.share >= options.share else 1
