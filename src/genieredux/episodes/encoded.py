"""An episode as the bytes of its file, made where it was played and stored somewhere else.

A worker compresses what it played and sends a tenth of the bytes; whoever owns the data set writes them as they are.
They are the bytes that the writer would have written itself.
"""

from dataclasses import dataclass

import pyarrow as pa

from genieredux.episodes.block_file import BlockFile, EpisodeMeta, describe_episode, encode_tables
from genieredux.episodes.schema import Episode, check_episode_id


@dataclass(frozen=True, eq=False)
class EncodedEpisode:
    """One episode, ready to be stored. content: a whole episode file. size: compressed bytes of its rows alone."""

    meta: EpisodeMeta
    content: bytes
    size: int


def encode_episode(episode: Episode, num_actions: int) -> EncodedEpisode:
    """The file of an episode that has an id, in a data set of `num_actions` actions. Raises UserError at a bad id."""
    check_episode_id(episode.id)
    meta = describe_episode(episode, episode.id, num_actions)
    sink = pa.BufferOutputStream()
    with BlockFile(sink) as blocks:
        blocks.add(encode_tables(episode), meta)
    return EncodedEpisode(meta, sink.getvalue().to_pybytes(), blocks.sizes[0])
