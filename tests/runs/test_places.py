"""Names that files say stay inside their folder; the cache has a place or a line."""

from pathlib import Path

import pytest

from genieredux.errors import UserError
from genieredux.runs.places import cache_folder, check_name, inside, user_path


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/etc", "../x", "a/../../x", "a//b", "a/", "a\\b", "x\0y", "\ud8ff", "n" * 256, None, 3]
)
def test_a_name_that_leads_elsewhere_is_refused(name: object) -> None:
    with pytest.raises(UserError, match=r"the file is .*; it must be a path below"):
        inside(Path("folder"), name, "the file")
    with pytest.raises(UserError, match="the name is"):
        check_name(name, "the name")


def test_plain_names_pass() -> None:
    assert inside(Path("f"), "episodes/été (1).parquet", "x") == Path("f/episodes/été (1).parquet")
    assert check_name("..a", "x") == "..a"
    with pytest.raises(UserError, match="x is 'a/b'"):
        check_name("a/b", "x")


def test_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.delenv("GENIEREDUX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder("roms") == Path("/h/.cache/genieredux/roms")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert cache_folder("roms") == Path("/c/genieredux/roms")
    monkeypatch.setenv("GENIEREDUX_CACHE", "~/mine")
    assert cache_folder("roms") == Path("/h/mine/roms")


def test_without_a_home_folder_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "GENIEREDUX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(UserError, match="set GENIEREDUX_CACHE"):
        cache_folder("roms")
    with pytest.raises(UserError, match="set HOME to a folder"):
        user_path("~/x")
    assert user_path("a/~b") == Path("a/~b")
