"""The files of one evaluation come as one, and two evaluations never write one folder."""

from pathlib import Path

import pytest

from genieredux.errors import UserError
from genieredux.evaluation.writing import committed, held_for_writing


def leave(folder: Path, word: str, fail: bool = False) -> None:
    with committed(folder, "results.json") as aside:
        (aside / "clips.parquet").write_text(word)
        if fail:
            raise KeyboardInterrupt
        (aside / "media").mkdir()
        (aside / "media" / "a.gif").write_text(word)
        (aside / "results.json").write_text(word)


def test_a_killed_evaluation_leaves_what_was_there(tmp_path: Path) -> None:
    leave(tmp_path, "first")
    with pytest.raises(KeyboardInterrupt):
        leave(tmp_path, "second", fail=True)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.read_text() for path in files} == {"first"}
    leave(tmp_path, "third")
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"third"}


@pytest.mark.parametrize("broken", range(1, 4))
def test_killed_at_any_rename_there_are_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    import os

    leave(tmp_path, "first")
    (tmp_path / "report.html").write_text("first")
    replace, calls = os.replace, []

    def dies(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == broken:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        leave(tmp_path, "second")
    assert calls[-1].name == "results.json" or broken < 3
    assert not (tmp_path / "results.json").exists()
    assert not (tmp_path / "report.html").exists()


def test_two_writers_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with held_for_writing(folder):
        with (
            pytest.raises(UserError, match=r"another evaluation is writing to .*run; wait") as caught,
            held_for_writing(folder),
        ):
            pass
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()  # nothing was written
    with held_for_writing(folder):
        leave(folder, "first")
    assert sorted(path.name for path in folder.iterdir()) == ["clips.parquet", "media", "results.json"]
