"""Control: one action all along, from the prompts of a few clips, and what it did. There is no truth to compare with.

`what it did` is what can be read off the frames: how much they change, which way they scroll, and how far the dream is
from the one under the true actions (same prompt, same noise). It knows a world only through `models.protocol.World`.
"""

import difflib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from genieredux.errors import UserError
from genieredux.evaluation.action_accuracy import action_accuracy
from genieredux.evaluation.clips import Clips, to_uint8
from genieredux.evaluation.config import REPLICATE, EvalConfig
from genieredux.evaluation.counterfactual import clip_seed
from genieredux.evaluation.kept import evenly
from genieredux.evaluation.measure import Bench, roll
from genieredux.evaluation.metrics import capped, psnr


@dataclass(frozen=True)
class Steered:
    """Of K clips. held, replayed, truth: uint8 (K, T, S, S, 3), the prompt first: the dream under the action, under the
    true ones, and what the game did. did: what the action did, one plain mapping per clip (see `what_it_did`).
    """

    held: np.ndarray
    replayed: np.ndarray
    truth: np.ndarray
    did: list[dict[str, Any]]


def action_index(action: int | str, action_names: Sequence[str]) -> int:
    """The index of an action given by index or name. Raises UserError, naming the nearest, where there is none."""
    count = len(action_names)
    numbered = ", ".join(f"{index} {name}" for index, name in enumerate(action_names))
    if isinstance(action, str) and action.lstrip("-").isdigit():
        action = int(action)
    if isinstance(action, int):
        if 0 <= action < count:
            return action
        near = min(max(action, 0), count - 1)
        raise UserError(
            f"eval.action_to_take={action} is no action of this world; the nearest is {near} ({action_names[near]}), "
            f"and {REPLICATE} replays the true ones (there are: {numbered})"
        )
    by_name = {name.upper(): index for index, name in enumerate(action_names)}
    if action.upper() in by_name:
        return by_name[action.upper()]
    near_name = difflib.get_close_matches(action.upper(), by_name, n=1, cutoff=0.0)[0]
    raise UserError(
        f"eval.action_to_take={action} is no action of this world; the nearest is {action_names[by_name[near_name]]} "
        f"(there are: {numbered})"
    )


@torch.inference_mode()
def steer(bench: Bench, clips: Clips, config: EvalConfig, action: int, sampling: Any) -> Steered:
    """Hold `action` for `config.horizon` frames after the prompts of `config.keep_clips` clips, spread evenly."""
    world, given = bench.world, config.prompt_frames
    rows = evenly(len(clips), config.keep_clips)
    held, replayed, truth, did = [], [], [], []
    for row in rows.tolist():
        frames, actions = clips.batch(row, row + 1)
        frames, actions = frames[:, : config.clip_length], actions[:, : config.clip_length - 1]
        prompt, seeds = frames[:, :given], [clip_seed(config.seed, row)]
        constant = actions.clone()
        constant[:, given - 1 :] = action
        dreams = [roll(world, prompt, taken, seeds, sampling).frames for taken in (constant, actions)]
        pictures = [to_uint8(torch.cat([prompt, dream], 1))[0] for dream in dreams]
        held.append(pictures[0])
        replayed.append(pictures[1])
        truth.append(clips.frames[row, : config.clip_length])
        apart = capped(psnr(*dreams))[0]
        found = what_it_did(pictures[0][given - 1 :])
        if bench.probes.actions is not None:
            shown = action_accuracy(bench.probes.actions, torch.cat([prompt, dreams[0]], 1), constant, given - 1)
            found["shown"] = float(shown.float().mean())
        did.append({"clip": row, **found, "psnr_to_true_actions": float(apart.mean())})
    return Steered(np.stack(held), np.stack(replayed), np.stack(truth), did)


def what_it_did(frames: np.ndarray) -> dict[str, Any]:
    """Of uint8 (T, H, W, 3): `change`, the mean absolute step of a pixel from frame to frame, 0..255; `scroll`, the
    mean shift of the picture in pixels a frame, right and down positive, by phase correlation (Kuglin and Hines 1975).
    """
    grey = frames.astype(np.float32).mean(-1)
    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    # It applies the window to what it is given, in place: hence copies.
    shifts = [cv2.phaseCorrelate(a.copy(), b.copy(), window)[0] for a, b in itertools.pairwise(grey)]
    return {
        "change": float(np.abs(np.diff(grey, axis=0)).mean()),
        "scroll": [float(value) for value in np.mean(shifts, 0)],
    }


def summary(steered: Mapping[str, Steered]) -> dict[str, Any]:
    """Plain values: by test set, each clip and the means over clips."""
    found = {}
    for name, one in steered.items():
        means: dict[str, Any] = {
            key: float(np.mean([clip[key] for clip in one.did]))
            for key in ("change", "psnr_to_true_actions", "shown")
            if key in one.did[0]
        }
        means["scroll"] = np.mean([clip["scroll"] for clip in one.did], 0).tolist()
        found[name] = {"mean": means, "clips": one.did}
    return found
