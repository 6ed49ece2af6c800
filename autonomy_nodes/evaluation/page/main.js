// Start: first what is quick, then the scene once it is unpacked.
'use strict';

function redraw() {
  showPlots();
  if (state.scene) { drawAbove(); drawCamera(); }
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  redraw();
}

function notice(text) {
  byId('notice').textContent = text;
  byId('notice').hidden = false;
}

function showMoment(now) {
  showClock(now);
  drawAbove();
  showFutures(now);
  drawCamera();
  showWhy(now);
  showMarks(now);
  showLineage(now);
  plots.nows.forEach((show) => show(now.t));
}

// The page opens at the moment in its address (#t=12.5), else where most happens: the first alarm, or a third of the way.
function firstMoment() {
  const asked = Number(new URLSearchParams(location.hash.slice(1)).get('t'));
  const alarm = summary.modes.find(([from, mode]) => from > 0 && (mode === 'MRM' || mode === 'EMERGENCY'));
  return asked ? asked * 1000 : alarm ? alarm[0] : summary.end_ms / 3;
}

async function showScene() {
  const scene = await unpacked(byId('scene'));
  if (!scene || !scene.moments.length) { notice(scene ? 'The bag of this run holds no sweep that can be drawn.' : 'There is no outputs.mcap beside the log: figures only.'); return; }
  state.scene = scene;
  above.fastest = Math.max(100, Math.ceil(Math.max(...scene.moments.flatMap((each) => (each.drive || []).filter((_, at) => at % 3 === 2))) / 100) * 100);
  for (const id of ['transport', 'viewer', 'marks-card', 'fed-card']) byId(id).hidden = false;
  showLegend();
  showStrip();
  connectCanvas();
  connectTime();
  connectCamera();
  state.watchers.push(showMoment);
  await needed(placeOf(firstMoment()));
  await selectTime(firstMoment());
}

// One pack after another, so that the page answers meanwhile.
async function unpackRest() {
  for (let at = 0; at < packs.elements.length; at += 1) {
    await new Promise((go) => { setTimeout(go, 30); });
    await unpackedPack(at);
  }
}

function start() {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  document.documentElement.dataset.theme = dark.matches ? 'dark' : 'light';
  dark.addEventListener('change', () => theme(dark.matches ? 'dark' : 'light'));
  byId('theme').addEventListener('click', () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  let before = '';
  window.addEventListener('beforeprint', () => { before = document.documentElement.dataset.theme; theme('light'); });
  window.addEventListener('afterprint', () => theme(before));
  showHead();
  showTiles();
  showLatency();
  showDrops();
  showAlerts();
  showPlots();
  let wait = 0;
  window.addEventListener('resize', () => { clearTimeout(wait); wait = setTimeout(redraw, 80); });
  const done = (word) => { document.documentElement.dataset.state = word; };
  showScene().then(() => { performance.mark('drawn'); done('ready'); return state.scene && unpackRest(); }, (error) => { notice(`The scene cannot be shown: ${error.message}`); done('failed'); });
}

start();
