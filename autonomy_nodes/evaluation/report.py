"""The report of a run: report.html, one file that shows everything and needs nothing else."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from autonomy_nodes.common.status import Status
from autonomy_nodes.evaluation.report_bag import Bag
from autonomy_nodes.evaluation.report_numbers import (
    faults,
    mode_changes,
    summarise,
    sweep_to_trajectory_ms,
)
from autonomy_nodes.evaluation.report_scene import scene
from autonomy_nodes.evaluation.report_series import alerts, series
from autonomy_nodes.evaluation.runlog import OUTPUTS, Run, read_log, read_run, read_timing
from autonomy_nodes.messages import topics

PAGE = Path(__file__).parent / 'page'
SCRIPTS = ('base.js', 'tiles.js', 'plots.js', 'scene.js', 'controls.js', 'camera.js', 'why.js', 'main.js')
REPORT = 'report.html'


def write_report(folder: Path) -> Path:
    """Write report.html of the run in `folder` and return its path; raises DataError where its log cannot be read."""
    run, log, figures = read_run(folder), read_log(folder), summarise(folder)
    bag = Bag(folder) if (folder / OUTPUTS).exists() else None
    start_ns = min([s.stamp_ns for s in log] + (bag.stamps[:1] if bag else []), default=0)
    told = summary(run, log, figures, start_ns)
    told['series'] = plots(bag, run, log, folder, start_ns)
    told['every'], told['unreadable'] = (bag.every, bag.unreadable) if bag else (1, 0)
    drawn = scene(bag, run, log, start_ns) if bag else None
    (folder / REPORT).write_text(page(told, drawn), encoding='utf-8')
    return folder / REPORT


def summary(run: Run, log: Sequence[Status], figures: Mapping[str, Any], start_ns: int) -> dict[str, Any]:
    """Return what the page shows before the scene is unpacked; times in ms after `start_ns`."""

    def ms(stamp_ns: int) -> int:
        return round((stamp_ns - start_ns) / 1e6)

    told = {name: getattr(run, name) for name in ('scenario', 'vehicle', 'command', 'commit', 'mode')}
    return {
        'run': told,
        'figures': figures,
        'start_ns': str(start_ns),
        'end_ms': ms(max((s.stamp_ns for s in log), default=start_ns)),
        'modes': [[ms(at), mode] for at, mode in mode_changes(log)],
        'alerts': alerts(log, start_ns),
        'faults': [[ms(at), name] for at, name in faults(log)],
    }


def plots(bag: Bag | None, run: Run, log: Sequence[Status], folder: Path, start_ns: int) -> list[dict[str, Any]]:
    """Return the plots over time."""
    latency_ms = sweep_to_trajectory_ms(run, log, read_timing(folder))
    if bag is None:
        return series({}, [], [], [], latency_ms, start_ns)
    steering, commands, driven = (bag.of(topic) for topic in (topics.STEERING, topics.CONTROL, topics.TRAJECTORY))
    return series(bag.path.states, steering, commands, driven, latency_ms, start_ns)


def page(told: Mapping[str, Any], drawn: Mapping[str, Any] | None) -> str:
    """Return the whole page; `drawn` is packed, which makes it four to ten times smaller."""
    scripts = '\n'.join((PAGE / name).read_text(encoding='utf-8') for name in SCRIPTS)
    parts = {
        'title': escape(told['run']['scenario'] or 'Drive report'),
        'style': (PAGE / 'page.css').read_text(encoding='utf-8'),
        'script': scripts,
        'summary': _compact(told).replace('<', '\\u003c'),  # a text of the log cannot end the script element
        'scene': '' if drawn is None else base64.b64encode(zlib.compress(_compact(drawn).encode(), 9)).decode('ascii'),
    }
    text = (PAGE / 'page.html').read_text(encoding='utf-8')
    pieces = text.split('{{')
    return pieces[0] + ''.join(
        parts[name] + rest for name, _, rest in (piece.partition('}}') for piece in pieces[1:])
    )


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False, allow_nan=False)
