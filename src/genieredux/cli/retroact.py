"""`genieredux retroact ...`: the catalogue of games and the ROMs that are here, as a user asks for them.

Reads words, calls the room `retroact`, prints; no logic of its own.
"""

import csv
import io
import json
import os
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape

from genieredux.cli.actions import Action, act
from genieredux.cli.screen import say
from genieredux.cli.tables import PLAIN_WIDTH, new_table, show
from genieredux.cli.words import options
from genieredux.errors import UserError
from genieredux.retroact import Game, catalogue, resolve, select, selection
from genieredux.retroact.query import SELECTIONS
from genieredux.retroact.roms import KINDS, ImportReport, import_roms, present_roms, rom_path, verify
from genieredux.retroact.words import CONTROLS, GENRES, MOTIONS, VIEWS

_IMPORT = "genieredux retroact import-roms FOLDER"

NOTE = f"""\
view     {", ".join(VIEWS)}
motion   {", ".join(MOTIONS)}
genre    {", ".join(GENRES)}
console  {", ".join(sorted({game.console for game in catalogue()}))}

Games are written Name-Console, in any letter case, with or without -v0. ROMs are your own: none is shipped and
none is downloaded. `docs/retroact.md` says what the words mean and where the labels come from."""


@dataclass(frozen=True)
class ListOptions:
    """retroact list: the games that fit every filter; several words as view=side,top."""

    view: str | None = None
    """How the game is seen, one word or several with commas."""
    motion: str | None = None
    """The axis of motion, one word or several."""
    genre: str | None = None
    """One word or several."""
    console: str | None = None
    """One word or several."""
    controls: bool | None = None
    """Only games whose buttons are labelled, or only those whose are not."""
    runnable: bool | None = None
    """Only games whose ROM is here, or only those whose is not."""
    format: Literal["table", "csv", "json"] = "table"
    """How the list is written."""


@dataclass(frozen=True)
class CoverageOptions:
    """retroact coverage."""

    selection: str | None = None
    """Games by the name of a selection, instead of config=NAME."""
    format: Literal["table", "json"] = "table"
    """How the answer is written."""


def retroact(words: list[str]) -> None:
    """Ask the catalogue of games, bring ROMs in and check them."""
    act("retroact", ACTIONS, words or ["--help"], NOTE)


def _list(paths: list[str], options: ListOptions) -> None:
    chosen: dict[str, Any] = {
        key: _several(value) if isinstance(value, str) else value
        for key, value in vars(options).items()
        if value is not None and key != "format"
    }
    games, here, form = select(**chosen), present_roms(), options.format
    if form == "json":
        return say(json.dumps([_plain(game, game.game in here) for game in games], indent=1))
    if form == "csv":
        return say(_as_csv(games, here))
    table = new_table("game", "console", "view", "motion", "genre", "controls", "runs here")
    for game in games:
        yes = ("labelled" if game.controls else "", "yes" if game.game in here else "")
        table.add_row(game.name, game.console, *game.tags, *yes)
    show(table)
    running = sum(game.game in here for game in games)
    say(f"\n{len(games)} of {len(catalogue())} games; {running} of them run here")
    if options.runnable and not games:
        say(f"No ROM of a game that fits is here; bring your own in: {_IMPORT}")


def _show(paths: list[str]) -> None:
    game = resolve(paths[0])
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
        say(textwrap.fill(value, PLAIN_WIDTH, initial_indent=f"  {name:12}", subsequent_indent=" " * 14))


def _import(words: list[str]) -> None:
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
    own = [word for word in words if word.lstrip("-").startswith(("selection=", "format="))]
    asked = options(CoverageOptions, own)
    configured = [word for word in words if word not in own]
    if (asked.selection is not None) == any(word.lstrip("-").startswith("config=") for word in configured):
        raise UserError(f"retroact coverage takes config=NAME or selection={'|'.join(SELECTIONS)}, one of the two")
    names = selection(asked.selection) if asked.selection is not None else _configured(configured)
    games, here = [resolve(name) for name in names], present_roms()
    running = [game for game in games if game.game in here]
    missing = [game for game in games if game.game not in here]
    if asked.format == "json":
        parts = {"runnable": running, "missing": missing}
        return say(json.dumps({part: [game.name for game in of] for part, of in parts.items()}, indent=1))
    table = new_table("console", "games", "run here", "missing", right=("games", "run here", "missing"))
    all_of, run_of = (Counter(game.console for game in part) for part in (games, running))
    for console, count in sorted(all_of.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(console, str(count), str(run_of[console]), str(count - run_of[console]))
    table.add_row("all", str(len(games)), str(len(running)), str(len(missing)))
    show(table)
    for title, part in (("Run here", running), ("Missing", missing)):
        told = ", ".join(game.name for game in part) or "none"
        say(f"\n{title} ({len(part)}):\n" + textwrap.fill(told, PLAIN_WIDTH, break_on_hyphens=False))
    if missing:
        say(f"\nWith ROMs of your own: {_IMPORT}")


def _probe(paths: list[str], options: Any) -> None:
    from genieredux.cli.probe import run_probe

    run_probe(paths, options)


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


_HERE = "genieredux.cli.retroact"
ACTIONS: dict[str, Action] = {
    "list": Action(
        "[view=..] [motion=..] [genre=..] [console=..] [controls=true] [runnable=true] [format=table|csv|json]",
        "the games that fit every filter; several words as view=side,top",
        _list,
        f"{_HERE}:ListOptions",
        paths=(0, 0),
    ),
    "show": Action("GAME", "all that is known of one game", _show),
    "import-roms": Action(
        "FOLDER...",
        "find ROMs in folders, files and zips by their SHA-1 and keep them for collecting; the word ale-py stands for "
        "the Atari ROMs within the installed ale-py",
        _import,
        paths=(1, float("inf")),
    ),
    "verify": Action(
        "[GAME...]",
        "hash the ROMs that are here: is each the one that its game was annotated for?",
        _verify,
        paths=(0, float("inf")),
    ),
    "probe": Action(
        "GAME... | all [states=24] [seed=0] [workers=1] [format=table|json] [out=PICTURE.png]",
        "annotate a game by playing it: what its buttons do and how the player moves, each with a confidence, and a "
        "picture of the evidence; for several games, or all that run here, also how far that agrees with their labels",
        _probe,
        "genieredux.cli.probe:ProbeOptions",
        paths=(1, float("inf")),
    ),
    "coverage": Action(
        f"config=NAME [key=value ...] | selection={'|'.join(SELECTIONS)}",
        "which games of a configuration of `generate` run here; any key of `generate` can be set",
        _coverage,
        f"{_HERE}:CoverageOptions",
        raw=True,
    ),
}


def _plain(game: Game, runnable: bool) -> dict[str, Any]:
    facts = {key: value for key, value in vars(game).items() if key not in ("rom_files", "note")}
    return {**facts, "runnable": runnable}


def _as_csv(games: Sequence[Game], here: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["game", "console", "view", "motion", "genre", "labelled_by", *CONTROLS, "runnable"])
    for game in games:
        does = [(game.controls or {}).get(key, "") for key in CONTROLS]
        runs = str(game.game in here).lower()
        writer.writerow([game.game, game.console, *game.tags, game.labelled_by, *does, runs])
    return text.getvalue().rstrip("\n")


def _several(value: str) -> list[str]:
    return [part.strip() for part in value.strip("[]").split(",")]
