// Sorting the table of games, and showing only some games in the table and among the cards.
"use strict";
(() => {
  const table = document.querySelector(".games table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const cards = new Map([...document.querySelectorAll(".card")].map((card) => [card.id, card]));
  const heads = [...table.tHead.rows[0].cells];

  const value = (row, column) => {
    const text = row.cells[column].dataset.by;
    return heads[column].dataset.kind === "text" ? text : Number(text);
  };

  function sort(column, down) {
    const sign = down ? -1 : 1;
    const sorted = rows.slice().sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      return (x < y ? -sign : x > y ? sign : 0) || a.dataset.number - b.dataset.number;
    });
    body.append(...sorted);
    heads.forEach((head, k) => head.setAttribute("aria-sort", k !== column ? "none" : down ? "descending" : "ascending"));
  }

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const first = head.dataset.kind !== "text"; // numbers and levels: the largest first
      const now = head.getAttribute("aria-sort");
      sort(column, now === "none" ? first : now === "ascending");
    });
  });

  const chooser = document.querySelector(".choose");
  if (!chooser) return;
  chooser.hidden = false;
  const buttons = [...chooser.querySelectorAll("button")];
  const search = chooser.querySelector("input");
  const output = chooser.querySelector("output");
  let level = "";

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = (!level || row.dataset.level === level) && words.every((word) => row.dataset.words.includes(word));
      row.hidden = !fits;
      cards.get(row.dataset.card).hidden = !fits;
      shown += fits;
    }
    output.textContent = shown === rows.length ? `${shown} games` : `${shown} of ${rows.length} games`;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.level === level)));
  }

  buttons.forEach((button) => button.addEventListener("click", () => { level = button.dataset.level; show(); }));
  search.addEventListener("input", show);
  show();
})();
