"""What pictures say by themselves: pure functions of frames uint8 (T, H, W, 3).

They compare bit by bit, as the measured games they are judged by were compared. So a data set made from lossy videos
shows noise as movement; its distinct frames and still stretches flatter it.
"""

import hashlib

import numpy as np

BLANK_RANGE = 4
"""A frame is blank where no channel spans more than this, of 255: one colour, with room for the noise of JPEG."""

BLACK_LEVEL = 16
"""A blank frame is black where nothing is brighter than this, of 255."""

_EVERY = 16


def frame_digests(frames: np.ndarray) -> np.ndarray:
    """A number for the content of each frame, uint64 (T,): equal frames have equal ones."""
    out = np.empty(len(frames), np.uint64)
    for t, frame in enumerate(np.ascontiguousarray(frames)):
        out[t] = int.from_bytes(hashlib.blake2b(frame.data, digest_size=8).digest(), "little")
    return out


def absolute_changes(frames: np.ndarray) -> np.ndarray:
    """|frames[t+1] - frames[t]| as uint8 (T-1, H, W, 3)."""
    before, after = frames[:-1], frames[1:]
    return np.maximum(before, after) - np.minimum(before, after)


def blank_frames(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which frames hold one colour, and which of them are black: two bool (T,)."""
    pixels = frames.reshape(len(frames), -1, 3)
    blank = _span(pixels[:, ::_EVERY]) <= BLANK_RANGE  # few frames pass this, so few are looked at whole
    blank[blank] = _span(pixels[blank]) <= BLANK_RANGE
    black = blank.copy()
    black[blank] = pixels[blank].max(axis=(1, 2)) <= BLACK_LEVEL
    return blank, black


def moving_pixels(changes: np.ndarray) -> np.ndarray:
    """Which pixels change at least once in `absolute_changes`, bool (H, W)."""
    return changes.max(axis=0, initial=0).any(axis=-1)


def mean_changes(changes: np.ndarray) -> np.ndarray:
    """The mean of each of `absolute_changes` over pixels and channels, float64 (T-1,), 0..255."""
    return changes.reshape(len(changes), -1).mean(axis=1, dtype=np.float64) if len(changes) else np.zeros(0)


def longest_run(mask: np.ndarray) -> int:
    """The most consecutive True in a bool (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _span(pixels: np.ndarray) -> np.ndarray:
    """The widest range of a channel in each of (T, N, 3), int (T,)."""
    return (pixels.max(axis=1, initial=0).astype(int) - pixels.min(axis=1, initial=255)).max(axis=-1)
