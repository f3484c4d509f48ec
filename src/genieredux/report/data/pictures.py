"""How a game looks, in few bytes: a sheet of frames spread over its episodes, and a short film that repeats itself.

Both are WebP of the frames' own size (larger ones are averaged down), as `data:` addresses. Pictures are made worse,
then fewer, until they fit the bytes that a game is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.episodes import Dataset
from genieredux.pictures import LOSSLESS, data_uri, grid, reduced, webp

SIDE = 96
"""The largest side of a frame in a picture."""
COLUMNS = 6
FILM_FRAMES = 24
FILM_FPS = 8

_GREY = (96, 96, 96)
_EFFORT = 3
_QUALITIES = (LOSSLESS, 72, 50, 30, 12)
_FILMS = ((FILM_FRAMES, LOSSLESS), (FILM_FRAMES, 60), (FILM_FRAMES, 35), (FILM_FRAMES // 2, 30))  # frames, quality
_SHEET_SHARE = 0.6


@dataclass(frozen=True)
class Pictures:
    """A game's pictures as `data:` addresses; empty where they do not fit.

    sheet: a row per episode of `episodes`, first frame to last. start: its first frame. film: frames in a row.
    """

    sheet: str = ""
    rows: int = 0
    start: str = ""
    film: str = ""
    episodes: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Characters they take in the page."""
        return len(self.sheet) + len(self.start) + len(self.film)


def draw_pictures(part: Dataset, rows: int, most_bytes: int) -> Pictures:
    """Pictures of the episodes of one game that fit `most_bytes` bytes, with `rows` episodes at most.

    Raises `UserError` naming the file where one is damaged.
    """
    episodes = sorted(set(np.linspace(0, len(part) - 1, rows).round().astype(int).tolist()))
    strips = [_strip(part, episode) for episode in episodes]
    start = _still([strips[0][:1]], 50)
    left = most_bytes - len(start)
    sheet, shown = b"", 0
    for shown, quality in [(len(strips), q) for q in _QUALITIES] + [(1, _QUALITIES[-1])]:
        sheet = _still(strips[:shown], quality)
        if len(sheet) <= left * _SHEET_SHARE:
            break
    if len(sheet) > left:
        return Pictures()
    film = _fitting_film(part, episodes[0], left - len(sheet))
    addresses = [data_uri(content, "image/webp") if content else "" for content in (sheet, start, film)]
    return Pictures(addresses[0], shown, addresses[1], addresses[2], tuple(episodes[:shown]))


def _strip(part: Dataset, episode: int) -> np.ndarray:
    """COLUMNS frames of an episode from its first to its last, fewer where it has fewer."""
    length = int(part.lengths[episode])
    times = sorted(set(np.linspace(0, length - 1, COLUMNS).round().astype(int).tolist()))
    return np.concatenate([part.frames(episode, t, t + 1) for t in times])


def _still(strips: Sequence[np.ndarray], quality: int) -> bytes:
    """A row per strip, as many columns as the longest has, grey between."""
    return webp([grid([reduced(strip, SIDE) for strip in strips], ground=_GREY)], quality, effort=_EFFORT)


def _fitting_film(part: Dataset, episode: int, most_bytes: int) -> bytes:
    length = int(part.lengths[episode])
    begin = max(0, (length - FILM_FRAMES) // 2)
    frames = reduced(part.frames(episode, begin, min(length, begin + FILM_FRAMES)), SIDE)
    for count, quality in _FILMS if len(frames) > 1 else ():
        film = webp(frames[:count], quality, 1000 // FILM_FPS, _EFFORT)
        if len(film) <= most_bytes:
            return film
    return b""
