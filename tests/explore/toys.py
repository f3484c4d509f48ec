"""A world whose doubt is a known function of frame and action, and games that it watches: a counter, and a corridor
with a noisy television at one end.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from genieredux.models.world.protocol import DreamStep, Watched

SIDE, GRID, CODES = 16, (4, 2), 8
NAMES = ("LEFT", "RIGHT")


def picture(value: int) -> np.ndarray:
    """A frame uint8 (16, 16, 3) that says a number from 0 to 255."""
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def values_of(frames: Tensor) -> Tensor:
    """The number that frames (..., 3, 16, 16) say in their first pixel."""
    return (frames[..., 0, 0, 0] * 255).round().to(torch.int64)


def doubtful(value: int, action: int) -> int:
    """Between how many codes the world is undecided, equally, at every place: 1 to 8."""
    return 1 + (3 * value + 5 * action) % CODES


def known_reward(value: int, action: int) -> float:
    return float(2 * np.log(doubtful(value, action)) / np.log(CODES))


def believed(value: int, action: int) -> int:
    """What the world believes a number to become; the counter itself adds one more."""
    return (value + 1 + action) % 200


class KnownWorld:
    """Believes in numbers. Its doubt about a step is `doubtful` of the number that it last knew."""

    takes, sampling, image_size, action_names = "buttons", None, SIDE, NAMES

    def actions_of(self, frames):
        return None

    def encode(self, frames, actions=None):
        return values_of(frames)[..., None, None].expand(*frames.shape[:2], *GRID) % CODES

    def decode(self, tokens, actions=None):
        return tokens[..., :1, :1, None].movedim(-1, -3).float().expand(*tokens.shape[:2], 3, SIDE, SIDE) / 255

    def rollout(self, prompt, actions, seed=0, sampling=None):
        raise NotImplementedError

    def dream(self, prompts, actions, seeds=0, sampling=None):
        assert actions.shape == (len(prompts), prompts.shape[1] - 1)
        return KnownDream(self, values_of(prompts[:, -1]))


class KnownDream:
    calls = 0

    def __init__(self, world: KnownWorld, values: Tensor) -> None:
        self.world, self.values = world, values.clone()

    def _look(self, actions: Tensor) -> tuple[DreamStep, Tensor]:
        KnownDream.calls += 1
        pairs = list(zip(self.values.tolist(), actions.tolist(), strict=True))
        logits = torch.full((len(pairs), *GRID, CODES), -1e4)
        for row, (value, action) in zip(logits, pairs, strict=True):
            row[..., : self.world_doubt(value, action)] = 0.0
        after = torch.tensor([believed(*pair) for pair in pairs])
        frames = (after.float() / 255)[:, None, None, None].expand(-1, 3, SIDE, SIDE)
        log_p = logits.log_softmax(-1)
        step = DreamStep(frames, logits.argmax(-1), -(log_p.exp() * log_p).sum(-1), logits)
        return step, after

    def world_doubt(self, value: int, action: int) -> int:
        return getattr(self.world, "doubt", doubtful)(value, action)

    def step(self, actions: Tensor) -> DreamStep:
        step, self.values = self._look(actions)
        return step

    def follow(self, frames: Tensor, actions: Tensor) -> DreamStep:
        step, _ = self._look(actions)
        self.values = values_of(frames)
        return step

    def watch(self, frames: Tensor, actions: Tensor) -> Watched:
        step = self.follow(frames, actions)
        return Watched(step.entropy, step.logits, None)

    def restart(self, mask: Tensor, prompts: Tensor, actions: Tensor, seeds: Sequence[int]) -> None:
        assert actions.shape == (len(prompts), prompts.shape[1] - 1)
        self.values[mask] = values_of(prompts[:, -1])


class Counter(gymnasium.Env):
    """A number that grows by two, or by three under action 1; ends after `length` steps by its own rules."""

    action_names = NAMES
    takes_level = True

    def __init__(self, render_mode=None, length: int = 11, shows_end: bool = True):
        self.observation_space = Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self.action_space = Discrete(2)
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.value, self.age = int(self.np_random.integers(100)), 0
        return picture(self.value), {"x": float(self.value), "y": 0.0, "lives": 3}

    def step(self, action):
        self.value, self.age = (self.value + 2 + int(action)) % 200, self.age + 1
        info = {"x": float(self.value), "y": 0.0, "lives": 3 - (self.age >= 5)}
        return picture(self.value), 0.0, self.age >= self.length, False, info


LENGTH = 24
START = 4
TV = 1  # up to here there is a television


class Corridor(gymnasium.Env):
    """A walk from START: to the left a television that shows noise, to the right what random play hardly reaches.

    The first pixel says where one is; a bar of light stands there too.
    """

    action_names = NAMES

    def __init__(self, render_mode=None, television: bool = True):
        self.observation_space = Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self.action_space = Discrete(2)
        self.television = television

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = START
        return self._draw(), self._info()

    def step(self, action):
        self.x = int(np.clip(self.x + (1 if action else -1), 0, LENGTH - 1))
        return self._draw(), 0.0, False, False, self._info()

    def _info(self):
        return {"x": float(self.x), "y": 0.0}

    def _draw(self):
        frame = np.zeros((SIDE, SIDE, 3), np.uint8)
        column = self.x * SIDE // LENGTH
        frame[:8, column] = 200
        frame[8:, : 1 + self.x // 2] = (60, 10 * self.x, 90)
        if self.television and self.x <= TV:
            frame[2:, 4:] = self.np_random.integers(0, 256, (SIDE - 2, SIDE - 4, 3))
        frame[0, 0] = self.x
        return frame


class Spikes(Corridor):
    """The same walk without a television. Whoever comes to its left end loses a life and is back at START."""

    def __init__(self, render_mode=None):
        super().__init__(television=False)

    def reset(self, *, seed=None, options=None):
        self.lives = 99
        return super().reset(seed=seed)

    def step(self, action):
        frame, reward, terminated, truncated, info = super().step(action)
        if self.x <= TV:
            self.x, self.lives = START, self.lives - 1
            frame, info = self._draw(), self._info()
        return frame, reward, terminated, truncated, info

    def _info(self):
        return super()._info() | {"lives": self.lives}


class CorridorWorld(KnownWorld):
    """Unsure of what the television shows, and of nothing else (or, `curious`, of the far end)."""

    def __init__(self, curious: bool = False) -> None:
        self.curious = curious

    def doubt(self, value: int, action: int) -> int:
        after = int(np.clip(value + (1 if action else -1), 0, LENGTH - 1))
        if self.curious:
            return 1 + min(CODES - 1, after * CODES // LENGTH)
        return CODES if after <= TV else 1


class RememberingWorld(CorridorWorld):
    """Says of a number whether its dream was shown it before."""

    def dream(self, prompts, actions, seeds=0, sampling=None):
        return RememberingDream(self, prompts)


class RememberingDream(KnownDream):
    def __init__(self, world: KnownWorld, prompts: Tensor) -> None:
        super().__init__(world, values_of(prompts[:, -1]))
        self.shown = [set(row) for row in values_of(prompts).tolist()]

    def watch(self, frames: Tensor, actions: Tensor) -> Watched:
        said, values = super().watch(frames, actions), values_of(frames).tolist()
        new = torch.tensor([value not in shown for value, shown in zip(values, self.shown, strict=True)])
        for value, shown in zip(values, self.shown, strict=True):
            shown.add(value)
        return Watched(said.entropy, said.logits, new.float()[:, None, None].expand(-1, SIDE, SIDE))

    def restart(self, mask: Tensor, prompts: Tensor, actions: Tensor, seeds: Sequence[int]) -> None:
        super().restart(mask, prompts, actions, seeds)
        for row, values in zip(mask.nonzero()[:, 0].tolist(), values_of(prompts).tolist(), strict=True):
            self.shown[row] = set(values)
