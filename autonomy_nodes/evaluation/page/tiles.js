// The summary: tiles, latency of each stage, drops.
'use strict';

const MODES = ['INIT', 'NOMINAL', 'DEGRADED', 'MRM', 'EMERGENCY'];

// The figures whose name starts with `prefix.`, by what follows.
function figuresOf(prefix) {
  return Object.entries(summary.figures)
    .filter(([name]) => name.startsWith(prefix + '.'))
    .map(([name, value]) => [name.slice(prefix.length + 1), value]);
}

function tile(name, value, unit, note, kind = '') {
  return make('div', { class: 'tile ' + kind },
    make('div', { class: 'name' }, name),
    make('div', { class: 'value' }, value, unit ? make('small', {}, ' ' + unit) : null),
    note ? make('div', { class: 'note' }, note) : null);
}

function outcomeTiles(figures) {
  const tiles = [];
  if ('goal_reached' in figures) {
    const reached = figures.goal_reached > 0;
    tiles.push(tile('Goal', reached ? 'reached' : 'not reached', '', '', reached ? 'good' : 'warn'));
  }
  if ('collisions' in figures) tiles.push(tile('Collisions', count(figures.collisions), '', '', figures.collisions ? 'bad' : 'good'));
  if ('progress_m' in figures) tiles.push(tile('Progress', number(figures.progress_m, 0), 'm', number(figures.drive_s, 1) + ' s long'));
  return tiles;
}

function modeTile() {
  const spent = figuresOf('mode_s').filter(([, time]) => time > 0);
  const total = spent.reduce((sum, [, time]) => sum + time, 0);
  if (!total) return tile('Mode', 'not told', '', 'safety said no mode');
  const order = [...spent].sort((a, b) => MODES.indexOf(a[0]) - MODES.indexOf(b[0]));
  return make('div', { class: 'tile wide' },
    make('div', { class: 'name' }, 'Time in each mode'),
    make('div', { class: 'bar' }, order.map(([mode, time]) => make('span', { style: `flex:${time} 0 0;background:var(--${mode})` }))),
    make('div', { class: 'keys' }, order.map(([mode, time]) => make('span', { class: 'key' },
      make('i', { class: 'dot', style: `background:var(--${mode})` }), `${mode} ${number(time, 1)} s`))));
}

function framesTile(into, out) {
  if (out === undefined) return tile('Frames in', count(into));
  const lost = into - out, note = lost > 0 ? `${count(lost)} without a trajectory` : 'each became a trajectory';
  return tile('Frames in, out', `${count(into)}, ${count(out)}`, '', into ? note : '', lost > 0 ? 'warn' : '');
}

function showTiles() {
  const figures = summary.figures, tiles = outcomeTiles(figures);
  if (!tiles.length) tiles.push(tile('Length', number(figures.drive_s, 1), 's'));
  tiles.push(modeTile());
  tiles.push(framesTile(figures['frames.in'], figures['frames.out']));
  const p95 = figures['latency_ms.sweep_to_trajectory.p95'];
  if (p95 !== undefined) tiles.push(tile('Sweep to trajectory', number(p95, 0), 'ms', `95 % are quicker; half ${number(figures['latency_ms.sweep_to_trajectory.p50'], 0)} ms`));
  if (figures.real_time_factor) tiles.push(tile('Speed of the run', number(figures.real_time_factor, 2), '\u00d7 real time', number(figures.wall_s, 1) + ' s on the clock'));
  const dropped = figuresOf('drops').reduce((sum, [, value]) => sum + value, 0);
  tiles.push(tile('Dropped', count(dropped), dropped === 1 ? 'message' : 'messages', '', dropped ? 'warn' : ''));
  const begun = figuresOf('faults');
  if (begun.length) tiles.push(tile('Faults', count(begun.reduce((sum, [, value]) => sum + value, 0)), '', begun.map(([name]) => name).join(', '), 'bad'));
  byId('tiles').append(...tiles);
}

function showLatency() {
  const stages = {};
  for (const [name, value] of figuresOf('latency_ms')) {
    const dot = name.lastIndexOf('.');
    (stages[name.slice(0, dot)] ||= {})[name.slice(dot + 1)] = value;
  }
  byId('latency-note').textContent = summary.run.mode === 'live' ? 'sent, after its stamp' : 'duration of a step';
  if (!Object.keys(stages).length) { byId('latency').append(make('p', { class: 'empty' }, 'This run measured no time.')); return; }
  const rest = inOrder(Object.keys(stages).filter((stage) => stage !== 'sweep_to_trajectory'));
  const names = 'sweep_to_trajectory' in stages ? ['sweep_to_trajectory', ...rest] : rest;
  const longest = Math.max(...names.map((stage) => stages[stage].p95)) * 1.25 || 1;
  const share = (value) => clamp(value / longest, 0, 1) * 100;
  const rows = names.flatMap((stage) => {
    const { p50, p95, max } = stages[stage], first = stage === 'sweep_to_trajectory' ? ' first' : '';
    return [
      make('span', { class: first }, stage === 'sweep_to_trajectory' ? 'sweep to trajectory' : stage.replace('_', ' ')),
      make('div', { class: 'meter', title: `${stage}: p50 ${p50} ms, p95 ${p95} ms, max ${max} ms` },
        make('i', { style: `width:${share(p95)}%;background:var(--accent);opacity:.35` }),
        make('i', { style: `width:${share(p50)}%;background:var(--accent)` }),
        make('i', { style: `left:calc(${share(max)}% - ${max > longest ? 5 : 2}px);width:${max > longest ? 5 : 2}px;background:var(--bad)` })),
      make('span', { class: 'muted' + first }, `${number(p50)} / ${number(p95)} / ${number(max)}`),
    ];
  });
  const key = (style, text) => make('span', { class: 'key' }, make('i', { class: 'dot', style }), text);
  const head = [make('span', {}), make('span', {}), make('span', { class: 'muted small' }, 'p50 / p95 / max [ms]')];
  byId('latency').append(make('div', { class: 'rows' }, head, rows), make('div', { class: 'keys', style: 'margin-top:10px' },
    key('background:var(--accent)', 'half are quicker (p50)'), key('background:var(--accent);opacity:.35', '95 %'), key('background:var(--bad)', 'longest; a thick end lies beyond the scale')));
}

function showDrops() {
  const all = figuresOf('drops'), dropped = all.filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]);
  if (!all.length) { byId('drops').append(make('p', { class: 'empty' }, 'No stage reported its inputs.')); return; }
  const most = Math.max(1, ...dropped.map(([, value]) => value));
  const rows = dropped.flatMap(([topic, value]) => [
    make('span', {}, topic),
    make('div', { class: 'meter' }, make('i', { style: `width:${(value / most) * 100}%;background:var(--warn)` })),
    make('span', {}, count(value)),
  ]);
  const clean = all.length - dropped.length;
  byId('drops').append(make('div', { class: 'rows', style: 'grid-template-columns:minmax(0,max-content) minmax(40px,1fr) max-content;overflow-wrap:anywhere' }, rows),
    make('p', { class: 'empty', style: 'margin-top:8px' }, dropped.length ? `${clean} other topics dropped nothing.` : `None, on ${clean} topics.`));
}

function showHead() {
  const run = summary.run, parts = [run.vehicle && `vehicle ${run.vehicle}`, run.commit && `commit ${run.commit.slice(0, 12)}`, run.command];
  byId('kind').textContent = run.mode === 'live' ? 'Drive report, live run' : 'Drive report, lockstep';
  byId('about').textContent = parts.filter(Boolean).join('  \u00b7  ');
  const foot = byId('foot');
  foot.append(make('p', {}, run.mode === 'live'
    ? 'Latency of a stage: when its output was sent minus its stamp, the stamp of the sweep.'
    : 'Latency of a stage: how long its step took. From sweep to trajectory: the longest chain of such steps, as if each stage had a process of its own.'));
  foot.append(make('p', {}, `Time 0 is stamp ${summary.start_ns} ns. Frames out: sweeps for which safety sent a trajectory. The same figures, for tools, stand in report.json; the lines behind them in log.jsonl.`));
  if (summary.every > 1) foot.append(make('p', {}, `The drive is long: one of ${summary.every} sweeps is drawn; figures and plots take all.`));
  if (summary.unreadable) foot.append(make('p', {}, `${count(summary.unreadable)} messages of the bag could not be read and are not shown.`));
}
