"""Data in and out: the published folder format and videos become data sets, data sets become Minari, LeRobot or films.

Knows frames (envs/frame.py) and the store; no game, no model.
"""

from genieredux.episodes.interchange.convert import ConvertConfig, convert
from genieredux.episodes.interchange.export import ExportConfig, export
from genieredux.episodes.interchange.import_videos import VideoConfig, import_videos

__all__ = [
    "ConvertConfig",
    "ExportConfig",
    "VideoConfig",
    "convert",
    "export",
    "import_videos",
]
