"""A player that mostly runs and jumps to the right, as one plays CoinRun: for a data set in which coins are fetched.

genieredux generate ... config.connector.variant=rightward:load
"""

import numpy as np

from genieredux.policies import Actions, Generators, Seen

CHANCES = {"RIGHT": 0.3, "LEFT": 0.08, "DOWN": 0.02, "UP": 0.1, "RIGHT_UP": 0.5}
"""Of each of CoinRun's actions, in the order of the data set; one is held for three to eight steps."""


class Rightward:
    """Actions drawn by CHANCES, each held for a while."""

    name, plays_alone = "rightward", True

    def __init__(self, num_actions: int) -> None:
        if num_actions != len(CHANCES):
            raise ValueError(f"this player knows {len(CHANCES)} actions, and the game has {num_actions}")
        self._generators = Generators()
        self._left = np.zeros(0, np.int64)
        self._actions = np.zeros(0, np.int64)

    def act(self, seen: Seen) -> Actions:
        """See genieredux.policies.Policy."""
        if len(self._left) != len(seen.frames):
            self._left, self._actions = (np.zeros(len(seen.frames), np.int64) for _ in range(2))
        self._left[seen.begun] = 0
        for stream, generator in enumerate(self._generators.of(seen)):
            if self._left[stream] == 0:
                self._actions[stream] = generator.choice(len(CHANCES), p=list(CHANCES.values()))
                self._left[stream] = generator.integers(3, 9)
            self._left[stream] -= 1
        return self._actions.copy()


def load(num_actions: int) -> Rightward:
    """The player of `variant=rightward:load`."""
    return Rightward(num_actions)
