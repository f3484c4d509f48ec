"""From `key=value` words to a typed configuration.

Hydra composes the packaged tree of a verb (`configs/<verb>/main.yaml`, and `config=NAME` from
`configs/<verb>/config/`, or from the folder `configs/<verb>/config/` where the command is run); a dataclass says
which keys there are and of what type. Other folders beside config/ that hold a `default.yaml` are chosen from alike
(`eval=papers`). Anything wrong is one `UserError` that names the nearest valid choice.
"""

import dataclasses
import difflib
import re
import typing
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genieredux.config import field_names, from_plain, keys_of, unknown_key
from genieredux.errors import UserError

T = TypeVar("T")
SEARCHED = Path("configs")  # a user's own configurations, beside where the command is run


def compose_config(verb: str, schema: type[T], words: Sequence[str]) -> T:
    """The configuration that `words` ask of `verb`, as an object of `schema`.

    words: Hydra overrides; `config=NAME` (`.yaml` or `.json` may follow) chooses the file, in any place.
    Raises UserError for an unknown configuration, an unknown key, a value of a wrong type or out of range.
    """
    chosen, rest = _split_choice(verb, words)
    rest = _without_aliases(schema, rest)
    GlobalHydra.instance().clear()
    with initialize_config_module(f"genieredux.configs.{verb}", version_base="1.3"):
        base = _compose(verb, chosen)
        _check_keys(rest, OmegaConf.to_container(base), schema)
        composed = _compose(verb, [*chosen, *(word if word[:1] in "+~" else f"++{word}" for word in rest)])
    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        raise UserError(f"configuration: {str(error).splitlines()[0]}") from error
    return from_plain(schema, values, "")


def configurations(verb: str, group: str = "config") -> list[str]:
    """The names that `config=` (or another group) takes for a verb, the user's own included."""
    names = set()
    for root in (Path(str(files("genieredux.configs") / verb / group)), SEARCHED / verb / group):
        names |= {str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml")}
    return sorted(names)


def _groups(verb: str) -> list[str]:
    """`config`, and the folders beside it that are chosen from alike."""
    tree = Path(str(files("genieredux.configs") / verb))
    return ["config", *sorted(path.parent.name for path in tree.glob("*/default.yaml"))]


def _split_choice(verb: str, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the `config=` words and those of other groups, checked; the other words without leading dashes)."""
    chosen: dict[str, str] = {}
    rest = []
    groups = _groups(verb)
    for word in words:
        word = word.lstrip("-") if re.match(r"--[\w.]+=", word) else word
        group, _, name = word.partition("=")
        if group not in groups or not re.fullmatch(r"[\w./-]*", name):
            rest.append(word)
            continue
        name = re.sub(r"\.(ya?ml|json)$", "", name)
        names = configurations(verb, group)
        if name not in names:
            near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
            what = "configuration" if group == "config" else f"{group} preset"
            raise UserError(f"there is no {what} '{name}' for {verb}; nearest: {', '.join(near)}")
        chosen[group] = f"{group}={name}"
    return list(chosen.values()), rest


def _without_aliases(schema: Any, words: Sequence[str]) -> list[str]:
    """The words with every key under the name that its dataclass has it by."""
    names = _aliases(schema)

    def renamed(word: str) -> str:
        key, equals, value = word.partition("=")
        bare = key.lstrip("+~")
        return key.removesuffix(bare) + names.get(bare, bare) + equals + value

    return [renamed(word) for word in words]


def _aliases(schema: Any, prefix: str = "") -> dict[str, str]:
    """Dotted other names of keys -> dotted keys: what the ALIASES of dataclasses say."""
    found = {prefix + other: prefix + name for other, name in getattr(schema, "ALIASES", {}).items()}
    for name, kind in typing.get_type_hints(schema).items():
        if name in field_names(schema) and dataclasses.is_dataclass(kind):
            found |= _aliases(kind, f"{prefix}{name}.")
    return found


def _compose(verb: str, overrides: list[str]) -> Any:
    own = SEARCHED / verb
    places = ["pkg://genieredux.configs", *([f"file://{own.resolve()}"] if own.is_dir() else [])]
    try:
        return compose("main", overrides=[f"hydra.searchpath=[{','.join(places)}]", *overrides])
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"configuration: {str(error).splitlines()[0]}") from error


def _check_keys(words: Sequence[str], base: Any, schema: type) -> None:
    try:
        overrides = OverridesParser.create().parse_overrides(list(words))
    except OverrideParseException as error:
        raise UserError(f"cannot read '{error.override}'; write key=value") from error
    valid = sorted({*keys_of(schema), *_keys_in(base)})
    for override in overrides:
        key = override.key_or_group
        free = any(key.startswith(f"{name}.") for name in _free_mappings(schema))
        if key not in valid and not free:
            raise unknown_key(key, valid)


def _free_mappings(schema: Any, prefix: str = "") -> list[str]:
    """Dotted keys below which anything may stand (their owner checks)."""
    keys = []
    for name, kind in typing.get_type_hints(schema).items():
        origin = typing.get_origin(kind)
        if dataclasses.is_dataclass(kind):
            keys += _free_mappings(kind, f"{prefix}{name}.")
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            keys.append(prefix + name)
    return keys


def _keys_in(values: Any, prefix: str = "") -> list[str]:
    if not isinstance(values, Mapping):
        return []
    keys = []
    for key, value in values.items():
        keys += [f"{prefix}{key}", *_keys_in(value, f"{prefix}{key}.")]
    return keys
