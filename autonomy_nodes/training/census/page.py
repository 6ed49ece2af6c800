"""The report as one self-contained HTML page: verdict, corner cases with pictures, drift with charts, tables."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from autonomy_nodes.evaluation.measures.page import page_html, picture_html, rows_html
from autonomy_nodes.training.census.cards import Card
from autonomy_nodes.training.census.cases import Case
from autonomy_nodes.training.census.channels import ABOUT, BANDS, CHANNELS, edges_of
from autonomy_nodes.training.census.pictures import COLOURS, DOUBTS, bars, drawn

STYLE = (
    'body{max-width:78em;color:#222}h1{margin-bottom:.1em}h2{margin-top:2em;border-bottom:2px solid #ddd;'
    'padding-bottom:.2em}p{line-height:1.5}.grid{display:grid;grid-template-columns:repeat(3,1fr);gap:1.2em}'
    '.grid p,.grid ul{font-size:13px;margin:.3em 0;padding-left:0;list-style:none;overflow-wrap:anywhere}'
    '.grid img{display:block;border-radius:4px}.verdict{background:#f4f4f4;padding:.8em 1em;border-left:5px solid #888}'
    '.clear{border-color:#c33}.moderate{border-color:#d90}.none{border-color:#393}td{white-space:nowrap}'
    'td:not(:first-child){text-align:right}.key span{display:inline-block;margin-right:1.2em}'
    '.key i{display:inline-block;width:1.1em;height:.7em;margin-right:.4em;border:2px solid;background:#333}'
    '.words td{text-align:left;white-space:normal}'
)
_CHARTS, _SHIFTS, _LISTED = 9, 24, 40
_KEY = {
    'found': 'found', 'labelled': 'labelled', 'appeared': 'appeared since the sweep before', 'vanished': 'vanished',
    'alone': 'the network alone', 'unexplained': 'a cluster alone',
}  # fmt: skip


def written(
    told: dict[str, Any], cards: Sequence[Card], others: Sequence[Card], cases: Sequence[Case], top: int
) -> str:
    """Return the page. told: what report.json says. top: corner cases with a picture."""
    parts = [f'<h1>Data report</h1><p>{html.escape(", ".join(told["data"]))}: {_short(told["statistics"])}</p>']
    if 'verdict' in told:
        against = html.escape(', '.join(told['against']))
        parts.append(f'<p class="verdict {_worst(told["drift"])}">Against {against} '
                     f'({_short(told["against_statistics"])}): {html.escape(told["verdict"])}</p>')  # fmt: skip
    parts += _cases(cases, top)
    if others:
        parts += _drift(told['drift'], cards, others)
    parts += _tables(told)
    return page_html('Data report', parts, STYLE)


def _worst(shifts: Sequence[dict[str, Any]]) -> str:
    levels = {shift['level'] for shift in shifts}
    return next((level for level in ('clear', 'moderate') if level in levels), 'none')


def _short(told: dict[str, Any]) -> str:
    beams = ', '.join(f'{count} {name}' for name, count in told['beams'].items())
    return f'{told["sweeps"]} sweeps of {told["drives"]} drives or places; beams: {beams}'


def _cases(cases: Sequence[Case], top: int) -> list[str]:
    about = 'Sweeps that are far from all others, in which objects come and go from one sweep to the next, or in which '
    about += 'the channels of perception contradict each other. Ahead is up, the rings are 20 m apart.'
    keys = _keys([case.card for case in cases[:top]])
    parts = ['<h2>What is worth a look</h2>', f'<p>{about}</p>', f'<p class="key">{keys}</p><div class="grid">']
    for place, case in enumerate(cases[:top], 1):
        words = ''.join(f'<li>{html.escape(word)}</li>' for word in case.reasons)
        parts.append(f'<div>{picture_html(case.card.name, drawn(case.card))}'
                     f'<p><b>{place}. {html.escape(case.card.name)}</b></p><ul>{words}</ul></div>')  # fmt: skip
    parts.append('</div>')
    if more := cases[top:_LISTED]:
        rows = [[str(place), case.card.name, '; '.join(case.reasons)] for place, case in enumerate(more, top + 1)]
        parts.append(f'<h3>The next ones</h3><div class="words">{rows_html([["", "sweep", "why"], *rows])}</div>')
    return parts


def _keys(cards: Sequence[Card]) -> str:
    shown = {name for card in cards for name in DOUBTS if len(getattr(card.doubts, name))} | {'found'}
    shown |= {'labelled'} if any(card.labels is not None for card in cards) else set()
    return ''.join(f'<span><i style="border-color:rgb{COLOURS[name]}"></i>{word}</span>'
                   for name, word in _KEY.items() if name in shown)  # fmt: skip


def _drift(shifts: Sequence[dict[str, Any]], cards: Sequence[Card], others: Sequence[Card]) -> list[str]:
    head = ['channel', 'range', 'drift', 'PSI', 'by chance', 'KS', 'here', 'there 5 %', '50 %', '95 %', 'sweeps beyond']
    rows = [
        [_named(each['channel']), each['band'], each['level'], f'{each["psi"]:.2f}',
         f'{each["chance"]:.2f}', f'{each["ks"]:.2f}',
         *(f'{each[name]:.3g}' for name in ('here', 'low', 'there', 'high')), _share(each["beyond"])]
        for each in shifts[:_SHIFTS]
    ]  # fmt: skip
    about = 'PSI and KS compare the values of cells; here and there are means of sweeps. One drive differs from a '
    about += 'mixture of many in any case: the last column tells how many of its sweeps lie beyond 95 % of the others.'
    parts = ["<h2>Drift of the network's input</h2>", f'<p>{about}</p>', rows_html([head, *rows]), '<h3>Charts</h3>']
    parts.append('<div class="grid">')
    for each in shifts[:_CHARTS]:
        row, band = CHANNELS.index(each['channel']), BANDS.index(each['band'])
        shares = {name: _shares(side, row, band) for name, side in (('here', cards), ('there', others))}
        name = f'{_named(each["channel"])}, {each["band"]}'
        chart = bars(shares, edges_of(each['channel']))
        parts.append(f'<div>{picture_html(name, chart)}<p>{html.escape(name)}</p></div>')
    return [*parts, '</div>']


def _share(value: float) -> str:
    return f'{100 * value:.0f} %' if np.isfinite(value) else ''


def _named(channel: str) -> str:
    return f'{channel}: {ABOUT[channel]}'


def _shares(cards: Sequence[Card], row: int, band: int) -> np.ndarray:
    total = np.sum([card.values.counts[row, band] for card in cards], axis=0, dtype=float)
    return np.asarray(total / max(float(total.sum()), 1.0))


def _tables(told: dict[str, Any]) -> list[str]:
    mine, theirs = told['statistics'], told.get('against_statistics')
    sides = [mine] if theirs is None else [mine, theirs]
    rows = [['', *(f'{name} {part}' for name in ('here', 'there')[: len(sides)] for part in ('5 %', '50 %', '95 %'))]]
    for name in ('points', 'sensor_height_m', 'clusters_within_35_m'):
        rows.append([name.replace('_', ' '), *(word for side in sides for word in _words(side[name]))])
    for band in BANDS:
        words = [word for side in sides for word in _words(side['cells_with_points'][band])]
        rows.append([f'share of cells with points, {band}', *words])
    parts = ['<h2>What is in it</h2>', rows_html(rows)]
    for side, name in zip(sides, ('here', 'there')):
        if 'objects' in side:
            parts.append(f'<h3>Labelled objects {name}</h3>{rows_html(_objects(side["objects"]))}')
    covers = [side.get('terrain') for side in sides]
    if any(covers):
        kinds = list(next(filter(None, covers)))
        shares = [[kind, *(f'{100 * cover[kind]:.1f} %' if cover else '' for cover in covers)] for kind in kinds]
        parts.append(f'<h3>Kinds of ground</h3>{rows_html([["", "here", "there"][: 1 + len(sides)], *shares])}')
    twins = told['duplicates']
    told_twins = f'{len(twins["equal"])} groups of sweeps are equal point for point; '
    told_twins += f'{len(twins["nearly"])} sweeps show nearly what an earlier one shows.'
    refused = ''.join(f'<li>{html.escape(word)}</li>' for word in told['refused'])
    parts += ['<h3>Duplicates</h3>', f'<p>{told_twins}</p>']
    parts += ['<h3>Not read</h3>', f'<ul>{refused}</ul>'] if refused else []
    known = {name: told[name] for name in ('command', 'commit') if told.get(name)}
    return [*parts, f'<p>{html.escape("; ".join(f"{name}: {word}" for name, word in known.items()))}</p>']


def _words(spread: list[float] | None) -> list[str]:
    return ['', '', ''] if spread is None else [f'{value:.3g}' if value < 1000 else f'{value:.0f}' for value in spread]


def _objects(told: dict[str, dict[str, dict[str, int]]]) -> list[list[str]]:
    first = next(iter(told.values()))
    head = ['class', *first['by_range'], *(f'{name} points' for name in first['by_points'])]
    return [head, *([kind, *(f'{count}' for part in table.values() for count in part.values())]
                    for kind, table in told.items())]  # fmt: skip
