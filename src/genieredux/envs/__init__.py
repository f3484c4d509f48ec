"""Where games are played: one vector contract, and one for a single game, over stable-retro, Procgen, any
Gymnasium environment and a fake game.
"""

from genieredux.envs.actions import CANONICAL
from genieredux.envs.config import EnvConfig
from genieredux.envs.factory import describe, make, make_solo, suggested_num_envs
from genieredux.envs.frame import transform
from genieredux.envs.game import Game, GameFacts, Start, numbers
from genieredux.envs.vector import GameVectorEnv

__all__ = [
    "CANONICAL",
    "EnvConfig",
    "Game",
    "GameFacts",
    "GameVectorEnv",
    "Start",
    "describe",
    "make",
    "make_solo",
    "numbers",
    "suggested_num_envs",
    "transform",
]
