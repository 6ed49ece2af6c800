// The scene from above, drawn on a canvas. Places are whole centimetres in odom around the report's origin.
'use strict';

const LAYERS = [ // key, name, shown at first, colour of its mark
  ['terrain', 'terrain', true, 'cell-easy'], ['sweep', 'LiDAR sweep', true, 'sweep'], ['points', 'obstacle points', true, 'points'],
  ['lines', 'map', true, 'map-lane'], ['objects', 'tracks', true, 'vehicle'], ['paths', 'predictions', true, 'mode0'],
  ['candidates', 'candidates', true, 'candidate'], ['drive', 'trajectory', true, 'mode2'], ['plan', 'planned, not sent', true, 'ego'], ['stop', 'contingency stop', true, 'stop'],
  ['truth', 'ground truth', true, 'truth'],
];
const CELLS = ['', 'cell-filled', 'cell-easy', 'cell-fair', 'cell-hard', 'cell-rough', 'cell-hole', 'cell-obstacle'];
const CELL_NAMES = ['not known', 'filled in', 'easy', 'fair', 'hard', 'rough', 'hole', 'obstacle'];
const RAMP = ['#5b2a86', '#2f6fb5', '#1fa187', '#9fce3f', '#fbe14b'];
const LAST_SWEEP_MS = 1100, LAST_LINES_MS = 1100, LAST_TERRAIN_MS = 1100;

const above = { shown: {}, scale: 0, along: 0, across: 0, fastest: 1, place: null, terrain: new Map() };

function hex(text) {
  const whole = text.length === 4 ? '#' + [...text.slice(1)].map((digit) => digit + digit).join('') : text;
  return [1, 3, 5].map((at) => parseInt(whole.slice(at, at + 2), 16));
}

function rampColour(share) {
  const at = clamp(share, 0, 1) * (RAMP.length - 1), low = Math.min(Math.floor(at), RAMP.length - 2), part = at - low;
  const from = hex(RAMP[low]), to = hex(RAMP[low + 1]);
  return `rgb(${from.map((value, channel) => Math.round(value + (to[channel] - value) * part)).join(',')})`;
}

const objectColour = (label) => colour(label >= 1 && label <= 4 ? 'vehicle' : label === 5 || label === 6 ? 'bike' : label === 7 || label === 8 ? 'person' : 'thing');

// The affine map from centimetres to pixels: x -> a dx + c dy + e, y -> b dx + d dy + f, about the vehicle.
function placement(ego, width, height) {
  const heading = ego[2] / 1000, up = byId('view').value === 'heading';
  const s = (above.scale || Math.min(height / 84, width / 64)) / 100;
  const [sine, cosine] = up ? [Math.sin(heading), Math.cos(heading)] : [0, 1];
  const turn = up ? [s * sine, -s * cosine, -s * cosine, -s * sine] : [s * cosine, 0, 0, -s * cosine];
  const e = width / 2 + above.across, f = height * (up ? 0.74 : 0.5) + above.along;
  const [a, b, c, d] = turn;
  return { a, b, c, d, e, f, s, up, width, height, ego, x: (px, py) => a * (px - ego[0]) + c * (py - ego[1]) + e, y: (px, py) => b * (px - ego[0]) + d * (py - ego[1]) + f };
}

function line(context, at, points, step = 2, from = 0) {
  context.beginPath();
  for (let i = from; i + 1 < points.length; i += step) context.lineTo(at.x(points[i], points[i + 1]), at.y(points[i], points[i + 1]));
}

// Corners of a box around x, y: ahead and behind, half its width.
function corners(x, y, heading, ahead, behind, half) {
  const [sine, cosine] = [Math.sin(heading), Math.cos(heading)];
  return [[ahead, half], [ahead, -half], [-behind, -half], [-behind, half]].flatMap(([along, left]) => [x + along * cosine - left * sine, y + along * sine + left * cosine]);
}

function hatch(context) {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const pen = tile.getContext('2d');
  pen.strokeStyle = colour('hatch');
  pen.lineWidth = 1;
  pen.beginPath();
  for (const shift of [-8, 0, 8]) { pen.moveTo(shift - 1, 9); pen.lineTo(shift + 9, -1); }
  pen.stroke();
  return context.createPattern(tile, 'repeat');
}

// One pixel a cell; cells that are not known stay clear, so that the hatching shows.
function terrainImage(terrain) {
  const key = document.documentElement.dataset.theme;
  if (above.terrain.get(terrain)?.key === key) return above.terrain.get(terrain).image;
  const [nx, ny] = terrain.shape, image = document.createElement('canvas');
  image.width = nx;
  image.height = ny;
  const pen = image.getContext('2d'), pixels = pen.createImageData(nx, ny), paint = CELLS.map((name) => (name ? hex(colour(name)) : null));
  for (let i = 0; i < nx; i += 1) {
    for (let j = 0; j < ny; j += 1) {
      const rgb = paint[terrain.cells.charCodeAt(i * ny + j) - 48];
      if (rgb) pixels.data.set([...rgb, 255], 4 * (j * nx + i));
    }
  }
  pen.putImageData(pixels, 0, 0);
  if (above.terrain.size > 30) above.terrain.clear();
  above.terrain.set(terrain, { key, image });
  return image;
}

function drawTerrain(context, at, terrain, ratio) {
  const [nx, ny] = terrain.shape, [x0, y0] = terrain.origin, side = terrain.cell;
  line(context, at, [x0, y0, x0 + nx * side, y0, x0 + nx * side, y0 + ny * side, x0, y0 + ny * side]);
  context.fillStyle = hatch(context);
  context.fill();
  context.save();
  context.setTransform(ratio * at.a * side, ratio * at.b * side, ratio * at.c * side, ratio * at.d * side, ratio * at.x(x0, y0), ratio * at.y(x0, y0));
  context.imageSmoothingEnabled = false;
  context.drawImage(terrainImage(terrain), 0, 0);
  context.restore();
}

function drawGrid(context, at) {
  const step = [5, 10, 20, 50, 100].find((metres) => metres * 100 * at.s >= 55) || 200, marks = [];
  context.strokeStyle = colour('grid');
  context.lineWidth = 1;
  context.beginPath();
  const first = (origin, from) => Math.ceil((from - origin) / (step * 100 * at.s));
  for (let k = first(at.e, 0); at.e + k * step * 100 * at.s <= at.width; k += 1) {
    const x = at.e + k * step * 100 * at.s;
    context.moveTo(x, 0); context.lineTo(x, at.height);
    marks.push([x, at.height - 6, at.up ? -k * step : k * step, 'center']);
  }
  for (let k = first(at.f, 0); at.f + k * step * 100 * at.s <= at.height; k += 1) {
    const y = at.f + k * step * 100 * at.s;
    context.moveTo(0, y); context.lineTo(at.width, y);
    marks.push([6, y + 4, -k * step, 'left']);
  }
  context.stroke();
  return { marks, step };
}

function drawPoints(context, at, points, fill, size) {
  context.fillStyle = fill;
  for (let i = 0; i + 2 < points.length; i += 3) context.fillRect(at.x(points[i], points[i + 1]) - size / 2, at.y(points[i], points[i + 1]) - size / 2, size, size);
}

const LINE_STYLES = [['map-line', 1, [2, 3]], ['map-lane', 1, [6, 5]], ['map-line', 1.3, [5, 4]], ['map-line', 1.6, []], ['map-edge', 2, []], ['stop', 2.4, []], ['map-lane', 2.4, [2, 3]], ['stop', 1.6, [3, 3]]];

function drawLines(context, at, rows) {
  for (const row of rows) {
    const [name, width, dash] = LINE_STYLES[row[0]] || LINE_STYLES[0];
    context.strokeStyle = colour(name);
    context.lineWidth = width;
    context.setLineDash(dash);
    line(context, at, row, 2, 1);
    context.stroke();
  }
  context.setLineDash([]);
}

function drawCandidates(context, at, candidates) {
  context.strokeStyle = context.fillStyle = colour('candidate');
  context.lineWidth = 1;
  for (const row of candidates.paths || []) { line(context, at, row); context.stroke(); }
  for (let i = 0; i + 1 < (candidates.ends || []).length; i += 2) {
    context.beginPath();
    context.arc(at.x(candidates.ends[i], candidates.ends[i + 1]), at.y(candidates.ends[i], candidates.ends[i + 1]), 1.8, 0, 7);
    context.fill();
  }
}

function drawPaths(context, at, paths) {
  for (const object of paths) {
    for (const row of object) {
      context.strokeStyle = colour('mode' + (row[0] % 6));
      context.globalAlpha = 0.3 + 0.7 * row[1] / 100;
      context.lineWidth = 1 + 1.6 * row[1] / 100;
      line(context, at, row, 2, 2);
      context.stroke();
      const x = at.x(row[row.length - 2], row[row.length - 1]), y = at.y(row[row.length - 2], row[row.length - 1]);
      context.fillStyle = context.strokeStyle;
      context.beginPath(); context.arc(x, y, 2.2, 0, 7); context.fill();
    }
  }
  context.globalAlpha = 1;
}

const boxOf = ([, , x, y, heading, length, width]) => corners(x, y, heading / 1000, length / 2, length / 2, width / 2);

function drawObjects(context, at, objects) {
  const few = objects.length <= 25; // else only those that move or matter are named
  for (const row of objects) {
    const [name, label, x, y, , length, , , vx, vy] = row, paint = objectColour(label);
    line(context, at, boxOf(row));
    context.closePath();
    context.globalAlpha = 0.22; context.fillStyle = paint; context.fill();
    context.globalAlpha = 1; context.strokeStyle = paint; context.lineWidth = 1.6; context.stroke();
    if (vx !== null && Math.hypot(vx, vy) > 30) arrow(context, at, x, y, x + vx, y + vy, paint);
    const px = at.x(x, y), py = at.y(x, y);
    if ((few || (label && vx !== null && Math.hypot(vx, vy) > 50)) && px > -20 && px < at.width + 20 && at.s * 100 > 4) words(context, `${LABELS[label]} ${name.slice(0, 4)}`, px + 5 + length * at.s * 0.3, py - 6, { font: '10.5px system-ui, sans-serif', colour: paint });
  }
}

function drawTruth(context, at, objects) {
  context.strokeStyle = colour('truth');
  context.lineWidth = 1.2;
  context.setLineDash([3, 2]);
  for (const row of objects) { line(context, at, boxOf(row)); context.closePath(); context.stroke(); }
  context.setLineDash([]);
}

// As long as the way of one second.
function arrow(context, at, x0, y0, x1, y1, paint) {
  const [ax, ay, bx, by] = [at.x(x0, y0), at.y(x0, y0), at.x(x1, y1), at.y(x1, y1)], angle = Math.atan2(by - ay, bx - ax);
  context.strokeStyle = context.fillStyle = paint;
  context.lineWidth = 1.6;
  context.beginPath(); context.moveTo(ax, ay); context.lineTo(bx, by); context.stroke();
  context.beginPath(); context.moveTo(bx, by);
  for (const side of [-0.45, 0.45]) context.lineTo(bx - 7 * Math.cos(angle + side), by - 7 * Math.sin(angle + side));
  context.fill();
}

function drawDrive(context, at, row) {
  context.lineCap = 'round';
  context.strokeStyle = colour('casing'); context.lineWidth = 6.5;
  line(context, at, row, 3); context.stroke();
  context.lineWidth = 4.2;
  for (let i = 0; i + 5 < row.length; i += 3) {
    context.strokeStyle = rampColour((row[i + 2] + row[i + 5]) / 2 / above.fastest);
    line(context, at, [row[i], row[i + 1], row[i + 3], row[i + 4]]);
    context.stroke();
  }
  context.lineCap = 'butt';
}

// A plan that safety let not out.
function drawPlan(context, at, row) {
  context.strokeStyle = colour('ego'); context.lineWidth = 2; context.setLineDash([2, 4]);
  line(context, at, row, 3); context.stroke(); context.setLineDash([]);
}

function drawStop(context, at, row) {
  const last = row.length - 3, [x, y] = [at.x(row[last], row[last + 1]), at.y(row[last], row[last + 1])];
  context.strokeStyle = colour('stop'); context.lineWidth = 2; context.setLineDash([5, 4]);
  line(context, at, row, 3); context.stroke(); context.setLineDash([]);
  let way = [0, 1];
  for (let i = last - 3; i >= 0; i -= 3) {
    const dx = x - at.x(row[i], row[i + 1]), dy = y - at.y(row[i], row[i + 1]), far = Math.hypot(dx, dy);
    if (far > 2) { way = [dx / far, dy / far]; break; }
  }
  context.lineWidth = 3;
  context.beginPath(); context.moveTo(x - 8 * way[1], y + 8 * way[0]); context.lineTo(x + 8 * way[1], y - 8 * way[0]); context.stroke();
}

// The vehicle and its trailers; a trailer whose angle was not told is drawn straight and dashed.
function drawEgo(context, at, body, now) {
  const [x, y, mrad] = now.ego, heading = mrad / 1000, paint = colour('ego');
  context.strokeStyle = paint; context.fillStyle = paint; context.lineWidth = 2; context.lineJoin = 'round';
  if (body && body.trailer.present) {
    const trailer = body.trailer, known = now.joints && now.joints.length, rear = heading + (known ? now.joints[0] / 1000 : 0);
    const hitch = [x + 100 * trailer.hitch_ahead_m * Math.cos(heading), y + 100 * trailer.hitch_ahead_m * Math.sin(heading)];
    line(context, at, corners(...hitch, rear, 100 * trailer.ahead_of_hitch_m, 100 * (trailer.length_m + trailer.behind_axle_m), 50 * trailer.width_m));
    context.closePath();
    context.globalAlpha = 0.16; context.fill(); context.globalAlpha = 1;
    context.setLineDash(known ? [] : [5, 4]); context.stroke(); context.setLineDash([]);
  }
  const size = body || { front_m: 2, rear_m: 1, width_m: 1.2 };
  line(context, at, corners(x, y, heading, 100 * size.front_m, 100 * size.rear_m, 50 * size.width_m));
  context.closePath();
  context.globalAlpha = 0.32; context.fill(); context.globalAlpha = 1; context.stroke();
  const nose = corners(x, y, heading, 100 * size.front_m, 0, 50 * size.width_m), tip = [x + 100 * (size.front_m * 0.62) * Math.cos(heading), y + 100 * (size.front_m * 0.62) * Math.sin(heading)];
  line(context, at, [...tip, x + 45 * size.width_m * -Math.sin(heading), y + 45 * size.width_m * Math.cos(heading), x - 45 * size.width_m * -Math.sin(heading), y - 45 * size.width_m * Math.cos(heading)]);
  context.closePath(); context.fill();
}

function drawFrame(context, at, grid, now, notes) {
  for (const [x, y, metres, align] of grid.marks) if (align === 'center' ? x > 40 && x < at.width - 60 : y > 24 && y < at.height - 18) words(context, String(metres).replace('-', '\u2212'), x, y, { font: '10.5px system-ui, sans-serif', align, colour: colour('axis') });
  words(context, at.up ? 'forward [m]' : 'odom y [m]', 6, 16, { font: '10.5px system-ui, sans-serif', colour: colour('axis') });
  words(context, at.up ? 'left [m]' : 'odom x [m]', at.width - 6, at.height - 6, { font: '10.5px system-ui, sans-serif', align: 'right', colour: colour('axis') });
  words(context, `${seconds(now.t, 2)}   ${now.mode}`, at.width - 10, 20, { font: '600 14px system-ui, sans-serif', align: 'right', colour: colour(now.mode) });
  words(context, `${number(now.ego[3] / 100)} m/s`, at.width - 10, 38, { align: 'right' });
  words(context, now.stamp, at.width - 10, 54, { font: '10.5px system-ui, sans-serif', align: 'right', colour: colour('axis') });
  notes.forEach((note, row) => words(context, note, at.width - 10, 70 + 15 * row, { font: '10.5px system-ui, sans-serif', align: 'right', colour: colour('axis') }));
  const wide = grid.step * 100 * at.s, [x, y] = [34, at.height - 30];
  context.strokeStyle = colour('text'); context.lineWidth = 2;
  context.beginPath(); context.moveTo(x, y - 4); context.lineTo(x, y); context.lineTo(x + wide, y); context.lineTo(x + wide, y - 4); context.stroke();
  words(context, `${grid.step} m`, x + wide / 2, y - 6, { align: 'center' });
}

function drawAbove() {
  const now = moment(), { context, width, height, ratio } = prepared(byId('above'));
  const at = above.place = placement(now.ego, width, height), on = above.shown, notes = [];
  const kept = (key, oldest, name) => {
    const found = on[key] ? newest(key, oldest) : null;
    if (found && found.age) notes.push(`${name} ${seconds(Math.abs(found.age))} ${found.age > 0 ? 'before' : 'after'}`);
    return found && found.value;
  };
  const terrain = kept('terrain', LAST_TERRAIN_MS, 'terrain');
  if (terrain) drawTerrain(context, at, terrain, ratio);
  const grid = drawGrid(context, at), lines = kept('lines', LAST_LINES_MS, 'map'), sweep = kept('sweep', LAST_SWEEP_MS, 'LiDAR sweep');
  if (sweep) drawPoints(context, at, sweep, colour('sweep'), 1.5);
  if (lines) drawLines(context, at, lines);
  if (on.points && now.points) drawPoints(context, at, now.points, colour('points'), 2);
  if (on.candidates && now.candidates) drawCandidates(context, at, now.candidates);
  if (on.paths && now.paths) drawPaths(context, at, now.paths);
  if (on.truth && now.truth) drawTruth(context, at, now.truth);
  if (on.objects && now.objects) drawObjects(context, at, now.objects);
  if (on.plan && now.plan) drawPlan(context, at, now.plan);
  if (on.drive && now.drive) drawDrive(context, at, now.drive);
  if (on.stop && now.stop) drawStop(context, at, now.stop);
  drawEgo(context, at, state.scene.body, now);
  drawFrame(context, at, grid, now, notes);
}
