"""The knobs of training, by the names and with the values the published configurations use.

Knows no model. What reads data, drives a run, computes and writes down have a configuration each, so that a function
takes the one it needs; `TrainConfig` is all of them, with the keys of the command line.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from genieredux.checking import above, at_least, require
from genieredux.config import FilePath, field_names
from genieredux.errors import UserError
from genieredux.settings import Range, Seed, check_values

Count = Annotated[int, Range(1, 65_536)]
Threads = Annotated[int, Range(1, 1_024)]
Steps = Annotated[int, Range(1, 10**10)]
Few = Annotated[int, Range(1, 1_000_000)]
FewOrNone = Annotated[int, Range(0, 1_000_000)]
"""Above the bounds of these a number is a slip of the finger, and is refused before anything is allocated."""


@dataclass
class WarmupConfig:
    """Linear rise of the learning rate."""

    start_factor: float = 0.5
    """Of the learning rate, at the first update."""
    steps: int = 5000
    """Updates until the learning rate is reached."""


@dataclass
class CosineConfig:
    """The fall of the learning rate after the warm-up; then it stays flat."""

    t_max: int | None = 100_000
    """Updates that the fall takes (null: the rest of the run)."""
    eta_min: float = 5e-5
    """The lowest learning rate."""


@dataclass
class OptimizerConfig:
    """AdamW or Muon. The few you will want to change: learning_rate, warmup.steps, cosine.t_max."""

    learning_rate: float = 1e-4
    """The highest, at the end of the warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the averages of the gradient and of its square."""
    eps: float = 1e-8
    """Added to the denominator of an update."""
    weight_decay: float = 1e-4
    """Of parameters of two or more dimensions."""
    decay_embeddings: bool = True
    """Whether embedding tables decay too (the published runs decayed them)."""
    max_grad_norm: float | None = 10.0
    """The gradient of a whole step is clipped to it, once; null leaves it alone."""
    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    cosine: CosineConfig = field(default_factory=CosineConfig)
    kind: Literal["adamw", "muon"] = "adamw"
    """adamw; or muon: matrices move by their momentum made orthogonal, everything else by adamw, at the same
    learning rate (quickstart/canvas)."""

    def __post_init__(self) -> None:
        check_values(OptimizerConfig, {"kind": self.kind}, "optimizer")
        above("optimizer.learning_rate", self.learning_rate, 0)
        at_least("optimizer.weight_decay", self.weight_decay, 0)
        above("optimizer.max_grad_norm", self.max_grad_norm, 0)
        at_least("optimizer.warmup.steps", self.warmup.steps, 0)
        at_least("optimizer.cosine.t_max", self.cosine.t_max, 1)


@dataclass
class EncodingConfig:
    """Who makes a cache of tokens."""

    processes: Count = 1
    """So many processes, each with the tokenizer."""
    backend: Literal["local", "ray"] = "local"
    """Where these are: `local`, processes of this machine; `ray`, actors of a Ray cluster, which see the data set under
    the same path."""
    ray_address: str = "auto"
    """`auto` (the cluster that this machine belongs to), the head's `HOST:PORT`, or `local`, as for collecting."""

    def __post_init__(self) -> None:
        check_values(EncodingConfig, vars(self), "train.encoding")


@dataclass
class DataConfig:
    """What a step learns from."""

    dataset_root_dpath: FilePath = "datasets"
    """The folder that holds data sets."""
    dataset_name: str = ""
    """The data set in it."""
    n_envs: int = 0
    """Games to learn from: all (0), the first n by name, or the last n (negative)."""
    num_frames: Count = 16
    """Length of a clip."""
    max_valid_size: FewOrNone = 50
    """Held-out clips of a validation (at least one batch)."""
    batch_size: Count = 6
    """Clips of a micro-batch, in each process."""
    grad_accum: Count = 1
    """Micro-batches of an update."""
    n_data_workers: Threads = 1
    """Threads that prepare batches ahead."""
    tokens: Literal["auto", "ram", "mapped"] = "auto"
    """Where a cache of tokens is held: ram, mapped (left on the disk, in a flat file that is made once), or auto:
    mapped where it is larger than a GiB."""
    encoding: EncodingConfig = field(default_factory=EncodingConfig)
    """Who makes such a cache."""

    def __post_init__(self) -> None:
        _check(self, DataConfig)


@dataclass
class LoopConfig:
    """How long a run goes on, and what it does between its steps."""

    num_train_steps: Steps = 150_000
    """Updates, after which the run is over."""
    save_model_every: Steps = 1000
    """Updates from checkpoint to checkpoint."""
    validate_every: Steps = 1000
    """Updates from validation to validation."""
    log_every: Steps = 50
    """Updates from log line to log line."""
    keep_last: Few = 3
    """Checkpoints that stay, besides the best."""
    seed: Seed = 0
    """Of everything that is drawn: the first weights, the order of the data, noise."""
    time_limit_s: float | None = None
    """Seconds of training after which the run is over too."""
    schedule: Literal["steps", "time"] = "steps"
    """What the learning rate follows: steps, or time: the elapsed part of time_limit_s, so that any machine ends on the
    lowest rate. Only with steps does an interrupted run equal an uninterrupted one."""
    resume: FilePath = "auto"
    """auto goes on from the newest checkpoint of the run folder, previous from the one before it (the newest is set
    aside), never refuses a folder that has one, a path takes that checkpoint."""
    ema_decay: float | None = None
    """Of a moving average of the weights, which then is what is validated, sampled and saved as the model."""
    trainable: Literal["all", "decoder"] = "all"
    """decoder trains nothing but a tokenizer's decoder, so that its tokens stay what they are."""

    def __post_init__(self) -> None:
        _check(self, LoopConfig)
        above("train.time_limit_s", self.time_limit_s, 0)
        if self.schedule == "time" and self.time_limit_s is None:
            raise UserError("train.schedule is 'time' but train.time_limit_s is null; set the seconds")
        decay = self.ema_decay
        require(decay is None or 0 < decay < 1, "train.ema_decay", decay, "between 0 and 1, or null")


@dataclass
class MachineConfig:
    """Where and how it is computed."""

    num_processes: Count = 1
    """Processes that are started here (under torchrun, those that are there are joined)."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """32, bf16 (autocast), or auto: the faster here, which is measured once and written down."""
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"] = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    """How processes share the work: ddp (each holds the whole model; auto is this) or fsdp (weights, gradients and
    optimiser are split between them)."""
    compile: bool = False
    """torch.compile of the model's blocks."""
    activation_checkpointing: bool = False
    """Blocks are computed again in the backward pass instead of remembered: less memory, about a third more time."""
    moments: Literal["auto", "ram", "mapped"] = "auto"
    """Where the two moments of AdamW are held, twice what the weights take: ram, mapped (on a CPU: in a file beside the
    run that is mapped into memory; every update reads and writes all of it), or auto: mapped on a CPU where blocks are
    computed again and the moments are larger than a GiB."""

    def __post_init__(self) -> None:
        _check(self, MachineConfig)
        if self.moments == "mapped" and (self.accelerator not in ("auto", "cpu") or self.strategy == "fsdp"):
            where = f"train.strategy={self.strategy}" if self.strategy == "fsdp" else f"a {self.accelerator}"
            raise UserError(f"train.moments=mapped is for a CPU that holds them whole, not for {where}; set it to ram")


@dataclass
class LogConfig:
    """What is written down besides log.jsonl."""

    tensorboard: bool = True
    """Whether the numbers are written for TensorBoard too."""
    samples: FewOrNone = 4
    """Held-out clips that are shown at each validation as pictures or films (0: none)."""
    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """Weights & Biases: offline leaves files, online sends them."""
    wandb_project: str = "genieredux"
    """The project there."""

    def __post_init__(self) -> None:
        _check(self, LogConfig)


@dataclass
class TrainConfig(LogConfig, MachineConfig, LoopConfig, DataConfig):
    """One training run. The few you will want to change: dataset_root_dpath, dataset_name, batch_size, grad_accum,
    num_train_steps, num_processes."""

    def __post_init__(self) -> None:
        for part in (DataConfig, LoopConfig, MachineConfig, LogConfig):
            part.__post_init__(self)


def check_optimizer(optimizer: OptimizerConfig, train: TrainConfig) -> None:
    """Raise UserError where muon is asked to do what adamw alone can: it needs its matrices whole and in memory."""
    if optimizer.kind == "muon":
        for name, value, instead in (("strategy", "fsdp", "ddp"), ("moments", "mapped", "ram")):
            if getattr(train, name) == value:
                raise UserError(
                    f"optimizer.kind=muon does not go with train.{name}={value}; set train.{name}={instead} or "
                    f"optimizer.kind=adamw"
                )


def _check(config: object, part: type) -> None:
    """The fields of `part` keep the bounds and choices of their types."""
    check_values(part, {name: getattr(config, name) for name in field_names(part)}, "train")
