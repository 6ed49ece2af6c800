"""`autonomy report`: look at a run again."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.evaluation.report import summarise, write_report


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('folder', type=Path, help='what a replay or a drive left: log.jsonl, outputs.mcap, ...')
    parser.add_argument('--clip', type=Path, metavar='FILE', help='a moving picture instead: .gif or .webp')
    parser.add_argument('--from', dest='start', type=float, default=0.0, metavar='S', help='where the clip begins')
    parser.add_argument('--to', dest='end', type=float, default=20.0, metavar='S', help='where it ends')
    parser.add_argument('--rate', type=float, default=5.0, metavar='HZ', help='pictures of the clip a second')


def run(options: argparse.Namespace) -> None:
    """Write report.json and report.html into the folder, or a clip where one is asked for."""
    if options.clip is None:
        summarise(options.folder)
        print(write_report(options.folder))
        return
    from autonomy_nodes.evaluation.clip import write_clip

    with Progress(' pictures') as tell:
        write_clip(options.folder, options.clip, (options.start, options.end), options.rate, tell)
    print(options.clip)
