"""How true and how controllable a world is: clips, subjects, metrics, one loop, one summary. It knows no training, no
player and no page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genieredux.evaluation.clips import Clips, cut_clips
    from genieredux.evaluation.config import EvalConfig
    from genieredux.evaluation.measuring.evaluate import evaluate
    from genieredux.evaluation.results import Evaluation

__all__ = ["Clips", "EvalConfig", "Evaluation", "cut_clips", "evaluate"]

_WHERE = {
    "Clips": "clips",
    "EvalConfig": "config",
    "Evaluation": "results",
    "cut_clips": "clips",
    "evaluate": "measuring.evaluate",
}


def __getattr__(name: str) -> Any:
    """Found when asked for: the configuration alone needs no torch."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
