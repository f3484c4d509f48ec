"""What a transformer remembers of the frames it was fed, so that feeding them one at a time equals feeding
all.

A `Cache` holds, per block, the keys and values of temporal attention and the last two inputs of each causal
convolution. It is for inference: it stores no graph. Memory is bounded by `window` frames when one is given.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class KeyValues:
    """Keys and values of one temporal attention, (B, N, heads, T, d), in a buffer that grows or slides."""

    window: int | None = None
    keys: Tensor | None = None
    values: Tensor | None = None
    start: int = 0
    stop: int = 0

    def extend(self, k: Tensor, v: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
        """Put k, v (B, N, heads, T, d) after what is held; return everything that these frames may see.

        That is at most window-1 older frames and the new ones. keep=False: held only until the next call.
        """
        if torch.is_grad_enabled() and (k.requires_grad or v.requires_grad):
            raise RuntimeError("a cache stores no graph: call the model under torch.no_grad()")
        new = k.shape[-2]
        if self.window is not None:
            self.start = max(self.start, self.stop - self.window + 1)
        self._reserve(k, new)
        assert self.keys is not None
        assert self.values is not None
        end = self.stop + new
        self.keys[..., self.stop : end, :] = k
        self.values[..., self.stop : end, :] = v
        if keep:
            self.stop = end
        return self.keys[..., self.start : end, :], self.values[..., self.start : end, :]

    def put(self, rows: Tensor, other: "KeyValues", clips: int) -> None:
        """The past of `rows` (int64 (R,)) of the `clips` becomes that of `other`, of R clips; both end at one frame.

        Of the longer of two pasts the shorter one's clips hold nothing, which the caller must hide.
        """
        if other.keys is None:
            return
        count, held = other.stop - other.start, self.stop - self.start
        if self.keys is None or count > held:
            self._widen(other.keys, clips, count)
        for name in ("keys", "values"):
            source = getattr(other, name)[..., other.start : other.stop, :]
            getattr(self, name)[rows.to(source.device), :, :, self.stop - count : self.stop] = source

    @torch.inference_mode(False)
    def _widen(self, like: Tensor, clips: int, count: int) -> None:
        """Hold `count` frames, the older ones of all clips zeros."""
        held = self.stop - self.start
        for name in ("keys", "values"):
            old = getattr(self, name)
            wider = like.new_zeros((clips, *like.shape[1:-2], 2 * max(count, self.window or 0, 8), like.shape[-1]))
            if old is not None:
                wider[..., count - held : count, :] = old[..., self.start : self.stop, :]
            setattr(self, name, wider)
        self.start, self.stop = 0, count

    def _reserve(self, like: Tensor, new: int) -> None:
        """Make room for `new` frames: what is still visible moves to the front of this or a larger buffer."""
        held = self.stop - self.start
        if self.keys is not None and self.stop + new <= self.keys.shape[-2]:
            return
        assert (self.keys is None) == (self.values is None)
        need = held + new
        capacity = 2 * max(need, self.window or 0, 8)
        for name in ("keys", "values"):
            old = getattr(self, name)
            if old is not None and held <= self.start and need <= old.shape[-2]:
                old[..., :held, :] = old[..., self.start : self.stop, :]  # source and target do not overlap
                continue
            with torch.inference_mode(False):
                buffer = like.new_empty((*like.shape[:-2], capacity, like.shape[-1]))
            if old is not None:
                buffer[..., :held, :] = old[..., self.start : self.stop, :]
            setattr(self, name, buffer)
        self.start, self.stop = 0, held


@dataclass
class History:
    """The last `length` inputs of a causal convolution, (B, length, H, W, D); zeros before the first."""

    length: int = 2
    frames: Tensor | None = None

    def extend(self, x: Tensor, keep: bool) -> Tensor:
        """The frames before x (B, T, H, W, D); afterwards x belongs to the past if keep."""
        past = self.frames
        if past is None:
            past = x.new_zeros((x.shape[0], self.length, *x.shape[2:]))
        if keep:
            self.frames = torch.cat([past, x], 1)[:, -self.length :].clone()
        return past

    def put(self, rows: Tensor, other: "History", clips: int) -> None:
        """The past of `rows` becomes that of `other`; what has none has zeros."""
        self.frames = put_rows(self.frames, rows, other.frames, clips)


@dataclass
class BlockCache:
    """The memory of one space-time block."""

    temporal: KeyValues
    spatial_peg: History = field(default_factory=History)
    temporal_peg: History = field(default_factory=History)


class Cache:
    """The memory of a whole transformer. Make it with `STTransformer.new_cache`.

    window: how many frames attention sees, the current one included; None: all (memory then grows with them).
    frames: how many frames were kept so far.
    """

    def __init__(self, depth: int, window: int | None = None) -> None:
        if window is not None and window < 1:
            raise ValueError(f"a cache's window is at least 1 frame, got {window}")
        self.window = window
        self.frames = 0
        self.late: Tensor | None = None
        """int64 (B,): how many frames later than the first of them each clip began; None: all together."""
        self.blocks = [BlockCache(KeyValues(window)) for _ in range(depth)]

    def clone(self) -> "Cache":
        """A copy that can be continued on its own, to follow another future from the same past."""
        return self._map(torch.clone)

    def select(self, index: Tensor) -> "Cache":
        """A cache of the batch entries index (int64 (B',)), repeats allowed: one past, many futures."""
        return self._map(lambda t: t.index_select(0, index.to(t.device)))

    @property
    def ages(self) -> int | Tensor:
        """How many frames each clip has: one number for all, or int64 (B,)."""
        return self.frames if self.late is None else self.frames - self.late

    def put(self, rows: Tensor, other: "Cache", clips: int) -> None:
        """The past of `rows` (int64 (R,)) of the `clips` becomes that of `other`, whose R clips have one age. The other
        clips keep theirs, bit for bit."""
        for mine, new in zip(self.blocks, other.blocks, strict=True):
            mine.temporal.put(rows, new.temporal, clips)
            mine.spatial_peg.put(rows, new.spatial_peg, clips)
            mine.temporal_peg.put(rows, new.temporal_peg, clips)
        frames = max(self.frames, other.frames)
        late = (torch.zeros(clips, dtype=torch.int64) if self.late is None else self.late) + (frames - self.frames)
        late[rows.cpu()] = frames - other.frames
        self.frames, self.late = frames, late if late.any() else None

    def hidden(self, new: int) -> Tensor | None:
        """bool (B, keys), true for keys that are older than their clip, when `new` frames come; None: there are
        none."""
        if self.late is None:
            return None
        held = self.frames if self.window is None else min(self.frames, self.window - 1)
        empty = held - (self.frames - self.late).clamp(max=held)
        return torch.arange(held + new) < empty[:, None] if empty.any() else None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(t.nbytes for b in self.blocks for t in _tensors(b) if t is not None)

    @torch.inference_mode(False)  # plain tensors, so that a copy can be written to in any mode
    def _map(self, function: Callable[[Tensor], Tensor]) -> "Cache":
        other = Cache(len(self.blocks), self.window)
        other.frames = self.frames
        other.late = None if self.late is None else function(self.late)
        for new, old in zip(other.blocks, self.blocks, strict=True):
            for name in ("keys", "values"):
                tensor = getattr(old.temporal, name)
                setattr(new.temporal, name, None if tensor is None else function(tensor))
            new.temporal.start, new.temporal.stop = old.temporal.start, old.temporal.stop
            for peg in ("spatial_peg", "temporal_peg"):
                tensor = getattr(old, peg).frames
                getattr(new, peg).frames = None if tensor is None else function(tensor)
        return other


def put_rows(old: Tensor | None, rows: Tensor, new: Tensor | None, clips: int, empty: float = 0) -> Tensor | None:
    """A copy of `old` (B, ...) with `rows` from `new` (R, ...); None stands for a tensor full of `empty`."""
    like = new if old is None else old
    if like is None:
        return None
    result = like.new_full((clips, *like.shape[1:]), empty) if old is None else old.clone()
    result[rows.to(like.device)] = empty if new is None else new
    return result


def _tensors(block: BlockCache) -> tuple[Tensor | None, ...]:
    return (block.temporal.keys, block.temporal.values, block.spatial_peg.frames, block.temporal_peg.frames)
