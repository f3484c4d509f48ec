"""The job that turns a published data set into one of this project's: find, check, read, store; resumable."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from genieredux.config import FilePath
from genieredux.episodes.interchange.continuing import open_writer
from genieredux.episodes.interchange.published import Damaged, Leaf, Session, find_leaves, read_leaf, read_session
from genieredux.episodes.interchange.splits import Progress, Shares
from genieredux.episodes.prefetch import prefetch
from genieredux.episodes.schema import DatasetSpec, Episode
from genieredux.errors import UserError
from genieredux.runs.places import check_name, user_path

log = logging.getLogger(__name__)

_THREADS, _AHEAD = 2, 8


@dataclass(frozen=True)
class ConvertConfig:
    """What to convert and where to."""

    source: FilePath
    """A published data set (a folder of games), or one game's folder."""
    name: str = ""
    """Of the data set to make; empty: that of the source."""
    root: FilePath = "datasets"
    """The folder of data sets."""
    validation: float = 0.09
    """This part of each level's sessions (the published one)."""
    test: float = 0.01
    """As validation."""
    damaged: Literal["skip", "stop"] = "skip"
    """skip leaves out a session that cannot be read, stop ends there."""

    def __post_init__(self) -> None:
        check_name(self.dataset_name, "name")
        Shares(self.validation, self.test)

    @property
    def dataset_name(self) -> str:
        """The folder to make."""
        return self.name or user_path(self.source).resolve().name


@dataclass(frozen=True)
class LeftOut:
    """Something that was not taken over, and why."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class ImportSummary:
    """What an import did. episodes, frames: new ones of this run. left_out: in the order they were met."""

    path: Path
    episodes: int
    frames: int
    total_episodes: int
    total_frames: int
    left_out: tuple[LeftOut, ...]


def convert(cfg: ConvertConfig, progress: Progress | None = None) -> ImportSummary:
    """Store every readable session of `cfg.source` as an episode; those stored by an earlier run are not read again.

    Frames keep their size and pixels. Rewards are 0 and `terminated` is false throughout, since the published format
    stores neither. Raises UserError where nothing can be read, games differ in their actions, the data set to make
    holds something else, or (damaged=stop) at the first damaged session; what was stored before stays whole.
    """
    source = user_path(cfg.source)
    plan = _Plan(cfg, source)
    spec = DatasetSpec(cfg.dataset_name, plan.image_size, plan.leaves[0].action_names)
    settings = {"verb": "data convert", "source": source.resolve().name, **vars(Shares(cfg.validation, cfg.test))}
    facts = {"published": {leaf.path.name: dict(leaf.facts) for leaf in plan.leaves}}
    left_out = list(plan.left_out)
    with open_writer(cfg.root, spec, settings, facts) as writer:
        missing = [session for session in plan.sessions if session.id not in writer.ids]
        done = len(plan.sessions) - len(missing)
        results = prefetch(lambda k: plan.read(missing[k]), 0, len(missing), _THREADS, _AHEAD)
        for result in results:
            if isinstance(result, LeftOut):
                _leave_out(result, cfg, left_out)
            else:
                writer.append(result)
            done += 1
            if progress:
                progress(done, len(plan.sessions))
        summary = ImportSummary(writer.path, left_out=tuple(left_out), **writer.growth)
    if summary.total_episodes == 0:
        raise UserError(f"{source}: no session could be read; the first: {left_out[0]}")
    return summary


class _Plan:
    """What there is to convert, looked at before anything is written."""

    def __init__(self, cfg: ConvertConfig, source: Path) -> None:
        self._shares = Shares(cfg.validation, cfg.test)
        self._source = source
        self.left_out: list[LeftOut] = []
        self.leaves: list[Leaf] = []
        for path in find_leaves(source):
            try:
                self.leaves.append(read_leaf(path))
            except Damaged as error:
                _leave_out(LeftOut(path.name, str(error)), cfg, self.left_out)
        if not self.leaves:
            raise UserError(_nothing_there(source, self.left_out))
        _check_same_actions(self.leaves)
        self.sessions = [session for leaf in self.leaves for session in leaf.sessions()]
        if not self.sessions:
            raise UserError(f"{source}: {len(self.leaves)} games, but no <instance>/<session> folder in them")

    @cached_property
    def image_size(self) -> int:
        """Side of the first frame that can be read. Raises UserError where none can, or it is not square."""
        first = None
        for session in self.sessions:
            result = self._read(session)
            if isinstance(result, LeftOut):
                first = first or result
                continue
            height, width = result.frames.shape[1:3]
            if height != width:
                raise UserError(
                    f"{session.where}: frames are {height}x{width}, only square ones can be converted; pad them first"
                )
            return int(height)
        raise UserError(f"{self._source}: no session could be read; the first: {first}")

    def read(self, session: Session) -> Episode | LeftOut:
        """The session's episode, or why there is none."""
        result = self._read(session)
        if isinstance(result, Episode) and result.frames.shape[1:3] != (self.image_size, self.image_size):
            height, width = result.frames.shape[1:3]
            others = f"{self.image_size}x{self.image_size}"
            return LeftOut(session.where, f"frames are {height}x{width}, the others {others}")
        return result

    def _read(self, session: Session) -> Episode | LeftOut:
        try:
            return read_session(session, self._shares.split(session.number, session.count))
        except Damaged as error:
            return LeftOut(session.where, str(error))


def _leave_out(what: LeftOut, cfg: ConvertConfig, left_out: list[LeftOut]) -> None:
    if cfg.damaged == "stop":
        raise UserError(f"damaged: {what}; mend or remove it, or leave such out with damaged=skip")
    log.warning("left out: %s", what)
    left_out.append(what)


def _check_same_actions(leaves: Sequence[Leaf]) -> None:
    for leaf in leaves[1:]:
        if leaf.action_names != leaves[0].action_names:
            raise UserError(
                f"{leaf.path.name} has the actions {', '.join(leaf.action_names)}, {leaves[0].path.name} has "
                f"{', '.join(leaves[0].action_names)}; convert such games one by one, each with a name of its own"
            )


def _nothing_there(source: Path, left_out: Sequence[LeftOut]) -> str:
    if left_out:
        return f"{source}: no game could be read; the first: {left_out[0]}"
    if not source.is_dir():
        return f"{source}: no such folder; give the folder of a published data set"
    inner = sorted(path.parent.parent.name for path in source.glob("*/*/info.json"))
    if inner:
        return f"{source}: several data sets are in here; give one of them, such as {source / inner[0]}"
    return f"{source}: no published data set here (no */info.json); give the folder that holds the games' folders"
