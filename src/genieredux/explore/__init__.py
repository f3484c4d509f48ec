"""AutoExplore: an agent that goes where a world model is unsure, what it is rewarded for, and the loop in which its
play makes the world better.

It plays through collect/, learns under training's driver, and its loop generates, trains and evaluates; so this room
stands above those. The names here are imported when they are used: configurations need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genieredux.explore.config import ExploreConfig
    from genieredux.explore.coverage import Coverage
    from genieredux.explore.evaluate import evaluate
    from genieredux.explore.reward import entropy_reward
    from genieredux.explore.rewards import make_reward
    from genieredux.explore.rollout import Rollout
    from genieredux.explore.train import train

__all__ = ["Coverage", "ExploreConfig", "Rollout", "entropy_reward", "evaluate", "make_reward", "train"]
_MODULES = {
    "config": "ExploreConfig",
    "coverage": "Coverage",
    "evaluate": "evaluate",
    "reward": "entropy_reward",
    "rewards": "make_reward",
    "rollout": "Rollout",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    for module, own in _MODULES.items():
        if name == own:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
