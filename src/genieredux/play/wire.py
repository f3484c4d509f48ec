"""What goes to the page as bytes: a header in JSON, then arrays. `wire.js` reads it."""

import json
import math
import struct
from typing import Any

import numpy as np

from genieredux.play.scenes import Scene
from genieredux.play.seat import Seat, Shown


def pack(header: dict[str, Any], *arrays: np.ndarray) -> bytes:
    """uint32 (little endian) length of the header, the header, the arrays one after the other.

    The header is filled up so that the arrays begin at a multiple of four, and a browser can read floats in place.
    """
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 4)
    return b"".join([struct.pack("<I", len(said)), said, *(np.ascontiguousarray(array).tobytes() for array in arrays)])


def picture(seat: Seat, shown: Shown, took: int, by: str | None) -> bytes:
    """A frame: entropies float32 (h, w) in nats, RGB of the dream, RGB of the real game where it is beside. took: the
    number of the last keys that were heeded; by: who took the action."""
    seen, game, doubt = shown.picture, shown.game, seat.scene.doubt
    entropy = seen.entropy.astype(np.float32)
    error = None if doubt is None or not entropy.size else doubt.of(entropy)
    header = {
        "type": "picture",
        "number": seen.number,
        "oldest": seat.oldest,
        "prompt": seat.prompt,
        "level": seat.level,
        "seed": seat.seed,
        "action": seen.action,
        "by": by,
        "ms": round(seen.ms, 2),
        "took": took,
        "size": list(seen.frame.shape[:2]),
        "grid": list(entropy.shape),
        "expected_db": None if error is None else round(-10 * math.log10(max(error, 1e-10)), 2),
        "likely_wrong": doubt is not None and error is not None and error > doubt.limit,
        "game": None if game is None else {"score": game.score, "ended": game.ended},
        "recorded": None if seat.records is None else [seat.records.episodes, seat.records.frames],
    }
    return pack(header, entropy, seen.frame, *([] if game is None else [game.frame]))


def beginnings(scene: Scene, most: int = 60) -> bytes:
    """The last frames of the world's own beginnings, RGB."""
    frames = np.stack([prompt.frames[-1] for prompt in scene.prompts[:most]])
    return pack({"type": "beginnings", "size": list(frames.shape[1:3]), "count": len(frames)}, frames)
