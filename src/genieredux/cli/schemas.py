"""What `genie_redux` and `doctor` take: the typed shape of it. The jobs get the parts they know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from genieredux.evaluation.config import EvalJobConfig
from genieredux.training.jobs import JobConfig


@dataclass
class GenieReduxCommand(JobConfig):
    """genie_redux train | eval."""

    eval: EvalJobConfig = field(default_factory=EvalJobConfig)

    ALIASES: ClassVar[Mapping[str, str]] = {"model_path": "model_fpath"}
