"""What `genie_redux` and `doctor` take: the typed shape of it. The jobs get the parts they know."""

from dataclasses import dataclass, field

from genieredux.evaluation.config import EvalJobConfig
from genieredux.training.jobs import JobConfig


@dataclass
class GenieReduxCommand(JobConfig):
    """genie_redux train | eval."""

    eval: EvalJobConfig = field(default_factory=EvalJobConfig)
    model_path: str | None = None
    """The model to evaluate, as eval.model_fpath."""
