"""Numbers as colours: maps of uncertainty."""

import numpy as np

_STOPS = np.array([[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]])


def heat(values: np.ndarray, size: int, top: float) -> np.ndarray:
    """A map (..., h, w) as colours uint8 (..., size, size, 3): black at 0, through violet and orange, to pale yellow at
    `top` and above. size is a multiple of h and w, or the map is stretched to the nearest pixel.
    """
    place = np.clip(values / max(top, 1e-9), 0, 1) * (len(_STOPS) - 1)
    low = np.minimum(place.astype(int), len(_STOPS) - 2)
    share = (place - low)[..., None]
    colours = (_STOPS[low] * (1 - share) + _STOPS[low + 1] * share).round().astype(np.uint8)
    rows = np.arange(size) * values.shape[-2] // size
    columns = np.arange(size) * values.shape[-1] // size
    return colours[..., rows[:, None], columns[None, :], :]
