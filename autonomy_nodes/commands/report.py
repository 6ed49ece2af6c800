"""`autonomy report`: look at a run again."""

import argparse
from pathlib import Path

from autonomy_nodes.evaluation.report import summarise, write_report


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('folder', type=Path, help='what a replay or a drive left: log.jsonl, outputs.mcap, ...')


def run(options: argparse.Namespace) -> None:
    """Write report.json and report.html into the folder."""
    summarise(options.folder)
    print(write_report(options.folder))
