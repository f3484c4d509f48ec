"use strict";

// Tables that sort: a click on a head sorts by its column, another one the other way round.
(() => {
  const key = (row, place) => {
    const cell = row.cells[place];
    const value = cell.dataset.value;
    return value === undefined ? cell.textContent.trim() : Number(value);
  };
  const before = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === "number") return -1; // what is no number goes last
    if (typeof b === "number") return 1;
    return a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") === "descending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((a, b) => {
          const [one, two] = [key(a, place), key(b, place)];
          if (typeof one !== typeof two) return before(one, two);
          return rising ? before(one, two) : before(two, one);
        });
        body.append(...rows);
      });
    });
  }
})();

// One clock for every film of the page: they share the custom property --t, so they can never drift apart.
(() => {
  const root = document.documentElement;
  const scrub = document.getElementById("scrub");
  if (!scrub) return;
  const toggle = document.getElementById("toggle");
  const output = document.getElementById("frame");
  const films = [...document.querySelectorAll(".film")];
  const cards = [...document.querySelectorAll(".clip")].map((card) => ({
    card,
    prompt: Number(card.dataset.prompt),
    actions: JSON.parse(card.dataset.actions),
    when: card.querySelector(".when"),
    action: card.querySelector(".action"),
    lanes: [...card.querySelectorAll(".lane")].map((lane) => ({
      decibel: JSON.parse(lane.dataset.decibel),
      quality: lane.querySelector(".quality"),
    })),
  }));
  const prompt = cards.length ? cards[0].prompt : 1;
  const last = Math.max(...films.map((film) => Number(film.style.getPropertyValue("--frames")))) - 1;
  const hold = 4; // ticks to rest on the last frame
  let now = 0;
  let rest = 0;
  let timer = null;

  const label = (t) => (t < prompt ? "given" : `+${t - prompt + 1}`);

  function show(t) {
    now = t;
    root.style.setProperty("--t", t);
    scrub.value = t;
    output.textContent = label(t);
    for (const one of cards) {
      const k = Math.min(t, one.actions.length - 1);
      one.when.textContent = label(k);
      one.action.textContent = one.actions[k];
      for (const lane of one.lanes) lane.quality.textContent = lane.decibel[k];
      one.card.classList.toggle("given", k < one.prompt);
    }
  }

  function tick() {
    if (now < last) show(now + 1);
    else if (++rest > hold) { rest = 0; show(0); }
  }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(tick, 200) : null;
    toggle.textContent = on ? "Pause" : "Play";
    toggle.setAttribute("aria-label", on ? "Pause all films" : "Play all films");
  }

  scrub.max = last;
  scrub.addEventListener("input", () => { play(false); show(Number(scrub.value)); });
  toggle.addEventListener("click", () => play(timer === null));
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  show(still ? Math.min(prompt + 3, last) : 0);
  play(!still);
})();
