"""One line and exit code 2 for what the machine or a file did; a defect stays a traceback and exit code 1."""

import errno
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from PIL import Image

from genieredux import own_code
from genieredux.cli import main as program
from genieredux.cli.border import told

ROOT = Path(__file__).resolve().parents[2]


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is what is tested
        action()
    return caught.value


def deep_json() -> None:
    json.loads("[" * 200_000)


def damaged(tmp_path: Path, how: str) -> object:
    path = tmp_path / "file"
    path.write_bytes(b"PK\x03\x04nothing at all")
    openers: dict[str, Callable[[], object]] = {
        "zip": lambda: zipfile.ZipFile(path),
        "zlib": lambda: zlib.decompress(b"nothing"),
        "image": lambda: Image.open(path),
        "parquet": lambda: pyarrow.parquet.read_table(path),
        "json": lambda: json.loads("{"),
        "yaml": lambda: yaml.safe_load("a: ["),
        "text": lambda: b"\xff".decode("utf-8"),
        "name": lambda: "\udcff".encode(),
        "deep": deep_json,
    }
    return openers[how]()


@pytest.mark.parametrize("how", ["zip", "zlib", "image", "parquet", "json", "text", "name", "deep"])
def test_a_damaged_file_is_one_line(how: str, tmp_path: Path) -> None:
    line = told(raised(lambda: damaged(tmp_path, how)))
    assert line
    assert "\n" not in line
    line.encode()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "choose another folder"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.EIO, "the disk"),
        (errno.EACCES, "check the permissions"),
    ],
)
def test_what_the_system_refuses_is_one_line(number: int, expected: str) -> None:
    line = told(OSError(number, os.strerror(number), "some/file"))
    assert line is not None
    assert line.startswith("some/file: ")
    assert expected in line


def test_memory_and_home() -> None:
    assert "not enough memory" in (told(MemoryError()) or "")
    text = (
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )
    assert "not enough memory" in (told(RuntimeError(text)) or "")
    assert "set HOME" in (told(KeyError("getpwuid(): uid not found: 12345")) or "")
    assert "set HOME" in (told(RuntimeError("Could not determine home directory.")) or "")


def test_a_defect_stays_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> None:
        endless()

    for defect in (KeyError("x"), TypeError("x"), AssertionError(), RuntimeError("x"), raised(endless)):
        assert told(defect) is None

    def broken(words: list[str]) -> None:
        raise ZeroDivisionError("of the program")

    monkeypatch.setattr(program, "find", lambda name: broken)
    assert program.run(["data"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: of the program" in said


def test_what_a_users_own_module_raises_is_one_line_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_verb.py").write_text("import json\n\ndef fail(words):\n    return {}[words[0]]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(program, "find", lambda name: own_code.load("own_verb:fail", "verb"))
    assert program.run(["data", "x"]) == 2
    said = capsys.readouterr().err
    assert said == f"genieredux: error: your own code failed: KeyError: 'x' ({tmp_path}/own_verb.py:4)\n"


@pytest.mark.parametrize(
    ("words", "shell", "environment"),
    [
        ("--help", "> /dev/full", {}),
        ("genie_redux --help", "> /dev/full", {}),
    ],
)
def test_an_output_that_is_full_is_one_line(words: str, shell: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} {ROOT / 'run.py'} {words} {shell}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot write to the standard output" in done.stderr


@pytest.mark.parametrize("shell", [">&-", "2>&-", "> /dev/null 2> /dev/full"])
def test_no_output_at_all_is_no_defect(shell: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} {ROOT / 'run.py'} --help {shell}"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_an_output_that_cannot_encode(tmp_path: Path) -> None:
    words = ["data", "info", "été\udcff"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *words],
        capture_output=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"no data set here" in done.stderr


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert program.run(["play", "world=~/w.pt"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "set HOME" in said


@pytest.mark.parametrize("call", [lambda: os.stat("a\0b"), lambda: Path("a\0b").read_bytes(), lambda: os.mkdir("a\0b")])
def test_a_nul_in_a_path_is_one_line(call: Callable[[], object]) -> None:
    assert "NUL character" in (told(raised(call)) or "")
    assert told(ValueError("something else")) is None


def test_a_word_that_never_ends_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["x" * 100_000], ["generate", "x" * 100_000 + "=1"], ["data", "info", "y" * 5000]):
        assert program.run(words) == 2
        said = capsys.readouterr().err
        assert len(said) < 1500
        assert said.count("\n") == 1


def test_a_user_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["data", "info", "~nobody-of-that-name/x"], ["play", "world=~nobody-of-that-name/x.pt"]):
        assert program.run(words) == 2
        assert "there is no user 'nobody-of-that-name'" in capsys.readouterr().err
