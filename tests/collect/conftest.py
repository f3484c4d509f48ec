"""Small collections to run, workers without processes, and how to compare two data sets byte by byte."""

from collections import deque
from pathlib import Path

import numpy as np
import pytest

from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig
from genieredux.collect.tasks import Finished, Refused
from genieredux.collect.worker import Worker


class InlineBackend:
    """The real workers, one after the other in this process, interleaved in an order drawn with `seed`: many more
    orders than processes would ever show, and no time to start any.
    """

    def __init__(self, workers, seed=0):
        self.workers = workers
        self._order = np.random.default_rng(seed)
        self._players = [Worker() for _ in range(workers)]
        self._tasks = [deque() for _ in range(workers)]
        self._running = [None] * workers

    def takes(self, worker):
        return True

    def submit(self, worker, task):
        self._tasks[worker].append(task)

    def completed(self):
        while busy := [w for w in range(self.workers) if self._tasks[w] or self._running[w]]:
            worker = int(self._order.choice(busy))
            if self._running[worker] is None:
                self._running[worker] = self._players[worker].run(self._tasks[worker].popleft())
            message = next(self._running[worker])
            if isinstance(message, Finished | Refused):
                self._running[worker] = None
            yield worker, message

    def close(self):
        for player in self._players:
            player.close()


def _files_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def files_of():
    """Gives every file of the data set in a folder: relative path -> bytes."""
    return _files_of


@pytest.fixture
def inline():
    """Makes backends without processes: `make_backend=inline`, or `inline.ordered(seed)` for another order."""

    def make(workers):
        return InlineBackend(workers)

    make.ordered = lambda seed: lambda workers: InlineBackend(workers, seed)
    return make


@pytest.fixture
def small(tmp_path):
    """Builds the configuration of a small collection of the fake game; keywords are connector fields."""

    def build(root="data", seed=0, workers=1, sessions=6, **connector):
        """sessions: of each of the three training levels."""
        values = {
            "name": "fake",
            "kind": "fake",
            "games": ("Fake",),
            "generator_config": GeneratorConfig(
                n_instances=3, n_sessions=3 * sessions, n_steps_max=40, n_workers=workers
            ),
            "splits": (SplitConfig("train"), SplitConfig("test.held", "held", start_level=100, n_sessions=3)),
            **connector,
        }
        return CollectConfig(ConnectorConfig(**values), root=str(tmp_path / root), seed=seed)

    return build
