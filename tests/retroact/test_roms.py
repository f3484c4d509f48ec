"""ROMs: found wherever they are, matched by what they are, kept whole, refused when wrong."""

import io
import os
import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.retroact import resolve
from genieredux.retroact.roms import (
    KINDS,
    add_to_stable_retro,
    import_roms,
    importing,
    present_roms,
    rom_path,
    roms_folder,
    runnable,
    verify,
)
from genieredux.retroact.roms.dumps import readings, sha1, stored_sha1

OTHER_VERSION, NO_GAME, UNREADABLE, NOT_A_ROM = KINDS
GAME = "Airstriker-Genesis"


def zipped(members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


def interleaved(plain):
    """A Super Magic Drive dump, as its copier wrote it: a header, then blocks with odd bytes before even ones."""
    blocks = [plain[start : start + 0x4000] for start in range(0, len(plain), 0x4000)]
    return bytes(512) + b"".join(block[1::2] + block[0::2] for block in blocks)


@pytest.fixture
def invented(monkeypatch):
    """Puts a game into the catalogue whose ROM is given."""

    def put(name, *roms):
        game = replace(resolve(name), rom_sha1s=tuple(sha1(rom) for rom in roms))
        monkeypatch.setattr(importing, "catalogue", lambda: (game,))
        return game

    return put


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "a"))
    assert roms_folder() == tmp_path / "a" / "roms"
    monkeypatch.delenv("GENIEREDUX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert roms_folder() == tmp_path / "b" / "genieredux" / "roms"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert roms_folder() == tmp_path / ".cache" / "genieredux" / "roms"


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda rom: ("rom.md", rom), id="itself"),
        pytest.param(lambda rom: ("no-ending", rom), id="another name"),
        pytest.param(lambda rom: ("a.zip", zipped({"x/y.md": rom})), id="zip"),
        pytest.param(lambda rom: ("a.zip", zipped({"b.zip": zipped({"y.gen": rom})})), id="zip in a zip"),
    ],
)
def test_a_rom_is_found_in_every_wrapping_and_kept_plain(wrap, airstriker, tmp_path, cache):
    name, data = wrap(airstriker)
    source = tmp_path / "mine" / "deep"
    source.mkdir(parents=True)
    (source / name).write_bytes(data)
    report = import_roms([tmp_path / "mine"])
    assert [one.game for one in report.matched] == [GAME]
    assert report.matched[0].path == cache / f"{GAME}-v0" / "rom.md"
    assert report.matched[0].path.read_bytes() == airstriker
    assert not report.unmatched
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["rom.md"]


@pytest.mark.parametrize("wrap", [interleaved, lambda rom: bytes(512) + rom, lambda rom: rom])
def test_a_copier_s_header_and_order_are_undone(wrap, invented, tmp_path):
    plain = random.Random(0).randbytes(3 * 0x4000)
    invented("Flintstones-Genesis", plain)
    (tmp_path / "dump.smd").write_bytes(wrap(plain))
    report = import_roms([tmp_path / "dump.smd"])
    assert [one.path.read_bytes() for one in report.matched] == [plain]


def test_a_second_import_changes_nothing_and_a_wrong_file_is_replaced(airstriker, tmp_path, cache):
    (tmp_path / "one.md").write_bytes(airstriker)
    kept = import_roms([tmp_path / "one.md"]).matched[0].path
    written = kept.stat().st_mtime_ns
    again = import_roms([tmp_path / "one.md"])
    assert (len(again.matched), len(again.present)) == (0, 1)
    assert kept.stat().st_mtime_ns == written
    kept.write_bytes(b"")
    assert [one.ok for one in verify([GAME])] == [False]
    assert len(import_roms([tmp_path / "one.md"]).matched) == 1
    assert [one.ok for one in verify([GAME])] == [True]


def test_a_nes_rom_is_matched_without_its_header_and_kept_with_it(invented, tmp_path):
    body = random.Random(0).randbytes(0x6000)
    whole = b"NES\x1a" + bytes(12) + body
    game = invented("MegaMan-Nes", body)
    (tmp_path / "whole.nes").write_bytes(whole)
    (tmp_path / "headless.nes").write_bytes(body)
    report = import_roms([tmp_path / "whole.nes", tmp_path / "headless.nes"])
    assert [one.game for one in report.matched] == [game.name]
    assert report.matched[0].path.read_bytes() == whole
    assert [(one.kind, "iNES header" in one.detail) for one in report.unmatched] == [(UNREADABLE, True)]
    assert stored_sha1(whole, "Nes") == sha1(body)


def test_an_arcade_set_is_its_zip_and_has_two_names(invented, tmp_path, cache):
    archive = zipped({"chip.1": b"one", "chip.2": b"two"})
    game = invented("MortalKombat2-Arcade", archive)
    (tmp_path / "mk2.zip").write_bytes(archive)
    report = import_roms([tmp_path / "mk2.zip"])
    assert [one.game for one in report.matched] == [game.name]
    assert {path.name: path.read_bytes() for path in (cache / game.game).iterdir()} == {
        "rom.zip": archive,
        "mk2.zip": archive,
    }


@given(st.binary(min_size=1, max_size=3000))
def test_readings_are_never_of_other_bytes(data):
    """What would be stored hashes to what it was matched by, header apart."""
    for digest, stored in readings(data):
        assert digest in (sha1(stored), stored_sha1(stored, "Nes"))
        assert data.endswith(stored) or len(stored) % 0x4000 == 0


def test_every_file_that_does_not_match_has_its_reason(tmp_path):
    files = {
        "Addams Family, The (USA) [!].nes": b"NES\x1a" + bytes(2000),
        "pitfall.bin": b"\xff" * 4096,
        "unheard_of.sfc": b"\xff" * 4096,
        "empty.gb": b"",
        "broken.zip": b"PK\x03\x04 and no more",
        "packed.7z": b"7z\xbc\xaf",
        "README.md": b"# Text, though its ending is that of a Genesis ROM",
        "cover.png": b"\x89PNG",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "nowhere.nes").symlink_to(tmp_path / "gone")
    report = import_roms([tmp_path])
    told = {Path(one.source).name: (one.kind, one.detail) for one in report.unmatched}
    assert told["Addams Family, The (USA) [!].nes"][0] == OTHER_VERSION
    assert told["Addams Family, The (USA) [!].nes"][1].startswith("AddamsFamily-Nes, SHA-1 ")
    assert told["pitfall.bin"][1].startswith("Pitfall-Atari2600")
    assert told["unheard_of.sfc"] == (NO_GAME, f"SHA-1 {sha1(files['unheard_of.sfc'])}")
    assert told["empty.gb"] == (UNREADABLE, "empty file")
    assert told["broken.zip"] == (UNREADABLE, "corrupt zip")
    assert told["packed.7z"] == (UNREADABLE, "packed as .7z: unpack it first")
    assert told["README.md"] == (NOT_A_ROM, ".md")
    assert told["cover.png"] == (NOT_A_ROM, ".png")
    assert told["nowhere.nes"] == (UNREADABLE, "a broken link or a device")
    assert len(told) == len(files) + 1
    assert not report.matched
    assert not roms_folder().exists()


def test_a_member_that_is_damaged_spoils_no_other(airstriker, tmp_path):
    data = bytearray(zipped({"a.md": b"\xf0" * 5000, "b.md": airstriker}))
    data[45] ^= 0xFF  # within the packed bytes of a.md
    (tmp_path / "half.zip").write_bytes(bytes(data))
    report = import_roms([tmp_path / "half.zip"])
    assert [one.game for one in report.matched] == [GAME]
    assert [(one.kind, Path(one.source).name) for one in report.unmatched] == [(UNREADABLE, "a.md")]
    assert "corrupt zip" in report.unmatched[0].detail


def test_zips_within_zips_end(tmp_path):
    data = b"x"
    for _ in range(9):
        data = zipped({"inner.zip": data})
    (tmp_path / "onion.zip").write_bytes(data)
    assert "unpack it first" in import_roms([tmp_path]).unmatched[0].detail


def test_what_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "film.bin").open("wb") as file:
        file.truncate(2**25 + 1)
    assert "larger than any cartridge" in import_roms([tmp_path]).unmatched[0].detail


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    scan = os.scandir

    def refuse(folder):
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    (one,) = import_roms([tmp_path]).unmatched
    assert (one.kind, Path(one.source).name) == (UNREADABLE, "shut")
    assert one.detail == "folder cannot be opened (Permission denied)"


def test_a_path_that_is_not_there_stops_before_anything_is_copied(airstriker, tmp_path, cache):
    (tmp_path / "one.md").write_bytes(airstriker)
    with pytest.raises(UserError, match="no folder or file"):
        import_roms([tmp_path / "one.md", tmp_path / "missing"])
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_told_in_one_line(airstriker, tmp_path, monkeypatch):
    (tmp_path / "one.md").write_bytes(airstriker)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot write"):
        import_roms([tmp_path / "one.md"])


def test_the_cache_comes_before_the_bundled_rom(airstriker, tmp_path, cache):
    assert runnable(GAME)
    (tmp_path / "one.md").write_bytes(airstriker)
    import_roms([tmp_path / "one.md"])
    assert rom_path(GAME) == cache / f"{GAME}-v0" / "rom.md" == present_roms()[f"{GAME}-v0"]
    assert rom_path("MegaMan-Nes") is None
    assert not runnable("MegaMan-Nes-v0")
    with pytest.raises(UserError, match="MegaMan"):
        runnable("MegaMann-Nes")


def test_verify_names_what_is_wrong(airstriker, cache):
    assert [(one.game, one.ok) for one in verify() if one.game == GAME] == [(GAME, True)]
    (cache / "Hero-Atari2600-v0").mkdir(parents=True)
    wrong = cache / "Hero-Atari2600-v0" / "rom.a26"
    wrong.write_bytes(b"black frames" * 100)
    found = {one.game: one for one in verify()}["Hero-Atari2600"]
    assert (found.ok, found.path) == (False, wrong)
    assert resolve("Hero-Atari2600").rom_sha1s[0] in found.problem
    assert ["no ROM here" in one.problem for one in verify(["MegaMan-Nes"])] == [True]


@pytest.fixture
def library():
    """stable-retro without folders of others, before and after."""
    retro = pytest.importorskip("stable_retro")
    retro.data.Integrations.clear_custom_paths()
    retro.data.DefaultIntegrations.reset()
    yield retro
    retro.data.Integrations.clear_custom_paths()
    retro.data.DefaultIntegrations.reset()


def test_stable_retro_itself_finds_the_cache(airstriker, tmp_path, cache, library):
    game = f"{GAME}-v0"
    add_to_stable_retro()  # nothing imported yet: nothing happens
    assert Path(library.data.get_romfile_path(game, library.data.Integrations.ALL)).parents[1] != cache
    (tmp_path / "one.md").write_bytes(airstriker)
    import_roms([tmp_path / "one.md"])
    for _ in range(2):
        add_to_stable_retro()
    added = list(library.data.Integrations.CUSTOM_PATHS)
    assert added == [str(cache)]
    env = library.make(game, render_mode="rgb_array")
    env.reset()
    env.close()
    assert Path(library.data.get_romfile_path(game, library.data.DefaultIntegrations.DEFAULT)).parents[1] == cache


def test_the_roms_within_ale_py(cache):
    pytest.importorskip("ale_py")
    seen = []
    report = import_roms(["ale-py"], lambda source, one: seen.append((source, one)))
    assert len(report.matched) == 32
    assert len(seen) == 32 + len(report.unmatched)
    assert all(one.ok for one in verify([one.game for one in report.matched]))
    assert sum(one.kind == OTHER_VERSION for one in report.unmatched) == 31
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{one.game}-v0" for one in report.matched)


def test_an_import_that_is_killed_leaves_no_half_rom(airstriker, tmp_path, cache):
    """Killed when the bytes are written and before they have their name: the next import completes it."""
    (tmp_path / "one.md").write_bytes(airstriker)
    script = (
        "import os, sys; from genieredux.retroact.roms import import_roms\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "import_roms([sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "one.md")], check=False, timeout=60)
    assert done.returncode == -9
    assert not list(cache.rglob("rom.md"))
    assert len(import_roms([tmp_path / "one.md"]).matched) == 1
    assert [one.ok for one in verify([GAME])] == [True]


def test_links_are_followed_once_and_strays_are_passed_over(tmp_path, invented):
    rom = random.Random(7).randbytes(4096)
    invented(GAME, rom)
    folder, elsewhere = tmp_path / "roms", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "game.md").write_bytes(rom)
    (folder / "link").symlink_to(elsewhere)
    (folder / "circle").symlink_to(folder)
    for stray in ("._game.md", ".DS_Store", "Thumbs.db", "game.md~"):
        (folder / stray).write_bytes(b"\0")
    (folder / os.fsdecode(b"caf\xe9.md")).write_bytes(b"\0\1")
    report = import_roms([folder])
    assert [one.game for one in report.matched] == [GAME]
    assert [one.source.rpartition("/")[2] for one in report.unmatched] == ["caf\ufffd.md"]


@pytest.mark.parametrize("name", ["../../game.md", "/game.md", "a/../../../game.md", "C:\\game.md"])
def test_names_in_a_zip_are_no_places(tmp_path, invented, name):
    rom = random.Random(7).randbytes(4096)
    invented(GAME, rom)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.zip").write_bytes(zipped({name: rom}))
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(roms_folder())}
    (one,) = import_roms([tmp_path / "in"]).matched
    assert one.path.is_relative_to(roms_folder())
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(roms_folder().parent)} <= before


def bomb(levels=3, members=40):
    """A few KiB that unpack to terabytes: zips of zips of empty cartridges."""
    inner = zipped({"0.md": bytes(32 * 2**20)})
    for _ in range(levels):
        inner = zipped({f"{k}.zip": inner for k in range(members)})
    return inner


@pytest.mark.parametrize("ending", ["zip", "md"])
def test_a_zip_that_unpacks_to_gigabytes_is_one_line(tmp_path, ending):
    (tmp_path / f"a.{ending}").write_bytes(bomb())
    report = import_roms([tmp_path])
    assert any("far more than ROMs would" in one.detail for one in report.unmatched)


def test_a_zip_that_hides_its_size_is_not_unpacked_beyond_it(tmp_path):
    size = 64 * 2**20 + 0x123457
    data = bytearray(zipped({"a.md": bytes(size)}))
    while (at := data.find(size.to_bytes(4, "little"))) >= 0:
        data[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**29));"
        "from genieredux.retroact.roms import import_roms; print(import_roms([sys.argv[1]]).unmatched[0].detail)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "corrupt zip member" in done.stdout, done.stderr


def test_a_compression_that_cannot_be_bounded_is_one_line(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.md", bytes(2**20))
    (tmp_path / "a.zip").write_bytes(made.getvalue())
    assert "neither stored nor deflated" in import_roms([tmp_path]).unmatched[0].detail
