// Numbers of an axis: extents, round ticks, how a number is written.

function finite(values) {
  return values.filter((value) => value !== null && Number.isFinite(value));
}

// Ends of an axis around values, with a margin of 1/25 on both sides; a single value gets a room of its own.
function extent(values) {
  const known = finite(values);
  if (!known.length) return [0, 1];
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const room = (high - low || Math.abs(high) || 1) / 25;
  return [low - room, high + room];
}

// Round numbers between two ends: steps of 1, 2 or 5 times a power of ten.
function ticks(low, high, wanted) {
  const raw = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

// At most four digits after the point, fewer for large numbers, four in all for tiny ones, never minus zero.
function written(value) {
  if (value === null || value === undefined) return "undefined";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size > 0 && size < 0.01) return String(Number(value.toPrecision(4)));
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 4;
  return String(Number(value.toFixed(digits)) + 0);
}

// A whole number as Python writes it: a half goes to the even one.
function whole(value) {
  const up = Math.round(value);
  return String(up - value === 0.5 && up % 2 ? up - 1 : up);
}

// Colours and shapes in the order of the printed figures (reports/figures/style.py): alike up to 105 classes.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "text"];
const SHAPES = [
  { corners: 0 }, // a circle
  { corners: 4, turn: 1 / 8, size: 1.15 },
  { corners: 3, size: 1.25 },
  { corners: 4, size: 1.25 },
  { corners: 3, turn: 1 / 2, size: 1.25 },
  { strokes: 0, open: true, size: 1.2 },
  { strokes: 1 / 8, open: true, size: 1.2 },
  { corners: 3, turn: 3 / 4, size: 1.25 },
  { corners: 3, turn: 1 / 4, size: 1.25 },
  { corners: 5, size: 1.15 },
  { corners: 6, size: 1.1 },
  { corners: 0, open: true },
  { corners: 4, open: true, size: 1.25 },
  { corners: 3, open: true, size: 1.25 },
  { corners: 4, turn: 1 / 8, open: true, size: 1.15 },
];
const DASHES = [[], [7, 4], [9, 3, 2, 3], [2, 3]];

// Shades of shares, those of the printed matrices (cividis from its light end, in 256 steps): between the stops they
// are straight to 3 of 255. They grow with the root of the share, so that one video of a hundred is seen.
const SHADES = [
  [0, 0xfee838], [4, 0xfde334], [23, 0xe7d150], [50, 0xc9b965], [76, 0xaea371], [108, 0x8f8a78],
  [203, 0x36466c], [221, 0x1e3a6f], [227, 0x123570], [232, 0x013271], [234, 0x003170], [255, 0x00224e],
];

function shadeOf(share) {
  const place = 255 * Math.sqrt(Math.min(1, Math.max(0, share)));
  const above = Math.max(1, SHADES.findIndex(([stop]) => stop >= place));
  const [[low, from], [high, to]] = [SHADES[above - 1], SHADES[above]];
  const part = (place - low) / (high - low);
  const channel = (shift) => Math.round(((from >> shift) & 255) * (1 - part) + ((to >> shift) & 255) * part);
  return `rgb(${channel(16)}, ${channel(8)}, ${channel(0)})`;
}

// Keep a name's direction its own affair where it is drawn.
function isolated(name) {
  return `\u2068${name}\u2069`;
}

function styleOf(place) {
  return {
    colour: COLOURS[place % COLOURS.length],
    shape: SHAPES[Math.floor(place / COLOURS.length) % SHAPES.length],
    dash: DASHES[place % DASHES.length],
  };
}

// Add one point's shape to the path of a canvas.
function tracePoint(context, shape, x, y, radius) {
  const r = radius * (shape.size ?? 1);
  const at = (turns) => [x + r * Math.sin(2 * Math.PI * turns), y - r * Math.cos(2 * Math.PI * turns)];
  if (shape.corners === 0) {
    context.moveTo(x + r, y);
    context.arc(x, y, r, 0, 2 * Math.PI);
  } else if (shape.corners) {
    for (let corner = 0; corner < shape.corners; corner += 1) {
      const place = at(corner / shape.corners + (shape.turn ?? 0));
      if (corner) context.lineTo(...place);
      else context.moveTo(...place);
    }
    context.closePath();
  } else {
    for (const turn of [shape.strokes, shape.strokes + 1 / 4]) {
      context.moveTo(...at(turn));
      context.lineTo(...at(turn + 1 / 2));
    }
  }
}
