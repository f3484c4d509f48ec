"""Workers that play as processes of this machine."""

from genieredux.envs.adapters import KINDS, adapter
from genieredux.runs.backends import Trade
from genieredux.runs.backends.local import Processes

STEP_SECONDS = 60.0
"""A worker that has said nothing for this long while it plays hangs."""
START_SECONDS = 180.0
"""Starting Python and opening a game load libraries and a ROM: on a busy machine that may take this long."""

TRADE = Trade(
    "genieredux.collect.worker:Worker",
    packages=(
        "genieredux",
        "numpy",
        "opencv-python-headless",
        "pyarrow",
        "gymnasium",
        *(package for kind in KINDS for package in adapter(kind).packages),
    ),
)
"""With the packages whose version may change what is played or the bytes it is stored as."""


class LocalBackend(Processes):
    """See `Processes`."""

    def __init__(self, workers: int, step_seconds: float = STEP_SECONDS, start_seconds: float = START_SECONDS) -> None:
        super().__init__(workers, TRADE, step_seconds, start_seconds)
