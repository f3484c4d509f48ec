"""Dreams that advance together: what every world's have in common, and those over tokens, with the memory of the
dynamics, the stream of the tokenizer and the noise of every dream.

A new frame costs one frame: what came before is cached, in a window for ever. Knows of the dynamics and the tokenizer
only their contracts.
"""

import copy
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.dynamics.protocol import DynamicsModel, Memory
from genieredux.models.sampling import Sampling, decode_masked
from genieredux.models.tokenizers.protocol import Stream, Tokenizer
from genieredux.models.world.protocol import DreamStep, Watched
from genieredux.models.world.together import Joinable

NO_ACTION = -1
Computing = Callable[[], AbstractContextManager[Any]]
"""The context in which networks run."""


@dataclass(frozen=True)
class Drawn:
    """d new frames of B dreams: tokens int64 (B, d, h, w), and before any of them was decided entropy float32
    (B, d, h, w) in nats and logits float32 (B, d, h, w, K)."""

    tokens: Tensor
    entropy: Tensor
    logits: Tensor


class Future(Protocol):
    """What B dreams know, and how it goes on. Between a `draw` and the next, `go_on` or `watch` is called once."""

    def draw(self, actions: Tensor) -> Drawn:
        """The next d frames, decided together. actions: int64 (B, d), the first taken at the last frame there is."""
        ...

    def guess(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """What these tokens (B, 1, h, w) would look like next: frames (B, 1, C, H, W). Nothing goes on."""
        ...

    def go_on(self, tokens: Tensor, actions: Tensor) -> None:
        """Frames (B, d, h, w) as they were drawn are the past from now on; actions (B, d), the first led to the
        first."""
        ...

    def shown(self) -> Tensor:
        """The frames (B, d, C, H, W) that dreams have gone on with since this was asked last."""
        ...

    def watch(self, frames: Tensor, actions: Tensor) -> Tensor | None:
        """Frames (B, 1, C, H, W), as they truly were, are the past from now on; actions (B, 1) led to them. Returns how
        much of each pixel was never shown before, (B, H, W), where that is known."""
        ...

    def restart(self, rows: Tensor, other: Any) -> None:
        """The dreams `rows` (int64 (R,)) become those of `other`."""
        ...

    def copy(self) -> Self:
        """What is known so far, to go on from by itself; the networks are the same ones."""
        ...


class Parts(Protocol):
    """How a world of some kind turns frames into tokens and back, and begins to dream. Actions were checked."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        ...

    def encode(self, frames: Tensor, actions: Tensor | None) -> Tensor:
        """See protocol.World.encode."""
        ...

    def decode(self, tokens: Tensor, actions: Tensor | None, first: Tensor | None) -> Tensor:
        """See protocol.World.decode."""
        ...

    def begin(self, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling) -> Future:
        """After prompts (B, P, C, H, W) and the actions (B, P - 1) between their frames."""
        ...


@dataclass(frozen=True)
class TokenParts:
    """A tokenizer, and a dynamics of its tokens."""

    tokenizer: Tokenizer
    dynamics: DynamicsModel
    computing: Computing

    @property
    def device(self) -> torch.device:
        return self.dynamics.codes.device

    def encode(self, frames: Tensor, actions: Tensor | None) -> Tensor:
        with self.computing():
            return self.tokenizer.new_stream().encode(frames, None if actions is None else before(actions))

    def decode(self, tokens: Tensor, actions: Tensor | None, first: Tensor | None) -> Tensor:
        with self.computing():
            return self.tokenizer.new_stream().decode(tokens, None if actions is None else before(actions)).float()

    def begin(self, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling) -> "TokenFuture":
        return TokenFuture(self, prompts, actions, seeds, sampling)


class TokenFuture:
    """All frames but the last in the dynamics' memory, the last as tokens, all in the tokenizer's stream."""

    def __init__(
        self, parts: TokenParts, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling
    ) -> None:
        """prompts: (B, P, C, H, W). actions: int64 (B, P - 1)."""
        self.parts, self._sampling = parts, sampling
        given = prompts.shape[1]
        self._stream: Stream = parts.tokenizer.new_stream()
        self._memory: Memory = parts.dynamics.new_memory(sampling.window)
        self._noise = Noise(seeds, given, sampling, parts.device)
        with parts.computing():
            tokens = self._stream.encode(prompts, before(actions))
            if given > 1:
                parts.dynamics.remember(tokens[:, :-1], actions, self._memory)
        self._new = tokens[:, -1:]
        self._taken = actions[:, :0]
        self._unseen: list[tuple[Tensor, Tensor]] = []

    def draw(self, actions: Tensor) -> Drawn:
        """See Future."""
        clips, count = actions.shape
        parts, dynamics = self.parts, self.parts.dynamics
        grid = dynamics.grid
        places = grid[0] * grid[1]
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

        hidden = self._new.new_full((clips, count * places), dynamics.mask_id)
        noise = self._noise.of(count, (places, dynamics.mask_id))
        decoded = decode_masked(logits, hidden, dynamics.codes, self._sampling, noise)
        shape = (clips, count, *grid)
        return Drawn(decoded.tokens.view(shape), decoded.entropy.view(shape), decoded.logits.view(*shape, -1))

    def guess(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """See Future."""
        with self.parts.computing():
            return self._stream.decode(tokens, actions, keep=False)

    def go_on(self, tokens: Tensor, actions: Tensor) -> None:
        """See Future. Frames are decoded when they are asked for."""
        self._take(tokens, actions)
        self._unseen.append((tokens, actions))

    def shown(self) -> Tensor:
        """See Future."""
        tokens, actions = (torch.cat(items, 1) for items in zip(*self._unseen, strict=True))
        self._unseen.clear()
        with self.parts.computing():
            return self._stream.decode(tokens, actions).float()

    def watch(self, frames: Tensor, actions: Tensor) -> None:
        """See Future; what tokens remember is not known by places."""
        with self.parts.computing():
            tokens = self._stream.encode(frames, actions)
        self._take(tokens, actions)

    def restart(self, rows: Tensor, other: "TokenFuture") -> None:
        """See Future."""
        self._memory.put(rows, other._memory, self._noise.clips)
        self._stream.put(rows, other._stream)
        self._new = self._new.clone()
        self._new[rows.to(self._new.device)] = other._new
        self._noise.put(rows, other._noise)

    def copy(self) -> "TokenFuture":
        """See Future."""
        shared: list[object] = [self.parts]
        for network in (self.parts.tokenizer, self.parts.dynamics):
            shared += network.modules() if isinstance(network, nn.Module) else [network]
        return copy.deepcopy(self, {id(one): one for one in shared})

    def _take(self, tokens: Tensor, actions: Tensor) -> None:
        self._new, self._taken = tokens, actions[:, 1:]
        self._noise.advance(tokens.shape[1])


class Noise:
    """The Gumbel noise of B dreams, each frame's from its dream's seed and its number alone."""

    def __init__(self, seeds: Sequence[int], given: int, sampling: Sampling, device: torch.device) -> None:
        """given: frames of the prompt; the next is of that number."""
        self._seeds, self._frames = [int(seed) for seed in seeds], [given] * len(seeds)
        self._noisy, self._device = sampling.noisy, device

    @property
    def clips(self) -> int:
        """B."""
        return len(self._seeds)

    def advance(self, count: int) -> None:
        """So many frames were decided."""
        self._frames = [frame + count for frame in self._frames]

    def put(self, rows: Tensor, other: "Noise") -> None:
        """The dreams `rows` become those of `other`."""
        for row, seed, frame in zip(rows.tolist(), other._seeds, other._frames, strict=True):
            self._seeds[row], self._frames[row] = seed, frame

    def joined(self, others: Sequence["Noise"]) -> "Noise":
        """That of all dreams of this one and of the others."""
        made = copy.copy(self)
        made._seeds = [seed for one in (self, *others) for seed in one._seeds]
        made._frames = [frame for one in (self, *others) for frame in one._frames]
        return made

    def parted(self, sizes: Sequence[int]) -> list["Noise"]:
        """The reverse: of so many dreams each."""
        parts = []
        for end, size in zip(accumulate(sizes), sizes, strict=True):
            part = copy.copy(self)
            part._seeds, part._frames = self._seeds[end - size : end], self._frames[end - size : end]
            parts.append(part)
        return parts

    def of(self, count: int, shape: tuple[int, int]) -> Callable[[int], Tensor] | None:
        """Step -> noise (B, count * n, K) of the next `count` frames, for shape (n, K); None where nothing is drawn at
        random."""
        if not self._noisy:
            return None
        numbers = [
            [seed * 1_000_003 + frame + k for k in range(count)]
            for seed, frame in zip(self._seeds, self._frames, strict=True)
        ]
        sources = [[torch.Generator().manual_seed(n % (1 << 63)) for n in row] for row in numbers]

        def draw(step: int) -> Tensor:
            rows = [torch.cat([torch.rand(shape, generator=source) for source in row]) for row in sources]
            uniform = torch.stack(rows).to(self._device)
            return uniform.add_(1e-20).log_().neg_().log_().neg_()

        return draw


class WorldDream:
    """B live rollouts (protocol.Dream)."""

    def __init__(
        self,
        begin: Callable[[Tensor, Tensor, Sequence[int]], Future],
        future: Future,
        action_names: tuple[str, ...],
        clips: int,
    ) -> None:
        """begin: prompts, the actions between their frames and seeds to what dreams know of them."""
        self._begin, self._future, self._names, self._clips = begin, future, action_names, clips

    @torch.no_grad()
    def step(self, actions: Tensor) -> DreamStep:
        """See protocol.Dream.step. Raises UserError for actions that are none of this world's."""
        taken = check_actions(actions, (self._clips,), self._names)[:, None]
        drawn = self._future.draw(taken)
        self._future.go_on(drawn.tokens, taken)
        return _as_step(self._future.shown(), drawn)

    @torch.no_grad()
    def follow(self, frames: Tensor, actions: Tensor) -> DreamStep:
        """See protocol.Dream.follow. Raises UserError for actions that are none of this world's."""
        taken = self._told(frames, actions)
        drawn = self._future.draw(taken)
        guessed = self._future.guess(drawn.tokens, taken)
        self._future.watch(frames[:, None].to(guessed.device), taken)
        return _as_step(guessed, drawn)

    @torch.no_grad()
    def watch(self, frames: Tensor, actions: Tensor) -> Watched:
        """See protocol.Dream.watch. Raises UserError for actions that are none of this world's."""
        taken = self._told(frames, actions)
        drawn = self._future.draw(taken)
        unseen = self._future.watch(frames[:, None].to(drawn.logits.device), taken)
        return Watched(drawn.entropy[:, 0], drawn.logits[:, 0], unseen)

    def _told(self, frames: Tensor, actions: Tensor) -> Tensor:
        """The actions (B, 1) that led to frames (B, C, H, W)."""
        if frames.shape[0] != self._clips:
            raise UserError(f"{frames.shape[0]} frames for {self._clips} dreams; give one each")
        return check_actions(actions, (self._clips,), self._names)[:, None]

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
            self._future.restart(rows, self._begin(prompts, actions, seeds))

    @torch.inference_mode(False)  # plain tensors, so that the copy can be written to in any mode
    def copy(self) -> "WorldDream":
        """See protocol.Dream.copy."""
        return WorldDream(self._begin, self._future.copy(), self._names, self._clips)

    # -- together.Joinable ---------------------------------------------------------------------------------

    @property
    def company(self) -> Hashable | None:
        """What is known of the dreams says; those over tokens, whose pasts differ in length, are joined with none."""
        return self._future.company if isinstance(self._future, Joinable) else None

    @torch.inference_mode(False)
    def joined(self, others: Sequence["WorldDream"]) -> "WorldDream":
        """See together.Joinable."""
        futures: list[Any] = [self._future, *(other._future for other in others)]
        clips = sum(dream._clips for dream in (self, *others))
        return WorldDream(self._begin, futures[0].joined(futures[1:]), self._names, clips)

    @torch.inference_mode(False)
    def parted(self, into: Sequence["WorldDream"]) -> None:
        """See together.Joinable."""
        future: Any = self._future
        future.parted([dream._future for dream in into])


def check_actions(actions: Tensor, shape: tuple[int, ...], names: Sequence[str]) -> Tensor:
    """`actions` as int64; UserError where they have another shape, one is a fraction or none of the world's `names`."""
    given = torch.as_tensor(actions)
    actions = given.to(torch.int64)
    if tuple(actions.shape) != shape:
        raise UserError(f"actions are of shape {tuple(actions.shape)}; needed is {shape}")
    if not bool((given == actions).all()):
        raise UserError(f"actions are whole numbers; got {given.tolist()!r:.100}")
    if actions.numel() and not 0 <= int(actions.min()) <= int(actions.max()) < len(names):
        raise UserError(
            f"actions go from 0 to {len(names) - 1} in this world ({', '.join(names)}); got "
            f"{int(actions.min())} to {int(actions.max())}"
        )
    return actions


def before(actions: Tensor) -> Tensor:
    """Actions (B, T - 1) between frames as those that led to each frame, (B, T): none to the first."""
    return torch.cat([actions.new_full((len(actions), 1), NO_ACTION), actions], 1)


def _as_step(frames: Tensor, drawn: Drawn) -> DreamStep:
    return DreamStep(frames[:, 0].float(), drawn.tokens[:, 0], drawn.entropy[:, 0], drawn.logits[:, 0])
