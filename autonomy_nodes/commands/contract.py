"""`autonomy contract`: whether a vehicle interface keeps the clauses of docs/interface.md, one line a clause."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.options import overriding
from autonomy_nodes.evaluation.contract.live import Examination, examine, is_kept, table
from autonomy_nodes.nodes.launcher import given, resolved


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = 'examine the interface that runs (it will drive: empty yard, driver inside); else the reference node'
    parser.add_argument('--running', action='store_true', help=about)
    parser.add_argument('--out', type=Path, default=Path('out/contract'), help='a folder for contract.json and logs')
    about = 'a setting of the reference node, such as drive_by_wire.by_wire.delay_s=0.2'
    parser.add_argument('--set', action='append', default=[], metavar='NODE.SETTING=VALUE', help=about)
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help='such as vehicle:=truck, as for `autonomy up`')


def run(options: argparse.Namespace) -> int:
    """Examine, print the table; 1 where a clause is not kept or could not be judged."""
    arguments = resolved(given(options.launch))
    examination = Examination(options.out, arguments, overriding(options), options.running)
    results = examine(examination, lambda text: print(f'... {text}', flush=True))
    print(table(results))
    return 0 if is_kept(results) else 1
