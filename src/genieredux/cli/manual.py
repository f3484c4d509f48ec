"""Help: every setting of a class with type, default and its line, as the source declares them."""

import re
import textwrap
from collections.abc import Sequence

from genieredux.cli.compose import configurations, groups_of
from genieredux.cli.declared import Schema, Setting, architectures, schema_of

_WIDTH, _KEYS, _KINDS = 118, 46, 17
_NAMES = {
    "int": "whole number",
    "float": "number",
    "bool": "true|false",
    "str": "text",
    "FilePath": "path",
    "None": "null",
    "Any": "any",
}


def manual(usage: str, about: str, schema: str = "", verb: str = "", leave: Sequence[str] = ()) -> str:
    """The help of a verb or an action.

    schema: "module:Class", whose settings are listed, without those in `leave`. verb: whose configurations are listed.
    """
    parts = [f"usage: genieredux {usage}\n\n{textwrap.fill(about, _WIDTH)}"]
    for group in groups_of(verb) if verb else []:
        names = "\n  ".join(configurations(verb, group)) or "(none)"
        parts.append(f"{group}=NAME, one of\n  {names}")
    if schema:
        parts += sections(schema_of(schema), leave=leave)
    return "\n\n".join(parts)


def sections(schema: Schema, prefix: str = "", title: str = "", leave: Sequence[str] = ()) -> list[str]:
    """Its own settings, then those of every group in it, each a block of lines."""
    own = [item for item in schema.fields(prefix) if item.key not in leave]
    lines = [line for item in own if item.schema is None for line in _lines(item)]
    blocks = ["\n".join([*([title] if title else []), *lines])] if lines else []
    for item in own:
        if item.schema is not None:
            blocks += sections(item.schema, f"{item.key}.", f"{item.key}: {item.about}")
        elif item.kind == "dict[str, Any]":
            for name, settings in architectures(item.key.rpartition(".")[2]).items():
                blocks += sections(settings, f"{item.key}.", f"{item.key}.architecture={name}: {settings.about}")
    return [_filled(block) for block in blocks]


def _lines(item: Setting) -> list[str]:
    key = f"  {item.key}" if item.default is None else f"  {item.key}={item.default}"
    also = f" (also {', '.join(item.aliases)})" if item.aliases else ""
    head = f"{key:<{_KEYS}}  {kind_in_words(item.kind):<{_KINDS}}"
    indent = " " * (_KEYS + _KINDS + 4)
    text = textwrap.wrap(item.about + also, _WIDTH - len(indent), break_on_hyphens=False) or [""]
    if len(head) > len(indent) - 2:
        return [head.rstrip(), *(f"{indent}{line}" for line in text)]
    return [f"{head}  {text[0]}".rstrip(), *(f"{indent}{line}" for line in text[1:])]


def kind_in_words(kind: str) -> str:
    """A type as a person reads it: `int | None` is "whole number|null"."""
    choices = re.fullmatch(r"(?:\w+\.)?Literal\[(.*)\](.*)", kind)
    if choices:
        words = "|".join(word.strip().strip("'\"") for word in choices.group(1).split(","))
        return words + ("|null" if "None" in choices.group(2) else "")
    inner = re.fullmatch(r"(?:tuple|list)\[(.*?)(?:, \.\.\.)?\](.*)", kind)
    if inner:
        return "list" + ("|null" if "None" in inner.group(2) else "")
    if kind.startswith(("dict[", "Mapping[")):
        return "mapping"
    return "|".join(_NAMES.get(word, word) for word in kind.split(" | "))


def _filled(block: str) -> str:
    """The title of a block wrapped; the lines of settings are already."""
    title, _, rest = block.partition("\n")
    return block if title.startswith("  ") else "\n".join([textwrap.fill(title, _WIDTH), rest])
