// The page's side of a dream. Keys and buttons press pieces (RIGHT, JUMP, ...); the server decides which action they make,
// dreams a frame and sends it; the page draws it and says that it has.
import "./fittings.js"; // before what looks for its buttons
import { Keys } from "./keys.js";
import { Panel } from "./panel.js";
import { Readings } from "./readings.js";
import { Screen } from "./screen.js";
import { fromHash, takeToken } from "./sharing.js";
import { Line } from "./socket.js";
import { Strip } from "./strip.js";
import { TouchPad, keysOf } from "./touchpad.js";

const get = (id) => document.getElementById(id);
const on = { pause: false, keep: false, heat: false };
const readings = new Readings();
const screen = new Screen();
let hello = null;
let now = null; // the present moment
let preview = null; // a moment of the past that is looked at
let received = 0;
let watches = null;
let replaying = false;

takeToken();
const keys = new Keys((held, number, pressed) => {
  if (pressed) readings.pressed(number, performance.now());
  line.send("keys", held, { number });
  if (pressed) { replaying = false; watches = null; panel.watching(null); }
  pad.show(held);
  tellState();
});
const pad = new TouchPad(get("pad"), keys);
const line = new Line({ message, bytes, closed });
const panel = new Panel(line, say, () => get("screens").focus({ preventScroll: true }));
const strip = new Strip(get("thumbs"), get("time"), {
  preview(moment) { preview = moment; if (moment || now) screen.draw(moment || now); },
  back(number) { line.send("back", { number }); get("screens").focus({ preventScroll: true }); },
});
keys.commands = { 8: () => command("restart"), 9: () => command("pause"), 4: () => command("back"), 5: () => command("single") };

function say(text, bad = false) {
  get("said").hidden = !text;
  get("said").classList.toggle("bad", bad);
  get("said").textContent = text;
}

function tellState() {
  const still = on.pause || (!keys.held().length && hello && hello.idle === null && !on.keep && !watches && !replaying);
  get("veil").hidden = !still || (!on.pause && now !== null && now.number > 0);
  const key = hello && Object.keys(hello.keys).some((code) => code.startsWith("Arrow")) ? "an arrow key" : "a key";
  get("veil").textContent = on.pause ? "Paused" : `Press ${key}, or a button below`;
  if (!line.open) return;
  const doing = watches ? `${watches.replaceAll("_", " ")} plays` : replaying ? "playing again" : "dreaming";
  get("status").textContent = on.pause ? "paused" : still ? "waiting for a key" : doing;
}

function set(name, value) {
  on[name] = value;
  document.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", value);
}

function command(name) {
  if (!hello) return;
  if (name === "restart") line.send("begin", {});
  else if (name === "next") line.send("begin", { prompt: ((now && now.prompt !== null ? now.prompt : -1) + 1) % hello.prompts });
  else if (name === "back") { if (now && now.number > 0) line.send("back", { number: now.number - 1 }); }
  else if (name === "single") {
    if (!on.pause) { set("pause", true); line.send("pause", true); }
    line.send("single");
  } else {
    set(name, !on[name]);
    if (name === "heat") get("heat").hidden = get("legend").hidden = !on.heat;
    else line.send(name, on[name]);
  }
  tellState();
}

async function message(said) {
  if (said.type === "hello") {
    hello = said;
    received = 0;
    now = preview = null;
    watches = said.watches;
    readings.forget();
    keys.forget();
    keys.bind(hello);
    get("status").classList.remove("bad");
    document.title = `${hello.name} · GenieRedux`;
    if (!said.resumed) say("");
    set("pause", said.paused);
    set("keep", said.keep);
    screen.begin(hello.size);
    pad.build(hello);
    panel.greet(hello);
    writeHelp();
    tellState();
    if (!said.resumed) await openLink();
  } else if (said.type === "said") say(said.value, said.bad);
  else if (said.type === "watch") { watches = said.value; panel.watching(watches); tellState(); }
  else if (said.type === "recording") panel.recording(said.value);
  else if (said.type === "replay") await panel.shared(said.value);
  else if (said.type === "replaying") { replaying = said.value > 0; set("pause", false); say(`Playing ${said.value} actions again. Any key takes over.`); tellState(); }
  else if (said.type === "replayed") {
    replaying = false;
    say(said.value ? "Played again: the same dream, frame by frame." : "Played again, but it is another dream: the world, its version or the machine differs from where it was played.", !said.value);
    tellState();
  }
}

function bytes(packed) {
  if (packed.head.type === "beginnings") { panel.beginnings(packed); return; }
  const { head, buffer, at } = packed;
  const [rows, columns] = head.size;
  const tokens = head.grid[0] * head.grid[1];
  const pixels = rows * columns * 3;
  now = {
    number: head.number, prompt: head.prompt, rows, columns, grid: head.grid, wrong: head.likely_wrong,
    entropy: new Float32Array(buffer, at, tokens),
    rgb: new Uint8Array(buffer, at + 4 * tokens, pixels),
    game: head.game ? new Uint8Array(buffer, at + 4 * tokens + pixels, pixels) : null,
  };
  if (!preview) screen.draw(now);
  strip.add(now, head.oldest);
  received += 1;
  line.send("seen", received);
  requestAnimationFrame(() => { readings.drawn(head, performance.now()); read(head); });
  tellState();
}

function read(head) {
  const entropy = now.entropy;
  get("fps").textContent = readings.fps ? readings.fps.toFixed(1) : "–";
  get("ms").textContent = head.number ? `${head.ms.toFixed(1)} ms` : "–";
  get("latency").textContent = readings.latency ? `${readings.latency.map((ms) => ms.toFixed(0)).join(" / ")} ms` : "–";
  get("number").textContent = head.number;
  get("action").textContent = head.action === null ? "none" : hello.actions[head.action];
  get("unsure").textContent = entropy.length ? `${(entropy.reduce((a, b) => a + b, 0) / entropy.length).toFixed(2)} nats` : "–";
  get("expected").textContent = head.expected_db === null ? "–" : `${head.expected_db.toFixed(1)} dB`;
  get("score").textContent = head.game ? (head.game.ended ? "the game is over" : `score ${head.game.score.toFixed(0)}`) : "";
  panel.read(head);
}

function closed(why) {
  keys.forget();
  pad.show([]);
  get("status").classList.add("bad");
  get("status").textContent = why;
}

async function openLink() {
  let replay = null;
  try { replay = await fromHash(location.hash); } catch { say("the link is damaged: it cannot be played again", true); return; }
  if (replay) line.send("replay", replay);
}
window.addEventListener("hashchange", openLink);

function writeHelp() {
  const rows = [...new Set(hello.chords.flat())].map((piece) => [keysOf(hello, piece).join(" "), piece]);
  rows.push(["P", "pause"], [". ,", "one frame on, one back"], ["R N", "begin again, begin at the next picture"], ["K", "keep going with the last action"], ["E", "heat map: where the world is unsure"], ["Tab G", "dream or real game, while the picture has the focus"], ["?", "this help"]);
  get("help-keys").replaceChildren(...rows.filter(([key]) => key).flatMap(([key, what]) => {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = key;
    text.textContent = what;
    return [term, text];
  }));
  get("hint").textContent = hello.idle === null
    ? "This world has no action for standing still: it waits until you press something."
    : "With no key down the world goes on by itself.";
}

const commands = { KeyR: "restart", KeyN: "next", KeyP: "pause", KeyK: "keep", KeyE: "heat", Comma: "back", Period: "single" };
window.addEventListener("keydown", (event) => {
  if (!hello || event.ctrlKey || event.metaKey || event.altKey || get("help").open) return;
  const target = event.target;
  if (target.matches?.("input:not([type=checkbox]):not([type=file]), select, textarea")) return; // they need their keys
  const onButton = event.code === "Space" && target.matches?.("button:not(.pad button), a, summary, input");
  if (event.key === "?") { event.preventDefault(); get("help").showModal(); return; }
  if (event.code === "Tab") {
    // The picture alone takes Tab, and only where there is something to see with it; Shift+Tab always leaves.
    if (event.shiftKey || !screen.game || ![get("screens"), document.body].includes(target)) return;
    event.preventDefault();
    screen.toggle();
    return;
  }
  const piece = hello.keys[event.code];
  if (piece && !onButton) {
    event.preventDefault();
    if (!event.repeat) keys.press(event.code, [piece]);
  } else if (commands[event.code] && (!event.repeat || event.code === "Period" || event.code === "Comma")) command(commands[event.code]);
  else if (event.code === "KeyG" && screen.game) screen.toggle();
});
for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => { command(button.dataset.do); get("screens").focus({ preventScroll: true }); });
}
for (const button of get("views").children) button.addEventListener("click", () => screen.show(button.dataset.view));
get("help-open").addEventListener("click", () => get("help").showModal());
get("help").addEventListener("close", () => get("screens").focus({ preventScroll: true }));
get("said").addEventListener("click", () => say(""));
