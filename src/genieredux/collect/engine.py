"""Keeps workers busy and stores what they send: the loop of a collection whose policies play alone.

A worker that dies costs the episode it was playing, which is played again. A game whose episode kills its worker
again and again, or that cannot be opened, is given up in a line, and the others go on.
"""

import logging
from collections import Counter, deque
from collections.abc import Sequence

from genieredux.collect.backends import Backend
from genieredux.collect.plan import Planned
from genieredux.collect.progress import Tally
from genieredux.collect.schedule import Schedule, Work
from genieredux.collect.shelf import Shelf
from genieredux.collect.tasks import Finished, Lost, Message, Played, Refused, Task

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""A game of which one episode has killed its worker so often is given up."""
_TASKS_AHEAD = 2  # one being played, one waiting: no worker waits for its next task


class Engine:
    """Plays `works` on the workers of `backend`. lost: episodes that had to be played again."""

    def __init__(self, works: Sequence[Work], backend: Backend, shelf: Shelf, tally: Tally) -> None:
        self._works = {work.number: work for work in works}
        self._schedule = Schedule(works, backend.workers)
        self._backend, self._shelf, self._tally = backend, shelf, tally
        self._open: list[deque[_OpenTask]] = [deque() for _ in range(backend.workers)]
        self._deaths: Counter[str] = Counter()
        self.lost = 0

    def run(self) -> None:
        """Play until nothing is left that can be played. Raises `UserError` where nothing can be stored."""
        self._feed()
        for worker, message in self._backend.completed():
            self._hear(worker, message)
            self._feed()

    def _feed(self) -> None:
        """Give every worker enough to do, those first that have least."""
        for ahead in range(_TASKS_AHEAD):
            for worker, tasks in enumerate(self._open):
                if len(tasks) <= ahead and self._backend.takes(worker):
                    task = self._schedule.next_task(worker)
                    if task is None:
                        return
                    tasks.append(_OpenTask(task))
                    self._backend.submit(worker, task)

    def _hear(self, worker: int, message: Message) -> None:
        tasks = self._open[worker]
        match message:
            case Played():
                tasks[0].left.popleft()
                self._store(message)
            case Finished():
                tasks.popleft()
            case Refused(reason):
                self._give_up(self._works[tasks.popleft().task.number], reason)
            case Lost(reason):
                self._lost(worker, reason)
            case _:
                self._tally.count(frames=message.frames)

    def _store(self, played: Played) -> None:
        ledger = self._works[played.number].ledger
        ready = ledger.arrived(played.planned, played.episode.meta.length, played.episode)
        for episode in ready:
            self._shelf.put(episode)
        self._tally.count(played.frames, len(ready))

    def _lost(self, worker: int, reason: str) -> None:
        tasks, self._open[worker] = self._open[worker], deque()
        first = next((planned for task in tasks for planned in task.left), None)
        if first is not None:
            work = self._works[tasks[0].task.number]
            self._died(work, first, reason)
        for task in tasks:
            for planned in task.left:
                self._works[task.task.number].ledger.give_back(planned)

    def _died(self, work: Work, planned: Planned, reason: str) -> None:
        self.lost += 1
        self._deaths[planned.id] += 1
        deaths = self._deaths[planned.id]
        game = work.group.facts.game
        if deaths >= MAX_DEATHS:
            self._give_up(work, f"its process died {deaths} times at episode {planned.id} ({reason})")
        elif work.given_up is None:
            log.warning("%s: the process that played it died (%s); its episode is played again", game, reason)

    def _give_up(self, work: Work, reason: str) -> None:
        give_up(list(self._works.values()), work.group.game, reason)


class _OpenTask:
    """A task that a worker has, and the episodes of it that it has not sent yet."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.left = deque(task.episodes)


def give_up(works: Sequence[Work], game: str, reason: str) -> None:
    """Play nothing more of a game, and say so once."""
    concerned = [work for work in works if work.group.game == game]
    if any(work.given_up for work in concerned):
        return
    for work in concerned:
        work.given_up = reason
    log.error("%s is given up: %s; the other games go on", concerned[0].group.facts.game, reason)
