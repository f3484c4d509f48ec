"""All actors: in this process, or each in one of its own, here or on a Ray cluster, which is replaced when it dies.

Knows no network. What they play depends on the weights they are sent and on their seeds alone, so it is the same
wherever they run.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Protocol

from genieredux.agent57.actor import Actor, ActorSetup, Played, Weights
from genieredux.agent57.afar import Afar, Cluster
from genieredux.collect.backends.local import START_SECONDS
from genieredux.errors import UserError
from genieredux.runs.backends.ray_cluster import connected
from genieredux.runs.workers import Child, Gone, serve

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""An actor that dies so often before it has played anything is not started again."""

PATIENCE_S = 600.0
"""One that is silent for so long hangs, and counts as dead."""


class Line(Protocol):
    """How an actor that is apart is talked to: `send`, then `receive`, in turn. See `runs.workers.Child`."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def there(self, seconds: float) -> bool:
        """Whether it has a place to play, within so many seconds. Raises `Gone`."""

    def send(self, message: Any) -> None:
        """Ask something."""

    def receive(self, seconds: float) -> Any:
        """The answer. Raises `Gone`."""

    def end(self) -> object:
        """End it."""


class Crew:
    """Asks all actors for play, and fetches what they made of it: `ask`, then `played`, in turn.

    Raises `UserError` where a cluster is asked for that cannot be reached.
    """

    def __init__(self, setups: Sequence[ActorSetup], processes: bool) -> None:
        self._seats: list[_Here | _Apart] = []
        self._cluster: Cluster | None = None
        self._leave = ExitStack()
        self._asked = self._settled = False
        try:
            reach = self._reach(setups) if processes else None
            for setup in setups:
                self._seats.append(_Apart(setup, reach) if reach else _Here(setup))
        except BaseException:
            self.close()
            raise

    def ask(self, steps: int, weights: Weights | None) -> None:
        """Every actor plays so many steps of its lanes, with new weights where there are some. Raises UserError where
        none has a place to play."""
        self._settle()
        told = weights if self._cluster is None else self._cluster.shared(weights)
        for seat in self._seats:
            seat.ask(steps, told)
        self._asked = True

    def played(self) -> list[Played]:
        """What they have played since they were asked, in their order; empty of one that died. Raises UserError."""
        asked, self._asked = self._asked, False
        return [seat.played() for seat in self._seats] if asked else []

    def state(self) -> list[dict[str, Any] | None]:
        """Where every actor is; None of one that has no place to play. Call `played` first."""
        return [seat.state() for seat in self._seats]

    def restore(self, states: Sequence[Mapping[str, Any] | None]) -> None:
        """Go on from `state()`."""
        self._settle()
        for seat, state in zip(self._seats, states, strict=True):
            if state is not None:
                seat.restore(state)

    def pids(self) -> list[int]:
        """The process ids of actors that have their own."""
        return [seat.pid for seat in self._seats if isinstance(seat, _Apart)]

    def close(self) -> None:
        """End all of them."""
        for seat in self._seats:
            seat.close()
        self._leave.close()

    def _reach(self, setups: Sequence[ActorSetup]) -> Callable[[ActorSetup], Line]:
        """What starts an actor in a process of its own."""
        actors = setups[0].actors
        if actors.backend == "local":
            return _Near
        self._leave.enter_context(connected(actors.ray_address, len(setups), "actors"))
        self._cluster = Cluster(setups[0].env)
        return partial(Afar, self._cluster)

    def _settle(self) -> None:
        """Wait until all have a place to play at first, later until one has; not for ever."""
        if self._settled and any(seat.settle(0.0) for seat in self._seats):
            return
        deadline = time.monotonic() + START_SECONDS
        there = sum([seat.settle(max(0.0, deadline - time.monotonic())) for seat in self._seats])
        self._settled = True
        if there < len(self._seats) and self._cluster is not None:
            why = self._cluster.busy(START_SECONDS)
            if not there:
                raise UserError(f"{why}; the same command goes on from what is saved")
            log.warning("%d of %d actors play: %s", there, len(self._seats), why)


class _Here:
    """An actor in this process: it plays when it is asked what it has played."""

    def __init__(self, setup: ActorSetup) -> None:
        self._actor = Actor(setup)
        self._request: tuple[int, Weights | None] = (0, None)

    def settle(self, seconds: float) -> bool:
        return True

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


class _Near(Child):
    """A process of this machine: always there."""

    def __init__(self, setup: ActorSetup) -> None:
        super().__init__("genieredux.agent57.crew:run_actor", setup)

    def there(self, seconds: float) -> bool:
        return True


class _Apart:
    """An actor in a process of its own, and the one that takes its place when it dies, with episodes of its own."""

    def __init__(self, setup: ActorSetup, reach: Callable[[ActorSetup], Line]) -> None:
        self._setup, self._reach = setup, reach
        self._weights: Any = None
        self._deaths = 0
        self._line = reach(setup)
        self._knows = True  # the newest weights; one that takes another's place does not
        self._asked = False

    @property
    def pid(self) -> int:
        return self._line.pid

    def settle(self, seconds: float) -> bool:
        """Whether it can be asked now, or within so many seconds."""
        try:
            return self._line.there(seconds)
        except Gone as gone:
            self._replace(str(gone))
            return False

    def ask(self, steps: int, weights: Any) -> None:
        self._weights = weights if weights is not None else self._weights
        self._asked = self.settle(0.0)
        if self._asked:
            self._line.send(("play", steps, weights if self._knows else self._weights))
            self._knows = True

    def played(self) -> Played:
        if not self._asked:
            return Played()
        try:
            played: Played = self._answer()
        except Gone as gone:
            self._replace(str(gone))
            return Played()
        self._deaths = 0
        return played

    def state(self) -> dict[str, Any] | None:
        state: dict[str, Any] | None = self._told("state")
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        self._weights = state["weights"]
        self._told("restore", dict(state))

    def close(self) -> None:
        self._line.end()

    def _told(self, *message: Any) -> Any:
        """The answer to a question between two plays. One that dies over it is replaced, and the next one answers; None
        where that one finds no place."""
        while self.settle(START_SECONDS):
            try:
                if not self._knows and self._weights is not None:
                    self._line.send(("play", 0, self._weights))
                    self._knows = True
                    self._answer()
                self._line.send(message)
                return self._answer()
            except Gone as gone:
                self._replace(str(gone))
        return None

    def _answer(self) -> Any:
        answer = self._line.receive(PATIENCE_S)
        if isinstance(answer, UserError):
            raise answer
        return answer

    def _replace(self, how: str) -> None:
        """Another in the place of one that is gone."""
        self._deaths += 1
        self._line.end()
        if self._deaths >= MAX_DEATHS:
            raise UserError(
                f"actor {self._setup.number} died {self._deaths} times in a row ({how}); play fewer at once"
            )
        log.warning("actor %d died (%s); another takes its place", self._setup.number, how)
        self._setup = replace(self._setup, life=self._setup.life + 1)
        self._line, self._knows = self._reach(self._setup), False


def run_actor(pipe: Connection, setup: ActorSetup) -> None:
    """In the child: an actor that answers until its parent goes away."""
    import torch

    torch.set_num_threads(1)
    try:
        actor = Actor(setup)
        for message in serve(pipe):
            pipe.send(actor.answer(*message))
    except UserError as error:
        pipe.send(error)
