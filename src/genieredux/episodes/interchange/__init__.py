"""Data in and out: the published folder format and videos become data sets, data sets become Minari, LeRobot or films.

Knows frames (envs/frame.py) and the store; no game, no model.
"""

from genieredux.episodes.interchange.convert import ConvertConfig, ImportSummary, LeftOut, convert
from genieredux.episodes.interchange.export import ExportConfig, ExportSummary, export
from genieredux.episodes.interchange.import_videos import VideoConfig, import_videos

__all__ = [
    "ConvertConfig",
    "ExportConfig",
    "ExportSummary",
    "ImportSummary",
    "LeftOut",
    "VideoConfig",
    "convert",
    "export",
    "import_videos",
]
