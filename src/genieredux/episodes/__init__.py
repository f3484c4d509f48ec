"""What was played, on disk: episodes in Parquet, an index over them, random windows, and a cache of tokens.

Knows no game and no model.
"""

from genieredux.episodes.encoded import EncodedEpisode, encode_episode
from genieredux.episodes.index import rebuild_index
from genieredux.episodes.info import DatasetInfo, describe
from genieredux.episodes.reader import Dataset
from genieredux.episodes.sampler import WindowSampler
from genieredux.episodes.schema import DatasetSpec, Episode
from genieredux.episodes.tokens import TokenCache
from genieredux.episodes.track import Track
from genieredux.episodes.writer import DatasetWriter

__all__ = [
    "Dataset",
    "DatasetInfo",
    "DatasetSpec",
    "DatasetWriter",
    "EncodedEpisode",
    "Episode",
    "TokenCache",
    "Track",
    "WindowSampler",
    "describe",
    "encode_episode",
    "rebuild_index",
]
