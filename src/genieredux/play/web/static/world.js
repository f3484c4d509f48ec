// A world in the browser: its networks, a canvas, and the noise of (seed, frame). A state is never changed, so that going
// back is holding on to one. What it does is what models/world/canvas.py does, for one dream.
import * as ort from "./runtime/ort.wasm.min.mjs";
import { canvasOf, changes, moved, seen, written } from "./canvas.js";
import { checksum, choose } from "./tokens.js";

ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need headers that most servers of static files do not send

const tensor = (data, shape) => new ort.Tensor("float32", data, shape);

export class World {
  static async open() {
    const [about, prompts, prior, painter] = await Promise.all([
      got("world.json").then((answer) => answer.json()),
      got("prompts.bin").then((answer) => answer.arrayBuffer()),
      network("prior.onnx"),
      network("painter.onnx"),
    ]);
    const behind = about.hidden.length ? await network("behind.onnx") : null;
    return new World(about, new Uint8Array(prompts), prior, painter, behind);
  }

  constructor(about, prompts, prior, painter, behind) {
    Object.assign(this, { about, prompts, prior, painter, behind, sampling: { ...about.sampling } });
    this.hidden = new Float32Array(about.size ** 2); // 1 where nothing is laid on the canvas: the actor is in front of it
    about.hidden.forEach((i) => { this.hidden[i] = 1; });
    this.given = about.prompts.actions[0].length + 1; // frames of a prompt
  }

  // RGB bytes of frame t of a prompt.
  frameOf(prompt, t = this.given - 1) {
    const bytes = this.about.size ** 2 * 3;
    const at = (prompt * this.given + t) * bytes;
    return this.prompts.subarray(at, at + bytes);
  }

  // Where a prompt ends.
  async begin(prompt, seed) {
    const owed = this.about.prompts.owed[prompt];
    let state = { ...await this.beginAt(this.frameOf(prompt, 0), seed), owed };
    for (let t = 1; t < this.given; t += 1) {
      const { after } = await this.outlook(state, this.about.prompts.actions[prompt][t - 1]);
      const motion = this.about.codes[this.about.prompts.motions[prompt][t - 1]];
      const frame = planes(this.frameOf(prompt, t));
      const canvas = moved(state.canvas, motion);
      const { view } = seen(canvas, this.about.known);
      state = {
        ...state, frame: state.frame + 1, memory: after, motion, before: state.last, last: frame,
        action: this.about.prompts.actions[prompt][t - 1],
        canvas: await this.shown(canvas, frame, view),
      };
    }
    return state;
  }

  // At one picture, RGB bytes.
  async beginAt(rgb, seed) {
    const { size, margin, whole, width } = this.about;
    const last = planes(rgb);
    const ground = await this.ground(last);
    return { seed, frame: 1, last, before: last, motion: [0, 0], owed: [0, 0], action: null, memory: new Float32Array(width), canvas: canvasOf(ground, size, margin, whole), checksum: 0, entropy: null };
  }

  // A frame without its actor.
  async ground(frame) {
    if (!this.behind) return frame;
    const { size } = this.about;
    return (await this.behind.run({ frames: tensor(frame, [1, 3, size, size]) })).ground.data;
  }

  // The canvas with a true frame laid on it; all of it where it is of another scene.
  async shown(canvas, frame, view) {
    const { changed, cut } = this.about;
    const over = changes(frame, view, changed);
    if (!this.behind) return written(canvas, frame, over);
    if (over.reduce((sum, one) => sum + one, 0) / over.length > cut) return written(canvas, await this.ground(frame), over);
    return written(canvas, frame, over.map((one, i) => one * (1 - this.hidden[i])));
  }

  async outlook({ before, last, motion, memory }, action) {
    const { size, width } = this.about;
    const pair = new Float32Array(6 * size * size);
    pair.set(before);
    pair.set(last, 3 * size * size);
    const { logits, after } = await this.prior.run({
      pair: tensor(pair, [1, 2, 3, size, size]), motion: tensor(Float32Array.from(motion), [1, 2]), action: index(action), memory: tensor(memory, [1, 1, width]),
    });
    return { logits: logits.data, after: after.data };
  }

  // What follows an action.
  async step(state, action) {
    const { size, codes, known: limit, changed, inPlace, actor, actions } = this.about;
    const { logits, after } = await this.outlook(state, action);
    const { token, entropy, owed } = choose(logits, this.about, this.sampling, state.seed, state.frame, state.owed);
    const motion = codes[token];
    const canvas = moved(state.canvas, motion);
    const { view, known } = seen(canvas, limit);
    const shape = [1, 3, size, size];
    const previous = actor ? { previous: index(state.action ?? actions.length) } : {};
    const { frames, share } = await this.painter.run({
      ...previous,
      last: tensor(state.last, shape), before: tensor(state.before, shape), view: tensor(view, shape), known: tensor(known, [1, 1, size, size]),
      action: index(action), motions: tensor(Float32Array.from([...state.motion, ...motion]), [1, 2, 2]),
    });
    const over = changes(frames.data, view, changed, { share: share.data, least: inPlace });
    return {
      seed: state.seed, frame: state.frame + 1, last: frames.data, before: state.last, motion, owed, action, memory: after, token, entropy,
      canvas: written(canvas, frames.data, over), checksum: checksum(state.checksum, token),
    };
  }
}

// Channel after channel in [0, 1], of RGB bytes.
function planes(rgb) {
  const area = rgb.length / 3;
  return Float32Array.from({ length: rgb.length }, (_, i) => rgb[(i % area) * 3 + Math.floor(i / area)] / 255);
}

// The other way round, as frames.py rounds.
export function bytes(frame) {
  const area = frame.length / 3;
  return Uint8ClampedArray.from({ length: frame.length }, (_, i) => frame[(i % 3) * area + Math.floor(i / 3)] * 255);
}

async function got(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name} is not there (${answer.status})`);
  return answer;
}

async function network(name) {
  return ort.InferenceSession.create(await (await got(name)).arrayBuffer(), { executionProviders: ["wasm"] });
}

function index(action) { return new ort.Tensor("int64", BigInt64Array.from([BigInt(action)]), [1]); }
