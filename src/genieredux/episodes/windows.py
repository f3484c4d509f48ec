"""Random windows of frames and their actions as numpy batches, made ahead by threads, in the order the
sampler says.

The threads change when a batch is made, never what is in it: `batch(step)` is the same whether anything runs
ahead or not. Knows no model and no device; decoding (zstd, copies) releases the interpreter lock, so threads
are enough.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from genieredux.episodes.alignment import num_actions, window_slices
from genieredux.episodes.reader import Dataset
from genieredux.episodes.sampler import WindowSampler

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class WindowBatch:
    """A batch of windows. frames uint8 (B, T, H, W, 3), actions int64 (B, T-1), episodes and starts int64
    (B,).
    """

    frames: np.ndarray
    actions: np.ndarray
    episodes: np.ndarray
    starts: np.ndarray


class Windows:
    """Batches of windows out of a data set.

    memory: hold all frames of the data set uncompressed in RAM (12 KB a frame at 64x64), read at the first
    use. threads: how many batches are read at once by `iterate`; ahead: how many wait at most. Same data set,
    sampler and step: same batch, whatever these are.
    """

    def __init__(
        self, dataset: Dataset, sampler: WindowSampler, memory: bool = False, threads: int = 2, ahead: int = 4
    ) -> None:
        self.dataset, self.sampler = dataset, sampler
        self._threads, self._ahead = threads, ahead
        self._source: Dataset | MemoryFrames = MemoryFrames(dataset) if memory else dataset

    def batch(self, step: int) -> WindowBatch:
        """Batch number `step`."""
        return self.read(*self.sampler.batch_arrays(step))

    def read(self, episodes: np.ndarray, starts: np.ndarray) -> WindowBatch:
        """These windows, in this order."""
        length = self.sampler.num_frames
        size = self.dataset.spec.image_size
        frames = np.empty((len(episodes), length, size, size, 3), dtype=np.uint8)
        actions = np.empty((len(episodes), num_actions(length)), dtype=np.int64)
        for slot, (episode, start) in enumerate(zip(episodes.tolist(), starts.tolist(), strict=True)):
            self._source.read_into(episode, start, frames[slot], actions[slot])
        return WindowBatch(frames, actions, episodes, starts)

    def iterate(self, start_step: int = 0, num_steps: int | None = None) -> Iterator[WindowBatch]:
        """Batches from `start_step` on, made ahead; without end unless `num_steps` is given. Closing the
        iterator stops the threads.
        """
        return prefetch(self.batch, start_step, num_steps, self._threads, self._ahead)


class MemoryFrames:
    """All frames and actions of a data set, uncompressed in RAM: the fastest source of windows."""

    def __init__(self, dataset: Dataset) -> None:
        size = dataset.spec.image_size
        self._firsts = np.cumsum(dataset.lengths) - dataset.lengths
        self._frames = np.empty((int(dataset.lengths.sum()), size, size, 3), np.uint8)
        self._actions = np.full(len(self._frames), -1, np.int64)
        for i, (first, length) in enumerate(zip(self._firsts.tolist(), dataset.lengths.tolist(), strict=True)):
            seen, acted = window_slices(first, length)
            dataset.read_into(i, 0, self._frames[seen], self._actions[acted])

    def read_into(self, i: int, start: int, frames: np.ndarray, actions: np.ndarray) -> None:
        """As `Dataset.read_into`; the caller keeps within the episode."""
        seen, acted = window_slices(int(self._firsts[i]) + start, len(frames))
        frames[:], actions[:] = self._frames[seen], self._actions[acted]


def prefetch(make: Callable[[int], T], start_step: int, num_steps: int | None, threads: int, ahead: int) -> Iterator[T]:
    """make(start_step), make(start_step + 1), ... in order, up to `ahead` of them being made by `threads`
    threads before they are wanted.

    threads = 0 makes each when it is asked for. An error in `make` is raised where its step is due.
    """
    stop = None if num_steps is None else start_step + num_steps
    if threads < 1:
        step = start_step
        while stop is None or step < stop:
            yield make(step)
            step += 1
        return
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="windows")
    waiting: list[Future[T]] = []
    step = start_step
    try:
        while True:
            while len(waiting) < max(ahead, 1) and (stop is None or step < stop):
                waiting.append(pool.submit(make, step))
                step += 1
            if not waiting:
                return
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
