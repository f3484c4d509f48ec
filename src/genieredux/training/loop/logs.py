"""What training writes down: means between two log lines, to log.jsonl, TensorBoard and wandb. Knows no loop."""

import resource
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from genieredux.config import from_plain
from genieredux.pictures import write_picture
from genieredux.runs import RunFolder
from genieredux.runs.files import writing
from genieredux.training.config import LogConfig
from genieredux.training.loop.learner import Step
from genieredux.training.loop.wandb_log import WandbLog, require_wandb


@dataclass(frozen=True)
class MeterState:
    """What a `Meter` has seen since its last `take`."""

    sums: Mapping[str, float]
    counts: Mapping[str, int]


class Meter:
    """Means of scalars since the last `take`, kept on the device so that a step waits for nothing.

    `state` and `restore` carry the sums over a resume: the first line after it is that of an uninterrupted
    run.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add observations: name -> a tensor of any shape, all of whose values count alike."""
        for name, value in values.items():
            total = value.detach().double().sum()
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._counts[name] = self._counts.get(name, 0) + value.numel()

    def take(self, fabric: Fabric) -> dict[str, float]:
        """The means over all processes, and start anew."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        if fabric.world_size > 1:
            means = {name: mean_over_processes(mean, fabric) for name, mean in means.items()}
        self._sums, self._counts = {}, {}
        return {name: float(mean) for name, mean in means.items()}

    def state(self, fabric: Fabric) -> dict[str, Any]:
        """What `restore` needs, the same on every process: from here on each has the mean of what all have."""
        if fabric.world_size > 1:
            self._sums = {name: mean_over_processes(total, fabric) for name, total in self._sums.items()}
        return {
            "sums": {name: float(value) for name, value in self._sums.items()},
            "counts": dict(self._counts),
        }

    def restore(self, state: Any, device: torch.device) -> None:
        """Go on from `state()`."""
        kept = from_plain(MeterState, state, "meter")
        self._sums = {
            name: torch.tensor(value, dtype=torch.float64, device=device) for name, value in kept.sums.items()
        }
        self._counts = dict(kept.counts)


class Rates:
    """Steps a second, and what was learned from a second, since the last `take`."""

    def __init__(self) -> None:
        self._start()

    def add(self, step: Step) -> None:
        """One update was done."""
        self._steps += 1
        self._flops += step.flops
        for name, count in step.counts.items():
            self._counts[name] = self._counts.get(name, 0) + count

    def take(self, ceiling: float | None) -> dict[str, float]:
        """The rates, and start anew. ceiling: FLOPs a second that could be done, for `mfu`."""
        seconds = max(time.perf_counter() - self._since, 1e-9)
        rates = {"steps_per_s": self._steps / seconds}
        rates |= {f"{name}_per_s": count / seconds for name, count in self._counts.items()}
        if ceiling and self._flops:
            rates["mfu"] = round(self._flops / seconds / ceiling, 4)
        self._start()
        return rates

    def leave_out(self, seconds: float) -> None:
        """Something that is no training took so long."""
        self._since += seconds

    def _start(self) -> None:
        self._since = time.perf_counter()
        self._steps, self._flops = 0, 0.0
        self._counts: dict[str, int] = {}


def check_logs(cfg: LogConfig) -> None:
    """Raises UserError for a log that cannot be kept here."""
    if cfg.wandb != "disabled":
        require_wandb(cfg.wandb)


class LogWriter:
    """log.jsonl, media/, TensorBoard and wandb at once; used by the first process only."""

    def __init__(self, run: RunFolder, cfg: LogConfig, first_step: int) -> None:
        self._run = run
        self._board: Any = None
        self._wandb: WandbLog | None = None
        if cfg.tensorboard:
            # a third of a second that short runs can do without
            from torch.utils.tensorboard import SummaryWriter

            # Points from first_step on, of an execution that was killed after its last checkpoint, are
            # forgotten.
            self._excepthook, threading.excepthook = threading.excepthook, self._thread_failed
            with writing(run.tensorboard):
                self._board = SummaryWriter(str(run.tensorboard), purge_step=first_step)
        if cfg.wandb != "disabled":
            self._wandb = WandbLog(run, cfg.wandb, cfg.wandb_project)

    def _thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        """TensorBoard's thread keeps what it failed by for whoever writes next, and says it once more as a traceback,
        which nobody needs."""
        if not type(failed.thread).__module__.startswith("tensorboard"):
            self._excepthook(failed)

    def write(self, event: str, step: int, values: Mapping[str, float]) -> None:
        """One line in the log, one point a value in TensorBoard and wandb under `event/`."""
        self._run.log(event, step=step, **values)
        if self._board is not None:
            with writing(self._run.tensorboard):
                for name, value in values.items():
                    self._board.add_scalar(f"{event}/{name}", value, step)
        if self._wandb is not None:
            self._wandb.write(event, step, values)

    def picture(self, name: str, step: int, pixels: np.ndarray) -> None:
        """uint8 (H, W, 3), or a film (T, H, W, 3): a file in media/, and shown by TensorBoard and wandb."""
        write_picture(self._run.media / f"{name}-{step}", pixels)
        if self._board is not None:
            still = pixels if pixels.ndim == 3 else np.concatenate(list(pixels), 1)
            with writing(self._run.tensorboard):
                self._board.add_image(f"media/{name}", still, step, dataformats="HWC")
        if self._wandb is not None:
            self._wandb.picture(name, step, pixels)

    def close(self) -> None:
        if self._board is not None:
            try:
                with writing(self._run.tensorboard):
                    self._board.close()
            finally:
                threading.excepthook = self._excepthook
        if self._wandb is not None:
            self._wandb.close()


def mean_over_processes(value: Tensor, fabric: Fabric) -> Tensor:
    """The mean of a scalar that every process has."""
    mean = fabric.all_reduce(value, reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def memory_mib(device: torch.device) -> dict[str, float]:
    """Peak memory of this process so far, in MiB: resident, and on the GPU where there is one."""
    peak = {"peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    if device.type == "cuda":
        peak["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peak
