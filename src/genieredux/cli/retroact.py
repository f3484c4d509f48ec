"""`genieredux retroact ...`: the catalogue of games and the ROMs that are here, as a user asks for them.

Reads words, calls the room `retroact`, prints; no logic of its own.
"""

import csv
import difflib
import io
import json
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genieredux.cli.screen import say, wants_help
from genieredux.errors import UserError
from genieredux.retroact import Game, catalogue, resolve, select, selection
from genieredux.retroact.query import SELECTIONS
from genieredux.retroact.roms import KINDS, ImportReport, import_roms, present_roms, rom_path, verify
from genieredux.retroact.words import CONTROLS, GENRES, MOTIONS, VIEWS

_IMPORT = "genieredux retroact import-roms FOLDER"
_PLAIN_WIDTH = 120  # of a table that goes to a file or a pipe

HELP = f"""\
usage: genieredux retroact ACTION ...

  list [view=.. motion=.. genre=.. console=.. controls=true runnable=true] [format=table|csv|json]
                            the games that fit every filter; several words as view=side,top
  show GAME                 all that is known of one game
  import-roms FOLDER...     find ROMs in folders, files and zips by their SHA-1 and keep them for collecting;
                            the word ale-py stands for the Atari ROMs within the installed ale-py
  verify [GAME...]          hash the ROMs that are here: is each the one that its game was annotated for?
  probe GAME... | all [states=24] [seed=0] [workers=1] [format=table|json] [out=PICTURE.png]
                            annotate a game by playing it: what its buttons do and how the player moves, each with a
                            confidence, and a picture of the evidence. For several games, or all that run here, also
                            how far that agrees with their labels; out= is then a folder of pictures
  coverage config=NAME [key=value ...] [format=table|json]
                            which games of a configuration of `generate` run here; or selection=NAME
                            with NAME one of {", ".join(SELECTIONS)}

view     {", ".join(VIEWS)}
motion   {", ".join(MOTIONS)}
genre    {", ".join(GENRES)}
console  {", ".join(sorted({game.console for game in catalogue()}))}

Games are written Name-Console, in any letter case, with or without -v0. ROMs are your own: none is shipped and
none is downloaded. `docs/retroact.md` says what the words mean and where the labels come from."""


def retroact(words: list[str]) -> None:
    """Ask the catalogue of games, bring ROMs in and check them."""
    if not words or wants_help(words):
        return say(HELP)
    if words[0] not in ACTIONS:
        near = difflib.get_close_matches(words[0], ACTIONS, n=1, cutoff=0.0)[0]
        raise UserError(f"retroact has no action '{words[0]}'; did you mean '{near}'? (all: {', '.join(ACTIONS)})")
    ACTIONS[words[0]](words[1:])


def _list(words: list[str]) -> None:
    filters = _keys("list", words, ("view", "motion", "genre", "console", "controls", "runnable", "format"))
    form = _format(filters.pop("format", "table"), ("table", "csv", "json"))
    chosen: dict[str, Any] = {key: _several(value) for key, value in filters.items()}
    for key in chosen.keys() & {"controls", "runnable"}:
        chosen[key] = _truth(key, filters[key])
    games, here = select(**chosen), present_roms()
    if form == "json":
        return say(json.dumps([_plain(game, game.game in here) for game in games], indent=1))
    if form == "csv":
        return say(_as_csv(games, here))
    table = Table(box=None, pad_edge=False)
    for title in ("game", "console", "view", "motion", "genre", "controls", "runs here"):
        table.add_column(title, no_wrap=True)
    for game in games:
        yes = ("labelled" if game.controls else "", "yes" if game.game in here else "")
        table.add_row(game.name, game.console, *game.tags, *yes)
    _show_table(table)
    running = sum(game.game in here for game in games)
    say(f"\n{len(games)} of {len(catalogue())} games; {running} of them run here")


def _show(words: list[str]) -> None:
    if len(words) != 1 or "=" in words[0]:
        raise UserError("retroact show takes one game: genieredux retroact show SuperMarioBros-Nes")
    game = resolve(words[0])
    path = rom_path(game)
    controls = ", ".join(f"{key} {word}" for key, word in (game.controls or {}).items())
    lines = {
        "console": game.console,
        "view": f"{game.view}: {VIEWS[game.view]}",
        "motion": f"{game.motion}: {MOTIONS[game.motion]}",
        "genre": f"{game.genre}: {GENRES[game.genre]}",
        "labelled by": game.labelled_by + (f" ({game.note})" if game.note else ""),
        "controls": controls or "not labelled",
        "buttons": " ".join(button or "(none)" for button in game.buttons),
        "begins at": game.default_state,
        "variables": ", ".join(game.variables) or "none",
        "ROM SHA-1": ", ".join(game.rom_sha1s),
        "ROM here": str(path) if path else f"no; with a ROM of your own: {_IMPORT}",
    }
    say(game.game)
    for name, value in lines.items():
        say(textwrap.fill(value, _PLAIN_WIDTH, initial_indent=f"  {name:12}", subsequent_indent=" " * 14))


def _import(words: list[str]) -> None:
    if not words:
        raise UserError(f"retroact import-roms takes folders, ROM files or zips, or the word ale-py: {_IMPORT}")
    with Console(stderr=True).status("Looking for ROMs") as status:
        report = import_roms(words, lambda source, _: status.update(f"Looking at {escape(source)}"))
    _say_import(report)
    if not report.matched and not report.present:
        raise UserError(
            f"{' '.join(words)}: {_count(len(report.unmatched), 'file')}, and none is the ROM of a game that "
            "stable-retro knows; `genieredux retroact show GAME` tells the SHA-1 of the version that a game needs"
        )


def _say_import(report: ImportReport) -> None:
    """What came in, what did not and why, and last how many games run here now."""
    folder = _common_folder(report)
    if folder:
        say(f"In {folder}:")
    for one in report.matched:
        say(f"  {one.game:44} {one.source.removeprefix(folder)}")
    for kind in KINDS[:-1]:
        files = [one for one in report.unmatched if one.kind == kind]
        if files:
            say(f"Not imported, {kind} ({len(files)}):")
        for file in files:
            say(f"  {file.source.removeprefix(folder):44} {file.detail}")
    others = Counter(one.detail or "no ending" for one in report.unmatched if one.kind == KINDS[-1])
    if others:
        say("Not looked at further, no ROMs: " + ", ".join(f"{n} {ending}" for ending, n in others.most_common()))
    say(
        f"Imported {_count(len(report.matched), 'game')} to {report.folder}; {len(report.present)} were there already; "
        f"{len(present_roms())} of {len(catalogue())} games run here now"
    )


def _common_folder(report: ImportReport) -> str:
    """The folder that everything named in the report is in, with its last slash; empty where that says little."""
    named = [*(one.source for one in report.matched), *(one.source for one in report.unmatched)]
    folder = os.path.commonpath([os.path.dirname(source) for source in named]) if named else ""
    return f"{folder}/" if folder.strip("/") else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _verify(words: list[str]) -> None:
    results = verify(words or None)
    wrong = [one for one in results if not one.ok]
    for one in wrong:
        say(f"{one.game}: {one.problem}" + (f" ({one.path})" if one.path else ""))
    say(f"Right: {len(results) - len(wrong)} of {_count(len(results), 'ROM')}")
    if wrong:
        names = ", ".join(one.game for one in wrong)
        raise UserError(f"missing or wrong: {names}; bring the right version in with `{_IMPORT}`")


def _coverage(words: list[str]) -> None:
    own = [word for word in words if word.startswith(("selection=", "format="))]
    keys = _keys("coverage", own, ("selection", "format"))
    form = _format(keys.get("format", "table"), ("table", "json"))
    configured = [word for word in words if word not in own]
    if ("selection" in keys) == any(word.startswith("config=") for word in configured):
        raise UserError(f"retroact coverage takes config=NAME or selection={'|'.join(SELECTIONS)}, one of the two")
    names = selection(keys["selection"]) if "selection" in keys else _configured(configured)
    games, here = [resolve(name) for name in names], present_roms()
    running = [game for game in games if game.game in here]
    missing = [game for game in games if game.game not in here]
    if form == "json":
        parts = {"runnable": running, "missing": missing}
        return say(json.dumps({part: [game.name for game in of] for part, of in parts.items()}, indent=1))
    table = Table(box=None, pad_edge=False)
    for title in ("console", "games", "run here", "missing"):
        table.add_column(title, justify="left" if title == "console" else "right")
    all_of, run_of = (Counter(game.console for game in part) for part in (games, running))
    for console, count in sorted(all_of.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(console, str(count), str(run_of[console]), str(count - run_of[console]))
    table.add_row("all", str(len(games)), str(len(running)), str(len(missing)))
    _show_table(table)
    for title, part in (("Run here", running), ("Missing", missing)):
        told = ", ".join(game.name for game in part) or "none"
        say(f"\n{title} ({len(part)}):\n" + textwrap.fill(told, _PLAIN_WIDTH, break_on_hyphens=False))
    if missing:
        say(f"\nWith ROMs of your own: {_IMPORT}")


def _probe(words: list[str]) -> None:
    from genieredux.cli import probe

    names = [word for word in words if "=" not in word]
    keys = _keys("probe", [word for word in words if "=" in word], probe.KEYS)
    form = _format(keys.get("format", "table"), ("table", "json"))
    probe.run_probe(names, keys, form, say, _show_table)


def _configured(words: Sequence[str]) -> Sequence[str]:
    """The games that `generate` with these words would play, could it play all of them."""
    from genieredux.cli.compose import compose_config
    from genieredux.cli.generate import GenerateCommand
    from genieredux.collect.games import configured_games

    connector = compose_config("generate", GenerateCommand, words).config.connector
    if connector.kind != "retro":
        raise UserError(
            f"{' '.join(words)} plays {connector.kind} games, which need no ROM of yours; coverage is of retro"
        )
    return configured_games(connector)


ACTIONS: dict[str, Callable[[list[str]], None]] = {
    "list": _list,
    "show": _show,
    "import-roms": _import,
    "verify": _verify,
    "coverage": _coverage,
    "probe": _probe,
}


def _plain(game: Game, runnable: bool) -> dict[str, Any]:
    return {
        "game": game.game,
        "name": game.name,
        "console": game.console,
        "view": game.view,
        "motion": game.motion,
        "genre": game.genre,
        "labelled_by": game.labelled_by,
        "controls": game.controls,
        "runnable": runnable,
        "buttons": game.buttons,
        "default_state": game.default_state,
        "variables": game.variables,
        "rom_sha1s": game.rom_sha1s,
    }


def _as_csv(games: Sequence[Game], here: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["game", "console", "view", "motion", "genre", "labelled_by", *CONTROLS, "runnable"])
    for game in games:
        does = [(game.controls or {}).get(key, "") for key in CONTROLS]
        runs = str(game.game in here).lower()
        writer.writerow([game.game, game.console, *game.tags, game.labelled_by, *does, runs])
    return text.getvalue().rstrip("\n")


def _keys(action: str, words: Sequence[str], known: tuple[str, ...]) -> dict[str, str]:
    """key=value words as a mapping. Raises `UserError` at a word of another form and a key that is not known."""
    keys = {}
    for word in words:
        key, equals, value = word.lstrip("-").partition("=")
        if not equals or not value:
            raise UserError(f"retroact {action}: cannot read '{word}'; write key=value with {', '.join(known)}")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise UserError(f"retroact {action} has no key '{key}'; did you mean '{near}'? (all: {', '.join(known)})")
        keys[key] = value
    return keys


def _several(value: str) -> list[str]:
    return [part.strip() for part in value.strip("[]").split(",")]


def _truth(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise UserError(f"{key} is '{value}'; it must be true or false")
    return value.lower() == "true"


def _format(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1, cutoff=0.0)[0]
        raise UserError(f"there is no format '{value}'; nearest: '{near}'; all: {', '.join(known)}")
    return value


def _show_table(table: Table) -> None:
    text = io.StringIO()
    terminal = sys.stdout.isatty()
    Console(file=text, width=None if terminal else _PLAIN_WIDTH, force_terminal=terminal).print(table)
    say("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
