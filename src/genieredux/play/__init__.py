"""Walk in a dream: a page on this machine, steered by keys. It knows a world through its protocol only."""

from genieredux.play.server import serve
from genieredux.play.session import Prompt

__all__ = ["Prompt", "serve"]
