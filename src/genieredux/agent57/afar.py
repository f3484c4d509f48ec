"""An actor on a Ray cluster: what `runs.workers.Child` is on this machine. It knows what is said to it, not why.

It sits in the seat that workers of a collection have (`runs.backends.ray_seat`), so what holds for them holds here:
one CPU each, spread over the nodes, of the same versions as this machine's, the ROM of a console game sent along.
Weights are put into the object store once for all actors.
"""

import copy
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from genieredux.agent57.actor import Actor, ActorSetup
from genieredux.collect.backends.local import TRADE
from genieredux.collect.roms import Rom, bring, pack
from genieredux.envs.config import EnvConfig
from genieredux.errors import UserError
from genieredux.own_code import working_folder_last
from genieredux.runs.backends import Refused, Trade
from genieredux.runs.backends.ray_cluster import library
from genieredux.runs.backends.ray_seat import Place, differing, installed, reason, seat_class
from genieredux.runs.workers import Gone

PACKAGES = (*TRADE.packages, "torch")
"""Those whose version may change what is played."""


@dataclass(frozen=True)
class Question:
    """What an actor is asked, `Actor.answer`'s arguments; and what it is made of, should it not be there yet."""

    setup: ActorSetup
    words: Sequence[Any]

    @property
    def env(self) -> EnvConfig:
        """The game, for whose ROM the seat looks."""
        return self.setup.env


class Table:
    """In the process of a seat: the actor, made when it is first asked something."""

    def __init__(self) -> None:
        import cv2
        import torch

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        self._actor: Actor | None = None

    def unpack(self, question: Question, rom: Rom, fetch: Callable[[Any], bytes]) -> None:
        """Have the ROM of the game here."""
        bring(question.env, rom, fetch)

    def run(self, question: Question) -> Iterator[Any]:
        """One answer; a UserError where that is what comes of it."""
        ray = library("actors")
        words = [ray.get(word) if isinstance(word, ray.ObjectRef) else word for word in question.words]
        try:
            if self._actor is None:
                self._actor = Actor(question.setup)
            yield self._actor.answer(*_own(words))
        except UserError as error:
            yield error


class Cluster:
    """The cluster that the program is connected to, as actors of one game need it."""

    def __init__(self, env: EnvConfig) -> None:
        self.ray = library("actors")
        self.rom = pack(env, self.ray.put)
        self.versions = installed(PACKAGES)
        self.here = self.ray.get_runtime_context().get_node_id()
        self.seat = self.ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(seat_class())

    def shared(self, weights: Any) -> Any:
        """Something large that every actor is told: a reference to it."""
        return None if weights is None else self.ray.put(weights)

    def busy(self, seconds: float) -> str:
        """Why an actor has not been started for so long."""
        free = self.ray.available_resources().get("CPU", 0)
        return f"the Ray cluster had no place for an actor in {seconds:.0f} s ({free:.0f} of its CPUs are free)"


class Afar:
    """An actor somewhere on a cluster. Raises UserError, when it is found out, for a node that cannot play."""

    def __init__(self, cluster: Cluster, setup: ActorSetup) -> None:
        self._cluster, self._setup = cluster, setup
        self._streams: deque[Any] = deque()
        self._place: Place | None = None
        self._rom = cluster.rom
        self._actor = cluster.seat.remote()
        cache = os.environ.get("GENIEREDUX_CACHE", "")
        trade = Trade(f"{__name__}:{Table.__name__}", packages=PACKAGES)
        told = (working_folder_last(), vars(trade), cluster.here, cache)
        self._sitting = self._actor.sit.remote(*told)

    @property
    def pid(self) -> int:
        """Its process id, on its node; 0 where it has none yet."""
        return self._place.pid if self._place else 0

    def there(self, seconds: float) -> bool:
        """Whether Ray has found a place for it, within so many seconds. Raises `Gone` where it could not be started."""
        if self._place is None and self._cluster.ray.wait([self._sitting], timeout=seconds)[0]:
            place = Place(**self._got(self._sitting))
            if problem := place.problem or differing(self._cluster.versions, place.versions):
                raise UserError(f"node {place.host} of the Ray cluster cannot play: {problem}")
            self._place = place
        return self._place is not None

    def send(self, words: Sequence[Any]) -> None:
        """Ask something. That the actor is gone is found out when it is listened to."""
        question = Question(self._setup, words)
        self._streams.append(self._actor.work.options(num_returns="streaming").remote(question, self._rom))
        self._rom = None

    def receive(self, seconds: float) -> Any:
        """The answer to the oldest question. Raises `Gone` where there is none within `seconds`."""
        began = time.monotonic()
        if not self.there(seconds):
            raise Gone(self._cluster.busy(seconds))
        stream = self._streams.popleft()
        left = max(0.0, seconds - (time.monotonic() - began))
        if not self._cluster.ray.wait([stream], timeout=left)[0]:
            raise Gone(f"no answer for {seconds:g} s")
        answer = next(stream, None)
        if answer is None:
            raise Gone("it ended in the middle of its play")
        answer = _own(self._got(answer))
        return UserError(answer.reason) if isinstance(answer, Refused) else answer

    def end(self) -> None:
        """End it at once, whatever it does."""
        self._cluster.ray.kill(self._actor, no_restart=True)

    def _got(self, reference: Any) -> Any:
        try:
            return self._cluster.ray.get(reference)
        except self._cluster.ray.exceptions.RayError as error:
            raise Gone(reason(error, self._place)) from error


def _own(value: Any) -> Any:
    """What came out of the object store, which may not be written to, as one's own."""
    return copy.deepcopy(value)
