"""Which verbs there are. What a verb needs is imported when it is called: torch is not for a list of games."""

import difflib
from collections.abc import Callable
from importlib import import_module

from genieredux.errors import UserError

VERBS = {
    "demo": "demo:demo",
    "generate": "generate:generate",
    "genie_redux": "genie_redux:genie_redux",
    "play": "play:play",
    "data": "data:data",
    "retroact": "retroact:retroact",
    "checkpoint": "checkpoint:checkpoint",
    "metrics": "metrics:metrics",
    "doctor": "doctor:doctor",
    "report": "report:report",
}
"""Verb -> module of this package and the function in it, which takes the words after the verb."""


def find(name: str) -> Callable[[list[str]], None]:
    """The function of a verb. Raises UserError, which names the nearest, where there is none."""
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1, cutoff=0.0)[0]
        raise UserError(f"there is no verb '{name}'; did you mean '{near}'? (all: {', '.join(VERBS)})")
    module, _, function = VERBS[name].partition(":")
    found: Callable[[list[str]], None] = getattr(import_module(f"genieredux.cli.{module}"), function)
    return found
