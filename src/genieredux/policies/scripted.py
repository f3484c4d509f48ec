"""Policies that do not look: uniform random and held random actions.

They draw their actions a block at a time, so playing many streams costs next to nothing.
"""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from genieredux.checking import at_least
from genieredux.policies.policy import Actions, Generators, Seen

_BLOCK = 256


class _OpenLoopPolicy:
    """Streams of actions drawn ahead in blocks; subclasses draw one stream's block."""

    plays_alone = True

    def __init__(self, num_actions: int) -> None:
        at_least("num_actions", num_actions, 1)
        self.num_actions = num_actions
        self._generators = Generators()
        self._blocks: list[Iterator[int]] = []

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Actions:
        """The next actions of one stream, int64, at least `_BLOCK`."""

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`; only where episodes begin matters."""
        generators = self._generators.of(seen)
        if seen.begun.any():
            kept = self._blocks if len(self._blocks) == len(generators) else [iter(())] * len(generators)
            self._blocks = [iter(()) if new else block for new, block in zip(seen.begun, kept, strict=True)]
        return np.array([self._next(i, generator) for i, generator in enumerate(generators)], dtype=np.int64)

    def _next(self, stream: int, generator: np.random.Generator) -> int:
        action = next(self._blocks[stream], None)
        if action is None:
            self._blocks[stream] = iter(self._draw(generator).tolist())
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
        at_least("shortest", shortest, 1)
        at_least("longest", longest, shortest)
        self.shortest, self.longest = shortest, longest

    def _draw(self, generator: np.random.Generator) -> Actions:
        holds = -(-_BLOCK // self.shortest)
        actions = generator.integers(self.num_actions, size=holds)
        return np.repeat(actions, generator.integers(self.shortest, self.longest + 1, size=holds))
