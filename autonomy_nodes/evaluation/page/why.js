// Why the planner chose what it chose, and what fed the trajectory, at the selected moment.
'use strict';

function facts(pairs) {
  return make('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== undefined && value !== '').flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}

function showWhy(now) {
  const place = byId('why'), decision = now.decision;
  const chip = make('span', { class: 'chip', style: `background:var(--${now.mode})` }, now.mode);
  const words = now.safety ? [chip, ' ', now.safety] : [chip];
  if (!decision) {
    place.replaceChildren(make('p', { class: 'empty' }, 'No decision was recorded for this sweep.'), facts([['mode', make('span', {}, words)]]));
    return;
  }
  place.replaceChildren(make('p', { class: 'sentence' }, decision.reason || 'No reason was given.'),
    facts([['chosen', decision.chosen], ['runner-up', decision.runner_up], ['mode', make('span', {}, words)], ['speed', `${number(now.ego[3] / 100)} m/s`], ...Object.entries(decision.values).map(([name, value]) => [name.replaceAll('_', ' '), value])]));
}

// A column a candidate, a row a gate or term: names stay readable on a narrow page.
function showMarks(now) {
  const place = byId('marks'), marks = now.marks;
  if (!marks || !marks.rows.length) { place.replaceChildren(make('p', { class: 'empty' }, 'No marks were recorded for this sweep.')); return; }
  const cell = (row, ...content) => make('td', { class: row.chosen ? 'chosen' : '' }, ...content);
  const head = make('tr', {}, make('th', {}, 'candidate'), marks.rows.map((row) => make('th', { class: row.chosen ? 'chosen' : '', title: row.kind }, `${row.id}`, make('div', { style: 'font-weight:400' }, row.kind))));
  const gates = marks.gates.map((name, at) => make('tr', {}, make('td', {}, name.replaceAll('_', ' ')), marks.rows.map((row) => {
    const value = row.gates[at];
    return cell(row, value === null ? '-' : value >= 1 ? make('span', { class: 'ok' }, 'passes') : make('span', { class: 'veto' }, value > 0 ? number(value, 2) : 'veto'));
  })));
  const terms = marks.terms.map((name, at) => make('tr', {}, make('td', {}, name.replaceAll('_', ' ')), marks.rows.map((row) => {
    const value = row.terms[at];
    return value === null ? cell(row, '-') : make('td', { class: row.chosen ? 'chosen' : '', style: `background:linear-gradient(90deg,color-mix(in srgb,var(--accent) 20%,transparent) ${100 * clamp(value, 0, 1)}%,transparent 0)` }, number(value, 2));
  })));
  const total = make('tr', { class: 'sum' }, make('td', {}, 'score'), marks.rows.map((row) => cell(row, number(row.score, 3))));
  place.replaceChildren(make('div', { class: 'scroll' }, make('table', { class: 'marks' }, make('thead', {}, head), make('tbody', {}, total, gates, terms))),
    make('p', { class: 'muted small', style: 'margin-top:8px' }, `${marks.rows.length} of ${marks.count} candidates: ${marks.rows.some((row) => row.chosen) ? 'the chosen one (framed) and ' : ''}the best by score. A gate passes or vetoes; a term is 0 to 1.`));
}

function showLineage(now) {
  const place = byId('lineage'), rows = now.lineage;
  if (!rows || !rows.length) { place.replaceChildren(make('p', { class: 'empty' }, 'No stage reported which stamps fed this trajectory.')); return; }
  const oldest = Math.max(1, ...rows.map((row) => Math.abs(row[2])));
  let last = '';
  const lines = rows.map(([stage, topic, age]) => {
    const first = stage !== last, note = first && now.log && now.log[stage];
    last = stage;
    return make('tr', {}, make('td', { style: 'white-space:nowrap' }, first ? make('strong', {}, stage) : '', note && make('div', {}, make('span', { class: 'chip', style: `background:var(--${LEVELS[note[0]] || 'good'})`, title: note[1] }, note[0]))),
      make('td', { style: 'overflow-wrap:anywhere' }, topic),
      make('td', { class: 'number' }, `${number(age, Number.isInteger(age) ? 0 : 1)} ms`),
      make('td', { style: 'width:22%' }, make('div', { class: 'meter', style: 'height:8px;margin-top:6px' }, make('i', { style: `width:${(clamp(age, 0, oldest) / oldest) * 100}%;background:var(--accent)` }))));
  });
  const head = [['stage', ''], ['read', ''], ['older by', 'number'], ['', '']];
  place.replaceChildren(make('div', { class: 'scroll' }, make('table', {}, make('thead', {}, make('tr', {}, head.map(([name, kind]) => make('th', { class: kind }, name)))), make('tbody', {}, lines))),
    make('p', { class: 'muted small', style: 'margin-top:8px' }, `How much older each input was than the trajectory, ${now.stamp} ns.`));
}
