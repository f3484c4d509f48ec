"""Batches ahead of time.

Knows that a batch is a pure function of (step, micro-batch), not where it comes from.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol

import torch

from genieredux.models.types import Batch


class DataSource(Protocol):
    """Where batches come from.

    `batch(step, micro)` is a pure function: the same arguments give the same host tensors whatever was asked
    before, from any thread. step counts updates from 1, micro the parts of one update from 0. Frames may be
    uint8 (B, T, C, H, W), 0..255: they are scaled to float32 [0, 1] on the device.
    """

    def batch(self, step: int, micro: int) -> Batch: ...


class Prefetcher:
    """Asks a source for the coming batches in background threads and hands them out in order."""

    def __init__(self, source: DataSource, first_step: int, grad_accum: int, workers: int = 1) -> None:
        self._source = source
        self._grad_accum = grad_accum
        self._next = (first_step, 0)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
        self._coming: deque[Future[Batch]] = deque()
        self._depth = workers + 1

    def get(self) -> Batch:
        """The next batch in the order (step, micro). Errors of the source surface here."""
        while len(self._coming) < self._depth:
            step, micro = self._next
            self._coming.append(self._pool.submit(self._source.batch, step, micro))
            self._next = (step, micro + 1) if micro + 1 < self._grad_accum else (step + 1, 0)
        return self._coming.popleft().result()

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """`batch` on `device`, frames as float32 in [0, 1]."""

    def move(tensor: torch.Tensor | None) -> torch.Tensor | None:
        if tensor is None or tensor.device == device:
            return tensor
        if device.type == "cuda":
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor.to(device)

    frames = move(batch.frames)
    if frames is not None and frames.dtype == torch.uint8:
        frames = frames.float().div_(255)
    return Batch(frames=frames, tokens=move(batch.tokens), actions=move(batch.actions))
