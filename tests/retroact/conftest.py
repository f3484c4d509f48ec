"""A cache of one's own, and ROMs: the one that stable-retro brings, and invented ones."""

from pathlib import Path

import pytest

from genieredux.retroact import resolve
from genieredux.retroact.roms import rom_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The ROM folder of this test, absent at first."""
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "roms"


@pytest.fixture
def airstriker(cache) -> bytes:
    """The bytes of the one ROM that stable-retro ships."""
    pytest.importorskip("stable_retro")
    path = rom_path(resolve("Airstriker-Genesis"))
    assert path is not None
    return path.read_bytes()
