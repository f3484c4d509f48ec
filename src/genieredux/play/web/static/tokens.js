// Random numbers as torch draws them on a CPU, and which token is taken (models/sampling.py, models/world/dream.py: Noise).
const f = Math.fround;

// The Mersenne twister MT19937 (Matsumoto and Nishimura 1998), 32 bits at a time.
export class Twister {
  constructor(seed) { // BigInt; the lower 32 bits count
    const state = new Uint32Array(624);
    state[0] = Number(seed & 0xffffffffn);
    for (let i = 1; i < 624; i += 1) {
      const x = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, x) + i;
    }
    this.state = state;
    this.at = 624;
  }

  next() {
    const s = this.state;
    if (this.at === 624) {
      for (let i = 0; i < 624; i += 1) {
        const y = (s[i] & 0x80000000) | (s[(i + 1) % 624] & 0x7fffffff);
        s[i] = s[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.at = 0;
    }
    let y = s[this.at];
    this.at += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  // In [0, 1), 24 bits, as torch.rand in float32.
  uniform() { return (this.next() & 0xffffff) / 0x1000000; }
}

// The Gumbel noise of the first step of frame `frame` of the dream `seed`: Float32Array of `count`.
export function gumbel(seed, frame, count) {
  const twister = new Twister((BigInt(seed) * 1000003n + BigInt(frame)) & ((1n << 63n) - 1n));
  return Float32Array.from({ length: count }, () => {
    const u = f(twister.uniform() + f(1e-20));
    return -f(Math.log(-f(Math.log(u))));
  });
}

// {token, entropy in nats, owed}. A grid of one token is decided at the first step, whatever the number of steps. owed:
// what motions owe those that were wanted, before and after.
export function choose(logits, { codes, around, likely, lost }, sampling, seed, frame, owed) {
  const most = Math.max(...logits);
  const weights = Array.from(logits, (one) => Math.exp(one - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  const chances = weights.map((weight) => weight / sum);
  const entropy = -chances.reduce((all, p) => all + (p > 0 ? p * Math.log(p) : 0), 0);
  const drawn = taken(logits, chances, codes, sampling, seed, frame);
  const near = chances.map((p, k) => ([0, 1].every((axis) => Math.abs(codes[k][axis] - codes[drawn][axis]) <= around) ? p : 0));
  const least = likely * Math.max(...near);
  const { token, left } = settled(near.map((p) => (p >= least ? p : 0)), codes, owed);
  return { token, entropy, owed: Math.hypot(...left) > lost ? [0, 0] : left };
}

// See `settled` of models/dynamics/canvas/motion.py; what it wanted less what is taken is `left`.
function settled(chances, codes, owed) {
  const all = chances.reduce((sum, p) => sum + p, 0);
  const wanted = owed.map((one, axis) => one + chances.reduce((sum, p, k) => sum + (p / all) * codes[k][axis], 0));
  const rest = (code) => wanted.map((one, axis) => one - code[axis]);
  const token = largest(chances.map((p, k) => (p > 0 ? -(rest(codes[k])[0] ** 2 + rest(codes[k])[1] ** 2) : -Infinity)));
  return { token, left: rest(codes[token]) };
}

function taken(logits, chances, codes, { choice, temperature, steps }, seed, frame) {
  if (choice === "mean") {
    const mean = [0, 1].map((axis) => chances.reduce((all, p, k) => all + p * codes[k][axis], 0));
    return largest(codes.map(([a, b]) => a * mean[0] + b * mean[1] - (a * a + b * b) / 2));
  }
  const heat = temperature * (choice === "sample" ? 1 : (steps - 1) / steps);
  if (heat === 0) return largest(logits);
  const noise = gumbel(seed, frame, logits.length);
  return largest(logits.map((one, k) => f(one + f(f(heat) * noise[k]))));
}

function largest(values) {
  let best = 0;
  for (let k = 1; k < values.length; k += 1) if (values[k] > values[best]) best = k;
  return best;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

// CRC-32 of all tokens so far, as `genieredux play` counts them: `before`, and one token more.
export function checksum(before, token) {
  let c = ~before;
  for (const byte of new Uint8Array(new Int32Array([token]).buffer)) c = TABLE[(c ^ byte) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}
