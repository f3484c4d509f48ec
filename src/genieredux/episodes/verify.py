"""Reads everything in a data set and says what is wrong with which file. Changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from genieredux.episodes.block_file import checksum, decode_episode
from genieredux.episodes.index import (
    INDEX_NAME,
    SPEC_NAME,
    IndexRow,
    from_table,
    list_files,
    read_index,
    read_spec,
    scan_file,
)
from genieredux.episodes.schema import DatasetSpec
from genieredux.episodes.store import EpisodeFiles
from genieredux.episodes.token_shards import MARKER, TOKENS_FOLDER, read_marker, read_shard
from genieredux.errors import UserError


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file. file: relative to the data set."""

    file: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What was read, and what is wrong in the order of the files. unlisted: episode files the index does not name."""

    episodes: int
    files: int
    token_shards: int
    faults: tuple[Fault, ...]
    unlisted: tuple[str, ...]

    def to_text(self) -> str:
        """A line for each fault, then what was read."""
        lines = [f"{fault.file}: {fault.problem}" for fault in self.faults]
        lines += [f"{file}: not in the index; `genieredux data index` adds it" for file in self.unlisted]
        damaged = len({fault.file for fault in self.faults})
        return "\n".join(
            [
                *lines,
                f"read {self.episodes} episodes in {self.files} files and {self.token_shards} shards of tokens: "
                + (f"{damaged} damaged" if damaged else "all as they were written"),
            ]
        )


def verify(path: str | Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Reads every file of the data set at a local folder or URL: its description, the index, each episode with its
    checksum, the token caches. progress(files done, files in all).

    Raises UserError where there is no data set.
    """
    store = EpisodeFiles(str(path))
    faults: list[Fault] = []
    try:
        spec = read_spec(store.fs, store.root)
    except UserError as error:
        if not store.fs.exists(f"{store.root}/{SPEC_NAME}"):
            raise
        return Verification(0, 0, 0, (Fault(SPEC_NAME, str(error)),), ())
    files = list_files(store.fs, store.root)
    held: dict[str, dict[str, IndexRow]] = {}
    for number, file in enumerate(files):
        try:
            rows = scan_file(store.fs, store.root, file)
        except UserError as error:
            faults.append(Fault(file, str(error)))
            continue
        held[file] = {row.meta.id: row for row in rows}
        faults += [Fault(file, problem) for row in rows if (problem := _problem(store, spec, row))]
        if progress:
            progress(number + 1, len(files))
    listed, problems = _check_index(store, spec, held, set(files))
    shards, more = _check_tokens(store)
    episodes = sum(map(len, held.values()))
    unlisted = tuple(file for file in files if listed is not None and file not in listed)
    return Verification(episodes, len(files), shards, (*faults, *problems, *more), unlisted)


def _problem(store: EpisodeFiles, spec: DatasetSpec, row: IndexRow) -> str:
    """What is wrong with an episode; nothing where it is what was written."""
    try:
        spec.check_meta(row.meta.shape, len(row.meta.action_counts))
        table = store.table(row)
        with store.naming(row):
            episode = decode_episode(table, row.meta)
        spec.check_episode(episode)
    except UserError as error:
        return str(error)
    return "" if checksum(episode) == row.meta.checksum else f"episode {row.meta.id} is not what was written (checksum)"


def _check_index(
    store: EpisodeFiles, spec: DatasetSpec, held: dict[str, dict[str, IndexRow]], files: set[str]
) -> tuple[set[str] | None, list[Fault]]:
    """The files that the index names, None without one, and where it and the files say different things."""
    try:
        index = read_index(store.fs, store.root, spec)
        rows = from_table(index) if index is not None else None
    except UserError as error:
        return None, [Fault(INDEX_NAME, str(error))]
    faults = []
    for row in rows or ():
        if row.file not in files:
            faults.append(Fault(row.file, f"missing, though the index has episode {row.meta.id} there"))
        elif row.file in held and row.meta.id not in held[row.file]:
            there = ", ".join(list(held[row.file])[:3]) or "nothing"
            faults.append(Fault(row.file, f"it holds {there}, not the episode {row.meta.id} that the index says"))
        elif row.file in held and row != held[row.file][row.meta.id]:
            faults.append(Fault(INDEX_NAME, f"what it says of episode {row.meta.id} is not what {row.file} says"))
    return ({row.file for row in rows} if rows is not None else None), faults


def _check_tokens(store: EpisodeFiles) -> tuple[int, list[Fault]]:
    """How many shards of tokens were read, and what is wrong with them. Unfinished caches are passed over."""
    faults: list[Fault] = []
    count = 0
    for cache in _finished_caches(store):
        try:
            spec, shards = read_marker(store.fs, f"{store.root}/{cache}")
        except UserError as error:
            faults.append(Fault(f"{cache}/{MARKER}", str(error)))
            continue
        for shard in shards:
            try:
                read_shard(store.fs, f"{store.root}/{cache}/{shard}", spec)
            except UserError as error:
                faults.append(Fault(f"{cache}/{shard}", str(error)))
            count += 1
    return count, faults


def _finished_caches(store: EpisodeFiles) -> Iterator[str]:
    try:
        names = store.fs.ls(f"{store.root}/{TOKENS_FOLDER}", detail=False)
    except OSError:
        return
    for name in sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in names):
        if store.fs.exists(f"{store.root}/{TOKENS_FOLDER}/{name}/{MARKER}"):
            yield f"{TOKENS_FOLDER}/{name}"
