"""A world without a network: small, exact and deterministic. It stands in for a trained one in tests and
benchmarks.

A frame is a grid of square tiles of `codes` flat colours; the tile's colour is its token. An action rolls the
grid by the directions in its name (RIGHT shows what lies to the right, RIGHT_UP moves both ways, JUMP counts
as UP, any other name stays put). `FakeWorld.play` makes true episodes that follow these rules, so that what a
model should score is known in advance: an obedient world without noise predicts them exactly, one that
ignores actions has a delta PSNR of zero.
"""

import copy
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import DreamStep, Rollout, Watched

DEFAULT_ACTIONS = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
_MOVES = {"RIGHT": (0, -1), "LEFT": (0, 1), "UP": (1, 0), "DOWN": (-1, 0), "JUMP": (1, 0)}


class FakeWorld:
    """A tile world that satisfies `models.protocol.World`.

    image_size: S, pixels; tile: edge of one token in pixels, divides S.
    codes: number of tile colours (2 .. 4096).
    obeys: False makes predictions ignore the actions (every frame repeats the last one, plus noise).
    noise: chance in [0, 1] that a predicted token is drawn at random. Its entropy is what that implies, in
    nats.
    """

    def __init__(
        self,
        action_names: Sequence[str] = DEFAULT_ACTIONS,
        image_size: int = 64,
        tile: int = 8,
        codes: int = 64,
        obeys: bool = True,
        noise: float = 0.0,
    ) -> None:
        if image_size % tile:
            raise ValueError(f"image_size {image_size} is not a multiple of tile {tile}")
        self.action_names = tuple(action_names)
        self.image_size = image_size
        self.obeys = obeys
        self.noise = noise
        self._tile = tile
        self._side = image_size // tile
        self._palette = _palette(codes)  # (K, 3)
        self._moves = [_displacement(name) for name in self.action_names]

    takes: Literal["buttons", "codes"] = "buttons"
    sampling: Sampling | None = None

    def actions_of(self, frames: Tensor) -> Tensor | None:
        """None: its actions are true ones."""
        return None

    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Frames (B, T, C, H, W) to the nearest colours (B, T, h, w)."""
        b, t, c, _, _ = frames.shape
        s, p = self._side, self._tile
        means_BThwC = frames.reshape(b, t, c, s, p, s, p).mean(dim=(4, 6)).movedim(2, -1)
        return torch.cdist(means_BThwC.flatten(0, 3), self._palette).argmin(-1).reshape(b, t, s, s)

    def decode(self, tokens: Tensor, actions: Tensor | None = None, first: Tensor | None = None) -> Tensor:
        """Tokens (B, T, h, w) to flat tiles (B, T, C, H, W)."""
        tiles = self._palette[tokens].movedim(-1, 2)
        return tiles.repeat_interleave(self._tile, -2).repeat_interleave(self._tile, -1)

    def rollout(
        self, prompt: Tensor, actions: Tensor, seed: int | Sequence[int] = 0, sampling: Sampling | None = None
    ) -> Rollout:
        """See `models.world.protocol.World.rollout`. `sampling` is ignored."""
        given = prompt.shape[1]
        dream = self.dream(prompt, actions[:, : given - 1], seed)
        steps = [dream.step(taken) for taken in actions[:, given - 1 :].unbind(1)]
        tokens = torch.stack([step.tokens for step in steps], 1)
        return Rollout(self.decode(tokens), tokens, torch.stack([step.entropy for step in steps], 1))

    def dream(
        self,
        prompts: Tensor,
        actions: Tensor,
        seeds: int | Sequence[int] = 0,
        sampling: Sampling | None = None,
    ) -> "FakeDream":
        """See `models.world.protocol.World.dream`. `sampling` is ignored."""
        return FakeDream(self, prompts, actions, [seeds] * len(prompts) if isinstance(seeds, int) else list(seeds))

    def play(self, actions: np.ndarray, seed: int, texture: float = 0.0) -> np.ndarray:
        """The true frames (T, S, S, 3) uint8 of an episode with actions (T - 1,), from a random grid of that
        seed.

        texture: amplitude in [0, 1] of a fixed pattern that tiles cannot represent, so that the tokenizer
        errs.
        """
        rng = np.random.default_rng(seed)
        # A few colours in large patches, so that a frame has structure and not only noise.
        coarse = torch.from_numpy(rng.integers(0, len(self._palette), (self._side // 2 + 1,) * 2))
        grid = coarse.repeat_interleave(2, 0).repeat_interleave(2, 1)[: self._side, : self._side]
        details = torch.from_numpy(rng.random((self._side, self._side)) < 0.25)
        grid = torch.where(details, torch.from_numpy(rng.integers(0, len(self._palette), details.shape)), grid)
        tokens = [grid]
        for action in actions:
            tokens.append(self.advance(tokens[-1], int(action), obeys=True))
        frames = self.decode(torch.stack(tokens)[None])[0]
        pattern = torch.from_numpy(rng.random((self.image_size, self.image_size)).astype(np.float32)) - 0.5
        frames = (frames + texture * pattern).clamp(0, 1)
        return (frames * 255).round().to(torch.uint8).movedim(1, -1).numpy()

    def advance(self, tokens: Tensor, action: int, obeys: bool | None = None) -> Tensor:
        """The grid (h, w) after an action, without noise."""
        if not 0 <= action < len(self.action_names):
            raise ValueError(f"action {action} is not one of {len(self.action_names)}")
        if not (self.obeys if obeys is None else obeys):
            return tokens
        return torch.roll(tokens, self._moves[action], dims=(0, 1))

    def sample(self, tokens: Tensor, seed: int, index: int) -> Tensor:
        """Replace a share `noise` of tokens (h, w); the draw depends on (seed, index) only."""
        if self.noise == 0:
            return tokens
        rng = np.random.default_rng((seed, index))
        hit = torch.from_numpy(rng.random(tokens.shape) < self.noise)
        return torch.where(hit, torch.from_numpy(rng.integers(0, len(self._palette), tokens.shape)), tokens)

    def logits(self, tokens: Tensor) -> Tensor:
        """What the next token of grids (B, h, w) is, as the world sees it before it draws: log-probabilities float32
        (B, h, w, K). `noise` is spread over all colours; a tile like its left neighbour is sure."""
        count = len(self._palette)
        sure = torch.nn.functional.one_hot(tokens, count).float()
        share = (tokens != tokens.roll(1, -1)).float()[..., None] * self.noise
        return (sure * (1 - share) + share / count).clamp_min(1e-38).log()


class FakeDream:
    """Live rollouts of a `FakeWorld`."""

    def __init__(self, world: FakeWorld, prompts: Tensor, actions: Tensor, seeds: list[int]) -> None:
        if actions.shape[1] != prompts.shape[1] - 1:
            raise ValueError(f"{prompts.shape[1]} prompt frames need {prompts.shape[1] - 1} actions")
        if len(seeds) != len(prompts):
            raise ValueError(f"{len(seeds)} seeds for {len(prompts)} clips")
        self._world, self._seeds, self._numbers = world, seeds, [prompts.shape[1]] * len(seeds)
        self._tokens = world.encode(prompts[:, -1:])[:, 0]

    def step(self, actions: Tensor) -> DreamStep:
        """One frame on; raises ValueError for an action that the world does not have."""
        return self._go_on(actions, None)

    def follow(self, frames: Tensor, actions: Tensor) -> DreamStep:
        """One frame on, which truly was `frames`."""
        return self._go_on(actions, self._world.encode(frames[:, None])[:, 0])

    def watch(self, frames: Tensor, actions: Tensor) -> Watched:
        """The same, and what it expected is not shown."""
        step = self.follow(frames, actions)
        return Watched(step.entropy, step.logits, None)

    def restart(self, mask: Tensor, prompts: Tensor, actions: Tensor, seeds: Sequence[int]) -> None:
        """Some begin anew."""
        other = FakeDream(self._world, prompts, actions, list(seeds))
        rows = torch.as_tensor(mask).nonzero()[:, 0]
        self._tokens = self._tokens.clone()
        self._tokens[rows] = other._tokens
        for row, seed in zip(rows.tolist(), other._seeds, strict=True):
            self._seeds[row], self._numbers[row] = seed, prompts.shape[1]

    def copy(self) -> "FakeDream":
        """The same, from here on by itself."""
        other = copy.copy(self)
        other._seeds, other._numbers = list(self._seeds), list(self._numbers)
        return other

    @property
    def company(self) -> int:
        """See together.Joinable."""
        return id(self._world)

    def joined(self, others: Sequence["FakeDream"]) -> "FakeDream":
        """See together.Joinable."""
        made, dreams = copy.copy(self), (self, *others)
        made._tokens = torch.cat([dream._tokens for dream in dreams])
        made._seeds = [seed for dream in dreams for seed in dream._seeds]
        made._numbers = [number for dream in dreams for number in dream._numbers]
        return made

    def parted(self, into: Sequence["FakeDream"]) -> None:
        """See together.Joinable."""
        begin = 0
        for dream in into:
            rows = slice(begin, begin := begin + len(dream._seeds))
            dream._tokens, dream._numbers = self._tokens[rows].clone(), self._numbers[rows]

    def _go_on(self, actions: Tensor, truth: Tensor | None) -> DreamStep:
        world = self._world
        led = [world.advance(grid, int(action)) for grid, action in zip(self._tokens, actions, strict=True)]
        clean = torch.stack(led)
        sampled = zip(led, self._seeds, self._numbers, strict=True)
        drawn = torch.stack([world.sample(grid, seed, number) for grid, seed, number in sampled])
        self._tokens = drawn if truth is None else truth
        self._numbers = [number + 1 for number in self._numbers]
        logits = world.logits(clean)
        entropy = torch.special.entr(logits.exp()).sum(-1)
        return DreamStep(world.decode(drawn[:, None])[:, 0], drawn, entropy, logits)


def _palette(codes: int) -> Tensor:
    """`codes` colours (K, 3) in [0, 1], exact in 8 bits and all different, spread over the colour cube."""
    levels = int(np.ceil(codes ** (1 / 3) - 1e-9))
    axis = torch.linspace(0, 255, levels).round() / 255
    cube = torch.cartesian_prod(axis, axis, axis)
    return cube[torch.linspace(0, len(cube) - 1, codes).long()]


def _displacement(name: str) -> tuple[int, int]:
    """How the grid rolls (rows, columns) for an action name such as RIGHT, RIGHT_UP or ACTION_JUMP."""
    moves = [_MOVES[part] for part in name.upper().split("_") if part in _MOVES]
    return sum(m[0] for m in moves), sum(m[1] for m in moves)
