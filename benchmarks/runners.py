"""Players of platformers that know one thing: that the level goes on to the right. They stand for a strong policy where
there is none; `connector.variant=runners:Runner`, with this folder on Python's path.
"""

import numpy as np

from genieredux.policies.policy import Actions, Seen
from genieredux.policies.scripted import HeldPolicy

RIGHT, RIGHT_UP = 0, 4
"""In RIGHT, LEFT, DOWN, UP, RIGHT_UP."""


class Runner(HeldPolicy):
    """Runs and jumps to the right, either for 3 to 12 steps."""

    name = "runner"

    def __init__(self, num_actions: int) -> None:
        super().__init__(2, 3, 12)

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        return np.where(super().act(seen) == 0, RIGHT, RIGHT_UP)


class Jumper:
    """Jumps to the right all the time."""

    name, plays_alone = "jumper", True

    def __init__(self, num_actions: int) -> None:
        pass

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        return np.full(len(seen.frames), RIGHT_UP, np.int64)
