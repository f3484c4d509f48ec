"""What a person types after a verb: paths, and `key=value` for the settings of a configuration.

A value of a key that is declared text is that text, letter for letter. Any other value is read like YAML, where
nothing is changed on the way: `2024_01` stays as typed until the type of its key says what it is. Knows no verb and
imports no job.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from genieredux.checking import nearest
from genieredux.cli.declared import Schema, Setting, schema_of, settings
from genieredux.cli.plain_yaml import parse
from genieredux.config import expanded, from_plain, unknown_key
from genieredux.errors import UserError

T = TypeVar("T")

_KEY = re.compile(r"(?:--|\+{1,2})?([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


@dataclass
class Words:
    """paths: what is no setting, `~` expanded. values: dotted key -> value, in the order of the words. dropped: keys
    that go back to their default.
    """

    paths: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


class Keys:
    """The keys that a class of settings has."""

    def __init__(self, schema: Schema) -> None:
        self.settings: dict[str, Setting] = {}
        self.aliases: dict[str, str] = {}
        for item in settings(schema):
            self.settings.setdefault(item.key, item)
            self.aliases |= dict.fromkeys(item.aliases, item.key)
        self._free = [key for key, item in self.settings.items() if item.is_free]

    def find(self, key: str) -> Setting | None:
        """The setting of a key, in its name or another; None where there is none."""
        return self.settings.get(self.name(key))

    def name(self, key: str) -> str:
        """The key by the name that the class has it by."""
        return self.aliases.get(key, key)

    def check(self, key: str) -> None:
        """Raises UserError, naming the nearest, for a key that there is not."""
        if self.find(key) is None and not any(self._holds_anything(free, key) for free in self._free):
            raise unknown_key(key, sorted(self.settings))

    def _holds_anything(self, free: str, key: str) -> bool:
        known = any(name.startswith(f"{free}.") for name in self.settings)  # settings of a model are listed
        return key.startswith(f"{free}.") and not known


def read(words: Sequence[str], schema: str = "", once: bool = False) -> Words:
    """The words after a verb, sorted. schema: "module:Class", whose fields are the keys; "" where there are none.

    A word is a setting if it looks like `key=value`, and a path if what stands before its first `=` cannot be a key
    or the word is a file. once: a key may stand in one word; else the last word with it counts. Raises UserError for a
    key that there is not.
    """
    keys = Keys(schema_of(schema)) if schema else None
    sorted_words = Words()
    for word in words:
        match = _KEY.fullmatch(word)
        key = match.group(1) if match else ""
        is_there = os.path.exists(word)  # unlike Path.exists, False for words that are too long for a path
        if match is None or keys is None or (keys.find(key) is None and is_there):
            sorted_words.paths.append(expanded(word))
        else:
            keys.check(key)
            name = keys.name(key)
            if once and name in sorted_words.values:
                raise UserError(f"{name} is given twice")
            sorted_words.values[name] = value_of(keys.find(key), match.group(2), word)
    return sorted_words


def options(kind: type[T], words: Sequence[str], **fixed: Any) -> T:
    """`key=value` words as an object of the dataclass `kind`; `fixed`: fields that are not given as words.

    Raises UserError for an unknown or missing key, a value of a wrong type or out of range, a word of another form.
    """
    given = read(words, f"{kind.__module__}:{kind.__qualname__}", once=True)
    if given.paths:
        raise UserError(f"cannot read '{given.paths[0]}'; write key=value")
    return from_plain(kind, {**nested(given.values), **fixed}, "")


def value_of(setting: Setting | None, text: str, word: str) -> Any:
    """What a word gives a key: the text itself for a text, else what YAML makes of it."""
    if setting is not None and setting.is_text:
        return None if text == "null" and "None" in setting.kind else text
    try:
        return parse(text)
    except UserError as error:
        raise UserError(f"cannot read '{word}': {error}; write key=value") from error


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as mappings in mappings."""
    made: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        inner = made
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return made


def choose(verb: str, word: str | None, actions: Sequence[str]) -> str:
    """The action of a verb that has several. Raises UserError that names the nearest and all."""
    if word is None:
        raise UserError(f"{verb} takes an action, one of {', '.join(actions)}, and got nothing")
    if word not in actions:
        near = nearest(word, actions)
        raise UserError(
            f"{verb} takes an action, and has no '{word}'; did you mean '{near}'? (all: {', '.join(actions)})"
        )
    return word
