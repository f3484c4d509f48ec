"""Steps of dreams that several threads ask for: those that coincide are taken in one pass of the networks.

Nobody waits for anybody who has not asked: whoever comes while nothing is computed begins at once, and whoever comes
meanwhile is in the next pass, with all others who are waiting by then.
"""

import threading
from collections import Counter
from dataclasses import dataclass

import torch

from genieredux.models.world.protocol import Dream, DreamStep
from genieredux.models.world.together import Joinable, step_together

MOST = 16
"""Dreams in one pass."""


@dataclass(eq=False)
class _Asked:
    dream: Dream
    action: int
    answer: DreamStep | Exception | None = None

    def answered(self) -> bool:
        """Whether somebody has computed it."""
        return self.answer is not None


class Together:
    """The dreams of one world. `passes`: how many were taken, by how many dreams were in them."""

    def __init__(self) -> None:
        self.passes: Counter[int] = Counter()
        self._changed = threading.Condition()
        self._waiting: list[_Asked] = []
        self._busy = False

    def step(self, dream: Dream, action: int) -> DreamStep:
        """Take an action in a dream of one, with those of others who ask now. Raises what the dream's own step raises;
        a dream belongs to the thread that asks."""
        if not isinstance(dream, Joinable) or dream.company is None:
            return dream.step(torch.tensor([action]))
        asked = _Asked(dream, action)
        with self._changed:
            self._waiting.append(asked)
        while not asked.answered():
            with self._changed:
                self._changed.wait_for(lambda: not self._busy or asked.answered())
                if asked.answered():
                    break
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                self._busy = True
            try:
                self._take(group)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
        if isinstance(asked.answer, DreamStep):
            return asked.answer
        assert asked.answer is not None
        raise asked.answer

    def _take(self, group: list[_Asked]) -> None:
        self.passes[len(group)] += 1
        answers = step_together([one.dream for one in group], [torch.tensor([one.action]) for one in group])
        for one, answer in zip(group, answers, strict=True):
            one.answer = answer
