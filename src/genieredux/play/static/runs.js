// Actions as text, runs such as "0x12 3 1x4": the rule of replay.py (LONGEST, taken, runs), which a test holds this to.

export const LONGEST = 20000;
const RUN = /^(\d{1,5})(?:x(\d{1,5}))?$/;

export function packed(actions, between = " ") {
  const runs = [];
  for (const action of actions) {
    const last = runs[runs.length - 1];
    if (last && last[0] === action) last[1] += 1;
    else runs.push([action, 1]);
  }
  return runs.map(([action, count]) => (count > 1 ? `${action}x${count}` : `${action}`)).join(between);
}

// The actions, or null for a text that is none, or one of more than LONGEST actions.
export function unpacked(text, between = /\s+/) {
  const actions = [];
  for (const word of text.split(between).filter(Boolean)) {
    const run = RUN.exec(word);
    if (!run) return null;
    const count = Number(run[2] ?? 1);
    if (actions.length + count > LONGEST) return null;
    for (let k = 0; k < count; k += 1) actions.push(Number(run[1]));
  }
  return actions;
}
