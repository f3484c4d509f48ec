"""One loop for every model: train, validate, sample, checkpoint, resume. Knows no game and no particular
model.

A model is an nn.Module with `.kind`, `.config` and `forward(batch, generator) -> Losses`. Everything random
is a function of (seed, step, micro-batch, rank) and every batch one of (step, micro-batch), so that a run
that stops after any checkpoint and goes on is, bit for bit on a CPU, the run that never stopped.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, plain, save_model
from genieredux.models.types import Losses
from genieredux.nn.precision import autocast, choose_precision
from genieredux.runs import RunFolder
from genieredux.training.config import OptimizerConfig, TrainConfig
from genieredux.training.devices import make_fabric
from genieredux.training.ema import WeightAverage
from genieredux.training.guard import FiniteGuard
from genieredux.training.logs import LogWriter, Meter, Throughput, memory_mib
from genieredux.training.optimizer import (
    build_optimizer,
    learning_rate,
    learning_rate_at_progress,
    set_learning_rate,
)
from genieredux.training.prefetch import DataSource, Prefetcher, to_device
from genieredux.training.progress import ProgressLine
from genieredux.training.randomness import generator_for
from genieredux.training.saves import Position, Resume, Saves
from genieredux.training.signals import Interrupted, StopRequest
from genieredux.training.validation import validation_means

logger = logging.getLogger(__name__)

SampleHook = Callable[[nn.Module, int, RunFolder], Mapping[str, float] | None]
Sections = Callable[[], Mapping[str, Section]]


@dataclass(frozen=True)
class FitResult:
    """What a run left.

    model_path: the last model. best_path: that of the lowest validation loss; without validation the last.
    last_step: updates done. seconds: training time over all executions. history: the "train", "validate" and
    "sample" records of log.jsonl, in order. already_finished: it was complete before, nothing was trained.
    """

    model_path: Path
    best_path: Path
    last_step: int
    seconds: float
    history: list[dict[str, Any]] = field(default_factory=list, repr=False)
    already_finished: bool = False


def fit(
    model: nn.Module,
    data: DataSource,
    cfg: TrainConfig,
    run: RunFolder,
    *,
    optimizer: OptimizerConfig | None = None,
    validation: DataSource | None = None,
    on_sample: SampleHook | None = None,
    sections: Sections | None = None,
    metadata: Mapping[str, Any] | None = None,
    fabric: Fabric | None = None,
) -> FitResult:
    """Train `model` in place until cfg.num_train_steps or cfg.time_limit_s, in the folder `run`.

    validation: `batch(step, 0)` for step = 1.. gives the same held-out clips every time.
    on_sample(model, step, run): called after each validation in evaluation mode; what it returns is logged.
    sections: other whole models that the checkpoint must carry. metadata: plain values that belong to the
    model.
    fabric: one from `make_fabric`, needed when there are several processes (they must start before data is
    made).
    Raises UserError for a folder that cannot be gone on with and for a loss that is not finite; `Interrupted`
    (a SystemExit) after SIGTERM or Ctrl-C, when the step is finished and saved.
    """
    fabric = fabric or make_fabric(cfg)
    trainer = _Trainer(model, cfg, run, optimizer or OptimizerConfig(), fabric, sections, metadata, on_sample)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        if fabric.is_global_zero:
            stack.enter_context(run.lock())
            if not run.begun:
                run.begin()
        return trainer.run_all(data, validation)


class _Trainer:
    def __init__(
        self,
        model: nn.Module,
        cfg: TrainConfig,
        run: RunFolder,
        optimizer: OptimizerConfig,
        fabric: Fabric,
        sections: Sections | None,
        metadata: Mapping[str, Any] | None,
        on_sample: SampleHook | None,
    ) -> None:
        self.cfg, self.run, self.optimizer_cfg, self.fabric = cfg, run, optimizer, fabric
        self.sections, self.metadata, self.on_sample = sections, dict(metadata or {}), on_sample
        self.module = model
        self.kind, self.config = str(model.kind), plain(model.config)
        self.saves = Saves(run.path, cfg.keep_last)
        self.log: LogWriter | None = None
        self.at = Position()
        self.meter = Meter()
        self.stop = StopRequest()
        self.precision = ""

    # -- the run -------------------------------------------------------------------------------------------

    def run_all(self, data: DataSource, validation: DataSource | None) -> FitResult:
        resume = self.saves.find(self.cfg.resume, self.kind)
        if resume is not None:
            self._check_resume(resume)
            self.at = resume.position
            self.at.finished = self._is_over()  # a run that was complete goes on when it is given more steps
            if self.at.finished:
                return self._already_finished()
        self._prepare(resume)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stop)
            if self.fabric.is_global_zero:
                self.log = LogWriter(self.run, self.cfg.tensorboard, self.at.step + 1)
                stack.callback(self.log.close)
            batches = stack.enter_context(
                Prefetcher(data, self.at.step + 1, self.cfg.grad_accum, self.cfg.n_data_workers)
            )
            self.progress = stack.enter_context(
                ProgressLine(f"train {self.kind}", self.cfg.num_train_steps, self.cfg.time_limit_s)
            )
            self._loop(batches, validation)
        return self._result()

    def _prepare(self, resume: Resume | None) -> None:
        """Model on its device, optimiser, average; then the state of a run that goes on."""
        self.precision = (
            resume.state["precision"] if resume else choose_precision(self.cfg.precision, self.fabric.device)
        )
        if resume:
            self.module.load_state_dict(resume.state["weights"] or resume.model.state_dict)
        self.module.train()
        optimizer = build_optimizer(self.module.to(self.fabric.device), self.optimizer_cfg)
        self.wrapped, self.optimizer = self.fabric.setup(self.module, optimizer)
        self.average = WeightAverage(self.module, self.cfg.ema_decay) if self.cfg.ema_decay else None
        if resume:
            self._restore(resume)
        elif self.fabric.is_global_zero:
            parameters = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
            self.run.log("start", step=0, kind=self.kind, parameters=parameters, precision=self.precision)
            logger.info("%s: %s trainable parameters, %s", self.kind, f"{parameters:,}", self.precision)

    def _loop(self, batches: Prefetcher, validation: DataSource | None) -> None:
        cfg, before = self.cfg, self.at.elapsed
        began = time.perf_counter()
        self.throughput, self.steps_since_log = Throughput(), 0
        self.guard = FiniteGuard(self.fabric.device)
        while not self.at.finished:
            step = self.at.step + 1
            self._step(step, batches)
            self.at.step = step
            self.at.elapsed = self._agree(before + time.perf_counter() - began)
            stopping = self._agree(float(self.stop.signum or 0)) > 0
            self.at.finished = self._is_over()
            last = self.at.finished or stopping
            if (
                self.fabric.device.type == "cpu"
                or last
                or step % cfg.log_every == 0
                or step % cfg.save_model_every == 0
            ):
                self._check_finite()
            if step % cfg.log_every == 0 or self.at.finished:
                self._log_training(step)
            if step % cfg.validate_every == 0 or self.at.finished:
                self._validate(step, validation)
                self.at.elapsed = self._agree(before + time.perf_counter() - began)
            if step % cfg.save_model_every == 0 or last:
                self._save()
            if stopping and not self.at.finished:
                self._interrupt()

    def _step(self, step: int, batches: Prefetcher) -> None:
        """One update: gradients averaged over the micro-batches, clipped once."""
        cfg, fabric = self.cfg, self.fabric
        self.rate = self._rate(step)
        set_learning_rate(self.optimizer, self.rate)
        for micro in range(cfg.grad_accum):
            batch = to_device(batches.get(), fabric.device)
            generator = generator_for(fabric.device, cfg.seed, "train", step, micro, fabric.global_rank)
            waiting = micro + 1 < cfg.grad_accum
            with fabric.no_backward_sync(self.wrapped, enabled=waiting and fabric.world_size > 1):
                losses = self._forward(batch, generator)
                fabric.backward(losses.total / cfg.grad_accum)
            self.meter.add({"loss": losses.total, **losses.parts})
            self.throughput.add(batch, fabric.world_size)
            self.guard.watch(step, losses.total)
        limit = self.optimizer_cfg.max_grad_norm
        norm = fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=limit or math.inf, error_if_nonfinite=False)
        if norm is not None:
            self.meter.add({"grad_norm": norm})
            self.guard.watch(step, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update()
        self.steps_since_log += 1

    def _forward(self, batch: Any, generator: torch.Generator) -> Losses:
        with autocast(self.precision, self.fabric.device):
            losses = self.wrapped(batch, generator)
        if not isinstance(losses, Losses):
            raise TypeError(f"{self.kind}.forward must return Losses, not {type(losses).__name__}")
        return losses

    # -- what the run does besides steps -------------------------------------------------------------------

    def _validate(self, step: int, validation: DataSource | None) -> None:
        if validation is None and self.on_sample is None:
            return
        modes = {module: module.training for module in self.module.modules()}
        with self._saved_weights(), torch.no_grad():
            self.module.eval()
            if validation is not None:
                self._validation_loss(step, validation)
            if self.on_sample is not None and self.fabric.is_global_zero:
                torch.manual_seed(self.cfg.seed)
                values = self.on_sample(self.module, step, self.run)
                if values and self.log:
                    self.log.write("sample", step, {name: float(value) for name, value in values.items()})
        for module, training in modes.items():
            module.training = training  # not .train(): a part that is frozen stays in evaluation mode
        self.fabric.barrier()

    def _validation_loss(self, step: int, validation: DataSource) -> None:
        means = validation_means(self._forward, validation, self.cfg, self.fabric)
        if self.log:
            self.log.write("validate", step, means)
        if not math.isfinite(means["loss"]):
            raise UserError(f"the validation loss is {means['loss']} at step {step}; lower optimizer.learning_rate")
        if self.at.best_loss is None or means["loss"] < self.at.best_loss:
            self.at.best_loss, self.at.best_step = means["loss"], step
            self._write_model(self.saves.best_path)

    def _log_training(self, step: int) -> None:
        means = self.meter.take(self.fabric)
        rates = self.throughput.take(self.steps_since_log)
        self.steps_since_log = 0
        values = {**means, "lr": self.rate, **rates, **memory_mib(self.fabric.device)}
        if self.log:
            self.log.write("train", step, {**values, "elapsed_s": round(self.at.elapsed, 3)})
            text = f"loss {means['loss']:.4g} · lr {values['lr']:.2g}"
            self.progress.update(step, self.at.elapsed, rates["steps_per_s"], text, last=self.at.finished)

    def _save(self) -> None:
        """The pair of this step, then room made by deleting old pairs."""
        weights = None
        if self.average:  # the model file holds the average, so the weights that go on being trained lie here
            weights = self.module.state_dict()
        values = {
            "optimizer": self.optimizer.state_dict(),
            "weights": weights,
            "average": self.average.state() if self.average else None,
            "meter": self.meter.state(),
            "precision": self.precision,
            "recipe": self._recipe(),
        }
        if self.fabric.is_global_zero:
            self.saves.write_state(self.at, values)
            with self._saved_weights():
                self._write_model(self.saves.model_path(self.at.step))
            self.saves.prune()
        self.fabric.barrier()

    def _write_model(self, path: Path) -> None:
        if self.fabric.is_global_zero:
            save_model(
                path,
                self.kind,
                self.config,
                self.module.state_dict(),
                step=self.at.step,
                metadata=self.metadata,
                sections=self.sections() if self.sections else None,
            )

    def _interrupt(self) -> None:
        command = self.run.resume_command()
        signum = int(self._agree(float(self.stop.signum or 0)))
        logger.warning("stopped at step %d, saved in %s; go on with: %s", self.at.step, self.run.path, command)
        if self.fabric.is_global_zero:
            self.run.log("interrupted", step=self.at.step, signal=signum)
        raise Interrupted(signum, command, self.at.step)

    # -- going on ------------------------------------------------------------------------------------------

    def _check_resume(self, resume: Resume) -> None:
        resume.check_config(self.config)
        changed = {k: v for k, v in resume.state["recipe"].items() if self._recipe()[k] != v}
        if changed:
            logger.warning("the run was begun with %s: it goes on, but not as if it had never stopped", changed)

    def _restore(self, resume: Resume) -> None:
        state = resume.state
        groups = [
            {key: group[key] for key in ("weight_decay", "betas", "eps")} for group in self.optimizer.param_groups
        ]
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except ValueError as error:
            raise UserError(
                f"the optimiser state beside {resume.model.path} does not fit ({error}); set "
                f"optimizer.decay_embeddings as it was, or choose another run name"
            ) from error
        for group, configured in zip(self.optimizer.param_groups, groups, strict=True):
            group.update(configured)
        if self.average and state["average"]:
            self.average.restore(state["average"])
        self.meter.restore(state["meter"], self.fabric.device)
        if self.fabric.is_global_zero:
            self.run.log("resume", step=self.at.step, source=str(resume.model.path))
        logger.info("going on from %s (step %d)", resume.model.path, self.at.step)

    def _already_finished(self) -> FitResult:
        logger.warning(
            "%s is finished (step %d of %d); nothing to train. Raise train.num_train_steps to go on, or "
            "choose another run name",
            self.run.path,
            self.at.step,
            self.cfg.num_train_steps,
        )
        return self._result(already_finished=True)

    def _result(self, already_finished: bool = False) -> FitResult:
        model = self.saves.model_path(self.at.step)
        best = self.saves.best_path if self.at.best_step is not None and self.saves.best_path.is_file() else model
        history = self.run.history("train", "validate", "sample")
        return FitResult(model, best, self.at.step, self.at.elapsed, history, already_finished)

    # -- small things --------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        limit = self.cfg.time_limit_s
        return self.at.step >= self.cfg.num_train_steps or (limit is not None and self.at.elapsed >= limit)

    def _rate(self, step: int) -> float:
        """The learning rate of update `step` (from 1)."""
        cfg = self.cfg
        if cfg.schedule == "time" and cfg.time_limit_s is not None:
            progress = max(self.at.elapsed / cfg.time_limit_s, (step - 1) / cfg.num_train_steps)
            return learning_rate_at_progress(progress, self.optimizer_cfg, cfg.num_train_steps)
        return learning_rate(step - 1, self.optimizer_cfg, cfg.num_train_steps)

    def _recipe(self) -> dict[str, Any]:
        return {
            "seed": self.cfg.seed,
            "batch_size": self.cfg.batch_size,
            "grad_accum": self.cfg.grad_accum,
            "world_size": self.fabric.world_size,
        }

    def _saved_weights(self) -> contextlib.AbstractContextManager[None]:
        """The weights that are validated, sampled and saved: the average where there is one."""
        return self.average.in_place() if self.average else contextlib.nullcontext()

    def _agree(self, value: float) -> float:
        """The largest `value` of all processes, so that they stop and schedule alike."""
        if self.fabric.world_size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        largest = self.fabric.all_reduce(tensor, reduce_op="max")
        assert isinstance(largest, torch.Tensor)
        return largest.item()

    def _check_finite(self) -> None:
        bad = -self._agree(-self.guard.first_bad_step())
        if bad < math.inf:
            raise UserError(
                f"the loss or its gradient is not finite at step {bad:.0f} of {self.run.path}; the "
                f"checkpoints before it are whole: lower optimizer.learning_rate or set train.precision=32"
            )
