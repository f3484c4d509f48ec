"""Rebuild the packaged tables from the published label tables and the installed stable-retro.

    python -m genieredux.retroact.build LABELS

LABELS is a folder with the two tables of RetroAct v0.1 under their published names. From them come the labels
of 974 games and the controls of 50; from `own_labels.csv` beside this file those of the games that RetroAct
lacks; everything else is read from stable_retro. Writes `catalogue.csv` and `consoles.csv` beside this file.
"""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genieredux.errors import UserError
from genieredux.retroact.words import CONTROLS, OURS, RETROACT
from genieredux.runs.files import write_text

LABELS = "RetroAct_v0.1.csv"
CONTROL_LABELS = "RetroAct_v0.1_control_GenieRedux-G-50_sublist.csv"
COLUMNS = (
    *("game", "console", "view", "motion", "genre", "labelled_by", *CONTROLS),
    *("default_state", "variables", "rom_sha1s", "rom_files", "note"),
)

_HERE = Path(__file__).parent
_CORE = {"Arcade": "FBNeo"}  # where console and core differ in name


def build(labels: Path, out: Path = _HERE) -> tuple[Path, Path]:
    """Write `catalogue.csv` and `consoles.csv` into `out` and return their paths.

    labels: folder of the published tables. Raises `UserError` where a table is missing, where a label is of no
    game or a game without labels.
    """
    import stable_retro

    retro = stable_retro.data
    known = sorted(retro.list_games(retro.Integrations.STABLE), key=lambda game: game.removesuffix("-v0"))
    tags, controls = _published(labels, known)
    own = {row["game"]: row for row in _read(_HERE / "own_labels.csv")}
    if differing := set(known) ^ (set(tags) | set(own)):
        raise UserError(f"labels and stable-retro differ in {len(differing)} games, such as {min(differing)}")
    rows = []
    for game in known:
        row = _integration(game)
        if game in tags:
            row |= dict(zip(("view", "motion", "genre"), tags[game], strict=True), labelled_by=RETROACT)
        else:
            row |= own[game] | {"labelled_by": OURS}
        rows.append(row | controls.get(game, {}))
    consoles = [
        {"console": name, "buttons": " ".join(button or "" for button in _core(name)["buttons"])}
        for name in sorted({row["console"] for row in rows})
    ]
    return (
        _write(out / "catalogue.csv", COLUMNS, rows),
        _write(out / "consoles.csv", ("console", "buttons"), consoles),
    )


def _published(folder: Path, known: Sequence[str]) -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """(tags, controls) by game id; the published control table writes its names in lower case."""
    ids = {game.removesuffix("-v0").lower(): game for game in known}
    tables = [_read(folder / name) for name in (LABELS, CONTROL_LABELS)]
    for row in (row for table in tables for row in table):
        if row["game"].lower() not in ids:
            raise UserError(f"stable-retro has no game '{row['game']}', which {folder} labels")
    tags = {ids[row["game"].lower()]: row["tags"].split() for row in tables[0]}
    return tags, {ids[row["game"].lower()]: {key: row[key] for key in CONTROLS} for row in tables[1]}


def _integration(game: str) -> dict[str, str]:
    """What the game's folder in stable_retro declares."""
    import stable_retro

    folder = Path(stable_retro.data.path()) / "stable" / game
    metadata: dict[str, Any] = json.loads((folder / "metadata.json").read_text())
    data: dict[str, Any] = json.loads((folder / "data.json").read_text())
    console = game.removesuffix("-v0").rsplit("-", 1)[1]
    roms = [f"rom.{_core(console)['ext'][0]}"]
    if "original_rom_name" in metadata:  # the arcade emulator knows a game by its file name
        roms.append(metadata["original_rom_name"])
    return {
        "game": game,
        "console": console,
        "default_state": metadata["default_state"],
        "variables": " ".join(sorted(data.get("info", {}))),
        "rom_sha1s": " ".join((folder / "rom.sha").read_text().lower().split()),
        "rom_files": " ".join(roms),
    }


def _core(console: str) -> dict[str, Any]:
    import stable_retro

    core: dict[str, Any] = stable_retro.data.EMU_INFO[_CORE.get(console, console)]
    return core


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; give the folder of RetroAct's tables") from error


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text(path, text.getvalue())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m genieredux.retroact.build LABELS")
    try:
        sys.stdout.write("\n".join(map(str, build(Path(sys.argv[1])))) + "\n")
    except UserError as problem:
        sys.exit(str(problem))
