"""Files and folders appear whole or not at all."""

import os
import socket
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from genieredux.errors import UserError
from genieredux.runs.files import (
    new_folder,
    remove_unfinished,
    write_atomically,
    write_bytes,
    write_new,
    write_text,
    write_together,
)


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "file"
    for content in (b"old", b"new"):
        assert write_bytes(path, content) == path
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
    write_text(path, "é")
    assert path.read_bytes() == b"\xc3\xa9"


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_new(path, lambda file: file.write(b"first"))  # type: ignore[arg-type,return-value]
    assert not write_new(path, lambda file: file.write(b"second"))  # type: ignore[arg-type,return-value]
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [28, 122, 5, 30])
def test_the_old_file_stays_when_writing_fails(tmp_path: Path, number: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file) -> None:
        file.write(b"half")
        raise OSError(number, os.strerror(number))

    for write in (write_atomically, write_new):
        with pytest.raises(UserError, match=f"cannot write {path}: .*{os.strerror(number)}"):
            write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_of_files_that_belong_together_all_appear_or_none(tmp_path: Path, monkeypatch) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.csv", "c.html")]
    write_together(dict.fromkeys(paths, "old"))
    plain, written = os.fsync, []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 3:
            raise OSError(28, os.strerror(28))
        plain(descriptor)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*c.html: the disk is full"):
        write_together(dict.fromkeys(paths, "new"))
    assert [path.read_text() for path in paths] == ["old"] * 3
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("length", [200, 255])
def test_long_names_can_be_written(tmp_path: Path, length: int) -> None:
    write_bytes(tmp_path / ("n" * length), b"x")
    write_bytes(tmp_path / ("é" * (length // 2)), b"x")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="File name too long; give a shorter name"):
        write_bytes(tmp_path / ("n" * 256), b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_utf8_can_be_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / os.fsdecode(b"caf\xe9"), b"x")
    assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9"]


def test_a_place_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose a folder you may write to"):
        write_bytes(tmp_path / "file" / "x", b"x")
    with pytest.raises(UserError, match="choose a folder you may write to"), new_folder(tmp_path / "file" / "x"):
        pass


def dead_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_leftovers_of_the_dead_go_and_work_of_the_living_stays(tmp_path: Path) -> None:
    host, dead, alive = socket.gethostname().encode().hex()[:32], dead_process(), os.getppid()
    gone = [f"a.parquet.{host}-{dead}-00ff.tmp", f".a.unfinished-{dead}", "d.parquet.abcd-1-00ff.tmp"]
    kept = [f"b.parquet.{host}-{alive}-00ff.tmp", f".b.unfinished-{alive}", "c.parquet.abcd-1-00ff.tmp", "x.tmp", "y"]
    names = [*gone, *kept, ".z.unfinished-0000abcd-1-00112233"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / gone[2], (0, 0))
    assert {path.name for path in remove_unfinished(tmp_path, shared=True)} == set(gone)
    assert {path.name for path in tmp_path.iterdir()} == set(names) - set(gone)
    remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"x.tmp", "y"}


def test_what_a_killed_writer_leaves_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from genieredux.runs.files import write_bytes;"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL); write_bytes(Path(sys.argv[1]), b'x')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    assert len(remove_unfinished(tmp_path, shared=True)) == 1


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deeper" / "out"
    with new_folder(out) as folder:
        (folder / "x").write_text("x")
        assert not out.exists()
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert stat.S_IMODE(out.stat().st_mode) & 0o700 == 0o700
    with pytest.raises(UserError, match="exists and is not empty"), new_folder(out):
        pass
    with new_folder(out, may_replace=lambda _: True) as folder:
        (folder / "y").write_text("y")
    assert [path.name for path in out.iterdir()] == ["y"]
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "other"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["deeper"]


def test_folders_aside_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead = tmp_path / f".out.unfinished-{dead_process()}"
    alive = tmp_path / f".out.unfinished-{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir()
    with new_folder(tmp_path / "out"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, "out"}


@pytest.mark.parametrize("host", ["", f"{sha256(socket.gethostname().encode()).hexdigest()[:8]}-"])
def test_a_folder_set_aside_by_a_killed_replacement_takes_its_place_again(tmp_path: Path, host: str) -> None:
    random = "-00112233" if host else ""
    old = tmp_path / f".out.unfinished-{host}{dead_process()}{random}-old"
    old.mkdir()
    (old / "kept").write_text("x")
    with pytest.raises(UserError, match="exists"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "kept").is_file()


@pytest.mark.parametrize("place", ["/", "//", "."])
def test_what_has_no_name_is_not_written(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="has no name that can be given"):
        write_text(Path(place), "x")


def test_the_root_is_no_folder_to_make() -> None:
    with pytest.raises(UserError), new_folder(Path("/"), lambda _: True):
        pass
