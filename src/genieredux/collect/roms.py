"""A ROM on its way to a node that may not have it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.retroact.roms import import_roms, rom_path
from genieredux.runs.files import write_bytes


@dataclass(frozen=True)
class Rom:
    """A ROM on its way. content: a reference to its bytes, which nobody fetches who has the same file. sha1: of it."""

    name: str
    sha1: str
    content: Any


def pack(env: EnvConfig, put: Any) -> Rom | None:
    """The ROM that a game needs which not every node may have; `put` turns bytes into a reference."""
    if env.kind != "retro" or "rom_folder" in env.options:
        return None
    try:
        path = rom_path(env.game)
    except UserError:
        return None
    if path is None:
        return None
    content = path.read_bytes()
    return Rom(path.name, _sha1(content), put(content))


def bring(env: EnvConfig, rom: Rom, fetch: Any) -> None:
    """Import the ROM here if it is not here yet, as `genieredux retroact import-roms` does."""
    here = rom_path(env.game)
    if here is not None and _sha1(here.read_bytes()) == rom.sha1:
        return
    with TemporaryDirectory(prefix="genieredux-rom-") as folder:
        write_bytes(Path(folder) / rom.name, fetch(rom.content))
        import_roms([folder])


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
