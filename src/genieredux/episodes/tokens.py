"""The token cache as training sees it: every episode's tokens and actions in flat arrays.

A cache is made once per tokenizer by `TokenCache.build` and lies at `<data set>/tokens/<tokenizer id>/`
(token_shards.py says how). It carries the checksums of what it was made from, so it never passes for the
tokens of other data. Knows no tokenizer: only a function from frames to ids.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import fsspec
import numpy as np

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.reader import Dataset
from genieredux.episodes.token_build import SHARD_FRAMES, BuildPlan, Encode, Progress, build_shards
from genieredux.episodes.token_shards import (
    TOKENS_FOLDER,
    TokenCacheSpec,
    TokenizedEpisode,
    check_tokenizer_id,
    read_marker,
    read_shard,
)
from genieredux.errors import UserError
from genieredux.runs.backends.crew import Team
from genieredux.runs.files import remove_unfinished, write_atomically, writing
from genieredux.runs.locks import exclusive


class TokenCache:
    """Tokens and actions of all episodes of a data set, in RAM or memory-mapped, episodes in the data set's
    order.

    tokens: int16 or int32 (frames, h, w), one episode after the other. actions: int16 (frames,), the last of
    each episode is -1 (no action was taken there). lengths: frames of each episode. ids: of each episode.
    """

    def __init__(
        self,
        spec: TokenCacheSpec,
        ids: Sequence[str],
        lengths: np.ndarray,
        tokens: np.ndarray,
        actions: np.ndarray,
    ) -> None:
        self.spec, self.ids, self.lengths = spec, tuple(ids), lengths
        self.tokens, self.actions = tokens, actions
        self.offsets = np.cumsum(lengths) - lengths

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.ids)

    def __repr__(self) -> str:
        size = "x".join(str(n) for n in self.spec.grid)
        return f"TokenCache({self.spec.tokenizer_id}: {len(self)} episodes, {len(self.tokens)} frames, {size})"

    def episode(self, i: int) -> np.ndarray:
        """Tokens of episode i, (length, h, w)."""
        return self.tokens[self.offsets[i] : self.offsets[i] + self.lengths[i]]

    def windows(self, episodes: np.ndarray, starts: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens int64 (B, T, h, w) and actions int64 (B, T-1) of B windows. Raises IndexError where one
        leaves its episode.
        """
        if np.any(starts < 0) or np.any(starts + num_frames > self.lengths[episodes]):
            raise IndexError(f"a window of {num_frames} frames leaves its episode")
        first = (self.offsets[episodes] + starts)[:, None]
        tokens = self.tokens[first + np.arange(num_frames)]
        actions = self.actions[first + np.arange(num_actions(num_frames))]
        return tokens.astype(np.int64), actions.astype(np.int64)

    @classmethod
    def build(
        cls,
        dataset: Dataset,
        encode: Encode,
        tokenizer_id: str,
        clip_frames: int = 16,
        batch_clips: int = 32,
        shard_frames: int = SHARD_FRAMES,
        path: str | Path | None = None,
        progress: Progress | None = None,
        framewise: bool = False,
    ) -> "TokenCache":
        """`complete` and `open`. clip_frames to framewise: see `BuildPlan`."""
        plan = BuildPlan(tokenizer_id, clip_frames, batch_clips, shard_frames, framewise)
        cls.complete(dataset, encode, plan, path, progress)
        return cls.open(dataset, tokenizer_id, path=path)

    @classmethod
    def complete(
        cls,
        dataset: Dataset,
        encode: Encode,
        plan: BuildPlan,
        path: str | Path | None = None,
        progress: Progress | None = None,
        team: Team | None = None,
    ) -> None:
        """Encodes the episodes that the cache does not hold yet. An interrupted build goes on where it stopped.

        encode: uint8 (B, clip_frames, H, W, 3) -> int (B, clip_frames, h, w), B at most `batch_clips`. Each
        episode is cut into clips side by side from its first frame; the last is filled up by repeating its
        last frame, and the surplus tokens are dropped. So a tokenizer that looks across frames sees no
        further back than its clip: sample windows with `stride=clip_frames` to get what it would give online.
        path: where to keep the cache of a data set on a remote file system. progress(frames done, frames in all):
        called after each batch, or each shard of a team's. team: who encodes, instead of this process: each worker's
        bench is an `Encoder`. Raises UserError where this id has tokens of another grid or (unless framewise) clip
        length, or the disk is full.
        """
        url = _cache_url(dataset, plan.tokenizer_id, path)
        if "://" in url:
            raise UserError(f"{url}: a token cache is built in a local folder; give one as path")
        folder = Path(url)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder):
            remove_unfinished(folder, shared=True)
            build_shards(dataset, encode, plan, folder, progress, team)

    @classmethod
    def open(
        cls,
        dataset: Dataset,
        tokenizer_id: str,
        path: str | Path | None = None,
        memory_map: bool = False,
    ) -> "TokenCache":
        """The finished cache of these episodes (a `select` of a cached data set is fine) by this tokenizer.

        memory_map: leave the tokens on disk, in a flat file that the first use makes, rather than in RAM.
        Raises UserError where there is no finished cache, it lacks an episode, or it was made from other
        content or by another tokenizer.
        """
        url = _cache_url(dataset, tokenizer_id, path)
        fs, root = fsspec.core.url_to_fs(url)
        spec, shards = read_marker(fs, root)
        if spec.tokenizer_id != tokenizer_id:
            raise UserError(f"{root}: tokens of tokenizer {spec.tokenizer_id}, wanted {tokenizer_id}; build them")
        rows = _Rows(fs, root, spec, shards)
        if memory_map:
            tokens, actions = _memory_map(Path(root), dataset, rows)
        else:
            tokens = np.empty((int(dataset.lengths.sum()), *spec.grid), rows.dtype())
            actions = np.empty(len(tokens), np.int16)
            rows.copy(dataset, tokens, actions)
        return cls(spec, dataset.ids, dataset.lengths, tokens, actions)


class _Rows:
    """The shards of a cache, read one at a time."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, spec: TokenCacheSpec, shards: Sequence[str]) -> None:
        self.fs, self.root, self.spec, self.shards = fs, root, spec, shards
        self._one: tuple[str, list[TokenizedEpisode]] | None = None

    def dtype(self) -> np.dtype:
        """The narrowest dtype that holds every shard's tokens."""
        kinds = {episode.tokens.dtype for shard in self.shards for episode in self._read(shard)[:1]}
        return np.dtype(np.int32 if np.dtype(np.int32) in kinds else np.int16)

    def copy(self, dataset: Dataset, tokens: np.ndarray, actions: np.ndarray) -> None:
        """Fills the flat arrays in the data set's order. Raises UserError where an episode lacks or is of
        other content.
        """
        offsets = dict(zip(dataset.ids, (np.cumsum(dataset.lengths) - dataset.lengths).tolist(), strict=True))
        checks = dict(zip(dataset.ids, dataset.index["checksum"].to_pylist(), strict=True))
        lengths = dict(zip(dataset.ids, dataset.lengths.tolist(), strict=True))
        for shard in self.shards:
            for episode in self._read(shard):
                if episode.id not in offsets:
                    continue
                if checks.pop(episode.id, episode.checksum) != episode.checksum:
                    raise UserError(
                        f"{self.root}: tokens of episode {episode.id} are of other content; build the token cache again"
                    )
                lo = offsets[episode.id]
                hi = lo + lengths[episode.id]
                if len(episode.tokens) != lengths[episode.id]:
                    raise UserError(
                        f"{self.root}: {len(episode.tokens)} frames of tokens for episode {episode.id} of "
                        f"{lengths[episode.id]}; delete the folder and build the token cache again"
                    )
                tokens[lo:hi] = episode.tokens
                actions[lo:hi] = np.append(episode.actions, -1)
        if checks:
            raise UserError(
                f"{self.root}: no tokens of {len(checks)} episodes ({min(checks)}, ...): the data set has "
                "grown; "
                "build the token cache again, only these are encoded"
            )

    def _read(self, shard: str) -> list[TokenizedEpisode]:
        if self._one is None or self._one[0] != shard:
            self._one = (shard, read_shard(self.fs, f"{self.root}/{shard}", self.spec))
        return self._one[1]


def _cache_url(dataset: Dataset, tokenizer_id: str, path: str | Path | None) -> str:
    check_tokenizer_id(tokenizer_id)
    return str(path) if path is not None else f"{dataset.path.rstrip('/')}/{TOKENS_FOLDER}/{tokenizer_id}"


def _memory_map(root: Path, dataset: Dataset, rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """The flat arrays as files beside the shards, named by the episodes they hold; made once."""
    if not root.is_dir():
        raise UserError(f"{root}: only a token cache in a local folder can be memory-mapped")
    content = "\n".join([*dataset.ids, *dataset.index["checksum"].to_pylist()]).encode()
    name = sha256(content).hexdigest()[:16]
    token_file, action_file = root / f"flat-{name}.tokens.npy", root / f"flat-{name}.actions.npy"
    if not (token_file.exists() and action_file.exists()):

        def write_tokens(file: BinaryIO) -> None:
            frames = int(dataset.lengths.sum())
            shape = (frames, *rows.spec.grid)
            tokens = np.lib.format.open_memmap(file.name, mode="w+", dtype=rows.dtype(), shape=shape)
            actions = np.empty(frames, np.int16)
            rows.copy(dataset, tokens, actions)
            tokens.flush()
            write_atomically(action_file, lambda other: np.save(other, actions))

        write_atomically(token_file, write_tokens)
    return np.load(token_file, mmap_mode="r"), np.load(action_file, mmap_mode="r")
