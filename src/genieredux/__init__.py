"""GenieRedux: turn any game emulator into a generative interactive environment."""

import sys
from importlib import import_module

__version__ = "0.1.0"

if "gymnasium" in sys.modules:  # so that gymnasium.make("genieredux:genieredux/Dream-v0") finds the dream
    import_module("genieredux.dreams")
