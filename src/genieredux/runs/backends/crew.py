"""One function over many tasks, in order: by this process alone, or by a crew of workers on any backend.

A task is done by one worker and never divided, so what comes out is the same however many there are. A worker that dies
costs the tasks it had, which others do again. Knows no task and no model.
"""

import math
import multiprocessing.spawn
import pickle
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar

from genieredux.errors import UserError
from genieredux.runs.backends import Alive, Backend, Finished, Lost, Refused, Trade
from genieredux.runs.backends.local import Processes

T = TypeVar("T")
R = TypeVar("R")

MAX_DEATHS = 2
"""A task that killed its worker so often is given up, and the work with it."""
START_SECONDS = 600.0
"""Importing torch and opening a model, on a busy machine."""
_AHEAD = 2  # tasks of every worker: one that it does, one that waits


class Team(Protocol):
    """`map(work, tasks)` gives `work(bench, task)` of every task, in their order; `bench` is what work needs."""

    def map(self, work: Callable[[Any, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Lazily: a task is begun shortly before its result is asked for."""
        ...


class Alone:
    """This process."""

    def __init__(self, bench: Any) -> None:
        self._bench = bench

    def map(self, work: Callable[[Any, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """See Team."""
        return (work(self._bench, task) for task in tasks)


class Crew:
    """The workers of a backend, each with a bench of its own. advice: what a person may change where workers die.

    Make one with `crew`.
    """

    def __init__(self, backend: Backend, advice: str) -> None:
        self._backend, self._advice = backend, advice
        self._open: list[deque[_Job]] = [deque() for _ in range(backend.workers)]
        self._again: deque[_Job] = deque()
        self._deaths: Counter[int] = Counter()
        self._results: dict[int, Any] = {}
        self._numbers = 0

    def map(self, work: Callable[[Any, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """See Team. Raises what `work` raised, and UserError where workers die again and again."""
        jobs = (self._job(work, task) for task in tasks)
        wanted: deque[int] = deque()
        most = _AHEAD * len(self._open)
        while True:
            for job in islice(jobs, most - len(wanted)):
                wanted.append(job.number)
                self._again.append(job)
            if not wanted:
                return
            self._wait_for(wanted[0])
            result = self._results.pop(wanted.popleft())
            if isinstance(result, BaseException):
                raise result
            yield result

    def _job(self, work: Callable[[Any, T], R], task: T) -> "_Job":
        self._numbers += 1
        return _Job(self._numbers, pickle.dumps((work, task)))

    def _wait_for(self, number: int) -> None:
        self._feed()
        if number in self._results:
            return
        for worker, message in self._backend.completed():
            self._hear(worker, message)
            self._feed()
            if number in self._results:
                return
        raise UserError(f"no worker could be given a task; {self._advice}")

    def _feed(self) -> None:
        """Give every worker enough to do, those first that have least."""
        for ahead in range(_AHEAD):
            for worker, jobs in enumerate(self._open):
                if self._again and len(jobs) <= ahead and self._backend.takes(worker):
                    jobs.append(self._again.popleft())
                    self._backend.submit(worker, (worker, jobs[-1].number, jobs[-1].payload))

    def _hear(self, worker: int, message: Any) -> None:
        jobs = self._open[worker]
        match message:
            case Done():
                self._results[message.number] = pickle.loads(message.payload)
            case Finished():
                jobs.popleft()
            case Refused(reason):
                self._results[jobs.popleft().number] = UserError(reason)
            case Lost(reason):
                self._lost(jobs, reason)
                jobs.clear()

    def _lost(self, jobs: "deque[_Job]", reason: str) -> None:
        unanswered = [job for job in jobs if job.number not in self._results]
        if unanswered:
            number = unanswered[0].number
            self._deaths[number] += 1
            if self._deaths[number] >= MAX_DEATHS:
                raise UserError(
                    f"a process died at the same task {MAX_DEATHS} times ({reason}), most likely for want of memory; "
                    f"{self._advice}"
                )
        self._again.extendleft(reversed(unanswered))


@contextmanager
def crew(
    open_bench: Callable[[int], Any],
    workers: int,
    advice: str,
    backend: Literal["local", "ray"] = "local",
    ray_address: str = "auto",
    group: str = "",
) -> Iterator[Crew]:
    """A crew of `workers`, on this machine or on the Ray cluster at `ray_address`, which ends with the block.

    open_bench(number of the worker): called once in each, importable there under its name; picklable, with all that it
    needs. group: the settings that these are in. Raises `UserError` where there is no
    such cluster.
    """
    trade = Trade("genieredux.runs.backends.crew:Hand", (pickle.dumps(open_bench), _main_file()))
    with ExitStack() as stack:
        made: Backend
        if backend == "ray":
            from genieredux.runs.backends.ray_actors import RayActors
            from genieredux.runs.backends.ray_cluster import connected

            count = stack.enter_context(connected(ray_address, workers, group))
            made = RayActors(count, trade, math.inf, START_SECONDS)
        else:
            made = Processes(workers, trade, math.inf, START_SECONDS)
        stack.callback(made.close)
        yield Crew(made, advice)


@dataclass(frozen=True)
class _Job:
    """A task on its way. payload: the pickled (work, task)."""

    number: int
    payload: bytes


@dataclass(frozen=True)
class Done:
    """payload: the pickled result of a task, or what `work` raised."""

    number: int
    payload: bytes


class Hand:
    """The worker of a crew. open_bench: pickled. main: the file of the program that sends tasks, whose functions they
    may name; it is not run as a program here."""

    def __init__(self, open_bench: bytes, main: str | None) -> None:
        self._open_bench, self._main = open_bench, main
        self._bench: Any = None

    def run(self, task: tuple[int, int, bytes]) -> Iterator[Any]:
        """See `runs.backends.Worker`."""
        worker, number, payload = task
        try:
            if self._open_bench:
                yield Alive(opening=True)
                if self._main:
                    multiprocessing.spawn.prepare({"init_main_from_path": self._main})
                self._bench, self._open_bench = pickle.loads(self._open_bench)(worker), b""
                yield Alive()
            work, value = pickle.loads(payload)
            result = pickle.dumps(work(self._bench, value))
        except UserError as error:
            yield Refused(str(error))
            return
        except Exception as error:  # noqa: BLE001  # whoever asked gets it
            result = pickle.dumps(_portable(error))
        yield Done(number, result)
        yield Finished()

    def close(self) -> None:
        """Nothing is open that does not end with the process."""


def _portable(error: Exception) -> BaseException:
    """The error, or one that says the same where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  # whatever its class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _main_file() -> str | None:
    """The program's own file, where it has functions that tasks may name."""
    main = sys.modules["__main__"]
    return None if getattr(main, "__spec__", None) is not None else getattr(main, "__file__", None)
