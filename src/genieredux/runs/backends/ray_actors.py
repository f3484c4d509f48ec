"""Workers as actors of a Ray cluster: processes on whatever node has a free CPU.

An actor is the same worker as a local process; what it says comes back through Ray's object store. An actor that dies,
alone or with its node, is `Lost`, and another is asked for: until Ray has found a place for it, which may be never, its
worker takes no tasks, and the others work on.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from genieredux.errors import UserError
from genieredux.own_code import working_folder_last
from genieredux.runs.backends import Alive, Finished, Lost, Refused, Trade
from genieredux.runs.backends.ray_cluster import library
from genieredux.runs.backends.ray_seat import Place, differing, installed, reason, seat_class

log = logging.getLogger(__name__)

_MOST_FAILURES = 3
"""A worker whose actor could not even be started so often is left out."""


class Slot:
    """One worker: its actor, where that is, and what it owes. streams: of the open tasks, oldest first, each with its
    task. arriving: the message that is being fetched. heard: when it last said something.
    """

    def __init__(self) -> None:
        self.actor: Any = None
        self.sitting: Any = None
        self.place: Place | None = None
        self.streams: deque[tuple[Any, Any]] = deque()
        self.arriving: Any = None
        self.starting = True
        self.heard = time.monotonic()
        self.failures = 0

    @property
    def awaited(self) -> Any:
        """What it will answer with next; None where nothing is expected."""
        if self.sitting is not None:
            return self.sitting
        if self.arriving is not None:
            return self.arriving
        return self.streams[0][0] if self.streams else None


class RayActors:
    """`workers` actors, each with one CPU, on the cluster that the program is connected to. See `Backend`.

    step_seconds, start_seconds: as `Processes` has them. Raises `UserError` where no node can work: none has a free CPU
    within `start_seconds`, or all lack what it takes.
    """

    def __init__(self, workers: int, trade: Trade, step_seconds: float, start_seconds: float) -> None:
        self.workers = workers
        self._trade = trade
        self._ray = library()
        self._patience = {False: step_seconds, True: start_seconds}
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(seat_class())
        self._versions = installed(trade.packages)
        self.here = self._ray.get_runtime_context().get_node_id()
        self._problems: dict[str, str] = {}
        self.slots = [Slot() for _ in range(workers)]
        for slot in self.slots:
            self._engage(slot)

    @property
    def places(self) -> dict[int, Place]:
        """Worker -> where it works, of those that can work now."""
        return {worker: slot.place for worker, slot in enumerate(self.slots) if slot.place}

    def takes(self, worker: int) -> bool:
        """See `Backend.takes`."""
        return self.slots[worker].place is not None

    def submit(self, worker: int, task: Any) -> None:
        """See `Backend.submit`."""
        slot = self.slots[worker]
        if not slot.streams:
            slot.heard = time.monotonic()
        stream = slot.actor.work.options(num_returns="streaming").remote(task, self.baggage(task))
        slot.streams.append((stream, task))

    def baggage(self, task: Any) -> Any:
        """What goes to the node with a task, for the worker's `unpack(task, baggage, fetch)`; None: nothing."""
        return None

    def put(self, value: Any) -> Any:
        """A reference to a value that lies in the cluster's object store from now on."""
        return self._ray.put(value)

    def completed(self) -> Iterator[tuple[int, Any]]:
        """See `Backend.completed`."""
        alone_since = time.monotonic()
        while self._is_busy() or not self.places:
            for worker in self._answered():
                if message := self._advance(worker):
                    yield worker, message
            for worker, slot in enumerate(self.slots):
                if slot.streams and time.monotonic() - slot.heard > self._patience[slot.starting]:
                    yield worker, self._lose(slot, "it hangs")
            if self.places:
                alone_since = time.monotonic()
            else:
                self._check_hope(time.monotonic() - alone_since)

    def close(self) -> None:
        """See `Backend.close`."""
        for slot in self.slots:
            self._dismiss(slot)

    def _engage(self, slot: Slot) -> None:
        """Ask for an actor; Ray starts it when and where a CPU is free."""
        slot.actor = self._actor.remote()
        paths = working_folder_last()
        cache = os.environ.get("GENIEREDUX_CACHE", "")
        slot.sitting = slot.actor.sit.remote(paths, vars(self._trade), self.here, cache)

    def _dismiss(self, slot: Slot) -> None:
        """End a worker's actor, and forget what it owes."""
        if slot.actor is not None:
            self._ray.kill(slot.actor, no_restart=True)
        slot.actor = slot.sitting = slot.arriving = slot.place = None
        slot.streams.clear()
        slot.starting = True

    def _is_busy(self) -> bool:
        return any(slot.streams for slot in self.slots)

    def _answered(self) -> list[int]:
        """Workers that have answered, after a second at most."""
        waiting = {slot.awaited: worker for worker, slot in enumerate(self.slots) if slot.awaited is not None}
        if not waiting:
            return []
        refs = list(waiting)
        if self._ray.wait(refs, num_returns=1, timeout=1.0)[0]:
            return [waiting[ref] for ref in self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]]
        return []

    def _advance(self, worker: int) -> Any:
        """What a worker that has answered says to it; None where more must be waited for."""
        slot = self.slots[worker]
        if slot.sitting is not None:
            return self._seated(slot)
        if slot.arriving is None:
            slot.heard = time.monotonic()
            slot.arriving = next(slot.streams[0][0], None)
            return None if slot.arriving is not None else self._lose(slot, "it ended in mid-task")
        try:
            message = self._ray.get(slot.arriving)
        except self._ray.exceptions.RayError as error:
            return self._lose(slot, reason(error, slot.place))
        slot.arriving, slot.heard = None, time.monotonic()
        slot.starting = isinstance(message, Alive) and message.opening
        if isinstance(message, Finished | Refused):
            slot.streams.popleft()
        if isinstance(message, Refused) and slot.place and slot.place.node != self.here:
            return Refused(f"on node {slot.place.host}: {message.reason}")
        return message

    def _seated(self, slot: Slot) -> Any:
        """The actor of a worker has been started, or could not be."""
        try:
            place = Place(**self._ray.get(slot.sitting))
        except self._ray.exceptions.RayError as error:
            slot.failures += 1
            self._dismiss(slot)
            self._problems[f"worker {self.slots.index(slot)}"] = reason(error, None)
            if slot.failures < _MOST_FAILURES:
                self._engage(slot)
            return None
        if problem := place.problem or differing(self._versions, place.versions):
            self._dismiss(slot)
            if place.host not in self._problems:
                log.error("node %s cannot take part: %s; the others go on", place.host, problem)
            self._problems[place.host] = problem
            return None
        slot.sitting, slot.place, slot.failures = None, place, 0
        return Alive()

    def _lose(self, slot: Slot, how: str) -> Lost:
        self._dismiss(slot)
        self._engage(slot)
        return Lost(how)

    def _check_hope(self, seconds: float) -> None:
        """Nobody can work now: raises `UserError` where nobody will."""
        known = "; ".join(f"{who}: {problem}" for who, problem in self._problems.items())
        if all(slot.actor is None for slot in self.slots):
            raise UserError(f"no node of the Ray cluster can take part ({known})")
        if seconds > self._patience[True]:
            free = self._ray.available_resources().get("CPU", 0)
            raise UserError(
                f"the Ray cluster started no worker in {seconds:.0f} s ({free:.0f} of its CPUs are free"
                f"{'; ' + known if known else ''}); the same command goes on from what is stored"
            )
