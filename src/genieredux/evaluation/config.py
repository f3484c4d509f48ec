"""The knobs of an evaluation, typed; names that the published configurations use are aliases. It knows nothing of what
is evaluated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from genieredux.checking import one_of, require, within
from genieredux.config import FilePath
from genieredux.evaluation.metrics import CHOSEN, check_names
from genieredux.settings import Seed, check_values

RESIZES = ("bilinear", "nearest")
REPLICATE = -1
"""The `action_to_take` that stands for the true actions."""

HIGHEST = {
    "prompt_frames": 65_536,
    "horizon": 65_536,
    "seq_step": 10**9,
    "batch_size": 65_536,
    "resamples": 10_000_000,
    "sampling_seeds": 10_000,
    "drift_clips": 1_000_000,
}
"""Above these a number is a slip of the finger, and is refused before anything is allocated."""


@dataclass(frozen=True)
class NetworksConfig:
    """The weights of the metrics that look through a network."""

    fid_weights: FilePath | None = None
    """The Inception file of pytorch-fid and torch-fidelity; null: the user's cache, then torch hub's."""
    fid_trust: bool = False
    """Take a file of its layout whose SHA-256 is another."""
    fid_resize: Literal["bilinear", "nearest"] = "bilinear"
    """As TensorFlow 1 and torch-fidelity (bilinear), or as the published GenieRedux code (nearest)."""
    i3d_weights: FilePath | None = None
    """The network of FVD, which `genieredux metrics` converted; null: from the cache, or converted now from the
    installed package."""
    stlpips_net: Literal["alex", "vgg"] = "alex"
    """The network of ST-LPIPS."""
    stlpips_weights: FilePath | None = None
    """Its weights, as i3d_weights."""
    lpips_trunk: FilePath | None = None
    """torchvision's AlexNet; LPIPS needs it and lpips_heads."""
    lpips_heads: FilePath | None = None
    """alex.pth of lpips v0.1."""

    def __post_init__(self) -> None:
        one_of("fid_resize", self.fid_resize, RESIZES)
        one_of("stlpips_net", self.stlpips_net, ("alex", "vgg"))


@dataclass(frozen=True)
class EvalConfig:
    """What is measured. The few to change: horizon, batch_size, seed."""

    prompt_frames: int = 2
    """P: true frames given to the world."""
    horizon: int = 10
    """N: frames predicted after them."""
    num_frames: int | None = None
    """Frames of a clip that is cut from an episode, of which the first prompt_frames + horizon are used; null: just
    these."""
    seq_step: int = 20
    """Frames from the start of one clip to the next (papers: 20; the published configuration: 16)."""
    compare_at: int = 4
    """The horizon t of the headline delta PSNR (the papers: 4)."""
    eval_control: bool = True
    """Dream under other actions too, for delta PSNR and action following; it doubles the work."""
    last_action_horizons: tuple[int, ...] = ()
    """Where the `last_action` delta PSNR is measured; each t costs two rollouts of t frames. Empty: at compare_at."""
    batch_size: int = 32
    """Clips dreamed at once."""
    seed: Seed = 0
    """Of the sampling noise, the random actions, the choice of clips and the bootstrap."""
    sampling_seeds: int = 1
    """So many seeds of noise and random actions, seed, seed + 1, ...; numbers are means over them, and their spread is
    stated."""
    resamples: int = 2000
    """Of the bootstrap over episodes."""
    interval: float = 0.95
    """Of the bootstrap; 0.95 is a 95 % interval."""
    keep_clips: int = 8
    """Clips of each test set whose frames are kept for pictures, spread evenly over the set."""
    keep_extremes: int = 3
    """So many of the worst and of the best besides."""
    drift_frames: int = 0
    """Length of the long rollouts; 0: none."""
    drift_clips: int = 32
    """Long rollouts of each test set, at most."""

    ALIASES: ClassVar[Mapping[str, str]] = {
        "num_first_frames": "prompt_frames",
        "sample_num_frames": "horizon",
        "delta_psnr_horizon": "compare_at",
    }
    """What the published configurations called some of these."""

    def __post_init__(self) -> None:
        check_values(EvalConfig, {"seed": self.seed}, "eval")
        for name, highest in HIGHEST.items():
            within(f"eval.{name}", getattr(self, name), 1, highest)
        for name in ("keep_clips", "keep_extremes", "drift_frames"):
            within(f"eval.{name}", getattr(self, name), 0, 1_000_000)
        allowed = f"from 1 to {self.horizon} (eval.horizon)"
        require(1 <= self.compare_at <= self.horizon, "eval.compare_at", self.compare_at, allowed)
        require(0 < self.interval < 1, "eval.interval", self.interval, "between 0 and 1")
        for t in self.last_action_horizons:
            require(1 <= t <= self.horizon, "eval.last_action_horizons", t, f"made of numbers {allowed}")
        if self.num_frames is not None:
            least = f"{self.clip_length} or more (eval.prompt_frames + eval.horizon)"
            require(self.num_frames >= self.clip_length, "eval.num_frames", self.num_frames, least)

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


@dataclass(frozen=True)
class EvalJobConfig(EvalConfig):
    """`genie_redux eval`: what is measured, on what, and where the answer goes."""

    model_fpath: FilePath | None = None
    """The model: a model-<step>.pt of a tokenizer, a latent action model or a dynamics, or a world.pt."""
    dataset_root_dpath: FilePath | None = None
    """The folder of data sets; null: train.dataset_root_dpath."""
    dataset_name: str | None = None
    """The data set; null: train.dataset_name."""
    split: str = "test"
    """Test sets are the splits of this name, or those that begin with it and a dot."""
    num_clips: int = 256
    """Clips of each test set, at most."""
    n_envs: int = 0
    """Games: 0 takes all, n the first n, -n the last n."""
    action_to_take: int | str = REPLICATE
    """-1 replicates the true actions and measures; an action's index or name holds that action all along and shows
    what it does."""
    latent_actions: bool = False
    """Of a world of latent actions: give it the codes that its own latent action model reads off the true frames (the
    papers' protocol) instead of the true actions that stand for codes."""
    num_actions: int | None = None
    """Refuse a world with another number of actions; null: any."""
    inference_method: Literal["one_go", "autoregressive"] | None = None
    """autoregressive decides dream_length frames at a time, one_go all together; null: as the world says."""
    inference_steps: int | None = None
    """Refinement steps for the frames that are decided together; null: as the world says."""
    temperature: float | None = None
    """Of the noise on the logits; null: as the world says."""
    choice: str | None = None
    """mode takes the likeliest token, mean the one nearest to the expected vector, sample one at random; null: as the
    world says."""
    decided: str | None = None
    """kept: a token that is decided stays; published: every step decides all tokens anew, as the published code does;
    null: as the world says."""
    window: int | None = None
    """Frames of context that the dynamics keeps; null: as the world says."""
    dream_length: int | None = None
    """Frames that are decided together; null: as the world says."""
    metrics: tuple[str, ...] = (*CHOSEN,)
    """Besides those that are always measured: these, where their weights are there, and `module:Class` of one's own."""
    networks: NetworksConfig = field(default_factory=NetworksConfig)
    """Where the weights of metrics are."""
    enable_cache: bool = False
    """Keep what concerns true frames alone below save_root_dpath/cache, for the next evaluation on the same clips."""
    num_processes: int = 1
    """Split the clips over so many."""
    backend: Literal["local", "ray"] = "local"
    """Where these are: `local`, processes of this machine; `ray`, actors of a Ray cluster, which see the model's file
    under the same path."""
    ray_address: str = "auto"
    """`auto` (the cluster that this machine belongs to), the head's `HOST:PORT`, or `local`, as for collecting."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """auto, cpu or cuda."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """auto is 32, as play has it, for bf16 decides other tokens."""
    save_root_dpath: FilePath = "outputs/evaluation"
    """Results go to <here>/<model name>/<data set>/."""

    ALIASES: ClassVar[Mapping[str, str]] = {**EvalConfig.ALIASES, "model_path": "model_fpath"}

    def __post_init__(self) -> None:
        super().__post_init__()
        within("eval.num_clips", self.num_clips, 1, 100_000_000)
        within("eval.num_processes", self.num_processes, 1, 65_536)
        check_names(self.metrics)
        check_values(EvalJobConfig, {"precision": self.precision}, "eval")
