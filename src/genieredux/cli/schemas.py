"""The typed shape of each verb's configuration. Hydra composes it; the jobs get the parts they know."""

from dataclasses import dataclass, field

from genieredux.collect import ConnectorConfig
from genieredux.collect.backends.choice import BackendConfig
from genieredux.evaluation.config import EvalJobConfig
from genieredux.training.jobs import JobConfig


@dataclass(frozen=True)
class Published:
    """What `generate` takes below `config.`, as the published commands write it."""

    connector: ConnectorConfig


@dataclass(frozen=True)
class GenerateCommand:
    """generate: play games and store the episodes."""

    config: Published
    root: str = "datasets"
    """The folder of data sets."""
    seed: int = 0
    collect: BackendConfig = field(default_factory=BackendConfig)
    """Where the games are played: collect.backend=ray for a Ray cluster."""


@dataclass
class GenieReduxCommand(JobConfig):
    """genie_redux train | eval."""

    eval: EvalJobConfig = field(default_factory=EvalJobConfig)
    model_path: str | None = None
    """The model to evaluate, as eval.model_fpath."""


@dataclass(frozen=True)
class PlayCommand:
    """play: walk in a world in the browser."""

    world: str | None = None
    """A world's file; null: the one that ships with the package."""
    port: int = 8765
    """On 127.0.0.1; 0 takes a free one."""
    browser: bool = True
    """Open the page in the browser."""
    fps: float = 15.0
    """Frames a second at most."""
    steps: int | None = None
    """Refinement steps a frame; null: as the world says (models/masking.py, like the next two)."""
    temperature: float | None = None
    choice: str | None = None
