"""A world watches what was really played, many pieces of play at once, and says at every step what it expected.

Knows worlds by their protocol alone (`dream`, `follow`, `step`, `restart`): no size of a frame's tokens is assumed.
Three ways of looking:

    follow   the world is told every frame; its past is the whole piece, each frame is encoded once and what was
             computed of it is kept
    watch    the same where what it expected need not be drawn
    ahead    as the papers do (P25 4, A.3): two real frames, then `ahead` frames dreamed under the actions really taken

All give rows (t, n): the frame that `actions[t, n]` led to, beside what was said of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genieredux.explore.rollout import Piece, Rollout
from genieredux.frames import to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import Dream, DreamStep, Watched, World

Said = TypeVar("Said", DreamStep, Watched)

LANES = 32
"""Dreams of one call."""
CONTEXT = 4
"""Frames that a piece cut out of a longer one is shown before its own."""


@dataclass(frozen=True)
class Rows:
    """R steps of a rollout. t, n: int64 (R,), which."""

    t: NDArray[np.int64]
    n: NDArray[np.int64]

    def put(self, values: Tensor, into: NDArray[np.float32]) -> None:
        """Write one value a row, (R,), to its place (t, n)."""
        into[self.t, self.n] = values.detach().cpu().numpy()


@dataclass(frozen=True)
class Expected(Rows):
    """What a world expected of R steps.

    before, after: float32 (R, 3, H, W) in [0, 1], the frame where the action was taken and the one that it led to, both
    true. actions: int64 (R,). step: what the world expected `after` to be.
    """

    before: Tensor
    after: Tensor
    actions: Tensor
    step: DreamStep


@dataclass(frozen=True)
class Doubted(Rows):
    """What a world knew of the frames that R steps led to."""

    said: Watched


@dataclass
class _Track:
    """A piece, or a part of one: steps `first` to `end` (not included) are to be looked at after the frames from
    `shown` on."""

    film: NDArray[np.uint8]
    actions: NDArray[np.int64]
    env: int
    start: int
    shown: int
    first: int
    end: int

    @property
    def given(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The frames (P, H, W, 3) it begins with, and the actions (P - 1,) between."""
        return self.film[self.shown : self.first + 1], self.actions[self.shown : self.first]


class _Lane:
    """One dream of several: the track it is at and the step it is to look at. Where nothing is left it looks at its
    last step again beside the others, and nobody listens."""

    def __init__(self, track: _Track) -> None:
        self.track, self.place, self.busy = track, track.first, True

    def advance(self, queue: list[_Track]) -> bool:
        """One step on; whether another track begins."""
        if self.place + 1 < self.track.end:
            self.place += 1
            return False
        self.busy = bool(queue)
        if queue:
            self.track = queue.pop()
            self.place = self.track.first
        return self.busy


def follow(world: World, rollout: Rollout, lanes: int = LANES) -> Iterator[Expected]:
    """Every step whose frame was seen, once, in some order; at most `lanes` rows at a time.

    An episode is followed from its beginning. Where there are fewer pieces than lanes, long ones are cut, and each part
    begins with the `CONTEXT` frames before it.
    """
    for told in _told(world, _tracks(rollout, lanes), lanes):
        step = told.dream.follow(told.truth, told.actions)
        rows = told.rows
        yield Expected(told.t, told.n, told.before, told.truth[rows], told.actions[rows], chosen(step, rows))


def watch(world: World, rollout: Rollout, lanes: int = LANES, whole: bool = False) -> Iterator[Doubted]:
    """The same, of what the world says without drawing what it expected. whole: no piece is cut, so that all of its
    frames count as shown."""
    tracks = _tracks(rollout, 1 if whole else lanes)
    if whole and tracks:  # no more lanes than the longest piece leaves busy
        lanes = min(lanes, -(-sum(t.end for t in tracks) // tracks[-1].end))
    for told in _told(world, tracks, lanes):
        yield Doubted(told.t, told.n, chosen(told.dream.watch(told.truth, told.actions), told.rows))


@dataclass(frozen=True)
class _Told:
    """The next call of all dreams. t, n: of the R rows that count, and rows: which they are. before: as in `Expected`.
    truth, actions: of all dreams."""

    dream: Dream
    t: NDArray[np.int64]
    n: NDArray[np.int64]
    rows: Tensor
    before: Tensor
    truth: Tensor
    actions: Tensor


def _told(world: World, queue: list[_Track], lanes: int) -> Iterator[_Told]:
    """Call after call; whoever takes one follows or watches before the next."""
    if not queue:
        return
    row = [_Lane(queue.pop()) for _ in range(min(lanes, len(queue)))]
    dream = _begun(world, row)
    while any(lane.busy for lane in row):
        before, after = (np.stack([lane.track.film[lane.place + k] for lane in row]) for k in (0, 1))
        actions = torch.tensor([int(lane.track.actions[lane.place]) for lane in row])
        busy = np.array([lane.busy for lane in row])
        at = np.array([lane.track.start + lane.place for lane in row])[busy]
        envs = np.array([lane.track.env for lane in row])[busy]
        rows = torch.from_numpy(np.flatnonzero(busy))
        yield _Told(dream, at, envs, rows, to_float(before[busy]), to_float(after), actions)
        _restart(dream, [i for i, lane in enumerate(row) if lane.busy and lane.advance(queue)], row)


def ahead(
    world: World,
    rollout: Rollout,
    steps: int = 3,
    given: int = 2,
    lanes: int = LANES,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> Iterator[Expected]:
    """Every step for which `given` real frames lie `steps` frames back in the same episode; at most `lanes` rows.

    The frame c that action c-1 led to is the last of `steps` frames that the world dreams after the real frames
    c-steps-given+1 ... c-steps, under the actions taken between them and then those of c-steps ... c-1. For the
    papers' two frames and three: frames c-4, c-3, actions c-4 | c-3, c-2, c-1.
    """
    back = steps + given - 1  # from the frame of a row to the first of its prompt
    rows = [(piece, k) for piece in rollout.pieces() for k in range(back, piece.seen + 1)]
    films = {(piece.env, piece.first): rollout.film(piece) for piece, _ in rows}
    for begin in range(0, len(rows), lanes):
        part = rows[begin : begin + lanes]
        clips = np.stack([films[p.env, p.first][k - back : k + 1] for p, k in part])
        taken = np.stack([rollout.actions[p.first + k - back : p.first + k, p.env] for p, k in part])
        frames, actions = to_float(clips), torch.from_numpy(taken)
        at = np.array([p.first + k - 1 for p, k in part])
        envs = np.array([p.env for p, _ in part])
        seeds = [seed + int(t) * 65_537 + int(n) for t, n in zip(at, envs, strict=True)]
        dream = world.dream(frames[:, :given], actions[:, : given - 1], seeds, sampling)
        for number in range(given - 1, back):
            step = dream.step(actions[:, number])
        yield Expected(at, envs, frames[:, -2], frames[:, -1], actions[:, -1], step)


def chosen(said: Said, rows: Tensor) -> Said:
    """What was said of some dreams."""
    parts = (getattr(said, field.name) for field in fields(said))
    taken: list[Any] = [None if part is None else part[rows.to(part.device)] for part in parts]
    return type(said)(*taken)


def _tracks(rollout: Rollout, lanes: int) -> list[_Track]:
    """What is to be followed, the longest last: it is begun first."""
    pieces = [piece for piece in rollout.pieces() if piece.seen]
    total = sum(piece.seen for piece in pieces)
    most = max(8, -(-total // lanes)) if len(pieces) < lanes else max((piece.seen for piece in pieces), default=1)
    tracks: list[_Track] = []
    for piece in pieces:
        tracks += _cut(piece, rollout, most)
    return sorted(tracks, key=lambda track: track.end - track.first)


def _cut(piece: Piece, rollout: Rollout, most: int) -> list[_Track]:
    film = rollout.film(piece)
    actions = rollout.actions[piece.first : piece.last + 1, piece.env]
    parts = -(-piece.seen // most)
    edges = [piece.seen * k // parts for k in range(parts + 1)]
    return [
        _Track(film, actions, piece.env, piece.first, max(0, low - CONTEXT), low, high) for low, high in pairwise(edges)
    ]


def _begun(world: World, row: Sequence[_Lane]) -> Dream:
    """Dreams of these lanes. All begin with one frame; those that are shown more begin anew with them."""
    first = to_float(np.stack([lane.track.film[lane.place] for lane in row]))
    dream = world.dream(first[:, None], torch.zeros(len(row), 0, dtype=torch.int64), [0] * len(row))
    _restart(dream, [i for i, lane in enumerate(row) if lane.track.shown < lane.track.first], row)
    return dream


def _restart(dream: Dream, lanes: Sequence[int], row: Sequence[_Lane]) -> None:
    """These lanes begin their tracks: one call for all that are given equally many frames."""
    alike: dict[int, list[int]] = {}
    for i in lanes:
        alike.setdefault(row[i].track.first - row[i].track.shown, []).append(i)
    for numbers in alike.values():
        given = [row[i].track.given for i in numbers]
        mask = torch.zeros(len(row), dtype=torch.bool)
        mask[numbers] = True
        frames, actions = (np.stack(part) for part in zip(*given, strict=True))
        dream.restart(mask, to_float(frames), torch.from_numpy(actions), [0] * len(numbers))
