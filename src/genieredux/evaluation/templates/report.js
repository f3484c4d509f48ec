// One clock for every film of the page: they share the custom property --t, so they can never drift apart.
"use strict";
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
    decibel: JSON.parse(card.dataset.decibel),
    when: card.querySelector(".when"),
    action: card.querySelector(".action"),
    quality: card.querySelector(".quality"),
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
      one.quality.textContent = one.decibel[k];
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
