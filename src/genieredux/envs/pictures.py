"""What a game of anybody's shows, as an RGB picture: the forms in which people's code gives pictures, told apart.

Knows no game and no library.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genieredux.envs.frame import LONGEST_SIDE, Frame
from genieredux.errors import UserError

SMALLEST_PICTURE = 16
"""Arrays with shorter sides are no pictures but, say, the cells of a grid."""

_NAMES = ("image", "rgb", "pixels", "frame", "screen", "observation", "obs")


def is_rgb(thing: Any) -> bool:
    """Whether an array, or a space, is uint8 (H, W, 3) and large enough to be a picture."""
    shape: tuple[int, ...] = getattr(thing, "shape", None) or ()
    large = len(shape) == 3 and shape[2] == 3 and min(shape[:2]) >= SMALLEST_PICTURE
    return large and getattr(thing, "dtype", None) == np.uint8


def picture_in(obs: Any) -> Any:
    """The part of an observation that may be a picture: itself, or of a mapping the entry that is named like one, else
    the only one; None where nothing is.
    """
    if not isinstance(obs, Mapping):
        return obs if _may_be_picture(obs) else None
    pictures = {str(key).lower(): value for key, value in obs.items() if _may_be_picture(value)}
    named = [pictures[name] for name in _NAMES if name in pictures]
    return named[0] if named else next(iter(pictures.values())) if len(pictures) == 1 else None


def as_rgb(picture: Any, where: str) -> Frame:
    """A picture as uint8 (H, W, 3).

    Taken as they are meant: grey (H, W) or (H, W, 1), with transparency (H, W, 4), channels first (3, H, W), whole
    numbers of 0 to 255, true and false, and fractions, which are of 0 to 1 unless one is above. Raises `UserError`,
    beginning with `where`, at anything else.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3:
        return _of_some_size(picture, where)
    array = np.asarray(picture) if picture is not None else np.zeros((), object)
    if array.dtype == object or array.dtype.kind not in "biuf":
        raise UserError(f"{where}: a frame must be RGB, uint8 (H, W, 3); it gives {type(picture).__name__}")
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise UserError(f"{where}: a frame must be RGB, uint8 (H, W, 3); it gives {array.dtype} {shape}")
    array = _of_some_size(array[..., :3], where)
    if array.dtype != np.uint8:
        array = _bytes(array, where)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else np.ascontiguousarray(array)


def _of_some_size(array: np.ndarray, where: str) -> np.ndarray:
    height, width = array.shape[:2]
    if not 1 <= min(height, width) <= max(height, width) <= LONGEST_SIDE:
        raise UserError(f"{where}: a frame's sides must be 1 to {LONGEST_SIDE} pixels; it gives {width}x{height}")
    return array


def _bytes(array: np.ndarray, where: str) -> Frame:
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 255.0):
        raise UserError(f"{where}: a frame's numbers must be from 0 to 255, or from 0 to 1; they are {low} to {high}")
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and high <= 1.0):
        return np.rint(array.astype(np.float32) * 255.0).astype(np.uint8)
    return np.rint(array).astype(np.uint8)


def _may_be_picture(thing: Any) -> bool:
    if not isinstance(thing, np.ndarray) or thing.ndim not in (2, 3):
        return False
    shape: tuple[int, ...] = thing.shape
    if len(shape) == 2 or shape[2] in (1, 3, 4):
        return min(shape[:2]) >= SMALLEST_PICTURE
    return shape[0] in (1, 3, 4) and min(shape[1:]) >= SMALLEST_PICTURE
