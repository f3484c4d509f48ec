"""A world watches what was really played, many pieces of play at once, and says at every step what it expected.

Knows worlds by their protocol alone (`dream`, `follow`, `step`, `restart`): no size of a frame's tokens is assumed.
Two ways of looking:

    follow   the world is told every frame; its past is the whole piece, each frame is encoded once and what was
    computed
             of it is kept
    ahead    as the papers do (P25 4, A.3): two real frames, then `ahead` frames dreamed under the actions really taken

Both give rows (t, n): the frame that `actions[t, n]` led to, beside what was expected of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genieredux.explore.rollout import Piece, Rollout
from genieredux.frames import to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import Dream, DreamStep, World

LANES = 32
"""Dreams of one call."""
CONTEXT = 4
"""Frames that a piece cut out of a longer one is shown before its own."""


@dataclass(frozen=True)
class Expected:
    """R steps of a rollout and what a world expected of each.

    t, n: int64 (R,), which. before, after: float32 (R, 3, H, W) in [0, 1], the frame where the action was taken and the
    one that it led to, both true. actions: int64 (R,). step: what the world expected `after` to be.
    """

    t: NDArray[np.int64]
    n: NDArray[np.int64]
    before: Tensor
    after: Tensor
    actions: Tensor
    step: DreamStep

    def put(self, values: Tensor, into: NDArray[np.float32]) -> None:
        """Write one value a row, (R,), to its place (t, n)."""
        into[self.t, self.n] = values.detach().cpu().numpy()


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
    queue = _tracks(rollout, lanes)
    if not queue:
        return
    row = [_Lane(queue.pop()) for _ in range(min(lanes, len(queue)))]
    dream = _begun(world, row)
    while any(lane.busy for lane in row):
        before, after = (np.stack([lane.track.film[lane.place + k] for lane in row]) for k in (0, 1))
        actions = torch.tensor([int(lane.track.actions[lane.place]) for lane in row])
        truth = to_float(after)
        step = dream.follow(truth, actions)
        busy = np.array([lane.busy for lane in row])
        at = np.array([lane.track.start + lane.place for lane in row])[busy]
        envs = np.array([lane.track.env for lane in row])[busy]
        rows = torch.from_numpy(np.flatnonzero(busy))
        yield Expected(at, envs, to_float(before[busy]), truth[rows], actions[rows], chosen(step, rows))
        for i, lane in enumerate(row):
            if lane.busy and lane.advance(queue):
                _restart(dream, i, row)


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


def chosen(step: DreamStep, rows: Tensor) -> DreamStep:
    """Some dreams of a step."""
    there = rows.to(step.frames.device)
    return DreamStep(step.frames[there], step.tokens[there], step.entropy[there], step.logits[there])


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
    for i, lane in enumerate(row):
        if lane.track.shown < lane.track.first:
            _restart(dream, i, row)
    return dream


def _restart(dream: Dream, i: int, row: Sequence[_Lane]) -> None:
    frames, actions = row[i].track.given
    mask = torch.zeros(len(row), dtype=torch.bool)
    mask[i] = True
    dream.restart(mask, to_float(frames)[None], torch.from_numpy(actions)[None], [0])
