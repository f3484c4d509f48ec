// The settings beside the picture: where to begin, how to draw, whom to watch, what to save.
import { paint } from "./screen.js";
import { download, pixelsOf, toLink } from "./sharing.js";

const get = (id) => document.getElementById(id);

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

export class Panel {
  // line: the connection. said(text, bad): tells the person. back(): gives the keys back to the picture.
  constructor(line, said, back) {
    Object.assign(this, { line, said, back, hello: null, wanted: "" });
    this.on("world", "change", (element) => this.line.send("world", { name: element.value }));
    this.form("level-form", () => this.line.send("begin", { level: Number(get("level").value) }));
    this.form("seed-form", () => this.line.send("begin", { seed: Number(get("seed").value) }));
    this.form("sampling", () => this.line.send("begin", {
      drawn: true, seed: Number(get("seed").value), steps: Number(get("steps").value),
      temperature: Number(get("temperature").value), choice: get("choice").value,
    }));
    get("speed").addEventListener("input", () => this.speed(Number(get("speed").value), true));
    get("speed").addEventListener("change", () => this.back());
    this.on("policy", "change", () => this.watch());
    this.on("on-game", "change", () => this.watch());
    get("gallery").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) { this.line.send("begin", { prompt: Number(button.dataset.prompt) }); this.back(); }
    });
    this.files("picture", (file) => this.picture(file));
    this.files("open-json", async (file) => {
      try { this.line.send("replay", JSON.parse(await file.text())); } catch { this.said(`${file.name} is no JSON`, true); }
    });
    get("link").addEventListener("click", () => this.share("link"));
    get("json").addEventListener("click", () => this.share("json"));
    get("record").addEventListener("click", () => this.line.send("record", { on: get("record").getAttribute("aria-pressed") !== "true" }));
    const screens = get("screens");
    screens.addEventListener("dragover", (event) => { event.preventDefault(); screens.classList.add("dropping"); });
    screens.addEventListener("dragleave", () => screens.classList.remove("dropping"));
    screens.addEventListener("drop", (event) => {
      event.preventDefault();
      screens.classList.remove("dropping");
      if (event.dataTransfer.files[0]) this.picture(event.dataTransfer.files[0]);
    });
  }

  on(id, kind, act) { get(id).addEventListener(kind, () => { act(get(id)); this.back(); }); }

  form(id, act) {
    get(id).addEventListener("submit", (event) => { event.preventDefault(); act(); this.back(); });
  }

  files(id, act) {
    get(id).addEventListener("change", async () => {
      const [file] = get(id).files;
      get(id).value = "";
      if (file) await act(file);
      this.back();
    });
  }

  async picture(file) {
    try { this.line.sendBytes(await pixelsOf(file, this.hello.size)); } catch { this.said(`${file.name} is no picture that this browser can read`, true); }
  }

  watch() { this.line.send("watch", { policy: get("policy").value || null, game: get("on-game").checked }); }

  share(how) { this.wanted = how; this.line.send("share"); }

  async shared(replay) {
    if (this.wanted === "json") { download(`${replay.world}.play.json`, JSON.stringify(replay, null, 1)); return; }
    const field = get("link-shown");
    field.value = await toLink(replay);
    field.hidden = false;
    field.select();
    let copied = "";
    try { await navigator.clipboard.writeText(field.value); copied = " and is copied"; } catch { copied = "; copy it from the field"; }
    this.said(`The link plays these ${replay.actions ? "actions" : "beginnings"} again${copied}.`);
  }

  speed(fps, tell) {
    get("speed").value = fps;
    get("speed-shown").textContent = `${Math.round(fps)} fps`;
    if (tell) this.line.send("fps", fps);
  }

  watching(name) { get("policy").value = name || ""; }

  recording(path) {
    get("record").setAttribute("aria-pressed", path !== null);
    get("record").firstChild.textContent = path === null ? "Record to a data set" : "Stop recording";
    if (path !== null) this.said(`What you play is stored in ${path}`);
  }

  greet(hello) {
    this.hello = hello;
    get("world").replaceChildren(...hello.worlds.map((name) => option(name, name)));
    get("world").value = hello.name;
    get("speed").max = hello.most_fps;
    this.speed(hello.fps, false);
    get("level-form").hidden = get("sees-game").hidden = hello.game === null;
    get("game-name").textContent = hello.game || "";
    get("policy").replaceChildren(option("", "you"), ...hello.policies.map((name) => option(name, name.replaceAll("_", " "))));
    this.watching(hello.watches);
    get("record-row").hidden = !hello.records;
    get("sampling").hidden = hello.sampling === null;
    if (hello.sampling) for (const name of ["steps", "temperature", "choice"]) get(name).value = hello.sampling[name];
    for (const kind of ["mp4", "gif", "png"]) get(`save-${kind}`).href = `film/${hello.session}.${kind}`;
    get("expected-row").hidden = hello.doubt === null;
    if (hello.doubt) {
      get("expected-name").title = `Of frames as unsure as this one, by the evaluation of this world. How unsure a frame is and how good it is correlate with ${hello.doubt.correlation} there, so take it as a hint.`;
    }
  }

  beginnings({ head, buffer, at }) {
    const [rows, columns] = head.size;
    const count = rows * columns * 3;
    get("gallery").replaceChildren(...Array.from({ length: head.count }, (_, prompt) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.prompt = prompt;
      button.setAttribute("aria-label", `Begin at picture ${prompt + 1}`);
      const canvas = document.createElement("canvas");
      paint(canvas, new Uint8Array(buffer, at + prompt * count, count), rows, columns);
      button.append(canvas);
      return button;
    }));
  }

  read(head) {
    for (const button of get("gallery").children) button.setAttribute("aria-pressed", Number(button.dataset.prompt) === head.prompt);
    if (head.number === 0) {
      if (document.activeElement !== get("seed")) get("seed").value = head.seed;
      if (head.level !== null) get("level").value = head.level;
    }
    get("recorded").textContent = head.recorded ? `${head.recorded[1]} frames, ${head.recorded[0]} episodes stored` : "";
  }
}
