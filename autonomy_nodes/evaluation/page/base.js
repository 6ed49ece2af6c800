// What all parts of the page share: making elements, unpacking the data, the selected moment.
'use strict';

const LABELS = ['unknown', 'car', 'truck', 'bus', 'trailer', 'motorcycle', 'bicycle', 'pedestrian', 'animal', 'hazard', 'over', 'under'];
const STAGES = ['camera', 'lidar', 'localization', 'map', 'perception', 'tracking', 'prediction', 'planning', 'map_update', 'safety', 'control'];
const SVG = 'http://www.w3.org/2000/svg';

const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

// Texts become text nodes: nothing that a run wrote can become markup.
const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim() || '#888';
}

function number(value, digits = 1) {
  return value === undefined || value === null ? '-' : Number(value).toFixed(digits).replace('-', '\u2212');
}

// Large counts with thin spaces; small ones as they are.
function count(value) {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

function inOrder(stages) {
  const place = (stage) => { const at = STAGES.indexOf(stage); return at < 0 ? STAGES.length : at; };
  return [...stages].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

function seconds(ms, digits = 1) {
  return (ms / 1000).toFixed(digits) + ' s';
}

const summary = JSON.parse(byId('summary').textContent);

async function unpacked(element) {
  const packed = element.textContent.trim();
  if (!packed) return null;
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return JSON.parse(await new Response(stream).text());
}

// The selected moment. Parts that show it add a function to `watchers`.
const state = { scene: null, index: 0, playing: false, pace: 1, watchers: [] };

function moment() {
  return state.scene.moments[state.index];
}

function show() {
  for (const watcher of state.watchers) watcher(moment());
}

// Shows a moment; where its heavy layers are still packed, it is shown again with them.
function select(index) {
  const at = state.index = clamp(index, 0, state.scene.moments.length - 1), own = Math.floor(at / state.scene.pack);
  const there = packs.done.has(own);
  show();
  return needed(at).then(() => { if (!there && state.index === at) show(); });
}

// The layers that weigh most lie in packs of some moments; one is unpacked when it is first needed, the others in time.
const packs = { elements: [...document.querySelectorAll('script.pack')], done: new Map() };

function unpackedPack(at) {
  if (!packs.done.has(at)) {
    packs.done.set(at, unpacked(packs.elements[at]).then((rows) => {
      for (const [place, layers] of Object.entries(rows)) Object.assign(state.scene.moments[Number(place)], layers);
      packs.elements[at].textContent = '';
    }));
  }
  return packs.done.get(at);
}

// Unpacks what a moment shows: its own pack, and the one before, from which layers that are kept now and then come.
function needed(index) {
  const own = Math.floor(index / state.scene.pack);
  return Promise.all([own - 1, own].filter((at) => at >= 0 && at < packs.elements.length).map(unpackedPack));
}

function placeOf(ms) {
  const moments = state.scene.moments;
  let best = 0;
  moments.forEach((each, at) => { if (Math.abs(each.t - ms) < Math.abs(moments[best].t - ms)) best = at; });
  return best;
}

function selectTime(ms) {
  return state.scene ? select(placeOf(ms)) : undefined;
}

// The newest of `key` at or before the selected moment, not older than `oldest` ms: some layers are kept only now and then.
// One that came between two moments tells how much `later` it is than the first.
function newest(key, oldest) {
  for (let at = state.index; at >= 0; at -= 1) {
    const each = state.scene.moments[at], found = each[key];
    if (moment().t - each.t > oldest) return null;
    if (found) return found.row ? { value: found.row, age: moment().t - each.t - found.later } : { value: found, age: moment().t - each.t };
  }
  return null;
}

// A canvas as sharp as the screen; returns its context and its size in CSS pixels.
function prepared(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = Math.max(window.devicePixelRatio || 1, 1);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, ratio };
}

// Words on a picture, readable on any ground.
function words(context, text, x, y, options = {}) {
  context.font = options.font || '12px system-ui, sans-serif';
  context.textAlign = options.align || 'left';
  context.textBaseline = options.baseline || 'alphabetic';
  context.lineJoin = 'round';
  context.lineWidth = 3.5;
  context.strokeStyle = colour('halo');
  context.strokeText(text, x, y);
  context.fillStyle = options.colour || colour('text');
  context.fillText(text, x, y);
}
