"""The folder of one run.

    <run>/config.yaml        the composed configuration (earlier, different ones: config.1.yaml, ...)
    <run>/environment.json   versions, hardware, commit and command of every execution, oldest first
    <run>/measured.json      what "auto" was found to mean when the run began, such as {"precision": "bf16"}
    <run>/log.jsonl          one JSON object a line: {"time": ..., "event": "train", "step": ..., "loss": ...}
    <run>/tensorboard/       the same numbers for TensorBoard
    <run>/media/             pictures and films
    <run>/model-<step>.pt    checkpoints, written by genieredux.training

A second execution in the same folder appends. This file knows nothing of models or training.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from genieredux.errors import UserError
from genieredux.runs.environment import describe_environment
from genieredux.runs.files import write_text, writing
from genieredux.runs.locks import sole_writer


class RunFolder:
    """Where a run leaves everything. Making the object touches no disk; `begin` and `log` do."""

    def __init__(self, path: str | Path, command: Sequence[str] | None = None, settings: Any = None) -> None:
        """command: the argument list that started this run (default: `sys.argv`), shown to resume it. settings: the
        configuration that `begin` records where it is given none.
        """
        self.path = Path(path)
        self.config_path = self.path / "config.yaml"
        self.log_path = self.path / "log.jsonl"
        self.environment_path = self.path / "environment.json"
        self.measured_path = self.path / "measured.json"
        self.tensorboard = self.path / "tensorboard"
        self.media = self.path / "media"
        self.command = list(sys.argv if command is None else command)
        self.settings = settings
        self.begun = False
        self._measured: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def begin(self, config: Any = None) -> "RunFolder":
        """Create the folder; record the environment and config (a dataclass, a mapping or OmegaConf)."""
        with writing(self.path):
            self.media.mkdir(parents=True, exist_ok=True)
        config = self.settings if config is None else config
        if config is not None:
            self._write_config(_to_yaml(config))
        executions = [*self.executions(), describe_environment(self.command)]
        write_text(self.environment_path, json.dumps({"executions": executions}, indent=2))
        self.begun = True
        if self._measured:
            self._write_measured()
        return self

    def measured(self, name: str, measure: Callable[[], str]) -> str:
        """What was measured as `name` when this run first asked; measured now where it never did. So a run that is
        gone on with, on a machine that is busier or another, goes on with the choice it was begun with. Written down
        at once, or when the folder is begun.
        """
        if name not in self._measured:
            self._measured |= self._read_measured()
        if name not in self._measured:
            self._measured[name] = measure()
            if self.begun:
                self._write_measured()
        return self._measured[name]

    def executions(self) -> list[dict[str, Any]]:
        """What environment.json says, oldest execution first; empty when there is none."""
        executions = _read_json(self.environment_path).get("executions", [])
        if not isinstance(executions, list):
            raise UserError(f"{self.environment_path} does not hold a list of executions; move it away")
        return executions

    def config(self) -> Any:
        """config.yaml as plain dictionaries, lists and scalars."""
        if not self.config_path.is_file():
            raise UserError(f"no config.yaml in {self.path}; is this the folder of a run?")
        return OmegaConf.to_container(OmegaConf.load(self.config_path), resolve=False)

    def log(self, event: str, **values: Any) -> dict[str, Any]:
        """Append one line to log.jsonl and return it. Values: anything JSON can hold."""
        record = {"time": round(time.time(), 3), "event": event, **values}
        # One short write to a file opened for appending: a kill tears at most this line, and `records` skips it.
        with writing(self.log_path):
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.log_path, "ab+") as file:
                end = file.seek(0, 2)
                torn = end > 0 and not _ends_line(file)
                try:
                    file.write(b"\n" * torn + json.dumps(record).encode() + b"\n")
                    file.flush()
                except OSError:
                    os.ftruncate(file.fileno(), end)
                    raise
        return record

    def records(self, *events: str) -> list[dict[str, Any]]:
        """The lines of log.jsonl, in order, of these events (all when none is named).

        Torn lines are skipped.
        """
        found = []
        for line in self.log_path.read_bytes().splitlines() if self.log_path.is_file() else []:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and (not events or record.get("event") in events):
                found.append(record)
        return found

    def history(self, *events: str) -> list[dict[str, Any]]:
        """Like `records`, one record for each (event, step): after a resume the repeated steps count once."""
        last: dict[tuple[Any, Any], dict[str, Any]] = {}
        for record in self.records(*events):
            key = (record.get("event"), record.get("step"))
            last.pop(key, None)
            last[key] = record
        return list(last.values())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one writer; the lock dies with its process.

        Raises UserError when it is taken.
        """
        with sole_writer(self.path, "wait for it, or choose another run name"):
            yield

    def resume_command(self) -> str:
        """The shell line that goes on with this run: the one that started it, without its `train.resume`."""
        words = [word for word in self.command if not word.startswith("train.resume=")]
        if words and words[0].endswith(".py"):
            words.insert(0, "python")
        elif words:
            words[0] = Path(words[0]).name
        return shlex.join(words)

    def _read_measured(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in _read_json(self.measured_path).items()}

    def _write_measured(self) -> None:
        write_text(self.measured_path, json.dumps(self._read_measured() | self._measured, indent=2) + "\n")

    def _write_config(self, text: str) -> None:
        if self.config_path.is_file():
            if self.config_path.read_text() == text:
                return
            number = 1
            while (older := self.path / f"config.{number}.yaml").exists():
                number += 1
            self.config_path.rename(older)
        write_text(self.config_path, text)


def _read_json(path: Path) -> dict[str, Any]:
    """The names and values in a file; none where there is no file."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable ({error}); move it away") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} does not hold names and values; move it away")
    return values


def _to_yaml(config: Any) -> str:
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = dataclasses.asdict(config)
    if isinstance(config, Mapping):
        config = OmegaConf.create(dict(config))
    if not isinstance(config, DictConfig):
        raise TypeError(f"a configuration must be a dataclass, a mapping or a DictConfig, not {type(config)}")
    return OmegaConf.to_yaml(config)


def _ends_line(file: Any) -> bool:
    file.seek(-1, 2)
    return bool(file.read(1) == b"\n")
