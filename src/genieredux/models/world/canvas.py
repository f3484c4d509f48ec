"""Dreams of a canvas dynamics: a token of a frame says how its picture moved, and the rest is drawn from what was seen.

Tokens are a grid of one, (B, T, 1, 1); that of a first frame is 0, nothing moved. The motion of true frames is read off
them, each making up for the rounding of those before, and so does each that is drawn. Knows of the dynamics its parts;
no file, no page.
"""

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.models.dynamics.canvas.model import CanvasDynamics, Pictures
from genieredux.models.dynamics.canvas.motion import left_over, settled, to_codes
from genieredux.models.dynamics.canvas.tracking import Track
from genieredux.models.sampling import Sampling, decode_masked
from genieredux.models.world.dream import Computing, Drawn, Noise
from genieredux.models.world.together import concatenated, divided

_BY_DREAM = {"_state": 0, "_memory": 1, "_next": 1, "_owed": 0, "_wanted": 0, "_track": 0}
"""What a future knows of each dream, and the axis on which dreams lie side by side."""


@dataclass(frozen=True)
class CanvasParts:
    """conditions: actions int64 (...) as the dynamics takes them."""

    dynamics: CanvasDynamics
    conditions: Callable[[Tensor], Tensor]
    computing: Computing

    @property
    def device(self) -> torch.device:
        return self.dynamics.codes.device

    def encode(self, frames: Tensor, actions: Tensor | None) -> Tensor:
        codes = self.dynamics.codes
        first = torch.zeros((len(frames), 1), dtype=torch.int64, device=self.device)
        if frames.shape[1] > 1:
            led, _ = to_codes(self.dynamics.shifts(frames), codes, codes.new_zeros(len(frames), 2))
            first = torch.cat([first, led], 1)
        return first[..., None, None]

    def decode(self, tokens: Tensor, actions: Tensor | None, first: Tensor | None) -> Tensor:
        if first is None or (actions is None and tokens.shape[1] > 1):
            raise UserError(
                "tokens of this world say only how the picture moved; give the first frame and the actions too"
            )
        state = self.dynamics.begin(first)
        frames = [state.last]
        for t in range(1, tokens.shape[1]):
            assert actions is not None
            frames.append(self.draw(state, tokens[:, t], actions[:, t - 1]))
        return torch.stack(frames, 1)

    def begin(self, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling) -> "CanvasFuture":
        return CanvasFuture(self, prompts, actions, seeds, sampling)

    def draw(self, state: Pictures, tokens: Tensor, actions: Tensor) -> Tensor:
        """The frames (B, 3, H, W) of tokens (B, 1, 1) after actions (B,); the state goes on."""
        with self.computing():
            return self.dynamics.draw(state, self.dynamics.codes[tokens[:, 0, 0]], self.conditions(actions))


class CanvasFuture:
    """What B dreams know (dream.Future): pictures and canvas, the prior's state, where the true pictures lay, and what
    motions owe them or what was wanted."""

    def __init__(
        self, parts: CanvasParts, prompts: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Sampling
    ) -> None:
        """prompts: (B, P, 3, H, W). actions: int64 (B, P - 1)."""
        self.parts, self._sampling = parts, sampling
        dynamics = parts.dynamics
        clips, given = prompts.shape[:2]
        self._noise = Noise(seeds, 1, sampling, parts.device)
        self._state = dynamics.begin(prompts[:, 0])
        self._memory = dynamics.codes.new_zeros(1, clips, dynamics.config.motion_width)
        self._next = self._memory
        self._owed = dynamics.codes.new_zeros(clips, 2)
        self._wanted = self._owed
        self._track = Track.of(prompts[:, 0])
        self._shown: list[Tensor] = []
        for t in range(1, given):
            self._outlook(actions[:, t - 1])
            self.watch(prompts[:, t : t + 1], actions[:, t - 1 : t])

    def draw(self, actions: Tensor) -> Drawn:
        """See dream.Future."""
        if actions.shape[1] != 1:
            raise ValueError("this dynamics decides one frame at a time")
        codes = self.parts.dynamics.codes
        logits = self._outlook(actions[:, 0])
        hidden = torch.full((len(logits), 1), len(codes), device=codes.device)
        noise = self._noise.of(1, (1, len(codes)))
        made = decode_masked(lambda _: logits, hidden, codes, self._sampling, noise)
        tokens, self._wanted = settled(made.tokens[:, 0], logits[:, 0], codes, self._owed)
        shape = (len(logits), 1, 1, 1)
        return Drawn(tokens.view(shape), made.entropy.view(shape), made.logits.view(*shape, -1))

    def guess(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """See dream.Future."""
        return self.parts.draw(self._state.clone(), tokens[:, 0], actions[:, 0])[:, None]

    def go_on(self, tokens: Tensor, actions: Tensor) -> None:
        """See dream.Future."""
        self._shown.append(self.parts.draw(self._state, tokens[:, 0], actions[:, 0]))
        self._track = Track.of(self._state.last)
        self._owed = left_over(self._wanted, self.parts.dynamics.codes[tokens[:, 0, 0, 0]])
        self._advance()

    def shown(self) -> Tensor:
        """See dream.Future."""
        frames = torch.stack(self._shown, 1)
        self._shown.clear()
        return frames

    def watch(self, frames: Tensor, actions: Tensor) -> Tensor:
        """See dream.Future."""
        dynamics, new = self.parts.dynamics, frames[:, 0]
        shifts = dynamics.shift(self._track, self._state.last, new)[:, None]
        tokens, self._owed = to_codes(shifts, dynamics.codes, self._owed)
        known = dynamics.show(self._state, new, dynamics.codes[tokens[:, 0]], self.parts.conditions(actions[:, 0]))
        self._advance()
        return 1 - known[:, 0]

    def restart(self, rows: Tensor, other: "CanvasFuture") -> None:
        """See dream.Future."""
        rows_there = rows.to(self.parts.device)
        self._state.put(rows_there, other._state)
        self._memory = self._memory.index_copy(1, rows_there, other._memory)
        self._owed = self._owed.index_copy(0, rows_there, other._owed)
        self._track.put(rows_there, other._track)
        self._noise.put(rows, other._noise)

    def copy(self) -> "CanvasFuture":
        """See dream.Future."""
        return copy.deepcopy(self, {id(self.parts): self.parts})

    @property
    def company(self) -> Hashable:
        """See together.Joinable: dreams of the same dynamics whose tokens are drawn alike."""
        return id(self.parts.dynamics), self._sampling

    def joined(self, others: Sequence["CanvasFuture"]) -> "CanvasFuture":
        """See together.Joinable."""
        made, futures = copy.copy(self), (self, *others)
        made._noise, made._shown = self._noise.joined([other._noise for other in others]), []
        for name, dim in _BY_DREAM.items():
            setattr(made, name, concatenated([getattr(future, name) for future in futures], dim))
        return made

    def parted(self, into: Sequence["CanvasFuture"]) -> None:
        """See together.Joinable."""
        sizes = [future._noise.clips for future in into]
        for future, noise in zip(into, self._noise.parted(sizes), strict=True):
            future._noise = noise
        for name, dim in _BY_DREAM.items():
            for future, part in zip(into, divided(getattr(self, name), sizes, dim), strict=True):
                setattr(future, name, part)

    def _outlook(self, actions: Tensor) -> Tensor:
        """Logits (B, 1, K) of the motion that follows actions (B,)."""
        state, conditions = self._state, self.parts.conditions(actions)[:, None]
        pair = torch.stack([state.before, state.last], 1)
        with self.parts.computing():
            logits, memory = self.parts.dynamics.prior(pair, state.motion[:, None], conditions, self._memory)
        self._next = memory.to(self._memory.dtype)
        return logits

    def _advance(self) -> None:
        self._memory = self._next
        self._noise.advance(1)
