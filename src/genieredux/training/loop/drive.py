"""The driver of a run: steps until the end, and between them logs, validations, checkpoints, being stopped, going on.

Knows no model and no data, only a `Learner` (learner.py). A learner whose step k is a function of k and its state ends,
bit for bit on a CPU, as if the run had never stopped, whatever stopped it.
"""

import contextlib
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from genieredux.errors import UserError
from genieredux.models.checkpoint import save_model
from genieredux.runs import RunFolder
from genieredux.training.config import LogConfig, LoopConfig, MachineConfig
from genieredux.training.loop.guard import FiniteGuard
from genieredux.training.loop.learner import Check, Learner
from genieredux.training.loop.logs import check_logs
from genieredux.training.loop.recorder import Recorder
from genieredux.training.loop.resuming import find_resume
from genieredux.training.loop.saves import Position, Saves
from genieredux.training.loop.signals import Interrupted, StopRequest
from genieredux.training.machine.devices import make_fabric

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
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


def drive(
    learner: Learner,
    loop: LoopConfig,
    run: RunFolder,
    *,
    log: LogConfig | None = None,
    fabric: Fabric | None = None,
    saves: Saves | None = None,
) -> RunResult:
    """Let `learner` learn until loop.num_train_steps or loop.time_limit_s, in the folder `run`; it is closed then.

    fabric: one from `make_fabric`; needed where there are several processes. saves: where checkpoints lie and how they
    are called; by default in the run's folder. Raises UserError for a folder that cannot be gone on with (a new one is
    not even created) and for a loss that is not finite; `Interrupted` (a SystemExit) after SIGTERM or Ctrl-C, when the
    step is finished and saved.
    """
    fabric = fabric or make_fabric(MachineConfig(accelerator="cpu"))
    log = log or LogConfig()
    saves = saves or Saves(run.path, loop.keep_last)
    with contextlib.ExitStack() as stack:
        stack.callback(learner.close)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        check_logs(log)
        there = run.path.is_dir()
        if there and fabric.is_global_zero:
            stack.enter_context(run.lock())
        resume = find_resume(saves, loop.resume, learner.kind, fabric)
        at, source = Position(), None
        if resume:
            resume.check_config(
                learner.config, getattr(learner, "defaults", {})
            )  # a learner of one's own may lack them
            at = resume.position
            at.finished = _is_over(at, loop)  # a run that was complete goes on when it is given more steps
            if at.finished:
                return _already_finished(run, saves, at, loop)
            learner.restore(resume.model, resume.state)
            source = _Source(resume.model.path, resume.state.get("meter"))
            del resume  # all of its tensors would stay in memory otherwise
        if fabric.is_global_zero:
            if not there:
                stack.enter_context(run.lock())
            if not run.begun:
                run.begin()
        _Run(learner, loop, run, log, fabric, saves, at).go(source)
    return _result(run, saves, at)


@dataclass(frozen=True)
class _Source:
    """The checkpoint that a run goes on from. meter: what was measured until then."""

    path: Path
    meter: Any


class _Run:
    """One execution of a run."""

    def __init__(
        self,
        learner: Learner,
        loop: LoopConfig,
        run: RunFolder,
        log: LogConfig,
        fabric: Fabric,
        saves: Saves,
        at: Position,
    ) -> None:
        self.learner, self.loop, self.run, self.fabric, self.saves, self.at = learner, loop, run, fabric, saves, at
        self.about = learner.about()
        self.recorder = Recorder(run, log, loop, fabric, learner.kind, self.about.get("ceiling_flops_per_s"))
        self.guard = FiniteGuard(learner.device)
        self.stop = StopRequest()

    def go(self, source: _Source | None) -> None:
        """From where it is to the end."""
        if source:
            self.recorder.meter.restore(source.meter, self.learner.device)
        if self.fabric.is_global_zero:
            self._say_start(source)
        with self.stop, self.recorder.open(self.at.step + 1):
            self._steps()

    def _say_start(self, source: _Source | None) -> None:
        if source:
            self.run.log("resume", step=self.at.step, source=str(source.path))
            logger.info("going on from %s (step %d)", source.path, self.at.step)
            return
        self.run.log("start", step=0, kind=self.learner.kind, **self.about)
        facts = {name: f"{value:,.4g}" if isinstance(value, float) else value for name, value in self.about.items()}
        logger.info("%s: %s", self.learner.kind, ", ".join(f"{name} {value}" for name, value in facts.items()))

    def _steps(self) -> None:
        loop, at, before = self.loop, self.at, self.at.elapsed
        began = time.perf_counter()
        while not at.finished:
            step = at.step + 1
            made = self.learner.step(step, at.elapsed)
            self.recorder.add(made)
            self.guard.watch(step, [made.scalars[name] for name in made.watched if name in made.scalars])
            at.step = step
            at.elapsed = self._agree(before + time.perf_counter() - began)
            stopping = self._agree(float(self.stop.signum or 0)) > 0
            at.finished = _is_over(at, loop)
            last = at.finished or stopping
            if self._is_time_to_look(step, last):
                self._check_finite()
            if step % loop.log_every == 0 or at.finished:
                self.recorder.training(step, at.elapsed, at.finished)
            if step % loop.validate_every == 0 or at.finished:
                with self.recorder.aside():
                    self._validate(step)
                at.elapsed = self._agree(before + time.perf_counter() - began)
            if step % loop.save_model_every == 0 or last:
                with self.recorder.aside():
                    self._save()
            if stopping and not at.finished:
                self._interrupt()

    # -- what the run does besides steps -------------------------------------------------------------------

    def _validate(self, step: int) -> None:
        check = self.learner.validate(step)
        if check is None:
            return
        best = self._is_best(step, check)
        self.recorder.sample(step, check.sample)
        if best:
            self._write_model(self.saves.best_path)

    def _is_best(self, step: int, check: Check) -> bool:
        """Whether its loss is the lowest so far; both are noted."""
        if not check.means:
            return False
        self.recorder.validation(step, check.means)
        loss = check.means.get("loss")
        if loss is None:
            return False
        if not math.isfinite(loss):
            raise UserError(f"the validation loss is {loss} at step {step}; lower optimizer.learning_rate")
        if self.at.best_loss is not None and loss >= self.at.best_loss:
            return False
        self.at.best_loss, self.at.best_step = loss, step
        return True

    def _save(self) -> None:
        """The pair of this step, then room made by deleting old pairs."""
        values = {**self.learner.state(), "meter": self.recorder.meter.state(self.fabric)}
        if self.fabric.is_global_zero:
            self.saves.write_state(self.at, values)
        try:
            self._write_model(self.saves.model_path(self.at.step))
        except UserError:
            self.saves.state_path(self.at.step).unlink(missing_ok=True)  # it would be of use to nobody
            raise
        if self.fabric.is_global_zero:
            self.saves.prune()
        self.fabric.barrier()

    def _write_model(self, path: Path) -> None:
        file = self.learner.model(self.at.step)
        if self.fabric.is_global_zero:
            save_model(
                path,
                file.kind,
                file.config,
                file.state_dict,
                step=self.at.step,
                metadata=file.metadata,
                sections=file.sections,
            )

    def _interrupt(self) -> None:
        command = self.run.resume_command()
        signum = int(self._agree(float(self.stop.signum or 0)))
        logger.warning("stopped at step %d, saved in %s; go on with: %s", self.at.step, self.run.path, command)
        if self.fabric.is_global_zero:
            self.run.log("interrupted", step=self.at.step, signal=signum)
        raise Interrupted(signum, command, self.at.step)

    # -- small things --------------------------------------------------------------------------------------

    def _is_time_to_look(self, step: int, last: bool) -> bool:
        """Whether the device may be waited for; on a CPU that costs nothing."""
        due = step % self.loop.log_every == 0 or step % self.loop.save_model_every == 0
        return last or due or self.learner.device.type == "cpu"

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


def _is_over(at: Position, loop: LoopConfig) -> bool:
    limit = loop.time_limit_s
    return at.step >= loop.num_train_steps or (limit is not None and at.elapsed >= limit)


def _already_finished(run: RunFolder, saves: Saves, at: Position, loop: LoopConfig) -> RunResult:
    logger.warning(
        "%s is finished (step %d of %d); nothing to train. Raise train.num_train_steps to go on, or choose another run "
        "name",
        run.path,
        at.step,
        loop.num_train_steps,
    )
    return _result(run, saves, at, already_finished=True)


def _result(run: RunFolder, saves: Saves, at: Position, already_finished: bool = False) -> RunResult:
    model = saves.model_path(at.step)
    best = saves.best_path if at.best_step is not None and saves.best_path.is_file() else model
    history = run.history("train", "validate", "sample")
    return RunResult(model, best, at.step, at.elapsed, history, already_finished)
