"""From `key=value` words to a typed configuration.

Hydra composes the packaged tree of a verb (`configs/<verb>/main.yaml`, and `config=NAME` from
`configs/<verb>/config/`, or from the folder `configs/<verb>/config/` where the command is run); a dataclass says
which keys there are and of what type. Other folders beside config/ that hold a `default.yaml` are chosen from alike
(`eval=papers`). `config=` also takes a file by its path, such as the config.yaml of a run. Anything wrong is one
`UserError` that names the nearest valid choice; a misspelt key is answered before anything heavy is imported.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, overload

from genieredux.checking import nearest_few
from genieredux.cli import plain_yaml, words
from genieredux.config import expanded, from_plain
from genieredux.errors import UserError

T = TypeVar("T")

SEARCHED = Path("configs")  # a user's own configurations, beside where the command is run
_ENDING = re.compile(r"\.(ya?ml|json)$")
_OPENING, _SHIELD = "${", "\ue000"  # Hydra must not read what a person typed as a reference to another key


@dataclass
class Asked:
    """What words ask for. chosen: group -> name of a configuration. file: the one that `config=PATH` names. rest: the
    settings. shown: only print the composed configuration, as Hydra's `--cfg job`.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    rest: words.Words = field(default_factory=words.Words)
    shown: bool = False


@overload
def compose_config(verb: str, schema: type[T], given: Sequence[str]) -> T: ...


@overload
def compose_config(verb: str, schema: str, given: Sequence[str]) -> Any: ...


def compose_config(verb: str, schema: type[T] | str, given: Sequence[str]) -> T | Any:
    """The configuration that words ask of `verb`, as an object of `schema`: a class, or "module:Class", which is then
    imported when the words are known to be right.

    given: `key=value` words; `config=NAME` (`.yaml` or `.json` may follow) or `config=PATH` chooses the file, in any
    place. Raises UserError for an unknown configuration, an unknown key, a value of a wrong type or out of range, and
    SystemExit(0) after the words `--cfg job`, which print it.
    """
    ref = schema if isinstance(schema, str) else f"{schema.__module__}:{schema.__qualname__}"
    asked = _read(verb, ref, given)
    values = _composed(verb, ref, asked)
    module, _, name = ref.partition(":")
    config = from_plain(getattr(import_module(module), name), values, "")
    if asked.shown:
        from omegaconf import OmegaConf

        from genieredux.cli.screen import say

        say(OmegaConf.to_yaml(OmegaConf.create(values)).rstrip())
        raise SystemExit(0)
    return config


def configurations(verb: str, group: str = "config") -> list[str]:
    """The names that `config=` (or another group) takes for a verb, the user's own included."""
    names = set()
    for root in (packaged(verb) / group, SEARCHED / verb / group):
        names |= {str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml") if path.is_file()}
    return sorted(names)


def packaged(verb: str) -> Path:
    """The folder of a verb's configurations in the package."""
    return Path(str(files("genieredux.configs") / verb))


def groups_of(verb: str) -> list[str]:
    """`config`, and the folders beside it that are chosen from alike."""
    return ["config", *sorted(path.parent.name for path in packaged(verb).glob("*/default.yaml"))]


def _read(verb: str, schema: str, given: Sequence[str]) -> Asked:
    asked = Asked()
    groups = groups_of(verb)
    rest = []
    for word in _habits(given, asked):
        group, equals, name = word.removeprefix("--").partition("=")
        if group in groups and equals:
            _choose(verb, group, name, asked)
        else:
            rest.append(word)
    asked.rest = words.read([word for word in rest if not word.startswith("~") or "=" in word], schema)
    for path in asked.rest.paths:
        raise UserError(f"cannot read '{path}'; write key=value")
    for word in rest:
        if word.startswith("~") and "=" not in word:
            keys = words.Keys(words.schema_of(schema))
            keys.check(word[1:])
            asked.rest.dropped.append(keys.name(word[1:]))
    return asked


def _habits(given: Sequence[str], asked: Asked) -> list[str]:
    """The words without those that users of Hydra know, each served or answered."""
    rest: list[str] = []
    pending = list(given)
    while pending:
        word = pending.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--cfg", "-c"):
            asked.shown = True
            if not equals and pending and pending[0] in ("job", "hydra", "all"):
                pending.pop(0)
        elif name in ("--config-name", "-cn"):
            if not equals and not pending:
                raise UserError(f"{word} needs a name; write config=NAME")
            rest.append(f"config={value if equals else pending.pop(0)}")
        elif name in ("--config-dir", "-cd", "--config-path", "-cp"):
            raise UserError(
                f"{name} is not needed: configurations are found in {SEARCHED}/, and config=PATH takes a file"
            )
        elif name in ("--multirun", "-m"):
            raise UserError(f"{name}: one command is one run; loop in the shell: for s in 0 1; do ... seed=$s; done")
        elif word == "--resolve":
            continue
        elif word.startswith("-") and not equals:
            raise UserError(f"there is no option '{word}'; write key=value, and --help lists the keys")
        else:
            rest.append(word)
    return rest


def _choose(verb: str, group: str, name: str, asked: Asked) -> None:
    plain, names = _ENDING.sub("", name), configurations(verb, group)
    own = next((path for path in [SEARCHED / verb / group / f"{plain}.yml"] if path.is_file()), None)
    path = Path(expanded(name))
    if plain in names:
        asked.chosen[group] = plain
    elif group == "config" and name and (own or os.path.exists(path)):
        asked.file = own or path
    elif group == "config" and _ENDING.search(name) and (path.is_absolute() or name.startswith((".", "~"))):
        raise UserError(f"there is no configuration file {path}")
    else:
        what = "configuration" if group == "config" else f"{group} preset"
        raise UserError(f"there is no {what} '{name}' for {verb}; nearest: {', '.join(nearest_few(plain, names))}")


def _composed(verb: str, schema: str, asked: Asked) -> dict[str, Any]:
    """Plain nested values: the tree's, the file's, then the words'."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from genieredux.cli.hydra_tree import compose_tree, first_line

    try:
        tree = compose_tree(verb, asked.chosen, without_config=asked.file is not None)
        if asked.file is not None:
            values = OmegaConf.create(_of_file(verb, schema, asked.file))
            tree = OmegaConf.merge(*((values, tree) if asked.chosen else (tree, values)))
        for key, value in asked.rest.values.items():
            _put(tree, key, value)
        plain = OmegaConf.to_container(tree, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(f"configuration: {first_line(error)}") from error
    for key in asked.rest.dropped:
        _drop(plain, key.split("."))
    opened: dict[str, Any] = _mapped(plain, lambda text: text.replace(_SHIELD, "$"))
    return opened


def _put(tree: Any, key: str, value: Any) -> None:
    """Set what a word says. Raises UserError where a file has no section for it, but a list or one value."""
    from omegaconf import OmegaConf

    section, _, _ = key.rpartition(".")
    above = OmegaConf.select(tree, section) if section else tree
    if above is not None and not OmegaConf.is_config(above):
        raise UserError(f"{key} cannot be set: the configuration says {section}: {above!s:.60}, which has no keys")
    try:
        OmegaConf.update(tree, key, _shielded(value), force_add=True)
    except (ValueError, IndexError) as error:  # of a list's place
        raise UserError(f"{key} cannot be set: the configuration says {section}: {above!s:.60}, a list") from error


def _of_file(verb: str, schema: str, path: Path) -> dict[str, Any]:
    """The settings of a file by its path: whole, as a run leaves them, or what the files of the tree hold."""
    values = plain_yaml.load(path)
    if "defaults" in values:
        own = SEARCHED / verb / "config"
        raise UserError(f"{path} builds on others (defaults:); put it into {own} and call it by its name")
    if (path.parent / "environment.json").is_file():  # of a run, where every reference has its value
        values = _shielded(values)
    known = words.Keys(words.schema_of(schema)).settings
    return {"config": values} if "config" in known and not any(key in known for key in values) else values


def _shielded(value: Any) -> Any:
    return _mapped(value, lambda text: text.replace(_OPENING, _SHIELD + "{"))


def _mapped(value: Any, change: Any) -> Any:
    """The value with every text in it changed."""
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _drop(values: Any, path: list[str]) -> None:
    for key in path[:-1]:
        values = values.get(key) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values.pop(path[-1], None)
