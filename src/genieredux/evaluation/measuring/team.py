"""Who does the work of an evaluation: this process, or several. It knows batches of work, in order, and no metric.

Work is split by batches and never within one, so the numbers are the same to the bit however many processes there are,
at one precision and as many threads a process.
"""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Protocol, TypeVar

import torch

from genieredux.errors import UserError
from genieredux.runs.workers import safe_start

T = TypeVar("T")
R = TypeVar("R")

_bench: Any = None  # of a process of `Together`


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


class Together:
    """`processes` spawned ones, each with a bench of its own; a context manager.

    open_bench(rank): called once in each process; picklable. threads: of each process; 0 shares those of this one.
    """

    def __init__(self, open_bench: Callable[[int], Any], processes: int, threads: int = 0) -> None:
        self._ahead = 2 * processes
        threads = threads or max(1, torch.get_num_threads() // processes)
        context = multiprocessing.get_context("spawn")
        with safe_start():  # the lock brings a process of its own
            ranks = context.Value("i", 0)
        self._pool = ProcessPoolExecutor(processes, context, _begin, (open_bench, ranks, threads))

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, *_: object) -> None:
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def map(self, work: Callable[[Any, T], R], tasks: Iterable[T]) -> Iterator[R]:
        """See Team. Raises UserError where a process died, and what `work` raised."""
        waiting: list[Future[R]] = []
        rest = iter(tasks)
        try:
            waiting += [self._submit(work, task) for task in islice(rest, self._ahead)]
            while waiting:
                yield waiting.pop(0).result()
                waiting += [self._submit(work, task) for task in islice(rest, 1)]
        except BrokenProcessPool as error:
            raise UserError(
                "a process of the evaluation died, most likely for want of memory; lower eval.num_processes or "
                "eval.batch_size"
            ) from error

    def _submit(self, work: Callable[[Any, T], R], task: T) -> Future[R]:
        """The first of these start the processes."""
        with safe_start():
            return self._pool.submit(_do, work, task)


def _begin(open_bench: Callable[[int], Any], ranks: Any, threads: int) -> None:
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(threads)
    with ranks.get_lock():
        rank = ranks.value
        ranks.value += 1
    _bench = open_bench(rank)


def _do(work: Callable[[Any, T], R], task: T) -> R:
    return work(_bench, task)
