"""Where games are played: one vector contract over stable-retro, Procgen, any Gymnasium environment and a
fake game.
"""

from genieredux.envs.actions import CANONICAL
from genieredux.envs.config import EnvConfig
from genieredux.envs.factory import GameFacts, describe, make, suggested_num_envs
from genieredux.envs.frame import transform
from genieredux.envs.vector import GameVectorEnv, Start

__all__ = [
    "CANONICAL",
    "EnvConfig",
    "GameFacts",
    "GameVectorEnv",
    "Start",
    "describe",
    "make",
    "suggested_num_envs",
    "transform",
]
