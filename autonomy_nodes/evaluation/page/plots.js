// Plots over time that share one axis: mode, warnings, and lines of figures.
'use strict';

const plots = { left: 74, right: 12, nows: [] };
const LINES = ['accent', 'mode0', 'mode1', 'mode2'];
const LEVELS = { WARN: 'warn', ERROR: 'bad', STALE: 'MRM' };

// Round steps for an axis of about `wanted` marks.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1, base = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * base).find((each) => each >= rough);
  const marks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) marks.push(Math.abs(at) < step / 1e6 ? 0 : at);
  return marks;
}

function frame(width, height, label) {
  const right = width - plots.right, span = Math.max(summary.end_ms, 1);
  const x = (ms) => plots.left + (ms / span) * (right - plots.left);
  const root = svg('svg', { class: 'plot', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label });
  root.addEventListener('click', (event) => {
    const box = root.getBoundingClientRect();
    selectTime(((event.clientX - box.left) - plots.left) / (right - plots.left) * span);
  });
  const now = svg('line', { class: 'now', x1: 0, x2: 0, y1: 0, y2: height, visibility: 'hidden' });
  plots.nows.push((ms) => { now.setAttribute('x1', x(ms)); now.setAttribute('x2', x(ms)); now.setAttribute('visibility', 'visible'); });
  return { root, x, right, now };
}

function timeAxis(width) {
  const { root, x, right } = frame(width, 22, 'time');
  for (const at of ticks(0, summary.end_ms / 1000, width < 500 ? 4 : 10)) root.append(svg('text', { x: x(at * 1000), y: 14, 'text-anchor': 'middle' }, String(Number(at.toPrecision(6)))));
  root.append(svg('text', { x: 0, y: 14 }, 'time [s]'));
  return root;
}

function modeSpells(modes, end, x) {
  return modes.flatMap(([from, mode], at) => {
    const to = at + 1 < modes.length ? modes[at + 1][0] : end, wide = x(to) - x(from);
    const bar = svg('rect', { x: x(from), y: 4, width: Math.max(wide, 1), height: 18, fill: `var(--${mode})` }, svg('title', {}, `${mode} from ${seconds(from)} to ${seconds(to)}`));
    return wide > 74 ? [bar, svg('text', { x: x(from) + wide / 2, y: 17, 'text-anchor': 'middle', style: 'fill:#fff;font-weight:600' }, mode)] : [bar];
  });
}

function modeRow(width) {
  const { root, x, now } = frame(width, 26, 'mode over time');
  root.append(svg('text', { x: 0, y: 17 }, 'mode'), ...modeSpells(summary.modes, summary.end_ms, x), now);
  return root;
}

function alertRow(width, stage) {
  const { root, x, now } = frame(width, 16, `warnings of ${stage}`);
  root.append(svg('text', { x: 0, y: 12 }, stage.replace('_', ' ')), svg('line', { class: 'grid', x1: plots.left, x2: width - plots.right, y1: 8, y2: 8 }));
  for (const [who, from, to, level, text] of summary.alerts) {
    if (who === stage) root.append(svg('rect', { x: x(from), y: 3, width: Math.max(x(to) - x(from), 2), height: 10, rx: 2, fill: `var(--${LEVELS[level]})` }, svg('title', {}, `${level} ${seconds(from)}: ${text}`)));
  }
  root.append(now);
  return root;
}

// What the planner chose, or what decided: a colour a name, the names in the order of how long they lasted.
function choiceRow(width, name, spells) {
  const { root, x, now } = frame(width, 22, `${name} over time`), lasted = new Map();
  for (const [from, to, what] of spells) lasted.set(what, (lasted.get(what) || 0) + Math.max(to - from, 1));
  const names = [...lasted.keys()].sort((a, b) => lasted.get(b) - lasted.get(a)), paint = (what) => `var(--mode${names.indexOf(what) % 6})`;
  root.append(svg('text', { x: 0, y: 15 }, name));
  for (const [from, to, what, told] of spells) root.append(svg('rect', { x: x(from), y: 4, width: Math.max(x(to) - x(from), 0.8), height: 14, fill: paint(what) }, svg('title', {}, `${seconds(from)} ${what}: ${told}`)));
  root.append(now);
  return [root, make('div', { class: 'keys under' }, names.slice(0, 6).map((what) => make('span', { class: 'key' }, make('i', { class: 'dot', style: `background:${paint(what)}` }), what.replaceAll('_', ' '))))];
}

function faultRow(width) {
  const { root, x, now } = frame(width, 22, 'faults over time');
  root.append(svg('text', { x: 0, y: 15 }, 'faults'), svg('line', { class: 'grid', x1: plots.left, x2: width - plots.right, y1: 11, y2: 11 }));
  let free = -1e9; // where the last name ends
  for (const [at, id] of summary.faults) {
    root.append(svg('path', { d: `M${x(at)} 17l-5 -10h10z`, fill: 'var(--bad)' }, svg('title', {}, `fault ${id} at ${seconds(at)}`)));
    if (x(at) + 8 > free) { root.append(svg('text', { x: x(at) + 8, y: 15 }, id)); free = x(at) + 38; }
  }
  root.append(now);
  return root;
}

// points: t [ms], value, t, value, ...; a gap of a second and more is left open.
function trace(points, x, y) {
  let path = '', last = -1e9;
  for (let at = 0; at < points.length; at += 2) {
    path += `${points[at] - last > 1000 ? 'M' : 'L'}${x(points[at]).toFixed(1)} ${y(points[at + 1]).toFixed(1)}`;
    last = points[at];
  }
  return path;
}

function linePlot(width, series) {
  const height = 104, top = 8, bottom = height - 8;
  const { root, x, now } = frame(width, height, `${series.name} over time`);
  const values = series.lines.flatMap((line) => line.points.filter((_, at) => at % 2));
  let low = Math.min(0, ...values), high = Math.max(0, ...values);
  if (high - low < series.least) [low, high] = low < 0 ? [Math.min(low, -series.least / 2), Math.max(high, series.least / 2)] : [low, low + series.least];
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  for (const at of ticks(low, high, 4)) {
    root.append(svg('line', { class: 'grid', x1: plots.left, x2: width - plots.right, y1: y(at), y2: y(at) }),
      svg('text', { x: plots.left - 6, y: y(at) + 4, 'text-anchor': 'end' }, String(Number(at.toPrecision(4))).replace('-', '\u2212')));
  }
  root.append(now);
  series.lines.forEach((line, at) => root.append(svg('path', { d: trace(line.points, x, y), fill: 'none', stroke: `var(--${LINES[at]})`, 'stroke-width': at ? 1.3 : 1.8, 'stroke-dasharray': at ? '4 3' : undefined, 'stroke-linejoin': 'round' })));
  const head = make('div', { class: 'keys', style: 'margin-top:10px' }, make('strong', { style: 'color:var(--text)' }, `${series.name} [${series.unit}]`),
    series.lines.length > 1 && series.lines.map((line, place) => make('span', { class: 'key' }, make('i', { class: 'dot', style: `background:var(--${LINES[place]});height:3px;width:16px` }), line.name)));
  return [head, root];
}

function showPlots() {
  const place = byId('plots'), width = place.clientWidth;
  plots.nows = [];
  place.replaceChildren(modeRow(width));
  if (summary.faults.length) place.append(faultRow(width));
  for (const [name, spells] of Object.entries(summary.choices)) place.append(...choiceRow(width, name, spells));
  for (const stage of inOrder(new Set(summary.alerts.map((alert) => alert[0])))) place.append(alertRow(width, stage));
  for (const series of summary.series) place.append(...linePlot(width, series));
  place.append(timeAxis(width));
  if (state.scene) plots.nows.forEach((show) => show(moment().t));
}

function showAlerts() {
  const found = new Map();
  for (const [stage, from, to, level, text, times] of summary.alerts) {
    const key = `${stage}\n${level}\n${text}`, row = found.get(key) || { stage, level, text, times: 0, first: from, last: to };
    row.times += times;
    row.last = Math.max(row.last, to);
    found.set(key, row);
  }
  const rank = { ERROR: 0, STALE: 1, WARN: 2 };
  const rows = [...found.values()].sort((a, b) => rank[a.level] - rank[b.level] || b.times - a.times);
  if (!rows.length) { byId('alerts').append(make('p', { class: 'empty' }, 'None: every step of every stage was good.')); return; }
  const shown = rows.slice(0, 40);
  fill(byId('alerts'), {}, [make('div', { class: 'scroll' }, make('table', {},
    make('thead', {}, make('tr', {}, ['level', 'stage', 'what it said'].map((name) => make('th', {}, name)), ['steps', 'first', 'last'].map((name) => make('th', { class: 'number' }, name)))),
    make('tbody', {}, shown.map((row) => make('tr', {},
      make('td', {}, make('span', { class: 'chip', style: `background:var(--${LEVELS[row.level]})` }, row.level)), make('td', {}, row.stage),
      make('td', { style: 'min-width:180px;overflow-wrap:anywhere' }, row.text), make('td', { class: 'number' }, count(row.times)),
      make('td', { class: 'number' }, make('button', { type: 'button', onclick: () => selectTime(row.first) }, seconds(row.first))),
      make('td', { class: 'number' }, seconds(row.last))))))),
    rows.length > shown.length && make('p', { class: 'muted small' }, `and ${rows.length - shown.length} more, in log.jsonl`)]);
}
