// The buttons below the picture: directions as a cross, the rest in a row. Several fingers press several; a finger that
// slides from one to the next presses the next.

const ARROWS = { RIGHT: "→", LEFT: "←", UP: "↑", DOWN: "↓" };
const NAMES = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Space: "space" };

export function keyName(code) { return NAMES[code] || code.replace(/^(Key|Digit)/, ""); }

export function keysOf(hello, piece) {
  return Object.keys(hello.keys).filter((code) => hello.keys[code] === piece).map(keyName);
}

export class TouchPad {
  constructor(element, keys) {
    this.element = element;
    this.keys = keys;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, (event) => this.keys.release(`p${event.pointerId}`));
    }
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("keydown", (event) => {
      const button = event.target.closest("button");
      if (button && event.code === "Enter" && !event.repeat) { event.preventDefault(); this.keys.press("Enter", [button.dataset.piece]); }
    });
    // A screen reader's "click" comes without a pointer: it counts as a short press.
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || event.detail !== 0) return;
      this.keys.press("click", [button.dataset.piece]);
      setTimeout(() => this.keys.release("click"), 60);
    });
  }

  build(hello) {
    const pieces = [...new Set(hello.chords.flat())];
    const note = (piece) => {
      const action = hello.chords.findIndex((chord) => chord.length === 1 && chord[0] === piece);
      return (action >= 0 && hello.notes[action]) || "";
    };
    const button = (piece) => {
      const made = document.createElement("button");
      made.type = "button";
      made.dataset.piece = piece;
      const sign = document.createElement("b");
      sign.textContent = ARROWS[piece] || piece.toLowerCase().replace("latent_", "code ");
      const small = document.createElement("small");
      small.textContent = note(piece) || (ARROWS[piece] ? piece.toLowerCase() : keysOf(hello, piece).slice(0, 1).join("") || "no key");
      made.append(sign, small);
      made.setAttribute("aria-label", `${piece} ${note(piece)}`.trim());
      return made;
    };
    const ways = document.createElement("div");
    ways.className = "ways";
    ways.append(...["UP", "LEFT", "DOWN", "RIGHT"].filter((way) => pieces.includes(way)).map(button));
    const rest = document.createElement("div");
    rest.className = "rest";
    rest.append(...pieces.filter((piece) => !ARROWS[piece]).map(button));
    const parts = [ways, rest].filter((part) => part.children.length);
    this.element.replaceChildren(...parts);
    this.element.classList.toggle("single", parts.length < 2);
  }

  show(held) {
    for (const button of this.element.querySelectorAll("button")) {
      button.classList.toggle("down", held.includes(button.dataset.piece));
    }
  }

  down(event) {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
    this.element.setPointerCapture(event.pointerId);
    this.keys.press(`p${event.pointerId}`, [button.dataset.piece]);
  }

  move(event) {
    const source = `p${event.pointerId}`;
    if (!this.keys.pressed.has(source)) return;
    const below = document.elementFromPoint(event.clientX, event.clientY);
    const button = below && this.element.contains(below) ? below.closest("button") : null;
    if (button && this.keys.pressed.get(source)[0] !== button.dataset.piece) this.keys.press(source, [button.dataset.piece]);
  }
}
