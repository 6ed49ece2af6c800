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
from autonomy_nodes.evaluation.report_series import alerts, choices, series
from autonomy_nodes.evaluation.report_spans import Spans, chained, measured
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
    told['choices'] = choices(bag.of(topics.DECISION), dict(bag.of(topics.MARKS)), start_ns) if bag else {}
    drawn, packs = scene(bag, run, log, spans_of(run, log, folder), start_ns) if bag else (None, [])
    (folder / REPORT).write_text(page(told, drawn, packs), encoding='utf-8')
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


def spans_of(run: Run, log: Sequence[Status], folder: Path) -> dict[int, Spans]:
    """Return when each stage worked on each sweep, in ms after its stamp."""
    timing = read_timing(folder)
    return measured(timing) if run.mode == 'live' else chained(log, timing)


def plots(bag: Bag | None, run: Run, log: Sequence[Status], folder: Path, start_ns: int) -> list[dict[str, Any]]:
    """Return the plots over time."""
    latency_ms = sweep_to_trajectory_ms(run, log, read_timing(folder))
    if bag is None:
        return series({}, [], [], [], latency_ms, start_ns)
    steering, commands, driven = (bag.of(topic) for topic in (topics.STEERING, topics.CONTROL, topics.TRAJECTORY))
    return series(bag.path.states, steering, commands, driven, latency_ms, start_ns)


def page(told: Mapping[str, Any], drawn: Mapping[str, Any] | None, packs: Sequence[Mapping[str, Any]]) -> str:
    """Return the whole page; `drawn` and `packs` are packed, which makes them four to ten times smaller."""
    return filled(
        'page.html',
        SCRIPTS,
        title=escape(told['run']['scenario'] or 'Drive report'),
        summary=compact(told).replace('<', '\\u003c'),  # a text of the log cannot end the script element
        scene='' if drawn is None else packed(drawn),
        packs='\n'.join(f'<script type="text/plain" class="pack">{packed(pack)}</script>' for pack in packs),
    )


def filled(name: str, scripts: Sequence[str], **parts: str) -> str:
    """Return a page with its style, its scripts and these parts in their places; what a part says is left as it is."""
    parts['style'] = (PAGE / 'page.css').read_text(encoding='utf-8')
    parts['script'] = '\n'.join((PAGE / script).read_text(encoding='utf-8') for script in scripts)
    first, *pieces = (PAGE / name).read_text(encoding='utf-8').split('{{')
    return first + ''.join(parts[name] + rest for name, _, rest in (piece.partition('}}') for piece in pieces))


def packed(value: Any) -> str:
    """Return JSON, compressed, in letters that a page can hold."""
    return base64.b64encode(zlib.compress(compact(value).encode(), 9)).decode('ascii')


def compact(value: Any) -> str:
    """Return JSON without spaces; raises ValueError on what JSON has no number for."""
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False, allow_nan=False)
