"""Small tasks whose best return is known, for judging an agent: a random coin, and the deep sea.

Gymnasium environments; their frames are drawings of a few pixels, uint8 (H, W, 3).
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_WALL, _COIN, _AGENT = 70, 150, 255
_MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


class RandomCoin(gymnasium.Env[Picture, np.int64]):
    """An empty room, the agent and a coin somewhere in it: the coin is worth 1 and ends the episode (Agent57, 4.2).

    The best return is 1, on the shortest way. Who is paid for seeing new places had better not take the coin: a single
    network that learns both forgets how to. info: `shortest`, the steps that were needed at the beginning.
    """

    game, console, action_names = "RandomCoin", "Toy", ("UP", "DOWN", "LEFT", "RIGHT")
    action_space = Discrete(4)

    def __init__(self, size: int = 7, steps: int = 200, pixels: int = 2) -> None:
        """size: side of the room, in cells. steps: after so many an episode is cut. pixels: side of a cell."""
        self.size, self.steps, self.pixels = size, steps, pixels
        side = (size + 2) * pixels
        self.observation_space = Box(0, 255, (side, side, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Picture, dict[str, Any]]:
        super().reset(seed=seed)
        agent, coin = self.np_random.choice(self.size**2, 2, replace=False)
        self._agent, self._coin = np.array(divmod(agent, self.size)), np.array(divmod(coin, self.size))
        self._age = 0
        return self._draw(), {"shortest": int(np.abs(self._agent - self._coin).sum())}

    def step(self, action: np.int64 | int) -> tuple[Picture, float, bool, bool, dict[str, Any]]:
        self._agent = np.clip(self._agent + _MOVES[int(action)], 0, self.size - 1)
        self._age += 1
        taken = bool((self._agent == self._coin).all())
        return self._draw(), float(taken), taken, not taken and self._age >= self.steps, {}

    def _draw(self) -> Picture:
        frame = np.full((self.size + 2, self.size + 2, 3), _WALL, np.uint8)
        frame[1:-1, 1:-1] = 0
        frame[tuple(self._coin + 1)] = _COIN
        frame[tuple(self._agent + 1)] = _AGENT
        return frame.repeat(self.pixels, 0).repeat(self.pixels, 1)


class DeepSea(gymnasium.Env[Picture, np.int64]):
    """A dive of N steps through an N x N sea: one down each step, and left or right (Osband et al. 2019).

    Which of the two actions is right differs from cell to cell, by bsuite's own table (Osband et al. 2020), so that a
    network that happens to prefer one action gets nowhere. A frame tells the cell and nothing else. Right costs
    0.01 / N each time; only N times right ends at the treasure, worth 1. The best return is 0.99; random play finds it
    once in 2^N episodes.
    """

    game, console, action_names = "DeepSea", "Toy", ("A", "B")
    action_space = Discrete(2)

    def __init__(self, size: int = 10, mapping: int = 42, pixels: int = 2) -> None:
        """size: N. mapping: seeds which action is right in which cell, as bsuite's `mapping_seed` does (42 there).
        pixels: side of a cell."""
        self.size, self.pixels = size, pixels
        self._right = np.random.RandomState(mapping).binomial(1, 0.5, (size, size))
        self.observation_space = Box(0, 255, (size * pixels, size * pixels, 3), np.uint8)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Picture, dict[str, Any]]:
        super().reset(seed=seed)
        self._row = self._column = 0
        return self._draw(), {}

    def step(self, action: np.int64 | int) -> tuple[Picture, float, bool, bool, dict[str, Any]]:
        right = int(action) == self._right[self._row, self._column]
        reward = -0.01 / self.size if right else 0.0
        if right and self._column == self.size - 1:
            reward += 1.0
        self._column = min(max(self._column + (1 if right else -1), 0), self.size - 1)
        self._row += 1
        return self._draw(), reward, self._row == self.size, False, {}

    def _draw(self) -> Picture:
        frame = np.zeros((self.size, self.size, 3), np.uint8)
        if self._row < self.size:
            frame[self._row, self._column] = _AGENT
        return frame.repeat(self.pixels, 0).repeat(self.pixels, 1)
