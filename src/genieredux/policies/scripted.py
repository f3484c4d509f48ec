"""Policies that do not look: uniform random, held random actions, and a recording played back.

They draw their actions a block at a time, so playing many streams costs next to nothing.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from genieredux.errors import UserError
from genieredux.policies.policy import Actions, Frames, SeededStreams

_BLOCK = 256


class _OpenLoopPolicy(SeededStreams):
    """Streams of actions drawn ahead in blocks; subclasses draw one stream's block."""

    plays_alone = True

    def __init__(self, num_actions: int) -> None:
        if num_actions < 1:
            raise ValueError(f"num_actions must be at least 1, got {num_actions}")
        self.num_actions = num_actions
        self._blocks: list[Iterator[int]] = []

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Actions:
        """The next actions of one stream, int64, at least `_BLOCK`."""

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        if len(self._blocks) != len(mask):
            self._blocks = [iter(()) for _ in mask]
        for i in np.flatnonzero(mask):
            self._blocks[i] = iter(())

    def act(self, frames: Frames) -> Actions:
        """See `Policy.act`; only the number of frames matters."""
        if len(frames) != len(self._blocks):
            raise ValueError(f"{len(frames)} frames for {len(self._blocks)} streams")
        return np.array([self._next(i) for i in range(len(frames))], dtype=np.int64)

    def _next(self, stream: int) -> int:
        action = next(self._blocks[stream], None)
        if action is None:
            self._blocks[stream] = iter(self._draw(self._generators[stream]).tolist())
            action = next(self._blocks[stream])
        return action


class RandomPolicy(_OpenLoopPolicy):
    """A uniformly random action at every step, as the published data were made."""

    name = "random"

    def _draw(self, generator: np.random.Generator) -> Actions:
        return generator.integers(self.num_actions, size=_BLOCK)


class HeldPolicy(_OpenLoopPolicy):
    """A uniformly random action kept for a uniformly random number of steps, `shortest` to `longest`, then
    another.

    Consecutive draws are independent, so an action may follow itself.
    """

    name = "held"

    def __init__(self, num_actions: int, shortest: int = 4, longest: int = 8) -> None:
        super().__init__(num_actions)
        if not 1 <= shortest <= longest:
            raise UserError(f"held actions last at least 1 step and shortest <= longest; got {shortest} to {longest}")
        self.shortest, self.longest = shortest, longest

    def _draw(self, generator: np.random.Generator) -> Actions:
        holds = -(-_BLOCK // self.shortest)
        kept = generator.integers(self.num_actions, size=holds)
        return np.repeat(kept, generator.integers(self.shortest, self.longest + 1, size=holds))


class RecordedPolicy:
    """Plays given actions back: stream i plays `actions[i]`, and again from its beginning at each new
    episode.

    actions: one int sequence per stream, or one for all streams. Beyond its end the last action is repeated.
    """

    name = "recorded"
    plays_alone = True

    def __init__(self, actions: Sequence[Sequence[int]] | Sequence[int] | NDArray[np.int64]) -> None:
        if not len(actions):
            raise ValueError("a recording needs at least one action")
        one_for_all = np.ndim(actions[0]) == 0
        recordings = [actions] if one_for_all else actions
        self._recordings = [np.asarray(recording, dtype=np.int64) for recording in recordings]
        if any(not len(recording) for recording in self._recordings):
            raise ValueError("a recording needs at least one action")

    def reset(self, n: int, seed: int | Sequence[int]) -> None:
        """See `Policy.reset`; the seed changes nothing."""
        if len(self._recordings) not in (1, n):
            raise ValueError(f"{len(self._recordings)} recordings for {n} streams")
        self._at = np.zeros(n, dtype=np.int64)

    def on_reset(self, mask: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> None:
        """See `Policy.on_reset`: back to the beginning."""
        self._at[mask] = 0

    def act(self, frames: Frames) -> Actions:
        """See `Policy.act`."""
        last = len(self._recordings) - 1
        taken = [
            self._recordings[min(i, last)][min(at, len(self._recordings[min(i, last)]) - 1)]
            for i, at in enumerate(self._at)
        ]
        self._at += 1
        return np.array(taken, dtype=np.int64)
