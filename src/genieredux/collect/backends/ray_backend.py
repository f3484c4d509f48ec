"""Workers as actors of a Ray cluster: processes on whatever node has a free CPU.

An actor plays its tasks with the same `collect.worker.Worker` as a local process; what it says comes back through
Ray's object store. An actor that dies, alone or with its node, is `Lost`, and another is asked for: until Ray has found
a place for it, which may be never, its worker takes no tasks, and the others play on.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from genieredux.collect.backends.local import START_SECONDS, STEP_SECONDS
from genieredux.collect.backends.ray_cluster import library
from genieredux.collect.backends.ray_seat import VERSIONS, Place, Rom, differing, installed, pack, reason, seat_class
from genieredux.collect.tasks import Alive, Finished, Lost, Message, Refused, Task
from genieredux.errors import UserError
from genieredux.own_code import working_folder_last

log = logging.getLogger(__name__)

_MOST_FAILURES = 3
"""A worker whose actor could not even be started so often is left out."""


class _Slot:
    """One worker: its actor, where that is, and what it owes. streams: of the open tasks, oldest first, each with its
    game. arriving: the message that is being fetched. heard: when it last said something.
    """

    def __init__(self) -> None:
        self.actor: Any = None
        self.sitting: Any = None
        self.place: Place | None = None
        self.streams: deque[tuple[Any, str]] = deque()
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


class RayBackend:
    """`workers` actors, each with one CPU, on the cluster that the program is connected to. See `Backend`.

    Raises `UserError` where no node can play: none has a free CPU within `start_seconds`, or all lack what it takes.
    """

    def __init__(self, workers: int, step_seconds: float = STEP_SECONDS, start_seconds: float = START_SECONDS) -> None:
        self.workers = workers
        self._ray = library()
        self._patience = {False: step_seconds, True: start_seconds}
        self._actor = self._ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")(seat_class())
        self._versions = installed()
        self._here = self._ray.get_runtime_context().get_node_id()
        self._roms: dict[str, Rom | None] = {}
        self._problems: dict[str, str] = {}
        self._slots = [_Slot() for _ in range(workers)]
        for slot in self._slots:
            self._engage(slot)

    @property
    def places(self) -> dict[int, Place]:
        """Worker -> where it plays, of those that can play now."""
        return {worker: slot.place for worker, slot in enumerate(self._slots) if slot.place}

    def takes(self, worker: int) -> bool:
        """See `Backend.takes`."""
        return self._slots[worker].place is not None

    def submit(self, worker: int, task: Task) -> None:
        """See `Backend.submit`."""
        slot = self._slots[worker]
        if not slot.streams:
            slot.heard = time.monotonic()
        stream = slot.actor.play.options(num_returns="streaming").remote(task, self._rom(task))
        slot.streams.append((stream, task.env.game))

    def completed(self) -> Iterator[tuple[int, Message]]:
        """See `Backend.completed`."""
        alone_since = time.monotonic()
        while self._is_busy() or not self.places:
            for worker in self._answered():
                if message := self._advance(worker):
                    yield worker, message
            for worker, slot in enumerate(self._slots):
                if slot.streams and time.monotonic() - slot.heard > self._patience[slot.starting]:
                    yield worker, self._lose(slot, "it hangs")
            if self.places:
                alone_since = time.monotonic()
            else:
                self._check_hope(time.monotonic() - alone_since)

    def close(self) -> None:
        """See `Backend.close`."""
        for slot in self._slots:
            self._dismiss(slot)

    def _engage(self, slot: _Slot) -> None:
        """Ask for an actor; Ray starts it when and where a CPU is free."""
        slot.actor = self._actor.remote()
        paths = working_folder_last()
        slot.sitting = slot.actor.sit.remote(paths, VERSIONS, self._here, os.environ.get("GENIEREDUX_CACHE", ""))

    def _dismiss(self, slot: _Slot) -> None:
        """End a worker's actor, and forget what it owes."""
        if slot.actor is not None:
            self._ray.kill(slot.actor, no_restart=True)
        slot.actor = slot.sitting = slot.arriving = slot.place = None
        slot.streams.clear()
        slot.starting = True

    def _is_busy(self) -> bool:
        return any(slot.streams for slot in self._slots)

    def _answered(self) -> list[int]:
        """Workers that have answered, after a second at most."""
        waiting = {slot.awaited: worker for worker, slot in enumerate(self._slots) if slot.awaited is not None}
        if not waiting:
            return []
        refs = list(waiting)
        if self._ray.wait(refs, num_returns=1, timeout=1.0)[0]:
            return [waiting[ref] for ref in self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]]
        return []

    def _advance(self, worker: int) -> Message | None:
        """What a worker that has answered says to it; None where more must be waited for."""
        slot = self._slots[worker]
        if slot.sitting is not None:
            return self._seated(slot)
        if slot.arriving is None:
            slot.heard = time.monotonic()
            slot.arriving = next(slot.streams[0][0], None)
            return None if slot.arriving is not None else self._lose(slot, "it ended in mid-task")
        try:
            message: Message = self._ray.get(slot.arriving)
        except self._ray.exceptions.RayError as error:
            return self._lose(slot, reason(error, slot.place))
        slot.arriving, slot.heard = None, time.monotonic()
        slot.starting = isinstance(message, Alive) and message.opening
        if isinstance(message, Finished | Refused):
            slot.streams.popleft()
        if isinstance(message, Refused) and slot.place and slot.place.node != self._here:
            return Refused(f"on node {slot.place.host}: {message.reason}")
        return message

    def _seated(self, slot: _Slot) -> Message | None:
        """The actor of a worker has been started, or could not be."""
        try:
            place = Place(**self._ray.get(slot.sitting))
        except self._ray.exceptions.RayError as error:
            slot.failures += 1
            self._dismiss(slot)
            self._problems[f"worker {self._slots.index(slot)}"] = reason(error, None)
            if slot.failures < _MOST_FAILURES:
                self._engage(slot)
            return None
        if problem := place.problem or differing(self._versions, place.versions):
            self._dismiss(slot)
            if place.host not in self._problems:
                log.error("node %s cannot play: %s; the others go on", place.host, problem)
            self._problems[place.host] = problem
            return None
        slot.sitting, slot.place, slot.failures = None, place, 0
        return Alive()

    def _lose(self, slot: _Slot, reason: str) -> Lost:
        self._dismiss(slot)
        self._engage(slot)
        return Lost(reason)

    def _check_hope(self, seconds: float) -> None:
        """Nobody can play now: raises `UserError` where nobody will."""
        known = "; ".join(f"{who}: {problem}" for who, problem in self._problems.items())
        if all(slot.actor is None for slot in self._slots):
            raise UserError(f"no node of the Ray cluster can play ({known})")
        if seconds > self._patience[True]:
            free = self._ray.available_resources().get("CPU", 0)
            raise UserError(
                f"the Ray cluster started no worker in {seconds:.0f} s ({free:.0f} of its CPUs are free"
                f"{'; ' + known if known else ''}); the same command goes on from what is stored"
            )

    def _rom(self, task: Task) -> Rom | None:
        """The ROM of a task's game, for nodes that may not have it: put into the object store once a game."""
        if all(slot.place.node == self._here for slot in self._slots if slot.place):
            return None
        game = task.env.game
        if game not in self._roms:
            wanted = {game for slot in self._slots for _, game in slot.streams}
            self._roms = {name: rom for name, rom in self._roms.items() if name in wanted}
            self._roms[game] = pack(task.env, self._ray.put)
        return self._roms[game]
