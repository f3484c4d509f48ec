"""One person's dream: where it began, what was seen of it, and the way back. It knows no browser and no network; one
thread at a time uses it.

Going back is exact: copies of the dream are kept on the way (`Dream.copy`), and from the nearest one before the wanted
frame the same actions are taken again. However long a dream goes on, what is kept is bounded: the last `HISTORY`
pictures and `COPIES` copies, close together near the present and farther apart the older they are.
"""

import time
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from genieredux.dreams.together import Together
from genieredux.errors import UserError
from genieredux.frames import to_bytes, to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import Dream, World

HISTORY = 1000
"""Pictures that one can go back to."""
COPIES = 16
"""Copies of a dream that are kept (3 MB each in the world that ships)."""
COPY_EVERY = 16
"""Frames from one copy to the next, before older ones are thinned."""


class Prompt(NamedTuple):
    """Where a dream may begin. frames: uint8 (P, S, S, 3), P >= 1. actions: int64 (P - 1,)."""

    frames: np.ndarray
    actions: np.ndarray


@dataclass(frozen=True)
class Picture:
    """What a player sees. frame: uint8 (S, S, 3). entropy: float32 (h, w) in nats, empty (0, 0) on a given
    frame.

    number: 0 for the last given frame, then 1, 2, ... action: the one that led here, or None. ms: time to
    dream it. checksum: CRC-32 of the tokens of all frames up to this one; equal ones are the same dream.
    """

    frame: np.ndarray
    entropy: np.ndarray
    number: int
    action: int | None
    ms: float
    checksum: int = 0


class DreamSession:
    """Begins dreams and steps through them, forwards and back. Every start without a seed dreams with a new one, in a
    fixed order.
    """

    def __init__(
        self, world: World, prompts: Sequence[Prompt], seed: int = 0, together: Together | None = None
    ) -> None:
        """together: those who dream of the same world; steps that coincide are taken together."""
        self._world, self._prompts, self._together = world, prompts, together or Together()
        self._next_seed = seed
        self._dream: Dream | None = None
        self._pictures: deque[Picture] = deque(maxlen=HISTORY + 1)
        self._copies: list[tuple[int, Dream]] = []
        self.prompt: int | None = 0
        """The index of the prompt where the dream began; None where it is none of the given ones."""
        self.given = prompts[0]
        """The prompt where the dream began."""
        self.seed = seed
        self.sampling: Sampling | None = None
        """How tokens are drawn; None: as the world says."""
        self.actions: list[int] = []
        """What was done since the beginning."""

    @property
    def number(self) -> int:
        """The present frame; 0 is where the dream began."""
        return len(self.actions)

    @property
    def pictures(self) -> list[Picture]:
        """What one can go back to, the present picture last."""
        return list(self._pictures)

    def start(self, prompt: int, seed: int | None = None) -> Picture:
        """Begin at the prompt of this index (counted around the end) and show its last frame."""
        index = prompt % len(self._prompts)
        return self.begin(self._prompts[index], seed, index)

    def begin(self, prompt: Prompt, seed: int | None = None, index: int | None = None) -> Picture:
        """Begin at frames of anybody's. seed: of the noise; None: the next. Raises UserError for frames or actions that
        are none of this world."""
        given = check_prompts(self._world, [prompt])[0]
        self.seed = self._next_seed if seed is None else seed
        self._next_seed = self.seed + 1
        self.given, self.prompt, self.actions = given, index, []
        began = time.perf_counter()
        self._dream = self._opening()
        self._copies = []
        self._pictures.clear()
        nothing = np.zeros((0, 0), np.float32)
        self._pictures.append(Picture(given.frames[-1], nothing, 0, None, 1000 * (time.perf_counter() - began)))
        return self._pictures[-1]

    def step(self, action: int) -> Picture:
        """Take an action; RuntimeError before `start`."""
        if self._dream is None:
            raise RuntimeError("start the dream first")
        began = time.perf_counter()
        step = self._together.step(self._dream, action)
        tokens = step.tokens[0].to("cpu", torch.int32).numpy()
        frame, entropy = to_bytes(step.frames[0]), step.entropy[0].float().cpu().numpy()
        checksum = zlib.crc32(tokens.tobytes(), self._pictures[-1].checksum)
        ms = 1000 * (time.perf_counter() - began)
        self.actions.append(action)
        self._pictures.append(Picture(frame, entropy, self.number, action, ms, checksum))
        if self.number % COPY_EVERY == 0:
            self._copies.append((self.number, self._dream.copy()))
            self._thin()
        return self._pictures[-1]

    def back_to(self, number: int) -> Picture:
        """Go back to a frame that is kept, and forget what came after it; what follows is what would have followed
        then. Raises UserError for a frame that is not kept any more, or not there yet."""
        if self._dream is None:
            raise RuntimeError("start the dream first")
        oldest = self._pictures[0].number
        if not oldest <= number <= self.number:
            raise UserError(f"frame {number} is not kept; one can go back to frames {oldest} to {self.number}")
        if number == self.number:
            return self._pictures[-1]
        self._copies = [(at, dream) for at, dream in self._copies if at <= number]
        at, dream = self._copies[-1] if self._copies else (0, None)
        self._dream = self._opening() if dream is None else dream.copy()
        for action in self.actions[at:number]:
            self._dream.step(torch.tensor([action]))
        del self.actions[number:]
        while self._pictures[-1].number > number:
            self._pictures.pop()
        return self._pictures[-1]

    def _opening(self) -> Dream:
        taken = torch.from_numpy(np.asarray(self.given.actions, np.int64))
        return self._world.dream(to_float(self.given.frames)[None], taken[None], self.seed, self.sampling)

    def _thin(self) -> None:
        """Let go of copies that are too many: of those before what is kept all but the last, then the one whose loss
        lengthens the way back the least, measured by how far back it is."""
        oldest = self._pictures[0].number
        while len(self._copies) > 1 and self._copies[1][0] <= oldest:
            del self._copies[0]
        if len(self._copies) > COPIES:
            places = [at for at, _ in self._copies]
            gaps = [(b - a) / (self.number - a) for a, b in zip([0, *places], places[1:], strict=False)]
            del self._copies[min(range(len(gaps)), key=gaps.__getitem__)]


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
