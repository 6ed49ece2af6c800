// Why the planner chose what it chose, and what fed the trajectory, at the selected moment.
'use strict';

const UNITS = { mps2: 'm/s\u00b2', mps: 'm/s', rad: 'rad', s: 's', m: 'm' };

// `speed_limit_mps: 13` as people write it.
function spelled([name, value]) {
  const parts = name.split('_'), unit = UNITS[parts[parts.length - 1]];
  return unit && parts.length > 1 ? [parts.slice(0, -1).join(' '), `${value} ${unit}`] : [parts.join(' '), value];
}

function facts(pairs) {
  return make('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== undefined && value !== '').flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}

function showWhy(now) {
  const place = byId('why'), decision = now.decision;
  const chip = make('span', { class: 'chip', style: `background:var(--${now.mode})` }, now.mode);
  const told = (now.log.safety || ['', ''])[1], reason = told.startsWith(`${now.mode}: `) ? told.slice(now.mode.length + 2) : '';
  const words = [chip, reason && ` ${reason}`];
  if (!decision) {
    place.replaceChildren(make('p', { class: 'empty' }, 'No decision was recorded for this sweep.'), facts([['mode', make('span', {}, words)]]));
    return;
  }
  place.replaceChildren(make('p', { class: 'sentence' }, decision.reason || 'No reason was given.'),
    facts([['chosen', decision.chosen], ['runner-up', decision.runner_up], ['mode', make('span', {}, words)], ['speed', `${number(now.ego[3] / 100)} m/s`], ...Object.entries(decision.values).map(spelled)]));
}

// A column a candidate, a row a gate or term: names stay readable on a narrow page.
function showMarks(now) {
  const place = byId('marks'), marks = now.marks;
  if (!marks || !marks.rows.length) { place.replaceChildren(make('p', { class: 'empty' }, 'No marks were recorded for this sweep.')); return; }
  const cell = (row, ...content) => make('td', { class: row.chosen ? 'chosen' : '' }, ...content);
  const head = make('tr', {}, make('th', {}, 'candidate'), marks.rows.map((row) => make('th', { class: row.chosen ? 'chosen' : '', title: row.kind }, `${row.id}`, make('div', { style: 'font-weight:400' }, row.kind))));
  const gates = marks.gates.map((name, at) => make('tr', {}, make('td', {}, name.replaceAll('_', ' ')), marks.rows.map((row) => {
    const value = row.gates[at];
    return cell(row, value === null ? '-' : value >= 1 ? make('span', { class: 'ok' }, '\u2713') : make('span', { class: 'veto' }, value > 0 ? number(value, 2) : row.whens[at] === null ? 'veto' : `${number(row.whens[at])} s`));
  })));
  const terms = marks.terms.map((name, at) => make('tr', {}, make('td', {}, name.replaceAll('_', ' ')), marks.rows.map((row) => {
    const value = row.terms[at], most = Math.max(1, ...marks.rows.map((other) => other.terms[at] || 0));
    return value === null ? cell(row, '-') : make('td', { class: row.chosen ? 'chosen' : '', style: `background:linear-gradient(90deg,color-mix(in srgb,var(--accent) 20%,transparent) ${100 * clamp(value / most, 0, 1)}%,transparent 0)` }, number(value, most > 1 ? 1 : 2));
  })));
  const total = make('tr', { class: 'sum' }, make('td', {}, 'score'), marks.rows.map((row) => cell(row, number(row.score, 3))));
  place.replaceChildren(make('div', { class: 'scroll' }, make('table', { class: 'marks' }, make('thead', {}, head), make('tbody', {}, total, gates, terms))),
    make('p', { class: 'muted small', style: 'margin-top:8px' }, `${marks.rows.length} of ${marks.count} candidates: the chosen one (framed), the best others, and of those with a veto the ones whose terms are best. A gate passes, or vetoes at the moment that is given; a term is 0 to 1, or a length.`));
}

// The last part of a topic's name, with the one before where that alone would be unclear.
function shortName(topic) {
  const parts = topic.split('/');
  return ['objects', 'trajectory', 'pointcloud', 'pointcloud_raw', 'camera_info', 'pose'].includes(parts[parts.length - 1]) ? parts.slice(-2).join('/') : parts[parts.length - 1];
}

function inputChip([, topic, age]) {
  const apart = Math.abs(age) > 0.5;
  return make('span', { class: age > 0.5 ? 'input old' : 'input', title: `${topic}: ${number(age)} ms older than the trajectory` }, shortName(topic), apart && make('strong', {}, ` ${age > 0 ? '\u2212' : '+'}${number(Math.abs(age), 0)} ms`));
}

function spanBar(span, last) {
  if (!span) return make('td', { class: 'span' });
  const [, begin, end] = span, left = clamp(begin / last, 0, 1) * 100, wide = Math.max(clamp((end - begin) / last, 0, 1) * 100, 0.6);
  return make('td', { class: 'span' }, make('div', { class: 'meter', title: `from ${number(begin)} to ${number(end)} ms` }, make('i', { style: `left:${left}%;width:${wide}%;background:var(--accent)` })),
    make('span', { class: 'muted' }, `${number(end - begin)} ms, done at ${number(end)}`));
}

// A row a step, in the order of the work; what it read with the trajectory's own stamp, and what was older; when it ran.
function showLineage(now) {
  const place = byId('lineage'), rows = now.lineage, spans = now.spans || [];
  if (!rows.length && !spans.length) { place.replaceChildren(make('p', { class: 'empty' }, 'No stage reported which stamps fed this trajectory.')); return; }
  const stages = inOrder(new Set([...rows, ...spans].map((row) => row[0]))), last = Math.max(1, ...spans.map((span) => span[2]));
  const lines = stages.map((stage) => {
    const note = now.log[stage], inputs = rows.filter((row) => row[0] === stage).sort((a, b) => a[2] - b[2]);
    return make('tr', {}, make('td', {}, make('strong', {}, stage.replace('_', ' '))), make('td', { class: 'inputs' }, inputs.map(inputChip)), spanBar(spans.find((span) => span[0] === stage), last),
      make('td', {}, note && make('span', { class: 'chip', style: `background:var(--${LEVELS[note[0]] || 'good'})`, title: note[1] }, note[0])));
  });
  const clock = summary.run.mode === 'live' ? 'as measured, after the stamp of the sweep' : 'one after another, as if each stage had a process of its own';
  const head = make('tr', {}, make('th', {}, 'stage'), make('th', {}, 'what it read'), make('th', {}, `when it worked on this sweep: ${number(last, 0)} ms in all`), make('th', {}));
  place.replaceChildren(make('table', { class: 'fed' }, make('thead', {}, head), make('tbody', {}, lines)),
    make('p', { class: 'muted small', style: 'margin-top:8px' }, `Inputs without a number have the stamp of the trajectory; the others are as much older (\u2212) or newer (+). Times: ${clock}.`));
}
