// The page's side of a dream. Keys and buttons press "pieces" (RIGHT, UP, ...); the server decides which action they
// make, dreams a frame and sends it; the page draws it and says that it has.
"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const frame = get("frame").getContext("2d");
  const heat = get("heat").getContext("2d");
  const arrows = { RIGHT: "→", LEFT: "←", UP: "↑", DOWN: "↓" };
  const labels = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Space: "space" };
  const stops = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
  const on = { pause: false, keep: false, heat: false };
  const pressed = new Map(); // source (a key or a pointer) -> pieces, in order of pressing
  let hello = null;
  let socket = null;
  let sent = "[]";
  let received = 0;
  let top = 1; // nats at the bright end of the heat map: the most seen so far
  let shown = []; // times of the last frames

  function send(type, value) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, value }));
  }

  function held() {
    return [...new Set([...pressed.values()].flat().reverse())].reverse();
  }

  function changed() {
    const now = JSON.stringify(held());
    if (now === sent) return;
    sent = now;
    send("keys", JSON.parse(now));
    for (const button of get("pad").children) {
      const chord = hello.chords[button.dataset.action];
      button.classList.toggle("down", chord.length > 0 && chord.every((piece) => held().includes(piece)));
    }
    veil();
  }

  function press(source, pieces) { pressed.delete(source); pressed.set(source, pieces); changed(); }
  function release(source) { if (pressed.delete(source)) changed(); }
  function releaseAll() { pressed.clear(); if (hello) changed(); }

  function veil() {
    const waiting = on.pause ? "Paused" : "Press an arrow key, or a button below";
    const still = on.pause || (!held().length && hello && hello.idle === null && !on.keep);
    get("veil").hidden = !still || (!on.pause && received > 1);
    get("veil").textContent = waiting;
    const status = get("status");
    if (socket && socket.readyState === WebSocket.OPEN) {
      status.textContent = on.pause ? "paused" : still ? "waiting for a key" : "dreaming";
    }
  }

  function command(name) {
    if (name === "restart" || name === "next") send(name);
    else {
      on[name] = !on[name];
      document.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", on[name]);
      if (name !== "heat") send(name, on[name]);
      get("heat").hidden = get("legend").hidden = !on.heat;
    }
    veil();
  }

  function colour(value) {
    const place = Math.min(Math.max(value / top, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    return stops[low].map((channel, c) => channel + (stops[low + 1][c] - channel) * (place - low));
  }

  function draw(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const [rows, columns] = head.size;
    const rgb = new Uint8Array(buffer, 4 + length, rows * columns * 3);
    const image = frame.createImageData(columns, rows);
    for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) {
      image.data[j] = rgb[i];
      image.data[j + 1] = rgb[i + 1];
      image.data[j + 2] = rgb[i + 2];
      image.data[j + 3] = 255;
    }
    if (frame.canvas.width !== columns || frame.canvas.height !== rows) {
      frame.canvas.width = columns;
      frame.canvas.height = rows;
    }
    frame.putImageData(image, 0, 0);
    drawHeat(new Float32Array(buffer, 4 + length + rgb.length), head.grid);
    read(head);
    received += 1;
    send("seen", received);
    veil();
  }

  function drawHeat(entropy, [rows, columns]) {
    heat.canvas.width = Math.max(columns, 1); // also clears it
    heat.canvas.height = Math.max(rows, 1);
    if (!entropy.length) { get("unsure").textContent = "–"; return; }
    top = Math.max(top, ...entropy);
    get("top").textContent = top.toFixed(1);
    get("unsure").textContent = `${(entropy.reduce((a, b) => a + b, 0) / entropy.length).toFixed(2)} nats`;
    const image = heat.createImageData(columns, rows);
    // Clear where the world was sure, so that the picture stays visible below.
    entropy.forEach((value, i) => image.data.set([...colour(value), 255 * Math.min(0.85, (1.5 * value) / top)], 4 * i));
    heat.putImageData(image, 0, 0);
  }

  function read(head) {
    const now = performance.now();
    shown = head.number === 0 ? [] : [...shown.filter((time) => now - time < 2000), now];
    const span = shown.length > 1 ? shown[shown.length - 1] - shown[0] : 0;
    get("fps").textContent = span ? ((1000 * (shown.length - 1)) / span).toFixed(1) : "–";
    get("ms").textContent = head.number ? `${head.ms.toFixed(1)} ms` : "–";
    get("number").textContent = head.number;
    get("action").textContent = head.action === null ? "none" : hello.actions[head.action];
    get("start").textContent = `${head.prompt + 1} of ${hello.prompts}`;
  }

  function keysOf(chord) {
    return chord.map((piece) => {
      const key = Object.keys(hello.keys).find((code) => hello.keys[code] === piece);
      return key ? labels[key] || key.replace("Key", "") : "";
    }).filter(Boolean).join(" + ");
  }

  function build() {
    if (hello.name) { get("name").textContent = hello.name; document.title = `${hello.name} · GenieRedux`; }
    get("pad").replaceChildren(...hello.actions.map((name, action) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.action = action;
      const sign = document.createElement("b");
      sign.textContent = hello.chords[action].map((piece) => arrows[piece] || piece.toLowerCase()).join(" ") || "·";
      const keys = document.createElement("small");
      const arrowsOnly = hello.chords[action].every((piece) => arrows[piece]);
      keys.textContent = arrowsOnly ? name : `${name} · ${keysOf(hello.chords[action]) || "no key"}`;
      button.append(sign, keys);
      button.setAttribute("aria-label", name);
      button.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        button.setPointerCapture(event.pointerId);
        press(`p${event.pointerId}`, hello.chords[action]);
      });
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
        button.addEventListener(end, (event) => release(`p${event.pointerId}`));
      }
      button.addEventListener("contextmenu", (event) => event.preventDefault());
      return button;
    }));
    const alias = Object.keys(hello.keys).includes("Space") ? ` Space is ${hello.keys.Space}.` : "";
    get("hint").textContent = `Arrow keys or WASD steer.${alias} ` + (hello.idle === null
      ? "This world has no action for standing still: it waits until you press something."
      : "With no key down the world goes on by itself.");
  }

  const commands = { KeyR: "restart", KeyN: "next", KeyP: "pause", KeyK: "keep", KeyE: "heat" };
  window.addEventListener("keydown", (event) => {
    if (!hello || event.ctrlKey || event.metaKey || event.altKey) return;
    const piece = hello.keys[event.code];
    const onButton = event.code === "Space" && event.target instanceof HTMLButtonElement && !event.target.dataset.action;
    if (piece && !onButton) {
      event.preventDefault();
      if (!event.repeat) press(event.code, [piece]);
    } else if (commands[event.code] && !event.repeat) command(commands[event.code]);
    else if (event.code === "Enter" && event.target.dataset && event.target.dataset.action && !event.repeat) {
      press("Enter", hello.chords[event.target.dataset.action]);
    }
  });
  window.addEventListener("keyup", (event) => release(event.code));
  window.addEventListener("blur", releaseAll);
  document.addEventListener("visibilitychange", releaseAll);
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => { command(button.dataset.do); get("frame").focus({ preventScroll: true }); });
  }

  function connect() {
    socket = new WebSocket(`ws://${location.host}/dream`);
    socket.binaryType = "arraybuffer";
    let refused = "";
    socket.addEventListener("message", (event) => {
      if (event.data instanceof ArrayBuffer) { draw(event.data); return; }
      const message = JSON.parse(event.data);
      if (message.type === "full") { refused = `${message.value} dreams are open already: close one of their pages`; return; }
      hello = message;
      received = 0;
      sent = "[]";
      get("status").classList.remove("bad");
      build();
      for (const name of ["pause", "keep"]) if (on[name]) send(name, true);
      changed();
    });
    socket.addEventListener("close", () => {
      get("status").classList.add("bad");
      get("status").textContent = refused || "the program has ended, or the connection is lost: trying again";
      setTimeout(connect, 1500);
    });
  }
  connect();
})();
