"""The job of training: what to train on what. Knows no model and imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genieredux.config import FilePath
from genieredux.runs.places import inside
from genieredux.training.config import OptimizerConfig, TrainConfig, check_optimizer

MODEL_NAMES = {"genie_redux_guided_pretrain": "genie_redux_guided", "lam": "latent_action_model"}
"""Other names of kinds: one that the published commands use, and the short one."""


@dataclass
class JobConfig:
    """What to train on what."""

    model: str = "tokenizer"
    """The kind: tokenizer, latent_action_model, genie_redux or genie_redux_guided (or a published name of it)."""
    run_name: str = ""
    """The run's folder is checkpoints_dpath/KIND/run_name (empty: the model's name)."""
    checkpoints_dpath: FilePath = "checkpoints"
    """The folder of all runs."""
    tokenizer_fpath: FilePath | None = None
    """A trained tokenizer: what a dynamics is made for, or what a tokenizer begins with. Where the command line gives
    model_fpath and not this, it is the one inside that model."""
    model_fpath: FilePath | None = None
    """A checkpoint to begin with."""
    lam_fpath: FilePath | None = None
    """A trained latent action model to begin with."""
    lam_weight: float = 1.0
    """Weight of the latent action model's own loss while GenieRedux trains; 0 freezes it."""
    train: TrainConfig = field(default_factory=TrainConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    """Settings of the tokenizer; what they leave open is taken from the file that is begun from."""
    lam: dict[str, Any] = field(default_factory=dict)
    """Settings of the latent action model, likewise."""
    dynamics: dict[str, Any] = field(default_factory=dict)
    """Settings of the dynamics, likewise."""

    def __post_init__(self) -> None:
        check_optimizer(self.optimizer, self.train)

    @property
    def kind(self) -> str:
        """The kind of model that `model` names."""
        return MODEL_NAMES.get(self.model, self.model)

    @property
    def folder(self) -> Path:
        """The run folder. Raises UserError for a run_name that lies elsewhere."""
        return inside(Path(self.checkpoints_dpath) / self.kind, self.run_name or self.model, "run_name")
