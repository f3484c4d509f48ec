"""The checkpoints of a run folder: which there are, which to go on from, which to delete. Knows no model.

    model-<step>.pt   the model (models/checkpoint.py)       state-<step>.pt   what only a resume needs
    model-best.pt     the model of the lowest validation loss

A pair is written state first, so a model file of the same step means that the pair is whole.
"""

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.models.checkpoint import CheckpointData, load_model
from genieredux.models.tensor_file import read_tensors, write_tensors
from genieredux.runs.files import remove_unfinished

logger = logging.getLogger(__name__)

STATE_FORMAT = "genieredux-state"
STATE_VERSION = 1
MAPPED_FROM_BYTES = 2**30
"""A larger state is not read as a whole beside the model that it is put into, but mapped."""


@dataclass
class Position:
    """How far a run is. step: updates done; elapsed: seconds of training so far, over all executions."""

    step: int = 0
    elapsed: float = 0.0
    best_loss: float | None = None
    best_step: int | None = None
    finished: bool = False


@dataclass(frozen=True)
class Resume:
    """A whole pair, read and verified. state: the values that `write_state` was given; of a large file their tensors
    are mapped, and to be copied."""

    model: CheckpointData
    state: dict[str, Any]
    position: Position

    def check_config(self, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        """Raises UserError where the model of the pair is configured differently. defaults: what a key means that it
        lacks, for it is older than the key."""
        theirs = _completed(self.model.config, defaults)
        different = sorted(key for key in theirs.keys() | config.keys() if theirs.get(key) != config.get(key))
        if different:
            key = different[0]
            raise UserError(
                f"{self.model.path} was trained with {key}={theirs.get(key)} but the configuration says "
                f"{config.get(key)}; set it back, or choose another run name"
            )


def _completed(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    completed = {**defaults, **config}
    for key, value in config.items():
        if isinstance(value, Mapping) and isinstance(defaults.get(key), Mapping):
            completed[key] = _completed(value, defaults[key])
    return completed


class Saves:
    """The checkpoint files of one folder."""

    def __init__(self, folder: Path, keep_last: int) -> None:
        self.folder = folder
        self.keep_last = keep_last

    def model_path(self, step: int) -> Path:
        return self.folder / f"model-{step}.pt"

    def state_path(self, step: int) -> Path:
        return self.folder / f"state-{step}.pt"

    @property
    def best_path(self) -> Path:
        return self.folder / "model-best.pt"

    def steps(self) -> list[int]:
        """Steps that have both files, ascending."""
        return [step for step in self._model_steps() if self.state_path(step).is_file()]

    def write_state(self, position: Position, values: dict[str, Any]) -> Path:
        """`state-<step>.pt`: position and whatever else the trainer needs back (tensors and plain values)."""
        payload = {
            "format": STATE_FORMAT,
            "format_version": STATE_VERSION,
            "position": asdict(position),
            "values": values,
        }
        return write_tensors(self.state_path(position.step), payload)

    def prune(self) -> None:
        """Delete all but the newest keep_last pairs."""
        for step in self.steps()[: -self.keep_last]:
            self.model_path(step).unlink(missing_ok=True)
            self.state_path(step).unlink(missing_ok=True)

    def find(self, resume: str, kind: str) -> Resume | None:
        """What train.resume asks for: None for a fresh start.

        Raises UserError. Clears away unfinished writes.
        """
        if self.folder.is_dir():
            remove_unfinished(self.folder)
        steps = self.steps()
        if resume == "never":
            if self._model_steps():
                raise UserError(
                    f"{self.folder} already has checkpoints up to step {self._model_steps()[-1]}; "
                    f"choose another run name, or train.resume=auto to go on from there"
                )
            return None
        if resume == "auto":
            return self._read_newest(steps, kind) if steps else None
        if resume == "previous":
            return self._read_previous(steps, kind)
        model_path, step = _named(Path(resume))
        found = read_pair(model_path, model_path.with_name(f"state-{step}.pt"), kind)
        if model_path.parent.resolve() == self.folder.resolve():
            self._set_aside_after(found.position)
        return found

    def _read_newest(self, steps: list[int], kind: str) -> Resume:
        try:
            return read_pair(self.model_path(steps[-1]), self.state_path(steps[-1]), kind)
        except UserError as error:
            if len(steps) < 2:
                raise
            raise UserError(
                f"{error}; to go on from the one before it (step {steps[-2]}): train.resume=previous"
            ) from error

    def _read_previous(self, steps: list[int], kind: str) -> Resume:
        """The pair before the newest, which is set aside."""
        if len(steps) < 2:
            there = f"only that of step {steps[0]}" if steps else "no checkpoint"
            raise UserError(f"train.resume=previous, but {self.folder} has {there}; set train.resume=auto")
        found = read_pair(self.model_path(steps[-2]), self.state_path(steps[-2]), kind)
        self._set_aside_after(found.position)
        return found

    def _model_steps(self) -> list[int]:
        names = (re.fullmatch(r"model-(\d+)\.pt", path.name) for path in self.folder.glob("model-*.pt"))
        return sorted(int(match.group(1)) for match in names if match)

    def _set_aside_after(self, position: Position) -> None:
        """Going back to a position on request: the next resume must not take later files for the newest, and the best
        model must not be one that the run has not made yet. Where it was, the next validation finds the best anew.
        """
        later = [step for step in self._model_steps() if step > position.step]
        paths = [path for step in later for path in (self.model_path(step), self.state_path(step))]
        if self._best_step() > position.step:
            paths.append(self.best_path)
            position.best_loss = position.best_step = None
        for path in paths:
            if path.is_file():
                path.rename(path.with_name(path.name + ".aside"))
                logger.warning("set aside %s, which is later than the checkpoint asked for", path)

    def _best_step(self) -> float:
        """That of model-best.pt; infinity where that is not there or damaged."""
        try:
            return load_model(self.best_path).step
        except UserError:
            return math.inf


def _named(path: Path) -> tuple[Path, int]:
    """The model file and step that a user means by a model file, a state file or a run folder."""
    if path.is_dir():
        steps = Saves(path, keep_last=1).steps()
        if not steps:
            raise UserError(f"train.resume={path}: no model-<step>.pt with its state-<step>.pt in this folder")
        return path / f"model-{steps[-1]}.pt", steps[-1]
    match = re.fullmatch(r"(?:model|state)-(\d+)\.pt", path.name)
    if not match:
        raise UserError(
            f"train.resume is '{path}'; give auto, previous, never, or a model-<step>.pt with its state-<step>.pt"
        )
    return path.with_name(f"model-{match.group(1)}.pt"), int(match.group(1))


def read_pair(model_path: Path, state_path: Path, kind: str) -> Resume:
    """Both files of a checkpoint, verified. Raises UserError."""
    model = load_model(model_path, expect=kind)
    payload = read_tensors(state_path, MAPPED_FROM_BYTES)
    if payload.get("format") != STATE_FORMAT:
        raise UserError(f"{state_path} is not the training state of a run; give a pair that `train` wrote")
    version, values = payload.get("format_version"), payload.get("values")
    if not isinstance(version, int) or not isinstance(values, dict):
        raise UserError(f"{state_path}: format_version or values are damaged; go on with train.resume=previous")
    if version > STATE_VERSION:
        raise UserError(f"{state_path} was written by a newer genieredux; update genieredux to go on from it")
    position = from_plain(Position, payload.get("position"), f"{state_path}: position")
    if position.step != model.step:
        raise UserError(
            f"{state_path} belongs to step {position.step} but {model_path} to step {model.step}; "
            f"give a pair that was written together"
        )
    return Resume(model, values, position)
