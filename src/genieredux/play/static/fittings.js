// What the page of `genieredux play` and that of an exported world have in common, written once: the buttons of time, the
// figures, seed and speed. A page says with data-fit where each goes, and with data-has which figures it has.

const BUTTONS = [
  ["restart", "Restart", "R", "Begin there again, with other noise"],
  ["next", "Next start", "N", ""],
  ["back", "Back", ",", "One frame back"],
  ["pause", "Pause", "P", ""],
  ["single", "Step", ".", "One frame on"],
  ["keep", "Keep going", "K", "Go on with the last action when no key is down"],
];
const SWITCHES = ["pause", "keep"]; // which are down, or not

const FIGURES = {
  action: ["Action", "none", ""],
  number: ["Frame", "0", ""],
  fps: ["Frames a second", "–", ""],
  ms: ["Time to dream one", "–", ""],
  latency: ["Key to picture", "–", "From a key to the picture that it made: half of them are faster than the first number, 95 in 100 than the second"],
  unsure: ["Unsure", "–", "Mean entropy of the frame's tokens"],
};

function made(name, given = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given)) if (value !== "") element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

const FIT = {
  transport(place) {
    for (const [name, text, key, title] of BUTTONS) {
      const button = made("button", { type: "button", "data-do": name, title }, `${text} `, made("kbd", {}, key));
      if (SWITCHES.includes(name)) button.setAttribute("aria-pressed", "false");
      place.append(button);
    }
  },
  readout(place) {
    const rows = place.dataset.has.split(" ").map((id) => {
      const [name, nothing, title] = FIGURES[id];
      return made("div", {}, made("dt", { title }, name), made("dd", { id }, nothing));
    });
    place.prepend(...rows);
  },
  seed(place) {
    const numbers = { type: "number", min: "0", max: "1099511627776", step: "1", value: "0", inputmode: "numeric" };
    place.append(
      made("label", { for: "seed" }, "Seed"), made("input", { id: "seed", ...numbers }), made("button", { type: "submit" }, "Dream it"),
    );
  },
  speed(place) {
    const range = { id: "speed", type: "range", min: "1", max: "60", step: "1", value: "15" };
    place.append(made("span", {}, "Speed"), made("input", range), made("output", { id: "speed-shown" }, "15 fps"));
  },
};

for (const place of document.querySelectorAll("[data-fit]")) FIT[place.dataset.fit](place);
