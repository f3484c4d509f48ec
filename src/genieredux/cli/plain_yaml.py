"""YAML as people write it, and what is wrong with it in one line: file, line, what.

Plain values only, and none changes on the way: a number that would not be written back as it was (`2024_01`, `1e3`,
`1.10`, `0x10`) stays a text until the type of its key says what it is (genieredux.config). Knows no configuration.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from genieredux.errors import UserError

MOST_BYTES = 1 << 20
MOST_NODES = 100_000
DEEPEST = 50

_NULLS = ("", "null", "Null", "NULL", "~")


class _Loader(yaml.SafeLoader):
    """Composes nodes; nothing is constructed."""


def load(path: Path) -> dict[str, Any]:
    """The mapping in a file. Raises UserError for a file that is none: damaged, empty, a list, too large, a folder."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder; a configuration is a file")
        if not path.is_file() and path.exists() and not path.is_relative_to("/dev"):  # <(...) of a shell is read
            raise UserError(f"{path} is no file; a configuration is one")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UserError(f"{path} is too large; a configuration has {MOST_BYTES} bytes at most")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    values = parse(text, str(path))
    if values is None:
        raise UserError(f"{path} is empty; a configuration has lines such as key: value")
    if not isinstance(values, dict):
        raise UserError(f"{path}, line 1: a configuration is a mapping of lines key: value, and this is {values!r:.40}")
    return values


def parse(text: str, where: str = "") -> Any:
    """The value of one YAML text. where: the file that errors name."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else _Reader(loader, where).value(node, 0)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(_at(where, mark) + _said(error, text)) from error
    except yaml.YAMLError as error:
        raise UserError(_at(where, None) + str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise UserError(_at(where, None) + "nested too deeply") from error


class _Reader:
    """Nodes to plain values, counted, so that anchors that multiply end soon."""

    def __init__(self, loader: _Loader, where: str) -> None:
        self.loader, self.where, self.nodes = loader, where, 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise UserError(f"{_at(self.where, node.start_mark)}anchors that multiply: over {MOST_NODES} values")
        if depth > DEEPEST:
            raise UserError(f"{_at(self.where, node.start_mark)}nested over {DEEPEST} deep")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, depth)
        return node.value if node.style else scalar(node.value)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{_at(self.where, key.start_mark)}a key is one word, and this is a list or a mapping")
            if key.tag == "tag:yaml.org,2002:merge":
                for part in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                    if not isinstance(part, yaml.MappingNode):
                        raise UserError(f"{_at(self.where, key.start_mark)}<< takes a mapping")
                    merged = {**self.value(part, depth + 1), **merged}
            elif key.value in own:
                raise UserError(f"{_at(self.where, key.start_mark)}the key '{key.value}' is there twice")
            else:
                own[key.value] = self.value(item, depth + 1)
        return {**merged, **own}


def scalar(text: str) -> Any:
    """A word without quotes: null, true, a number that would be written the same way again, else the text."""
    if text in _NULLS:
        return None
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text:
            return number
    return text


def _said(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or error.context or "cannot be read"
    if "'\\t'" in problem:
        return "a tab; indent with spaces"
    if error.context and "expected" in problem:
        problem = f"{problem} {error.context}"
    return re.sub(r"\s+", " ", problem)


def _at(where: str, mark: Any) -> str:
    if not where:
        return ""
    return f"{where}, line {mark.line + 1}: " if mark else f"{where}: "
