"""One update of the weights: micro-batches forward and backward, one clip, one optimiser step. Knows no schedule and
no file.

Several micro-batches are one batch: gradients are averaged before they are clipped, and codebooks that follow their
inputs take one step (a module with `hold` and `settle`, nn/quantize.py). The same holds over processes.
"""

import math
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from genieredux.models.types import Losses
from genieredux.nn.precision import autocast
from genieredux.training.config import OptimizerConfig, TrainConfig
from genieredux.training.ema import WeightAverage
from genieredux.training.guard import FiniteGuard
from genieredux.training.optimizer import set_learning_rate
from genieredux.training.prefetch import Prefetcher, to_device
from genieredux.training.randomness import Part, generator_for
from genieredux.training.recorder import Recorder


class Update:
    """Takes the steps of one run."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        module: nn.Module,
        fabric: Fabric,
        cfg: TrainConfig,
        optimizer_cfg: OptimizerConfig,
        precision: str,
        recorder: Recorder,
    ) -> None:
        """model, optimizer: as Fabric set them up; module: the model itself."""
        self.model, self.optimizer = model, optimizer
        self.average = WeightAverage(module, cfg.ema_decay) if cfg.ema_decay else None
        self.guard = FiniteGuard(fabric.device)
        self._fabric, self._cfg, self._recorder = fabric, cfg, recorder
        self._max_norm = optimizer_cfg.max_grad_norm or math.inf
        self._precision = precision
        self._kind = str(module.kind)
        self._quantizers: list[Any] = [part for part in module.modules() if hasattr(part, "settle")]
        for quantizer in self._quantizers:
            quantizer.hold = cfg.grad_accum > 1

    def take(self, step: int, rate: float, batches: Prefetcher) -> None:
        """Update number `step`, at a learning rate."""
        cfg, fabric = self._cfg, self._fabric
        set_learning_rate(self.optimizer, rate)
        for micro in range(cfg.grad_accum):
            batch = to_device(batches.get(), fabric.device)
            part = Part(batch.clips, micro, cfg.grad_accum, fabric.global_rank, fabric.world_size)
            generator = generator_for(fabric.device, cfg.seed, "train", step, part)
            waiting = micro + 1 < cfg.grad_accum
            with fabric.no_backward_sync(self.model, enabled=waiting and fabric.world_size > 1):
                losses = self.losses(batch, generator)
                fabric.backward(losses.total / cfg.grad_accum)
            self._recorder.add({"loss": losses.total, **losses.parts})
            self._recorder.count(batch)
            self.guard.watch(step, losses.total)
        self._clip(step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for quantizer in self._quantizers:
            quantizer.settle()
        if self.average:
            self.average.update()
        self._recorder.end_step()

    def losses(self, batch: Any, generator: torch.Generator) -> Losses:
        """The model's losses on one micro-batch."""
        with autocast(self._precision, self._fabric.device):
            losses = self.model(batch, generator)
        if not isinstance(losses, Losses):
            raise TypeError(f"{self._kind}.forward must return Losses, not {type(losses).__name__}")
        return losses

    def _clip(self, step: int) -> None:
        norm: Tensor | None = self._fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self._max_norm, error_if_nonfinite=False
        )
        if norm is None:
            return
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        self._recorder.add({"grad_norm": norm})
        self.guard.watch(step, norm)
