"""`autonomy evaluate`: figures that a stranger can repeat, with the raw answers in a format of the field."""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from autonomy_nodes.commands.options import commit
from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.evidence import PAGE, RESULT, answers, evidence, files, of_each
from autonomy_nodes.evaluation.measures.page import flat, table, write_json, write_page
from autonomy_nodes.evaluation.measures.task import Task, Tell

HERE = 'autonomy_nodes.evaluation.measures'
MEASURES: dict[str, tuple[str, str]] = {  # what: (module, what is measured); a module offers evaluate(task) -> Result
    'ground': ('ground', 'points of the ground told from others, beside Patchwork++'),
    'elevation': ('elevation', 'height of the ground, cell by cell, beside Patchwork++'),
    'packets': ('packets', 'raw packets decoded, against the points that another decoder made of them'),
    'calibration': ('calibration', 'whether a wrong mount of the LiDAR is found and mended'),
    'odometry': ('odometry', 'the way by LiDAR alone, beside KISS-ICP'),
    'detection': ('detection', 'vehicles and people found in single sweeps, by a network too: average precision'),
    'adaptation': ('autonomy_nodes.training.adapt.trial', 'what a network gains by sweeps that nobody labelled'),
    'parity': ('autonomy_nodes.training.parity', 'whether engines say the same, in every precision'),
    'robustness': ('robustness', 'detection where sensors suffer: lost beams, a wrong mount, rain, what comes late'),
    'localization': ('localization', 'pose in odom and map on simulated drives, and whether it knows how exact it is'),
    'budget': ('autonomy_nodes.training.budget.trial', 'what a network should take on Orin; here beside what it takes'),
    'camera': ('camera', 'what cameras alone tell of heights, free cells and vehicles, against the LiDAR'),
    'fusion': ('fusion', 'what a network for LiDAR gains by hearing cameras: vehicles, cells, with half its beams'),
    'ladder': ('ladder', 'one drive on each rung: all sensors, LiDAR alone, camera alone, no network; what is lost'),
    'speed': ('speed', 'CPU time from raw points to tracks, beside Patchwork++ in the same process'),
    'viewing': ('viewing', 'what the live viewer costs the stack: a drive played live in pairs, with it and without'),
    'drives': ('drives', 'simulated drives with a network beside the same without: collisions, progress'),
    'terrain': ('terrain', 'what the cells of the ground are, and where one may drive, beside a threshold of height'),
    'lanes': ('lanes', 'lines of the road, poles and signs found in single sweeps, against the map'),
    'prior': ('prior', 'what a lane map is worth to a network: cells of the ground with a true map, a stale one, none'),
    'far': ('far', 'what a network tells of obstacles, free cells and heights from 40 to 150 m ahead'),
    'planning': ('planning', 'scenarios of CommonRoad in closed loop, judged by its own checker, beside other drivers'),
    'traffic': ('traffic', 'driving among traffic that reacts, beside a driver model: own faults, progress'),
    'courses': ('courses', 'a truck where there is little room, a vehicle off the road: closed loop, no sensors'),
    'explanations': ('explanations', 'whether the planner would choose otherwise without what it names as its reason'),
    'forecasting': ('forecasting', 'where road users go next, in recorded scenes, beside simple forecasts'),
    'tracking': ('tracking', 'road users followed, of given detections or of the stack: sAMOTA, MOTA, switches'),
}
WITH_MODEL = (  # which run a network where one is named
    'adaptation', 'budget', 'camera', 'detection', 'drives', 'elevation', 'far', 'forecasting', 'fusion', 'ground',
    'ladder', 'lanes', 'parity', 'prior', 'robustness', 'terrain', 'tracking', 'viewing',
)  # fmt: skip


def measure_of(what: str) -> Any:
    """Return the module that measures; those that learn first lie in training."""
    name = MEASURES[what][0]
    return import_module(name if '.' in name else f'{HERE}.{name}')


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('what', choices=sorted(MEASURES), help='; '.join(f'{k}: {v[1]}' for k, v in MEASURES.items()))
    parser.add_argument('--data', type=Path, required=True, metavar='DIR', help='a folder as docs/evaluation.md tells')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='for the raw answers and page.html')
    parser.add_argument('--json', type=Path, metavar='FILE', help='for the figures, flat')
    about = f'for {", ".join(WITH_MODEL)}: a folder of models/; none: the geometric channel'
    parser.add_argument('--model', default='none', help=about)
    about = 'engine that runs the model; ENGINE:int8 or ENGINE:fp16: that file of it'
    parser.add_argument('--backend', default='auto', help=about)
    parser.add_argument('--jobs', type=int, default=1, help='processes; they change no byte of the answers')
    parser.add_argument('--peers', action='store_true', help='run the peers that are installed on the same input')
    parser.add_argument('--results', type=Path, metavar='FILE', help='for what OUT/result.json tells: docs/results')
    about = 'of the frames or scenes, these: a name, or a file of names, one a line, also sought in DIR and beside it'
    parser.add_argument('--only', action='append', default=[], metavar='NAME|FILE', help=about)
    parser.add_argument('--limit', type=int, default=0, metavar='N', help='frames or scenes at most; 0: all')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE', help='an option of this measure')
    folds = 'of groups.json, for forecasting; as --set folds=A,B'
    parser.add_argument('--folds', dest='set', action='append', type='folds={}'.format, metavar='A,B', help=folds)


def named(only: list[str], data: Path) -> tuple[str, ...]:
    """Return the names that are asked for: those told, and those in files that are told, one a line."""
    found: list[str] = []
    for word in only:
        file = next((place for place in (Path(word), data / word, data.parent / word) if place.is_file()), None)
        found += [word] if file is None else file.read_text().split()
    return tuple(found)


def run(options: argparse.Namespace) -> None:
    """Measure, then write and print what was found, and what it rests on."""
    if options.model != 'none' and options.what not in WITH_MODEL:
        raise SettingsError(f'model={options.model!r}: {options.what} runs no network; {", ".join(WITH_MODEL)} do')
    with Progress(' items', quiet=True) as tell:
        measure(options, tell)


def measure(options: argparse.Namespace, tell: Tell) -> None:
    """Measure and tell; `tell` hears how far it is."""
    more = dict(word.partition('=')[::2] for word in options.set)
    task = Task(
        options.data, options.out, options.peers, options.limit, named(options.only, options.data), options.jobs,
        options.seed, options.model, options.backend, more, tell,
    )  # fmt: skip
    task.out.mkdir(parents=True, exist_ok=True)
    before = files(task.out)
    result = measure_of(options.what).evaluate(task)
    said = answers(task.out, before, [path for path in (options.json, options.results) if path])
    told = flat(options.what, task, result, commit()) | evidence(task, sys.argv[1:], said)
    if options.json:
        write_json(options.json, told)
    for path in (task.out / RESULT, *([options.results] if options.results else [])):
        write_json(path, told | {'answers': of_each(result, said, task.out), 'items': result.items})
    write_page(task.out / PAGE, options.what, task, result)
    print('\n'.join(table(result)))
