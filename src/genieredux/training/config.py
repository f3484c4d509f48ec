"""The knobs of training, by the names and with the values the published configurations use.

Knows no model.
"""

from dataclasses import dataclass, field

from genieredux.errors import UserError

PRECISIONS = ("auto", "32", "bf16")
SCHEDULES = ("steps", "time")
STRATEGIES = ("auto", "ddp", "fsdp")
TRAINABLE = ("all", "decoder")
WANDB_MODES = ("disabled", "offline", "online")


@dataclass
class WarmupConfig:
    """Linear rise of the learning rate from start_factor * learning_rate over `steps` updates."""

    start_factor: float = 0.5
    steps: int = 5000


@dataclass
class CosineConfig:
    """After the warm-up a cosine fall to eta_min in t_max updates (None: the rest of the run), then flat."""

    t_max: int | None = 100_000
    eta_min: float = 5e-5


@dataclass
class OptimizerConfig:
    """AdamW. The few you will want to change: learning_rate, warmup.steps, cosine.t_max.

    weight_decay falls on parameters of two or more dimensions; decay_embeddings=False spares embedding tables
    (the published runs decayed them). max_grad_norm: the gradient of a whole step is clipped to it, once;
    null leaves it alone.
    """

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    weight_decay: float = 1e-4
    decay_embeddings: bool = True
    max_grad_norm: float | None = 10.0
    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    cosine: CosineConfig = field(default_factory=CosineConfig)

    def __post_init__(self) -> None:
        _require(self.learning_rate > 0, "optimizer.learning_rate", self.learning_rate, "above 0")
        _require(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "0 or more")
        _require(self.warmup.steps >= 0, "optimizer.warmup.steps", self.warmup.steps, "0 or more")
        t_max = self.cosine.t_max
        _require(t_max is None or t_max > 0, "optimizer.cosine.t_max", t_max, "1 or more, or null")


@dataclass
class TrainConfig:
    """One training run. The few you will want to change: dataset_root_dpath, dataset_name, batch_size,
    grad_accum, num_train_steps, num_processes.

    Data: num_frames is the length of a clip; n_envs takes all games (0), the first n, or the last n
    (negative); max_valid_size clips are held for validation; n_data_workers threads prepare batches ahead.
    Length: num_train_steps updates, or time_limit_s seconds, whichever ends first. schedule="time" lets the
    learning rate follow the elapsed part of time_limit_s, so that any machine ends on the lowest rate; only
    schedule="steps" promises that an interrupted run equals an uninterrupted one.
    Saving: every save_model_every steps; keep_last of them stay, and the best by validation loss beside them.
    resume: "auto" goes on from the newest checkpoint of the run folder, "previous" from the one before it (the
    newest is set aside), "never" refuses a folder that has one, a path takes that checkpoint.
    precision: "32", "bf16" (autocast) or "auto", which measures.
    ema_decay: keep a moving average of the weights; it is what is validated, sampled and saved as the model.
    Machine: num_processes are started here (under torchrun, those that are there are joined). strategy: how they
    share the work, "ddp" (each holds the whole model; "auto" is this) or "fsdp" (weights, gradients and optimiser
    are split between them). compile: torch.compile of the model's blocks; activation_checkpointing: blocks are
    computed again in the backward pass instead of remembered (less memory, about a third more time).
    trainable: "decoder" trains nothing but a tokenizer's decoder, so that its tokens stay what they are.
    Written down: samples pictures or films at each validation (0: none), tensorboard, wandb ("offline" leaves files,
    "online" sends them) under wandb_project.
    """

    dataset_root_dpath: str = "datasets"
    dataset_name: str = ""
    n_envs: int = 0
    num_frames: int = 16
    max_valid_size: int = 50

    batch_size: int = 6
    grad_accum: int = 1
    num_train_steps: int = 150_000
    save_model_every: int = 1000
    validate_every: int = 1000
    log_every: int = 50
    keep_last: int = 3
    num_processes: int = 1
    n_data_workers: int = 1
    seed: int = 0
    precision: str = "auto"
    accelerator: str = "auto"
    strategy: str = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    trainable: str = "all"
    ema_decay: float | None = None
    time_limit_s: float | None = None
    schedule: str = "steps"
    resume: str = "auto"
    tensorboard: bool = True
    samples: int = 4
    wandb: str = "disabled"
    wandb_project: str = "genieredux"

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "grad_accum",
            "num_train_steps",
            "save_model_every",
            "validate_every",
            "log_every",
            "keep_last",
            "num_processes",
            "n_data_workers",
        ):
            _require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "1 or more")
        _require(self.num_frames >= 1, "train.num_frames", self.num_frames, "1 or more")
        _require(self.max_valid_size >= 0, "train.max_valid_size", self.max_valid_size, "0 or more")
        _require(self.precision in PRECISIONS, "train.precision", self.precision, " | ".join(PRECISIONS))
        _require(self.schedule in SCHEDULES, "train.schedule", self.schedule, " | ".join(SCHEDULES))
        _require(self.strategy in STRATEGIES, "train.strategy", self.strategy, " | ".join(STRATEGIES))
        _require(self.trainable in TRAINABLE, "train.trainable", self.trainable, " | ".join(TRAINABLE))
        _require(self.wandb in WANDB_MODES, "train.wandb", self.wandb, " | ".join(WANDB_MODES))
        _require(self.samples >= 0, "train.samples", self.samples, "0 or more")
        limit = self.time_limit_s
        _require(limit is None or limit > 0, "train.time_limit_s", limit, "above 0, or null")
        if self.schedule == "time" and limit is None:
            raise UserError("train.schedule is 'time' but train.time_limit_s is null; set the seconds")
        decay = self.ema_decay
        _require(decay is None or 0 < decay < 1, "train.ema_decay", decay, "between 0 and 1, or null")


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise UserError(f"{name} is {value!r}; it must be {allowed}")
