"""Who does the work of an evaluation: this process, or several, on this machine or on a Ray cluster.

Work is split by batches and never within one, so the numbers are the same to the bit however many processes there are,
at one precision and as many threads a process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from genieredux.runs.backends.crew import Alone, Crew, Team, crew

__all__ = ["Alone", "Team", "together"]

_ADVICE = "lower eval.num_processes or eval.batch_size"


@contextmanager
def together(
    open_bench: Callable[[int], Any],
    processes: int,
    threads: int = 0,
    backend: Literal["local", "ray"] = "local",
    ray_address: str = "auto",
) -> Iterator[Crew]:
    """`processes` that evaluate, each with a bench of its own.

    open_bench(rank): called once in each process; picklable. threads: of each process; 0 shares those of this one, or
    is one on a cluster. backend, ray_address: as `runs.backends.crew.crew` has them.
    """
    shared = 1 if backend == "ray" else max(1, torch.get_num_threads() // processes)
    threaded = _Threaded(open_bench, threads or shared)
    with crew(threaded, processes, _ADVICE, backend, ray_address, "eval") as team:
        yield team


@dataclass(frozen=True)
class _Threaded:
    open_bench: Callable[[int], Any]
    threads: int

    def __call__(self, rank: int) -> Any:
        torch.set_num_threads(self.threads)
        return self.open_bench(rank)
