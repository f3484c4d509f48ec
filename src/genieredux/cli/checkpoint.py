"""`genieredux checkpoint ...`: what a checkpoint holds, published files taken over, folders for the Hub.

Reads words, calls `compat` and `models`, prints; no logic of its own.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from genieredux.checking import at_least, within
from genieredux.cli.actions import Action, act
from genieredux.cli.screen import say
from genieredux.config import FilePath
from genieredux.errors import UserError

NOTE = "docs/published_checkpoints.md says which published files there are and what each of them lacks."


@dataclasses.dataclass(frozen=True)
class OutOption:
    """checkpoint export."""

    out: FilePath
    """The folder to write."""


def checkpoint(words: list[str]) -> None:
    """Look into a checkpoint, take over a published one, write it for the Hub."""
    act("checkpoint", ACTIONS, words or ["--help"], NOTE)


def _info(paths: list[str]) -> None:
    from genieredux.compat.describe import describe

    say(describe(Path(paths[0])))


def _import(paths: list[str], options: Any) -> None:
    from genieredux.compat.convert import ImportOptions, import_published
    from genieredux.models.folder import import_folder, is_folder

    path = Path(paths[0])
    if is_folder(path):
        default = vars(ImportOptions(out=options.out))
        needless = [name for name, value in vars(options).items() if value != default[name]]
        if needless:
            raise UserError(f"checkpoint import of an exported folder takes out=FILE alone; leave out {needless[0]}=")
        if not options.out:
            raise UserError("checkpoint import of a folder needs out=FILE, the checkpoint to write")
        if Path(options.out).exists():
            raise UserError(f"{options.out} exists; give another out=FILE")
        return say(f"Checkpoint {import_folder(path, options.out)}")
    made = import_published(path, options)
    for remark in made.remarks:
        say(f"  {remark}")
    say(f"Checkpoint {made.path} ({made.kind}, {made.parameters:,} parameters)")


@dataclasses.dataclass(frozen=True)
class WorldOptions:
    """checkpoint world."""

    dataset: FilePath
    """The folder of a data set, whose test split gives the beginnings."""
    out: FilePath
    """The file to write."""
    prompts: int = 12
    """How many beginnings."""
    seed: int = 0
    """Of their choice."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the stored weights."""

    def __post_init__(self) -> None:
        within("prompts", self.prompts, 1, 10_000)
        at_least("seed", self.seed, 0)


def _world(paths: list[str], options: WorldOptions) -> None:
    from genieredux.play import make_world_file

    made = make_world_file(
        paths[0], options.dataset, options.out, count=options.prompts, seed=options.seed, precision=options.precision
    )
    say(f"World {made}: genieredux play world={made}")


def _export(paths: list[str], options: OutOption) -> None:
    from genieredux.models.folder import export_folder

    say(f"Folder {export_folder(Path(paths[0]), options.out)}")


ACTIONS: dict[str, Action] = {
    "info": Action(
        "FILE", "what is inside: kind, step, parameters, configuration, the models that travel along", _info
    ),
    "import": Action(
        "FILE kind=KIND | FOLDER out=FILE",
        "take over a published .pt, or a folder that `export` wrote",
        _import,
        "genieredux.compat.convert:ImportOptions",
    ),
    "world": Action(
        "MODEL dataset=FOLDER out=FILE",
        "a dynamics and beginnings of a data set as one file to play and to give away",
        _world,
        "genieredux.cli.checkpoint:WorldOptions",
    ),
    "export": Action(
        "FILE out=FOLDER",
        "as model.safetensors and config.json, in the Hub's convention",
        _export,
        "genieredux.cli.checkpoint:OutOption",
    ),
}
