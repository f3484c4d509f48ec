"""Walk in a dream: a page on this machine, steered by keys. It knows a world through its protocol only."""

from genieredux.dreams.prompts import make_world_file, prompts_of
from genieredux.dreams.session import Prompt
from genieredux.play.server import serve

__all__ = ["Prompt", "make_world_file", "prompts_of", "serve"]
