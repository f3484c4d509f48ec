// The page of a world that runs in this tab: keys to actions, a frame at a time, as fast as is wanted and can be.
import "./fittings.js"; // before what looks for its buttons
import { Keys } from "./keys.js";
import { packed, unpacked } from "./runs.js";
import { TouchPad } from "./touchpad.js";
import { World, bytes } from "./world.js";

const KEPT = 200; // states that one can go back to
const get = (id) => document.getElementById(id);
const on = { pause: false, keep: false };
const times = [];
let world = null;
let past = []; // states, the present one last
let actions = []; // since the beginning
let start = { prompt: 0, seed: 0 }; // prompt: null for somebody's own picture
let own = null;
let last = null; // the last action
let tapped = null;
let single = 0;
let script = [];
let expected = null; // the checksum of what is played again
let wake = () => {};
const orders = []; // what is done between two frames

const keys = new Keys((held, number, pressed) => {
  if (pressed) { tapped = resolve(held); script = []; expected = null; }
  pad.show(held);
  wake();
});
const pad = new TouchPad(get("pad"), keys);
keys.commands = { 8: () => command("restart"), 9: () => command("pause"), 4: () => command("back"), 5: () => command("single") };

// The action for the pieces that are down, the latest last (play/bindings.py: resolve).
function resolve(held) {
  let [best, size, order] = [world.about.idle, 0, -1];
  world.about.chords.forEach((chord, action) => {
    if (!chord.length || !chord.every((piece) => held.includes(piece))) return;
    const latest = Math.max(...chord.map((piece) => held.indexOf(piece)));
    if (chord.length > size || (chord.length === size && latest > order)) [best, size, order] = [action, chord.length, latest];
  });
  return best;
}

// What to do now, or null to wait.
function wanted() {
  const [tap, one] = [tapped, single > 0];
  tapped = null;
  if (on.pause && !one) return null;
  single = Math.max(0, single - 1);
  if (script.length) return script.shift();
  const held = keys.held();
  let action = resolve(held);
  if (!held.length || action === null) {
    if (tap !== null) action = tap;
    else if ((on.keep || one) && last !== null) action = last;
  }
  if (action !== null) last = action;
  return action;
}

async function dream() {
  for (;;) {
    const began = performance.now();
    if (orders.length) { await orders.shift()(); continue; }
    const action = wanted();
    if (action === null) { tell(); await new Promise((done) => { wake = done; }); continue; }
    const state = await world.step(past[past.length - 1], action);
    const took = performance.now() - began;
    past.push(state);
    if (past.length > KEPT) past.shift();
    actions.push(action);
    show(took);
    if (expected !== null && !script.length) {
      const same = expected === state.checksum;
      say(same ? "Played again: the same dream." : "Played again, but it is another dream: the world or the browser differs.", !same);
      expected = null;
    }
    const rest = 1000 / get("speed").valueAsNumber - (performance.now() - began);
    await new Promise((done) => { setTimeout(done, Math.max(0, rest)); });
  }
}

// RGB bytes onto a canvas of the picture's size.
function paint(canvas, rgb) {
  const { size } = world.about;
  const image = new ImageData(size, size);
  for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) image.data.set([rgb[i], rgb[i + 1], rgb[i + 2], 255], j);
  if (canvas.width !== size) canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function show(took = null) {
  const state = past[past.length - 1];
  paint(get("frame"), bytes(state.last));
  const now = performance.now();
  if (took === null) times.length = 0;
  else times.push(now);
  while (times.length > 30) times.shift();
  get("fps").textContent = times.length > 2 ? ((1000 * (times.length - 1)) / (now - times[0])).toFixed(1) : "–";
  get("ms").textContent = took === null ? "–" : `${took.toFixed(1)} ms`;
  get("number").textContent = actions.length;
  get("action").textContent = actions.length ? world.about.actions[actions[actions.length - 1]] : "none";
  get("unsure").textContent = state.entropy === null ? "–" : `${state.entropy.toFixed(2)} nats`;
  get("number").dataset.checksum = state.checksum;
  tell();
}

function tell() {
  const still = on.pause || (!keys.held().length && world.about.idle === null && !on.keep && !script.length);
  get("veil").hidden = !still || (!on.pause && actions.length > 0);
  get("veil").textContent = on.pause ? "Paused" : "Press a key, or a button below";
  get("status").textContent = on.pause ? "paused" : still ? "waiting for a key" : "dreaming";
}

function say(text, bad = false) {
  get("said").hidden = !text;
  get("said").classList.toggle("bad", bad);
  get("said").textContent = text;
}

async function begin(at) {
  start = at;
  [actions, last, tapped] = [[], null, null];
  past = [at.prompt === null ? await world.beginAt(own, at.seed) : await world.begin(at.prompt, at.seed)];
  get("seed").value = at.seed;
  [...get("gallery").children].forEach((button, k) => button.setAttribute("aria-pressed", k === at.prompt));
  show();
}

function order(what) { orders.push(what); wake(); }

function anew(at) { script = []; expected = null; order(() => begin(at)); }

function set(name, value) {
  on[name] = value;
  document.querySelector(`[data-do=${name}]`).setAttribute("aria-pressed", value);
}

function command(name) {
  if (!world) return;
  if (name === "restart") anew({ ...start, seed: start.seed + 1 });
  else if (name === "next") anew({ prompt: ((start.prompt ?? -1) + 1) % world.about.prompts.count, seed: start.seed + 1 });
  else if (name === "back") {
    order(() => { if (past.length > 1) { script = []; past.pop(); actions.pop(); show(); } });
  } else if (name === "single") { set("pause", true); single = Math.min(single + 1, 8); } else set(name, !on[name]);
  wake();
  tell();
}

function openLink() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (!said.has("actions")) return;
  const [prompt, seed] = [Number(said.get("prompt")), Number(said.get("seed"))];
  const taken = unpacked(said.get("actions"), ".");
  const { count } = world.about.prompts;
  if (![prompt, seed].every(Number.isSafeInteger) || prompt < 0 || prompt >= count || seed < 0 || taken === null || taken.some((action) => !(action in world.about.actions))) {
    say("the link is damaged: it cannot be played again", true);
    return;
  }
  if (["mean", "mode", "sample"].includes(said.get("choice"))) world.sampling.choice = said.get("choice");
  if (said.get("temperature") !== null && Number(said.get("temperature")) >= 0) world.sampling.temperature = Number(said.get("temperature"));
  showSampling();
  set("pause", false);
  order(async () => { await begin({ prompt, seed }); script = taken; expected = Number(said.get("checksum")); });
}

function showSampling() {
  get("choice").value = world.sampling.choice;
  get("temperature").value = world.sampling.temperature;
}

// Every dreamed pixel is a square of whole pixels of the display; the buttons end where the window does.
function fit() {
  const ratio = window.devicePixelRatio || 1;
  const size = world ? world.about.size : 64;
  const glass = document.querySelector(".glass").getBoundingClientRect().height;
  const below = get("pad").getBoundingClientRect().bottom + window.scrollY - glass;
  const room = Math.min(get("screens").parentElement.clientWidth, Math.max(window.innerHeight - below - 10, 192));
  const side = (Math.max(1, Math.floor((room * ratio) / size)) * size) / ratio;
  if (Math.abs(side - glass) >= 0.5) document.documentElement.style.setProperty("--side", `${side}px`);
}

function gallery() {
  for (let k = 0; k < world.about.prompts.count; k += 1) {
    const button = document.createElement("button");
    const picture = document.createElement("canvas");
    paint(picture, world.frameOf(k));
    button.type = "button";
    button.setAttribute("aria-label", `Beginning ${k + 1}`);
    button.append(picture);
    button.addEventListener("click", () => { anew({ prompt: k, seed: start.seed }); get("screens").focus({ preventScroll: true }); });
    get("gallery").append(button);
  }
}

async function ownPicture(file) {
  const { size } = world.about;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) { say("this is no picture that the browser can read", true); return; }
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, size, size);
  const scale = size / Math.max(bitmap.width, bitmap.height);
  const [wide, high] = [bitmap.width * scale, bitmap.height * scale];
  context.drawImage(bitmap, (size - wide) / 2, (size - high) / 2, wide, high);
  const { data } = context.getImageData(0, 0, size, size);
  own = Uint8Array.from({ length: size * size * 3 }, (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
  anew({ prompt: null, seed: start.seed });
}

function listen() {
  const commands = { KeyR: "restart", KeyN: "next", KeyP: "pause", KeyK: "keep", Comma: "back", Period: "single" };
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input:not([type=file]), select")) return;
    const onButton = event.code === "Space" && event.target.matches?.("button:not(.pad button), a, summary");
    const piece = world.about.keys[event.code];
    if (piece && !onButton) { event.preventDefault(); if (!event.repeat) keys.press(event.code, [piece]); } else if (commands[event.code] && (!event.repeat || ["Comma", "Period"].includes(event.code))) command(commands[event.code]);
  });
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => { command(button.dataset.do); get("screens").focus({ preventScroll: true }); });
  get("seed-form").addEventListener("submit", (event) => { event.preventDefault(); anew({ ...start, seed: get("seed").valueAsNumber || 0 }); });
  get("speed").addEventListener("input", () => { get("speed-shown").textContent = `${get("speed").value} fps`; });
  get("choice").addEventListener("change", () => { world.sampling.choice = get("choice").value; anew(start); });
  get("temperature").addEventListener("change", () => { world.sampling.temperature = Math.max(0, get("temperature").valueAsNumber || 0); anew(start); });
  get("picture").addEventListener("change", (event) => { if (event.target.files[0]) ownPicture(event.target.files[0]); event.target.value = ""; });
  get("save").addEventListener("click", () => { get("save").href = get("frame").toDataURL("image/png"); });
  get("link").addEventListener("click", async () => {
    if (start.prompt === null) { say("a play that began at your own picture has no link", true); return; }
    const { choice, temperature } = world.sampling;
    const said = new URLSearchParams({ prompt: start.prompt, seed: start.seed, choice, temperature, checksum: past[past.length - 1].checksum, actions: packed(actions, ".") });
    history.replaceState(null, "", `#${said}`);
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    say(copied ? "The link is copied; it stands in the address too." : "The link stands in the address of this page.");
  });
  window.addEventListener("hashchange", openLink);
  window.addEventListener("resize", fit);
}

try {
  world = await World.open();
  get("title").textContent = document.title = world.about.title;
  get("about").textContent = world.about.about;
  keys.bind(world.about);
  pad.build(world.about);
  gallery();
  showSampling();
  listen();
  fit();
  await begin(start);
  fit();
  openLink();
  window.genieredux = { world, begin, present: () => past[past.length - 1] };
  await dream();
} catch (error) {
  get("veil").textContent = "The world could not be loaded";
  get("status").classList.add("bad");
  get("status").textContent = `the world could not be loaded: ${error.message}`;
  throw error;
}
