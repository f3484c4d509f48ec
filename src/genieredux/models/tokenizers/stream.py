"""Clips that go on for ever, for tokenizers that know frames by themselves and for causal ones.

A causal tokenizer has learned from clips of L frames, so no frame is ever run as more than the L-th of a clip: when a
clip is full, it begins anew with its last L // 2 frames (docs/architecture.md, "Decoding without end"). Which frames a
frame is run after depends on its number alone, so that frame by frame equals all at once, to float rounding. Knows no
network: what runs a frame is given.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from genieredux.nn.cache import Cache, put_rows


class Framewise:
    """The stream of a tokenizer that looks at no other frame: nothing to remember."""

    def __init__(self, encode: Callable[[Tensor], Tensor], decode: Callable[[Tensor], Tensor]) -> None:
        self._encode, self._decode = encode, decode

    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """See tokenizers.protocol.Stream."""
        return self._encode(frames)

    def decode(self, tokens: Tensor, actions: Tensor | None = None, keep: bool = True) -> Tensor:
        """See tokenizers.protocol.Stream."""
        return self._decode(tokens)

    def put(self, rows: Tensor, other: "Framewise") -> None:
        """Nothing is remembered, so nothing changes."""


class Run(Protocol):
    """Frames (B, T, ...) through a causal network after those that `cache` holds."""

    def __call__(self, x: Tensor, cache: Cache, *, first: bool, keep: bool) -> Tensor:
        """first: whether x[:, 0] is the first frame of its clip. keep: whether x becomes part of what the cache
        holds."""
        ...


class Causal:
    """The stream of a tokenizer whose encoder and decoder look back."""

    def __init__(self, encode: "Direction", decode: "Direction") -> None:
        self._encoder, self._decoder = encode, decode

    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """See tokenizers.protocol.Stream."""
        tokens = self._encoder.run(frames)
        self._decoder.note(tokens)
        return tokens

    def decode(self, tokens: Tensor, actions: Tensor | None = None, keep: bool = True) -> Tensor:
        """See tokenizers.protocol.Stream."""
        frames = self._decoder.run(tokens, keep)
        if keep:
            self._encoder.note(frames)
        return frames

    def put(self, rows: Tensor, other: "Causal") -> None:
        """See tokenizers.protocol.Stream."""
        self._encoder.put(rows, other._encoder)
        self._decoder.put(rows, other._decoder)


class Direction:
    """Encoding or decoding of B clips: the last L inputs, and a cache of as many of them as are the present clip.

    What the other direction made is noted and only run when this one is asked for, so that a dream costs no encoding.
    """

    def __init__(self, run: Run, new_cache: Callable[[int], Cache], length: int) -> None:
        """new_cache: of attention over so many frames. length: L, frames of a training clip."""
        self._network, self._new_cache, self._length = run, new_cache, length
        self._cache = new_cache(length)
        self._inputs: Tensor | None = None
        self._ages = torch.zeros(0, dtype=torch.int64)
        """(B,): frames of each clip since it began."""
        self._inside = self._ages
        """(B,): frames of each present clip, all in the cache but for those not run."""
        self._waiting = 0
        """How many of the last inputs were noted and not run."""

    def note(self, x: Tensor) -> None:
        """Inputs (B, T, ...) that are the past from now on."""
        full = len(self._inside) > 0 and int(self._inside.max()) >= self._length  # so x begins another clip
        self._remember(x)
        self._waiting += x.shape[1] + (self._length if full else 0)

    def run(self, x: Tensor, keep: bool = True) -> Tensor:
        """The outputs of inputs (B, T, ...), which become the past if `keep`."""
        self._catch_up()
        if not keep:
            assert x.shape[1] == 1
            return self._run(x, keep=False)
        parts, start = [], 0
        while start < x.shape[1]:
            end = min(x.shape[1], start + self._room())
            parts.append(self._run(x[:, start:end]))
            self._remember(x[:, start:end])
            start = end
        return torch.cat(parts, 1)

    def put(self, rows: Tensor, other: "Direction") -> None:
        """Clips `rows` become those of `other`."""
        if self._waiting:
            self._waiting = self._length + 1  # of different clips: run anew when it is needed
        else:
            other._catch_up()
            self._cache.put(rows, other._cache, len(self._ages))
        self._inputs = _put_last(self._inputs, rows, other._inputs, len(self._ages))
        self._ages, self._inside = self._ages.clone(), self._inside.clone()
        self._ages[rows.cpu()] = other._ages
        self._inside[rows.cpu()] = other._inside

    def _remember(self, x: Tensor) -> None:
        past = [] if self._inputs is None else [self._inputs]
        self._inputs = torch.cat([*past, x], 1)[:, -self._length :]
        if not len(self._ages):
            self._ages = torch.zeros(x.shape[0], dtype=torch.int64)
        self._ages = self._ages + x.shape[1]
        self._inside = _frames_inside(self._ages, self._length)

    def _room(self) -> int:
        """How many frames may be run at once: to where the present clip is full, if that is one place for all."""
        if not len(self._inside):
            return self._length
        low, high = int(self._inside.min()), int(self._inside.max())
        if low != high:
            return 1
        return self._length - (low if low < self._length else self._length // 2)

    def _run(self, x: Tensor, keep: bool = True) -> Tensor:
        full = (self._inside >= self._length).nonzero()[:, 0]
        if len(full):
            self._begin_anew(full, self._length // 2)
        first = not len(self._inside) or int(self._inside.max()) == 0
        return self._network(x, self._cache, first=first, keep=keep)

    def _begin_anew(self, rows: Tensor, count: int) -> None:
        """The cache of `rows` becomes that of a clip of their last `count` inputs."""
        fresh = self._new_cache(self._length)
        if count:
            assert self._inputs is not None
            self._network(self._inputs[rows.to(self._inputs.device), -count:], fresh, first=True, keep=True)
        if len(rows) == len(self._ages):
            self._cache = fresh
        else:
            self._cache.put(rows, fresh, len(self._ages))
        self._inside = self._inside.clone()
        self._inside[rows] = count

    def _catch_up(self) -> None:
        """Run what was noted."""
        waiting, self._waiting = self._waiting, 0
        if not waiting:
            return
        assert self._inputs is not None
        if waiting == 1 and int(self._inside.min()) > 1:  # one more frame of the present clips
            newest = self._inputs[:, -1:]
            self._network(newest, self._cache, first=False, keep=True)
            return
        for count in self._inside.unique().tolist():
            self._begin_anew((self._inside == count).nonzero()[:, 0], count)


def _frames_inside(ages: Tensor, length: int) -> Tensor:
    """Frames of the present clip, the newest included, when a clip's frames number `ages` (B,) so far."""
    half = length // 2
    again = half + 1 + (ages - length - 1) % (length - half)
    return torch.where(ages <= length, ages, again)


def _put_last(old: Tensor | None, rows: Tensor, new: Tensor | None, clips: int) -> Tensor | None:
    """`put_rows` of inputs that end at one frame and may be of different lengths."""
    if old is not None and new is not None and old.shape[1] != new.shape[1]:
        count = max(old.shape[1], new.shape[1])
        old, new = (torch.cat([t.new_zeros((t.shape[0], count - t.shape[1], *t.shape[2:])), t], 1) for t in (old, new))
    return put_rows(old, rows, new, clips)
