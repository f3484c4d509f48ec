"""Frames to something that can be looked at: sheets, strips, films, heat maps; and numbers to charts (charts.py).

Frames are uint8, channels last. The room knows no world, no game, no metric and no page.
"""

from importlib.resources import files

from genieredux.pictures.encoding import LOSSLESS, data_uri, sprite, webp, write_loop, write_picture, write_png
from genieredux.pictures.heat import heat
from genieredux.pictures.sheets import Rows, column_labels, filmstrip, grid, panels, reduced, side_by_side, upscale
from genieredux.pictures.video import VideoWriter, write_video

__all__ = [
    "LOSSLESS",
    "Rows",
    "VideoWriter",
    "base_css",
    "column_labels",
    "data_uri",
    "filmstrip",
    "grid",
    "heat",
    "panels",
    "reduced",
    "side_by_side",
    "sprite",
    "upscale",
    "webp",
    "write_loop",
    "write_picture",
    "write_png",
    "write_video",
]


def base_css() -> str:
    """Colours by day and by night, and the rules that charts need, for the head of a page."""
    return (files(__name__) / "base.css").read_text(encoding="utf-8")
