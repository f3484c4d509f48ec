"""What differs between two pictures of the same moment in two branches, and how far it has moved.

Two branches of one saved state show the same enemies, clocks and scenery; where their pictures differ, the button
was at work. Within the pixels that differ, the colour that is common round about is the ground and the rare one the
figure, so each branch's figure is known without a model of the scenery, and the figures' centres tell the motion.
Emulators have no noise: equal means equal. Knows no game and no button.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
"""A picture, one number per pixel: red * 65536 + green * 256 + blue, int32 (H, W)."""

Box = tuple[int, int, int, int]
"""(left, top, right, bottom), the last two included."""

Labels = NDArray[np.int32]

BIG = 0.15
"""A share of the picture that no figure fills: what differs more has scrolled, flashed or changed altogether."""

_JOIN = 7  # pixels: gaps up to this are within one figure
_LOOKED_AT = 12  # densest regions among which the player is looked for
_SPREAD = 0.02  # share of the picture that differs at least when its scenery moves
_WIDE = 0.6  # of the picture: what differs so far is no figure
_SCENERY = 4  # so many regions that move one way are not one player
_MARGIN = 12  # pixels round the differing ones that tell which colours are the ground's
_BINS = 4096  # colours are counted by a hash
_STEADY = 0.4  # share of the difference that a shift must explain to count as scrolling


@dataclass(frozen=True)
class Change:
    """The second picture as against the first, in one place. Pixels, x to the right and y downwards."""

    share: float
    """Of all pixels of the picture, those that differ here."""
    box: Box | None = None
    """Where they are; None where there is scenery only."""
    lost: int = 0
    """Pixels of figure in the first picture alone."""
    gained: int = 0
    """Pixels of figure in the second picture alone."""
    at: tuple[float, float] = (0.0, 0.0)
    """(x, y) centre of what was gained."""
    dx: float = 0.0
    """Centre of what was gained less the centre of what was lost; 0 where either is missing."""
    dy: float = 0.0
    shift: tuple[int, int] = (0, 0)
    """(x, y) by which the scenery is displaced as a whole; (0, 0) where it is not."""

    @property
    def moved(self) -> bool:
        """Whether there are two figures of about one size, so that `dx` and `dy` mean a motion."""
        return min(self.lost, self.gained) >= 2 and 1 / 3 < self.lost / self.gained < 3

    @property
    def appeared(self) -> bool:
        """Whether there is something new, and nothing that it could have come from."""
        return self.gained >= 2 and self.lost <= self.gained / 3


def codes(picture: NDArray[np.uint8]) -> Codes:
    """uint8 (H, W, 3) -> int32 (H, W)."""
    wide = picture.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def colours(coded: Codes) -> NDArray[np.uint8]:
    """The inverse of `codes`."""
    return np.stack([(coded >> 16) & 255, (coded >> 8) & 255, coded & 255], axis=-1).astype(np.uint8)


def compare(first: Codes, second: Codes, near: Box | None = None, reach: int = 0) -> Change | None:
    """How `second` differs from `first`, both (H, W), in one place; None where they are equal there.

    near: where the player was seen last; only the regions that lie within `reach` pixels of it count. Without it the
    player is looked for (`_player`). Where most of the picture is displaced as a whole, all of it counts.
    """
    differs = first != second
    share = float(differs.mean())
    if share == 0:
        return None
    if share >= BIG:
        return Change(share, shift=displacement(first, second, differs))
    labels, boxes = _regions(differs)
    wide = (boxes[:, 2] >= _WIDE * differs.shape[1]) | (boxes[:, 3] >= _WIDE * differs.shape[0])
    shift = (0, 0)
    for k in np.flatnonzero(wide)[1:]:  # the first is what does not differ
        shift = displacement(first, second, differs & (labels == k))
        if shift != (0, 0):
            differs &= labels != k
            break
    if near is None:
        change = _player(first, second, differs, labels, boxes)
    else:
        change = _describe(first, second, differs & _near(boxes, near, reach)[labels])
    if change is None:
        return Change(share, shift=shift) if shift != (0, 0) else None
    return replace(change, shift=change.shift if change.shift != (0, 0) else shift)


def _player(first: Codes, second: Codes, differs: NDArray[np.bool_], labels: Labels, boxes: Labels) -> Change | None:
    """The change that is the player's, of all regions that differ.

    One or a few: the densest, together with the place it came from if it is fast. Many that moved one way are
    scenery: the player is the densest of those that moved the other way, and where there is none the camera moved.
    """
    pixels = np.bincount(labels[differs], minlength=len(boxes))
    density = pixels.astype(float) ** 2 / (boxes[:, 2] * boxes[:, 3])
    order = [int(k) for k in np.argsort(-density, kind="stable")[:_LOOKED_AT] if k and pixels[k]]
    found = [one for k in order if (one := _describe(first, second, differs & (labels == k)))]
    if not found:
        return None
    for axis in (0, 1):
        ways = [(one.dx, one.dy)[axis] if one.moved else 0.0 for one in found]
        to, fro = sum(way > 0 for way in ways), sum(way < 0 for way in ways)
        if max(to, fro) < _SCENERY or min(to, fro) > 1:
            continue
        sign = 1 if to > fro else -1
        against = [one for one, way in zip(found, ways, strict=True) if way * sign < 0]
        if against:
            return against[0]
        way = round(float(np.median([way for way in ways if way])))
        return Change(sum(one.share for one in found), shift=(way, 0) if axis == 0 else (0, way))
    if not found[0].moved:
        for k, other in zip(order[1:], found[1:], strict=True):
            pair = _describe(first, second, differs & np.isin(labels, (order[0], k)))
            if pair and pair.moved and not other.moved and 0.7 < pixels[k] / pixels[order[0]] < 1.4:
                return pair
    return found[0]


def _near(boxes: Labels, near: Box, reach: int) -> NDArray[np.bool_]:
    left, top, right, bottom = near
    touching = (boxes[:, 0] <= right + reach) & (boxes[:, 0] + boxes[:, 2] >= left - reach)
    touching &= (boxes[:, 1] <= bottom + reach) & (boxes[:, 1] + boxes[:, 3] >= top - reach)
    touching[0] = False
    return np.asarray(touching)


def _regions(differs: NDArray[np.bool_]) -> tuple[Labels, Labels]:
    """Connected regions, pixels up to `_JOIN` apart taken together: (label per pixel, (x, y, w, h) each); 0 = none."""
    wide = cv2.dilate(differs.astype(np.uint8), np.ones((_JOIN, _JOIN), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(wide, connectivity=8)
    return labels.astype(np.int32, copy=False), stats[:, :4].astype(np.int32)


def _describe(first: Codes, second: Codes, differs: NDArray[np.bool_]) -> Change | None:
    if not differs.any():
        return None
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]))
    left, top = max(box[0] - _MARGIN, 0), max(box[1] - _MARGIN, 0)
    window = (slice(top, box[3] + _MARGIN + 1), slice(left, box[2] + _MARGIN + 1))
    part, elsewhere = differs[window], (first == second)[window]
    lost, gained = _figures(first[window], second[window], part, elsewhere)
    ys, xs = np.nonzero(part)
    change = Change(len(xs) / differs.size, box, int(lost.sum()), int(gained.sum()))
    if gained.any():
        change = replace(change, at=(float(xs[gained].mean()) + left, float(ys[gained].mean()) + top))
    if lost.any() and gained.any():
        dx, dy = float(xs[gained].mean() - xs[lost].mean()), float(ys[gained].mean() - ys[lost].mean())
        change = replace(change, dx=dx, dy=dy)
    return change


def _figures(
    first: Codes, second: Codes, differs: NDArray[np.bool_], equal: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of the pixels in `differs`: in which the first picture shows a figure, and in which the second does.

    equal: the pixels round about that show the ground.
    """
    common = np.bincount(_hash(first[equal]), minlength=_BINS)
    of_first, of_second = common[_hash(first[differs])], common[_hash(second[differs])]
    return of_first < of_second, of_second < of_first


def _hash(coded: Codes) -> NDArray[np.int64]:
    return (coded.astype(np.int64) * 2654435761 >> 12) & (_BINS - 1)


def displacement(first: Codes, second: Codes, differs: NDArray[np.bool_]) -> tuple[int, int]:
    """(x, y) by which `first` must be moved to look like `second` where they differ; (0, 0) if no shift explains it.

    Phase correlation (Kuglin and Hines 1975) of the part that differs. What stands still (the player under a camera
    that follows, the score) says 0, so it is blanked; where that leaves too little, all of it is looked at. A shift is
    believed only if it makes at least `_STEADY` of the differing pixels equal.
    """
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if len(rows) < 6 or len(columns) < 6:
        return 0, 0
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    one, two = first[window], second[window]
    moving, taper = one != two, cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    whole = grey(one), grey(two)
    blanked = [np.where(moving, part, np.float32(part[moving].mean())) for part in whole]
    for pair in (blanked, whole):
        (x, y), _ = cv2.phaseCorrelate(pair[0], pair[1], taper)
        tries = [(round(x) + dx, round(y) + dy) for dx in (0, -1, 1) for dy in (0, -1, 1)]
        shift = max(tries, key=lambda way: _explains(one, two, *way))
        if shift != (0, 0) and _explains(one, two, *shift) > _STEADY:
            return shift
    return 0, 0


def _explains(one: Codes, two: Codes, dx: int, dy: int) -> float:
    """Share of the differing pixels, of those that both pictures show, that moving `one` makes equal to `two`."""
    height, width = one.shape
    if abs(dy) > height / 2 or abs(dx) > width / 2:
        return 0.0
    into = (slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0)))
    out = (slice(max(-dy, 0), height + min(-dy, 0)), slice(max(-dx, 0), width + min(-dx, 0)))
    before, after = np.mean(one[into] != two[into]), np.mean(one[out] != two[into])
    return float(1 - after / before) if before else 0.0


def scrolled(first: Codes, second: Codes) -> tuple[int, int]:
    """(x, y) by which the scenery of one branch went on from one look to a later one; (0, 0) where it stood still.

    What differs must be spread over the picture: a figure that moves is no scenery.
    """
    differs = first != second
    if differs.mean() < _SPREAD:
        return 0, 0
    cells = [part.any() for band in np.array_split(differs, 3) for part in np.array_split(band, 3, axis=1)]
    return displacement(first, second, differs) if sum(cells) >= 6 else (0, 0)


def grey(coded: Codes) -> NDArray[np.float32]:
    """Brightness in [0, 255], float32 (H, W)."""
    shade = 0.299 * ((coded >> 16) & 255) + 0.587 * ((coded >> 8) & 255) + 0.114 * (coded & 255)
    return shade.astype(np.float32)
