"""From a played episode to a file, in a thread beside the one that plays or listens to workers."""

import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from genieredux.episodes import DatasetWriter, EncodedEpisode, Episode
from genieredux.episodes.writer import EpisodeExists

log = logging.getLogger(__name__)

_WAITING_EPISODES = 8  # finished episodes that may wait for the disk before playing pauses


class Shelf:
    """Stores episodes in a thread of its own, since compression and disk need no Python lock; errors come
    back at `put`. An episode that another run has stored meanwhile is that one's.
    """

    def __init__(self, writer: DatasetWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._pending: deque[Future[None]] = deque()
        self._is_told = False

    def put(self, episode: Episode | EncodedEpisode) -> None:
        """Store one episode soon; waits where too many are waiting. Raises what storing an earlier one
        raised.
        """
        self._pending.append(self._thread.submit(self._store, episode))
        while self._pending and (self._pending[0].done() or len(self._pending) > _WAITING_EPISODES):
            self._pending.popleft().result()

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Everything that was put is stored, also when playing was interrupted."""
        try:
            while self._pending:
                self._pending.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)

    def _store(self, episode: Episode | EncodedEpisode) -> None:
        try:
            if isinstance(episode, Episode):
                self._writer.append(episode)
            else:
                self._writer.append_encoded(episode)
        except EpisodeExists:
            if not self._is_told:
                log.warning("%s: another run plays the same episodes; those it has stored are kept", self._writer.path)
            self._is_told = True
