"""What a run says while it runs: log.jsonl, TensorBoard, wandb, pictures, the progress line. Knows no model.

Every process has one and averages with the others; the first alone writes.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

from lightning_fabric import Fabric

from genieredux.runs import RunFolder
from genieredux.runs.progress import ProgressLine
from genieredux.training.assembled import Sample
from genieredux.training.config import LogConfig, LoopConfig
from genieredux.training.loop.learner import Step
from genieredux.training.loop.logs import LogWriter, Meter, Rates, memory_mib


class Recorder:
    """Collects what the steps give and writes it every now and then."""

    def __init__(
        self, run: RunFolder, cfg: LogConfig, loop: LoopConfig, fabric: Fabric, kind: str, ceiling: float | None
    ) -> None:
        """ceiling: FLOPs a second that this process could do, for the MFU; None: it is not said."""
        self.meter = Meter()
        self._run, self._cfg, self._loop, self._fabric = run, cfg, loop, fabric
        self._name, self._ceiling = f"train {kind}", ceiling
        self._rates = Rates()
        self._latest: Mapping[str, float] = {}
        self._log: LogWriter | None = None
        self._progress: ProgressLine | None = None

    def open(self, first_step: int) -> "Recorder":
        """Begin to write; points from first_step on, of an execution that was killed, are forgotten."""
        if self._fabric.is_global_zero:
            self._log = LogWriter(self._run, self._cfg, first_step)
            self._progress = ProgressLine(self._name, self._loop.num_train_steps, self._loop.time_limit_s)
            self._progress.__enter__()
        self._rates = Rates()
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

    def add(self, step: Step) -> None:
        """One update was done."""
        self.meter.add(step.scalars)
        self._rates.add(step)
        self._latest = step.latest

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is no training: the rates and the MFU leave its time out."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._rates.leave_out(time.perf_counter() - began)

    def training(self, step: int, elapsed: float, last: bool) -> None:
        """The line of the steps since the last one. elapsed: seconds of the whole run."""
        means = self.meter.take(self._fabric)
        rates = self._rates.take(self._ceiling)
        if self._log and self._progress:
            values = {**means, **self._latest, **rates, **memory_mib(self._fabric.device)}
            self._log.write("train", step, {**values, "elapsed_s": round(elapsed, 3)})
            shown = [(name, f"{means[name]:.4g}") for name in list(means)[:1]]
            shown += [(name, f"{value:.2g}") for name, value in self._latest.items()]
            text = " · ".join(f"{name} {value}" for name, value in shown)
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
