"""The frame transform: a native game picture becomes the square picture that everything above works with.

It pads to a square with black, centred, then resizes by area. It knows no game and no model.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
LONGEST_SIDE = 16_384
"""Of a picture: its square is 768 MiB then."""


def pad_to_square(frame: Frame) -> Frame:
    """Centre `frame` (H, W, 3) on black in the smallest square; an odd remainder goes to the bottom or the
    right.
    """
    height, width = frame.shape[:2]
    if height == width:
        return frame
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, *frame.shape[2:]), dtype=frame.dtype)
    square[top : top + height, left : left + width] = frame
    return square


def transform(frame: Frame, image_size: int) -> Frame:
    """Turn a native RGB frame uint8 (H, W, 3) into uint8 (image_size, image_size, 3).

    Already square frames of the right size come back unchanged (the same array).
    """
    square = pad_to_square(frame)
    if square.shape[0] == image_size:
        return square
    resized = cv2.resize(square, (image_size, image_size), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)
