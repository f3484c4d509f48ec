"""GenieRedux: turn any game emulator into a generative interactive environment.

`import genieredux as gr` has the few calls of `genieredux/api.py`, found when they are asked for; what they return, and
the rooms below, have everything else.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genieredux.api import dream, evaluate, generate, load, make_policy, open_dataset, train
    from genieredux.errors import UserError

__version__ = "0.1.0"
__all__ = ["UserError", "dream", "evaluate", "generate", "load", "make_policy", "open_dataset", "train"]

if "gymnasium" in sys.modules:  # so that gymnasium.make("genieredux:genieredux/Dream-v0") finds the dream
    import_module("genieredux.dreams")


def __getattr__(name: str) -> Any:
    """Nothing is imported before it is wanted: torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("genieredux.errors" if name == "UserError" else "genieredux.api"), name)
