"""Walk in a dream: a page on this machine, steered by keys. It knows a world through its protocol only."""

from genieredux.dreams.prompts import make_world_file, prompts_of
from genieredux.dreams.session import Prompt
from genieredux.play.scenes import Scene, Scenes, Wanted, scene_of
from genieredux.play.server import serve
from genieredux.play.settings import Settings
from genieredux.play.watching import Policies

__all__ = [
    "Policies",
    "Prompt",
    "Scene",
    "Scenes",
    "Settings",
    "Wanted",
    "make_world_file",
    "prompts_of",
    "scene_of",
    "serve",
]
