"""One person's dream: where it began and where it is now. It knows no browser and no network; one thread
uses it.
"""

import json
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from genieredux.errors import UserError
from genieredux.frames import to_bytes, to_float
from genieredux.models.world.protocol import Dream, World


class Prompt(NamedTuple):
    """Where a dream may begin. frames: uint8 (P, S, S, 3), P >= 1. actions: int64 (P - 1,)."""

    frames: np.ndarray
    actions: np.ndarray


@dataclass(frozen=True)
class Picture:
    """What a player sees. frame: uint8 (S, S, 3). entropy: float32 (h, w) in nats, empty (0, 0) on a given
    frame.

    number: 0 for the last given frame, then 1, 2, ... action: the one that led here, or None. ms: time to
    dream it.
    """

    frame: np.ndarray
    entropy: np.ndarray
    number: int
    prompt: int
    action: int | None
    ms: float

    def pack(self) -> bytes:
        """One message: uint32 (little endian) length of a JSON header, the header, RGB bytes, float32
        entropies.
        """
        header = json.dumps(
            {
                "number": self.number,
                "prompt": self.prompt,
                "action": self.action,
                "ms": round(self.ms, 2),
                "size": list(self.frame.shape[:2]),
                "grid": list(self.entropy.shape),
            }
        ).encode()
        # The entropies begin at a multiple of four, so that a browser can read them in place.
        header += b" " * (-(4 + len(header) + self.frame.size) % 4)
        return struct.pack("<I", len(header)) + header + self.frame.tobytes() + self.entropy.tobytes()


class DreamSession:
    """Begins dreams at prompts and steps through them. Every restart dreams with a new seed, in a fixed
    order.
    """

    def __init__(self, world: World, prompts: Sequence[Prompt], seed: int = 0) -> None:
        self._world, self._prompts, self._seed = world, prompts, seed
        self._dream: Dream | None = None
        self.prompt, self.number = 0, 0

    def start(self, prompt: int) -> Picture:
        """Begin at the prompt of this index (counted around the end) and show its last frame."""
        self.prompt, self.number = prompt % len(self._prompts), 0
        frames, actions = self._prompts[self.prompt]
        began = time.perf_counter()
        taken = torch.from_numpy(np.asarray(actions, np.int64))
        self._dream = self._world.dream(to_float(frames)[None], taken[None], self._seed)
        self._seed += 1
        return self._picture(frames[-1], np.zeros((0, 0), np.float32), None, began)

    def step(self, action: int) -> Picture:
        """Take an action; RuntimeError before `start`."""
        if self._dream is None:
            raise RuntimeError("start the dream first")
        began = time.perf_counter()
        step = self._dream.step(torch.tensor([action]))
        self.number += 1
        return self._picture(to_bytes(step.frames[0]), step.entropy[0].cpu().numpy(), action, began)

    def _picture(self, frame: np.ndarray, entropy: np.ndarray, action: int | None, began: float) -> Picture:
        return Picture(frame, entropy, self.number, self.prompt, action, 1000 * (time.perf_counter() - began))


def check_prompts(world: World, prompts: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Prompt]:
    """The prompts, or a UserError that names the one which this world cannot begin with."""
    if not prompts:
        raise UserError("This world has no frame to begin with: give it prompts from a data set.")
    for index, (frames, actions) in enumerate(prompts):
        size = (world.image_size, world.image_size, 3)
        if frames.ndim != 4 or frames.shape[1:] != size or frames.dtype != np.uint8 or not len(frames):
            raise UserError(
                f"Prompt {index} is {frames.dtype} {frames.shape}; this world begins with uint8 frames (P, "
                f"{size[0]}, {size[1]}, 3)."
            )
        if len(actions) != len(frames) - 1 or any(not 0 <= a < len(world.action_names) for a in actions):
            raise UserError(
                f"Prompt {index} has {len(frames)} frames and actions {list(actions)}; it needs "
                f"{len(frames) - 1} actions from 0 to {len(world.action_names) - 1}."
            )
    return [Prompt(frames, actions) for frames, actions in prompts]
