"""A folder that appears whole or not at all. Knows nothing of what is in it but the mark of an export."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genieredux.episodes.files import is_disk_full, sync_folder, translated_errors
from genieredux.errors import UserError
from genieredux.runs.files import TEMPORARY_MARK

MARKER = "export.json"
"""Lies in every finished export: what it was made from. Only a folder that has it is ever replaced."""


@contextlib.contextmanager
def new_folder(out: Path, facts: Mapping[str, Any], overwrite: bool = False) -> Iterator[Path]:
    """A folder aside to fill; when the block ends it takes the name `out`, when it fails it is removed.

    facts: plain values for export.json. overwrite: replace an earlier export. Raises UserError where `out` exists
    otherwise, or cannot be written. What a killed process left aside is removed by the next one.
    """
    out = out.expanduser().absolute()
    check_free(out, overwrite)
    aside = out.with_name(f".{out.name}{TEMPORARY_MARK}{os.getpid()}")
    with translated_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _clean_leftovers(out)
        try:
            aside.mkdir()
            yield aside
            (aside / MARKER).write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
            _sync(aside)
            check_free(out, overwrite)
            _take_place(aside, out)
        except OSError as error:
            if is_disk_full(error):
                raise UserError(
                    f"{out}: the disk is full; nothing is left of it here, free some space first"
                ) from error
            raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_free(out: Path, overwrite: bool) -> None:
    """Raises UserError where `out` exists and may not be replaced."""
    if not (out.exists() or out.is_symlink()):
        return
    if not overwrite:
        raise UserError(f"{out} exists; give another out=FOLDER, or overwrite=true to replace the export in it")
    if not (out / MARKER).is_file():
        raise UserError(f"{out} is no export (it has no {MARKER}) and is left alone; give another out=FOLDER")


def _take_place(aside: Path, out: Path) -> None:
    old = aside.with_name(f"{aside.name}-old")
    if out.exists():
        os.rename(out, old)
    os.rename(aside, out)
    sync_folder(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _clean_leftovers(out: Path) -> None:
    """Removes what dead processes left beside `out`; an old export that one had set aside takes its place again."""
    for path in out.parent.glob(f".{out.name}{TEMPORARY_MARK}*"):
        number, _, old = path.name.rsplit(TEMPORARY_MARK, 1)[1].partition("-")
        if not number.isdecimal() or _is_alive(int(number)):
            continue
        if old and not out.exists():
            os.rename(path, out)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
