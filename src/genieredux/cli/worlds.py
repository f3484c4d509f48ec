"""`genieredux play list`: the worlds that ship with the package, with their cards. Reads and prints."""

import os
import sys
from pathlib import Path

from genieredux.cli.screen import say
from genieredux.errors import UserError


def list_worlds(words: list[str]) -> None:
    """A line or two for each world, and what was measured of it."""
    if words:
        raise UserError(f"play list takes no key {words[0]}; it lists the worlds that ship with the package")
    from genieredux.models.world.file import shipped_worlds

    worlds = shipped_worlds()
    if not worlds:
        raise UserError("this installation ships no world; make one with `genieredux demo`")
    for world in worlds:
        say(f"{world.name}  ({world.path.stat().st_size / 2**20:.0f} MiB)  genieredux play world={world.name}")
        card = world.card
        if card is None:
            say("  nobody wrote down what it was made from")
            continue
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            _show_beginnings(world.path)
        say(f"  {card.title}: {card.about}")
        say(f"  learned from {card.frames:,} frames of {card.game}: {card.data}")
        for part in card.parts:
            steps = "" if part.steps is None else f", {part.steps:,} steps"
            seconds = "" if part.seconds is None else f", {part.seconds:,.0f} s"
            say(f"  {part.name}: {part.parameters:,} parameters{steps}{seconds}")
        say(f"  made by `{card.command}` on {card.machine}")
        for on in dict.fromkeys(row.on for row in card.measured):
            say(f"  {on}: {'; '.join(f'{row.name} {row}' for row in card.measured if row.on == on)}")


def _show_beginnings(world: Path, count: int = 3) -> None:
    """Where dreams may begin, as pictures in the terminal."""
    from genieredux.models.world.file import load_world
    from genieredux.pictures.terminal import lines

    frames = [given[-1] for given, _ in load_world(world)[1][:count]]
    say("\n".join(f"  {line}" for line in lines(frames)))
