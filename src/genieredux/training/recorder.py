"""What a run says while it runs: log.jsonl, TensorBoard, wandb, pictures, the progress line. Knows no model.

Every process has one and averages with the others; the first alone writes.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from torch import Tensor

from genieredux.models.types import Batch
from genieredux.runs import RunFolder
from genieredux.runs.progress import ProgressLine
from genieredux.training.config import TrainConfig
from genieredux.training.flops import matmul_ceiling
from genieredux.training.logs import LogWriter, Meter, Throughput, memory_mib


@dataclass(frozen=True)
class Sample:
    """What a look at a model gives. values: numbers for the log. pictures: uint8 (H, W, 3), or films (T, H, W, 3)."""

    values: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __or__(self, other: "Sample") -> "Sample":
        return Sample({**self.values, **other.values}, {**self.pictures, **other.pictures})


class Recorder:
    """Collects what the steps give and writes it every now and then."""

    def __init__(self, run: RunFolder, cfg: TrainConfig, fabric: Fabric, kind: str, precision: str) -> None:
        self.meter = Meter()
        self.clip_flops: float | None = None
        """FLOPs of forward and backward on one clip, for the MFU; None: not counted."""
        self.ceiling = matmul_ceiling(fabric.device, precision)
        """FLOPs a second that this process could do."""
        self._run, self._cfg, self._fabric = run, cfg, fabric
        self._name = f"train {kind}"
        self._throughput, self._steps, self._clips = Throughput(), 0, 0
        self._log: LogWriter | None = None
        self._progress: ProgressLine | None = None

    def open(self, first_step: int) -> "Recorder":
        """Begin to write; points from first_step on, of an execution that was killed, are forgotten."""
        if self._fabric.is_global_zero:
            self._log = LogWriter(self._run, self._cfg, first_step)
            self._progress = ProgressLine(self._name, self._cfg.num_train_steps, self._cfg.time_limit_s)
            self._progress.__enter__()
        self._throughput = Throughput()
        return self

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.__exit__(kind, error, trace)
        if self._log:
            self._log.close()

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Scalars of one micro-batch or step; their means are written."""
        self.meter.add(values)

    def count(self, batch: Batch) -> None:
        """One micro-batch was trained on."""
        self._throughput.add(batch, self._fabric.world_size)
        self._clips += batch.clips

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is no training: the rates and the MFU leave its time out."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._throughput.leave_out(time.perf_counter() - began)

    def end_step(self) -> None:
        """One update was done."""
        self._steps += 1

    def training(self, step: int, rate: float, elapsed: float, last: bool) -> None:
        """The line of the steps since the last one. rate: the learning rate; elapsed: seconds of the whole run."""
        means = self.meter.take(self._fabric)
        rates = self._throughput.take(self._steps)
        values: dict[str, Any] = {**means, "lr": rate, **rates, **memory_mib(self._fabric.device)}
        if self.clip_flops is not None and self._steps:
            done = self.clip_flops * self._clips / self._steps * rates["steps_per_s"]
            values["mfu"] = round(done / self.ceiling, 4)
        self._steps = self._clips = 0
        if self._log and self._progress:
            self._log.write("train", step, {**values, "elapsed_s": round(elapsed, 3)})
            text = f"loss {means['loss']:.4g} · lr {rate:.2g}"
            self._progress.update(step, elapsed, rates["steps_per_s"], text, last=last)

    def validation(self, step: int, means: Mapping[str, float]) -> None:
        """The line of a validation."""
        if self._log:
            self._log.write("validate", step, means)

    def sample(self, step: int, sample: Sample) -> None:
        """Numbers and pictures of a look at the model: media/<name>-<step>.png or .gif."""
        if not self._log:
            return
        if sample.values:
            self._log.write("sample", step, {name: float(value) for name, value in sample.values.items()})
        for name, pixels in sample.pictures.items():
            self._log.picture(name, step, pixels)
