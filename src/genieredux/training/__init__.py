"""Training: one loop for every model, and the jobs that give it data."""

from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.prefetch import DataSource
from genieredux.training.recorder import Sample
from genieredux.training.signals import Interrupted
from genieredux.training.trainer import FitResult, fit

__all__ = [
    "CosineConfig",
    "DataSource",
    "FitResult",
    "Interrupted",
    "OptimizerConfig",
    "Sample",
    "TrainConfig",
    "WarmupConfig",
    "fit",
]
