"""RetroAct: which games there are, what is known of each, and whether its ROM is here.

Knows no environment and no episode; `envs` asks it for names and ROMs.
"""

from genieredux.retroact.catalogue import Game, catalogue, find, resolve
from genieredux.retroact.query import select, selection

__all__ = ["Game", "catalogue", "find", "resolve", "select", "selection"]
