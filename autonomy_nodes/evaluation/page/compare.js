// Two runs on one page: what differs, their plots on one axis, their ways, their figures.
'use strict';

const BETTER_LESS = /^(latency_ms|drops|faults|collisions|mode_s\.(DEGRADED|MRM|EMERGENCY)|wall_s)/;

function showHead() {
  const [a, b] = summary.runs;
  const line = (name, run, paint) => make('span', { class: 'key', style: 'white-space:normal' }, make('i', { class: 'dot', style: `background:var(--${paint})` }), `${name}: ${[run.name, run.scenario, run.mode, run.commit.slice(0, 12), run.command].filter(Boolean).join('  \u00b7  ')}`);
  byId('about').append(make('span', { class: 'keys', style: 'flex-direction:column' }, line('A', a, LINES[0]), line('B', b, LINES[1])));
  const share = summary.stamps ? (100 * summary.equal) / summary.stamps : 0, kind = share === 100 ? 'good' : share >= 95 ? '' : 'warn';
  const tile = (name, value, note, shade = '') => make('div', { class: `tile ${shade}` }, make('div', { class: 'name' }, name), make('div', { class: 'value' }, value), make('div', { class: 'note' }, note));
  byId('tiles').append(tile('Sweeps that are the same', `${number(share, 1)} %`, `${count(summary.equal)} of ${count(summary.stamps)} stamps: ids, modes, objects to 1 cm, trajectories to 2 cm`, kind));
  for (const [key, name, unit] of [['progress_m', 'Progress', 'm'], ['latency_ms.sweep_to_trajectory.p95', 'Sweep to trajectory, p95', 'ms'], ['frames.out', 'Frames out', '']]) {
    const values = summary.runs.map((run) => run.figures[key]);
    if (values.every((value) => value !== undefined)) byId('tiles').append(tile(name, `${number(values[0], 0)} | ${number(values[1], 0)} ${unit}`, 'A | B'));
  }
  if (a.mode !== b.mode) byId('foot').append(make('p', {}, 'One run was live, the other in lockstep: latency is the age of a sweep in the one, the duration of steps in the other.'));
  byId('foot').append(make('p', {}, `Times of each run count from its own first stamp (A ${a.start_ns} ns, B ${b.start_ns} ns); differences from that of A.`));
}

function showDifferencesOverTime(width) {
  const { root, x } = frame(width, 22, 'where the runs differ');
  root.append(svg('text', { x: 0, y: 15 }, 'differ'), svg('line', { class: 'grid', x1: plots.left, x2: width - plots.right, y1: 11, y2: 11 }));
  for (const at of summary.apart_ms) root.append(svg('rect', { x: x(at), y: 4, width: 1.2, height: 14, fill: 'var(--bad)' }));
  return root;
}

function modesOf(width, run, name) {
  const { root, x } = frame(width, 26, `mode of ${name}`);
  root.append(svg('text', { x: 0, y: 17 }, `mode ${name}`), ...modeSpells(run.modes, run.end_ms, x));
  return root;
}

function showOverTime() {
  const place = byId('plots'), width = place.clientWidth;
  plots.nows = [];
  place.replaceChildren(...summary.runs.map((run, at) => modesOf(width, run, 'AB'[at])), showDifferencesOverTime(width));
  for (const series of summary.series) place.append(...linePlot(width, series));
  place.append(timeAxis(width));
}

function drawWays() {
  const { context, width, height } = prepared(byId('ways')), points = summary.runs.flatMap((run) => run.way);
  if (!points.length) { words(context, 'no run told its way', width / 2, height / 2, { align: 'center' }); return; }
  const xs = points.filter((_, at) => at % 2 === 0), ys = points.filter((_, at) => at % 2), [low, high] = [[Math.min(...xs), Math.min(...ys)], [Math.max(...xs), Math.max(...ys)]];
  const scale = Math.min((width - 90) / Math.max(high[0] - low[0], 1000), (height - 70) / Math.max(high[1] - low[1], 1000));
  const x = (value) => width / 2 + (value - (low[0] + high[0]) / 2) * scale, y = (value) => height / 2 - (value - (low[1] + high[1]) / 2) * scale;
  const gridLine = (x0, y0, x1, y1) => { context.strokeStyle = colour('grid'); context.lineWidth = 1; context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke(); };
  const [left, right, bottom, top] = [(40 - width / 2) / scale + (low[0] + high[0]) / 2, (width / 2) / scale + (low[0] + high[0]) / 2, (40 - height / 2) / scale + (low[1] + high[1]) / 2, (height / 2) / scale + (low[1] + high[1]) / 2];
  const small = { font: '10.5px system-ui, sans-serif', colour: colour('axis') };
  for (const metres of ticks(left / 100, right / 100, width < 500 ? 4 : 7)) { gridLine(x(metres * 100), 0, x(metres * 100), height - 26); words(context, String(metres).replace('-', '\u2212'), x(metres * 100), height - 10, { ...small, align: 'center' }); }
  for (const metres of ticks(bottom / 100, top / 100, 6)) { gridLine(34, y(metres * 100), width, y(metres * 100)); words(context, String(metres).replace('-', '\u2212'), 6, y(metres * 100) + 4, small); }
  summary.runs.forEach((run, at) => {
    context.strokeStyle = colour(LINES[at]); context.lineWidth = at ? 2 : 4; context.setLineDash(at ? [7, 4] : []);
    context.beginPath();
    for (let i = 0; i + 1 < run.way.length; i += 2) context.lineTo(x(run.way[i]), y(run.way[i + 1]));
    context.stroke(); context.setLineDash([]);
    const last = run.way.length - 2;
    if (last >= 0) words(context, `${'AB'[at]} ends`, Math.min(x(run.way[last]) + 6, width - 48), y(run.way[last + 1]) + (at ? 14 : -6), { colour: colour(LINES[at]), font: '600 12px system-ui, sans-serif' });
  });
  words(context, 'odom x, y [m], around where A began', 40, 16, small);
}

function showFigures() {
  const [a, b] = summary.runs.map((run) => run.figures), keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] || b[key]);
  const rows = keys.map((key) => {
    const change = a[key] !== undefined && b[key] !== undefined ? b[key] - a[key] : null;
    const alike = summary.runs[0].mode === summary.runs[1].mode || !key.startsWith('latency_ms');
    const worse = alike && change !== null && BETTER_LESS.test(key) && change > Math.max(0.1 * Math.abs(a[key]), 1e-9);
    return make('tr', {}, make('td', { style: 'overflow-wrap:anywhere' }, key), make('td', { class: 'number' }, figure(a[key])), make('td', { class: 'number' }, figure(b[key])),
      make('td', { class: 'number', style: worse ? 'color:var(--bad);font-weight:640' : '' }, change === null ? '' : `${change > 0 ? '+' : ''}${figure(change)}`));
  });
  byId('figures').append(make('div', { class: 'scroll tall' }, make('table', {}, make('thead', {}, make('tr', {}, make('th', {}, 'figure'), ['A', 'B', 'B \u2212 A'].map((name) => make('th', { class: 'number' }, name)))), make('tbody', {}, rows))));
}

function figure(value) {
  return value === undefined ? '-' : String(Number(value.toPrecision(5))).replace('-', '\u2212');
}

function showDifferences() {
  const place = byId('differences'), all = summary.apart_ms.length;
  if (!summary.stamps) { place.append(make('p', { class: 'empty' }, 'Neither run tracked anything: there is no sweep to compare.')); return; }
  if (!all) { place.append(make('p', { class: 'empty' }, 'Nowhere: ids, modes, objects and trajectories are the same on every sweep.')); return; }
  place.append(make('div', { class: 'scroll tall' }, make('table', {}, make('thead', {}, make('tr', {}, ['at', 'what differs', 'the first stage that went another way'].map((name) => make('th', {}, name)))),
    make('tbody', {}, summary.differences.map(([at, what, cause]) => make('tr', {}, make('td', { class: 'number' }, seconds(at, 2)), make('td', {}, what), make('td', { style: 'overflow-wrap:anywhere;min-width:160px' }, cause)))))));
  if (all > summary.differences.length) place.append(make('p', { class: 'muted small' }, `The first ${summary.differences.length} of ${all}; autonomy compare prints all.`));
}

function redraw() {
  showOverTime();
  drawWays();
}

function start() {
  const dark = window.matchMedia('(prefers-color-scheme: dark)'), paint = (name) => { document.documentElement.dataset.theme = name; redraw(); };
  window.addEventListener('beforeprint', () => paint('light'));
  window.addEventListener('afterprint', () => paint(dark.matches ? 'dark' : 'light'));
  dark.addEventListener('change', () => paint(dark.matches ? 'dark' : 'light'));
  window.addEventListener('resize', redraw);
  showHead();
  showFigures();
  showDifferences();
  paint(dark.matches ? 'dark' : 'light');
  document.documentElement.dataset.state = 'ready';
}

start();
