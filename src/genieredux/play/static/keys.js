// What is held down: keys, buttons on the page, a gamepad. Each is a source of "pieces" (RIGHT, JUMP, ...); the server
// makes an action of those that are down. Everything is let go when the window loses the focus or the connection breaks.

const DEAD = 0.5; // of a stick
const PAD_WAYS = { 12: "UP", 13: "DOWN", 14: "LEFT", 15: "RIGHT" };

export class Keys {
  // changed(pieces, number, pressed): something new is held; number counts such changes.
  constructor(changed) {
    this.changed = changed;
    this.pressed = new Map(); // source -> pieces, in order of pressing
    this.bindings = {};
    this.buttons = []; // pieces for a gamepad's buttons
    this.last = "[]";
    this.number = 0;
    this.commands = {}; // gamepad button -> what it does
    this.padDown = new Set();
    window.addEventListener("blur", () => this.clear());
    document.addEventListener("visibilitychange", () => this.clear());
    window.addEventListener("keyup", (event) => this.release(event.code));
    window.addEventListener("gamepadconnected", () => this.poll());
    if (navigator.getGamepads && [...navigator.getGamepads()].some(Boolean)) this.poll();
  }

  bind(hello) {
    this.bindings = hello.keys;
    const pieces = [...new Set(hello.chords.flat())];
    this.buttons = pieces.filter((piece) => !Object.values(PAD_WAYS).includes(piece));
    if (!this.buttons.length && pieces.includes("UP")) this.buttons = ["UP"]; // where UP is the jump
  }

  held() { return [...new Set([...this.pressed.values()].flat().reverse())].reverse(); }

  press(source, pieces) { this.pressed.delete(source); this.pressed.set(source, pieces); this.tell(); }

  release(source) { if (this.pressed.delete(source)) this.tell(); }

  clear() { this.pressed.clear(); this.padDown.clear(); this.tell(); }

  // A new connection knows of nothing that is down.
  forget() { this.pressed.clear(); this.last = "[]"; }

  tell() {
    const held = this.held();
    const now = JSON.stringify(held);
    if (now === this.last) return;
    const before = JSON.parse(this.last);
    this.last = now;
    this.number += 1;
    this.changed(held, this.number, held.some((piece) => !before.includes(piece)));
  }

  poll() {
    if (this.polling) return;
    this.polling = true;
    const look = () => {
      const pads = [...navigator.getGamepads()].filter(Boolean);
      if (!pads.length) { this.polling = false; this.release("gamepad"); return; }
      this.look(pads[0]);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  look(pad) {
    const [x = 0, y = 0] = pad.axes;
    const pieces = [];
    if (x > DEAD) pieces.push("RIGHT");
    if (x < -DEAD) pieces.push("LEFT");
    if (y > DEAD) pieces.push("DOWN");
    if (y < -DEAD) pieces.push("UP");
    pad.buttons.forEach((button, index) => {
      if (!button.pressed) { this.padDown.delete(index); return; }
      if (PAD_WAYS[index]) pieces.push(PAD_WAYS[index]);
      else if (index < 4 && this.buttons.length) pieces.push(this.buttons[index % this.buttons.length]);
      else if (this.commands[index] && !this.padDown.has(index)) { this.padDown.add(index); this.commands[index](); }
    });
    const known = pieces.filter((piece) => this.bindings && Object.values(this.bindings).includes(piece));
    if (known.length) {
      if (JSON.stringify(known) !== JSON.stringify(this.pressed.get("gamepad"))) this.press("gamepad", known);
    } else this.release("gamepad");
  }
}
