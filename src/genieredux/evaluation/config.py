"""The knobs of an evaluation, typed, by the names that the published configurations use. It knows nothing of what is
evaluated.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import ClassVar, Literal

from genieredux.errors import UserError
from genieredux.evaluation.metric_networks import NetworksConfig

NETWORK_METRICS = ("FID", "FVD", "ST-LPIPS", "LPIPS")
ACTION_ACCURACY = "action_accuracy"
METRICS = (*NETWORK_METRICS, ACTION_ACCURACY)
PRECISIONS = ("auto", "32", "bf16")
REPLICATE = -1
"""The `action_to_take` that stands for the true actions."""


@dataclass(frozen=True)
class EvalConfig:
    """What is measured. The few to change: sample_num_frames, batch_size, seed.

    num_first_frames: true frames given to the world (`prompt_frames` in code and on the command line);
    sample_num_frames: frames predicted after them (`horizon`). num_frames: frames of a clip that is cut from an
    episode, of which the first num_first_frames + sample_num_frames are used; null: just these. seq_step: frames
    from the start of one clip to the next (papers: 20; the published configuration: 16).
    delta_psnr_horizon: the horizon t of the headline delta PSNR (`compare_at`; the papers: 4). eval_control: measure
    delta PSNR at all; it doubles the work. last_action_horizons: where the `last_action` delta PSNR is measured; each
    t costs two rollouts of t frames. Empty means (delta_psnr_horizon,).
    batch_size: clips dreamed at once. seed: of the sampling noise, the random actions, the choice of clips and the
    bootstrap. sampling_seeds: so many seeds of noise and random actions, seed, seed + 1, ...; numbers are means over
    them, and their spread is stated. resamples, interval: of the bootstrap over episodes; 0.95 is a 95 % interval.
    keep_clips: clips of each test set whose frames are kept for pictures, spread evenly over the set; keep_extremes:
    so many of the worst and of the best besides.
    drift_frames: length of the long rollouts (0: none); drift_clips: at most so many of each test set.
    """

    num_first_frames: int = 2
    sample_num_frames: int = 10
    num_frames: int | None = None
    seq_step: int = 20
    delta_psnr_horizon: int = 4
    eval_control: bool = True
    last_action_horizons: tuple[int, ...] = ()
    batch_size: int = 32
    seed: int = 0
    sampling_seeds: int = 1
    resamples: int = 2000
    interval: float = 0.95
    keep_clips: int = 8
    keep_extremes: int = 3
    drift_frames: int = 0
    drift_clips: int = 32

    ALIASES: ClassVar[Mapping[str, str]] = {
        "prompt_frames": "num_first_frames",
        "horizon": "sample_num_frames",
        "compare_at": "delta_psnr_horizon",
    }
    """Other names that the command line takes for a key."""

    def __post_init__(self) -> None:
        for name in ("num_first_frames", "sample_num_frames", "seq_step", "batch_size", "resamples", "sampling_seeds"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("keep_clips", "keep_extremes", "drift_frames"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.drift_clips >= 1, "drift_clips", self.drift_clips, "1 or more")
        within = f"1 to {self.horizon} (eval.sample_num_frames)"
        _require(1 <= self.compare_at <= self.horizon, "delta_psnr_horizon", self.compare_at, within)
        _require(0 < self.interval < 1, "interval", self.interval, "between 0 and 1")
        for t in self.last_action_horizons:
            _require(1 <= t <= self.horizon, "last_action_horizons", t, f"{within} each")
        if self.num_frames is not None:
            allowed = f"{self.clip_length} or more (eval.num_first_frames + eval.sample_num_frames)"
            _require(self.num_frames >= self.clip_length, "num_frames", self.num_frames, allowed)

    @property
    def prompt_frames(self) -> int:
        """P: true frames given."""
        return self.num_first_frames

    @property
    def horizon(self) -> int:
        """N: frames predicted."""
        return self.sample_num_frames

    @property
    def compare_at(self) -> int:
        """The horizon of the headline delta PSNR."""
        return self.delta_psnr_horizon

    @property
    def last_action_at(self) -> tuple[int, ...]:
        """The horizons of the `last_action` delta PSNR, sorted; `compare_at` is always one."""
        return tuple(sorted({self.compare_at, *self.last_action_horizons}))

    @property
    def clip_length(self) -> int:
        """Frames of a clip that are used: P + N."""
        return self.prompt_frames + self.horizon

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of noise and random actions."""
        return tuple(range(self.seed, self.seed + self.sampling_seeds))

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "last_action_horizons": list(self.last_action_at)}


@dataclass(frozen=True)
class EvalJobConfig(EvalConfig):
    """`genie_redux eval`: what is measured, on what, and where the answer goes.

    model_fpath (or model_path): the model, a model-<step>.pt of a tokenizer, a latent action model or a dynamics, or a
    world.pt. dataset_root_dpath, dataset_name: the data set; null: those of `train`. split: test sets are the splits
    of this name, or those that begin with it and a dot; num_clips: at most so many clips of each. n_envs: games, as
    train.n_envs has them.
    action_to_take: -1 replicates the true actions and measures; an action's index or name holds that action all along
    and shows what it does. latent_actions: of a world of latent actions, give it the codes that its own latent action
    model reads off the true frames (the papers' protocol) instead of the true actions that stand for codes.
    num_actions: refuse a world with another number of actions; null: any.
    inference_method, inference_steps, temperature, choice, window, dream_length: how frames are drawn; null: as the
    world says (models/masking.py).
    metrics: of the metrics that need a network of their own, these, where their weights are there; networks: where
    the weights are. enable_cache: keep what concerns true frames alone below save_root_dpath/cache, for the next
    evaluation on the same clips. num_processes: split the clips over so many. accelerator: auto, cpu or cuda.
    precision: auto, 32 or bf16. save_root_dpath: results go to <here>/<model name>/<data set>/.
    """

    model_fpath: str | None = None
    model_path: str | None = None
    dataset_root_dpath: str | None = None
    dataset_name: str | None = None
    split: str = "test"
    num_clips: int = 256
    n_envs: int = 0
    action_to_take: int | str = REPLICATE
    latent_actions: bool = False
    num_actions: int | None = None
    inference_method: Literal["one_go", "autoregressive"] | None = None
    inference_steps: int | None = None
    temperature: float | None = None
    choice: str | None = None
    window: int | None = None
    dream_length: int | None = None
    metrics: tuple[str, ...] = METRICS
    networks: NetworksConfig = field(default_factory=NetworksConfig)
    enable_cache: bool = False
    num_processes: int = 1
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    precision: str = "auto"
    save_root_dpath: str = "outputs/evaluation"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_clips", "num_processes"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in self.metrics:
            _require(name in METRICS, "metrics", name, f"made of {', '.join(METRICS)}")
        _require(self.precision in PRECISIONS, "precision", self.precision, " or ".join(PRECISIONS))
        both = self.model_fpath and self.model_path and self.model_fpath != self.model_path
        if both:
            raise UserError("eval.model_fpath and eval.model_path name two files; give one of them")

    @property
    def network_metrics(self) -> tuple[str, ...]:
        """Those of `metrics` that compare frames."""
        return tuple(name for name in self.metrics if name in NETWORK_METRICS)


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise UserError(f"eval.{name}={value} is out of range: it must be {allowed}.")
