"""All actors: in this process, or each in one of its own, which is replaced when it dies. Knows no network.

What they play depends on the weights they are sent and on their seeds alone, so it is the same wherever they run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from genieredux.agent57.actor import Actor, ActorSetup, Played, Weights
from genieredux.errors import UserError
from genieredux.runs.workers import Child, Gone, serve

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""An actor that dies so often before it has played anything is not started again."""

PATIENCE_S = 600.0
"""One that is silent for so long hangs, and counts as dead."""


class Crew:
    """Asks all actors for play, and fetches what they made of it: `ask`, then `played`, in turn."""

    def __init__(self, setups: Sequence[ActorSetup], processes: bool) -> None:
        self._seats: list[_Here | _Apart] = [_Apart(one) if processes else _Here(one) for one in setups]
        self._asked = False

    def ask(self, steps: int, weights: Weights | None) -> None:
        """Every actor plays so many steps of its lanes, with new weights where there are some."""
        for seat in self._seats:
            seat.ask(steps, weights)
        self._asked = True

    def played(self) -> list[Played]:
        """What they have played since they were asked, in their order; empty of one that died. Raises UserError."""
        asked, self._asked = self._asked, False
        return [seat.played() for seat in self._seats] if asked else []

    def state(self) -> list[dict[str, Any]]:
        """Where every actor is. Call `played` first."""
        return [seat.state() for seat in self._seats]

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on from `state()`."""
        for seat, state in zip(self._seats, states, strict=True):
            seat.restore(state)

    def pids(self) -> list[int]:
        """The process ids of actors that have their own."""
        return [seat.pid for seat in self._seats if isinstance(seat, _Apart)]

    def close(self) -> None:
        """End all of them."""
        for seat in self._seats:
            seat.close()


class _Here:
    """An actor in this process: it plays when it is asked what it has played."""

    def __init__(self, setup: ActorSetup) -> None:
        self._actor = Actor(setup)
        self._request: tuple[int, Weights | None] = (0, None)

    def ask(self, steps: int, weights: Weights | None) -> None:
        self._request = (steps, weights)

    def played(self) -> Played:
        return self._actor.play(*self._request)

    def state(self) -> dict[str, Any]:
        return self._actor.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self._actor.restore(state)

    def close(self) -> None:
        self._actor.close()


class _Apart:
    """An actor in a process of its own."""

    def __init__(self, setup: ActorSetup) -> None:
        self._setup = setup
        self._weights: Weights | None = None
        self._deaths = 0
        self._start()

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, steps: int, weights: Weights | None) -> None:
        self._weights = weights if weights is not None else self._weights
        self._child.send(("play", steps, weights))

    def played(self) -> Played:
        try:
            played: Played = self._answer()
        except Gone as gone:
            self._replace(str(gone))
            return Played()
        self._deaths = 0
        return played

    def state(self) -> dict[str, Any]:
        return self._told("state")

    def restore(self, state: Mapping[str, Any]) -> None:
        self._weights = state["weights"]
        self._told("restore", dict(state))

    def close(self) -> None:
        self._child.end()

    def _told(self, *message: Any) -> Any:
        """The answer to a question between two plays. One that dies over it is replaced, and the next one answers."""
        while True:
            self._child.send(message)
            try:
                return self._answer()
            except Gone as gone:
                self._replace(str(gone))

    def _answer(self) -> Any:
        answer = self._child.receive(PATIENCE_S)
        if isinstance(answer, UserError):
            raise answer
        return answer

    def _replace(self, how: str) -> None:
        """Another process in the place of one that is gone, with episodes of its own."""
        self._deaths += 1
        self._child.end()
        if self._deaths >= MAX_DEATHS:
            raise UserError(
                f"actor {self._setup.number} died {self._deaths} times in a row ({how}); play fewer at once"
            )
        log.warning("actor %d died (%s); another takes its place", self._setup.number, how)
        self._setup = replace(self._setup, life=self._setup.life + 1)
        self._start()
        if self._weights is not None:
            self._child.send(("play", 0, self._weights))
            self.played()

    def _start(self) -> None:
        self._child = Child("genieredux.agent57.crew:run_actor", self._setup)


def run_actor(pipe: Connection, setup: ActorSetup) -> None:
    """In the child: an actor that answers until its parent goes away."""
    import torch

    torch.set_num_threads(1)
    try:
        actor = Actor(setup)
        for verb, *arguments in serve(pipe):
            match verb:
                case "play":
                    pipe.send(actor.play(*arguments))
                case "state":
                    pipe.send(actor.state())
                case "restore":
                    actor.restore(*arguments)
                    pipe.send(None)
    except UserError as error:
        pipe.send(error)
