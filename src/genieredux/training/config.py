"""The knobs of training, by the names and with the values the published configurations use.

Knows no model.
"""

from dataclasses import dataclass, field

from genieredux.checking import above, at_least, one_of, require, within
from genieredux.config import FilePath
from genieredux.errors import UserError

PRECISIONS = ("auto", "32", "bf16")
SCHEDULES = ("steps", "time")
STRATEGIES = ("auto", "ddp", "fsdp")
TRAINABLE = ("all", "decoder")
WANDB_MODES = ("disabled", "offline", "online")

HIGHEST = {
    "batch_size": 65_536,
    "grad_accum": 65_536,
    "num_frames": 65_536,
    "num_train_steps": 10**10,
    "save_model_every": 10**10,
    "validate_every": 10**10,
    "log_every": 10**10,
    "keep_last": 1_000_000,
    "num_processes": 65_536,
    "n_data_workers": 1_024,
}
"""Above these a number is a slip of the finger, and is refused before anything is allocated."""


@dataclass
class WarmupConfig:
    """Linear rise of the learning rate."""

    start_factor: float = 0.5
    """The first learning rate, as a share of learning_rate."""
    steps: int = 5000
    """Updates until it is reached."""


@dataclass
class CosineConfig:
    """After the warm-up a cosine fall of the learning rate, then flat."""

    t_max: int | None = 100_000
    """Updates of the fall; null: the rest of the run."""
    eta_min: float = 5e-5
    """The learning rate at its end."""


@dataclass
class OptimizerConfig:
    """AdamW. The few you will want to change: learning_rate, warmup.steps, cosine.t_max."""

    learning_rate: float = 1e-4
    """At its highest, after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of the averages of gradient and squared gradient."""
    eps: float = 1e-8
    """Added to the denominator."""
    weight_decay: float = 1e-4
    """It falls on parameters of two or more dimensions."""
    decay_embeddings: bool = True
    """Whether it falls on embedding tables too, as in the published runs."""
    max_grad_norm: float | None = 10.0
    """The gradient of a whole step is clipped to it, once; null leaves it alone."""
    warmup: WarmupConfig = field(default_factory=WarmupConfig)
    cosine: CosineConfig = field(default_factory=CosineConfig)

    def __post_init__(self) -> None:
        above("optimizer.learning_rate", self.learning_rate, 0)
        at_least("optimizer.weight_decay", self.weight_decay, 0)
        at_least("optimizer.warmup.steps", self.warmup.steps, 0)
        at_least("optimizer.cosine.t_max", self.cosine.t_max, 1)


@dataclass
class TrainConfig:
    """One training run. The few you will want to change: dataset_root_dpath, dataset_name, batch_size,
    grad_accum, num_train_steps, num_processes.
    """

    dataset_root_dpath: FilePath = "datasets"
    """The folder of data sets."""
    dataset_name: str = ""
    """The data set, a folder in dataset_root_dpath."""
    n_envs: int = 0
    """Games: 0 takes all, n the first n, -n the last n."""
    num_frames: int = 16
    """Frames of a clip."""
    max_valid_size: int = 50
    """Clips that are held for validation."""

    batch_size: int = 6
    """Clips of a micro-batch, in each process."""
    grad_accum: int = 1
    """Micro-batches of an update."""
    num_train_steps: int = 150_000
    """Updates; the run ends there, or at time_limit_s."""
    save_model_every: int = 1000
    """Updates between checkpoints."""
    validate_every: int = 1000
    """Updates between validations."""
    log_every: int = 50
    """Updates between log lines."""
    keep_last: int = 3
    """Checkpoints that stay; the best by validation loss stays besides."""
    num_processes: int = 1
    """Processes that are started here; under torchrun, those that are there are joined."""
    n_data_workers: int = 1
    """Threads that prepare batches ahead."""
    seed: int = 0
    """Of the weights, the order of the data and every draw."""
    precision: str = "auto"
    """32, bf16 (autocast), or auto, which measures."""
    accelerator: str = "auto"
    """auto, cpu or cuda."""
    strategy: str = "auto"
    """How processes share the work: ddp (each holds the whole model; auto is this) or fsdp (weights, gradients and
    optimiser are split between them)."""
    compile: bool = False
    """torch.compile of the model's blocks."""
    activation_checkpointing: bool = False
    """Blocks are computed again in the backward pass instead of remembered: less memory, about a third more time."""
    trainable: str = "all"
    """all, or decoder: nothing but a tokenizer's decoder, so that its tokens stay what they are."""
    ema_decay: float | None = None
    """Of a moving average of the weights, which is then what is validated, sampled and saved as the model."""
    time_limit_s: float | None = None
    """Seconds after which the run ends, if it has not before."""
    schedule: str = "steps"
    """What the learning rate follows. time: the elapsed part of time_limit_s, so that any machine ends on the lowest
    rate; only steps promises that an interrupted run equals an uninterrupted one."""
    resume: FilePath = "auto"
    """auto goes on from the newest checkpoint of the run folder, previous from the one before it (the newest is set
    aside), never refuses a folder that has one, a path takes that checkpoint."""
    tensorboard: bool = True
    """Write TensorBoard events into the run folder."""
    samples: int = 4
    """Pictures or films at each validation."""
    wandb: str = "disabled"
    """disabled, offline (leaves files) or online (sends them)."""
    wandb_project: str = "genieredux"
    """The project there."""

    def __post_init__(self) -> None:
        for name, highest in HIGHEST.items():
            within(f"train.{name}", getattr(self, name), 1, highest)
        for name in ("max_valid_size", "samples"):
            within(f"train.{name}", getattr(self, name), 0, 1_000_000)
        one_of("train.precision", self.precision, PRECISIONS)
        one_of("train.schedule", self.schedule, SCHEDULES)
        one_of("train.strategy", self.strategy, STRATEGIES)
        one_of("train.trainable", self.trainable, TRAINABLE)
        one_of("train.wandb", self.wandb, WANDB_MODES)
        above("train.time_limit_s", self.time_limit_s, 0)
        if self.schedule == "time" and self.time_limit_s is None:
            raise UserError("train.schedule is 'time' but train.time_limit_s is null; set the seconds")
        decay = self.ema_decay
        require(decay is None or 0 < decay < 1, "train.ema_decay", decay, "between 0 and 1, or null")
