// Pictures on canvases: the dream, the heat map over it, the real game, the difference of both; and how large they are.

const STOPS = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
const get = (id) => document.getElementById(id);

export function paint(canvas, rgb, rows, columns) {
  if (canvas.width !== columns || canvas.height !== rows) { canvas.width = columns; canvas.height = rows; }
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) {
    image.data[j] = rgb[i];
    image.data[j + 1] = rgb[i + 1];
    image.data[j + 2] = rgb[i + 2];
    image.data[j + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low].map((channel, c) => channel + (STOPS[low + 1][c] - channel) * (place - low));
}

export class Screen {
  constructor() {
    this.view = "dream";
    this.game = false; // whether a real game is beside
    this.size = 64;
    this.top = 1; // nats at the bright end of the heat map: the most seen so far
    new ResizeObserver(() => this.fit()).observe(get("screens").parentElement);
    window.addEventListener("resize", () => this.fit());
  }

  begin(size) { this.size = size; this.top = 1; this.fit(); }

  // moment: {rgb, game, entropy, rows, columns, grid, wrong}
  draw(moment) {
    const { rgb, game, entropy, rows, columns } = moment;
    paint(get("frame"), rgb, rows, columns);
    if (this.game !== Boolean(game)) { this.game = Boolean(game); this.show(this.game ? "both" : "dream"); }
    if (game) {
      paint(get("real"), game, rows, columns);
      const apart = new Uint8ClampedArray(rgb.length);
      let sum = 0;
      for (let i = 0; i < rgb.length; i += 1) {
        const difference = Math.abs(rgb[i] - game[i]);
        sum += difference * difference;
        apart[i] = 2 * difference;
      }
      paint(get("difference"), apart, rows, columns);
      get("psnr").textContent = sum ? `${(10 * Math.log10((255 * 255 * rgb.length) / sum)).toFixed(1)} dB` : "none";
    }
    this.drawHeat(entropy, moment.grid);
    get("dream").classList.toggle("wrong", moment.wrong);
    get("wrong").hidden = !moment.wrong;
  }

  drawHeat(entropy, [rows, columns]) {
    const canvas = get("heat");
    canvas.width = Math.max(columns, 1); // also clears it
    canvas.height = Math.max(rows, 1);
    if (!entropy.length) return;
    for (const value of entropy) this.top = Math.max(this.top, value);
    get("top").textContent = this.top.toFixed(1);
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    // Clear where the world was sure, so that the picture stays visible below.
    entropy.forEach((value, i) => {
      const share = value / this.top;
      image.data.set([...colour(share), 255 * Math.min(0.85, 1.5 * share)], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }

  show(view) {
    this.view = this.game ? view : "dream";
    get("views").hidden = !this.game;
    get("dream").hidden = this.view === "game";
    get("game").hidden = !["game", "both"].includes(this.view);
    get("apart").hidden = this.view !== "apart";
    for (const button of get("views").children) button.setAttribute("aria-pressed", button.dataset.view === this.view);
    this.fit();
  }

  // TAB: from the dream to the real game and back.
  toggle() { this.show(this.view === "game" ? "dream" : this.view === "dream" ? "game" : "dream"); }

  // Every dreamed pixel is a square of whole pixels of the display, as large as there is room for.
  fit() {
    const ratio = window.devicePixelRatio || 1;
    const columns = [...get("screens").children].filter((figure) => !figure.hidden).length;
    const gaps = parseFloat(getComputedStyle(get("screens")).columnGap) * (columns - 1);
    const width = get("screens").parentElement.clientWidth;
    // Whatever stands above and below stays in reach: the buttons end where the window does.
    const bottom = get("pad").getBoundingClientRect().bottom + window.scrollY;
    const glass = get("screens").querySelector("figure:not([hidden]) .glass").getBoundingClientRect().height;
    const height = Math.max(window.innerHeight - Math.ceil(bottom - glass) - 10, 192);
    const room = Math.min((width - gaps) / columns, height);
    const side = (Math.max(1, Math.floor((room * ratio) / this.size)) * this.size) / ratio;
    const style = document.documentElement.style;
    if (Math.abs(side - glass) >= 0.5) style.setProperty("--side", `${side}px`); // less is the rounding of the browser
    style.setProperty("--row", `${Math.min(width, Math.max(480, side * columns + gaps))}px`);
  }
}
