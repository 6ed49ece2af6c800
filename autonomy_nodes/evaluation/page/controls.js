// How a reader moves through the scene: layers, view, zoom, the time slider, play, keys.
'use strict';

function showLegend() {
  const there = new Set([...state.scene.layers, ...state.scene.moments.flatMap((each) => Object.keys(each))]), modes = state.scene.moments.find((each) => each.modes);
  const boxes = LAYERS.filter(([key]) => there.has(key)).map(([key, name, on, paint]) => {
    above.shown[key] = on;
    const input = make('input', { type: 'checkbox', checked: on, onchange: (event) => { above.shown[key] = event.target.checked; drawAbove(); } });
    return make('label', {}, input, make('i', { class: 'dot', style: `background:${key === 'drive' ? rampColour(0.6) : `var(--${paint})`}` }), name);
  });
  const key = (style, text) => make('span', { class: 'key' }, make('i', { class: 'dot', style }), text);
  const hatched = 'background:repeating-linear-gradient(135deg,var(--hatch) 0 1.5px,transparent 1.5px 4px);border:1px solid var(--hatch)';
  const rows = [make('div', { class: 'row' }, boxes)];
  if (there.has('terrain')) rows.push(make('div', { class: 'row muted' }, 'ground', CELL_NAMES.map((name, at) => key(at ? `background:var(--${CELLS[at]});border:1px solid var(--line)` : hatched, name))));
  rows.push(make('div', { class: 'row muted' },
    'speed', make('span', { class: 'key' }, '0', make('i', { class: 'ramp', style: `background:linear-gradient(90deg,${RAMP.join(',')})` }), `${number(above.fastest / 100, 0)} m/s`),
    modes && make('span', { class: 'group', id: 'futures' })));
  byId('legend').append(...rows);
}

function showFutures(now) {
  const place = byId('futures');
  if (place) place.replaceChildren('joint futures', ...(now.modes || []).map((percent, k) => make('span', { class: 'key' }, make('i', { class: 'dot', style: `background:var(--mode${k % 6});height:3px;width:14px` }), `${k}: ${percent} %`)));
}

function zoom(factor) {
  const canvas = byId('above');
  above.scale = clamp((above.scale || Math.min(canvas.clientHeight / 84, canvas.clientWidth / 64)) * factor, 1.2, 60);
  drawAbove();
}

function inside(x, y, box) {
  let within = false;
  for (let i = 0, j = box.length - 2; i < box.length; j = i, i += 2) {
    if (box[i + 1] > y !== box[j + 1] > y && x < ((box[j] - box[i]) * (y - box[i + 1])) / (box[j + 1] - box[i + 1]) + box[i]) within = !within;
  }
  return within;
}

function describe(row) {
  const [name, label, x, y, , length, width, height, vx, vy, sure] = row, ego = moment().ego;
  const speed = vx === null ? 'speed not known' : `${number(Math.hypot(vx, vy) / 100)} m/s`;
  return `${LABELS[label]} ${name}\n${speed}, ${number(Math.hypot(x - ego[0], y - ego[1]) / 100)} m away\n${[length, width, height].map((side) => number(side / 100)).join(' \u00d7 ')} m, ${sure} % sure`;
}

function showHint(event) {
  const hint = byId('hint'), canvas = byId('above'), frame = canvas.getBoundingClientRect(), at = above.place;
  const [px, py] = [event.clientX - frame.left, event.clientY - frame.top];
  const slack = 40 / at.s / 10; // four pixels
  const found = (moment().objects || []).find((row) => {
    const box = corners(row[2], row[3], row[4] / 1000, row[5] / 2 + slack, row[5] / 2 + slack, row[6] / 2 + slack).map((value, i, all) => (i % 2 ? at.y(all[i - 1], value) : at.x(value, all[i + 1])));
    return inside(px, py, box);
  });
  hint.hidden = !found;
  if (!found) return;
  hint.textContent = describe(found);
  hint.style.left = clamp(px + 14, 0, Math.max(0, canvas.clientWidth - hint.offsetWidth)) + 'px';
  hint.style.top = clamp(py + 14, 0, Math.max(0, canvas.clientHeight - hint.offsetHeight)) + 'px';
}

function connectCanvas() {
  const canvas = byId('above');
  let held = null;
  canvas.addEventListener('pointerdown', (event) => { held = [event.clientX - above.across, event.clientY - above.along]; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener('pointerup', () => { held = null; });
  canvas.addEventListener('pointercancel', () => { held = null; });
  canvas.addEventListener('pointerleave', () => { byId('hint').hidden = true; });
  canvas.addEventListener('pointermove', (event) => {
    if (!held) { showHint(event); return; }
    [above.across, above.along] = [event.clientX - held[0], event.clientY - held[1]];
    drawAbove();
  });
  canvas.addEventListener('wheel', (event) => { if (event.ctrlKey) { event.preventDefault(); zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15); } }, { passive: false });
  byId('closer').addEventListener('click', () => zoom(1.35));
  byId('farther').addEventListener('click', () => zoom(1 / 1.35));
  byId('home').addEventListener('click', () => { Object.assign(above, { scale: 0, along: 0, across: 0 }); drawAbove(); });
  byId('view').addEventListener('change', drawAbove);
}

function showClock(now) {
  byId('slider').value = state.index;
  byId('slider').setAttribute('aria-valuetext', `${seconds(now.t)}, ${now.mode}`);
  byId('clock').replaceChildren(make('strong', {}, seconds(now.t, 2)), make('span', { class: 'muted' }, ` of ${seconds(summary.end_ms)}  `), make('span', { class: 'chip', style: `background:var(--${now.mode})` }, now.mode));
}

function showStrip() {
  const moments = state.scene.moments, first = moments[0].t, last = moments[moments.length - 1].t;
  const parts = summary.modes.map(([from, mode], at) => [Math.max(from, first), Math.min(at + 1 < summary.modes.length ? summary.modes[at + 1][0] : last, last), mode]);
  byId('strip').append(...parts.filter(([from, to]) => to > from).map(([from, to, mode]) => make('span', { style: `flex:${to - from} 0 0;background:var(--${mode})` })));
}

function play(on) {
  state.playing = on && !window.matchMedia('print').matches;
  byId('play').textContent = state.playing ? 'Pause' : 'Play';
  byId('play').setAttribute('aria-pressed', String(state.playing));
  if (!state.playing) return;
  const moments = state.scene.moments;
  if (state.index === moments.length - 1) select(0);
  let clock = moment().t, last = performance.now();
  const step = (at) => {
    if (!state.playing) return;
    if (Math.abs(moment().t - clock) > 1000) clock = moment().t; // the reader moved elsewhere
    clock += (at - last) * state.pace;
    last = at;
    let next = state.index;
    while (next + 1 < moments.length && moments[next + 1].t <= clock) next += 1;
    if (next !== state.index) select(next);
    if (state.index === moments.length - 1) play(false);
    else requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}

function connectTime() {
  byId('slider').max = state.scene.moments.length - 1;
  byId('slider').addEventListener('input', (event) => select(Number(event.target.value)));
  byId('play').addEventListener('click', () => play(!state.playing));
  byId('back').addEventListener('click', () => select(state.index - 1));
  byId('forth').addEventListener('click', () => select(state.index + 1));
  byId('pace').addEventListener('change', (event) => { state.pace = Number(event.target.value); });
  document.addEventListener('keydown', (event) => {
    if (['INPUT', 'SELECT', 'BUTTON', 'TEXTAREA'].includes(event.target.tagName)) return;
    const act = { ' ': () => play(!state.playing), ArrowLeft: () => select(state.index - 1), ArrowRight: () => select(state.index + 1) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}
