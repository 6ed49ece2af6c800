"""What a measure found as files: flat JSON, a table for the terminal, one HTML page with the worst frames."""

import base64
import html
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llvmlite.binding import get_host_cpu_name

from autonomy_nodes.evaluation.measures.task import Result, Task

WORST = 8
PEER = 'peer.'
LIMITS = ('low95', 'high95', 'low', 'high', 'max')  # of a figure, not figures of a part


def cpu_model() -> str:
    """Return the name of the processor, as far as the system tells it, and in brackets whose code it runs.

    Compiled loops and libraries round as the second one does.
    """
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = [f'model name: {platform.processor()}']
    name = next((line.partition(':')[2].strip() for line in lines if line.startswith('model name')), platform.machine())
    return f'{name} ({get_host_cpu_name()})'


def flat(what: str, task: Task, result: Result, commit: str) -> dict[str, Any]:
    """Return everything under flat names: the figures as 'WHAT.NAME', counts as they are."""
    told: dict[str, Any] = {
        name if name.startswith('n_') else f'{what}.{name}': value for name, value in sorted(result.figures.items())
    }
    told |= {'seed': task.seed, 'commit': commit, 'cpu': cpu_model(), 'threads': os.environ.get('OMP_NUM_THREADS', '')}
    told |= {'model': task.model, 'python': platform.python_version()}
    return told | {f'version.{name}': version for name, version in sorted(result.versions.items())}


def write_json(path: Path, told: dict[str, Any]) -> None:
    """Write figures so that equal ones are equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, sort_keys=True, allow_nan=True) + '\n')


def table(result: Result) -> list[str]:
    """Return lines of figures: ours, and the peers' of the same name beside them."""
    peers = sorted({name.split('.')[1] for name in result.figures if name.startswith(PEER)})
    rows = [('figure', 'ours', *peers)]
    names = [name for name in result.figures if not name.startswith(PEER)]
    names += [n for n in ('.'.join(name.split('.')[2:]) for name in result.figures if name.startswith(PEER)) if n]
    for name in dict.fromkeys(names):
        values = [result.figures.get(name), *(result.figures.get(f'{PEER}{peer}.{name}') for peer in peers)]
        rows.append((name, *('' if value is None else f'{value:.6g}' for value in values)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ['  '.join([row[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(row[1:], widths[1:]))]) for row in rows]
    return lines + [f'refused {name}: {why}' for name, why in sorted(result.refused.items())]


def slices(result: Result) -> list[list[str]]:
    """Return rows of figures by part (range, class, who else measured): head first, the whole as part 'all'."""
    parts: dict[str, dict[str, float]] = {}
    for name, value in result.figures.items():
        part, _, leaf = name.rpartition('.')
        if not name.startswith('n_') and 'frame.' not in part and leaf not in LIMITS:
            parts.setdefault(part, {})[leaf] = value
    shared = {leaf for leaf in {leaf for told in parts.values() for leaf in told}
              if sum(leaf in told for told in parts.values()) > 1}  # fmt: skip
    leaves = [leaf for leaf in dict.fromkeys(leaf for told in parts.values() for leaf in told) if leaf in shared]
    rows = [[part or 'all', *(f'{told[leaf]:.4g}' if leaf in told else '' for leaf in leaves)]
            for part, told in parts.items() if shared & set(told)]  # fmt: skip
    return [['part', *leaves], *rows] if rows else []


def rows_html(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of words as an HTML table, the head first."""
    lines = [''.join(f'<td>{html.escape(word)}</td>' for word in row) for row in rows]
    return '<div><table>' + ''.join(f'<tr>{line}</tr>' for line in lines) + '</table></div>'


def picture_html(name: str, png: bytes) -> str:
    """Return a picture that lies in the page itself."""
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def page_html(title: str, parts: Sequence[str], more: str = '') -> str:
    """Return one self-contained page. more: style besides that of all pages."""
    style = 'body{font:15px system-ui;margin:2em;max-width:70em}img{max-width:100%}pre{background:#f4f4f4;padding:1em}'
    style += 'div{overflow-x:auto}td{padding:.2em .6em;border-bottom:1px solid #ddd}tr:first-child{font-weight:600}'
    head = f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{style}{more}</style>'
    return head + '\n'.join(parts) + '\n'


def write_page(path: Path, what: str, task: Task, result: Result) -> None:
    """Write one self-contained HTML page: the worst frames, the figures by part, then all of them."""
    parts = [f'<h1>{html.escape(what)}</h1>']
    if worst := result.worst(WORST):
        parts.append(f'<h2>The worst frames by {html.escape(result.worst_by)}</h2>')
    for frame in worst:
        told = ', '.join(f'{name} {value:.4g}' for name, value in frame.figures.items())
        parts.append(f'<h3>{html.escape(frame.name)}</h3>')
        if frame.picture is not None:
            parts.append(picture_html(frame.name, frame.picture()))
        parts.append(f'<p>{html.escape(told)}</p>')
    if rows := slices(result):
        parts.append(f'<h2>By part</h2>{rows_html(rows)}')
    for name, picture in result.pictures.items():
        parts.append(f'<h3>{html.escape(name)}</h3>{picture_html(name, picture())}')
    parts.append(f'<h2>All figures</h2><pre>{html.escape(chr(10).join(table(result)))}</pre>')
    path.write_text(page_html(what, parts))
