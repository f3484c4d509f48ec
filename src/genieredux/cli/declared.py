"""Which settings there are, with type, default and one line each, read off the source of the configuration classes.

A setting is a field of a dataclass and the text under it is its help. The source is parsed and never run, so that a
help page or a misspelt key costs no import of what the job needs (torch takes seconds). Knows no verb.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import genieredux

MODELS = "genieredux.models.build:MODELS"
"""Part of a model -> architecture -> the class of the model, which says in `settings` what its settings are."""

_ROOT = Path(genieredux.__file__).parent


@dataclass(frozen=True)
class Setting:
    """One field. key: dotted. kind: its type as source. default: as a person writes it, None where it has none.
    about: the text under it. schema: where its type is a dataclass, that class; then it is a group of settings.
    """

    key: str
    kind: str
    default: str | None
    about: str
    schema: "Schema | None" = None
    aliases: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether what a person types is the value, letter for letter."""
        return set(self.kind.split(" | ")) <= {"str", "None", "FilePath"}

    @property
    def is_free(self) -> bool:
        """Whether anything may stand below it."""
        return self.kind.startswith(("dict[", "Mapping["))


@dataclass(frozen=True)
class Schema:
    """A class of the package, found by its name in a module of the package."""

    module: "Module"
    node: ast.ClassDef

    @property
    def about(self) -> str:
        """Its docstring in one paragraph."""
        return " ".join((ast.get_docstring(self.node) or "").split())

    def bases(self) -> Iterator["Schema"]:
        """The classes of the package that it is made of, the first of all first, itself last."""
        for base in reversed(self.node.bases):
            schema = self.module.schema(base)
            if schema:
                yield from schema.bases()
        yield self

    def aliases(self) -> dict[str, str]:
        """Other name -> field."""
        names: dict[str, str] = {}
        for schema in self.bases():
            for item in schema.node.body:
                if isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == "ALIASES" and item.value:
                    names |= schema.module.value(item.value)
        return names

    def fields(self, prefix: str = "") -> list[Setting]:
        """Its own settings; those of a group are `schema.fields(key + ".")`."""
        fields: dict[str, Setting] = {}
        aliases = self.aliases()
        for schema in self.bases():
            body = schema.node.body
            for item, after in zip(body, [*body[1:], None], strict=True):
                if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                    continue
                name = item.target.id
                if "ClassVar" not in ast.unparse(item.annotation):
                    others = tuple(prefix + other for other, of in aliases.items() if of == name)
                    fields[name] = schema.setting(item, _text(after), prefix + name, others)
        return list(fields.values())

    def setting(self, item: ast.AnnAssign, about: str, key: str, aliases: tuple[str, ...]) -> Setting:
        """The setting that an annotated assignment of this class declares."""
        inner = self.module.schema(item.annotation)
        if inner is None or not inner.is_config:
            return Setting(key, self.module.kind(item.annotation), self.module.shown(item.value), about, None, aliases)
        return Setting(key, inner.node.name, None, about or inner.about, inner, aliases)

    @property
    def is_config(self) -> bool:
        """Whether it is a dataclass."""
        return any("dataclass" in ast.unparse(item) for item in self.node.decorator_list)


class Module:
    """The source of one module of the package."""

    def __init__(self, name: str) -> None:
        path = _ROOT.joinpath(*name.split(".")[1:])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        self.names: dict[str, Any] = {}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genieredux"):
                self.names |= {name.asname or name.name: f"{node.module}:{name.name}" for name in node.names}
            elif isinstance(node, ast.ClassDef):
                self.names[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.names.setdefault(node.targets[0].id, node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                self.names.setdefault(node.target.id, node.value)

    def resolve(self, name: str) -> tuple["Module", Any]:
        """(the module that defines the name, what it says there), through imports; None where it is not of here."""
        said = self.names.get(name)
        if isinstance(said, str):
            module, _, inner = said.partition(":")
            return module_of(module).resolve(inner)
        return self, said

    def schema(self, node: ast.expr) -> Schema | None:
        """The class that an expression names, if it is one of the package."""
        if not isinstance(node, ast.Name):
            return None
        module, said = self.resolve(node.id)
        return Schema(module, said) if isinstance(said, ast.ClassDef) else None

    def kind(self, node: ast.expr) -> str:
        """An annotation as source, with names of the package spelt out: `Width` is `int`."""
        if isinstance(node, ast.BinOp):
            return f"{self.kind(node.left)} | {self.kind(node.right)}"
        if isinstance(node, ast.Name) and node.id != "FilePath":
            module, said = self.resolve(node.id)
            if isinstance(said, ast.expr):
                return module.kind(said)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated":
            return self.kind(node.slice.elts[0])  # type: ignore[attr-defined]
        return ast.unparse(node)

    def value(self, node: ast.expr) -> Any:
        """The constant that an expression stands for. Raises ValueError for what is none."""
        if isinstance(node, ast.Name):
            module, said = self.resolve(node.id)
            if isinstance(said, ast.expr):
                return module.value(said)
        if isinstance(node, ast.Attribute) and node.attr == "ALIASES":
            schema = self.schema(node.value)
            return schema.aliases() if schema else {}
        if isinstance(node, ast.Tuple | ast.List):
            parts = [
                self.value(item.value) if isinstance(item, ast.Starred) else (self.value(item),) for item in node.elts
            ]
            return tuple(item for part in parts for item in part)
        if isinstance(node, ast.Dict):
            made: dict[Any, Any] = {}
            for key, item in zip(node.keys, node.values, strict=True):
                made |= self.value(item) if key is None else {self.value(key): self.value(item)}
            return made
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self.value(node.left) ** self.value(node.right)
        return ast.literal_eval(node)

    def shown(self, node: ast.expr | None) -> str | None:
        """A default as a person would type it; None where there is none."""
        if node is None:
            return None
        if isinstance(node, ast.Call):  # field(default_factory=dict) and the like
            return {"dict": "{}", "list": "[]"}.get(ast.unparse(node.keywords[0].value), "")
        try:
            return plain_text(self.value(node))
        except ValueError:
            return ""


def plain_text(value: Any) -> str:
    """null, true, [a,b]: a value as one types it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{','.join(map(plain_text, value))}]"
    return str(value)


@functools.cache
def module_of(name: str) -> Module:
    """A module of the package by its dotted name."""
    return Module(name)


def schema_of(ref: str) -> Schema:
    """The class that "module:Class" names."""
    module, _, name = ref.partition(":")
    where, node = module_of(module).resolve(name)
    return Schema(where, node)


def architectures(part: str) -> dict[str, Schema]:
    """Architecture -> its settings, for a part of a model: `tokenizer`, `lam` or `dynamics`; {} for another word."""
    module, _, name = MODELS.partition(":")
    where, table = module_of(module).resolve(name)
    for key, of_part in zip(table.keys, table.values, strict=True):
        if where.value(key) == part:
            models = {
                where.value(name): where.schema(node) for name, node in zip(of_part.keys, of_part.values, strict=True)
            }
            return {name: _settings_of(model) for name, model in models.items() if model}
    return {}


def needs_tokenizer(architecture: str | None) -> bool:
    """Whether a dynamics of this architecture (None: the usual one) learns the tokens of a tokenizer: all that do not
    say `needs_tokenizer = False` in their settings."""
    schema = architectures("dynamics").get(architecture or "")
    said = (
        {ast.unparse(item.target): item.value for item in schema.node.body if isinstance(item, ast.AnnAssign)}
        if schema
        else {}
    )
    value = said.get("needs_tokenizer")
    return not (isinstance(value, ast.Constant) and value.value is False)


def _settings_of(model: Schema) -> Schema:
    """The class that `settings = ...` in the body of a model's class names."""
    said = [
        item.value
        for item in model.node.body
        if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "settings"
    ]
    schema = model.module.schema(said[0]) if said else None
    if schema is None:
        raise ValueError(f"{model.node.name} does not say what its settings are: settings = ...")
    return schema


def settings(schema: Schema, prefix: str = "") -> Iterator[Setting]:
    """Every setting of a class, groups before what is in them, model settings of every architecture included."""
    for item in schema.fields(prefix):
        yield item
        if item.schema:
            yield from settings(item.schema, f"{item.key}.")
        elif item.kind == "dict[str, Any]":
            for of_architecture in architectures(item.key.rpartition(".")[2]).values():
                yield from of_architecture.fields(f"{item.key}.")


def _text(node: ast.stmt | None) -> str:
    """The text of a docstring, in one paragraph; "" where the statement is none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""
