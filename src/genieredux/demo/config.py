"""What the demo does, stage by stage. Every part is the configuration of the job that does it."""

from dataclasses import dataclass, field

from genieredux.collect import ConnectorConfig
from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig
from genieredux.evaluation.metrics import check_names
from genieredux.models.sampling import Sampling
from genieredux.settings import Seed, check_values
from genieredux.training.jobs import JobConfig


@dataclass(frozen=True)
class DemoConfig:
    """One run of the pipeline. The few to change: out, seed, dynamics.train.time_limit_s."""

    connector: ConnectorConfig
    """What is played (as `generate` has it)."""
    dynamics: JobConfig
    """How the dynamics is trained (as `genie_redux train` has it)."""
    tokenizer: JobConfig = field(default_factory=JobConfig)
    """How the tokenizer is trained, where the dynamics is one of tokens (as `genie_redux train` has it)."""
    eval: EvalConfig = field(default_factory=EvalConfig)
    sampling: Sampling = field(default_factory=Sampling)
    """How the world draws frames, in the evaluation and in play."""
    out: FilePath = "runs/demo"
    """The run's folder; data, checkpoints and reports go into it."""
    seed: Seed = 0
    """Of collection and training; the evaluation has eval.seed, so that demos of several seeds are asked alike."""
    split: str = "test"
    """Test sets: the splits of this name, or that begin with it and a dot."""
    num_clips: int = 256
    """At most this many clips of each test set."""
    metrics: tuple[str, ...] = ("random_frechet", "action_accuracy", "ST-LPIPS")
    """What is measured besides (genieredux metrics); one whose weights are not there is left out, in a line."""
    num_prompts: int = 12
    """Prompts that travel with the world, to begin a dream from."""
    world_precision: str = "float32"
    """Of the weights in world.pt: float32, bfloat16 or float16."""
    title: str = "A world learned from play"
    """Of the report."""

    def __post_init__(self) -> None:
        check_values(DemoConfig, {"seed": self.seed}, "")
        for name in ("num_clips", "num_prompts"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        check_names(self.metrics, "metrics")
        if self.tokenizer.model != "tokenizer":
            raise UserError(f"tokenizer.model is '{self.tokenizer.model}'; it must be tokenizer")
