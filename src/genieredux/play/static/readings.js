// Figures: frames a second, the time to dream one, and the time from a key to the picture that it made.

const WINDOW_MS = 2000;
const MOST = 200; // latencies that are kept

function quantile(sorted, share) { return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]; }

export class Readings {
  constructor() { this.stamps = new Map(); this.latencies = []; this.begin(); }

  begin() { this.times = []; }

  // A key went down: `number` stands for it until a picture says that it was heeded.
  pressed(number, time) { this.stamps.set(number, time); }

  forget() { this.stamps.clear(); }

  // A picture that heeded all keys up to `took` was drawn.
  drawn(head, time) {
    if (head.number === 0) this.begin();
    this.times = [...this.times.filter((then) => time - then < WINDOW_MS), time];
    for (const [number, pressed] of this.stamps) {
      if (number > head.took) continue;
      this.stamps.delete(number);
      if (head.by === "person" && time - pressed < 5000) this.latencies = [...this.latencies, time - pressed].slice(-MOST);
    }
  }

  get fps() {
    const span = this.times.length > 1 ? this.times[this.times.length - 1] - this.times[0] : 0;
    return span ? (1000 * (this.times.length - 1)) / span : null;
  }

  // [p50, p95] in ms, or null.
  get latency() {
    if (!this.latencies.length) return null;
    const sorted = [...this.latencies].sort((a, b) => a - b);
    return [quantile(sorted, 0.5), quantile(sorted, 0.95)];
  }
}
