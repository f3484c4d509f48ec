"""`genieredux checkpoint ...`: what a checkpoint holds, published files taken over, folders for the Hub.

Reads words, calls `compat` and `models`, prints; no logic of its own.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from yaml import YAMLError

from genieredux.cli.screen import say
from genieredux.config import from_plain
from genieredux.errors import UserError

T = TypeVar("T")

HELP = """\
usage: genieredux checkpoint ACTION FILE [key=value ...]

  info FILE                 what is inside: kind, step, parameters, configuration, the models that travel along
  import FILE kind=KIND     take over a published .pt; kind is tokenizer, lam, genie_redux or genie_redux_guided
         [tokenizer=FILE]         the tokenizer of a dynamics, which published files leave out
         [out=FILE]               default: checkpoints/<model>/<name>/model-<step>.pt
         [image_size=64] [heads=8] [dim_head=64] [token_input=true] [action_names=[RIGHT,LEFT,...]]
         [action_embeddings=FILE|new] [seed=0]
  export FILE out=FOLDER    as model.safetensors and config.json, in the Hub's convention
  import FOLDER out=FILE    such a folder as a checkpoint again

docs/published_checkpoints.md says which published files there are and what each of them lacks."""


@dataclasses.dataclass(frozen=True)
class OutOption:
    """checkpoint export, and import of an exported folder."""

    out: str = ""
    """The folder, or the checkpoint, to write."""


def checkpoint(words: list[str]) -> None:
    """Look into a checkpoint, take over a published one, write it for the Hub."""
    if not words or any(word in ("-h", "--help") for word in words):
        return say(HELP)
    if words[0] not in ACTIONS:
        near = difflib.get_close_matches(words[0], ACTIONS, n=1, cutoff=0.0)[0]
        raise UserError(f"checkpoint has no action '{words[0]}'; did you mean '{near}'? (all: {', '.join(ACTIONS)})")
    files = [word for word in words[1:] if "=" not in word]
    if len(files) != 1:
        raise UserError(f"checkpoint {words[0]} takes one file: genieredux checkpoint {words[0]} FILE [key=value ...]")
    ACTIONS[words[0]](Path(files[0]), [word for word in words[1:] if "=" in word])


def _info(path: Path, words: Sequence[str]) -> None:
    if words:
        raise UserError(f"checkpoint info takes no key, and got {words[0]}: genieredux checkpoint info FILE")
    from genieredux.compat.describe import describe

    say(describe(path))


def _import(path: Path, words: Sequence[str]) -> None:
    from genieredux.compat.convert import ImportOptions, import_published
    from genieredux.compat.hub import import_folder, is_folder

    if is_folder(path):
        out = _options(OutOption, words, "import").out
        if not out:
            raise UserError("checkpoint import of a folder needs out=FILE, the checkpoint to write")
        if Path(out).exists():
            raise UserError(f"{out} exists; give another out=FILE")
        return say(f"Checkpoint {import_folder(path, out)}")
    made = import_published(path, _options(ImportOptions, words, "import"))
    for remark in made.remarks:
        say(f"  {remark}")
    say(f"Checkpoint {made.path} ({made.kind}, {made.parameters:,} parameters)")


def _export(path: Path, words: Sequence[str]) -> None:
    from genieredux.compat.hub import export_folder

    out = _options(OutOption, words, "export").out
    if not out:
        raise UserError("checkpoint export needs out=FOLDER, the folder to write")
    say(f"Folder {export_folder(path, out)}")


ACTIONS: dict[str, Callable[[Path, Sequence[str]], None]] = {"info": _info, "import": _import, "export": _export}


def _options(schema: type[T], words: Sequence[str], action: str) -> T:
    """key=value words as an object of `schema`. Raises UserError for a key it does not have or a value of a wrong
    type."""
    names = [item.name for item in dataclasses.fields(schema)]  # type: ignore[arg-type]
    words = [word.lstrip("-") for word in words]
    for word in words:
        key = word.partition("=")[0]
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]
            raise UserError(f"checkpoint {action} has no key '{key}'; did you mean '{near}'? (all: {', '.join(names)})")
    try:
        values: Any = OmegaConf.to_container(OmegaConf.from_dotlist(list(words)))
    except (YAMLError, ValueError) as error:
        raise UserError(f"cannot read {' '.join(words)} ({str(error).splitlines()[0]}); write key=value") from error
    assert isinstance(values, Mapping)
    return from_plain(schema, values, "")
