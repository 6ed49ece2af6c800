"""compare.html: two runs side by side on one page that needs nothing else, whether or not they saw the same sweeps."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.compare import Comparison
from autonomy_nodes.evaluation.report import compact, filled, plots
from autonomy_nodes.evaluation.report_bag import Bag
from autonomy_nodes.evaluation.report_layers import way_row
from autonomy_nodes.evaluation.report_numbers import mode_changes, summarise
from autonomy_nodes.evaluation.runlog import read_log, read_run

SCRIPTS = ('base.js', 'plots.js', 'compare.js')
MOST_POINTS, MOST_ROWS = 400, 300  # of a way; of the table of differences


def write_comparison(one: Path, other: Path, found: Comparison, page: Path) -> Path:
    """Write the page and return its path. found: of `compare`; times of each run count from its own first stamp."""
    bags = [Bag(folder) for folder in (one, other)]
    origin = bags[0].origin
    runs = [_run(folder, bag, origin) for folder, bag in zip((one, other), bags)]
    start_ns = int(runs[0]['start_ns'])
    told = {
        'runs': runs,
        'end_ms': max(run['end_ms'] for run in runs),
        'series': _joined([run.pop('series') for run in runs]),
        'stamps': found.stamps,
        'equal': found.equal,
        'differences': [
            [round((each.stamp_ns - start_ns) / 1e6), each.what, each.cause] for each in found.differences[:MOST_ROWS]
        ],
        'apart_ms': [round((each.stamp_ns - start_ns) / 1e6) for each in found.differences],
    }
    names = ' and '.join(run['name'] for run in runs)
    page.parent.mkdir(parents=True, exist_ok=True)
    summary = compact(told).replace('<', '\\u003c')
    page.write_text(filled('compare.html', SCRIPTS, title=escape(names), summary=summary), encoding='utf-8')
    return page


def _run(folder: Path, bag: Bag, origin: np.ndarray) -> dict[str, Any]:
    """Return what the page tells of one run; its way in whole centimetres around `origin` in odom."""
    run, log = read_run(folder), read_log(folder)
    stamps = [status.stamp_ns for status in log] + bag.stamps[:1]
    start_ns = min(stamps, default=0)
    way = np.array([state.position_m[:2] for state in bag.path.states.values()]).reshape(-1, 2)
    return {
        'name': folder.name or str(folder), 'scenario': run.scenario, 'mode': run.mode, 'command': run.command,
        'commit': run.commit, 'start_ns': str(start_ns), 'figures': summarise(folder),
        'end_ms': round((max(stamps, default=0) - start_ns) / 1e6),
        'modes': [[round((at - start_ns) / 1e6), mode] for at, mode in mode_changes(log)],
        'way': way_row(way, origin, MOST_POINTS) if len(way) else [],
        'series': plots(bag, run, log, folder, start_ns),
    }  # fmt: skip


def _joined(series: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the plots that both runs have, each with the first line of each: what was measured."""
    by_name = [{plot['name']: plot for plot in plots_of} for plots_of in series]
    return [
        {**plot, 'lines': [{**found[name]['lines'][0], 'name': 'AB'[at]} for at, found in enumerate(by_name)]}
        for name, plot in by_name[0].items()
        if name in by_name[1]
    ]
