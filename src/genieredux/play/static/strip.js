// What was: the pictures since the dream began, a row of some of them, and a slider over all. Choosing one goes back to
// it; what came after is forgotten, here as in the dream.
import { paint } from "./screen.js";

const MOST = 1001;

export class Strip {
  // told: {preview(moment or null), back(number)}
  constructor(thumbs, slider, told) {
    this.thumbs = thumbs;
    this.slider = slider;
    this.told = told;
    this.moments = [];
    this.drawn = false;
    slider.addEventListener("input", () => { this.dragging = true; this.told.preview(this.find(Number(slider.value))); });
    slider.addEventListener("change", () => {
      const number = Number(slider.value);
      this.dragging = false;
      this.told.preview(null);
      if (number < this.latest) this.told.back(number);
    });
    thumbs.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.told.back(Number(button.dataset.number));
    });
    new ResizeObserver(() => this.later()).observe(thumbs);
  }

  get latest() { return this.moments.length ? this.moments[this.moments.length - 1].number : 0; }

  find(number) { return this.moments[number - this.moments[0].number] || null; }

  add(moment, oldest) {
    const past = this.moments;
    while (past.length && past[past.length - 1].number >= moment.number) past.pop();
    if (past.length && past[past.length - 1].number !== moment.number - 1) past.length = 0; // frames were missed
    past.push(moment);
    while (past.length > MOST || past[0].number < oldest) past.shift();
    this.later();
  }

  later() {
    if (this.drawn) return;
    this.drawn = true;
    setTimeout(() => { this.drawn = false; this.update(); }, 120);
  }

  update() {
    if (!this.moments.length) return;
    const first = this.moments[0].number;
    this.slider.min = first;
    this.slider.max = this.latest;
    this.slider.disabled = this.latest === first;
    if (!this.dragging) this.slider.value = this.latest;
    this.slider.setAttribute("aria-valuetext", `frame ${this.slider.value} of ${this.latest}`);
    const each = this.thumbs.firstChild ? this.thumbs.firstChild.offsetWidth + 4 : 58;
    const room = Math.max(1, Math.floor((this.thumbs.clientWidth - 4) / each));
    let every = 1;
    while ((this.latest - first) / every >= room) every *= 2;
    const wanted = this.moments.filter((moment) => moment.number % every === 0).slice(-room);
    const there = new Map([...this.thumbs.children].map((button) => [Number(button.dataset.number), button]));
    this.thumbs.replaceChildren(...wanted.map((moment) => {
      const old = there.get(moment.number);
      return old && old.moment === moment ? old : this.thumb(moment);
    }));
  }

  thumb(moment) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.number = moment.number;
    button.moment = moment;
    button.setAttribute("aria-label", `Go back to frame ${moment.number}`);
    const canvas = document.createElement("canvas");
    paint(canvas, moment.rgb, moment.rows, moment.columns);
    button.append(canvas);
    return button;
  }
}
