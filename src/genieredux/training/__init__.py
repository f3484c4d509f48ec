"""Training: one driver for everything that learns, one way to assemble each kind of model.

The names here are imported when they are used: configurations need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genieredux.training.assembled import Assembled, Sample
    from genieredux.training.clips import ClipSource, DataSource
    from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
    from genieredux.training.jobs import JobConfig
    from genieredux.training.kinds import assemble
    from genieredux.training.loop.drive import RunResult, drive
    from genieredux.training.loop.learner import Check, Learner, ModelFile, Step
    from genieredux.training.loop.signals import Interrupted
    from genieredux.training.run import fit, train

__all__ = [
    "Assembled",
    "Check",
    "ClipSource",
    "CosineConfig",
    "DataSource",
    "Interrupted",
    "JobConfig",
    "Learner",
    "ModelFile",
    "OptimizerConfig",
    "RunResult",
    "Sample",
    "Step",
    "TrainConfig",
    "WarmupConfig",
    "assemble",
    "drive",
    "fit",
    "train",
]
_MODULES = {
    "assembled": ("Assembled", "Sample"),
    "clips": ("ClipSource", "DataSource"),
    "config": ("CosineConfig", "OptimizerConfig", "TrainConfig", "WarmupConfig"),
    "jobs": ("JobConfig",),
    "kinds": ("assemble",),
    "loop.drive": ("RunResult", "drive"),
    "loop.learner": ("Check", "Learner", "ModelFile", "Step"),
    "loop.signals": ("Interrupted",),
    "run": ("fit", "train"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
