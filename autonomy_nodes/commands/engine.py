"""`autonomy engine`: build the TensorRT engine of a model, hold it against the CPU, show what is built."""

import argparse
from pathlib import Path

from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.inference.manifest import folder_of, read_manifest
from autonomy_nodes.inference.settings import FILES, EngineSettings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    default = EngineSettings()
    parser.add_argument('what', choices=('build', 'show'), help='show: what is built already')
    parser.add_argument('model', nargs='?', default='', help='a name in models/ or a folder; for build')
    parser.add_argument('--cache', default=default.cache, metavar='DIR', help='as engines.cache of a node')
    parser.add_argument('--workspace-mb', type=int, default=default.workspace_mb, metavar='N', help='to build in')
    parser.add_argument('--precision', choices=tuple(FILES), default=default.precision, help='as engines.precision')
    parser.add_argument('--level', type=int, default=default.level, metavar='N', help='how long to search, 0 to 5')
    parser.add_argument('--runs', type=int, default=200, metavar='N', help='answers that are timed')


def run(options: argparse.Namespace) -> int:
    """Build and report, or list; 1 where an engine does not agree with the CPU."""
    from autonomy_nodes.inference.nvidia import reporting, session

    settings = EngineSettings(options.cache, options.precision, options.workspace_mb, options.level)
    if options.what == 'show':
        print('\n'.join(reporting.lines(session.cache_of(settings))))
        return 0
    if not options.model:
        raise SettingsError('name the model to build, such as: autonomy engine build lidar_small')
    if options.runs < 1:
        raise SettingsError(f'--runs {options.runs} must be at least 1')
    folder: Path = folder_of(options.model)
    order = session.Order(folder, read_manifest(folder), settings)
    machine = session.found_machine()
    with Progress(' steps') as progress:
        path = session.built(machine, order, progress, lambda: print('another process builds it: waiting', flush=True))
    report = reporting.judged(machine, order, path, options.runs)
    print('\n'.join(report.lines()))
    return 0 if report.parity.holds else 1
