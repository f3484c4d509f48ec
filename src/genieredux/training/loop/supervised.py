"""A model that learns from batches: forward and backward of the micro-batches, one clip, one optimiser step.

Several micro-batches are one batch: gradients are averaged before they are clipped, and codebooks that follow their
inputs (`FollowsInputs`) begin and step with those of all micro-batches. The same holds over processes. Everything
random is a function of (seed, step, micro-batch, rank) and every batch one of its number. Knows no file.
"""

import contextlib
import logging
import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor

from genieredux.episodes.prefetch import prefetch
from genieredux.models.checkpoint import CheckpointData, plain, plain_defaults
from genieredux.models.types import Batch, Losses
from genieredux.nn.memory import let_go_of_mapped
from genieredux.nn.precision import autocast
from genieredux.training.assembled import Assembled, Sample
from genieredux.training.config import OptimizerConfig, TrainConfig
from genieredux.training.loop.ema import WeightAverage
from genieredux.training.loop.learner import Check, ModelFile, Step
from genieredux.training.loop.optimizer import build_optimizer, learning_rate_at, set_learning_rate
from genieredux.training.loop.randomness import Part, generator_for
from genieredux.training.loop.resuming import check_state, load_weights_of, restore_optimizer
from genieredux.training.loop.validation import validation_means
from genieredux.training.machine.flops import flops_per_clip, matmul_ceiling
from genieredux.training.machine.memory import checkpoint_blocks, compile_blocks
from genieredux.training.machine.moments import moments_folder
from genieredux.training.machine.sharding import gathered, is_split, whole

logger = logging.getLogger(__name__)


@runtime_checkable
class FollowsInputs(Protocol):
    """A part of a model that learns in the forward pass from what it is given (nn/quantize.py)."""

    hold: bool
    """Whether inputs wait for `settle`."""

    @property
    def is_new(self) -> bool:
        """Whether it has learned nothing yet, and will begin with the first inputs."""
        ...

    def begin(self) -> None:
        """Begin with the inputs that were held, as those of one batch, and let go of them."""
        ...

    def settle(self) -> None:
        """Learn from the inputs that were held, as those of one batch."""
        ...


class Supervised:
    """The `Learner` of a model on a data set."""

    def __init__(
        self,
        parts: Assembled,
        cfg: TrainConfig,
        optimizer: OptimizerConfig,
        fabric: Fabric,
        precision: str,
        folder: Path = Path(),
    ) -> None:
        """precision: "32" or "bf16"; a checkpoint that is gone on from brings its own. folder: on whose disk moments
        lie that are mapped; it need not be there yet."""
        self._parts, self._cfg, self._optimizer_cfg, self._fabric = parts, cfg, optimizer, fabric
        self._precision = precision
        self._module = parts.model.to(fabric.device).train()
        self._clip_flops = flops_per_clip(self._module, parts.data.batch(0).first(1).to(fabric.device), precision)
        if cfg.activation_checkpointing:
            checkpoint_blocks(self._module)
        if cfg.compile:
            compile_blocks(self._module)
        self._model = fabric.setup_module(self._module)
        moments = moments_folder(self._module, cfg, folder)
        self._optimizer: Any = fabric.setup_optimizers(build_optimizer(self._module, optimizer, moments))
        self._average = WeightAverage(self._module, cfg.ema_decay) if cfg.ema_decay else None
        self._codebooks = [part for part in self._module.modules() if isinstance(part, FollowsInputs)]
        for codebook in self._codebooks:
            codebook.hold = cfg.grad_accum > 1
        self._batches: Generator[Batch, None, None] | None = None
        self._said: Mapping[str, Any] = {}

    # -- what it is ----------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        return str(self._module.kind)

    @property
    def config(self) -> Mapping[str, Any]:
        return plain(self._module.config)

    @property
    def defaults(self) -> Mapping[str, Any]:
        return plain_defaults(self._module.config)

    @property
    def device(self) -> torch.device:
        return self._fabric.device

    def about(self) -> dict[str, Any]:
        clips = self._cfg.batch_size * self._cfg.grad_accum * self._fabric.world_size
        return {
            "parameters": sum(p.numel() for p in self._module.parameters() if p.requires_grad),
            "precision": self._precision,
            "flops_per_step": self._clip_flops * clips,
            "ceiling_flops_per_s": matmul_ceiling(self.device, self._precision),
        }

    # -- learning ------------------------------------------------------------------------------------------

    def step(self, k: int, elapsed: float) -> Step:
        cfg, fabric = self._cfg, self._fabric
        let_go_of_mapped()  # what was read of moments since the last update
        rate = learning_rate_at(k, elapsed, self._optimizer_cfg, cfg)
        set_learning_rate(self._optimizer, rate)
        batches = self._micro_batches(k)
        losses: list[Losses] = []
        for micro, host in enumerate(batches):
            batch = host.to(self.device)
            waiting = micro + 1 < cfg.grad_accum
            with fabric.no_backward_sync(self._model, enabled=waiting and fabric.world_size > 1):
                made = self._losses(batch, self._generator(batch, k, micro))
                fabric.backward(made.total / cfg.grad_accum)
            losses.append(Losses(made.total.detach(), made.parts))
        scalars = {"loss": torch.stack([made.total for made in losses])}
        scalars |= {name: torch.stack([made.parts[name] for made in losses]) for name in losses[0].parts}
        scalars |= self._clip()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        for codebook in self._codebooks:
            codebook.settle()
        if self._average:
            self._average.update()
        clips = sum(batch.clips for batch in batches)
        return Step(scalars, {"lr": rate}, _counts(batches, fabric.world_size), self._clip_flops * clips)

    def _micro_batches(self, k: int) -> list[Batch]:
        """Of update k, in host memory."""
        cfg, at_first = self._cfg, self._batches is None
        if self._batches is None:
            first, workers = (k - 1) * cfg.grad_accum, cfg.n_data_workers
            self._batches = prefetch(self._parts.data.batch, first, None, workers, ahead=workers + 1)
        batches = [next(self._batches) for _ in range(cfg.grad_accum)]
        if at_first and cfg.grad_accum > 1 and any(codebook.is_new for codebook in self._codebooks):
            self._begin_codebooks(k, batches)
        return batches

    @torch.no_grad()
    def _begin_codebooks(self, k: int, batches: list[Batch]) -> None:
        """Codebooks begin with the inputs of all micro-batches, which a first pass collects."""
        for micro, host in enumerate(batches):
            batch = host.to(self.device)
            self._losses(batch, self._generator(batch, k, micro))
        for codebook in self._codebooks:
            codebook.begin()

    def _generator(self, batch: Batch, k: int, micro: int) -> torch.Generator:
        fabric = self._fabric
        part = Part(batch.clips, micro, self._cfg.grad_accum, fabric.global_rank, fabric.world_size)
        return generator_for(fabric.device, self._cfg.seed, "train", k, part)

    def _losses(self, batch: Any, generator: torch.Generator) -> Losses:
        with autocast(self._precision, self.device):
            losses = self._model(batch, generator)
        if not isinstance(losses, Losses):
            raise TypeError(f"{self.kind}.forward must return Losses, not {type(losses).__name__}")
        return losses

    def _clip(self) -> dict[str, Tensor]:
        """Clip the gradient of the step; its norm before."""
        limit = self._optimizer_cfg.max_grad_norm or math.inf
        norm: Tensor | None = self._fabric.clip_gradients(
            self._model, self._optimizer, max_norm=limit, error_if_nonfinite=False
        )
        if norm is None:
            return {}
        return {"grad_norm": norm.full_tensor() if isinstance(norm, DTensor) else norm}

    # -- looking -------------------------------------------------------------------------------------------

    def validate(self, k: int) -> Check | None:
        parts = self._parts
        if parts.validation is None and not parts.looks:
            return None
        modes = {module: module.training for module in self._module.modules()}
        means: Mapping[str, float] = {}
        with self._saved_weights(), torch.no_grad():
            self._module.eval()
            if parts.validation is not None:
                means = validation_means(self._losses, parts.validation, self._cfg, self._fabric)
            sample = self._look(k)
        for module, training in modes.items():
            module.training = training  # not .train(): a part that is frozen stays in evaluation mode
        self._fabric.barrier()
        return Check(means, sample)

    def _look(self, k: int) -> Sample:
        sample = Sample()
        with whole(self._module):
            if self._parts.looks and self._looks():
                torch.manual_seed(self._cfg.seed)
                for look in self._parts.looks:
                    sample = sample | look(self._module, k)
        return sample

    # -- saving and going on -------------------------------------------------------------------------------

    def model(self, k: int) -> ModelFile:
        state = gathered(self._average.values if self._average else dict(self._module.state_dict()))
        with self._saved_weights(), whole(self._module):
            if self._looks():
                self._said = self._parts.metadata(k, self._said)
        return ModelFile(self.kind, self.config, state, self._said, self._parts.sections)

    def state(self) -> dict[str, Any]:
        average = self._average
        return {
            "optimizer": gathered(self._optimizer.state_dict()),
            # the model file holds the average, so the weights that go on being trained lie here
            "weights": gathered(dict(self._module.state_dict())) if average else None,
            "average": gathered(average.state()) if average else None,
            "precision": self._precision,
            "recipe": self._recipe(),
        }

    def restore(self, model: CheckpointData, state: Mapping[str, Any]) -> None:
        check_state(state, model.path)
        changed = {key: value for key, value in state["recipe"].items() if self._recipe().get(key) != value}
        if changed:
            logger.warning("the run was begun with %s: it goes on, but not as if it had never stopped", changed)
        self._precision, self._said = state["precision"], model.metadata
        load_weights_of(self._module, state["weights"] or model.state_dict, model.path)
        restore_optimizer(self._optimizer, state["optimizer"], model.path)
        if self._cfg.ema_decay:
            self._average = WeightAverage(self._module, self._cfg.ema_decay)
            if state["average"]:
                self._average.restore(state["average"])

    def close(self) -> None:
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def _recipe(self) -> dict[str, Any]:
        cfg = self._cfg
        return {
            "seed": cfg.seed,
            "batch_size": cfg.batch_size,
            "grad_accum": cfg.grad_accum,
            "world_size": self._fabric.world_size,
        }

    def _saved_weights(self) -> contextlib.AbstractContextManager[None]:
        """The weights that are validated, sampled and saved: the average where there is one."""
        return self._average.in_place() if self._average else contextlib.nullcontext()

    def _looks(self) -> bool:
        """Whether this process looks at the model: the first; where the weights are split, all as one."""
        return self._fabric.is_global_zero or is_split(self._module)


def _counts(batches: list[Batch], processes: int) -> dict[str, int]:
    frames = sum(batch.frames.shape[0] * batch.frames.shape[1] for batch in batches if batch.frames is not None)
    tokens = sum(batch.tokens.numel() for batch in batches if batch.tokens is not None)
    return {name: count * processes for name, count in (("frames", frames), ("tokens", tokens)) if count}
