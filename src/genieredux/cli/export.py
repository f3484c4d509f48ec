"""`genieredux export ...`: a world in other forms. Reads words, calls the room `play`, prints."""

from pathlib import Path
from typing import Any

from genieredux.cli.actions import Action, act, job

NOTE = "docs/play.md says what runs in the browser, how fast, and what is needed for it."


def export(words: list[str]) -> None:
    """Write a world in another form."""
    act("export", ACTIONS, words or ["--help"], NOTE)


def _told(folder: Any) -> str:
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
    look = f"python -m http.server -d {folder}"
    return f"Folder {folder} ({size:.1f} MiB). Put it on any web server; to look at it here: {look}"


ACTIONS: dict[str, Action] = {
    "web": Action(
        "out=FOLDER [world=FILE]",
        "static files in which a world runs in the visitor's own browser",
        job("writing the page", "genieredux.play.web:write_web", "part", _told),
        "genieredux.play.web:WebExport",
        paths=(0, 0),
    ),
}
