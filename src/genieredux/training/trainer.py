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
from genieredux.nn.precision import choose_precision
from genieredux.runs import RunFolder
from genieredux.training.blocks import checkpoint_blocks, compile_blocks
from genieredux.training.config import OptimizerConfig, TrainConfig
from genieredux.training.devices import make_fabric
from genieredux.training.flops import flops_per_clip
from genieredux.training.optimizer import build_optimizer, learning_rate, learning_rate_at_progress
from genieredux.training.prefetch import DataSource, Prefetcher, to_device
from genieredux.training.recorder import Recorder, Sample
from genieredux.training.resuming import check_resume, find_resume, restore_optimizer
from genieredux.training.saves import Position, Resume, Saves
from genieredux.training.sharding import gathered, is_split, whole
from genieredux.training.signals import Interrupted, StopRequest
from genieredux.training.update import Update
from genieredux.training.validation import validation_means

logger = logging.getLogger(__name__)

SampleHook = Callable[[nn.Module, int], Sample]
Sections = Callable[[], Mapping[str, Section]]
Metadata = Callable[[int, Mapping[str, Any]], Mapping[str, Any]]


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
    metadata: Mapping[str, Any] | Metadata | None = None,
    fabric: Fabric | None = None,
) -> FitResult:
    """Train `model` in place until cfg.num_train_steps or cfg.time_limit_s, in the folder `run`.

    validation: `batch(step, 0)` for step = 1.. gives the same held-out clips every time.
    on_sample(model, step): called after each validation, in evaluation mode and without gradients, by the first
    process (with train.strategy=fsdp by all); its numbers are logged, its pictures written to media/.
    sections: other whole models that the checkpoint must carry. metadata: plain values that belong to the
    model, or a function that gives them at every save, of the step and the values of the save before it (those of the
    checkpoint that is gone on from; none at first).
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
        metadata: Mapping[str, Any] | Metadata | None,
        on_sample: SampleHook | None,
    ) -> None:
        self.cfg, self.run, self.optimizer_cfg, self.fabric = cfg, run, optimizer, fabric
        self.sections, self.metadata, self.on_sample = sections, metadata or {}, on_sample
        self.said: Mapping[str, Any] = {}
        self.module = model
        self.kind, self.config = str(model.kind), plain(model.config)
        self.saves = Saves(run.path, cfg.keep_last)
        self.at = Position()
        self.stop = StopRequest()

    # -- the run -------------------------------------------------------------------------------------------

    def run_all(self, data: DataSource, validation: DataSource | None) -> FitResult:
        resume = find_resume(self.saves, self.cfg.resume, self.kind, self.fabric)
        if resume is not None:
            check_resume(resume, self.config, self._recipe())
            self.at = resume.position
            self.at.finished = self._is_over()  # a run that was complete goes on when it is given more steps
            if self.at.finished:
                return self._already_finished()
        precision = resume.state["precision"] if resume else choose_precision(self.cfg.precision, self.fabric.device)
        self.precision: str = self.fabric.broadcast(precision)  # measured where it is "auto": all must agree
        self.recorder = Recorder(self.run, self.cfg, self.fabric, self.kind, self.precision)
        self._prepare(resume, data)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stop)
            batches = stack.enter_context(
                Prefetcher(data, self.at.step + 1, self.cfg.grad_accum, self.cfg.n_data_workers)
            )
            stack.enter_context(self.recorder.open(self.at.step + 1))
            self._loop(batches, validation)
        return self._result()

    def _prepare(self, resume: Resume | None, data: DataSource) -> None:
        """Model on its device, optimiser, average; then the state of a run that goes on."""
        cfg, fabric = self.cfg, self.fabric
        if resume:
            self.said = resume.model.metadata
            self.module.load_state_dict(resume.state["weights"] or resume.model.state_dict)
        self.module.to(fabric.device).train()
        clip = to_device(data.batch(self.at.step + 1, 0), fabric.device)
        self.recorder.clip_flops = flops_per_clip(self.module, clip, self.precision)
        if cfg.activation_checkpointing:
            checkpoint_blocks(self.module)
        if cfg.compile:
            compile_blocks(self.module)
        model = fabric.setup_module(self.module)
        optimizer = fabric.setup_optimizers(build_optimizer(self.module, self.optimizer_cfg))
        self.update = Update(
            model, optimizer, self.module, fabric, cfg, self.optimizer_cfg, self.precision, self.recorder
        )
        if resume:
            restore_optimizer(self.update.optimizer, resume)
            if self.update.average and resume.state["average"]:
                self.update.average.restore(resume.state["average"])
            self.recorder.meter.restore(resume.state["meter"], fabric.device)
        if fabric.is_global_zero:
            self._say_start(resume)

    def _say_start(self, resume: Resume | None) -> None:
        if resume:
            self.run.log("resume", step=self.at.step, source=str(resume.model.path))
            logger.info("going on from %s (step %d)", resume.model.path, self.at.step)
            return
        parameters = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        clip = self.recorder.clip_flops or 0.0
        per_step = clip * self.cfg.batch_size * self.cfg.grad_accum * self.fabric.world_size
        values = {"parameters": parameters, "precision": self.precision, "flops_per_step": per_step}
        self.run.log("start", step=0, kind=self.kind, **values, ceiling_flops_per_s=self.recorder.ceiling)
        logger.info(
            "%s: %s trainable parameters, %s, %.3g GFLOP a step",
            self.kind,
            f"{parameters:,}",
            self.precision,
            per_step / 1e9,
        )

    def _loop(self, batches: Prefetcher, validation: DataSource | None) -> None:
        cfg, before = self.cfg, self.at.elapsed
        began = time.perf_counter()
        while not self.at.finished:
            step = self.at.step + 1
            rate = self._rate(step)
            self.update.take(step, rate, batches)
            self.at.step = step
            self.at.elapsed = self._agree(before + time.perf_counter() - began)
            stopping = self._agree(float(self.stop.signum or 0)) > 0
            self.at.finished = self._is_over()
            last = self.at.finished or stopping
            if self._is_time_to_look(step, last):
                self._check_finite()
            if step % cfg.log_every == 0 or self.at.finished:
                self.recorder.training(step, rate, self.at.elapsed, self.at.finished)
            if step % cfg.validate_every == 0 or self.at.finished:
                with self.recorder.aside():
                    self._validate(step, validation)
                self.at.elapsed = self._agree(before + time.perf_counter() - began)
            if step % cfg.save_model_every == 0 or last:
                with self.recorder.aside():
                    self._save()
            if stopping and not self.at.finished:
                self._interrupt()

    # -- what the run does besides steps -------------------------------------------------------------------

    def _validate(self, step: int, validation: DataSource | None) -> None:
        if validation is None and self.on_sample is None:
            return
        modes = {module: module.training for module in self.module.modules()}
        with self._saved_weights(), torch.no_grad():
            self.module.eval()
            best = validation is not None and self._validation_loss(step, validation)
            if self.on_sample is not None:
                with whole(self.module):
                    if self._looks():
                        torch.manual_seed(self.cfg.seed)
                        self.recorder.sample(step, self.on_sample(self.module, step))
            if best:  # after the look, which may find what the file says of the model
                self._write_model(self.saves.best_path)
        for module, training in modes.items():
            module.training = training  # not .train(): a part that is frozen stays in evaluation mode
        self.fabric.barrier()

    def _validation_loss(self, step: int, validation: DataSource) -> bool:
        """Whether it is the lowest so far."""
        means = validation_means(self.update.losses, validation, self.cfg, self.fabric)
        self.recorder.validation(step, means)
        if not math.isfinite(means["loss"]):
            raise UserError(f"the validation loss is {means['loss']} at step {step}; lower optimizer.learning_rate")
        if self.at.best_loss is not None and means["loss"] >= self.at.best_loss:
            return False
        self.at.best_loss, self.at.best_step = means["loss"], step
        return True

    def _save(self) -> None:
        """The pair of this step, then room made by deleting old pairs."""
        average = self.update.average
        values = {
            "optimizer": gathered(self.update.optimizer.state_dict()),
            # the model file holds the average, so the weights that go on being trained lie here
            "weights": gathered(dict(self.module.state_dict())) if average else None,
            "average": gathered(average.state()) if average else None,
            "meter": self.recorder.meter.state(),
            "precision": self.precision,
            "recipe": self._recipe(),
        }
        if self.fabric.is_global_zero:
            self.saves.write_state(self.at, values)
        with self._saved_weights():
            self._write_model(self.saves.model_path(self.at.step))
        if self.fabric.is_global_zero:
            self.saves.prune()
        self.fabric.barrier()

    def _write_model(self, path: Path) -> None:
        state = gathered(dict(self.module.state_dict()))
        with whole(self.module):
            if self._looks():
                self.said = self.metadata(self.at.step, self.said) if callable(self.metadata) else self.metadata
        if self.fabric.is_global_zero:
            sections = self.sections() if self.sections else None
            save_model(path, self.kind, self.config, state, step=self.at.step, metadata=self.said, sections=sections)

    def _interrupt(self) -> None:
        command = self.run.resume_command()
        signum = int(self._agree(float(self.stop.signum or 0)))
        logger.warning("stopped at step %d, saved in %s; go on with: %s", self.at.step, self.run.path, command)
        if self.fabric.is_global_zero:
            self.run.log("interrupted", step=self.at.step, signal=signum)
        raise Interrupted(signum, command, self.at.step)

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

    def _is_time_to_look(self, step: int, last: bool) -> bool:
        """Whether the device may be waited for; on a CPU that costs nothing."""
        due = step % self.cfg.log_every == 0 or step % self.cfg.save_model_every == 0
        return last or due or self.fabric.device.type == "cpu"

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
        average = self.update.average
        return average.in_place() if average else contextlib.nullcontext()

    def _looks(self) -> bool:
        """Whether this process looks at the model: the first; where the weights are split, all as one."""
        return self.fabric.is_global_zero or is_split(self.module)

    def _agree(self, value: float) -> float:
        """The largest `value` of all processes, so that they stop and schedule alike."""
        if self.fabric.world_size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        largest = self.fabric.all_reduce(tensor, reduce_op="max")
        assert isinstance(largest, torch.Tensor)
        return largest.item()

    def _check_finite(self) -> None:
        bad = -self._agree(-self.update.guard.first_bad_step())
        if bad < math.inf:
            raise UserError(
                f"the loss or its gradient is not finite at step {bad:.0f} of {self.run.path}; the "
                f"checkpoints before it are whole: lower optimizer.learning_rate or set train.precision=32"
            )
