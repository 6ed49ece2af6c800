"""`autonomy topics`: docs/topics.md from the table of topics."""

import argparse
from pathlib import Path

from autonomy_nodes.evaluation.tables import topics_page, write_page


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--out', type=Path, help='write it to this file (docs/topics.md) instead of printing it')


def run(options: argparse.Namespace) -> None:
    """Print or write the page."""
    write_page(topics_page(), options.out)
