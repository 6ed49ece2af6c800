// Pictures of the cameras with the tracked boxes, projected when the report was made.
'use strict';

const EDGES = [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]];
const camera = { name: '', images: new Map() };

function picture() {
  const mine = state.scene.pictures.filter((each) => each.camera === camera.name), now = moment().t;
  return mine.reduce((best, each) => (Math.abs(each.t - now) < Math.abs(best.t - now) ? each : best), mine[0]);
}

function imageOf(shot) {
  if (!camera.images.has(shot)) {
    const image = new Image();
    image.onload = () => drawCamera();
    image.src = 'data:image/jpeg;base64,' + shot.jpeg;
    camera.images.set(shot, image);
  }
  return camera.images.get(shot);
}

function drawBox(context, scale, box) {
  const paint = objectColour(box.label), corner = (k) => [box.corners[2 * k] * scale, box.corners[2 * k + 1] * scale];
  context.strokeStyle = paint;
  context.lineWidth = 1.6;
  context.beginPath();
  for (const [from, to] of EDGES) { context.moveTo(...corner(from)); context.lineTo(...corner(to)); }
  context.stroke();
  context.globalAlpha = 0.2; context.fillStyle = paint; // the side that it drives ahead with
  context.beginPath();
  for (const k of [0, 1, 5, 4]) context.lineTo(...corner(k));
  context.fill();
  context.globalAlpha = 1;
}

// Names of boxes, the nearest first; one that would lie on another is left out.
function nameBoxes(context, scale, boxes) {
  const taken = [];
  context.font = '11px system-ui, sans-serif';
  for (const box of [...boxes].reverse()) {
    const us = box.corners.filter((_, k) => k % 2 === 0), vs = box.corners.filter((_, k) => k % 2), text = box.label ? `${LABELS[box.label]} ${box.name.slice(0, 4)}` : box.name.slice(0, 4);
    const left = Math.max(Math.min(...us) * scale, 2), bottom = Math.max(Math.min(...vs) * scale - 3, 15), right = left + context.measureText(text).width + 8;
    if (taken.some(([l, b, r]) => left < r && l < right && Math.abs(bottom - b) < 15)) continue;
    taken.push([left, bottom, right]);
    plate(context, text, left, bottom, objectColour(box.label));
  }
}

// Words on a plate: a picture has any brightness.
function plate(context, text, left, bottom, paint) {
  context.font = '11px system-ui, sans-serif';
  context.textAlign = 'left';
  context.textBaseline = 'alphabetic';
  context.fillStyle = paint;
  context.fillRect(left, bottom - 14, context.measureText(text).width + 8, 14);
  context.fillStyle = colour('label');
  context.fillText(text, left + 4, bottom - 3.5);
}

function drawCamera() {
  if (!state.scene.pictures.length) return;
  const shot = picture(), image = imageOf(shot), canvas = byId('camera');
  canvas.style.aspectRatio = `${shot.width} / ${shot.height}`;
  const { context, width, height } = prepared(canvas), scale = width / shot.width;
  if (image.complete && image.naturalWidth) context.drawImage(image, 0, 0, width, height);
  for (const box of shot.boxes) drawBox(context, scale, box);
  nameBoxes(context, scale, shot.boxes);
  const mode = moment().mode;
  plate(context, `${shot.camera}  ${seconds(shot.t, 2)}  ${mode}`, 6, height - 6, colour(mode));
  plate(context, shot.stamp, 6, 20, colour('axis'));
  const apart = shot.t - moment().t, when = apart === 0 ? 'at this moment' : `${seconds(Math.abs(apart), 2)} ${apart < 0 ? 'before' : 'after'} this moment`;
  byId('camera-note').textContent = `Rectified picture ${when}, ${shot.stamp}. ` + (shot.boxes.length ? 'Boxes: tracks, carried to the picture\u2019s stamp.' : shot.placed ? 'No track in view.' : 'No boxes: where the camera sits was not recorded.');
}

function connectCamera() {
  const names = [...new Set(state.scene.pictures.map((each) => each.camera))].sort();
  if (!names.length) return;
  byId('camera-card').hidden = false;
  camera.name = names[0];
  const buttons = names.map((name) => make('button', { type: 'button', 'aria-pressed': String(name === camera.name), onclick: () => {
    camera.name = name;
    buttons.forEach((button, at) => button.setAttribute('aria-pressed', String(names[at] === name)));
    drawCamera();
  } }, name));
  if (names.length > 1) byId('cameras').append(...buttons);
}
