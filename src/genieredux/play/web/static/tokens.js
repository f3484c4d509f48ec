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

// {token, entropy in nats}. A grid of one token is decided at the first step, whatever the number of steps.
export function choose(logits, codes, sampling, seed, frame) {
  const most = Math.max(...logits);
  const weights = Array.from(logits, (one) => Math.exp(one - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  const chances = weights.map((weight) => weight / sum);
  const entropy = -chances.reduce((all, p) => all + (p > 0 ? p * Math.log(p) : 0), 0);
  return { token: taken(logits, chances, codes, sampling, seed, frame), entropy };
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
