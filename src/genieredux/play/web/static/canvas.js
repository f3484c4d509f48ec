// The canvas of a dream: everything that it has shown, laid at its place (models/dynamics/canvas/sheet.py, which says
// why). Every sum is rounded to float32 as there, so that the same pixels are known. Pictures are Float32Array, channel
// after channel. A canvas is never changed: what happens to it gives another.
const f = Math.fround;
const EVEN = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// colours: 3 x S x S, known: S x S, offset: [down, right]. S = size + 2 * margin. whole: nothing is laid or read between
// pixels.
export function canvasOf(frame, size, margin, whole) {
  const side = size + 2 * margin;
  const colours = new Float32Array(3 * side * side);
  const known = new Float32Array(side * side);
  for (let y = 0; y < size; y += 1) {
    const at = (y + margin) * side + margin;
    known.fill(1, at, at + size);
    for (let c = 0; c < 3; c += 1) colours.set(frame.subarray((c * size + y) * size, (c * size + y + 1) * size), c * side * side + at);
  }
  return { colours, known, offset: [0, 0], size, margin, side, whole };
}

// The picture's content moves by `shift`: the window moves the other way.
export function moved(canvas, shift) {
  const target = canvas.offset.map((offset, axis) => f(offset - shift[axis]));
  const [down, right] = target.map(EVEN);
  const offset = target.map((one) => f(one - EVEN(one)));
  if (!down && !right) return { ...canvas, offset };
  const roll = (planes, count) => {
    const { side } = canvas;
    const made = new Float32Array(planes.length);
    for (let c = 0; c < count; c += 1) {
      for (let y = Math.max(0, -down); y < side - Math.max(0, down); y += 1) {
        const [from, to] = [Math.max(0, right), side - Math.max(0, -right)];
        const row = (c * side + y + down) * side;
        if (from < to) made.set(planes.subarray(row + from, row + to), (c * side + y) * side + Math.max(0, -right));
      }
    }
    return made;
  };
  return { ...canvas, offset, colours: roll(canvas.colours, 3), known: roll(canvas.known, 1) };
}

// What is seen through the window: {view: 3 x size x size, known: size x size}.
export function seen(canvas, limit) {
  const { size, side } = canvas;
  const planes = [0, 1, 2].map((c) => canvas.colours.subarray(c * side * side, (c + 1) * side * side));
  const corner = between(canvas).map((one) => f(one + canvas.margin));
  const [red, green, blue, share] = [...planes, canvas.known].map((plane) => cut(plane, side, corner, size));
  const view = new Float32Array(3 * size * size);
  const known = new Float32Array(size * size);
  const least = f(limit);
  for (let i = 0; i < known.length; i += 1) {
    if (share[i] <= least) continue;
    known[i] = 1;
    const by = Math.max(share[i], 0.5);
    [red, green, blue].forEach((plane, c) => { view[c * known.length + i] = clamp(f(plane[i] / by), 0, 1); });
  }
  return { view, known };
}

// Lay a frame where nothing is known, and where `over` says so.
export function written(canvas, frame, over) {
  const { size, side, margin } = canvas;
  const offset = between(canvas);
  const area = size * size;
  const corner = offset.map((one) => f(2 - one));
  const planes = [0, 1, 2].map((c) => frame.subarray(c * area, (c + 1) * area));
  const laid = [...planes, over].map((plane) => cut(padded(plane, size), size + 4, corner, size));
  const colours = canvas.colours.slice();
  const known = canvas.known.slice();
  const inside = offset.map((one) => Uint8Array.from({ length: size }, (_, k) => f(k - one) >= 0 && f(k - one) <= size - 1));
  for (let y = 0, i = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1, i += 1) {
      const at = (y + margin) * side + margin + x;
      if (!inside[0][y] || !inside[1][x] || (known[at] >= 0.5 && laid[3][i] <= 0.5)) continue;
      known[at] = 1;
      for (let c = 0; c < 3; c += 1) colours[c * side * side + at] = clamp(laid[c][i], 0, 1);
    }
  }
  return { ...canvas, colours, known };
}

// Where a frame differs from what the canvas shows, 0 or 1. but: where this share is 0.5 or more, it does not count.
export function changes(frame, view, limit, but = null) {
  const area = frame.length / 3;
  const least = f(limit);
  return Float32Array.from({ length: area }, (_, i) => {
    const far = Math.max(...[0, 1, 2].map((c) => Math.abs(f(frame[c * area + i] - view[c * area + i]))));
    return far > least && (but === null || but.share[i] < but.least) ? 1 : 0;
  });
}

// How far between its pixels the canvas is looked at.
function between({ offset, whole }) {
  return whole ? [0, 0] : offset;
}

function padded(plane, size) {
  const side = size + 4;
  const made = new Float32Array(side * side);
  for (let y = 0; y < side; y += 1) {
    const row = clamp(y - 2, 0, size - 1) * size;
    for (let x = 0; x < side; x += 1) made[y * side + x] = plane[row + clamp(x - 2, 0, size - 1)];
  }
  return made;
}

// `size` x `size` pixels of a plane whose upper left is at `corner`, by cubic convolution (Keys 1981, a = -0.75).
function cut(plane, side, corner, size) {
  const [top, left] = corner.map(Math.floor);
  if (corner.every(Number.isInteger)) return part(plane, side, top, left, size);
  const [down, right] = corner.map((one) => taps(f(one - Math.floor(one))));
  const wide = size + 3;
  const rows = new Float32Array(size * wide);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum = f(sum + f(plane[(top - 1 + y + k) * side + left - 1 + x] * down[k]));
      rows[y * wide + x] = sum;
    }
  }
  const made = new Float32Array(size * size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum = f(sum + f(rows[y * wide + x + k] * right[k]));
      made[y * size + x] = sum;
    }
  }
  return made;
}

function part(plane, side, top, left, size) {
  const made = new Float32Array(size * size);
  for (let y = 0; y < size; y += 1) {
    const from = (top + y) * side + left;
    made.set(plane.subarray(from, from + size), y * size);
  }
  return made;
}

function taps(fraction) {
  return [f(1 + fraction), fraction, f(1 - fraction), f(2 - fraction)].map((x) => (x <= 1
    ? f(f(f(f(f(1.25 * x) - 2.25) * x) * x) + 1)
    : f(f(f(f(f(f(-0.75 * x) + 3.75) * x) - 6) * x) + 3)));
}
