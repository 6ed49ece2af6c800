"""`autonomy parameters`: docs/parameters.md from the settings of every node."""

import argparse
from pathlib import Path

from autonomy_nodes.evaluation.tables import parameters_page, write_page


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--out', type=Path, help='write it to this file (docs/parameters.md) instead of printing it')


def run(options: argparse.Namespace) -> None:
    """Print or write the page."""
    write_page(parameters_page(), options.out)
