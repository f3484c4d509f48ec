"""Verbs that have several actions: `genieredux VERB ACTION PATH... [key=value ...]`. Finds the action, reads its words,
writes its help; what it does is its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from genieredux.cli import words
from genieredux.cli.manual import manual
from genieredux.cli.screen import say, wants_help
from genieredux.config import from_plain
from genieredux.errors import UserError


@dataclass(frozen=True)
class Action:
    """One thing that a verb does.

    usage: what follows its name. run: takes the paths, and the settings where it has a schema. schema: the class of
    its settings as "module:Class". path: the setting that the first path fills. paths: how many it takes, at least
    and at most. raw: `run` reads the words itself.
    """

    usage: str
    about: str
    run: Callable[..., None]
    schema: str = ""
    path: str = ""
    paths: tuple[int, float] = (1, 1)
    raw: bool = False


def job(name: str, target: str, unit: str, told: Callable[[Any], str]) -> Callable[..., None]:
    """What an action runs: "module:function", called with the settings and with what tells how far it is.

    name: of what is done, on the progress line. unit: what it counts. told: what is said of its result.
    """
    module, _, function = target.partition(":")

    def run(paths: list[str], settings: Any) -> None:
        from genieredux.runs.progress import ProgressLine

        with ProgressLine(name, 1, unit=unit) as line:
            made = getattr(import_module(module), function)(settings, line.advance_to)
        say(told(made))

    return run


def act(verb: str, actions: Mapping[str, Action], given: Sequence[str], note: str = "") -> None:
    """Run the action that the first word names. note: said at the end of the verb's help."""
    asked = wants_help(given)
    if asked and given[0] not in actions:
        return say(overview(verb, actions) + (f"\n\n{note}" if note else ""))
    name = words.choose(verb, given[0] if given else None, list(actions))
    action = actions[name]
    if asked:
        return say(manual(f"{verb} {name} {action.usage}", action.about, action.schema, leave=[action.path]))
    if action.raw:
        return action.run(list(given[1:]))
    sorted_words = words.read(given[1:], action.schema, once=True)
    count = len(sorted_words.paths)
    if not action.paths[0] <= count <= action.paths[1]:
        said = ""
        if action.paths[1] == 0:
            raise UserError(f"cannot read '{sorted_words.paths[0]}'; write key=value, one of {action.usage}")
        if count > action.paths[1]:
            last = sorted_words.paths[-1]
            no_key = "=" in last and not action.schema
            said = f", which takes no key {last}" if no_key else f"; '{last}' is one too many"
        raise UserError(f"the command is: {verb} {name} {action.usage}{said}")
    if not action.schema:
        return action.run(sorted_words.paths)
    values = words.nested(sorted_words.values)
    if action.path in values:
        raise UserError(f"{action.path} is given twice")
    if action.path and sorted_words.paths:
        values[action.path] = sorted_words.paths[0]
    module, _, kind = action.schema.partition(":")
    action.run(sorted_words.paths, from_plain(getattr(import_module(module), kind), values, ""))


def overview(verb: str, actions: Mapping[str, Action]) -> str:
    """The help of a verb: a line for each of its actions."""
    width = max(len(name) + len(action.usage) for name, action in actions.items()) + 3
    rows = [f"  {name + ' ' + action.usage:<{width}}{action.about}" for name, action in actions.items()]
    return "\n".join(
        [f"usage: genieredux {verb} ACTION ...", "", *rows, "", f"genieredux {verb} ACTION --help lists its keys."]
    )
