"""What several verbs share: options of a run, and what is printed at its end."""

import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.live import LiveError
from autonomy_nodes.evaluation.report import write_report
from autonomy_nodes.evaluation.report_numbers import summarise, words
from autonomy_nodes.nodes.launcher import given, overrides, resolved
from autonomy_nodes.nodes.processes import TABLE

ROOT = Path(__file__).parents[2]


def add_setup(parser: argparse.ArgumentParser, out: str) -> None:
    """Declare where a run is left and with which settings it is made."""
    parser.add_argument('--out', type=Path, default=Path(out), help='a new folder for what the run leaves')
    parser.add_argument('--force', action='store_true', help='overwrite what an earlier run left in that folder')
    parser.add_argument('--without', action='append', default=[], choices=list(TABLE), help='leave a node out')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NODE.SETTING=VALUE', help='a setting, as in config/stack.yaml'
    )
    about = 'a launch argument; `autonomy up --help` lists them'
    parser.add_argument('launch', nargs='*', metavar='NAME:=VALUE', help=about)


def launch_arguments(options: argparse.Namespace, **defaults: str) -> dict[str, str]:
    """Return every launch argument, after making the folder of the run ready."""
    arguments = resolved({**defaults, **given(options.launch)})
    ready(options.out, options.force)
    return arguments


def ready(out: Path, force: bool) -> None:
    """Make sure that `out` is a new folder, or one that an earlier run left and may go."""
    left = (
        'outputs.mcap', 'outputs.mcap.part', 'outputs.sha256', 'log.jsonl', 'timing.jsonl', 'run.json', 'report.json',
        'report.html', 'settings.yaml', 'map.osm', 'logs',
    )  # fmt: skip
    there = [out / name for name in left if (out / name).exists()]
    there += sorted(out.glob('outputs-*.mcap*'))  # of a recorder that was started again
    if there and not force:
        raise SettingsError(f'{out} holds an earlier run; give another --out, or --force to overwrite it')
    for path in there:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    out.mkdir(parents=True, exist_ok=True)


def overriding(options: argparse.Namespace) -> dict[str, Any]:
    """Return {'node.setting': value} of --set and of the launch arguments that stand for settings."""
    more: dict[str, Any] = {
        key: yaml.safe_load(value) for key, value in overrides(resolved(given(options.launch))).items()
    }
    for word in options.set:
        key, separator, value = word.partition('=')
        if not separator or '.' not in key:
            raise SettingsError(f'--set {word!r} is not NODE.SETTING=VALUE')
        parsed = yaml.safe_load(value)
        more[key] = tuple(parsed) if isinstance(parsed, list) else parsed
    return more


def command_line() -> str:
    """Return what was typed."""
    return shlex.join(['autonomy', *sys.argv[1:]])


def commit() -> str:
    """Return the commit of the source tree, with a + where files differ from it; empty where there is none."""
    try:
        told = subprocess.run(
            ['git', 'describe', '--always', '--dirty=+', '--abbrev=12'], cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
    except OSError:
        return ''
    return told.stdout.strip() if told.returncode == 0 else ''


def finished(out: Path, work: Callable[[], object]) -> int:
    """Do the work of a run, then make its report; return the exit code.

    Of a run that did not come to its end the report is made too, of what there is: it tells why.
    """
    try:
        work()
    except LiveError as error:
        print(f'autonomy: {error}', file=sys.stderr)
        try:
            show(out)
        except (DataError, OSError) as missing:
            print(f'autonomy: no report: {missing}', file=sys.stderr)
        return 1
    return show(out)


def show(out: Path) -> int:
    """Make the report of a run, print its figures and where it lies."""
    figures = summarise(out)
    page = write_report(out)
    print('\n'.join(words(figures)))
    print(f'\nreport: {page}')
    return 0
