"""What the verbs share: how they print, and how they describe themselves. Knows no verb; imports nothing heavy."""

import os
import sys
from collections.abc import Sequence

from genieredux.cli.compose import configurations


def say(text: str) -> None:
    """Print; whoever reads may leave before the end, as `| head` does."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help of a verb is asked for, in whatever place."""
    return any(word in ("-h", "--help") for word in words)


def say_usage(verb: str, keys: str, usage: str = "") -> None:
    """The help of a verb that is configured: its form, some keys, all its configurations."""
    names = "\n  ".join(configurations(verb)) or "(none)"
    say(f"usage: genieredux {usage or verb} [config=NAME] [key=value ...]\nfor example {keys}\n\nconfig:\n  {names}")
