"""Tables for a terminal, a file or a pipe."""

import io
import sys
from collections.abc import Collection

from rich.console import Console
from rich.table import Table

from genieredux.cli.screen import say

PLAIN_WIDTH = 120
"""Columns of what goes to a file or a pipe."""


def new_table(*titles: str, right: Collection[str] = ()) -> Table:
    """An empty table without lines; right: the titles of columns of numbers."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", no_wrap=True)
    return table


def show(table: Table) -> None:
    """Print a table."""
    text = io.StringIO()
    terminal = sys.stdout.isatty()
    Console(file=text, width=None if terminal else PLAIN_WIDTH, force_terminal=terminal).print(table)
    say("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
