"""What an agent sees of a game: its own picture in grey, area-resized, without padding (as published players do)."""

import cv2
import numpy as np
from numpy.typing import NDArray


def grey(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) -> (1, size, size)."""
    shades = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    if shades.shape != (size, size):
        shades = cv2.resize(shades, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(shades, np.uint8)[None]
