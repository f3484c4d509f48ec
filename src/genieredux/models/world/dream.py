"""Dreams that advance together: the memory of the dynamics, the stream of the tokenizer, the noise of every dream.

A new frame costs one frame: what came before is cached, in a window for ever. Knows of the dynamics and the tokenizer
only their contracts.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.dynamics.protocol import DynamicsModel, Memory
from genieredux.models.sampling import Sampling, decode_masked
from genieredux.models.tokenizers.protocol import Stream, Tokenizer
from genieredux.models.world.protocol import DreamStep

NO_ACTION = -1


@dataclass(frozen=True)
class Parts:
    """What a dream needs of its world. computing: the context in which networks run."""

    tokenizer: Tokenizer
    dynamics: DynamicsModel
    action_names: tuple[str, ...]
    computing: Callable[[], AbstractContextManager]

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.dynamics.codes.device

    def taken(self, actions: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`actions` on the device; UserError where they have another shape or one is none of the world's."""
        actions = torch.as_tensor(actions).to(self.device, torch.int64)
        if tuple(actions.shape) != shape:
            raise UserError(f"actions are of shape {tuple(actions.shape)}; needed is {shape}")
        names = self.action_names
        if actions.numel() and not 0 <= int(actions.min()) <= int(actions.max()) < len(names):
            raise UserError(
                f"actions go from 0 to {len(names) - 1} in this world ({', '.join(names)}); got "
                f"{int(actions.min())} to {int(actions.max())}"
            )
        return actions


@dataclass(frozen=True)
class Drawn:
    """d new frames of B dreams: tokens int64 (B, d, h, w), and before any of them was decided entropy float32
    (B, d, h, w) in nats and logits float32 (B, d, h, w, K)."""

    tokens: Tensor
    entropy: Tensor
    logits: Tensor


class Future:
    """What B dreams know: all frames but the last in the dynamics' memory, the last as tokens, all in the stream."""

    def __init__(
        self, parts: Parts, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling
    ) -> None:
        """prompts: (B, P, C, H, W). actions: int64 (B, P - 1)."""
        self.parts, self._sampling = parts, sampling
        clips, given = prompts.shape[:2]
        actions = parts.taken(actions, (clips, given - 1))
        self.stream: Stream = parts.tokenizer.new_stream()
        self._memory: Memory = parts.dynamics.new_memory(sampling.window)
        self._seeds = [int(seed) for seed in seeds]
        self._frames = [given] * clips
        with parts.computing():
            tokens = self.stream.encode(prompts.to(parts.device), before(actions))
            if given > 1:
                parts.dynamics.remember(tokens[:, :-1], actions, self._memory)
        self._new = tokens[:, -1:]
        self._taken = actions[:, :0]

    def draw(self, actions: Tensor) -> Drawn:
        """The next d frames, decided together. actions: int64 (B, d), the first taken at the last frame there is."""
        clips, count = actions.shape
        parts, dynamics = self.parts, self.parts.dynamics
        grid = dynamics.grid
        places = count * grid[0] * grid[1]
        last: tuple[Tensor, Tensor] | None = None
        with parts.computing():
            taken = torch.cat([self._taken, actions[:, :1]], 1)
            outlook = dynamics.observe(self._new, taken, self._memory)

        def logits(flat: Tensor) -> Tensor:
            nonlocal last
            with parts.computing():
                answer = dynamics.predict(outlook, flat.view(clips, count, *grid), actions[:, 1:])
            if last is None or answer is not last[0]:
                last = (answer, answer.flatten(1, 3))
            return last[1]

        hidden = self._new.new_full((clips, places), dynamics.mask_id)
        decoded = decode_masked(logits, hidden, dynamics.codes, self._sampling, self._noise(count))
        shape = (clips, count, *grid)
        return Drawn(decoded.tokens.view(shape), decoded.entropy.view(shape), decoded.logits.view(*shape, -1))

    def go_on(self, tokens: Tensor, actions: Tensor) -> None:
        """Frames (B, d, h, w), drawn or true, are the past from now on; actions (B, d), the first led to the first."""
        self._new, self._taken = tokens, actions[:, 1:]
        self._frames = [frame + tokens.shape[1] for frame in self._frames]

    def restart(self, rows: Tensor, other: "Future") -> None:
        """The dreams `rows` (int64 (R,)) become those of `other`."""
        clips = len(self._seeds)
        self._memory.put(rows, other._memory, clips)
        self.stream.put(rows, other.stream)
        self._new = self._new.clone()
        self._new[rows.to(self._new.device)] = other._new
        for row, seed, frame in zip(rows.tolist(), other._seeds, other._frames, strict=True):
            self._seeds[row], self._frames[row] = seed, frame

    def copy(self) -> "Future":
        """What is known so far, to go on from by itself; the networks are the same ones."""
        shared: list[object] = [self.parts]
        for network in (self.parts.tokenizer, self.parts.dynamics):
            shared += network.modules() if isinstance(network, nn.Module) else [network]
        return copy.deepcopy(self, {id(one): one for one in shared})

    def _noise(self, count: int) -> Callable[[int], Tensor] | None:
        """Step -> Gumbel noise (B, count * h * w, K), each clip's and frame's from its seed and number alone."""
        sampling, grid = self._sampling, self.parts.dynamics.grid
        if sampling.steps == 1 or sampling.temperature == 0 or sampling.choice == "mean":
            return None
        numbers = [
            [seed * 1_000_003 + frame + k for k in range(count)]
            for seed, frame in zip(self._seeds, self._frames, strict=True)
        ]
        sources = [[torch.Generator().manual_seed(n % (1 << 63)) for n in row] for row in numbers]
        shape = (grid[0] * grid[1], self.parts.dynamics.mask_id)

        def draw(step: int) -> Tensor:
            rows = [torch.cat([torch.rand(shape, generator=source) for source in row]) for row in sources]
            uniform = torch.stack(rows).to(self.parts.device)
            return uniform.add_(1e-20).log_().neg_().log_().neg_()

        return draw


class WorldDream:
    """B live rollouts (protocol.Dream)."""

    def __init__(self, parts: Parts, future: Future, sampling: Sampling, clips: int) -> None:
        self._parts, self._future, self._sampling, self._clips = parts, future, sampling, clips

    @torch.no_grad()
    def step(self, actions: Tensor) -> DreamStep:
        """See protocol.Dream.step. Raises UserError for actions that are none of this world's."""
        taken = self._parts.taken(actions, (self._clips,))[:, None]
        drawn = self._future.draw(taken)
        self._future.go_on(drawn.tokens, taken)
        with self._parts.computing():
            frames = self._future.stream.decode(drawn.tokens, taken)
        return _as_step(frames, drawn)

    @torch.no_grad()
    def follow(self, frames: Tensor, actions: Tensor) -> DreamStep:
        """See protocol.Dream.follow. Raises UserError for actions that are none of this world's."""
        taken = self._parts.taken(actions, (self._clips,))[:, None]
        if frames.shape[0] != self._clips:
            raise UserError(f"{frames.shape[0]} frames for {self._clips} dreams; give one each")
        drawn = self._future.draw(taken)
        with self._parts.computing():
            guessed = self._future.stream.decode(drawn.tokens, taken, keep=False)
            tokens = self._future.stream.encode(frames[:, None].to(self._parts.device), taken)
        self._future.go_on(tokens, taken)
        return _as_step(guessed, drawn)

    @torch.no_grad()
    def restart(self, mask: Tensor, prompts: Tensor, actions: Tensor, seeds: Sequence[int]) -> None:
        """See protocol.Dream.restart. Raises UserError where the numbers of dreams, prompts and seeds differ."""
        rows = torch.as_tensor(mask).cpu().nonzero()[:, 0]
        if len(mask) != self._clips or not len(rows) == len(prompts) == len(seeds):
            raise UserError(
                f"a restart of {len(rows)} dreams of {self._clips} (mask of {len(mask)}) takes as many prompts and "
                f"seeds; got {len(prompts)} and {len(seeds)}"
            )
        if len(rows):
            self._future.restart(rows, Future(self._parts, prompts, actions, seeds, self._sampling))

    @torch.inference_mode(False)  # plain tensors, so that the copy can be written to in any mode
    def copy(self) -> "WorldDream":
        """See protocol.Dream.copy."""
        return WorldDream(self._parts, self._future.copy(), self._sampling, self._clips)


def before(actions: Tensor) -> Tensor:
    """Actions (B, T - 1) between frames as those that led to each frame, (B, T): none to the first."""
    return torch.cat([actions.new_full((len(actions), 1), NO_ACTION), actions], 1)


def _as_step(frames: Tensor, drawn: Drawn) -> DreamStep:
    return DreamStep(frames[:, 0].float(), drawn.tokens[:, 0], drawn.entropy[:, 0], drawn.logits[:, 0])
