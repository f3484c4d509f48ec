"""Before a long run: how big a model is, what a step takes here, and what will not fit.

A few real steps are taken, on one device and without writing anything: first with one clip, and with a whole
micro-batch where memory and patience allow. Knows the jobs' configuration; prints nothing.
"""

import resource
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from genieredux.episodes import Dataset
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.types import Batch
from genieredux.nn.memory import gib, memory_of
from genieredux.nn.precision import autocast, choose_precision
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds import assemble, check_job
from genieredux.training.kinds.imagined import Imagined
from genieredux.training.kinds.tokens import cache_bytes
from genieredux.training.loop.optimizer import build_optimizer
from genieredux.training.machine.flops import flops_per_clip, matmul_ceiling
from genieredux.training.machine.memory import checkpoint_blocks, compile_blocks
from genieredux.training.machine.moments import moments_folder
from genieredux.training.sources import trainable

PATIENCE_S = 45.0
"""Seconds that the steps may take."""
SAFE = 0.9
"""Share of a device's memory that a run may count on."""
BYTES_PER_PARAMETER = 8
"""Of the two moments of AdamW in a state file; with an averaged model two more copies lie there."""


@dataclass
class Diagnosis:
    """What a run would take here. Sizes in bytes, times in seconds.

    parts: parameters by part; trained: of them learned. batch: what the steps were taken with. step_s: one update
    (all of its micro-batches, on one process). clip_s: one clip, forward and backward; encode_s: the token cache, None
    where there is none to make or the data set is missing. memory, memory_there: peak and what the device has.
    problems: what will not fit, and what to change.
    """

    kind: str
    device: str
    precision: str
    batch: str
    parts: dict[str, int]
    trained: int
    step_s: float
    clip_s: float
    steps: int
    flops: float
    mfu: float
    memory: int
    memory_there: int
    checkpoints: int
    token_cache: int | None
    encode_s: float | None
    disk_free: int
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def total_s(self) -> float:
        """The steps of the whole run."""
        return self.steps * self.step_s


def diagnose(cfg: JobConfig) -> Diagnosis:
    """Measure what the job `cfg` would take on this machine: the very model that it would train, with batches like its
    own. Raises UserError as the job would for a wrong setting.
    """
    check_job(cfg)
    train = cfg.train
    materials = Imagined(cfg)
    device = materials.device
    precision = choose_precision(train.precision, device)
    parts = assemble(cfg, materials)
    notes, dataset, tokenizer = materials.notes, materials.there, materials.loaded
    model = parts.model.to(device).train()
    batch = parts.data.batch(0)
    flops = flops_per_clip(model, batch.first(1).to(device), precision)
    if train.activation_checkpointing:
        checkpoint_blocks(model)
    if train.compile:
        compile_blocks(model)
    measured = _Steps(model, cfg, device, precision).measure(batch, notes)
    diagnosis = Diagnosis(
        kind=cfg.kind,
        device=_name(device),
        precision=precision,
        batch=f"{measured.clips} of {train.batch_size} clips x {train.num_frames} frames",
        parts=_parts(model, tokenizer),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        step_s=measured.seconds * train.batch_size / measured.clips * train.grad_accum,
        clip_s=measured.seconds / measured.clips,
        steps=train.num_train_steps,
        flops=flops * train.batch_size * train.grad_accum,
        mfu=flops * measured.clips / measured.seconds / matmul_ceiling(device, precision),
        memory=measured.memory,
        memory_there=memory_of(device),
        checkpoints=_checkpoint_bytes(model, tokenizer, cfg),
        token_cache=cache_bytes(dataset, tokenizer) if tokenizer is not None and dataset is not None else None,
        encode_s=_encode_seconds(tokenizer, dataset, cfg, device),
        disk_free=shutil.disk_usage(_existing(Path(cfg.checkpoints_dpath))).free,
        notes=notes,
    )
    diagnosis.problems = _problems(diagnosis, cfg, measured)
    return diagnosis


@dataclass(frozen=True)
class Measured:
    """clips: in a micro-batch. seconds: of one, forward, backward and the optimiser. memory: peak at the whole
    micro-batch. fits: clips of a micro-batch that memory allows."""

    clips: int
    seconds: float
    memory: int
    fits: int


class _Steps:
    """Real steps of one model."""

    def __init__(self, model: nn.Module, cfg: JobConfig, device: torch.device, precision: str) -> None:
        self._model, self._device, self._precision = model, device, precision
        folder = moments_folder(model, cfg.train, Path(cfg.checkpoints_dpath))
        self._optimizer = build_optimizer(model, cfg.optimizer, folder)
        self._clips = cfg.train.batch_size

    def measure(self, batch: Batch, notes: list[str]) -> Measured:
        """One clip, then the micro-batch if it fits and does not take for ever."""
        one = batch.first(1)
        self._step(one)  # allocates the optimiser's state, chooses kernels
        base, seconds = self._peak(), self._seconds(one)
        # What grows with the batch is seen in the step from one clip to two.
        grown = self._grown_by(batch.first(2)) if self._clips > 1 else 0
        expected = base + grown * (self._clips - 1)
        room = SAFE * memory_of(self._device) - base
        fits = self._clips if expected <= base + room else 1 + max(0, int(room // max(1, grown)))
        if self._clips == 1:
            return Measured(1, seconds, base, 1 if room >= 0 else 0)
        if fits < self._clips or 3 * seconds * self._clips > PATIENCE_S:
            notes.append("time and memory of a whole micro-batch are extrapolated from one and two clips")
            return Measured(1, seconds, int(expected), fits)
        try:
            self._step(batch)
            seconds = self._seconds(batch)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return Measured(1, seconds, int(expected), self._clips - 1)
        return Measured(self._clips, seconds, max(self._peak(), base), self._clips)

    def _step(self, batch: Batch) -> None:
        moved = batch.to(self._device)
        with autocast(self._precision, self._device):
            losses = self._model(moved, torch.Generator(self._device).manual_seed(0))
        losses.total.backward()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        float(losses.total.detach())  # waits for the device

    def _seconds(self, batch: Batch) -> float:
        """Median of up to three steps within the patience."""
        times: list[float] = []
        while len(times) < 3 and sum(times) < PATIENCE_S / 3:
            began = time.perf_counter()
            self._step(batch)
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    def _peak(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def _grown_by(self, two: Batch) -> int:
        before = self._peak()
        self._step(two)
        return max(0, self._peak() - before)


def _parts(model: nn.Module, tokenizer: nn.Module | None) -> dict[str, int]:
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    loose = sum(p.numel() for p in model.parameters(recurse=False))
    if loose:
        counts["(of its own)"] = loose
    if tokenizer is not None:
        counts["tokenizer (frozen)"] = sum(p.numel() for p in tokenizer.parameters())
    return {name: count for name, count in counts.items() if count}


def _checkpoint_bytes(model: nn.Module, tokenizer: nn.Module | None, cfg: JobConfig) -> int:
    """All files that a finished run leaves: keep_last pairs and the best model."""
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    inside = sum(v.numel() * v.element_size() for v in tokenizer.state_dict().values()) if tokenizer else 0
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    state = BYTES_PER_PARAMETER * trained + (2 * weights if cfg.train.ema_decay else 0)
    return cfg.train.keep_last * (weights + inside + state) + weights + inside


def _encode_seconds(
    tokenizer: nn.Module | None, dataset: Dataset | None, cfg: JobConfig, device: torch.device
) -> float | None:
    """Seconds to encode the data set once, from one clip's."""
    if tokenizer is None or dataset is None:
        return None
    tokenizer.to(device)
    size = dataset.spec.image_size
    frames = torch.rand(1, cfg.train.num_frames, 3, size, size, device=device)
    encode: Callable[[Tensor], Tensor] = cast(Tokenizer, tokenizer).encode
    with torch.inference_mode():
        encode(frames)
        began = time.perf_counter()
        encode(frames).cpu()
        seconds = time.perf_counter() - began
    return seconds * int(trainable(dataset).lengths.sum()) / cfg.train.num_frames


def _problems(diagnosis: Diagnosis, cfg: JobConfig, measured: Measured) -> list[str]:
    problems, train = [], cfg.train
    where = "GPU memory" if diagnosis.device != "cpu" else "memory"
    if measured.fits < train.batch_size:
        if measured.fits >= 1:
            accum = -(-train.batch_size * train.grad_accum // measured.fits)
            change = f"train.batch_size={measured.fits} train.grad_accum={accum} keeps the batch of a step"
        else:
            change = "a smaller model is needed (config=presets/small/..., presets/tiny/...)"
        more = "" if train.activation_checkpointing else ", or train.activation_checkpointing=true"
        problems.append(
            f"a micro-batch of {train.batch_size} clips needs about {gib(diagnosis.memory)} of {where}, there are "
            f"{gib(diagnosis.memory_there)}: {change}{more}"
        )
    needed = diagnosis.checkpoints + (diagnosis.token_cache or 0)
    if needed > diagnosis.disk_free:
        problems.append(
            f"checkpoints and token cache take {gib(needed)} of disk, {gib(diagnosis.disk_free)} are free: make room, "
            f"set train.keep_last=1, or checkpoints_dpath to another disk"
        )
    return problems


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _existing(path: Path) -> Path:
    path = path.resolve()
    return next(parent for parent in [path, *path.parents] if parent.is_dir())
